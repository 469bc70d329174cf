// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include <errmsg.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

// Of libmariadb; 10.5 is the first that keeps prepared branches of clients that are gone.
enum { VERSION_LEAST = 100500 };

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void library_begin(void)
{
    mysql_library_init(0, NULL, NULL);
}

unsigned link_run(MYSQL *db, const char *sql)
{
    if (mysql_query(db, sql))
        return mysql_errno(db);
    do {
        MYSQL_RES *rows = mysql_store_result(db);
        if (!rows && mysql_errno(db))
            return mysql_errno(db);
        mysql_free_result(rows);
    } while (mysql_next_result(db) == 0);
    return mysql_errno(db);
}

unsigned link_numbers(MYSQL *db, const char *sql, long long *ret, unsigned count)
{
    if (mysql_query(db, sql))
        return mysql_errno(db);
    MYSQL_RES *rows = mysql_store_result(db);
    if (!rows)
        return mysql_errno(db) ? mysql_errno(db) : CR_COMMANDS_OUT_OF_SYNC;
    MYSQL_ROW row = mysql_fetch_row(rows);
    bool good = row && mysql_num_fields(rows) == count;
    for (unsigned i = 0; good && i < count; i++)
        ret[i] = row[i] ? strtoll(row[i], NULL, 10) : -1;
    mysql_free_result(rows);
    return good ? ER_NONE : CR_COMMANDS_OUT_OF_SYNC;
}

static void set_options(MYSQL *db, const struct where *where)
{
    my_bool no = 0, yes = 1;
    unsigned off = 0;
    mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &where->connect_timeout_s);
    if (where->read_timeout_s) {
        mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &where->read_timeout_s);
        mysql_options(db, MYSQL_OPT_WRITE_TIMEOUT, &where->read_timeout_s);
    }
    mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(db, MYSQL_OPT_LOCAL_INFILE, &off); // no server asks for this process's files
    mysql_options(db, MYSQL_OPT_RECONNECT, &no);     // a new connection is another transaction
    if (where->ssl_ca || where->ssl_cert) {
        mysql_ssl_set(db, where->ssl_key, where->ssl_cert, where->ssl_ca, NULL, NULL);
        mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, where->ssl_ca ? &yes : &no);
        mysql_options(db, MYSQL_OPT_SSL_ENFORCE, &yes);
    }
}

// "T___W___": letters of what the transaction has done; W and w are for writing.
#if MARIADB_PACKAGE_VERSION_ID >= 30302
static void take_status(void *arg, enum enum_mariadb_status_info what, ...)
{
    struct link_track *tracked = arg;
    va_list more;
    va_start(more, what);
    if (what == SESSION_TRACK_TYPE &&
        va_arg(more, enum enum_session_state_type) == SESSION_TRACK_TRANSACTION_STATE) {
        const MARIADB_CONST_STRING *state = va_arg(more, const MARIADB_CONST_STRING *);
        tracked->reported = true;
        for (size_t i = 0; i < state->length; i++)
            if (state->str[i] == 'W' || state->str[i] == 'w')
                tracked->wrote = true;
    }
    va_end(more);
}

static void track(MYSQL *db, struct link_track *tracked)
{
    mysql_optionsv(db, MARIADB_OPT_STATUS_CALLBACK, take_status, tracked);
}
#else
static void track(MYSQL *db, struct link_track *tracked)
{
    (void)db, (void)tracked; // this client library does not tell
}
#endif

int link_open(const struct where *where, struct link_track *tracked, MYSQL **ret,
              unsigned *ret_number, assent_error *error)
{
    pthread_once(&once, library_begin);
    MYSQL *db = mysql_init(NULL);
    if (!db)
        return error_set(error, ASSENT_NOMEM, "MariaDB: out of memory");
    set_options(db, where);
    if (tracked)
        track(db, tracked);
    unsigned number = ER_NONE;
    // FOUND_ROWS: an UPDATE says how many rows it was for, as in all other databases.
    if (!mysql_real_connect(db, where->host, where->user, where->password, where->database,
                            where->port, where->socket, CLIENT_FOUND_ROWS))
        number = mysql_errno(db);
    if (!number)
        number =
            link_run(db, tracked ? "SET SESSION autocommit = 1, session_track_transaction_info "
                                   "= 'STATE'"
                                 : "SET SESSION autocommit = 1");
    if (ret_number)
        *ret_number = number;
    if (number) {
        int code = link_refuse(number, mysql_error(db), error);
        if (code != ASSENT_UNAVAILABLE && code != ASSENT_NOMEM)
            code = ASSENT_CONFIG;
        if (error)
            error->code = code;
        mysql_close(db);
        return code;
    }
    *ret = db;
    return ASSENT_OK;
}

int link_check_durable(MYSQL *db, assent_error *error)
{
    enum { FLUSH, BINLOG, SYNC, SETTINGS };
    long long set[SETTINGS] = {0};
    unsigned number = link_numbers(
        db, "SELECT @@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog", set, SETTINGS);
    if (number)
        return link_refuse(number, mysql_error(db), error);
    if (set[FLUSH] != 1 && set[FLUSH] != 3)
        return error_set(error, ASSENT_CONFIG,
                         "MariaDB: with innodb_flush_log_at_trx_commit = %lld what is prepared or "
                         "committed may be lost when the power fails: set it to 1 in the server's "
                         "configuration",
                         set[FLUSH]);
    // At a start the server rolls back what InnoDB has and the binary log has not.
    if (set[BINLOG] && set[SYNC] != 1)
        return error_set(error, ASSENT_CONFIG,
                         "MariaDB: with the binary log and sync_binlog = %lld what is committed "
                         "may be lost when the power fails: set it to 1 in the server's "
                         "configuration",
                         set[SYNC]);
    return ASSENT_OK;
}

int link_check(MYSQL *db, unsigned *ret_connections, assent_error *error)
{
    enum { INNODB, CONNECTIONS, SETTINGS };
    long long found[SETTINGS] = {0};
    if (!mariadb_connection(db) || mysql_get_server_version(db) < VERSION_LEAST)
        return error_set(error, ASSENT_CONFIG,
                         "MariaDB: the server is '%s': MariaDB 10.5 or later is needed, which "
                         "keeps a prepared branch when its client is gone",
                         mysql_get_server_info(db));
    unsigned number = link_numbers(
        db,
        "SELECT (SELECT COUNT(*) FROM information_schema.ENGINES WHERE ENGINE = 'InnoDB' AND "
        "SUPPORT IN ('YES', 'DEFAULT') AND XA = 'YES'), @@max_connections",
        found, SETTINGS);
    if (number)
        return link_refuse(number, mysql_error(db), error);
    if (found[INNODB] != 1)
        return error_set(error, ASSENT_CONFIG,
                         "MariaDB: the server has no InnoDB, which alone can prepare a branch");
    if (ret_connections)
        *ret_connections = (unsigned)found[CONNECTIONS];
    return link_check_durable(db, error);
}

bool link_is_open(MYSQL *db)
{
    unsigned status;
    if (mariadb_get_infov(db, MARIADB_CONNECTION_SERVER_STATUS, &status))
        return false;
    return (status & SERVER_STATUS_IN_TRANS) || !(status & SERVER_STATUS_AUTOCOMMIT);
}

bool link_is_rolled_back(MYSQL *db)
{
    // The one place that says it; names of states are in no language.
    return mysql_errno(db) == ER_XAER_RMFAIL_NUMBER && strstr(mysql_error(db), "ROLLBACK ONLY");
}
