// SPDX-License-Identifier: Apache-2.0
#include "coordinator_oracle.h"

#include <stdio.h>

#include "base/check.h"
#include "wire/wire.h"

void oracle_init(struct oracle *o, uint64_t coordinator)
{
    *o = (struct oracle){.coordinator = coordinator};
    buf_init(&o->frame, LIMIT_FRAME_BYTES);
}

void oracle_free(struct oracle *o)
{
    buf_free(&o->frame);
}

static struct oracle_attempt *attempt_of(struct oracle *o, const struct gtid *gtid,
                                         uint64_t attempt)
{
    for (unsigned i = 0; i < o->attempt_count && i < ORACLE_ATTEMPTS; i++)
        if (o->attempts[i].attempt == attempt && gtid_equal(&o->attempts[i].gtid, gtid))
            return &o->attempts[i];
    struct oracle_attempt *a = &o->attempts[o->attempt_count++ % ORACLE_ATTEMPTS];
    *a = (struct oracle_attempt){.attempt = attempt, .gtid = *gtid};
    return a;
}

static struct oracle_gtid *gtid_of(struct oracle *o, const struct gtid *gtid)
{
    for (unsigned i = 0; i < o->gtid_count && i < ORACLE_GTIDS; i++)
        if (gtid_equal(&o->gtids[i].gtid, gtid))
            return &o->gtids[i];
    struct oracle_gtid *g = &o->gtids[o->gtid_count++ % ORACLE_GTIDS];
    *g = (struct oracle_gtid){.gtid = *gtid};
    return g;
}

bool oracle_alone(struct oracle *o, const struct gtid *gtid, uint64_t attempt)
{
    return attempt_of(o, gtid, attempt)->alone;
}

uint8_t oracle_did(struct oracle *o, const struct gtid *gtid, uint64_t attempt, uint8_t wish)
{
    struct oracle_attempt *a = attempt_of(o, gtid, attempt);
    if (a->did == OUTCOME_NONE)
        a->did = wish;
    return a->did;
}

void oracle_collected(struct oracle *o, const char *key)
{
    struct gtid gtid;
    CHECK(gtid_from(slice_text(key), &gtid));
    gtid_of(o, &gtid)->told = OUTCOME_NONE;
    for (unsigned i = 0; i < o->attempt_count && i < ORACLE_ATTEMPTS; i++)
        o->attempts[i].collected |= gtid_equal(&o->attempts[i].gtid, &gtid);
}

// ---- inquiries ----

void oracle_asked(struct oracle *o, peer_t peer, const struct msg_inquire *inquiry)
{
    struct oracle_inquiry *place = &o->inquiries[o->inquiry_count++ % ORACLE_INQUIRIES];
    o->inquiry_lost |= place->peer != 0;
    *place = (struct oracle_inquiry){.peer = peer, .msg = *inquiry};
}

void oracle_gone(struct oracle *o, peer_t peer)
{
    for (unsigned i = 0; i < ORACLE_INQUIRIES; i++)
        if (o->inquiries[i].peer == peer)
            o->inquiries[i].peer = 0;
}

// Asked about as a branch of this coordinator; what was never prepared belongs to nobody else.
static bool is_ours(const struct oracle *o, const struct msg_inquire *inquiry)
{
    return inquiry->attempt == 0 || inquiry->coordinator == o->coordinator;
}

static bool is_unprepared(const struct oracle *o, const struct msg_inquire *inquiry)
{
    return is_ours(o, inquiry) && (inquiry->attempt == 0 || !inquiry->prepared);
}

// In doubt: it has promised something, and the one branch of a delegation may have done it.
static bool is_prepared(const struct oracle *o, const struct msg_inquire *inquiry)
{
    return is_ours(o, inquiry) && !is_unprepared(o, inquiry);
}

static bool is_foreign(const struct oracle *o, const struct msg_inquire *inquiry)
{
    return !is_ours(o, inquiry);
}

