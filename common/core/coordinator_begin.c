// SPDX-License-Identifier: Apache-2.0
// Requests of clients: SUBMIT, ENLIST, CANCEL, STATUS.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

// ---- the digest: the same request twice is the same transaction ----

static void digest_plan(uint64_t digest[2], const struct branch_plan *plan)
{
    uint64_t words[] = {plan->after,      plan->flags,          plan->attempts, plan->timeout_ms,
                        plan->backoff_ms, plan->backoff_max_ms, plan->delay_ms};
    map_hash_wide(digest, slice_of(words, sizeof words));
}

// Of each part the size is in the hash, too: where one ends and the next begins cannot be moved.
static void digest_submit(const struct msg_submit *submit, uint8_t ret[DIGEST_BYTES])
{
    uint64_t digest[2] = {submit->protocol, submit->branch_count};
    for (unsigned i = 0; i < submit->branch_count; i++) {
        const struct msg_branch *b = &submit->branches[i];
        digest[0] ^= (uint64_t)b->kind << 16 | b->branch;
        digest[1] ^= b->payload.size;
        map_hash_wide(digest, b->resource);
        map_hash_wide(digest, b->payload);
        bool planned =
            b->kind == BRANCH_STEP || b->kind == BRANCH_CONSUMER || b->kind == BRANCH_TOPIC;
        if (planned && !MUTANT(PLAN_IGNORED))
            digest_plan(digest, &b->plan);
    }
    for (int i = 0; i < DIGEST_BYTES; i++)
        ret[i] = (uint8_t)(digest[i / 8] >> i % 8 * 8);
}

static bool digest_none(const uint8_t digest[DIGEST_BYTES])
{
    static const uint8_t none[DIGEST_BYTES];
    return memcmp(digest, none, DIGEST_BYTES) == 0;
}

// ---- admission ----

bool begin_foreign_gtid(const struct coordinator *c, const struct gtid *gtid)
{
    struct gtid_parts parts;
    return gtid_parse(gtid, &parts) && parts.coordinator != c->config.id &&
           !MUTANT(GTID_OF_ANOTHER);
}

static bool begin_owns(const struct session *s, const struct tx *tx)
{
    return slice_equal(tx->owner, slice_text(s->principal)) || MUTANT(OWNER_IGNORED);
}

// A saga may take as long as it takes, unless it says otherwise; of a message it is the time until
// its sender is asked.
static void begin_timeout(struct coordinator *c, struct tx *tx, uint32_t timeout_ms)
{
    if (!timeout_ms && tx->protocol != PROTOCOL_SAGA)
        timeout_ms = tx->protocol == PROTOCOL_MESSAGE ? c->config.check_back_ms
                                                      : c->config.timeout_default_ms;
    tx->timeout_ms = timeout_ms < c->config.timeout_max_ms ? timeout_ms : c->config.timeout_max_ms;
    tx->timeout_due_ms = tx->timeout_ms ? c->now.mono_ms + tx->timeout_ms : UINT64_MAX;
}

// A new transaction in memory, its register not read yet. NULL: refused, and said so.
static struct tx *begin_admit(struct coordinator *c, struct session *s, enum msg_type about,
                              const struct gtid *gtid, uint8_t protocol, uint32_t timeout_ms)
{
    if (c->draining && !MUTANT(DRAIN_IGNORED)) {
        coord_refuse(c, s->id, about, gtid, ASSENT_CLOSED, "the coordinator is shutting down");
        return NULL;
    }
    if (protocol != PROTOCOL_2PC && !protocol_admitted(protocol)) {
        coord_refuse(c, s->id, about, gtid, ASSENT_INVALID, "protocol %u is not known", protocol);
        return NULL;
    }
    if (c->txs.count >= c->config.transactions_max && !MUTANT(TRANSACTIONS_UNBOUNDED)) {
        coord_refuse(c, s->id, about, gtid, ASSENT_BUSY, "%u transactions are in flight",
                     c->config.transactions_max);
        return NULL;
    }
    struct tx *tx = tx_new(c, gtid, slice_text(s->principal), TX_LOOKING);
    if (!tx) {
        coord_refuse(c, s->id, about, gtid, ASSENT_BUSY, "out of memory");
        return NULL;
    }
    tx->protocol = protocol;
    begin_timeout(c, tx, timeout_ms);
    return tx;
}

