// SPDX-License-Identifier: Apache-2.0
// The coordinator's side of three-phase commit: the transaction next to its lead (core/quorum.h).
// While votes are gathered it may abort alone; from its first attempt on, and after a restart, the
// outcome is its members', and it is an elector like them (ELECTING).
#include "core/coordinator_internal.h"

enum { ELECT_SUSPECT_PAUSES = 8 };

static void elect_step(struct coordinator *c, struct tx *tx, const struct quorum_event *event);

// All are there, or it is not begun. Which journal is to hold a vote is on record with the
// admission: after a crash of ours it could not be asked for, and a journal that was made anew
// since could not be told from one that has not voted.
static bool elect_all_there(struct coordinator *c, struct tx *tx)
{
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (!b->resource->session) {
            decide_abort(
                c, tx, REASON_NO_VOTE, b->number,
                effects_printf(c->fx, "participant %s is not connected", b->resource->name));
            return false;
        }
        b->journal = b->resource->journal;
    }
    return true;
}

// The attempt is numbered now, and nobody's fence may pass it before it is asked for.
void elect_admit(struct coordinator *c, struct tx *tx)
{
    if (!elect_all_there(c, tx))
        return;
    tx->attempt = c->attempt_next++;
    for (struct branch *b = tx->branches; b; b = b->next) {
        b->attempt = tx->attempt;
        fence_insert(b);
    }
    admit(c, tx);
}

static bool elect_lead(struct coordinator *c, struct tx *tx, bool recovered)
{
    struct quorum_config config = {
        .self = QUORUM_COORDINATOR,
        .members = tx->branch_count,
        .run = c->config.incarnation,
        .seed = rng_next(&c->rng),
        .suspect_ms = c->config.retry_min_ms * ELECT_SUSPECT_PAUSES,
        .step_ms = c->config.retry_min_ms,
        .pause_ms_max = c->config.retry_max_ms,
    };
    tx->lead = tx_alloc(tx, sizeof *tx->lead);
    if (!tx->lead) {
        coord_stop(c, ASSENT_NOMEM, "out of memory");
        return false;
    }
    quorum_lead_init(tx->lead, &config, recovered);
    return true;
}

// Votes are to be gathered.
void elect_begin(struct coordinator *c, struct tx *tx)
{
    elect_lead(c, tx, false);
}

// An earlier run of this coordinator has admitted it, and may have attempted to commit it.
void elect_recovered(struct coordinator *c, struct tx *tx)
{
    for (struct branch *b = tx->branches; b; b = b->next) {
        b->prepare_sent = true;
        branch_move(c, b, BRANCH_PREPARING);
    }
    tx_move(tx, TX_ELECTING);
    if (elect_lead(c, tx, true))
        elect_step(c, tx, &(struct quorum_event){.type = QUORUM_START});
}

// A vote may have been given in a journal that is gone, and counted by the other members: it is not
// given a second time in another.
bool elect_may_ask(const struct branch *b)
{
    return b->journal == b->resource->journal;
}

// ---- what is said ----

static enum msg_type elect_type(enum quorum_msg_type type)
{
    return type == QUORUM_ASK ? MSG_ASK : MSG_TRY;
}

static void elect_say(struct coordinator *c, const struct branch *b, const struct quorum_msg *msg)
{
    if (!b->resource->session || (msg->type != QUORUM_ASK && msg->type != QUORUM_TRY))
        return; // decisions are driven, and sent again until they are acknowledged
    enum msg_type type = elect_type(msg->type);
    coord_send(c, b->resource->session->id, type)->u.quorum = (struct msg_quorum){
        .gtid = b->tx->gtid,
        .attempt = b->attempt,
        .coordinator = c->config.id,
        .from = BRANCH_NONE,
        .to = b->number,
        .number = msg->number,
        .journal = type == MSG_ASK ? b->journal : 0,
        .outcome = (uint8_t)msg->outcome,
    };
}

