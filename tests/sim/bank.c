// SPDX-License-Identifier: Apache-2.0
// Resource managers: banks whose accounts survive every crash of the process in front of them, as
// a database's do. A branch moves an amount; what is prepared is reserved.
#include <stdlib.h>

#include "base/check.h"
#include "base/crash_point.h"
#include "model.h"

enum {
    BEFORE_US = 30,
    AFTER_US = 30,
    SPREAD_US = 400,
    SLOW_MAX_US = 20000000,
    SLOW_LITTLE_US = 500000,
    TWICE_MAX_US = 10000,
    CALLS_FIRST = 16,
};

// ---- what a branch is to do ----

struct slice bank_payload(struct buf *out, const struct sim_tx *tx, unsigned branch, bool other)
{
    const struct plan_branch *plan = &tx->branches[branch];
    uint32_t amount = (uint32_t)plan->amount;
    uint8_t bytes[BANK_PAYLOAD_BYTES] = {
        plan->account,           plan->account_to,        (uint8_t)amount, (uint8_t)(amount >> 8),
        (uint8_t)(amount >> 16), (uint8_t)(amount >> 24), other,           plan->read_only,
    };
    size_t at = out->size;
    CHECK(buf_append(out, bytes, sizeof bytes));
    return slice_of(out->data + at, sizeof bytes);
}

static void take_payload(struct held *held, struct slice payload)
{
    const uint8_t *bytes = payload.data;
    CHECK(payload.size == BANK_PAYLOAD_BYTES);
    held->account = bytes[0];
    held->account_to = bytes[1];
    held->amount = (int32_t)((uint32_t)bytes[2] | (uint32_t)bytes[3] << 8 |
                             (uint32_t)bytes[4] << 16 | (uint32_t)bytes[5] << 24);
    held->variant = bytes[6];
    if (bytes[7])
        held->account = NO_ACCOUNT;
}

bool bank_work(struct actor *a, struct sim_tx *tx, unsigned branch)
{
    struct attempt *attempt = truth_attempt(a->world, tx, 0);
    struct held *held = &attempt->branches[branch];
    const struct plan_branch *plan = &tx->branches[branch];
    struct branch_record record = {.gtid = tx->gtid, .branch = (uint16_t)branch};
    struct event event = {.type = EVENT_WORKING, .u.branch = &record};
    struct part_view view;
    if (!a->alive || held->state != HELD_NONE)
        return false;
    shell_step(a, &event);
    if (!a->alive || !participant_find(a->participant, &tx->gtid, record.branch, &view) ||
        view.state != PART_WORKING)
        return false;
    *held = (struct held){
        .state = HELD_WORKING,
        .bank = (uint16_t)a->index,
        .account = plan->read_only ? NO_ACCOUNT : plan->account,
        .account_to = plan->account_to,
        .amount = plan->amount,
    };
    return true;
}

// ---- what a bank does ----

static int32_t debit_of(const struct held *held)
{
    return held->amount < 0 ? -held->amount : held->account_to != NO_ACCOUNT ? held->amount : 0;
}

static bool reserve(struct bank *bank, const struct held *held)
{
    struct account *account = &bank->accounts[held->account];
    int32_t debit = debit_of(held);
    if (account->balance - account->reserved < debit)
        return false;
    account->reserved += debit;
    return true;
}

static void release(struct bank *bank, const struct held *held)
{
    bank->accounts[held->account].reserved -= debit_of(held);
}

static void apply(struct bank *bank, const struct held *held)
{
    release(bank, held);
    if (held->account_to != NO_ACCOUNT) {
        bank->accounts[held->account].balance -= held->amount;
        bank->accounts[held->account_to].balance += held->amount;
    } else {
        bank->accounts[held->account].balance += held->amount;
    }
}

static enum rm_result refuse(struct bank *bank, struct held *held)
{
    if (held->state == HELD_PREPARED)
        release(bank, held);
    held->state = HELD_ROLLED_BACK;
    return RM_NO;
}

