// SPDX-License-Identifier: Apache-2.0
// Nested branches: a try asks for one more, and waits for its number.
#include "participant_handle.h"

// ---- in the engine ----

// Lock held.
static void take_one(assent_participant *p)
{
    struct nested *x = container_of(p->nested_new.next, struct nested, link);
    struct event event = {.type = EVENT_EXTEND};
    list_remove(&x->link);
    list_append(&p->nested_asked, &x->link);
    x->token = ++p->nested_tokens;
    x->pinned = true; // what the event points to must stay
    event.u.extend = x->extend;
    event.u.extend.token = x->token;
    pthread_mutex_unlock(&p->lock);
    engine_step(p, &event);
    pthread_mutex_lock(&p->lock);
    x->pinned = false;
    pthread_cond_broadcast(&p->changed);
}

void nested_take(assent_participant *p)
{
    while (!list_empty(&p->nested_new))
        take_one(p);
}

void nested_answered(assent_participant *p, const struct effect_extended *answer)
{
    pthread_mutex_lock(&p->lock);
    for (struct list *l = p->nested_asked.next; l != &p->nested_asked; l = l->next) {
        struct nested *x = container_of(l, struct nested, link);
        if (x->token != answer->token)
            continue;
        x->answered = true;
        x->number = answer->number;
        x->code = answer->code;
        if (x->code != ASSENT_OK)
            error_set(&x->error, x->code, "a nested branch: %.*s", (int)answer->text.size,
                      (const char *)answer->text.data);
        pthread_cond_broadcast(&p->changed);
        break;
    }
    pthread_mutex_unlock(&p->lock);
}

// ---- in a handler ----

static int check(const assent_branch *branch, uint16_t index, const char *resource,
                 struct slice payload, assent_error *error)
{
    if (index >= LIMIT_BRANCHES)
        return error_set(error, ASSENT_INVALID, "an index is below %d", LIMIT_BRANCHES);
    if (!resource || !gtid_valid(slice_text(resource)))
        return error_set(error, ASSENT_INVALID, "a resource is 1 to %d of [A-Za-z0-9._:-]",
                         LIMIT_NAME_BYTES);
    if (payload.size && !payload.data)
        return error_set(error, ASSENT_INVALID, "the payload is missing");
    if (payload.size > LIMIT_PAYLOAD_BYTES)
        return error_set(error, ASSENT_LIMIT, "a payload is at most %d bytes", LIMIT_PAYLOAD_BYTES);
    if (strcmp(branch->operation, "try") != 0)
        return error_set(error, ASSENT_STATE, "only a try can ask for nested branches");
    return ASSENT_OK;
}

// Lock held, entered. The engine may be at work on it.
static int await(assent_participant *p, struct nested *x, assent_error *error)
{
    list_append(&p->nested_new, &x->link);
    engine_wake(p);
    while (x->pinned || (!x->answered && !p->closing && !p->failure.code))
        pthread_cond_wait(&p->changed, &p->lock);
    list_remove(&x->link);
    const assent_error *why = x->answered ? &x->error : &p->failure;
    if (!x->answered && !p->failure.code)
        return error_set(error, ASSENT_CLOSED, "the participant is being closed");
    if (why->code && error)
        *error = *why;
    return why->code;
}

static int extend(const assent_branch *branch, uint16_t index, enum branch_kind kind,
                  const char *resource, struct slice payload, uint16_t *ret_branch,
                  assent_error *error)
{
    int code = check(branch, index, resource, payload, error);
    if (code != ASSENT_OK)
        return code;
    assent_participant *p = branch->participant;
    struct nested x = {.extend = {
                           .branch = branch->branch,
                           .index = index,
                           .kind = (uint8_t)kind,
                           .resource = slice_text(resource),
                           .payload = payload,
                       }};
    if (!gtid_from(slice_text(branch->gtid), &x.extend.gtid))
        return error_set(error, ASSENT_INVALID, "no gtid of a transaction");
    list_init(&x.link);
    pthread_mutex_lock(&p->lock);
    code = participant_enter(p, error);
    if (code == ASSENT_OK) {
        code = await(p, &x, error);
        participant_leave(p);
    }
    pthread_mutex_unlock(&p->lock);
    if (code == ASSENT_OK && ret_branch)
        *ret_branch = x.number;
    return code;
}

int assent_nested_call(const assent_branch *branch, uint16_t index, const char *resource,
                       const void *payload, size_t size, uint16_t *ret_branch, assent_error *error)
{
    return extend(branch, index, BRANCH_CALL, resource, slice_of(payload, size), ret_branch, error);
}

int assent_nested_enlist(const assent_branch *branch, uint16_t index, const char *resource,
                         const void *payload, size_t size, uint16_t *ret_branch,
                         assent_error *error)
{
    return extend(branch, index, BRANCH_ENLISTED, resource, slice_of(payload, size), ret_branch,
                  error);
}
