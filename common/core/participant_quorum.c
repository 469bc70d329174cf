// SPDX-License-Identifier: Apache-2.0
// A branch of a three-phase transaction, next to its member of the quorum (core/quorum.h). The
// branch says what is asked of the resource manager, the member what is promised and told; one
// record holds both, and one write is under way at a time. Where the member wants something written
// while the branch waits for a call, it comes with the branch's next record.
#include <stdlib.h>

#include "core/participant_internal.h"

struct part_quorum {
    struct timer timer; // the member's
    struct part *part;
    struct quorum_member member;
    bool for_peer;     // taken up because another participant asked
    bool answered;     // the coordinator has been told in this step already
    bool recorded;     // what the member wants written is in the record that is under way
    uint64_t heard_ms; // when the coordinator was heard, as far as the member knows
    uint16_t asker;    // who asked while the members were not known
    char asker_resource[LIMIT_NAME_BYTES + 1], asker_address[LIMIT_ADDRESS_BYTES + 1];
};

enum { FOR_PEERS_MAX = 1024 };

static void step(struct participant *self, struct part *b, const struct quorum_event *event);

// ---- life ----

static unsigned members_count(struct slice members)
{
    struct member member;
    unsigned count = 0;
    while (member_next(&members, &member))
        count++;
    return count;
}

bool part_quorum_new(struct participant *self, struct part *b, struct slice members,
                     const struct branch_record *found)
{
    if (!heap_reserve(&self->electing, self->quorums + 1) || !part_keep_members(b, members))
        return false;
    struct part_quorum *q = calloc(1, sizeof *q);
    if (!q)
        return false;
    self->quorums++;
    unsigned count = members_count(members);
    struct quorum_config config = {
        .self = b->branch,
        .members = count ? count : LIMIT_BRANCHES, // not known: it will never be in doubt
        .seed = rng_next(&self->rng),
        .suspect_ms = self->config.suspect_ms,
        .stagger_ms = self->config.stagger_ms,
        .step_ms = self->config.retry_min_ms,
        .pause_ms_max = self->config.inquire_max_ms,
    };
    struct quorum_record record = {0};
    if (found) {
        record.state = (enum quorum_state)found->quorum_state;
        record.horizon = found->quorum_horizon;
        record.attempt = found->quorum_attempt;
    }
    q->part = b;
    q->asker = BRANCH_NONE;
    quorum_member_init(&q->member, &config, found ? &record : NULL);
    b->quorum = q;
    return true;
}

void part_quorum_free(struct participant *self, struct part *b)
{
    if (!b->quorum)
        return;
    heap_disarm(&self->electing, &b->quorum->timer);
    self->quorums--;
    self->for_peers -= b->quorum->for_peer;
    free(b->quorum);
    b->quorum = NULL;
}

void part_quorum_start(struct participant *self, struct part *b)
{
    step(self, b, &(struct quorum_event){.type = QUORUM_START});
}

static bool knows(const struct part_quorum *q)
{
    return q->member.state == QUORUM_COMMITTED || q->member.state == QUORUM_ABORTED;
}

// What a record of the branch says of its member: what is to be written, or what is kept.
void part_quorum_describe(const struct part *b, struct branch_record *record)
{
    const struct part_quorum *q = b->quorum;
    const struct quorum_record *r = q->member.writing ? &q->member.put : &q->member.kept;
    record->quorum_state = (uint8_t)(knows(q) ? q->member.state : r->state);
    record->quorum_horizon = r->horizon ? r->horizon : QUORUM_HORIZON_FRESH;
    record->quorum_attempt = r->attempt;
    record->members = part_members(b);
}

// A record of the branch is on its way.
void part_quorum_recorded(struct part *b)
{
    b->quorum->recorded = b->quorum->member.writing;
}

// ---- what is said ----

// All zero when nothing is known of that branch.
static struct member member_at(const struct part *b, unsigned branch)
{
    const struct part_quorum *q = b->quorum;
    struct member member = part_member(b, branch);
    if (member.resource.size == 0 && branch == q->asker) {
        member.resource = slice_text(q->asker_resource);
        member.address = slice_text(q->asker_address);
    }
    return member;
}

static enum msg_type type_of(enum quorum_msg_type type)
{
    switch (type) {
    case QUORUM_VOTE: return MSG_VOTE;
    case QUORUM_ASK: return MSG_ASK;
    case QUORUM_STATE: return MSG_STATE;
    case QUORUM_TRY: return MSG_TRY;
    case QUORUM_DECIDE: return MSG_DECIDE;
    }
    return MSG_DECIDE;
}