// A branch that is a member for the others' sake is never called: there is nothing to call it for.
void bank_said(struct sim_tx *tx)
{
    struct attempt *work = truth_three(tx) ? truth_peek(tx, 0) : NULL;
    for (unsigned i = 0; work && i < tx->branch_count; i++) {
        if (tx->said >> i & 1)
            work->branches[i].state = HELD_NONE;
    }
}

// A bank that keeps by itself what is prepared has what applications did under a name with no run
// in it: what was prepared for one that is over is the next one's. So it is with what it has ended
// by itself.
static struct held *held_under_that_name(struct actor *a, const struct effect_call *call, bool own)
{
    struct sim_tx *tx = truth_find(a->world, &call->gtid);
    for (unsigned i = 0; a->rm_durable && i < tx->attempt_count; i++) {
        struct held *held = &tx->attempts[i].branches[call->branch];
        bool there = own ? held->own && !held->own_forgotten : held->state == HELD_PREPARED;
        if (there && held->kind == BRANCH_ENLISTED && held->bank == a->index)
            return held;
    }
    return NULL;
}

// What it is asked to prepare: the payload of the call, or the work that the application did here.
static bool take_work(struct actor *a, const struct effect_call *call, struct held *held)
{
    if (call->kind == BRANCH_CALL) {
        take_payload(held, call->payload);
        return true;
    }
    struct held *work = truth_held(a->world, &call->gtid, 0, call->branch);
    if (!work || work->state != HELD_WORKING || work->bank != a->index)
        return false;
    held->account = work->account;
    held->account_to = work->account_to;
    held->amount = work->amount;
    work->state = HELD_NONE;
    return true;
}

static enum rm_result prepare(struct actor *a, const struct effect_call *call, struct held *held)
{
    struct world *w = a->world;
    if (held->state == HELD_PREPARED) // asked once more
        return faults_strike(&w->faults, FAULT_RM_MIND) ? refuse(&a->bank, held) : RM_DONE;
    struct held *earlier =
        call->kind == BRANCH_ENLISTED ? held_under_that_name(a, call, false) : NULL;
    held->bank = (uint16_t)a->index;
    if (earlier) {
        held->kind = earlier->kind;
        held->account = earlier->account;
        held->account_to = earlier->account_to;
        held->amount = earlier->amount;
        held->state = HELD_PREPARED;
        earlier->state = HELD_NONE;
        return RM_DONE;
    }
    if (!take_work(a, call, held))
        return refuse(&a->bank, held);
    held->kind = call->kind;
    held->state = HELD_NONE;
    if (held->account == NO_ACCOUNT)
        return RM_READ_ONLY;
    if (rng_below(&w->rng_rm, 1000000) < w->setup.no_rate || !reserve(&a->bank, held))
        return refuse(&a->bank, held);
    held->state = HELD_PREPARED;
    return RM_DONE;
}

// A resource manager is given again what it is to do. One that keeps by itself what it has prepared
// may be all that remembers it; and of what is done once more only the name is left.
static void check_given(struct actor *a, const struct effect_call *call, const struct held *held)
{
    struct held given = {0};
    bool enlisted = held->kind == BRANCH_ENLISTED;
    if (a->rm_durable || held->lost)
        return;
    if (!enlisted && call->payload.size == BANK_PAYLOAD_BYTES)
        take_payload(&given, call->payload);
    REQUIRE(a->world,
            call->kind == held->kind &&
                (enlisted
                     ? call->payload.size == 0
                     : call->payload.size == BANK_PAYLOAD_BYTES && given.account == held->account &&
                           given.account_to == held->account_to && given.amount == held->amount),
            "honest answers", "%s is to commit %.*s/%u, and is not told what that is", a->name,
            call->gtid.size, call->gtid.text, call->branch);
}

static void end(struct actor *a, struct held *held, bool commit)
{
    if (commit)
        apply(&a->bank, held);
    else
        release(&a->bank, held);
    held->state = commit ? HELD_COMMITTED : HELD_ROLLED_BACK;
}

