// SPDX-License-Identifier: Apache-2.0
// Transactions: what the application puts together, and asks for. One thread at a time.
#include <stdatomic.h>
#include <stdlib.h>

#include "base/crash_point.h"
#include "client_handle.h"

enum {
    INLINE_BRANCHES = 4,
    INLINE_BYTES = 256,
    // A SUBMIT must fit into one frame with the frame's header and the fields around the payloads.
    CONTENT_BYTES_MAX = LIMIT_FRAME_BYTES - (16 << 10),
    DEFAULT_TIMEOUT_MS = 60000, // what is assumed of the coordinator's default
};

enum phase {
    PHASE_OPEN,
    PHASE_DOOMED,   // an enlisted branch may or may not exist: only to be rolled back
    PHASE_PREPARED, // a message that can be sent
    PHASE_ASKED,    // a commit is on its way
    PHASE_UNKNOWN,  // a commit was asked for, and its outcome is not known here
    PHASE_ENDED,
};

struct branch {
    uint32_t at; // in bytes: the resource, then the payload
    uint32_t payload_size;
    uint8_t resource_size;
    uint8_t kind;
    struct branch_plan plan;
};

struct assent_tx {
    assent_client *client;
    atomic_uint holders; // the user's handle; an asynchronous commit
    _Atomic enum phase phase;
    bool own_gtid; // brought by the application
    bool enlisted;
    bool wait_done;
    uint8_t protocol; // enum protocol
    uint8_t flags;    // of the next SUBMIT
    uint32_t timeout_ms;
    struct gtid gtid;
    char gtid_text[ASSENT_GTID_MAX + 1];
    struct request request;
    struct branch *branches; // inline_branches, or owned
    uint32_t branch_count, branch_room;
    uint8_t *bytes; // inline_bytes, or owned
    uint32_t byte_count, byte_room;
    struct branch inline_branches[INLINE_BRANCHES];
    uint8_t inline_bytes[INLINE_BYTES];
};

// ---- beginning ----

// Lock held. From the stock; false when it is empty.
static bool stock_take(assent_client *c, uint64_t now_ms, struct gtid *ret)
{
    for (int i = 0; i < 2; i++) {
        struct gtid_block *block = &c->gtids[i];
        if (block->count == 0 || block->stale_ms <= now_ms)
            continue;
        gtid_block_take(block, ret);
        if (block->count == 0 && !c->refill) {
            c->refill = true;
            client_wake(c);
        }
        return true;
    }
    return false;
}

// Lock held, entered.
static int gtid_wait(assent_client *c, struct gtid *ret, assent_error *error)
{
    uint64_t now_ms = shell_now().mono_ms;
    uint64_t until_ms = now_ms + c->connect_timeout_ms;
    bool in_time = true;
    while (!stock_take(c, now_ms, ret)) {
        if (c->stopping)
            return error_set(error, ASSENT_CLOSED, "the client is being closed");
        if (!in_time)
            return error_set(error, ASSENT_UNAVAILABLE, "no coordinator answers at %s%s%s",
                             c->place.endpoint, c->link_error.code ? ": " : "",
                             c->link_error.message);
        c->waiting++;
        client_wake(c);
        in_time = shell_cond_wait(&c->changed, &c->lock, until_ms);
        c->waiting--;
        now_ms = shell_now().mono_ms;
    }
    return ASSENT_OK;
}

static int gtid_take(assent_client *c, struct gtid *ret, assent_error *error)
{
    pthread_mutex_lock(&c->lock);
    int code = client_enter(c, error);
    if (code == ASSENT_OK) {
        code = gtid_wait(c, ret, error);
        client_leave(c);
    }
    pthread_mutex_unlock(&c->lock);
    return code;
}

