// SPDX-License-Identifier: Apache-2.0
// Two-phase commit by a client of both databases, one statement after the other.
#include <libpq-fe.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>

#include "transfer.h"

struct plain {
    PGconn *postgres;
    MYSQL *mariadb;
    unsigned thread;
};

static void *plain_open(const struct transfer_place *place, unsigned thread)
{
    struct plain *self = calloc(1, sizeof *self);
    if (!self)
        transfer_die("out of memory");
    self->thread = thread;
    self->postgres = PQconnectdb(place->postgres);
    if (PQstatus(self->postgres) != CONNECTION_OK)
        transfer_die("%s", PQerrorMessage(self->postgres));
    self->mariadb = mysql_init(NULL);
    if (!mysql_real_connect(self->mariadb, NULL, place->user, place->password, place->database, 0,
                            place->socket, 0))
        transfer_die("%s", mysql_error(self->mariadb));
    return self;
}

static bool in_postgres(struct plain *self, const char *sql)
{
    PGresult *result = PQexec(self->postgres, sql);
    bool good = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return good;
}

static bool in_mariadb(struct plain *self, const char *sql)
{
    return mysql_query(self->mariadb, sql) == 0;
}

static bool plain_once(void *arg, unsigned account, int amount, uint64_t number)
{
    struct plain *self = arg;
    char update[128], postgres_prepare[64], postgres_commit[64], xid[64], mariadb[5][96];
    snprintf(postgres_prepare, sizeof postgres_prepare, "PREPARE TRANSACTION 'b%u-%llu'",
             self->thread, (unsigned long long)number);
    snprintf(postgres_commit, sizeof postgres_commit, "COMMIT PREPARED 'b%u-%llu'", self->thread,
             (unsigned long long)number);
    snprintf(xid, sizeof xid, "'b%u-%llu','b'", self->thread, (unsigned long long)number);
    static const char *const steps[] = {"XA START", "XA END", "XA PREPARE", "XA COMMIT"};
    for (unsigned i = 0; i < 4; i++)
        snprintf(mariadb[i], sizeof mariadb[i], "%s %s", steps[i], xid);
    snprintf(update, sizeof update, "UPDATE account SET balance = balance - %d WHERE id = %u",
             amount, account);
    snprintf(mariadb[4], sizeof mariadb[4],
             "UPDATE account SET balance = balance + %d WHERE id = %u", amount, account);
    if (!in_postgres(self, "BEGIN") || !in_mariadb(self, mariadb[0]) ||
        !in_postgres(self, update) || !in_mariadb(self, mariadb[4]) ||
        !in_mariadb(self, mariadb[1]) || !in_postgres(self, postgres_prepare) ||
        !in_mariadb(self, mariadb[2]) || !in_postgres(self, postgres_commit) ||
        !in_mariadb(self, mariadb[3]))
        transfer_die("PostgreSQL: %s; MariaDB: %s", PQerrorMessage(self->postgres),
                     mysql_error(self->mariadb));
    return true;
}

static void plain_close(void *arg)
{
    struct plain *self = arg;
    PQfinish(self->postgres);
    mysql_close(self->mariadb);
    free(self);
}

const struct transfer_way transfer_plain = {plain_open, plain_once, plain_close};
