// SPDX-License-Identifier: Apache-2.0
#include "fleet.h"

#include <stdlib.h>
#include <string.h>

#include "kit/pause.h"
#include "operation.h"
#include "service.h"

// One client: a thread.
struct client {
    struct fleet *fleet;
    uint64_t random;
    struct tally tally;
    struct counter *counters[FLEET_BANKS_MAX]; // opened when work is done at a bank itself
    char touched[160];                         // " <bank>:<branch>..." of the transaction
};

static double seconds_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

double fleet_seconds(const struct fleet *f)
{
    return seconds_since(&f->started);
}

static const char *bank_of(const struct fleet *f, uint64_t account)
{
    return f->banks[account % f->bank_count].name;
}

static void touch(struct client *c, const char *bank, unsigned branch)
{
    size_t used = strlen(c->touched);
    snprintf(c->touched + used, sizeof c->touched - used, " %s:%u", bank, branch);
}

// Adds a branch that does one operation to an account, at the bank that has it.
static int add_call(struct client *c, assent_tx *tx, enum verb verb, uint64_t account,
                    int64_t amount, assent_error *error)
{
    const struct fleet *f = c->fleet;
    struct operation op = {verb, account / f->bank_count, amount};
    char text[OPERATION_TEXT_MAX];
    uint16_t branch;
    size_t size = operation_print(&op, text);
    int code = assent_call(tx, bank_of(f, account), text, size, &branch, error);
    if (code == ASSENT_OK && verb != VERB_BALANCE)
        touch(c, bank_of(f, account), branch);
    return code;
}

// Amalgamate moves all that one account has, and how much that is only its bank knows: so the work
// is done there first, under an enlisted branch, and the other branch is a call with the amount.
static int add_amalgamate(struct client *c, assent_tx *tx, const struct job *job,
                          assent_error *error)
{
    struct fleet *f = c->fleet;
    unsigned bank = (unsigned)(job->from % f->bank_count);
    uint16_t branch;
    int64_t amount;
    int code = assent_enlist(tx, f->banks[bank].name, &branch, error);
    if (code == ASSENT_OK && !c->counters[bank])
        code = counter_open(f->banks[bank].dir, &c->counters[bank], error);
    if (code == ASSENT_OK)
        code = counter_drain(c->counters[bank], assent_tx_gtid(tx), branch,
                             job->from / f->bank_count, &amount, error);
    if (code == ASSENT_OK) {
        touch(c, f->banks[bank].name, branch);
        code =
            add_call(c, tx, VERB_CREDIT, job->to, amount < AMOUNT_MAX ? amount : AMOUNT_MAX, error);
    }
    return code;
}

static int add_branches(struct client *c, assent_tx *tx, const struct job *job, assent_error *error)
{
    int code = ASSENT_OK;
    switch (job->kind) {
    case KIND_BALANCE: return add_call(c, tx, VERB_BALANCE, job->from, 0, error);
    case KIND_DEPOSIT_CHECKING: return add_call(c, tx, VERB_DEPOSIT, job->from, job->amount, error);
    case KIND_TRANSACT_SAVINGS:
        return add_call(c, tx, VERB_TRANSACT, job->from, job->amount, error);
    case KIND_WRITE_CHECK: return add_call(c, tx, VERB_CHECK, job->from, job->amount, error);
    case KIND_AMALGAMATE: return add_amalgamate(c, tx, job, error);
    case KIND_SEND_PAYMENT:
    case KIND_COUNT:
        code = add_call(c, tx, VERB_DEBIT, job->from, job->amount, error);
        if (code == ASSENT_OK)
            code = add_call(c, tx, VERB_CREDIT, job->to, job->amount, error);
        return code;
    }
    return code;
}

// The answer was lost, or came too late: the true outcome, by asking until it is known.
static void resolve(struct client *c, assent_result *result)
{
    struct timespec since;
    clock_gettime(CLOCK_MONOTONIC, &since);
    char gtid[ASSENT_GTID_MAX + 1];
    memcpy(gtid, result->gtid, sizeof gtid);
    while (seconds_since(&since) < (double)c->fleet->patience_s) {
        assent_result answer;
        if (assent_status(c->fleet->client, gtid, &answer, NULL) == ASSENT_OK &&
            answer.outcome != ASSENT_IN_PROGRESS) {
            *result = answer;
            c->tally.resolved++;
            return;
        }
        pause_ms(100);
    }
}