// Perhaps long before it is asked to end it: nobody can tell. Where it is neither, what it was
// asked for is as good as anything.
static void end_by_itself(struct actor *a, const struct effect_call *call, struct held *held)
{
    static const uint8_t kinds[] = {HEURISTIC_COMMIT, HEURISTIC_ROLLBACK, HEURISTIC_MIXED,
                                    HEURISTIC_HAZARD};
    struct sim_tx *tx = truth_find(a->world, &call->gtid);
    uint8_t own = kinds[faults_below(&a->world->faults, FAULT_RM_HEURISTIC, 4)];
    enum outcome asked = call->op == RM_COMMIT ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
    enum outcome did = heuristic_outcome(own, asked);
    held->own = own;
    end(a, held, did == OUTCOME_UNKNOWN ? asked == OUTCOME_COMMITTED : did == OUTCOME_COMMITTED);
    tx->managed = true;
}

static enum rm_result finish(struct actor *a, const struct effect_call *call, struct held *held)
{
    if (held->state == HELD_PREPARED && faults_strike(&a->world->faults, FAULT_RM_HEURISTIC))
        end_by_itself(a, call, held);
    bool by_name = call->op == RM_ROLLBACK && held->state != HELD_PREPARED && !held->own;
    struct held *nameless = by_name ? held_under_that_name(a, call, true) : NULL;
    if (nameless && nameless != held) {
        *held = *nameless;
        *nameless = (struct held){.bank = held->bank};
    }
    if (held->own && !held->own_forgotten)
        return (enum rm_result)(RM_HEURISTIC_COMMIT + held->own / HEURISTIC_COMMIT - 1);
    if (held->state == HELD_PREPARED) {
        if (call->op == RM_COMMIT)
            check_given(a, call, held);
        end(a, held, call->op == RM_COMMIT);
        held->undone |= call->op == RM_ROLLBACK;
        return RM_DONE;
    }
    struct held *named = by_name ? held_under_that_name(a, call, false) : NULL;
    if (named)
        end(a, named, false);
    struct held *work = truth_held(a->world, &call->gtid, 0, call->branch);
    if (call->op == RM_ROLLBACK && work && work->state == HELD_WORKING && work->bank == a->index)
        work->state = HELD_NONE;
    return RM_DONE;
}

static enum rm_result obey(struct actor *a, const struct effect_call *call, struct held *held)
{
    struct world *w = a->world;
    enum rm_result result = RM_DONE;
    if (faults_strike(&w->faults, FAULT_RM_RETRY))
        return RM_RETRY;
    check_call(a, call, held);
    if (call->op == RM_PREPARE)
        result = prepare(a, call, held);
    else if (call->op == RM_FORGET)
        held->own_forgotten |= call->heuristic != 0;
    else
        result = finish(a, call, held);
    if (call->op == RM_PREPARE)
        held->result_plus = (uint8_t)(result + 1);
    return faults_strike(&w->faults, FAULT_RM_UNSURE) && result == RM_DONE ? RM_RETRY : result;
}

// ---- calls ----

static struct item *later(struct actor *a, enum item_kind kind, uint64_t number, uint8_t what,
                          uint64_t extra_us)
{
    struct world *w = a->world;
    struct item *item = queue_item(&w->queue, kind);
    uint64_t us = (kind == ITEM_CALL ? BEFORE_US : AFTER_US) + rng_below(&w->rng_rm, SPREAD_US);
    us += extra_us;
    item->actor = a;
    item->life = a->life;
    item->number = number;
    item->what = what;
    if (faults_strike(&w->faults, FAULT_SLOW_RM)) {
        bool little = faults_below(&w->faults, FAULT_SLOW_RM, 2);
        us += faults_below(&w->faults, FAULT_SLOW_RM, little ? SLOW_LITTLE_US : SLOW_MAX_US);
    }
    queue_add(&w->queue, item, w->now_us + us);
    return item;
}

