// SPDX-License-Identifier: Apache-2.0
// Participants that ask what became of a branch.
#include <stdio.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "core/coordinator_internal.h"

static void standing_send(struct coordinator *c, peer_t peer, const struct msg_inquire *inquiry,
                          enum outcome outcome)
{
    coord_send(c, peer, MSG_STANDING)->u.standing = (struct msg_standing){
        .gtid = inquiry->gtid,
        .attempt = inquiry->attempt,
        .branch = inquiry->branch,
        .outcome = (uint8_t)outcome,
    };
}

static void decision_send(struct coordinator *c, peer_t peer, const struct msg_inquire *inquiry,
                          enum outcome outcome, unsigned flags)
{
    enum msg_type type = outcome == OUTCOME_COMMITTED ? MSG_COMMIT : MSG_ROLLBACK;
    coord_send(c, peer, type)->u.decide = (struct msg_decide){
        .gtid = inquiry->gtid,
        .attempt = inquiry->attempt,
        .branch = inquiry->branch,
        .flags = (uint8_t)flags,
    };
}

// ---- branches of other coordinators ----

static void foreign_key(const struct gtid *gtid, unsigned branch, char key[LIMIT_GTID_BYTES + 8])
{
    snprintf(key, LIMIT_GTID_BYTES + 8, "%.*s/%u", (int)gtid->size, gtid->text, branch);
}

static struct foreign *foreign_new(struct coordinator *c, const char *key)
{
    if (c->foreign.count >= LIMIT_FOREIGN)
        return NULL;
    struct foreign *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    snprintf(f->key, sizeof f->key, "%s", key);
    if (map_insert(&c->foreign, slice_text(f->key), f))
        return f;
    free(f);
    return NULL;
}

static void foreign_note(struct coordinator *c, const struct resource *r,
                         const struct msg_inquire *inquiry)
{
    char key[LIMIT_GTID_BYTES + 8];
    foreign_key(&inquiry->gtid, inquiry->branch, key);
    struct foreign *f = map_get(&c->foreign, slice_text(key));
    if (!f && (f = foreign_new(c, key)))
        f->view.first_ms = c->now.wall_ms;
    if (!f)
        return;
    snprintf(f->resource, sizeof f->resource, "%s", r->name);
    f->view.gtid = inquiry->gtid;
    f->view.branch = inquiry->branch;
    f->view.coordinator = inquiry->coordinator;
    f->view.attempt = inquiry->attempt;
    f->view.last_ms = c->now.wall_ms;
    f->view.resource = slice_text(f->resource);
}

void foreign_drop(struct coordinator *c, const struct gtid *gtid, unsigned branch)
{
    char key[LIMIT_GTID_BYTES + 8];
    foreign_key(gtid, branch, key);
    free(map_remove(&c->foreign, slice_text(key)));
}

void foreign_free(struct coordinator *c)
{
    void *value;
    for (size_t cursor = 0; map_next(&c->foreign, &cursor, &value);)
        free(value);
    map_free(&c->foreign);
}

// ---- answers ----

// The transaction is in memory, and its present attempt is the one asked about.
static void inquire_branch(struct coordinator *c, const struct session *s, struct tx *tx,
                           const struct msg_inquire *inquiry)
{
    struct branch *b = tx_branch(tx, inquiry->branch);
    if (!b || (b->resource != s->resource && !MUTANT(OUTCOME_TO_ANYBODY))) {
        c->stats.spoofed++;
        return;
    }
    bool decided = tx->state == TX_COMMITTING || tx->state == TX_ABORTING || tx->state == TX_ENDING;
    if (MUTANT(UNDECIDED_IS_ABORTED) && !decided && inquiry->prepared)
        decision_send(c, s->id, inquiry, OUTCOME_ABORTED, 0);
    else if (!decided || !tx->told || tx->writing == WRITING_HEURISTIC)
        standing_send(c, s->id, inquiry, OUTCOME_NONE);
    else if (!list_empty(&b->link))
        resend_branch_now(c, b);
    else
        decision_send(c, s->id, inquiry, drive_goal(b), drive_forced(b) ? DECIDE_HEURISTIC : 0);
}

// Branches of admitted protocols: which attempt they were asked in is no matter, as there is but
// one run.
static void inquire_admitted(struct coordinator *c, const struct session *s, struct tx *tx,
                             const struct msg_inquire *inquiry)
{
    struct branch *b = tx_branch(tx, inquiry->branch);
    bool driven = b && (b->state == BRANCH_COMMITTING || b->state == BRANCH_ABORTING);
    if (!b || b->resource != s->resource)
        c->stats.spoofed++;
    else if (inquiry->prepared != INQUIRE_FINISHED && driven)
        resend_branch_now(c, b);
    else
        standing_send(c, s->id, inquiry,
                      MUTANT(DECIDED_IS_ENDED) && tx->told ? (enum outcome)tx->outcome
                                                           : OUTCOME_NONE);
}