static struct msg message(const struct part *b, unsigned to, const struct quorum_msg *msg)
{
    struct msg said = part_word(b, type_of(msg->type), to);
    said.u.quorum.number = msg->number;
    said.u.quorum.last = msg->attempt;
    said.u.quorum.state = (uint8_t)msg->state;
    said.u.quorum.outcome = (uint8_t)msg->outcome;
    return said;
}

static void tell_branch(struct participant *self, const struct part *b, unsigned to,
                        const struct quorum_msg *msg)
{
    struct member member = member_at(b, to);
    struct msg said = message(b, to, msg);
    part_tell(self, &member, &said);
}

static void tell_coordinator(struct participant *self, const struct part *b,
                             const struct quorum_msg *msg)
{
    struct msg spare;
    if (!part_ours(self, b))
        return;
    if (msg->type == QUORUM_VOTE)
        part_vote_yes(self, b);
    else if (!b->quorum->answered) // as a no, with its reason
        part_send(self, type_of(msg->type), &spare)->u.quorum =
            message(b, BRANCH_NONE, msg).u.quorum;
}

static void say(struct participant *self, const struct part *b, const struct quorum_send *send)
{
    if (send->coordinator)
        tell_coordinator(self, b, &send->msg);
    for (unsigned to = 0; to < LIMIT_BRANCHES; to++) {
        if (send->members >> to & 1)
            tell_branch(self, b, to, &send->msg);
    }
}

// ---- what follows for the branch ----

// It will never vote yes. What the resource manager may hold is rolled back once that is durable.
static void refuse(struct participant *self, struct part *b)
{
    b->outcome = OUTCOME_ABORTED;
    if (b->voted_no) {
        part_finish(self, b); // nothing is held
        return;
    }
    if (b->state != PART_DECIDING)
        part_move(self, b, PART_DECIDING);
    part_write(self, b, JOURNAL_DECIDED);
}

static void settle_preparing(struct participant *self, struct part *b)
{
    enum quorum_state state = b->quorum->member.state;
    if (state == QUORUM_VOTING) {
        // A crash before the record is durable leaves a branch that never voted: recovery rolls it
        // back, and whoever asks is refused.
        part_move(self, b, PART_VOTING);
        part_write(self, b, JOURNAL_PREPARED);
    } else if (state == QUORUM_REFUSING) {
        refuse(self, b);
    } else if (state == QUORUM_ABORTED) {
        part_roll_back(self, b);
    }
}

// Brings the branch to where its member is, unless it waits for something.
static void settle(struct participant *self, struct part *b)
{
    struct part_quorum *q = b->quorum;
    bool wants = q->member.writing && !q->recorded;
    if (b->state == PART_PREPARING && (wants || knows(q))) {
        b->abort = q->member.state != QUORUM_VOTING;
        part_extend_no_more(self, b);
    }
    if (b->busy != PART_IDLE)
        return;
    switch (b->state) {
    case PART_PREPARING: settle_preparing(self, b); return;
    case PART_PREPARED:
        if (q->member.state == QUORUM_REFUSING) {
            refuse(self, b); // only the resource manager has it prepared
        } else if (knows(q)) {
            // A crash from here until the outcome is durable leaves the branch in doubt: it asks,
            // and is told the same.
            b->outcome = q->member.state == QUORUM_COMMITTED ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
            part_drive(self, b);
        } else if (wants) {
            part_write(self, b, JOURNAL_PREPARED);
        }
        return;
    case PART_WORKING:
    case PART_DECIDING:
        if (wants)
            refuse(self, b);
        return;
    case PART_FINISHED: // an operator has ended it, and the others go on asking
        if (wants)
            part_write(self, b, JOURNAL_FINISHED);
        return;
    case PART_VOTING:
    case PART_COMMITTING:
    case PART_ROLLING_BACK: // it comes with the record of the end
    case PART_FINISHING:
    case PART_FORGETTING: return;
    }
}

static void step(struct participant *self, struct part *b, const struct quorum_event *event)
{
    struct part_quorum *q = b->quorum;
    struct quorum_event timed = *event;
    struct quorum_effects fx;
    if (event->type != QUORUM_ALIVE)
        timed.now_ms = self->now.mono_ms;
    quorum_member_step(&q->member, &timed, &fx);
    for (unsigned i = 0; i < fx.send_count; i++)
        say(self, b, &fx.sends[i]);
    if (q->member.due_ms == UINT64_MAX)
        heap_disarm(&self->electing, &q->timer);
    else
        heap_arm(&self->electing, &q->timer, q->member.due_ms);
    settle(self, b);
}