static struct slice put(uint8_t **to, struct slice from)
{
    struct slice copy = slice_of(*to, from.size);
    if (from.size)
        memcpy(*to, from.data, from.size);
    *to += from.size;
    return copy;
}

static struct call *free_call(struct actor *a)
{
    unsigned count = a->call_capacity;
    for (unsigned i = 0; i < count; i++) {
        if (!a->calls[i].open)
            return &a->calls[i];
    }
    a->call_capacity = count ? 2 * count : CALLS_FIRST;
    a->calls = realloc(a->calls, a->call_capacity * sizeof *a->calls);
    CHECK(a->calls);
    memset(a->calls + count, 0, (a->call_capacity - count) * sizeof *a->calls);
    return &a->calls[count];
}

void bank_call(struct actor *a, const struct effect_call *call)
{
    struct call *place = free_call(a);
    uint8_t *copy = malloc(call->payload.size + call->inputs.size + call->result.size + 1);
    CHECK(copy);
    *place =
        (struct call){.effect = *call, .memory = copy, .serial = ++a->call_serial, .open = true};
    place->effect.payload = put(&copy, call->payload);
    place->effect.inputs = put(&copy, call->inputs);
    place->effect.result = put(&copy, call->result);
    later(a, ITEM_CALL, place->serial, 0, 0);
}

static enum crash_point point_of(enum rm_op op, bool after)
{
    switch (op) {
    case RM_PREPARE: return after ? CRASH_part_after_prepare : CRASH_part_before_prepare;
    case RM_COMMIT: return after ? CRASH_part_after_commit : CRASH_part_before_commit;
    case RM_ROLLBACK:
    case RM_FORGET: break;
    }
    return after ? CRASH_part_after_rollback : CRASH_part_before_rollback;
}

static enum rm_result obey_deed(struct actor *a, struct sim_tx *tx, const struct effect_call *call)
{
    struct faults *faults = &a->world->faults;
    if (faults_strike(faults, FAULT_RM_RETRY))
        return RM_RETRY;
    enum rm_result result = deed_do(a, tx, call);
    return faults_strike(faults, FAULT_RM_UNSURE) && result == RM_DONE ? RM_RETRY : result;
}

static enum rm_result call_happens(struct actor *a, struct call *call)
{
    const struct effect_call *effect = &call->effect;
    struct sim_tx *tx = truth_find(a->world, &effect->gtid);
    CHECK(tx && effect->branch < SIM_BRANCHES_MAX);
    enum rm_result result =
        protocol_business(tx->protocol)
            ? obey_deed(a, tx, effect)
            : obey(a, effect, truth_held(a->world, &effect->gtid, effect->attempt, effect->branch));
    story_called(a, &call->effect, result);
    model_called(a, &call->effect, result);
    return result;
}

static void close_call(struct call *call)
{
    free(call->memory);
    *call = (struct call){0};
}

static void answer(struct actor *a, struct sim_tx *tx, const struct effect_call *call,
                   uint8_t result, uint64_t extra_us)
{
    struct item *item = later(a, ITEM_ANSWER, call->token, result, extra_us);
    bool returns = call->kind == BRANCH_STEP && call->op == RM_PREPARE && result == RM_DONE;
    item->tx = returns ? tx : NULL;
    item->branch = (uint8_t)call->branch;
}

// A try that needs another service asks for a nested branch, before anything of its own is done.
static void extend(struct actor *a, struct call *call, const struct sim_tx *tx)
{
    const struct effect_call *effect = &call->effect;
    unsigned child = tx->branch_count - 1;
    uint8_t bytes[BANK_PAYLOAD_BYTES];
    struct buf payload = {.data = bytes, .capacity = sizeof bytes, .cap = sizeof bytes};
    bool other = ((const uint8_t *)effect->payload.data)[BANK_PAYLOAD_VARIANT];
    struct event event = {.type = EVENT_EXTEND};
    event.u.extend = (struct event_extend){
        .token = call->serial,
        .gtid = effect->gtid,
        .branch = effect->branch,
        .index = DEED_NESTED_INDEX,
        .kind = deed_nested_kind(tx),
        .resource = slice_text(a->world->actors[tx->branches[child].bank].name),
        .payload = slice_text("confirm"),
    };
    if (event.u.extend.kind == BRANCH_CALL)
        event.u.extend.payload = bank_payload(&payload, tx, child, other);
    shell_step(a, &event);
}