static assent_tx *tx_new(assent_client *c, const struct gtid *gtid,
                         const assent_tx_options *options)
{
    assent_tx *tx = malloc(sizeof *tx);
    if (!tx)
        return NULL;
    // Not the inline bytes: there are many, and each is written before it is read.
    memset(tx, 0, offsetof(assent_tx, inline_branches));
    tx->client = c;
    atomic_init(&tx->holders, 1);
    atomic_init(&tx->phase, PHASE_OPEN);
    tx->gtid = *gtid;
    memcpy(tx->gtid_text, gtid->text, gtid->size);
    tx->branches = tx->inline_branches;
    tx->branch_room = INLINE_BRANCHES;
    tx->bytes = tx->inline_bytes;
    tx->byte_room = INLINE_BYTES;
    tx->protocol = PROTOCOL_2PC;
    if (options) {
        if (options->protocol != ASSENT_2PC)
            tx->protocol = (uint8_t)options->protocol;
        tx->timeout_ms = options->timeout_ms;
        tx->wait_done = options->wait_done != 0;
    }
    return tx;
}

int assent_begin(assent_client *c, const char *text, const assent_tx_options *options,
                 assent_tx **ret, assent_error *error)
{
    struct gtid gtid;
    if (options && options->protocol != ASSENT_2PC &&
        !protocol_admitted((unsigned)options->protocol))
        return error_set(error, ASSENT_INVALID, "protocol %d is not known", options->protocol);
    if (text && !gtid_from(slice_text(text), &gtid))
        return error_set(error, ASSENT_INVALID, "a gtid is 1 to %d of [A-Za-z0-9._:-]",
                         ASSENT_GTID_MAX);
    int code = text ? ASSENT_OK : gtid_take(c, &gtid, error);
    if (code != ASSENT_OK)
        return code;
    assent_tx *tx = tx_new(c, &gtid, options);
    if (!tx)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    tx->own_gtid = text != NULL;
    *ret = tx;
    return ASSENT_OK;
}

const char *assent_tx_gtid(const assent_tx *tx)
{
    return tx->gtid_text;
}

void tx_release(assent_tx *tx)
{
    if (atomic_fetch_sub(&tx->holders, 1) != 1)
        return;
    if (tx->branches != tx->inline_branches)
        free(tx->branches);
    if (tx->bytes != tx->inline_bytes)
        free(tx->bytes);
    free(tx);
}

void assent_tx_destroy(assent_tx **tx_p)
{
    if (*tx_p)
        tx_release(*tx_p);
    *tx_p = NULL;
}

// ---- branches ----

// Room for `more` items of `size` bytes behind `count`, moved out of its inline place when needed.
// NULL: out of memory, and all is as before.
static void *grow(void *items, const void *inline_place, uint32_t size, uint32_t count,
                  uint32_t *room, uint32_t more)
{
    if (*room - count >= more)
        return items;
    uint32_t wanted = *room * 2 > count + more ? *room * 2 : count + more;
    void *grown = realloc(items == inline_place ? NULL : items, (size_t)wanted * size);
    if (!grown)
        return NULL;
    if (items == inline_place)
        memcpy(grown, inline_place, (size_t)count * size);
    *room = wanted;
    return grown;
}

static bool tx_reserve(assent_tx *tx, uint32_t bytes)
{
    void *branches = grow(tx->branches, tx->inline_branches, sizeof *tx->branches, tx->branch_count,
                          &tx->branch_room, 1);
    if (!branches)
        return false;
    tx->branches = branches;
    void *data = grow(tx->bytes, tx->inline_bytes, 1, tx->byte_count, &tx->byte_room, bytes);
    if (!data)
        return false;
    tx->bytes = data;
    return true;
}

static void tx_put(assent_tx *tx, const void *data, size_t size)
{
    if (size)
        memcpy(tx->bytes + tx->byte_count, data, size);
    tx->byte_count += (uint32_t)size;
}