static void begin_look(struct coordinator *c, struct session *s, struct tx *tx, enum msg_type about)
{
    struct gtid_parts parts;
    bool leased = tx->own_gtid && gtid_parse(&tx->gtid, &parts) &&
                  (parts.incarnation == c->config.incarnation || MUTANT(GTID_REUSED));
    enum lease_use use = leased ? lease_use(c, &parts, s->principal) : LEASE_USED;
    if (use == LEASE_FRESH) {
        begin_go(c, tx);
    } else if (use == LEASE_DENIED) {
        coord_refuse(c, s->id, about, &tx->gtid, ASSENT_DENIED, "that gtid was leased to another");
        tx_bury(c, tx);
    } else if (MUTANT(REGISTER_UNREAD) && !tx->own_gtid) {
        begin_go(c, tx);
    } else {
        coord_lookup(c, tx->pending.token, &tx->gtid);
    }
}

static void begin_no_memory(struct coordinator *c, struct session *s, struct tx *tx,
                            enum msg_type about)
{
    coord_refuse(c, s->id, about, &tx->gtid, ASSENT_BUSY, "out of memory");
    tx_bury(c, tx);
}

// ---- SUBMIT ----

static bool submit_valid(struct coordinator *c, struct session *s, const struct msg_submit *submit)
{
    if (submit->branch_count == 0 || submit->branch_count > c->config.branches_max) {
        coord_refuse(c, s->id, MSG_SUBMIT, &submit->gtid, ASSENT_LIMIT,
                     "%u branches; 1 to %u are allowed", submit->branch_count,
                     c->config.branches_max);
        return false;
    }
    size_t bytes = 0;
    for (unsigned i = 0; i < submit->branch_count; i++) {
        if (submit->branches[i].payload.size > c->config.payload_bytes_max) {
            coord_refuse(c, s->id, MSG_SUBMIT, &submit->gtid, ASSENT_LIMIT,
                         "a payload of %zu bytes; at most %u are allowed",
                         submit->branches[i].payload.size, c->config.payload_bytes_max);
            return false;
        }
        bytes += submit->branches[i].payload.size;
    }
    if (protocol_business(submit->protocol) && bytes > LIMIT_ADMITTED_BYTES) {
        coord_refuse(c, s->id, MSG_SUBMIT, &submit->gtid, ASSENT_LIMIT,
                     "payloads of %zu bytes together; at most %d are allowed in a %s", bytes,
                     LIMIT_ADMITTED_BYTES, protocol_name((enum protocol)submit->protocol));
        return false;
    }
    const char *why = NULL;
    if (submit->protocol == PROTOCOL_SAGA && !saga_sound(submit, &why)) {
        coord_refuse(c, s->id, MSG_SUBMIT, &submit->gtid, ASSENT_INVALID, "%s", why);
        return false;
    }
    return submit->protocol != PROTOCOL_MESSAGE || message_valid(c, s, submit);
}

// The branches of a message are numbered anew, because topics stand for several.
static bool submit_take_branch(struct coordinator *c, struct tx *tx, const struct msg_branch *from,
                               uint8_t kind, struct slice resource)
{
    unsigned number = tx->protocol == PROTOCOL_MESSAGE ? tx->branch_count : from->branch;
    struct branch *b = tx_add_branch(c, tx, number, kind, resource);
    if (!b)
        return false;
    b->read_only = from->kind == BRANCH_READ_ONLY;
    b->payload = tx_copy(tx, from->payload);
    bool planned = kind != BRANCH_CALL && kind != BRANCH_ENLISTED;
    return b->payload.size == from->payload.size && (!planned || plan_branch(c, b, &from->plan));
}

