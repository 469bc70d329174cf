// SPDX-License-Identifier: Apache-2.0
// Requests in flight: sent, sent again, answered, refused, timed out.
//
// What must never happen is that a request is reported as refused, so without effect, while an
// earlier send of it, whose answer was lost, had one. `awaiting` and `uncertain` keep count, and a
// refusal speaks of no other send than the one that it names.
#include <stdlib.h>

#include "base/check.h"
#include "base/mutant.h"
#include "core/client_internal.h"

// ---- making and ending ----

static size_t key_of(enum ask_kind kind, const struct gtid *gtid, char ret[ASK_KEY_BYTES])
{
    ret[0] = (char)kind;
    memcpy(ret + 1, gtid->text, gtid->size);
    return 1 + (size_t)gtid->size;
}

static struct ask *chain_find(const struct client *c, enum ask_kind kind, const struct gtid *gtid)
{
    char key[ASK_KEY_BYTES];
    return map_get(&c->by_key, slice_of(key, key_of(kind, gtid, key)));
}

// False when out of memory.
static bool chain_add(struct client *c, struct ask *ask, struct ask *head)
{
    if (!head)
        return map_insert(&c->by_key, slice_of(ask->key, ask->key_size), ask);
    ask->next = head->next;
    head->next = ask;
    return true;
}

static void chain_remove(struct client *c, struct ask *ask)
{
    struct slice key = slice_of(ask->key, ask->key_size);
    struct ask *head = map_get(&c->by_key, key);
    if (head == ask) {
        map_remove(&c->by_key, key);
        // The key that the map borrows lies in the head. What was just freed is room enough.
        if (ask->next)
            CHECK(map_insert(&c->by_key, slice_of(ask->next->key, key.size), ask->next));
        return;
    }
    while (head->next != ask)
        head = head->next;
    head->next = ask->next;
}

static void ask_end(struct client *c, struct ask *ask)
{
    chain_remove(c, ask);
    list_remove(&ask->link);
    heap_disarm(&c->timers, &ask->timer);
    c->ask_count--;
    ask->next = c->dead;
    c->dead = ask;
}

static void ask_free(struct ask *ask)
{
    free(ask->held);
    free(ask);
}

void ask_free_dead(struct client *c)
{
    while (c->dead) {
        struct ask *ask = c->dead;
        c->dead = ask->next;
        ask_free(ask);
    }
}

void ask_free_all(struct client *c)
{
    while (!list_empty(&c->asks)) {
        struct ask *ask = container_of(c->asks.next, struct ask, link);
        list_remove(&ask->link);
        ask_free(ask);
    }
}

static struct effect_complete *complete(struct client *c, token_t token, int code,
                                        struct slice text)
{
    struct slice kept = effects_keep(c->fx, text);
    struct effect_complete *done = &effects_add(c->fx, EFFECT_COMPLETE)->u.complete;
    *done = (struct effect_complete){.token = token, .code = code, .text = kept};
    done->result.branch = BRANCH_NONE;
    return done;
}

static void ask_fail(struct client *c, struct ask *ask, int code, const char *text)
{
    complete(c, ask->token, code, slice_text(text));
    ask_end(c, ask);
}

// A question has no effect that could be missed.
static uint64_t *abandoned_place(struct client *c, const struct ask *ask, uint64_t *ret_hash)
{
    *ret_hash = map_hash(c->by_key.seed, slice_of(ask->key, ask->key_size));
    return ask->kind == ASK_STATUS ? NULL : &c->abandoned[*ret_hash % ABANDONED_PLACES];
}

static void ask_abandon(struct client *c, struct ask *ask, int code, const char *text)
{
    uint64_t hash;
    uint64_t *place = abandoned_place(c, ask, &hash);
    if (place && (ask->awaiting || ask->uncertain))
        *place = hash;
    ask_fail(c, ask, code, text);
}

static void ask_succeed(struct client *c, struct ask *ask, const struct msg_result *result)
{
    struct msg_result copy = *result;
    copy.text = effects_keep(c->fx, result->text);
    complete(c, ask->token, ASSENT_OK, (struct slice){0})->result = copy;
    ask_end(c, ask);
}