static void elect_decided(struct coordinator *c, struct tx *tx, enum outcome outcome)
{
    const struct branch *first = tx->branches;
    bool recovered = tx->voting == 0 && first && first->vote == VOTE_NONE;
    if (outcome == OUTCOME_ABORTED && tx->state == TX_PREPARING) {
        decide_abort(c, tx, REASON_NO_VOTE, BRANCH_NONE,
                     slice_text("the participants gave it up among themselves"));
        return;
    }
    for (struct branch *b = tx->branches; b && outcome == OUTCOME_COMMITTED; b = b->next) {
        b->vote = VOTE_YES; // or how could it be committed?
        if (b->state == BRANCH_PREPARING)
            branch_move(c, b, BRANCH_PREPARED);
    }
    if (outcome == OUTCOME_ABORTED) {
        tx->reason = recovered ? REASON_PRESUMED : REASON_NO_VOTE;
        tx->reason_text = slice_text("the participants ended it among themselves");
    }
    decide_elected(c, tx, outcome);
}

static void elect_step(struct coordinator *c, struct tx *tx, const struct quorum_event *event)
{
    struct quorum_event timed = *event;
    struct quorum_effects fx;
    timed.now_ms = c->now.mono_ms;
    quorum_lead_step(tx->lead, &timed, &fx);
    for (unsigned i = 0; i < fx.send_count; i++) {
        for (const struct branch *b = tx->branches; b; b = b->next) {
            if (fx.sends[i].members >> b->number & 1)
                elect_say(c, b, &fx.sends[i].msg);
        }
    }
    // From its first attempt on it can no longer be aborted by us.
    if (tx->state == TX_PREPARING && tx->lead->elector.phase == QUORUM_TRYING)
        tx_move(tx, TX_ELECTING);
    if (fx.decided)
        elect_decided(c, tx, fx.decided);
    else if (tx->state == TX_ELECTING)
        heap_arm(&c->timers, &tx->deadline.timer, tx->lead->due_ms);
}

// ---- what is heard ----

void elect_vote(struct coordinator *c, struct branch *b)
{
    elect_step(c, b->tx,
               &(struct quorum_event){
                   .type = QUORUM_RECEIVED,
                   .from = b->number,
                   .msg = {.type = QUORUM_VOTE, .outcome = OUTCOME_COMMITTED},
               });
}

void elect_timer(struct coordinator *c, struct tx *tx)
{
    elect_step(c, tx, &(struct quorum_event){.type = QUORUM_TICK});
}

static bool elect_undecided(const struct tx *tx)
{
    return tx && tx->lead && (tx->state == TX_PREPARING || tx->state == TX_ELECTING);
}

// A member that asks, and is not told by an election, is answered like one in doubt.
static void elect_asked(struct coordinator *c, struct session *s, const struct msg_quorum *m)
{
    inquire(c, s,
            &(struct msg_inquire){
                .gtid = m->gtid,
                .attempt = m->attempt,
                .coordinator = m->coordinator,
                .branch = m->from,
                .prepared = INQUIRE_PREPARED,
            });
}

void elect_heard(struct coordinator *c, struct session *s, const struct msg *msg)
{
    const struct msg_quorum *m = &msg->u.quorum;
    struct tx *tx = tx_find(c, &m->gtid);
    if (m->from == BRANCH_NONE || m->to != BRANCH_NONE) {
        c->stats.spoofed++;
        return;
    }
    if (!elect_undecided(tx) || tx->attempt != m->attempt || m->coordinator != c->config.id) {
        if (msg->type == MSG_ASK)
            elect_asked(c, s, m);
        else
            c->stats.stale++;
        return;
    }
    const struct branch *b = tx_branch(tx, m->from);
    if (!b || b->resource != s->resource) {
        c->stats.spoofed++;
        return;
    }
    if (!elect_may_ask(b)) {
        c->stats.stale++; // what it promised is in a journal that is gone
        return;
    }
    s->resource->unanswered = 0;
    elect_step(c, tx,
               &(struct quorum_event){
                   .type = QUORUM_RECEIVED,
                   .from = m->from,
                   .msg =
                       {
                           .type = msg->type == MSG_ASK     ? QUORUM_ASK
                                   : msg->type == MSG_STATE ? QUORUM_STATE
                                                            : QUORUM_DECIDE,
                           .number = m->number,
                           .attempt = m->last,
                           .state = (enum quorum_state)m->state,
                           .outcome = (enum outcome)m->outcome,
                       },
               });
}