static bool submit_take_topic(struct coordinator *c, struct tx *tx, const struct msg_branch *from)
{
    const struct coordinator_topic *topic = message_topic(c, from->resource);
    bool taken = topic != NULL;
    for (size_t i = 0; taken && i < topic->consumer_count; i++)
        taken = submit_take_branch(c, tx, from, BRANCH_CONSUMER, slice_text(topic->consumers[i]));
    return taken;
}

// One branch alone has nobody to agree with: it decides for itself, as in two-phase commit. What is
// read-only has nothing to agree about.
static bool begin_alone(const struct msg_submit *submit)
{
    unsigned count = 0;
    for (unsigned i = 0; i < submit->branch_count; i++)
        count += submit->branches[i].kind != BRANCH_READ_ONLY;
    return submit->protocol == PROTOCOL_3PC && count <= 1;
}

static uint8_t submit_kind(const struct msg_branch *from)
{
    return from->kind == BRANCH_READ_ONLY ? BRANCH_ENLISTED : from->kind;
}

// Takes over the branches of a SUBMIT, next to those that were enlisted. False: out of memory.
static bool submit_take(struct coordinator *c, struct tx *tx, const struct msg_submit *submit)
{
    tx->submitted = !(submit->flags & SUBMIT_HOLD);
    tx->wait_done = submit->flags & SUBMIT_WAIT_DONE;
    if (begin_alone(submit))
        tx->protocol = PROTOCOL_2PC;
    digest_submit(submit, tx->digest);
    for (unsigned i = 0; i < submit->branch_count; i++) {
        const struct msg_branch *from = &submit->branches[i];
        struct branch *enlisted = tx_branch(tx, from->branch);
        if (enlisted && tx->protocol != PROTOCOL_MESSAGE) {
            enlisted->read_only = from->kind == BRANCH_READ_ONLY && !MUTANT(READ_ONLY_ASKED);
            continue;
        }
        if (from->kind == BRANCH_TOPIC
                ? !submit_take_topic(c, tx, from)
                : !submit_take_branch(c, tx, from, submit_kind(from), from->resource))
            return false;
    }
    return true;
}

// Every branch that was enlisted must be in the SUBMIT: one that is not would be forgotten.
static bool submit_covers(const struct tx *tx, const struct msg_submit *submit)
{
    unsigned covered = 0;
    for (unsigned i = 0; i < submit->branch_count; i++) {
        const struct msg_branch *from = &submit->branches[i];
        const struct branch *b = tx_branch(tx, from->branch);
        if (!b)
            continue;
        if (b->kind != submit_kind(from) ||
            (!slice_equal(slice_text(b->resource->name), from->resource) &&
             !MUTANT(WORK_ELSEWHERE)))
            return false;
        covered++;
    }
    return covered == tx->branch_count;
}

static void begin_wait(struct coordinator *c, struct session *s, struct tx *tx, enum msg_type about)
{
    if (!tx_add_waiter(c, tx, s->id, (uint8_t)about))
        coord_refuse(c, s->id, about, &tx->gtid, ASSENT_BUSY, "too many wait for this outcome");
    else if (tx->state != TX_LOOKING)
        coord_answer_waiters(c, tx);
}

// The same for a SUBMIT, which may only want to hear that it is admitted.
static bool submit_add_waiter(struct coordinator *c, struct session *s, struct tx *tx,
                              const struct msg_submit *submit)
{
    struct waiter *w = tx_add_waiter(c, tx, s->id, MSG_SUBMIT);
    if (w)
        w->accept = submit->flags & (SUBMIT_ACCEPT | SUBMIT_HOLD);
    return w;
}