static int tx_add(assent_tx *tx, enum branch_kind kind, struct slice resource, struct slice payload,
                  assent_error *error)
{
    if (atomic_load(&tx->phase) != PHASE_OPEN)
        return error_set(error, ASSENT_STATE, "%s takes no more branches: it was %s", tx->gtid_text,
                         atomic_load(&tx->phase) == PHASE_DOOMED
                             ? "spoilt by an enlist that was not answered, and can be rolled back"
                             : "prepared, committed or rolled back");
    if (!protocol_has_kind(tx->protocol, kind))
        return error_set(error, ASSENT_INVALID, "%s is a %s transaction: it has no such branches",
                         tx->gtid_text, protocol_name((enum protocol)tx->protocol));
    if (!gtid_valid(resource))
        return error_set(error, ASSENT_INVALID, "a resource is 1 to %d of [A-Za-z0-9._:-]",
                         LIMIT_NAME_BYTES);
    if (payload.size && !payload.data)
        return error_set(error, ASSENT_INVALID, "the payload is missing");
    if (tx->branch_count >= LIMIT_BRANCHES)
        return error_set(error, ASSENT_LIMIT, "at most %d branches to a transaction",
                         LIMIT_BRANCHES);
    if (payload.size > LIMIT_PAYLOAD_BYTES)
        return error_set(error, ASSENT_LIMIT, "a payload of %zu bytes; at most %d are carried",
                         payload.size, LIMIT_PAYLOAD_BYTES);
    if (tx->byte_count + resource.size + payload.size > CONTENT_BYTES_MAX)
        return error_set(error, ASSENT_LIMIT, "at most %d bytes of payload to a transaction",
                         CONTENT_BYTES_MAX);
    if (!tx_reserve(tx, (uint32_t)(resource.size + payload.size)))
        return error_set(error, ASSENT_NOMEM, "out of memory");
    tx->branches[tx->branch_count++] = (struct branch){
        .at = tx->byte_count,
        .payload_size = (uint32_t)payload.size,
        .resource_size = (uint8_t)resource.size,
        .kind = (uint8_t)kind,
    };
    tx_put(tx, resource.data, resource.size);
    tx_put(tx, payload.data, payload.size);
    return ASSENT_OK;
}

int assent_call(assent_tx *tx, const char *resource, const void *payload, size_t size,
                uint16_t *ret_branch, assent_error *error)
{
    int code = tx_add(tx, BRANCH_CALL, slice_text(resource), slice_of(payload, size), error);
    if (code == ASSENT_OK && ret_branch)
        *ret_branch = (uint16_t)(tx->branch_count - 1);
    return code;
}

int assent_read_only(assent_tx *tx, uint16_t branch, assent_error *error)
{
    bool can = protocol_has_kind(tx->protocol, BRANCH_READ_ONLY);
    if (atomic_load(&tx->phase) != PHASE_OPEN)
        return error_set(error, ASSENT_STATE, "%s was ended already", tx->gtid_text);
    if (!can || branch >= tx->branch_count || tx->branches[branch].kind == BRANCH_CALL)
        return error_set(error, ASSENT_INVALID, "%u is no such enlisted branch", branch);
    tx->branches[branch].kind = BRANCH_READ_ONLY;
    return ASSENT_OK;
}

static int tx_add_planned(assent_tx *tx, enum branch_kind kind, const char *resource,
                          struct slice payload, const struct branch_plan *plan, assent_error *error)
{
    int code = tx_add(tx, kind, slice_text(resource), payload, error);
    if (code == ASSENT_OK)
        tx->branches[tx->branch_count - 1].plan = *plan;
    return code;
}

// The steps that it waits for, as bits. False: one of them is none that was added before.
static bool step_after(const assent_tx *tx, const assent_step_options *options, uint64_t *ret)
{
    *ret = 0;
    if (!options || (options->after_count == 0 && !options->anywhere)) {
        if (tx->branch_count > 0 && tx->branch_count < LIMIT_BRANCHES)
            *ret = UINT64_C(1) << (tx->branch_count - 1);
        return true;
    }
    for (size_t i = 0; i < options->after_count; i++) {
        if (options->after[i] >= tx->branch_count)
            return false;
        *ret |= UINT64_C(1) << options->after[i];
    }
    return true;
}

int assent_step(assent_tx *tx, const char *resource, const void *payload, size_t size,
                const assent_step_options *options, uint16_t *ret_step, assent_error *error)
{
    struct branch_plan plan = {0};
    if (!step_after(tx, options, &plan.after))
        return error_set(error, ASSENT_INVALID, "a step can only come after steps added before it");
    if (options) {
        plan.flags = (uint8_t)((options->pivot ? STEP_PIVOT : 0) | (options->kept ? STEP_KEPT : 0));
        plan.attempts = options->attempts;
        plan.timeout_ms = options->timeout_ms;
        plan.backoff_ms = options->backoff_ms;
        plan.backoff_max_ms = options->backoff_max_ms;
    }
    int code = tx_add_planned(tx, BRANCH_STEP, resource, slice_of(payload, size), &plan, error);
    if (code == ASSENT_OK && ret_step)
        *ret_step = (uint16_t)(tx->branch_count - 1);
    return code;
}