static void record(struct client *c, const assent_result *result)
{
    struct fleet *f = c->fleet;
    struct tally *t = &c->tally;
    if (result->outcome == ASSENT_COMMITTED) {
        t->committed++;
    } else if (result->outcome == ASSENT_ABORTED) {
        t->aborted++;
        t->reasons[(unsigned)result->reason % TALLY_REASONS]++;
    } else {
        t->unresolved++;
    }
    t->mixed += result->mixed != 0;
    if (!f->journal)
        return;
    pthread_mutex_lock(&f->lock);
    const char *told = result->mixed ? "mixed" : assent_outcome_text(result->outcome);
    fprintf(f->journal, "%s %s%s\n", result->gtid, told, c->touched);
    pthread_mutex_unlock(&f->lock);
}

static void commit(struct client *c, assent_tx *tx)
{
    assent_result result;
    struct timespec since;
    clock_gettime(CLOCK_MONOTONIC, &since);
    int code = assent_commit(tx, &result, NULL);
    if (code != ASSENT_OK && code != ASSENT_TIMEOUT && code != ASSENT_CLOSED) {
        c->tally.refused++;
        return;
    }
    if (code != ASSENT_OK || result.outcome == ASSENT_IN_PROGRESS) {
        memset(&result, 0, sizeof result);
        snprintf(result.gtid, sizeof result.gtid, "%s", assent_tx_gtid(tx));
        resolve(c, &result);
    } else if (result.outcome == ASSENT_COMMITTED) {
        tally_latency(&c->tally, (uint64_t)(seconds_since(&since) * 1e6));
    }
    record(c, &result);
}

static bool begin(struct client *c, assent_tx **ret)
{
    struct fleet *f = c->fleet;
    assent_tx_options options = {.timeout_ms = (uint32_t)f->timeout_ms, .protocol = f->protocol};
    struct timespec since;
    clock_gettime(CLOCK_MONOTONIC, &since);
    while (assent_begin(f->client, NULL, &options, ret, NULL) != ASSENT_OK) {
        if (atomic_load(&f->stop))
            return false;
        if (seconds_since(&since) >= (double)f->patience_s) {
            atomic_store(&f->gave_up, true);
            atomic_store(&f->stop, true);
            return false;
        }
        pause_ms(50);
    }
    return true;
}

static void perform(struct client *c, const struct job *job)
{
    assent_tx *tx;
    assent_error error;
    c->touched[0] = '\0';
    if (!begin(c, &tx))
        return;
    if (add_branches(c, tx, job, &error) == ASSENT_OK) {
        commit(c, tx);
    } else {
        // Something was in the way, such as a bank that is down: undo what was begun.
        assent_result result;
        if (assent_rollback(tx, &result, NULL) == ASSENT_OK && result.outcome == ASSENT_ABORTED)
            record(c, &result);
        else
            c->tally.refused++;
    }
    assent_tx_destroy(&tx);
}

static bool next_job(struct client *c, struct job *ret)
{
    struct fleet *f = c->fleet;
    if (atomic_load(&f->stop) || (f->seconds && fleet_seconds(f) >= (double)f->seconds))
        return false;
    if (f->count && atomic_fetch_add(&f->taken, 1) >= f->count)
        return false;
    if (f->transfers)
        return transfers_next(f->transfers, ret);
    mix_draw(&f->mix, &c->random, ret);
    return true;
}

static void share_tally(struct client *c)
{
    pthread_mutex_lock(&c->fleet->lock);
    tally_add(&c->fleet->tally, &c->tally);
    pthread_mutex_unlock(&c->fleet->lock);
    memset(&c->tally, 0, sizeof c->tally);
}

static void *client_run(void *arg)
{
    struct client *c = arg;
    struct job job;
    while (next_job(c, &job)) {
        perform(c, &job);
        if (atomic_fetch_add(&c->fleet->done, 1) % 64 == 0)
            share_tally(c);
    }
    share_tally(c);
    for (unsigned i = 0; i < c->fleet->bank_count; i++)
        counter_close(&c->counters[i]);
    atomic_fetch_sub(&c->fleet->running, 1);
    free(c);
    return NULL;
}

bool fleet_start(struct fleet *f, int64_t clients)
{
    pthread_mutex_init(&f->lock, NULL);
    clock_gettime(CLOCK_MONOTONIC, &f->started);
    for (f->client_count = 0; f->client_count < clients; f->client_count++) {
        struct client *c = calloc(1, sizeof *c);
        if (!c)
            break;
        c->fleet = f;
        c->random = f->seed * 1000003 + (uint64_t)f->client_count + 1;
        atomic_fetch_add(&f->running, 1);
        if (pthread_create(&f->threads[f->client_count], NULL, client_run, c) != 0) {
            atomic_fetch_sub(&f->running, 1);
            free(c);
            break;
        }
    }
    return f->client_count > 0;
}

void fleet_join(struct fleet *f)
{
    for (int64_t i = 0; i < f->client_count; i++)
        pthread_join(f->threads[i], NULL);
    pthread_mutex_destroy(&f->lock);
}