static void submit_wait(struct coordinator *c, struct session *s, struct tx *tx,
                        const struct msg_submit *submit)
{
    tx->wait_done |= submit->flags & SUBMIT_WAIT_DONE && !MUTANT(WAIT_IGNORED);
    if (!submit_add_waiter(c, s, tx, submit))
        coord_refuse(c, s->id, MSG_SUBMIT, &tx->gtid, ASSENT_BUSY,
                     "too many wait for this outcome");
    else if (tx->state != TX_LOOKING)
        coord_answer_waiters(c, tx);
}

// A message that was prepared: prepared again, or to be sent now.
static void submit_held(struct coordinator *c, struct session *s, struct tx *tx,
                        const struct msg_submit *submit)
{
    bool now = !(submit->flags & SUBMIT_HOLD) && !tx->submitted;
    bool ready = tx->state == TX_ACTIVE || tx->state == TX_PREPARING;
    submit_wait(c, s, tx, submit);
    if (!now)
        return;
    tx->submitted = true;
    tx->wait_done = submit->flags & SUBMIT_WAIT_DONE;
    if (ready)
        decide_commit(c, tx);
}

static void submit_again(struct coordinator *c, struct session *s, struct tx *tx,
                         const struct msg_submit *submit)
{
    unsigned enlisted = tx->branch_count;
    uint8_t digest[DIGEST_BYTES];
    digest_submit(submit, digest);
    if (!begin_owns(s, tx)) {
        coord_refuse(c, s->id, MSG_SUBMIT, &tx->gtid, ASSENT_DENIED,
                     "another client's transaction");
    } else if (tx->protocol != submit->protocol &&
               !(tx->protocol == PROTOCOL_2PC && begin_alone(submit))) {
        coord_refuse(c, s->id, MSG_SUBMIT, &tx->gtid, ASSENT_CONFLICT, "this gtid was begun as %s",
                     protocol_name((enum protocol)tx->protocol));
    } else if ((tx->submitted || tx->protocol == PROTOCOL_MESSAGE) &&
               memcmp(digest, tx->digest, DIGEST_BYTES) != 0 && !MUTANT(CONTENT_IGNORED)) {
        coord_refuse(c, s->id, MSG_SUBMIT, &tx->gtid, ASSENT_CONFLICT,
                     "this gtid was submitted with other content");
    } else if (tx->protocol == PROTOCOL_MESSAGE) {
        submit_held(c, s, tx, submit);
    } else if (tx->submitted || tx->state > TX_ACTIVE) {
        submit_wait(c, s, tx, submit);
    } else if (tx->state == TX_LOOKING || tx->state == TX_ADMITTING) {
        coord_refuse(c, s->id, MSG_SUBMIT, &tx->gtid, ASSENT_BUSY,
                     "its first branch is being enlisted");
    } else if (!submit_covers(tx, submit)) {
        coord_refuse(c, s->id, MSG_SUBMIT, &tx->gtid, ASSENT_CONFLICT,
                     "the branches do not match those that were enlisted");
    } else if (!submit_take(c, tx, submit) || !submit_add_waiter(c, s, tx, submit)) {
        decide_abort(c, tx, REASON_SHUTDOWN, BRANCH_NONE,
                     slice_text("the coordinator is out of memory"));
        begin_wait(c, s, tx, MSG_SUBMIT);
    } else if (tx->admitted && tx->branch_count > enlisted) {
        admit(c, tx); // calls came with the SUBMIT
    } else {
        begin_on(c, tx);
    }
}

void begin_submit(struct coordinator *c, struct session *s, const struct msg_submit *submit)
{
    if (!submit_valid(c, s, submit))
        return;
    struct tx *tx = tx_find(c, &submit->gtid);
    if (tx) {
        submit_again(c, s, tx, submit);
        return;
    }
    tx = begin_admit(c, s, MSG_SUBMIT, &submit->gtid, submit->protocol, submit->timeout_ms);
    if (!tx)
        return;
    if (!submit_take(c, tx, submit) || !submit_add_waiter(c, s, tx, submit))
        begin_no_memory(c, s, tx, MSG_SUBMIT);
    else
        begin_look(c, s, tx, MSG_SUBMIT);
}

