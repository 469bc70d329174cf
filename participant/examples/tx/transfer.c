// SPDX-License-Identifier: Apache-2.0
// assent-transfer: a program written for the X/Open TX interface, and nothing of Assent in it but
// where its connections come from. It moves money from an account in PostgreSQL (rmid 0) to one in
// MariaDB (rmid 1), as docs/tx.md shows. Both databases have
//
//     CREATE TABLE account (id INT PRIMARY KEY, balance BIGINT NOT NULL)
//     CREATE TABLE moved (gtid VARCHAR(64) PRIMARY KEY, amount BIGINT NOT NULL)
#include <libpq-fe.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tx.h>

#include <assent/mariadb.h>
#include <assent/postgres.h>
#include <assent/tx_error.h>

enum { POSTGRES = 0, MARIADB = 1, SQL_BYTES = 256 };

struct transfer {
    long from, to, amount;
};

// Executes what has to change one row. False, and a word about it.
static int in_postgres(const char *sql)
{
    PGconn *conn = (PGconn *)assent_postgres_connection(POSTGRES);
    if (!conn)
        return fprintf(stderr, "PostgreSQL: there is no connection\n"), 0;
    PGresult *result = PQexec(conn, sql);
    int good = PQresultStatus(result) == PGRES_COMMAND_OK && strcmp(PQcmdTuples(result), "1") == 0;
    if (!good)
        fprintf(stderr, "PostgreSQL: %s",
                *PQresultErrorMessage(result) ? PQresultErrorMessage(result)
                                              : "not enough money there, or no such account\n");
    PQclear(result);
    return good;
}

static int in_mariadb(const char *sql)
{
    MYSQL *db = (MYSQL *)assent_mariadb_connection(MARIADB);
    if (!db)
        return fprintf(stderr, "MariaDB: there is no connection\n"), 0;
    if (mysql_query(db, sql))
        return fprintf(stderr, "MariaDB: %s\n", mysql_error(db)), 0;
    if (mysql_affected_rows(db) != 1)
        return fprintf(stderr, "MariaDB: no such account\n"), 0;
    return 1;
}

static int note(int (*in_database)(const char *sql), const char *gtid, long amount)
{
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql, "INSERT INTO moved (gtid, amount) VALUES ('%s', %ld)", gtid, amount);
    return in_database(sql);
}

static int work(const struct transfer *t, const char *gtid)
{
    char sql[SQL_BYTES];
    snprintf(sql, sizeof sql,
             "UPDATE account SET balance = balance - %ld WHERE id = %ld AND balance >= %ld",
             t->amount, t->from, t->amount);
    if (!in_postgres(sql) || !note(in_postgres, gtid, t->amount))
        return 0;
    snprintf(sql, sizeof sql, "UPDATE account SET balance = balance + %ld WHERE id = %ld",
             t->amount, t->to);
    return in_mariadb(sql) && note(in_mariadb, gtid, t->amount);
}

static int say(const char *gtid, int code)
{
    const char *why = assent_tx_error();
    printf("%s %s%s%s\n", gtid, assent_tx_code_text(code), *why ? ": " : "", why);
    fflush(stdout);
    return code;
}

// A code of TX: TX_OK, once the money is there; TX_ROLLBACK where it stayed.
static int transfer(const struct transfer *t)
{
    TXINFO info;
    char gtid[MAXGTRIDSIZE + 1];
    int code = tx_begin();
    if (code != TX_OK)
        return say("-", code);
    tx_info(&info);
    snprintf(gtid, sizeof gtid, "%.*s", (int)info.xid.gtrid_length, info.xid.data);
    if (work(t, gtid))
        return say(gtid, tx_commit());
    code = tx_rollback();
    return say(gtid, code == TX_OK ? TX_ROLLBACK : code);
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 6) {
        fprintf(stderr, "Usage: assent-transfer FROM TO AMOUNT [TIMES [TIMEOUT_S]]\n"
                        "$ASSENT_TX_CONFIG: PostgreSQL, then MariaDB\n");
        return 2;
    }
    struct transfer t = {atol(argv[1]), atol(argv[2]), atol(argv[3])};
    long times = argc > 4 ? atol(argv[4]) : 1;
    int worst = tx_open();
    if (worst == TX_OK)
        worst = tx_set_transaction_timeout(argc > 5 ? atol(argv[5]) : 30);
    if (worst != TX_OK)
        return say("-", worst), 3;
    for (long i = 0; i < times; i++) {
        int code = transfer(&t);
        worst = code < worst ? code : worst;
    }
    tx_close();
    return worst == TX_OK ? 0 : worst == TX_ROLLBACK ? 1 : 3;
}