int assent_sender(assent_tx *tx, const char *resource, assent_error *error)
{
    if (tx->branch_count > 0)
        return error_set(error, ASSENT_STATE, "the sender comes before the consumers");
    return tx_add_planned(tx, BRANCH_SENDER, resource, slice_of(NULL, 0), &(struct branch_plan){0},
                          error);
}

static int message_add(assent_tx *tx, enum branch_kind kind, const char *resource,
                       struct slice payload, uint32_t delay_ms, assent_error *error)
{
    struct branch_plan plan = {.delay_ms = delay_ms};
    if (tx->protocol == PROTOCOL_MESSAGE && tx->branch_count == 0)
        return error_set(error, ASSENT_STATE, "say who sends it first: assent_sender");
    return tx_add_planned(tx, kind, resource, payload, &plan, error);
}

int assent_deliver(assent_tx *tx, const char *resource, const void *payload, size_t size,
                   uint32_t delay_ms, assent_error *error)
{
    return message_add(tx, BRANCH_CONSUMER, resource, slice_of(payload, size), delay_ms, error);
}

int assent_publish(assent_tx *tx, const char *topic, const void *payload, size_t size,
                   uint32_t delay_ms, assent_error *error)
{
    return message_add(tx, BRANCH_TOPIC, topic, slice_of(payload, size), delay_ms, error);
}

// ---- requests ----

static struct slice branch_resource(const assent_tx *tx, const struct branch *b)
{
    return slice_of(tx->bytes + b->at, b->resource_size);
}

static struct slice branch_payload(const assent_tx *tx, const struct branch *b)
{
    return slice_of(tx->bytes + b->at + b->resource_size, b->payload_size);
}

void tx_content(const assent_tx *tx, const struct request *request, struct msg_branch *branches,
                struct event_ask *ret)
{
    if (request->kind == ASK_ENLIST) {
        const struct branch *last = &tx->branches[tx->branch_count - 1];
        ret->u.enlist = (struct msg_enlist){
            .gtid = tx->gtid,
            .protocol = tx->protocol,
            .timeout_ms = tx->timeout_ms,
            .branch = (uint16_t)(tx->branch_count - 1),
            .resource = branch_resource(tx, last),
            .payload = branch_payload(tx, last),
        };
        return;
    }
    for (uint32_t i = 0; i < tx->branch_count; i++) {
        const struct branch *b = &tx->branches[i];
        branches[i] = (struct msg_branch){
            .branch = (uint16_t)i,
            .kind = b->kind,
            .resource = branch_resource(tx, b),
            .payload = b->kind == BRANCH_ENLISTED ? slice_of(NULL, 0) : branch_payload(tx, b),
            .plan = b->plan,
        };
    }
    ret->u.submit = (struct msg_submit){
        .gtid = tx->gtid,
        .protocol = tx->protocol,
        .flags = tx->flags,
        .timeout_ms = tx->timeout_ms,
        .branch_count = (uint16_t)tx->branch_count,
        .branches = branches,
    };
}

static void tx_request(assent_tx *tx, enum ask_kind kind, uint64_t wait_ms)
{
    tx->request.kind = kind;
    tx->request.gtid = tx->gtid;
    tx->request.tx = kind == ASK_CANCEL ? NULL : tx;
    tx->request.deadline_ms = shell_now().mono_ms + wait_ms;
}