// ---- ENLIST ----

static void send_enlisted(struct coordinator *c, peer_t peer, const struct tx *tx, unsigned branch)
{
    coord_send(c, peer, MSG_ENLISTED)->u.enlisted =
        (struct msg_enlisted){.request = c->request, .gtid = tx->gtid, .branch = (uint16_t)branch};
}

static bool enlist_take(struct coordinator *c, struct tx *tx, const struct msg_enlist *enlist)
{
    struct branch *b = tx_add_branch(c, tx, enlist->branch, BRANCH_ENLISTED, enlist->resource);
    if (!b)
        return false;
    b->payload = tx_copy(tx, enlist->payload);
    return b->payload.size == enlist->payload.size;
}

static void enlist_again(struct coordinator *c, struct session *s, struct tx *tx,
                         const struct msg_enlist *enlist)
{
    const struct branch *b = tx_branch(tx, enlist->branch);
    if (!begin_owns(s, tx)) {
        coord_refuse(c, s->id, MSG_ENLIST, &tx->gtid, ASSENT_DENIED,
                     "another client's transaction");
    } else if (b && (b->kind != BRANCH_ENLISTED ||
                     !slice_equal(slice_text(b->resource->name), enlist->resource))) {
        coord_refuse(c, s->id, MSG_ENLIST, &tx->gtid, ASSENT_CONFLICT, "branch %u is at %s",
                     b->number, b->resource->name);
    } else if (b && !slice_equal(b->payload, enlist->payload)) {
        coord_refuse(c, s->id, MSG_ENLIST, &tx->gtid, ASSENT_CONFLICT,
                     "branch %u was begun with other content", b->number);
    } else if (tx->state > TX_ACTIVE ||
               (tx->state == TX_ADMITTING && tx->protocol == PROTOCOL_3PC)) {
        coord_refuse(c, s->id, MSG_ENLIST, &tx->gtid, ASSENT_STATE, "the transaction is %s",
                     sm_name(&tx_table, tx->state));
    } else if (!b && tx->submitted) {
        coord_refuse(c, s->id, MSG_ENLIST, &tx->gtid, ASSENT_STATE,
                     "the transaction was submitted without that branch");
    } else if (tx->protocol != enlist->protocol) {
        coord_refuse(c, s->id, MSG_ENLIST, &tx->gtid, ASSENT_CONFLICT, "this gtid was begun as %s",
                     protocol_name((enum protocol)tx->protocol));
    } else if (!b && !admit_size(tx, enlist->payload.size)) {
        coord_refuse(c, s->id, MSG_ENLIST, &tx->gtid, ASSENT_LIMIT,
                     "payloads of at most %d bytes together are allowed in a %s",
                     LIMIT_ADMITTED_BYTES, protocol_name((enum protocol)tx->protocol));
    } else if (!b && !enlist_take(c, tx, enlist)) {
        coord_refuse(c, s->id, MSG_ENLIST, &tx->gtid, ASSENT_BUSY, "out of memory");
    } else if (tx->admitted && (!b || tx->state == TX_ADMITTING)) {
        begin_wait(c, s, tx, MSG_ENLIST);
        if (!b)
            admit(c, tx);
        if (MUTANT(ENLISTED_EARLY))
            send_enlisted(c, s->id, tx, enlist->branch);
    } else if (tx->state == TX_LOOKING) {
        begin_wait(c, s, tx, MSG_ENLIST);
    } else {
        send_enlisted(c, s->id, tx, enlist->branch);
    }
}