// ---- copying what is asked ----

static size_t submit_bytes(const struct msg_submit *submit)
{
    size_t size = submit->branch_count * sizeof submit->branches[0];
    for (unsigned i = 0; i < submit->branch_count; i++)
        size += submit->branches[i].resource.size + submit->branches[i].payload.size;
    return size;
}

static struct slice put_bytes(char **to, struct slice from)
{
    struct slice copy = slice_of(*to, from.size);
    if (from.size)
        memcpy(*to, from.data, from.size);
    *to += from.size;
    return copy;
}

static void submit_copy(struct msg_submit *submit, void *memory)
{
    struct msg_branch *branches = memory;
    char *to = (char *)(branches + submit->branch_count);
    for (unsigned i = 0; i < submit->branch_count; i++) {
        branches[i] = submit->branches[i];
        branches[i].resource = put_bytes(&to, branches[i].resource);
        branches[i].payload = put_bytes(&to, branches[i].payload);
    }
    submit->branches = branches;
}

static const struct gtid *ask_gtid(const struct event_ask *what)
{
    switch (what->kind) {
    case ASK_SUBMIT: return &what->u.submit.gtid;
    case ASK_ENLIST: return &what->u.enlist.gtid;
    case ASK_CANCEL:
    case ASK_STATUS: break;
    }
    return &what->u.gtid.gtid;
}

static void ask_fill(struct ask *ask, const struct event_ask *what)
{
    char *behind = (char *)(ask + 1);
    switch (what->kind) {
    case ASK_SUBMIT:
        ask->msg.type = MSG_SUBMIT;
        ask->msg.u.submit = what->u.submit;
        submit_copy(&ask->msg.u.submit, behind);
        break;
    case ASK_ENLIST:
        ask->msg.type = MSG_ENLIST;
        ask->msg.u.enlist = what->u.enlist;
        ask->msg.u.enlist.resource = put_bytes(&behind, what->u.enlist.resource);
        ask->msg.u.enlist.payload = put_bytes(&behind, what->u.enlist.payload);
        break;
    case ASK_CANCEL:
    case ASK_STATUS:
        ask->msg.type = what->kind == ASK_CANCEL ? MSG_CANCEL : MSG_STATUS;
        ask->msg.u.gtid = what->u.gtid;
        break;
    }
}

static struct ask *ask_new(struct client *c, const struct event_ask *what)
{
    const struct msg_enlist *enlist = &what->u.enlist;
    size_t extra = what->kind == ASK_SUBMIT   ? submit_bytes(&what->u.submit)
                   : what->kind == ASK_ENLIST ? enlist->resource.size + enlist->payload.size
                                              : 0;
    if (!heap_reserve(&c->timers, c->ask_count + 1))
        return NULL;
    struct ask *ask = malloc(sizeof *ask + extra);
    if (!ask)
        return NULL;
    memset(ask, 0, sizeof *ask);
    ask->token = what->token;
    ask->kind = what->kind;
    ask->deadline_ms = what->deadline_ms;
    ask->key_size = (uint8_t)key_of(what->kind, ask_gtid(what), ask->key);
    ask_fill(ask, what);
    uint64_t hash;
    const uint64_t *place = abandoned_place(c, ask, &hash);
    ask->uncertain = place && *place == hash;
    ask->coordinator = c->coordinator;
    return ask;
}

// ---- sending ----

static void ask_arm(struct client *c, struct ask *ask, uint64_t due_ms)
{
    if (due_ms > ask->deadline_ms)
        due_ms = ask->deadline_ms;
    if (due_ms == UINT64_MAX)
        heap_disarm(&c->timers, &ask->timer);
    else
        heap_arm(&c->timers, &ask->timer, due_ms);
}

static void ask_pause(struct client *c, struct ask *ask, uint32_t first_ms, uint32_t tries)
{
    ask_arm(c, ask, c->now.mono_ms + client_backoff(c, first_ms, tries));
}

