// SPDX-License-Identifier: Apache-2.0
// The same through assentd and two assent-rm: all threads share one client.
#include <pthread.h>
#include <stdio.h>

#include "assent/assent.h"
#include "transfer.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static assent_client *client;
static unsigned users;

static void *assent_open(const struct transfer_place *place, unsigned thread)
{
    (void)place, (void)thread;
    assent_error error;
    pthread_mutex_lock(&lock);
    if (users++ == 0 && assent_client_open(NULL, &client, &error))
        transfer_die("%s", error.message);
    pthread_mutex_unlock(&lock);
    return client;
}

static bool call(assent_tx *tx, const char *resource, const char *procedure, unsigned account,
                 int amount, assent_error *error)
{
    char payload[128];
    int size =
        snprintf(payload, sizeof payload, "{\"do\":[{\"procedure\":\"%s\",\"with\":[%u,%d]}]}",
                 procedure, account, amount);
    return assent_call(tx, resource, payload, (size_t)size, NULL, error) == ASSENT_OK;
}

static bool assent_once(void *self, unsigned account, int amount, uint64_t number)
{
    (void)number;
    assent_tx *tx;
    assent_result result;
    assent_error error;
    if (assent_begin(self, NULL, NULL, &tx, &error))
        transfer_die("%s", error.message);
    if (!call(tx, "pg", "debit", account, amount, &error) ||
        !call(tx, "my", "credit", account, amount, &error) || assent_commit(tx, &result, &error))
        transfer_die("%s", error.message);
    assent_tx_destroy(&tx);
    return result.outcome == ASSENT_COMMITTED;
}

static void assent_close(void *self)
{
    (void)self;
    pthread_mutex_lock(&lock);
    if (--users == 0)
        assent_client_close(&client);
    pthread_mutex_unlock(&lock);
}

const struct transfer_way transfer_assent = {assent_open, assent_once, assent_close};
