// SPDX-License-Identifier: Apache-2.0
#include "coordinator_oracle.h"

#include <stdio.h>

#include "base/check.h"
#include "wire/wire.h"

void oracle_init(struct oracle *o)
{
    *o = (struct oracle){0};
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

static const struct tx_record *record_of(const struct fake_log *log, const struct gtid *gtid)
{
    char key[LIMIT_GTID_BYTES + 1];
    snprintf(key, sizeof key, "%.*s", gtid->size, gtid->text);
    const struct fake_entry *entry = fake_log_find(log, key);
    return entry ? fake_log_tx(entry) : NULL;
}

// Durable before visible; and one decision an attempt, told to all branches alike.
static void check_decide(struct oracle *o, const struct fake_log *log, enum msg_type type,
                         const struct msg_decide *m)
{
    const struct tx_record *record = record_of(log, &m->gtid);
    if (m->flags & DECIDE_HEURISTIC) {
        CHECK(record && record->heuristic.forced != OUTCOME_NONE);
        return;
    }
    if (m->flags & DECIDE_RESOLVE) {
        CHECK(record && record->attempt == m->attempt);
        CHECK(record->stage == STAGE_DELEGATED || record->outcome == OUTCOME_UNKNOWN);
        attempt_of(o, &m->gtid, m->attempt)->alone = true;
        return;
    }
    bool about_it = record && (m->attempt == 0 || m->attempt == record->attempt);
    struct oracle_attempt *a = attempt_of(o, &m->gtid, about_it ? record->attempt : m->attempt);
    if (about_it && record->stage == STAGE_DELEGATED) {
        // The branch decides; it is told what it said itself. One that was never asked never will.
        CHECK(a->did == (type == MSG_COMMIT ? OUTCOME_COMMITTED : OUTCOME_ABORTED) ||
              (type == MSG_ROLLBACK && !a->alone));
        return;
    }
    // Asked about as another coordinator's, and never as ours: only an operator has a word on it.
    CHECK(m->attempt == 0 || m->attempt >= 64 || (o->asked_as_ours >> m->attempt & 1));
    // UNKNOWN: an operator gave up on the branch that was to decide. What it has not prepared it
    // never will: the fence has passed it.
    if (type == MSG_COMMIT)
        CHECK(record && record->outcome == OUTCOME_COMMITTED);
    else
        CHECK(!about_it || record->outcome == OUTCOME_ABORTED || record->owner.size == 0 ||
              (record->outcome == OUTCOME_UNKNOWN && o->asked_unprepared));
    if (m->attempt == 0 || a->collected)
        return; // an answer about work that was never prepared, or that everybody had finished
    a->commit |= type == MSG_COMMIT;
    a->rollback |= type == MSG_ROLLBACK;
    CHECK(!a->commit || !a->rollback);
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

// An operator gave up on who decides. Nothing holds the fence for it any more.
static bool is_forgotten(const struct fake_log *log, const struct gtid *gtid)
{
    const struct tx_record *record = record_of(log, gtid);
    return record && record->outcome == OUTCOME_UNKNOWN;
}

void oracle_sent(struct oracle *o, const struct fake_log *log, int resource, const struct msg *msg)
{
    buf_reset(&o->frame);
    wire_begin(&o->frame);
    CHECK(wire_add(&o->frame, msg) == ASSENT_OK);
    if (msg->type == MSG_PREPARE) {
        check_fenced(o, resource, msg->u.prepare.attempt);
        if (msg->u.prepare.flags & PREPARE_ONE_PHASE) {
            const struct tx_record *record = record_of(log, &msg->u.prepare.gtid);
            CHECK(record && record->attempt == msg->u.prepare.attempt);
            CHECK(record->stage == STAGE_DELEGATED);
            attempt_of(o, &msg->u.prepare.gtid, msg->u.prepare.attempt)->alone = true;
        }
    } else if (msg->type == MSG_COMMIT || msg->type == MSG_ROLLBACK) {
        if (msg->u.decide.flags & DECIDE_RESOLVE && !is_forgotten(log, &msg->u.decide.gtid))
            check_fenced(o, resource, msg->u.decide.attempt);
        check_decide(o, log, msg->type, &msg->u.decide);
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