static int tx_enlist(assent_tx *tx, struct slice resource, struct slice payload,
                     uint16_t *ret_branch, assent_error *error)
{
    uint32_t bytes = tx->byte_count;
    int code = tx_add(tx, BRANCH_ENLISTED, resource, payload, error);
    if (code != ASSENT_OK)
        return code;
    tx_request(tx, ASK_ENLIST, tx->client->answer_timeout_ms);
    code = request_run(tx->client, &tx->request, NULL, error);
    if (code == ASSENT_OK) {
        tx->enlisted = true;
        if (ret_branch)
            *ret_branch = (uint16_t)(tx->branch_count - 1);
        return ASSENT_OK;
    }
    tx->branch_count--;
    tx->byte_count = bytes;
    // Not answered: the coordinator may count this branch or not, so no SUBMIT is sure to match.
    if (code == ASSENT_TIMEOUT || code == ASSENT_CLOSED) {
        tx->enlisted = true;
        atomic_store(&tx->phase, PHASE_DOOMED);
    }
    return code;
}

int assent_enlist(assent_tx *tx, const char *resource, uint16_t *ret_branch, assent_error *error)
{
    return tx_enlist(tx, slice_text(resource), slice_of(NULL, 0), ret_branch, error);
}

int assent_enlist_with(assent_tx *tx, const char *resource, const void *payload, size_t size,
                       uint16_t *ret_branch, assent_error *error)
{
    if (tx->protocol != PROTOCOL_TCC)
        return error_set(error, ASSENT_INVALID,
                         "only a tcc transaction is enlisted in with content");
    return tx_enlist(tx, slice_text(resource), slice_of(payload, size), ret_branch, error);
}

// ---- ending ----

static bool outcome_open(int code)
{
    return code == ASSENT_TIMEOUT || code == ASSENT_CLOSED;
}

// PHASE_ASKED, or the reason why not.
static int commit_begin(assent_tx *tx, unsigned flags, assent_error *error)
{
    enum phase phase = atomic_load(&tx->phase);
    if (phase == PHASE_DOOMED)
        return error_set(error, ASSENT_STATE,
                         "%s can only be rolled back: an enlist was not answered", tx->gtid_text);
    if (phase != PHASE_OPEN && phase != PHASE_PREPARED && phase != PHASE_UNKNOWN)
        return error_set(error, ASSENT_STATE, "%s was committed or rolled back already",
                         tx->gtid_text);
    if (tx->branch_count == 0)
        return error_set(error, ASSENT_INVALID, "%s has no branches to commit", tx->gtid_text);
    uint64_t timeout_ms = tx->timeout_ms ? tx->timeout_ms : DEFAULT_TIMEOUT_MS;
    bool outcome = !(flags & (SUBMIT_ACCEPT | SUBMIT_HOLD)); // is waited for
    tx->flags = (uint8_t)(flags | (outcome && tx->wait_done ? SUBMIT_WAIT_DONE : 0));
    tx_request(tx, ASK_SUBMIT, (outcome ? timeout_ms : 0) + tx->client->answer_timeout_ms);
    atomic_store(&tx->phase, PHASE_ASKED);
    if (!(flags & SUBMIT_HOLD))
        CRASH_POINT(client_before_submit);
    return ASSENT_OK;
}

// A commit that was refused had no effect, so it may be tried again; one that was not answered too.
static void commit_end(assent_tx *tx, int code, const assent_result *result, enum phase before)
{
    bool decided = code == ASSENT_OK && result->outcome != ASSENT_IN_PROGRESS;
    enum phase phase = decided                                   ? PHASE_ENDED
                       : code == ASSENT_OK || outcome_open(code) ? PHASE_UNKNOWN
                                                                 : before;
    atomic_store(&tx->phase, phase);
}

int assent_commit(assent_tx *tx, assent_result *ret, assent_error *error)
{
    enum phase before = atomic_load(&tx->phase);
    int code = commit_begin(tx, 0, error);
    if (code != ASSENT_OK)
        return code;
    code = request_run(tx->client, &tx->request, ret, error);
    commit_end(tx, code, &tx->request.result, before);
    return code;
}

int assent_submit(assent_tx *tx, assent_error *error)
{
    if (!protocol_business(tx->protocol))
        return error_set(error, ASSENT_INVALID,
                         "two-phase and three-phase commit are waited for: assent_commit");
    enum phase before = atomic_load(&tx->phase);
    int code = commit_begin(tx, SUBMIT_ACCEPT, error);
    if (code != ASSENT_OK)
        return code;
    code = request_run(tx->client, &tx->request, NULL, error);
    commit_end(tx, code, &tx->request.result, before);
    return code;
}

