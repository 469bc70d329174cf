// SPDX-License-Identifier: Apache-2.0
// Nested branches of tcc: the try of one branch asks for another. It is admitted like the rest, and
// votes like the rest; who asked for it need not wait for that.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

static struct branch *nested_find(const struct tx *tx, const struct msg_extend *x)
{
    struct branch *b = tx->branches;
    while (b && !(b->parent == x->branch && b->index == x->index))
        b = b->next;
    return b;
}

static void nested_answer(struct coordinator *c, peer_t peer, const struct msg_extend *x,
                          unsigned number, int code, const char *text)
{
    coord_send(c, peer, MSG_EXTENDED)->u.extended = (struct msg_extended){
        .gtid = x->gtid,
        .attempt = x->attempt,
        .branch = x->branch,
        .index = x->index,
        .number = (uint16_t)number,
        .code = (uint16_t)code,
        .text = slice_text(text),
    };
}

void nested_refuse(struct coordinator *c, peer_t peer, const struct msg_extend *x)
{
    nested_answer(c, peer, x, BRANCH_NONE, ASSENT_STATE, "its try is no longer waited for");
}

static bool nested_add(struct coordinator *c, struct tx *tx, const struct msg_extend *x)
{
    struct branch *b = tx_add_branch(c, tx, tx->branch_count, x->kind, x->resource);
    if (!b)
        return false;
    b->parent = x->branch;
    b->index = x->index;
    b->attempt = tx->attempt;
    b->payload = tx_copy(tx, x->payload);
    b->unadmitted = true;
    // It counts from now on, so that nothing is decided without it.
    tx->voting += !MUTANT(NESTED_NOT_AWAITED);
    tx->owing++;
    return b->payload.size == x->payload.size;
}

void nested_extend(struct coordinator *c, struct branch *parent, peer_t peer,
                   const struct msg_extend *x)
{
    struct tx *tx = parent->tx;
    const struct branch *b = nested_find(tx, x);
    if (tx->protocol != PROTOCOL_TCC || tx->state != TX_PREPARING || tx->doomed ||
        parent->state != BRANCH_PREPARING) {
        nested_refuse(c, peer, x);
    } else if (b &&
               (b->kind != x->kind || !slice_equal(slice_text(b->resource->name), x->resource) ||
                !slice_equal(b->payload, x->payload))) {
        nested_answer(c, peer, x, BRANCH_NONE, ASSENT_CONFLICT, "that index is another branch's");
    } else if (b && b->unadmitted) {
        return; // as soon as it is durable
    } else if (b) {
        nested_answer(c, peer, x, b->number, ASSENT_OK, "");
    } else if (tx->branch_count >= c->config.branches_max ||
               x->payload.size > c->config.payload_bytes_max || !admit_size(tx, x->payload.size)) {
        nested_answer(c, peer, x, BRANCH_NONE, ASSENT_LIMIT,
                      "too many branches, or too much content");
    } else if (!nested_add(c, tx, x)) {
        nested_answer(c, peer, x, BRANCH_NONE, ASSENT_BUSY, "out of memory");
        decide_abort(c, tx, REASON_SHUTDOWN, BRANCH_NONE, slice_text("out of memory"));
    } else {
        admit_changed(c, tx);
        if (MUTANT(NESTED_EARLY))
            nested_answer(c, peer, x, tx->branch_count - 1, ASSENT_OK, "");
    }
}

void nested_writing(struct tx *tx)
{
    for (struct branch *b = tx->branches; b; b = b->next)
        b->being_admitted = b->unadmitted;
}

// What an application does itself at another participant it does while the try of the parent runs:
// that it is done is said by the parent's vote.
static bool nested_waits(const struct branch *b)
{
    const struct branch *parent = b->parent == BRANCH_NONE ? NULL : tx_branch(b->tx, b->parent);
    return b->kind == BRANCH_ENLISTED && parent && parent->state != BRANCH_PREPARED;
}

void nested_prepare(struct coordinator *c, struct branch *b)
{
    if (b->state != BRANCH_ACTIVE || b->unadmitted || nested_waits(b))
        return;
    branch_move(c, b, BRANCH_PREPARING);
    resend_expect(c, b);
}

// A branch has voted yes: those that are enlisted in it may be asked.
void nested_voted(struct coordinator *c, const struct branch *parent)
{
    for (struct branch *b = parent->tx->branches; b; b = b->next) {
        if (b->parent == parent->number)
            nested_prepare(c, b);
    }
}

void nested_written(struct coordinator *c, struct tx *tx)
{
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (!b->being_admitted)
            continue;
        b->being_admitted = b->unadmitted = false;
        // The fence of its participant may have passed the attempt of the others long ago.
        b->attempt = c->attempt_next++;
        fence_insert(b);
        const struct branch *parent = tx_branch(tx, b->parent);
        const struct msg_extend x = {.gtid = tx->gtid,
                                     .attempt = parent->attempt,
                                     .branch = parent->number,
                                     .index = b->index};
        if (parent->resource->session)
            nested_answer(c, parent->resource->session->id, &x, b->number, ASSENT_OK, "");
        nested_prepare(c, b);
    }
}