static void vote_no(struct part *b, struct slice why)
{
    b->voted_no = b->answer = true;
    part_keep_reason(b, why);
}

// The resource manager has answered, and the branch is PREPARING.
void part_quorum_prepared(struct participant *self, struct part *b,
                          const struct event_called *called)
{
    bool held = called->result == RM_DONE || called->result == RM_RETRY;
    if (b->abort) {
        bool refusing = b->quorum->member.state == QUORUM_REFUSING;
        if (!held && refusing)
            vote_no(b, called->text);
        if (held || refusing) {
            settle(self, b);
        } else {
            b->outcome = OUTCOME_ABORTED;
            part_finish(self, b);
        }
        return;
    }
    if (called->result == RM_RETRY) {
        self->stats.retries++;
        part_wait(self, b, self->config.retry_min_ms, self->config.retry_max_ms);
        return;
    }
    struct quorum_event voted = {.type = QUORUM_VOTED, .yes = called->result != RM_NO};
    if (voted.yes) {
        // Read-only is a yes: a branch that dropped out could not answer the others.
        b->read_only = called->result == RM_READ_ONLY;
        self->stats.read_only += b->read_only;
        b->prepared_ms = self->now.wall_ms;
    } else {
        self->stats.voted_no++;
        vote_no(b, called->text);
    }
    step(self, b, &voted);
}

// The vote is durable, and the branch PREPARED.
void part_quorum_voted(struct participant *self, struct part *b)
{
    self->stats.prepared++;
    part_wait(self, b, self->config.inquire_min_ms, self->config.inquire_max_ms);
}

void part_quorum_written(struct participant *self, struct part *b)
{
    bool recorded = b->quorum->recorded;
    b->quorum->recorded = false;
    b->quorum->answered = b->voted_no && b->state == PART_FINISHED;
    if (recorded)
        step(self, b, &(struct quorum_event){.type = QUORUM_WRITTEN});
    else
        settle(self, b);
    b->quorum->answered = false;
}

// The coordinator says what stands.
void part_quorum_told(struct participant *self, struct part *b, enum outcome outcome)
{
    step(self, b,
         &(struct quorum_event){
             .type = QUORUM_RECEIVED,
             .from = QUORUM_COORDINATOR,
             .msg = {.type = QUORUM_DECIDE, .outcome = outcome},
         });
}

// The same PREPARE once more. What was refused stays refused.
void part_quorum_again(struct participant *self, struct part *b, const struct msg_prepare *p)
{
    if (p->protocol != PROTOCOL_3PC || p->attempt != b->attempt) {
        part_refuse(self, p, "this branch is known here as one of another transaction");
        return;
    }
    if (!b->quorum) { // only the resource manager has it
        part_refuse(self, p, "this participant died before its vote was recorded");
        return;
    }
    self->stats.duplicates++;
    if (b->voted_no && b->state == PART_FINISHED)
        part_done(self, b);
    else if (b->state != PART_PREPARING && b->state != PART_VOTING)
        step(self, b, &(struct quorum_event){.type = QUORUM_VOTED, .yes = true});
}

// ---- what is heard ----

static enum quorum_msg_type quorum_type_of(enum msg_type type)
{
    return type == MSG_ASK     ? QUORUM_ASK
           : type == MSG_STATE ? QUORUM_STATE
           : type == MSG_TRY   ? QUORUM_TRY
                               : QUORUM_DECIDE;
}

// Another participant may be wrong about what its coordinator never said here: it can name no
// attempt of a run that was not heard of, stop no work that is under way, and have only so many
// branches remembered. Nothing is answered then, and we count as away.
static bool believable(const struct participant *self, const struct msg_quorum *m,
                       const struct part *b)
{
    return m->attempt >> ATTEMPT_COUNTER_BITS <= self->heard.incarnation &&
           !(b && b->state == PART_WORKING) && self->for_peers < FOR_PEERS_MAX &&
           part_room(self, m->attempt);
}

// Asked about a branch that was never asked to vote here: it will be a no, for ever. Whether that
// is so only the journal knows in which the vote would be; one that was made anew says nothing, and
// counts as away. Below the fence the branch may have been finished and forgotten, and somebody's
// question have come late; before the fence is heard nobody knows. For the coordinator it needs no
// room: like a rollback it lets go of others that do.
static struct part *take_up(struct participant *self, const struct msg_quorum *m, struct part *b)
{
    if (m->journal != self->config.journal || m->journal == 0 || m->number == 0 ||
        m->coordinator != self->heard.id || self->heard.fence == 0 ||
        m->attempt < self->heard.fence)
        return NULL;
    bool peer = m->from != BRANCH_NONE;
    if (peer && !believable(self, m, b))
        return NULL;
    bool made = !b;
    if (made)
        b = part_new(self, &m->gtid, m->to, PART_DECIDING);
    if (!b)
        return NULL;
    if (!part_quorum_new(self, b, slice_of(NULL, 0), NULL)) {
        if (made)
            part_free(self, b);
        return NULL;
    }
    b->protocol = PROTOCOL_3PC;
    b->attempt = m->attempt;
    b->coordinator = m->coordinator;
    b->quorum->for_peer = peer;
    self->for_peers += peer;
    return b;
}

