// SPDX-License-Identifier: Apache-2.0
// The switch's functions, in the order of a branch's life; and how they tell what failed.
#ifndef XA_MARIADB_H
#define XA_MARIADB_H

#include "pool.h"

// Each clears the thread's reason, and returns what it has open; NULL: it has not (*ret_code).
struct opened *switch_enter(int rmid, long flags, int *ret_code);
// Keeps what there is to say, and returns `code`.
int switch_refuse(struct opened *opened, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int switch_refuse_xid(struct opened *opened);
int switch_refuse_error(struct opened *opened, int code, const assent_error *error);

int switch_start(XID *xid, int rmid, long flags);
int switch_end(XID *xid, int rmid, long flags);
int switch_prepare(XID *xid, int rmid, long flags);
int switch_commit(XID *xid, int rmid, long flags);
int switch_rollback(XID *xid, int rmid, long flags);
int switch_recover(XID *xids, long count, int rmid, long flags);

#endif