// Has that participant asked just this, in that way, and not been answered yet? It has been now.
static bool answers(struct oracle *o, peer_t peer, const struct msg_decide *m,
                    bool (*is)(const struct oracle *, const struct msg_inquire *))
{
    for (unsigned i = 0; i < ORACLE_INQUIRIES; i++) {
        struct oracle_inquiry *q = &o->inquiries[i];
        if (q->peer == peer && q->msg.attempt == m->attempt && q->msg.branch == m->branch &&
            gtid_equal(&q->msg.gtid, &m->gtid) && is(o, &q->msg)) {
            q->peer = 0;
            return true;
        }
    }
    return o->inquiry_lost;
}

// ---- what is said ----

static const struct tx_record *record_of(const struct fake_log *log, const struct gtid *gtid)
{
    char key[LIMIT_GTID_BYTES + 1];
    snprintf(key, sizeof key, "%.*s", gtid->size, gtid->text);
    const struct fake_entry *entry = fake_log_find(log, key);
    return entry ? fake_log_tx(entry) : NULL;
}

// An operator gave up on the branch that was to decide: it may have committed, and nobody knows.
static bool is_forgotten(const struct tx_record *record)
{
    return record && record->outcome == OUTCOME_UNKNOWN;
}

// Of the only branch of a transaction: should it not have committed, it never will.
static void check_resolve(struct oracle *o, const struct tx_record *record, peer_t peer,
                          const struct msg_decide *m)
{
    CHECK(record && record->attempt == m->attempt);
    CHECK(record->stage == STAGE_DELEGATED || is_forgotten(record));
    if (is_forgotten(record))
        CHECK(answers(o, peer, m, is_prepared));
    attempt_of(o, &m->gtid, m->attempt)->alone = true;
}

// The branch decides; it is told what it said itself. One that was never asked never will.
static void check_delegated(const struct oracle_attempt *a, enum msg_type type)
{
    CHECK(a->did == (type == MSG_COMMIT ? OUTCOME_COMMITTED : OUTCOME_ABORTED) ||
          (type == MSG_ROLLBACK && !a->alone));
}

// Durable before visible; and one decision an attempt, told to all branches alike.
static void check_decide(struct oracle *o, const struct tx_record *record, peer_t peer,
                         enum msg_type type, const struct msg_decide *m)
{
    bool about_it = record && (m->attempt == 0 || m->attempt == record->attempt);
    struct oracle_attempt *a = attempt_of(o, &m->gtid, about_it ? record->attempt : m->attempt);
    if (about_it && record->stage == STAGE_DELEGATED) {
        check_delegated(a, type);
        return;
    }
    // Of a forgotten delegation only what was not prepared has certainly not committed.
    bool forgotten = about_it && is_forgotten(record);
    bool asked = answers(o, peer, m, forgotten ? is_unprepared : is_ours);
    if (type == MSG_COMMIT)
        CHECK(record && record->outcome == OUTCOME_COMMITTED);
    else
        CHECK(!about_it || record->outcome == OUTCOME_ABORTED || record->owner.size == 0 ||
              (forgotten && asked));
    // Nobody has made so low an attempt. Asked about as another coordinator's, and never as ours,
    // only an operator has a word on it.
    CHECK(asked || m->attempt == 0 || m->attempt > ORACLE_MADE_UP_MAX);
    if (m->attempt == 0 || a->collected)
        return; // an answer about work that was never prepared, or that everybody had finished
    a->commit |= type == MSG_COMMIT;
    a->rollback |= type == MSG_ROLLBACK;
    CHECK(!a->commit || !a->rollback);
}

static void check_told(struct oracle *o, const struct tx_record *record, peer_t peer,
                       enum msg_type type, const struct msg_decide *m)
{
    if (m->flags & DECIDE_HEURISTIC)
        CHECK(record && record->heuristic.forced != OUTCOME_NONE);
    else if (m->flags & DECIDE_RESOLVE)
        check_resolve(o, record, peer, m);
    else
        check_decide(o, record, peer, type, m);
}