// Requests of one kind about one gtid are one request to the coordinator: what refuses the last
// that was sent says nothing of those before.
static void ask_doubt_all(struct client *c, const struct ask *ask)
{
    struct ask *head = map_get(&c->by_key, slice_of(ask->key, ask->key_size));
    bool sent = false;
    for (struct ask *other = head; other; other = other->next)
        sent |= other->awaiting || other->uncertain;
    for (struct ask *other = head; other && sent; other = other->next)
        other->uncertain = true;
}

static void ask_number(struct ask *ask, uint64_t request)
{
    if (ask->request == 0)
        ask->request = request;
    if (ask->msg.type == MSG_SUBMIT)
        ask->msg.u.submit.request = request;
    else if (ask->msg.type == MSG_ENLIST)
        ask->msg.u.enlist.request = request;
    else
        ask->msg.u.gtid.request = request;
}

// Does the answer to that request answer this ask? Not when it was sent before the ask was: what it
// says may be out of date, or about another content.
static bool ask_is_answered(const struct ask *ask, uint64_t request)
{
    return ask->request != 0 && (request >= ask->request || MUTANT(ANSWER_TO_ANY_REQUEST));
}

static void ask_send(struct client *c, struct ask *ask)
{
    ask_number(ask, ++c->request);
    *client_send(c, ask->msg.type) = ask->msg;
    ask->coordinator = c->coordinator;
    ask_doubt_all(c, ask);
    ask->awaiting = true;
    ask_pause(c, ask, c->config.resend_ms, ask->sends++);
}

// At its deadline. What was held is true, though not all that was asked for.
static void ask_expire(struct client *c, struct ask *ask)
{
    if (ask->held)
        ask_succeed(c, ask, ask->held);
    else if (MUTANT(TIMEOUT_IS_ABORT) && ask->kind == ASK_SUBMIT)
        ask_succeed(c, ask, &(struct msg_result){.outcome = OUTCOME_ABORTED});
    else if (MUTANT(TIMEOUT_IS_ACCEPTED) && ask->kind == ASK_SUBMIT &&
             ask->msg.u.submit.flags & SUBMIT_ACCEPT)
        ask_succeed(c, ask, &(struct msg_result){.outcome = OUTCOME_NONE});
    else if (ask->awaiting || ask->uncertain)
        ask_abandon(c, ask, ASSENT_TIMEOUT, "no answer in time: the outcome is not known here");
    else if (ask->sends == 0)
        ask_fail(c, ask, ASSENT_UNAVAILABLE,
                 "no coordinator was reached in time: the request was not sent");
    else
        ask_fail(c, ask, ASSENT_BUSY, "the coordinator was overloaded: nothing was done");
}

// What one coordinator was asked to do, another one must not do again: only the first knows whether
// it has been done. A question may go to anybody.
static bool ask_is_of_another(const struct client *c, const struct ask *ask)
{
    return (ask->awaiting || ask->uncertain) && ask->coordinator != c->coordinator &&
           ask->kind != ASK_STATUS;
}

void ask_timer(struct client *c, struct ask *ask)
{
    if (ask->deadline_ms <= c->now.mono_ms)
        ask_expire(c, ask);
    else if (c->link != LINK_WELCOMED)
        ask_arm(c, ask, UINT64_MAX); // sent again by the next welcome
    else if (ask->held && ask_is_of_another(c, ask))
        ask_succeed(c, ask, ask->held);
    else if (ask_is_of_another(c, ask))
        ask_abandon(
            c, ask, ASSENT_TIMEOUT,
            "another coordinator answers now: only the one that was asked knows the outcome");
    else
        ask_send(c, ask);
}

// Ticks then send them, oldest first, LIMIT_RESEND_BATCH at a time.
void ask_resend_all(struct client *c)
{
    for (struct list *at = c->asks.next; at != &c->asks && !MUTANT(NOT_ASKED_AGAIN); at = at->next)
        ask_arm(c, container_of(at, struct ask, link), c->now.mono_ms);
}

static bool branch_equal(const struct msg_branch *a, const struct msg_branch *b)
{
    const struct branch_plan *p = &a->plan, *q = &b->plan;
    return a->branch == b->branch && a->kind == b->kind && slice_equal(a->resource, b->resource) &&
           slice_equal(a->payload, b->payload) &&
           ((p->after == q->after && p->flags == q->flags && p->attempts == q->attempts &&
             p->timeout_ms == q->timeout_ms && p->backoff_ms == q->backoff_ms &&
             p->backoff_max_ms == q->backoff_max_ms && p->delay_ms == q->delay_ms) ||
            MUTANT(PLANS_ALIKE));
}