void bank_extended(struct actor *a, const struct effect_extended *extended)
{
    for (unsigned i = 0; i < a->call_capacity; i++) {
        struct call *call = &a->calls[i];
        if (!call->open || call->serial != extended->token)
            continue;
        call->extended = true;
        call->code = (uint16_t)extended->code;
        later(a, ITEM_CALL, call->serial, 0, 0);
    }
}

// Nothing is done without it; what it is to do itself at the other bank it does first.
static bool nested_done(struct actor *a, struct call *call, struct sim_tx *tx)
{
    unsigned child = tx->branch_count - 1;
    bool done = call->code == ASSENT_OK;
    if (done && deed_nested_kind(tx) == BRANCH_ENLISTED) {
        tx->deeds[child].enlisted = true;
        done = deed_by_application(&a->world->actors[tx->branches[child].bank], tx, child);
    }
    tx->said_no |= !done;
    return done;
}

static struct call *call_of(struct actor *a, uint64_t serial)
{
    unsigned i = 0;
    while (i < a->call_capacity && (!a->calls[i].open || a->calls[i].serial != serial))
        i++;
    CHECK(i < a->call_capacity);
    return &a->calls[i];
}

void bank_do(struct actor *a, uint64_t serial)
{
    struct call *call = call_of(a, serial);
    const struct effect_call effect = call->effect;
    struct sim_tx *tx = truth_find(a->world, &effect.gtid);
    enum rm_op op = effect.op;
    if (!call->extended && tx->protocol == PROTOCOL_TCC && deed_nests(tx, &effect)) {
        extend(a, call, tx);
        return;
    }
    if (shell_dies(a, point_of(op, false)))
        return;
    bool may = !call->extended || nested_done(a, call, tx);
    enum rm_result result = may ? call_happens(a, call) : RM_NO;
    close_call(call);
    if (shell_dies(a, point_of(op, true)))
        return;
    answer(a, tx, &effect, (uint8_t)result, 0);
    struct faults *faults = &a->world->faults;
    if (faults_strike(faults, FAULT_RM_TWICE)) // perhaps when it has been asked for the next thing
        answer(a, tx, &effect, (uint8_t)result, faults_below(faults, FAULT_RM_TWICE, TWICE_MAX_US));
}

void bank_answer(struct actor *a, const struct item *item)
{
    struct event event = {.type = EVENT_CALLED};
    uint8_t storage[DEED_RESULT_BYTES];
    event.u.called = (struct event_called){
        .token = item->number,
        .result = (enum rm_result)item->what,
        .durable = a->rm_durable,
        .text = slice_text(item->what == RM_NO ? SIM_NO : ""),
    };
    if (item->tx) // an action returns what its row says
        event.u.called.text = deed_result(&item->tx->deeds[item->branch], storage);
    shell_step(a, &event);
}

// Is what became of it still in the journal? Whoever forgets what he has promised to keep can only
// be helped as long as somebody remembers.
static bool is_remembered(struct actor *a, const struct sim_tx *tx, unsigned branch,
                          uint64_t attempt)
{
    char storage[RECORD_KEY_BYTES];
    uint8_t *value;
    size_t size;
    assent_error error;
    struct branch_record record;
    struct slice key = record_key_branch(&tx->gtid, branch, storage);
    if (a->disk.store->ops->lookup(a->disk.store, key, &value, &size, &error) != ASSENT_OK)
        return false;
    int code = record_decode_branch(slice_of(value, size), &record, &error);
    bool is = code == ASSENT_OK && record.attempt == attempt && record.stage == JOURNAL_FINISHED;
    free(value);
    return is;
}

