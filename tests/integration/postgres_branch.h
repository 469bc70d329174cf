// SPDX-License-Identifier: Apache-2.0
// Short words for the calls of PostgreSQL's switch, on one rmid.
#ifndef INTEGRATION_POSTGRES_BRANCH_H
#define INTEGRATION_POSTGRES_BRANCH_H

#include "postgres_world.h"

#include "assent/xa_manager.h"

enum { RM = 7, OTHER = 8, XIDS = 16 };

extern const struct xa_switch_t *xa;
extern PGconn *watch; // a connection that looks on

int xa_open(int rmid, const char *conninfo);
int xa_close(int rmid);
int start(XID *xid);
int end(XID *xid);
int prepare(XID *xid);
int commit(XID *xid);
int rollback(XID *xid);
int recover(XID xids[XIDS]); // all at once

int execute(const char *sql);               // by the driver, in the branch
void work(const char *sql);                 // which has to go well
int insert(int number);                     // into t
long count(void);                           // of what is committed in t
XID prepared(const char *gtid, int number); // a branch with that row in it

// Around each test: an empty table t, and the switch opened; nothing is left prepared.
int branch_set_up(void **state);
int branch_tear_down(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, branch_set_up, branch_tear_down)

#endif