// Is this another content under the gtid and kind of a request in flight?
static bool conflicts(const struct ask *head, const struct event_ask *what)
{
    if (what->kind == ASK_SUBMIT) {
        const struct msg_submit *a = &head->msg.u.submit, *b = &what->u.submit;
        if (a->protocol != b->protocol || a->branch_count != b->branch_count)
            return true;
        for (unsigned i = 0; i < a->branch_count; i++) {
            if (!branch_equal(&a->branches[i], &b->branches[i]))
                return true;
        }
    }
    for (; what->kind == ASK_ENLIST && head; head = head->next) {
        const struct msg_enlist *a = &head->msg.u.enlist, *b = &what->u.enlist;
        if (a->branch == b->branch &&
            !(slice_equal(a->resource, b->resource) && slice_equal(a->payload, b->payload)))
            return true;
    }
    return false;
}

void ask_begin(struct client *c, const struct event_ask *what)
{
    if (c->ask_count >= c->config.asks_max) {
        complete(c, what->token, ASSENT_BUSY, slice_text("too many requests are in flight"));
        return;
    }
    struct ask *head = chain_find(c, what->kind, ask_gtid(what));
    // What answers one answers all that were sent by then, so it could not be told whose it is.
    if (head && conflicts(head, what)) {
        complete(c, what->token, ASSENT_CONFLICT,
                 slice_text("the same gtid is in flight with other content"));
        return;
    }
    struct ask *ask = ask_new(c, what);
    if (!ask || !chain_add(c, ask, head)) {
        free(ask);
        complete(c, what->token, ASSENT_NOMEM, slice_text("out of memory"));
        return;
    }
    list_init(&ask->link);
    list_append(&c->asks, &ask->link);
    c->ask_count++;
    if (ask->deadline_ms <= c->now.mono_ms)
        ask_expire(c, ask);
    else
        ask_timer(c, ask);
}

void ask_give_up(struct client *c, token_t token)
{
    for (struct list *at = c->asks.next; at != &c->asks; at = at->next) {
        struct ask *ask = container_of(at, struct ask, link);
        if (ask->token == token) {
            ask_abandon(c, ask, ASSENT_CLOSED, "given up: the outcome is not known here");
            return;
        }
    }
}

// ---- answers ----

static bool kind_of(unsigned about, enum ask_kind *ret)
{
    if (about == MSG_SUBMIT)
        *ret = ASK_SUBMIT;
    else if (about == MSG_CANCEL)
        *ret = ASK_CANCEL;
    else if (about == MSG_STATUS)
        *ret = ASK_STATUS;
    else if (about == MSG_ENLIST)
        *ret = ASK_ENLIST;
    else
        return false;
    return true;
}

// Kept without its text when there is no memory for that.
static void ask_hold(struct ask *ask, const struct msg_result *result)
{
    struct msg_result *held = malloc(sizeof *held + result->text.size);
    if (!held)
        return;
    *held = *result;
    char *behind = (char *)(held + 1);
    held->text = put_bytes(&behind, result->text);
    free(ask->held);
    ask->held = held;
}

static void ask_answer(struct client *c, struct ask *ask, const struct msg_result *result)
{
    bool decided = result->outcome == OUTCOME_COMMITTED || result->outcome == OUTCOME_ABORTED;
    unsigned flags = ask->kind == ASK_SUBMIT ? ask->msg.u.submit.flags : 0;
    bool waits_for_end = flags & SUBMIT_WAIT_DONE;
    bool waits_for_outcome = ask->kind != ASK_STATUS && !(flags & (SUBMIT_ACCEPT | SUBMIT_HOLD)) &&
                             !MUTANT(ACCEPTED_IS_ENOUGH);
    if (waits_for_outcome && result->outcome == OUTCOME_NONE) {
        ask->uncertain = true; // it is running
        ask_pause(c, ask, c->config.retry_max_ms, 0);
    } else if (waits_for_end && decided && !result->finished) {
        ask_hold(ask, result);
        ask->uncertain = true;
        ask_pause(c, ask, c->config.retry_max_ms, 0);
    } else {
        ask_succeed(c, ask, result);
    }
}