static void inquire_memory(struct coordinator *c, const struct session *s, struct tx *tx,
                           const struct msg_inquire *inquiry)
{
    if (tx->state == TX_LOOKING)
        standing_send(c, s->id, inquiry, OUTCOME_NONE);
    else if (protocol_admitted(tx->protocol))
        inquire_admitted(c, s, tx, inquiry);
    else if (inquiry->attempt == 0 || inquiry->attempt == tx->attempt)
        inquire_branch(c, s, tx, inquiry);
    else if (inquiry->coordinator != c->config.id)
        // Another coordinator's, and not the run that an operator ended here.
        standing_send(c, s->id, inquiry, OUTCOME_UNKNOWN);
    else if (inquiry->attempt < tx->attempt || tx->attempt == 0)
        // An earlier run of this gtid: had it committed, there would be no later one.
        decision_send(c, s->id, inquiry, OUTCOME_ABORTED, 0);
    else
        c->stats.spoofed++;
}

void inquire(struct coordinator *c, struct session *s, const struct msg_inquire *inquiry)
{
    c->stats.inquiries++;
    if (!s->resource)
        return;
    s->resource->unanswered = 0;
    struct tx *tx = tx_find(c, &inquiry->gtid);
    bool ours = inquiry->attempt == 0 || inquiry->coordinator == c->config.id;
    if (tx && (ours || tx->foreign)) {
        inquire_memory(c, s, tx, inquiry);
        return;
    }
    if (!ours || inquiry->attempt >= c->attempt_next) {
        if (inquiry->prepared == INQUIRE_PREPARED)
            foreign_note(c, s->resource, inquiry);
        standing_send(c, s->id, inquiry, OUTCOME_UNKNOWN);
        return;
    }
    if (MUTANT(PRESUMED_UNREAD)) {
        decision_send(c, s->id, inquiry, OUTCOME_ABORTED, 0);
        return;
    }
    struct inquiry *pending = pending_new(c, sizeof *pending, PENDING_INQUIRY);
    if (!pending)
        return; // it will ask again
    pending->peer = s->id;
    pending->msg = *inquiry;
    coord_lookup(c, pending->pending.token, &inquiry->gtid);
}

static void inquire_record(struct coordinator *c, const struct session *s,
                           const struct msg_inquire *inquiry, const struct tx_record *found)
{
    if (inquiry->prepared == INQUIRE_FINISHED) {
        standing_send(c, s->id, inquiry, (enum outcome)found->outcome);
        return;
    }
    if (inquiry->attempt != 0 && inquiry->attempt != found->attempt &&
        !protocol_admitted(found->protocol) && !MUTANT(OUTCOME_OF_ANY_RUN)) {
        decision_send(c, s->id, inquiry, OUTCOME_ABORTED, 0);
        return;
    }
    const struct record_heuristic *h = &found->heuristic;
    // Of another coordinator's run nothing is known but what an operator said.
    bool forced = h->forced != OUTCOME_NONE && found->owner.size == 0;
    for (unsigned i = 0; i < found->branch_count && h->forced != OUTCOME_NONE; i++) {
        const struct record_branch *b = &found->branches[i];
        forced |= b->branch == inquiry->branch && b->vote == VOTE_YES;
    }
    enum outcome outcome = (enum outcome)(forced ? h->forced : found->outcome);
    if (outcome == OUTCOME_COMMITTED || outcome == OUTCOME_ABORTED)
        decision_send(c, s->id, inquiry, outcome, forced ? DECIDE_HEURISTIC : 0);
    else // delegated, and forgotten by an operator: one that asks has not committed, and never will
        decision_send(c, s->id, inquiry, OUTCOME_ABORTED,
                      inquiry->prepared && inquiry->attempt ? DECIDE_RESOLVE : 0);
}

// The register was read. Nothing there, and nothing in memory: presumed abort. That holds for a
// branch that was prepared whatever its gtid looks like, because a commit stays in the log until
// all branches have acknowledged it. For one that was never prepared only our own gtids are
// certain; for the others the participant, which has promised nothing, may decide for itself.
void inquire_answer(struct coordinator *c, struct inquiry *pending, const struct tx_record *found)
{
    const struct msg_inquire *inquiry = &pending->msg;
    struct session *s = session_find(c, pending->peer);
    if (!s || !s->resource)
        return;
    struct tx *tx = tx_find(c, &inquiry->gtid);
    struct gtid_parts parts;
    // A new run that still looks is no news to a branch of an earlier one; work is another matter.
    if (tx && (tx->state != TX_LOOKING || inquiry->attempt == 0))
        inquire_memory(c, s, tx, inquiry);
    else if (found)
        inquire_record(c, s, inquiry, found);
    else if (inquiry->prepared == INQUIRE_FINISHED)
        // What is not ended is never collected: it has ended, and may be forgotten.
        standing_send(c, s->id, inquiry, OUTCOME_ABORTED);
    else if (inquiry->attempt != 0 || tx_made_here(c, &inquiry->gtid, &parts))
        decision_send(c, s->id, inquiry,
                      MUTANT(PRESUMED_COMMIT) ? OUTCOME_COMMITTED : OUTCOME_ABORTED, 0);
    else
        standing_send(c, s->id, inquiry, OUTCOME_UNKNOWN);
}