int assent_prepare(assent_tx *tx, assent_error *error)
{
    enum phase before = atomic_load(&tx->phase);
    if (tx->protocol != PROTOCOL_MESSAGE || (before != PHASE_OPEN && before != PHASE_PREPARED))
        return error_set(error, ASSENT_STATE, "only a message that was not submitted is prepared");
    int code = commit_begin(tx, SUBMIT_HOLD, error);
    if (code != ASSENT_OK)
        return code;
    code = request_run(tx->client, &tx->request, NULL, error);
    enum assent_outcome outcome = tx->request.result.outcome;
    if (code == ASSENT_OK)
        CRASH_POINT(client_after_prepare);
    if (code == ASSENT_OK && outcome != ASSENT_IN_PROGRESS) {
        atomic_store(&tx->phase, PHASE_ENDED);
        return error_set(error, ASSENT_STATE, "%s has ended already: %s", tx->gtid_text,
                         assent_outcome_text(outcome));
    }
    // Whether it was heard or not: the same may be asked for again, or sent, or dropped.
    atomic_store(&tx->phase, code == ASSENT_OK || outcome_open(code) ? PHASE_PREPARED : before);
    return code;
}

void tx_answered(assent_tx *tx)
{
    // What stood before is no longer known, and PHASE_UNKNOWN allows the same.
    commit_end(tx, tx->request.code, &tx->request.result, PHASE_UNKNOWN);
}

int assent_commit_async(assent_tx *tx, assent_done *done, void *arg, assent_error *error)
{
    enum phase before = atomic_load(&tx->phase);
    int code = commit_begin(tx, 0, error);
    if (code != ASSENT_OK)
        return code;
    tx->request.done = done;
    tx->request.arg = arg;
    atomic_fetch_add(&tx->holders, 1);
    code = request_send(tx->client, &tx->request, error);
    if (code != ASSENT_OK) {
        atomic_store(&tx->phase, before);
        tx_release(tx);
    }
    return code;
}

// Nothing of it has left this process, and nobody else knows its gtid.
static bool tx_unheard_of(const assent_tx *tx)
{
    return atomic_load(&tx->phase) == PHASE_OPEN && !tx->enlisted && !tx->own_gtid;
}

static void rolled_back_unheard(assent_tx *tx, assent_result *ret)
{
    if (ret) {
        *ret = (assent_result){
            .outcome = ASSENT_ABORTED,
            .reason = ASSENT_REASON_CANCELLED,
            .branch = -1,
            .finished = 1,
        };
        memcpy(ret->gtid, tx->gtid_text, sizeof ret->gtid);
    }
    atomic_store(&tx->phase, PHASE_ENDED);
}

int assent_rollback(assent_tx *tx, assent_result *ret, assent_error *error)
{
    enum phase phase = atomic_load(&tx->phase);
    if (phase == PHASE_ENDED || phase == PHASE_ASKED)
        return error_set(error, ASSENT_STATE, "%s was committed or rolled back already",
                         tx->gtid_text);
    if (tx_unheard_of(tx)) {
        rolled_back_unheard(tx, ret);
        return ASSENT_OK;
    }
    tx_request(tx, ASK_CANCEL, tx->client->answer_timeout_ms);
    int code = request_run(tx->client, &tx->request, ret, error);
    bool ended = code == ASSENT_OK && tx->request.result.outcome != ASSENT_IN_PROGRESS;
    // A cancel that was not answered may have been heard: no more branches.
    atomic_store(&tx->phase, ended ? PHASE_ENDED : PHASE_UNKNOWN);
    return code;
}

int assent_status(assent_client *c, const char *text, assent_result *ret, assent_error *error)
{
    struct request request = {.kind = ASK_STATUS};
    if (!gtid_from(slice_text(text), &request.gtid))
        return error_set(error, ASSENT_INVALID, "a gtid is 1 to %d of [A-Za-z0-9._:-]",
                         ASSENT_GTID_MAX);
    request.deadline_ms = shell_now().mono_ms + c->answer_timeout_ms;
    return request_run(c, &request, ret, error);
}