// Its vote would be in the journal. The resource manager alone holds a branch only where it was
// asked to prepare just before a crash; or held it, and ended it by itself when it was to be rolled
// back for that.
static bool never_voted(const struct part *b, const struct msg_quorum *m)
{
    if (!b || b->state == PART_WORKING)
        return true;
    bool alone = !b->quorum && b->attempt == m->attempt && b->coordinator == m->coordinator;
    return alone && ((b->state == PART_PREPARED && !b->journaled) ||
                     (b->state == PART_FINISHED && part_reports(b)));
}

static bool about(const struct part *b, const struct msg_quorum *m)
{
    return b && b->quorum && b->attempt == m->attempt && b->coordinator == m->coordinator;
}

static void hear(struct participant *self, const struct msg *msg)
{
    const struct msg_quorum *m = &msg->u.quorum;
    bool peer = m->from != BRANCH_NONE;
    struct part *b = part_find(self, &m->gtid, m->to);
    if (peer && part_met(self, b, msg))
        return;
    if (never_voted(b, m) && msg->type == MSG_ASK)
        b = take_up(self, m, b);
    if (!about(b, m)) {
        self->stats.stale++;
        return;
    }
    struct part_quorum *q = b->quorum;
    if (peer && b->members_size == 0 && msg->type == MSG_ASK) {
        q->asker = m->from;
        slice_to_text(m->resource, q->asker_resource);
        slice_to_text(m->address, q->asker_address);
    }
    if (peer && !slice_equal(member_at(b, m->from).resource, m->resource)) {
        self->stats.stale++; // only for branches of its own a participant may speak
        return;
    }
    step(self, b,
         &(struct quorum_event){
             .type = QUORUM_RECEIVED,
             .from = peer ? m->from : QUORUM_COORDINATOR,
             .msg =
                 {
                     .type = quorum_type_of(msg->type),
                     .number = m->number,
                     .attempt = m->last,
                     .state = (enum quorum_state)m->state,
                     .outcome = (enum outcome)m->outcome,
                 },
         });
}

void part_quorum_asked(struct participant *self, const struct msg *msg)
{
    const struct msg_quorum *m = &msg->u.quorum;
    if (m->from == BRANCH_NONE && m->to != BRANCH_NONE && m->coordinator == self->heard.id)
        hear(self, msg);
    else
        self->stats.stale++;
}

void part_quorum_met(struct participant *self, const struct msg *msg)
{
    const struct msg_quorum *m = &msg->u.quorum;
    bool quorum = msg->type == MSG_ASK || msg->type == MSG_STATE || msg->type == MSG_TRY ||
                  msg->type == MSG_DECIDE;
    if (quorum && m->from != BRANCH_NONE && m->to != BRANCH_NONE && m->from != m->to)
        hear(self, msg);
    else
        self->stats.stale++;
}

// Branches of one participant speak to each other. That ends: what is answered by an answer waits
// for the journal, or for time.
void part_quorum_loop(struct participant *self)
{
    for (unsigned i = 0; i < self->loop_count; i++) {
        struct msg msg = self->loop[i];
        part_quorum_met(self, &msg);
    }
    self->loop_count = 0;
}

// ---- time ----

static void due(struct participant *self, struct part *b)
{
    struct part_quorum *q = b->quorum;
    if (part_ours(self, b) && self->heard_ms > q->heard_ms) {
        q->heard_ms = self->heard_ms;
        step(self, b, &(struct quorum_event){.type = QUORUM_ALIVE, .now_ms = self->heard_ms});
    }
    if (q->member.due_ms <= self->now.mono_ms)
        step(self, b, &(struct quorum_event){.type = QUORUM_TICK});
}

void part_quorum_due(struct participant *self)
{
    struct timer *first;
    for (unsigned n = 0; n < LIMIT_RESEND_BATCH && (first = heap_first(&self->electing)) &&
                         first->due_ms <= self->now.mono_ms;
         n++) {
        heap_disarm(&self->electing, first);
        due(self, container_of(first, struct part_quorum, timer)->part);
    }
}