// A database has no two transactions prepared under one name.
static bool is_held(const struct sim_tx *tx, unsigned branch)
{
    for (unsigned i = 0; i < tx->attempt_count; i++) {
        if (tx->attempts[i].branches[branch].state == HELD_PREPARED)
            return true;
    }
    return false;
}

// Work of an application, under a name with no run in it.
bool bank_nameless(const struct actor *a, const struct held *held)
{
    return a->rm_durable && held->kind == BRANCH_ENLISTED;
}

// A database that had not synced what it said was done. (What has no run in its name it could not
// be asked about by that.)
static void lose(struct actor *a, const struct sim_tx *tx, unsigned branch, uint64_t attempt,
                 struct held *held)
{
    struct bank *bank = &a->bank;
    bool committed = held->state == HELD_COMMITTED;
    if (is_held(tx, branch) || held->own || bank_nameless(a, held) ||
        (!committed && held->state != HELD_ROLLED_BACK) || !held->voted_yes ||
        held->journal_stage != JOURNAL_FINISHED || !is_remembered(a, tx, branch, attempt) ||
        !faults_strike(&a->world->faults, FAULT_RM_LOSES))
        return;
    if (committed) {
        int32_t back = held->account_to != NO_ACCOUNT ? -held->amount : held->amount;
        bank->accounts[held->account].balance -= back;
        if (held->account_to != NO_ACCOUNT)
            bank->accounts[held->account_to].balance -= held->amount;
    }
    bank->accounts[held->account].reserved += debit_of(held);
    held->state = HELD_PREPARED;
    held->lost = true;
    story_say(a, "its resource manager has %.*s/%u prepared again", tx->gtid.size, tx->gtid.text,
              branch);
}

static void crash_branch(struct actor *a, const struct sim_tx *tx, unsigned branch,
                         uint64_t attempt, struct held *held)
{
    if (held->bank != a->index)
        return;
    if (held->state == HELD_WORKING)
        held->state = HELD_NONE;
    else if (a->world->faults.rate[FAULT_RM_LOSES])
        lose(a, tx, branch, attempt, held);
}

// For its nested branch: before it has that, it does nothing of its own.
static bool waits(struct world *w, const struct effect_call *call)
{
    const struct sim_tx *tx = truth_find(w, &call->gtid);
    return tx->protocol == PROTOCOL_TCC && deed_nests(tx, call);
}

// The process is gone. Statements that were under way take effect, or do not; what was not
// prepared is undone.
void bank_crash(struct actor *a)
{
    struct world *w = a->world;
    for (unsigned i = 0; i < a->call_capacity; i++) {
        struct call *call = &a->calls[i];
        if (call->open && !waits(w, &call->effect) && rng_below(&w->rng_rm, 2))
            call_happens(a, call);
        if (call->open)
            close_call(call);
    }
    for (unsigned i = 0; i < w->tx_count; i++) {
        struct sim_tx *tx = &w->txs[i];
        for (unsigned n = 0; n < tx->attempt_count * SIM_BRANCHES_MAX; n++) {
            struct attempt *attempt = &tx->attempts[n / SIM_BRANCHES_MAX];
            unsigned branch = n % SIM_BRANCHES_MAX;
            crash_branch(a, tx, branch, attempt->number, &attempt->branches[branch]);
        }
    }
}

void bank_free(struct actor *a)
{
    for (unsigned i = 0; i < a->call_capacity; i++)
        close_call(&a->calls[i]);
    free(a->calls);
}

int64_t bank_total(const struct world *w)
{
    int64_t total = 0;
    for (unsigned i = 0; i < w->actor_count; i++) {
        for (unsigned n = 0; w->actors[i].kind == ACTOR_PARTICIPANT && n < SIM_ACCOUNTS; n++)
            total += w->actors[i].bank.accounts[n].balance;
    }
    return total;
}
