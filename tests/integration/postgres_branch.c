// SPDX-License-Identifier: Apache-2.0
#include "postgres_branch.h"

#include <stdio.h>

const struct xa_switch_t *xa = &assent_postgres_xa;
PGconn *watch;

int xa_open(int rmid, const char *conninfo)
{
    char info[512];
    snprintf(info, sizeof info, "%s", conninfo);
    return xa->xa_open_entry(info, rmid, TMNOFLAGS);
}

int xa_close(int rmid)
{
    char info[] = "";
    return xa->xa_close_entry(info, rmid, TMNOFLAGS);
}

int start(XID *xid)
{
    return xa->xa_start_entry(xid, RM, TMNOFLAGS);
}

int end(XID *xid)
{
    return xa->xa_end_entry(xid, RM, TMSUCCESS);
}

int prepare(XID *xid)
{
    return xa->xa_prepare_entry(xid, RM, TMNOFLAGS);
}

int commit(XID *xid)
{
    return xa->xa_commit_entry(xid, RM, TMNOFLAGS);
}

int rollback(XID *xid)
{
    return xa->xa_rollback_entry(xid, RM, TMNOFLAGS);
}

int execute(const char *sql)
{
    struct sql_session *session = assent_sql_postgres.of_thread(RM);
    assert_non_null(session);
    return assent_sql_postgres.execute(session, sql, NULL, 0, NULL, NULL);
}

void work(const char *sql)
{
    assert_int_equal(execute(sql), ASSENT_OK);
}

int insert(int number)
{
    char sql[64];
    snprintf(sql, sizeof sql, "INSERT INTO t VALUES (%d)", number);
    return execute(sql);
}

long count(void)
{
    return world_number(watch, "SELECT count(*) FROM t");
}

int branch_set_up(void **state)
{
    (void)state;
    watch = world_connect();
    world_sql(watch, "DROP TABLE IF EXISTS t; CREATE TABLE t (n int PRIMARY KEY)");
    assert_int_equal(world_prepared(watch), 0);
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK);
    return 0;
}

int branch_tear_down(void **state)
{
    (void)state;
    assert_int_equal(world_prepared(watch), 0);
    assert_int_equal(xa_close(RM), XA_OK);
    PQfinish(watch);
    return 0;
}

int recover(XID xids[XIDS])
{
    return xa->xa_recover_entry(xids, XIDS, RM, TMSTARTRSCAN | TMENDRSCAN);
}

XID prepared(const char *gtid, int number)
{
    XID xid = world_xid(gtid, 0);
    assert_int_equal(start(&xid), XA_OK);
    assert_int_equal(insert(number), ASSENT_OK);
    assert_int_equal(end(&xid), XA_OK);
    assert_int_equal(prepare(&xid), XA_OK);
    return xid;
}