void begin_enlist(struct coordinator *c, struct session *s, const struct msg_enlist *enlist)
{
    const struct resource *r = resource_find(c, enlist->resource);
    if (enlist->branch >= c->config.branches_max) {
        coord_refuse(c, s->id, MSG_ENLIST, &enlist->gtid, ASSENT_LIMIT, "at most %u branches",
                     c->config.branches_max);
        return;
    }
    // Work at a participant that nobody can reach could not be undone either.
    if (!r || !r->session) {
        coord_refuse(c, s->id, MSG_ENLIST, &enlist->gtid, ASSENT_UNAVAILABLE,
                     "participant %.*s is not connected", (int)enlist->resource.size,
                     (const char *)enlist->resource.data);
        return;
    }
    struct tx *tx = tx_find(c, &enlist->gtid);
    if (tx) {
        enlist_again(c, s, tx, enlist);
        return;
    }
    tx = begin_admit(c, s, MSG_ENLIST, &enlist->gtid, enlist->protocol, enlist->timeout_ms);
    if (!tx)
        return;
    if (!enlist_take(c, tx, enlist) || !tx_add_waiter(c, tx, s->id, MSG_ENLIST))
        begin_no_memory(c, s, tx, MSG_ENLIST);
    else
        begin_look(c, s, tx, MSG_ENLIST);
}

// ---- CANCEL, STATUS ----

static void begin_ask(struct coordinator *c, struct session *s, enum msg_type about,
                      const struct gtid *gtid)
{
    struct ask *ask = pending_new(c, sizeof *ask, PENDING_ASK);
    if (!ask) {
        coord_refuse(c, s->id, about, gtid, ASSENT_BUSY, "too many requests");
        return;
    }
    ask->peer = s->id;
    ask->request = c->request;
    ask->about = (uint8_t)about;
    ask->gtid = *gtid;
    coord_lookup(c, ask->pending.token, gtid);
}

void begin_cancel(struct coordinator *c, struct session *s, const struct gtid *gtid)
{
    struct tx *tx = tx_find(c, gtid);
    if (!tx) {
        begin_ask(c, s, MSG_CANCEL, gtid);
        return;
    }
    if (!begin_owns(s, tx)) {
        coord_refuse(c, s->id, MSG_CANCEL, gtid, ASSENT_DENIED, "another client's transaction");
        return;
    }
    if (!tx_add_waiter(c, tx, s->id, MSG_CANCEL)) {
        coord_refuse(c, s->id, MSG_CANCEL, gtid, ASSENT_BUSY, "too many wait for this outcome");
        return;
    }
    if (MUTANT(CANCEL_AFTER_COMMIT) && tx->state == TX_COMMITTING) {
        tx->outcome = OUTCOME_ABORTED;
        for (struct branch *b = tx->branches; b; b = b->next) {
            if (b->state == BRANCH_COMMITTING)
                branch_move(c, b, BRANCH_ABORTING);
        }
    }
    if (tx->state == TX_LOOKING)
        tx->cancelled = true;
    else if (tx->state == TX_ADMITTING || tx->state == TX_ACTIVE || tx->state == TX_PREPARING)
        decide_abort(c, tx, REASON_CANCELLED, BRANCH_NONE,
                     slice_text("the application rolled back"));
    else
        coord_answer_waiters(c, tx);
}

void begin_status(struct coordinator *c, struct session *s, const struct gtid *gtid)
{
    struct tx *tx = tx_find(c, gtid);
    if (!tx)
        begin_ask(c, s, MSG_STATUS, gtid);
    else if (s->role != ROLE_OPERATOR && !begin_owns(s, tx))
        coord_refuse(c, s->id, MSG_STATUS, gtid, ASSENT_DENIED, "another client's transaction");
    else if (tx->state == TX_LOOKING)
        begin_wait(c, s, tx, MSG_STATUS);
    else
        coord_result_of_tx(c, s->id, MSG_STATUS, tx);
}

// ---- after the register was read ----

// Those who wait for less than the outcome.
static void begin_answer_early(struct coordinator *c, struct tx *tx)
{
    struct waiter *kept = NULL;
    for (struct waiter *w = tx->waiters, *next; w; w = next) {
        next = w->next;
        c->request = w->request;
        if (w->about == MSG_ENLIST) {
            for (const struct branch *b = tx->branches; b; b = b->next)
                send_enlisted(c, w->peer, tx, b->number);
        } else if (w->about == MSG_STATUS || (w->accept && tx->admitted)) {
            coord_result_of_tx(c, w->peer, w->about, tx);
        } else {
            w->next = kept;
            kept = w;
        }
    }
    tx->waiters = kept;
}

