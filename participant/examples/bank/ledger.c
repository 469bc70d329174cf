// SPDX-License-Identifier: Apache-2.0
// What branches do to accounts.
#include "ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_internal.h"

const char *ledger_name(const struct ledger *l)
{
    return l->name;
}

uint64_t ledger_accounts(const struct ledger *l)
{
    return l->account_count;
}

bool ledger_failed(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    bool failed = l->failed;
    pthread_mutex_unlock(&l->lock);
    return failed;
}

bool change_parse(const char *text, struct change *ret)
{
    return sscanf(text, "%" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &ret->account,
                  &ret->checking, &ret->savings, &ret->cash) == 4;
}

// Sets aside (sign 1) or gives back (sign -1) what a change will debit.
void hold(struct ledger *l, const struct change *change, int sign)
{
    struct account *a = &l->accounts[change->account];
    if (change->checking < 0)
        a->held_checking -= sign * change->checking;
    if (change->savings < 0)
        a->held_savings -= sign * change->savings;
}

static bool affordable(const struct account *a, const struct change *change, char *why)
{
    bool checking = change->checking >= 0 ||
                    a->checking - a->held_checking + change->checking >= 0 || change->overdraft;
    bool savings = change->savings >= 0 || a->savings - a->held_savings + change->savings >= 0;
    if (checking && savings)
        return true;
    snprintf(why, LEDGER_TEXT_MAX + 1, "insufficient funds in %s of account %" PRIu64,
             checking ? "savings" : "checking", change->account);
    return false;
}

static void prepared_key(const char *branch_id, char key[LEDGER_KEY_MAX])
{
    snprintf(key, LEDGER_KEY_MAX, "p/%s", branch_id);
}

static void prepared_put(struct ledger *l, const char *key, const struct change *change)
{
    char value[LEDGER_VALUE_MAX];
    snprintf(value, sizeof value, "%" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64, change->account,
             change->checking, change->savings, change->cash);
    group_put(l, key, value);
    l->prepared++;
}

bool ledger_prepare(struct ledger *l, const char *branch_id, const struct change *change, char *why)
{
    char key[LEDGER_KEY_MAX], value[LEDGER_VALUE_MAX];
    prepared_key(branch_id, key);
    if (change->account >= l->account_count) {
        snprintf(why, LEDGER_TEXT_MAX + 1, "there is no account %" PRIu64, change->account);
        return false;
    }
    pthread_mutex_lock(&l->lock);
    bool again = ledger_get(l, key, value);
    bool yes = again || affordable(&l->accounts[change->account], change, why);
    if (yes && !again) {
        hold(l, change, 1);
        prepared_put(l, key, change);
        // A crash before the write leaves nothing: no vote was given, and the branch is aborted or
        // prepared anew. A crash after it leaves the reservation, which recovery reports.
        yes = group_wait(l);
        if (!yes)
            snprintf(why, LEDGER_TEXT_MAX + 1, "the ledger cannot be written");
    }
    pthread_mutex_unlock(&l->lock);
    return yes;
}

static void applied_key(const char *gtid, unsigned branch, char key[LEDGER_KEY_MAX])
{
    snprintf(key, LEDGER_KEY_MAX, "d/%s/%u", gtid, branch);
}

// "<gtid>/<branch>/...": the start of a branch id.
static void applied_key_of_id(const char *branch_id, char key[LEDGER_KEY_MAX])
{
    const char *slash = strchr(branch_id, '/');
    const char *end = slash ? strchr(slash + 1, '/') : NULL;
    size_t size = end ? (size_t)(end - branch_id) : strlen(branch_id);
    snprintf(key, LEDGER_KEY_MAX, "d/%.*s", (int)size, branch_id);
}

static void apply(struct ledger *l, const char *branch_id, const struct change *change)
{
    char key[LEDGER_KEY_MAX], value[LEDGER_VALUE_MAX];
    struct account *a = &l->accounts[change->account];
    a->checking += change->checking;
    a->savings += change->savings;
    snprintf(key, sizeof key, "a/%010" PRIu64, change->account);
    snprintf(value, sizeof value, "%" PRId64 " %" PRId64, a->checking, a->savings);
    group_put(l, key, value);
    if (change->cash) {
        l->cash += change->cash;
        snprintf(value, sizeof value, "%" PRId64, l->cash);
        group_put(l, "m/cash", value);
    }
    if (l->history) {
        applied_key_of_id(branch_id, key);
        group_put(l, key, "");
    }
}

// The end of a branch: its reservation goes, and with `commit` its change happens, in one write.
static bool end(struct ledger *l, const char *branch_id, bool commit)
{
    char key[LEDGER_KEY_MAX], value[LEDGER_VALUE_MAX];
    struct change change;
    prepared_key(branch_id, key);
    pthread_mutex_lock(&l->lock);
    bool done = true;
    if (ledger_get(l, key, value) && change_parse(value, &change)) {
        hold(l, &change, -1);
        l->prepared--;
        group_delete(l, key);
        if (commit)
            apply(l, branch_id, &change);
        // A crash before the write leaves the branch prepared, and it is ended again after
        // recovery; a crash after it leaves nothing to do, and being asked again changes nothing.
        done = group_wait(l);
    }
    done = done && !l->failed;
    pthread_mutex_unlock(&l->lock);
    return done;
}