// What a resource manager did by itself is noted only where it is on record.
static void check_noted(const struct tx_record *record, const struct msg_standing *m)
{
    bool noted = false;
    for (unsigned i = 0; record && i < record->branch_count; i++) {
        const struct record_branch *b = &record->branches[i];
        noted |= b->heuristic & HEURISTIC_MANAGER &&
                 (b->branch == m->branch || record_branch_earlier(b));
    }
    CHECK(noted);
}

// Only where one asks, and never that a branch is unknown that is on record as ours.
static void check_standing(struct oracle *o, const struct tx_record *record, peer_t peer,
                           const struct msg_standing *m)
{
    struct msg_decide about = {.gtid = m->gtid, .attempt = m->attempt, .branch = m->branch};
    if (m->flags & STANDING_NOTED)
        check_noted(record, m);
    if (m->flags)
        return;
    if (answers(o, peer, &about, is_foreign)) // which never waits for a lookup
        return;
    CHECK(answers(o, peer, &about, is_ours));
    if (m->outcome == OUTCOME_UNKNOWN)
        CHECK(!record || (m->attempt != 0 && m->attempt != record->attempt));
}

// Honest: what was told once stays true.
static void check_result(struct oracle *o, const struct fake_log *log, const struct msg_result *m)
{
    if (m->mixed || (m->outcome != OUTCOME_COMMITTED && m->outcome != OUTCOME_ABORTED))
        return;
    const struct tx_record *record = record_of(log, &m->gtid);
    struct oracle_gtid *g = gtid_of(o, &m->gtid);
    if (m->outcome == OUTCOME_COMMITTED)
        CHECK(record && record->outcome != OUTCOME_ABORTED);
    CHECK(g->told == OUTCOME_NONE || g->told == m->outcome);
    g->told = m->outcome;
}

static void check_fenced(const struct oracle *o, int resource, uint64_t attempt)
{
    if (resource >= 0)
        CHECK(attempt >= o->fences[resource]);
}

static void check_prepare(struct oracle *o, const struct tx_record *record, int resource,
                          const struct msg_prepare *m)
{
    check_fenced(o, resource, m->attempt);
    if (m->flags & PREPARE_ONE_PHASE) {
        CHECK(record && record->attempt == m->attempt);
        CHECK(record->stage == STAGE_DELEGATED);
        attempt_of(o, &m->gtid, m->attempt)->alone = true;
    }
}

void oracle_sent(struct oracle *o, const struct fake_log *log, peer_t peer, int resource,
                 const struct msg *msg)
{
    buf_reset(&o->frame);
    wire_begin(&o->frame);
    CHECK(wire_add(&o->frame, msg) == ASSENT_OK);
    if (msg->type == MSG_PREPARE) {
        check_prepare(o, record_of(log, &msg->u.prepare.gtid), resource, &msg->u.prepare);
    } else if (msg->type == MSG_COMMIT || msg->type == MSG_ROLLBACK) {
        const struct msg_decide *m = &msg->u.decide;
        const struct tx_record *record = record_of(log, &m->gtid);
        if (m->flags & DECIDE_RESOLVE && !is_forgotten(record)) // else nothing holds the fence
            check_fenced(o, resource, m->attempt);
        check_told(o, record, peer, msg->type, m);
    } else if (msg->type == MSG_STANDING) {
        check_standing(o, record_of(log, &msg->u.standing.gtid), peer, &msg->u.standing);
    } else if (msg->type == MSG_RESULT) {
        check_result(o, log, &msg->u.result);
    }
}

// Commit takes a yes, or a read-only, of every branch; but for what an operator has forced, and for
// a branch alone, which decides.
void oracle_writing(struct oracle *o, const struct tx_record *record)
{
    if (record->outcome != OUTCOME_COMMITTED || record->mixed ||
        oracle_alone(o, &record->gtid, record->attempt))
        return;
    CHECK(record->branch_count > 0);
    for (unsigned i = 0; i < record->branch_count; i++)
        CHECK(record->branches[i].vote == VOTE_YES || record->branches[i].vote == VOTE_READ_ONLY);
}

void oracle_fence(struct oracle *o, int resource, uint64_t fence)
{
    if (fence == 0)
        return;
    CHECK(fence >= o->fences[resource]);
    o->fences[resource] = fence;
}