// Nothing stands under the gtid: the transaction runs.
void begin_go(struct coordinator *c, struct tx *tx)
{
    c->stats.begun++;
    if (tx->cancelled) {
        decide_abort(c, tx, REASON_CANCELLED, BRANCH_NONE,
                     slice_text("the application rolled back"));
        return;
    }
    bool sent_at_once = tx->protocol == PROTOCOL_MESSAGE && tx->submitted;
    if (protocol_business(tx->protocol) && !sent_at_once)
        admit(c, tx);
    else
        begin_on(c, tx);
}

// Nothing has to be waited for any more: the application goes on, or phase one begins.
void begin_on(struct coordinator *c, struct tx *tx)
{
    begin_answer_early(c, tx);
    if (!tx->submitted) {
        tx_move(tx, TX_ACTIVE);
        heap_arm(&c->timers, &tx->deadline.timer, tx->timeout_due_ms);
    } else if (tx->protocol == PROTOCOL_MESSAGE) {
        decide_commit(c, tx);
    } else if (tx->protocol == PROTOCOL_SAGA) {
        tx_move(tx, TX_PREPARING);
        if (tx->timeout_ms)
            heap_arm(&c->timers, &tx->deadline.timer, tx->timeout_due_ms);
        saga_advance(c, tx);
    } else if (tx->protocol == PROTOCOL_3PC && !tx->admitted) {
        elect_admit(c, tx);
    } else {
        prepare_begin(c, tx);
    }
}

static void begin_refuse_waiter(struct coordinator *c, const struct waiter *w, const struct tx *tx,
                                int code, const char *text)
{
    coord_refuse(c, w->peer, w->about, &tx->gtid, code, "%s", text);
}

// A record stands under the gtid: the transaction has been, and its outcome is the answer.
void begin_found(struct coordinator *c, struct tx *tx, const struct tx_record *record)
{
    bool owner = slice_equal(tx->owner, record->owner) || note_only(record);
    bool same = digest_none(record->digest) ||
                memcmp(tx->digest, record->digest, DIGEST_BYTES) == 0 || MUTANT(CONTENT_IGNORED);
    for (struct waiter *w = tx->waiters; w; w = w->next) {
        c->request = w->request;
        if (!owner)
            begin_refuse_waiter(c, w, tx, ASSENT_DENIED, "another client's transaction");
        else if (w->about == MSG_ENLIST)
            begin_refuse_waiter(c, w, tx, ASSENT_STATE, "that transaction has ended");
        else if (w->about == MSG_SUBMIT && !same)
            begin_refuse_waiter(c, w, tx, ASSENT_CONFLICT,
                                "this gtid was submitted with other content");
        else
            coord_result_of_record(c, w->peer, w->about, record);
    }
    tx_bury(c, tx);
}

// The gtid is one that cannot begin any more, and no record stands under it.
void begin_silent(struct coordinator *c, struct tx *tx, enum outcome outcome)
{
    if (outcome == OUTCOME_ABORTED) {
        // Work that the application did at enlisted branches may still be there: undo it.
        decide_abort(c, tx, REASON_PRESUMED, BRANCH_NONE,
                     slice_text("the coordinator restarted before it was decided"));
        return;
    }
    for (struct waiter *w = tx->waiters; w; w = w->next) {
        c->request = w->request;
        if (w->about == MSG_ENLIST)
            begin_refuse_waiter(c, w, tx, ASSENT_UNKNOWN, "nothing is known of that gtid here");
        else
            coord_result(c, w->peer, w->about, &tx->gtid, outcome);
    }
    tx_bury(c, tx);
}
