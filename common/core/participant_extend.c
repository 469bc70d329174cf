// SPDX-License-Identifier: Apache-2.0
// Nested branches of tcc: while its try runs, a branch asks its coordinator for one more. Asked
// again, with backoff, until it is answered or the try is over, or in vain.
#include <stdlib.h>

#include "core/participant_internal.h"

struct extension {
    struct timer timer; // when to ask again
    struct list link;   // of its branch
    struct part *part;
    token_t token;
    uint32_t tries;
    uint16_t index;
    uint8_t kind;
    size_t resource_size, payload_size;
    uint8_t content[]; // resource, payload
};

static void tell(struct participant *self, token_t token, enum assent_code code, unsigned number,
                 struct slice text)
{
    effects_add(self->fx, EFFECT_EXTENDED)->u.extended = (struct effect_extended){
        .token = token,
        .code = code,
        .number = (uint16_t)number,
        .text = text,
    };
}

static void fail(struct participant *self, token_t token, enum assent_code code, const char *text)
{
    tell(self, token, code, BRANCH_NONE, slice_text(text));
}

static void extension_free(struct participant *self, struct extension *x)
{
    heap_disarm(&self->extending, &x->timer);
    list_remove(&x->link);
    self->extensions--;
    free(x);
}

static struct extension *extension_find(const struct part *b, unsigned index)
{
    for (struct list *l = b->extensions.next; l != &b->extensions; l = l->next) {
        struct extension *x = container_of(l, struct extension, link);
        if (x->index == index)
            return x;
    }
    return NULL;
}

static void ask(struct participant *self, struct extension *x)
{
    const struct part *b = x->part;
    struct msg spare;
    part_send(self, MSG_EXTEND, &spare)->u.extend = (struct msg_extend){
        .gtid = b->gtid,
        .attempt = b->attempt,
        .branch = b->branch,
        .index = x->index,
        .kind = x->kind,
        .resource = slice_of(x->content, x->resource_size),
        .payload = slice_of(x->content + x->resource_size, x->payload_size),
    };
    heap_arm(&self->extending, &x->timer,
             part_pause(self, &x->tries, self->config.inquire_min_ms, self->config.inquire_max_ms));
}

static struct extension *extension_new(struct participant *self, struct part *b,
                                       const struct event_extend *e)
{
    if (!heap_reserve(&self->extending, self->extensions + 1))
        return NULL;
    struct extension *x = calloc(1, sizeof *x + e->resource.size + e->payload.size);
    if (!x)
        return NULL;
    x->part = b;
    x->token = e->token;
    x->index = e->index;
    x->kind = e->kind;
    x->resource_size = e->resource.size;
    x->payload_size = e->payload.size;
    if (e->resource.size > 0)
        memcpy(x->content, e->resource.data, e->resource.size);
    if (e->payload.size > 0)
        memcpy(x->content + e->resource.size, e->payload.data, e->payload.size);
    list_init(&x->link);
    list_append(&b->extensions, &x->link);
    self->extensions++;
    return x;
}

void part_extend(struct participant *self, const struct event_extend *e)
{
    struct part *b = part_find(self, &e->gtid, e->branch);
    if (!b || b->state != PART_PREPARING || b->protocol != PROTOCOL_TCC || b->abort ||
        !part_ours(self, b)) {
        fail(self, e->token, ASSENT_STATE, "its try does not run (any more)");
        return;
    }
    if (extension_find(b, e->index)) {
        fail(self, e->token, ASSENT_BUSY, "that one is being asked for already");
        return;
    }
    struct extension *x = extension_new(self, b, e);
    if (x)
        ask(self, x);
    else
        fail(self, e->token, ASSENT_NOMEM, "out of memory");
}

void part_extended(struct participant *self, const struct msg_extended *m)
{
    struct part *b = part_find(self, &m->gtid, m->branch);
    // What is said of an older attempt may be untrue of this one, which asks again.
    struct extension *x =
        b && b->attempt == m->attempt && part_ours(self, b) ? extension_find(b, m->index) : NULL;
    if (!x) {
        self->stats.stale++;
        return;
    }
    tell(self, x->token, m->code, m->number, m->text);
    extension_free(self, x);
}

// The try is over, or in vain. Whoever still waits for an answer must not wait any longer: the call
// that it is in holds up the branch.
void part_extend_no_more(struct participant *self, struct part *b)
{
    while (!list_empty(&b->extensions)) {
        struct extension *x = container_of(b->extensions.next, struct extension, link);
        if (self->fx)
            fail(self, x->token, ASSENT_STATE, "its try is over, or in vain");
        extension_free(self, x);
    }
}

void part_extend_due(struct participant *self)
{
    struct timer *first;
    for (unsigned n = 0; n < LIMIT_RESEND_BATCH && (first = heap_first(&self->extending)) &&
                         first->due_ms <= self->now.mono_ms;
         n++)
        ask(self, container_of(first, struct extension, timer));
}

void part_extend_again(struct participant *self, struct part *b)
{
    for (struct list *l = b->extensions.next; l != &b->extensions; l = l->next) {
        struct extension *x = container_of(l, struct extension, link);
        x->tries = 0;
        heap_arm(&self->extending, &x->timer, self->now.mono_ms);
    }
}
