// SPDX-License-Identifier: Apache-2.0
// Making a bank's tables, opening them, and looking in.
#include "database.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int database_execute(const struct database *d, struct sql_session *session, const char *sql,
                     const char *const *texts, size_t count, struct sql_answer *ret,
                     assent_error *error)
{
    struct sql_value values[STATEMENT_VALUES_MAX];
    for (size_t i = 0; i < count; i++)
        values[i] = (struct sql_value){texts[i], strlen(texts[i])};
    return d->driver->execute(session, sql, values, count, ret, error);
}

static int run(const struct database *d, const char *sql, const char *const *texts, size_t count,
               assent_error *error)
{
    struct sql_answer answer;
    return database_execute(d, d->session, sql, texts, count, &answer, error);
}

// ---- looking in ----

// One row, in a transaction of its own.
static int look(const struct database *d, const char *sql, const char *const *texts, size_t count,
                void (*visit)(void *arg, int columns, const char *const *values), void *arg,
                assent_error *error)
{
    struct sql_value values[STATEMENT_VALUES_MAX];
    for (size_t i = 0; i < count; i++)
        values[i] = (struct sql_value){texts[i], strlen(texts[i])};
    int code = d->driver->begin(d->session, error);
    if (code)
        return code;
    code = d->driver->query(d->session, sql, values, count, visit, arg, error);
    d->driver->rollback(d->session, NULL); // nothing was changed
    return code;
}

static void take_meta(void *arg, int columns, const char *const *values)
{
    struct database *d = arg;
    if (columns != 2 || !values[0] || !values[1])
        return;
    snprintf(d->name, sizeof d->name, "%s", values[0]);
    d->loaded = strtoll(values[1], NULL, 10);
}

static int read_meta(struct database *d, assent_error *error)
{
    d->name[0] = '\0';
    int code = look(d, "SELECT name, loaded FROM meta", NULL, 0, take_meta, d, error);
    if (code == ASSENT_INVALID || (!code && !d->name[0]))
        return error_set(error, ASSENT_STATE,
                         "there is no bank in that database: make one by assent-bank load");
    return code;
}

static void take_sums(void *arg, int columns, const char *const *values)
{
    struct totals *t = arg;
    if (columns != 4 || !values[0])
        return;
    t->accounts = strtoull(values[0], NULL, 10);
    t->checking = values[1] ? strtoll(values[1], NULL, 10) : 0;
    t->savings = values[2] ? strtoll(values[2], NULL, 10) : 0;
    t->cash = values[3] ? strtoll(values[3], NULL, 10) : 0;
}

struct count {
    char hash[9];
    uint64_t prepared;
};

static void count_prepared(void *arg, const struct sql_prepared *prepared)
{
    struct count *count = arg;
    assent_xid_parts parts;
    assent_xid_parse(&prepared->xid, &parts);
    count->prepared += strcmp(parts.resource_hash, count->hash) == 0;
}

static int totals(void *self, struct totals *ret, assent_error *error)
{
    struct database *d = self;
    struct totals t = {.loaded = d->loaded};
    struct count count = {.prepared = 0};
    assent_xid_resource_hash(d->name, count.hash);
    int code = look(d, "SELECT COUNT(*), SUM(checking), SUM(savings), SUM(cash) FROM accounts",
                    NULL, 0, take_sums, &t, error);
    if (!code)
        code = d->driver->prepared(d->session, count_prepared, &count, error);
    if (code)
        return code;
    t.prepared = count.prepared;
    *ret = t;
    return ASSENT_OK;
}

static void take_found(void *arg, int columns, const char *const *values)
{
    (void)values;
    *(bool *)arg = columns > 0;
}

static int applied(void *self, const char *gtid, unsigned branch, bool *ret, assent_error *error)
{
    char number[16];
    snprintf(number, sizeof number, "%u", branch);
    bool found = false;
    int code = look(self, "SELECT branch FROM applied WHERE gtid = $1 AND branch = $2",
                    (const char *const[]){gtid, number}, 2, take_found, &found, error);
    if (code == ASSENT_OK)
        *ret = found;
    return code;
}

static const char *name(const void *self)
{
    return ((const struct database *)self)->name;
}

static bool failed(void *self)
{
    (void)self; // what a database could not do now it can do later
    return false;
}

// ---- life ----

static void close_database(void *self)
{
    struct database *d = self;
    if (d->xa)
        assent_xa_close(&d->xa);
    if (d->session)
        d->driver->close(&d->session);
    free(d->address);
    free(d);
}