bool ledger_commit(struct ledger *l, const char *branch_id)
{
    return end(l, branch_id, true);
}

bool ledger_rollback(struct ledger *l, const char *branch_id)
{
    return end(l, branch_id, false);
}

// ---- work of applications in enlisted branches ----

static struct work **work_find(struct ledger *l, const char *gtid, unsigned branch)
{
    struct work **at = &l->work;
    while (*at && !((*at)->branch == branch && strcmp((*at)->gtid, gtid) == 0))
        at = &(*at)->next;
    return at;
}

static struct work *work_new(struct ledger *l, const char *gtid, unsigned branch, uint64_t account)
{
    const struct account *a = &l->accounts[account];
    int64_t checking = a->checking - a->held_checking, savings = a->savings - a->held_savings;
    struct work *work = calloc(1, sizeof *work);
    if (!work)
        return NULL;
    snprintf(work->gtid, sizeof work->gtid, "%s", gtid);
    work->branch = branch;
    work->change = (struct change){.account = account,
                                   .checking = checking > 0 ? -checking : 0,
                                   .savings = savings > 0 ? -savings : 0};
    work->next = l->work;
    l->work = work;
    hold(l, &work->change, 1);
    return work;
}

int64_t ledger_work_drain(struct ledger *l, const char *gtid, unsigned branch, uint64_t account)
{
    if (account >= l->account_count)
        return -1;
    pthread_mutex_lock(&l->lock);
    struct work *work = *work_find(l, gtid, branch);
    if (!work)
        work = work_new(l, gtid, branch, account);
    int64_t amount = work ? -(work->change.checking + work->change.savings) : -1;
    pthread_mutex_unlock(&l->lock);
    return amount;
}

static void work_remove(struct ledger *l, struct work **at)
{
    struct work *work = *at;
    hold(l, &work->change, -1);
    *at = work->next;
    free(work);
}

bool ledger_work_prepare(struct ledger *l, const char *gtid, unsigned branch, const char *branch_id,
                         char *why)
{
    char key[LEDGER_KEY_MAX], value[LEDGER_VALUE_MAX];
    prepared_key(branch_id, key);
    pthread_mutex_lock(&l->lock);
    bool yes = ledger_get(l, key, value); // again, after a crash
    struct work **at = work_find(l, gtid, branch);
    if (*at && !yes) {
        struct change change = (*at)->change;
        work_remove(l, at);
        hold(l, &change, 1);
        prepared_put(l, key, &change);
        yes = group_wait(l);
    }
    if (!yes)
        snprintf(why, LEDGER_TEXT_MAX + 1, "there is no work of this transaction here");
    pthread_mutex_unlock(&l->lock);
    return yes;
}

void ledger_work_drop(struct ledger *l, const char *gtid, unsigned branch)
{
    pthread_mutex_lock(&l->lock);
    struct work **at = work_find(l, gtid, branch);
    if (*at)
        work_remove(l, at);
    pthread_mutex_unlock(&l->lock);
}

// ---- looking in ----

int64_t ledger_available(struct ledger *l, uint64_t account)
{
    if (account >= l->account_count)
        return 0;
    pthread_mutex_lock(&l->lock);
    const struct account *a = &l->accounts[account];
    int64_t available = a->checking - a->held_checking + a->savings - a->held_savings;
    pthread_mutex_unlock(&l->lock);
    return available;
}

int ledger_each_prepared(struct ledger *l, int (*visit)(void *arg, const char *branch_id),
                         void *arg)
{
    int stop = 0;
    leveldb_iterator_t *it = leveldb_create_iterator(l->db, l->reading);
    for (leveldb_iter_seek(it, "p/", 2); leveldb_iter_valid(it) && !stop; leveldb_iter_next(it)) {
        size_t size;
        const char *key = leveldb_iter_key(it, &size);
        char id[LEDGER_KEY_MAX];
        if (size < 2 || key[0] != 'p')
            break;
        snprintf(id, sizeof id, "%.*s", (int)size - 2, key + 2);
        stop = visit(arg, id);
    }
    leveldb_iter_destroy(it);
    return stop;
}

void ledger_totals(struct ledger *l, struct totals *ret)
{
    pthread_mutex_lock(&l->lock);
    *ret = (struct totals){.accounts = l->account_count,
                           .cash = l->cash,
                           .loaded = l->loaded,
                           .prepared = l->prepared};
    for (uint64_t i = 0; i < l->account_count; i++) {
        const struct account *a = &l->accounts[i];
        ret->checking += a->checking;
        ret->savings += a->savings;
        ret->reserved += a->held_checking + a->held_savings;
    }
    pthread_mutex_unlock(&l->lock);
}

bool ledger_applied(struct ledger *l, const char *gtid, unsigned branch)
{
    char key[LEDGER_KEY_MAX], value[LEDGER_VALUE_MAX];
    applied_key(gtid, branch, key);
    pthread_mutex_lock(&l->lock);
    bool applied = ledger_get(l, key, value);
    pthread_mutex_unlock(&l->lock);
    return applied;
}