void ask_result(struct client *c, const struct msg_result *result)
{
    enum ask_kind kind;
    if (!kind_of(result->about, &kind) || kind == ASK_ENLIST)
        return;
    for (struct ask *ask = chain_find(c, kind, &result->gtid), *next; ask; ask = next) {
        next = ask->next;
        if (ask_is_answered(ask, result->request))
            ask_answer(c, ask, result);
    }
}

void ask_enlisted(struct client *c, const struct msg_enlisted *enlisted)
{
    struct msg_result result = {.gtid = enlisted->gtid, .branch = BRANCH_NONE};
    for (struct ask *ask = chain_find(c, ASK_ENLIST, &enlisted->gtid), *next; ask; ask = next) {
        next = ask->next;
        if (ask->msg.u.enlist.branch == enlisted->branch && ask_is_answered(ask, enlisted->request))
            ask_succeed(c, ask, &result);
    }
}

// ---- refusals ----

static void ask_refuse(struct client *c, struct ask *ask, int code, struct slice text)
{
    // These three come after the register was read (UNKNOWN: an ENLIST of a gtid that cannot begin
    // any more), so no earlier send can make them untrue.
    bool read_register = code == ASSENT_CONFLICT || code == ASSENT_STATE || code == ASSENT_UNKNOWN;
    bool question = ask->kind == ASK_STATUS && !MUTANT(QUESTION_DOUBTED); // has no effect at all
    bool certain = !ask->uncertain || read_register || question || MUTANT(REFUSAL_BELIEVED);
    if (code == ASSENT_BUSY || !certain) {
        ask->awaiting = false;
        ask_pause(c, ask, c->config.retry_min_ms, ask->refusals++);
        return;
    }
    // CLOSED is what a draining coordinator says; to our callers that word means their own handle.
    complete(c, ask->token, code == ASSENT_CLOSED ? ASSENT_UNAVAILABLE : code, text);
    ask_end(c, ask);
}

// Does it refuse the last send of this ask? What refuses an earlier one leaves the last unanswered.
static bool ask_is_refused(const struct ask *ask, const struct msg_refused *refused)
{
    uint64_t last = msg_request(&ask->msg);
    // Not about the whole transaction, but about what was sent or the one branch of it: then there
    // is no other request that it could be for.
    bool alone =
        refused->gtid.size == 0 || (ask->kind == ASK_ENLIST && refused->code == ASSENT_CONFLICT);
    return ask_is_answered(ask, refused->request) &&
           (alone ? refused->request == last : refused->request >= last);
}

// The session itself was refused: what was never sent will not be.
static void ask_refuse_unsent(struct client *c, int code, struct slice text)
{
    for (struct list *at = c->asks.next, *next; at != &c->asks; at = next) {
        struct ask *ask = container_of(at, struct ask, link);
        next = at->next;
        if (ask->sends == 0 && code != ASSENT_BUSY)
            ask_refuse(c, ask, code, text);
    }
}

void ask_refused(struct client *c, const struct msg_refused *refused)
{
    struct slice text = refused->text.size ? refused->text : slice_text("refused");
    enum ask_kind kind;
    if (refused->about == MSG_HELLO)
        ask_refuse_unsent(c, refused->code, text);
    if (!kind_of(refused->about, &kind))
        return;
    if (refused->gtid.size > 0) {
        for (struct ask *a = chain_find(c, kind, &refused->gtid), *next; a; a = next) {
            next = a->next;
            if (ask_is_refused(a, refused))
                ask_refuse(c, a, refused->code, text);
        }
        return;
    }
    for (struct list *at = c->asks.next, *next; at != &c->asks; at = next) {
        struct ask *ask = container_of(at, struct ask, link);
        next = at->next;
        if (ask->kind == kind && ask->awaiting && ask_is_refused(ask, refused))
            ask_refuse(c, ask, refused->code, text);
    }
}