static int connect_to(const char *address, struct database **ret, assent_error *error)
{
    struct database *d = calloc(1, sizeof *d);
    if (d)
        d->address = strdup(address);
    if (!d || !d->address) {
        free(d);
        return error_set(error, ASSENT_NOMEM, "out of memory");
    }
    int code = sql_driver_load(d->address, &d->driver, &d->where, error);
    if (!code && strlen(d->where) >= MAXINFOSIZE)
        code = error_set(error, ASSENT_CONFIG,
                         "the database's address has more than %d bytes behind the colon",
                         MAXINFOSIZE - 1);
    if (!code)
        code = d->driver->connect(d->where, &d->session, error);
    if (code) {
        close_database(d);
        return code;
    }
    *ret = d;
    return ASSENT_OK;
}

static int open_database(const char *dir, const char *address, bool history, void **ret_self,
                         assent_error *error)
{
    (void)dir;
    (void)history; // it is always kept
    struct database *d;
    int code = connect_to(address, &d, error);
    if (code)
        return code;
    code = read_meta(d, error);
    if (code) {
        close_database(d);
        return code;
    }
    *ret_self = d;
    return ASSENT_OK;
}

// ---- making one ----

// gtids and names are compared byte by byte; that is PostgreSQL's way anyhow.
static const char mariadb_table[] = " ENGINE=InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin";
static const char *const tables[] = {
    "CREATE TABLE IF NOT EXISTS accounts (id BIGINT PRIMARY KEY, checking BIGINT NOT NULL, "
    "savings BIGINT NOT NULL, cash BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS applied (gtid VARCHAR(64) NOT NULL, branch INT NOT NULL, "
    "PRIMARY KEY (gtid, branch))",
    "CREATE TABLE IF NOT EXISTS meta (name VARCHAR(64) NOT NULL, accounts BIGINT NOT NULL, "
    "loaded BIGINT NOT NULL)",
};

static int create_tables(const struct database *d, assent_error *error)
{
    bool mariadb = strcmp(d->driver->name, "mariadb") == 0;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char sql[512];
        snprintf(sql, sizeof sql, "%s%s", tables[i], mariadb ? mariadb_table : "");
        int code = run(d, sql, NULL, 0, error); // a transaction of its own, in MariaDB anyhow
        if (code)
            return code;
    }
    return ASSENT_OK;
}

// One account, then two, four, ...: copies of those that are there.
static int insert_accounts(const struct database *d, const struct bank_new *bank,
                           assent_error *error)
{
    char step[24], end[24], balance[24];
    snprintf(end, sizeof end, "%" PRIu64, bank->accounts);
    snprintf(balance, sizeof balance, "%" PRId64, bank->balance);
    int code = run(d, "INSERT INTO accounts (id, checking, savings, cash) VALUES (0, $1, $2, 0)",
                   (const char *const[]){balance, balance}, 2, error);
    for (uint64_t count = 1; !code && count < bank->accounts; count *= 2) {
        snprintf(step, sizeof step, "%" PRIu64, count);
        code = run(d,
                   "INSERT INTO accounts (id, checking, savings, cash) "
                   "SELECT id + CAST($1 AS DECIMAL(20)), checking, savings, 0 FROM accounts "
                   "WHERE id + CAST($2 AS DECIMAL(20)) < CAST($3 AS DECIMAL(20))",
                   (const char *const[]){step, step, end}, 3, error);
    }
    return code;
}

static int insert_all(const struct database *d, const struct bank_new *bank, assent_error *error)
{
    char accounts[24], loaded[24];
    snprintf(accounts, sizeof accounts, "%" PRIu64, bank->accounts);
    snprintf(loaded, sizeof loaded, "%" PRId64, 2 * bank->balance * (int64_t)bank->accounts);
    int code = d->driver->begin(d->session, error);
    if (!code)
        code = insert_accounts(d, bank, error);
    if (!code)
        code = run(d, "INSERT INTO meta (name, accounts, loaded) VALUES ($1, $2, $3)",
                   (const char *const[]){bank->name, accounts, loaded}, 3, error);
    if (!code)
        code = d->driver->commit(d->session, error);
    if (code)
        d->driver->rollback(d->session, NULL);
    return code;
}

static int create(const char *dir, const char *address, const struct bank_new *bank,
                  assent_error *error)
{
    (void)dir;
    struct database *d;
    int code = connect_to(address, &d, error);
    if (code)
        return code;
    code = d->driver->check(d->session, error);
    if (!code)
        code = create_tables(d, error);
    if (!code) {
        code = read_meta(d, error);
        if (code == ASSENT_OK)
            code = error_set(error, ASSENT_STATE, "there is a bank in that database already: %s",
                             d->name);
        else if (code == ASSENT_STATE)
            code = insert_all(d, bank, error);
    }
    close_database(d);
    return code;
}

const struct bank_store_type database_store = {
    .handlers = &database_handlers,
    .shared = true,
    .create = create,
    .open = open_database,
    .close = close_database,
    .name = name,
    .failed = failed,
    .totals = totals,
    .applied = applied,
    .participate = database_participate,
    .drain = database_drain,
    .watch = database_watch,
};
