// SPDX-License-Identifier: Apache-2.0
// What a resource manager did by a decision of its own, told when the transaction has left memory:
// it was presumed aborted, had ended, or an operator gave it up. It goes into the register, for
// ever; and only when it is durable there the participant hears that it is noted.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

bool note_is(const struct msg_done *done)
{
    return done->flags & DONE_HEURISTIC && done->heuristic & HEURISTIC_MANAGER;
}

bool note_only(const struct tx_record *record)
{
    return record->owner.size == 0 && record->heuristic.when_ms == 0;
}

static void note_free(struct coordinator *c, struct note *note)
{
    map_remove(&c->notes, gtid_slice(&note->done.gtid));
    pending_free(c, &note->pending);
}

// It comes again until it is answered, so nothing is lost by letting it go.
void note_done(struct coordinator *c, struct session *s, const struct msg_done *done)
{
    if (map_get(&c->notes, gtid_slice(&done->gtid)))
        return; // one about another branch, perhaps
    struct note *note = pending_new(c, sizeof *note, PENDING_NOTE);
    if (!note)
        return;
    note->peer = s->id;
    note->done = *done;
    note->done.result = slice_of(NULL, 0);
    if (!map_insert(&c->notes, gtid_slice(&note->done.gtid), note)) {
        pending_free(c, &note->pending);
        return;
    }
    coord_lookup(c, note->pending.token, &done->gtid);
}

static void note_answer(struct coordinator *c, struct note *note)
{
    const struct session *s = session_find(c, note->peer);
    if (s)
        coord_send(c, s->id, MSG_STANDING)->u.standing = (struct msg_standing){
            .gtid = note->done.gtid,
            .attempt = note->done.attempt,
            .branch = note->done.branch,
            .outcome = note->outcome,
            .flags = STANDING_NOTED,
        };
    note_free(c, note);
}

// Nothing is on record: it was presumed aborted, and so the branch was told. One that was told to
// commit is so old that its record went; what was decided nobody here knows any more.
static void note_begin(struct coordinator *c, const struct note *note, struct tx_record *ret)
{
    const struct msg_done *done = &note->done;
    bool presumed = done->outcome == OUTCOME_ABORTED;
    *ret = (struct tx_record){
        .gtid = done->gtid,
        .attempt = done->attempt,
        .protocol = PROTOCOL_2PC,
        .stage = STAGE_ENDED,
        .outcome = presumed ? OUTCOME_ABORTED : OUTCOME_UNKNOWN,
        .reason = presumed ? REASON_PRESUMED : REASON_NONE,
        .reason_branch = BRANCH_NONE,
        .started_ms = c->stamp_ms,
        .decided_ms = c->stamp_ms,
        .ended_ms = c->stamp_ms,
        .submitted = 1,
    };
}

// A copy of the branches, with room for one more. NULL: out of memory.
static struct record_branch *note_branches(struct coordinator *c, const struct tx_record *record)
{
    size_t count = record->branch_count;
    struct record_branch *branches = effects_alloc(c->fx, (count + 1) * sizeof *branches);
    if (branches && count)
        memcpy(branches, record->branches, count * sizeof *branches);
    return branches;
}

static bool note_same_run(const struct note *note, const struct tx_record *record)
{
    return note->done.attempt == record->attempt || note->done.attempt == 0 || record->attempt == 0;
}

// What tells a branch of an earlier run from others: never 0.
static uint64_t note_earlier(const struct note *note)
{
    return note->done.attempt * LIMIT_BRANCHES + note->done.branch;
}

// Where it stands, or -1.
static int note_place(const struct note *note, const struct tx_record *record,
                      struct slice resource)
{
    bool same = note_same_run(note, record);
    for (unsigned i = 0; i < record->branch_count; i++) {
        const struct record_branch *b = &record->branches[i];
        bool earlier = record_branch_earlier(b);
        if (!slice_equal(b->resource, resource) || earlier == same)
            continue;
        if (same ? b->branch == note->done.branch : b->journal == note_earlier(note))
            return (int)i;
    }
    return -1;
}

static bool note_taken(const struct tx_record *record, unsigned number)
{
    for (unsigned i = 0; i < record->branch_count; i++) {
        if (record->branches[i].branch == number)
            return true;
    }
    return false;
}

// A gtid that this run has leased may yet begin, or has an end on record; one of an earlier run can
// begin no more.
static bool note_may_begin(const struct coordinator *c, const struct note *note)
{
    struct gtid_parts parts;
    return tx_made_here(c, &note->done.gtid, &parts) && parts.incarnation >= c->config.incarnation;
}

// One that the record does not have: only where no client's request says which there are, and of
// earlier runs, which gtids of the coordinator's own have none of. The number of those is the
// highest that is free. False: it cannot be.
static bool note_add(const struct coordinator *c, const struct note *note, struct tx_record *record,
                     struct slice resource, struct record_branch *ret)
{
    struct gtid_parts parts;
    bool same = note_same_run(note, record);
    if (!same && tx_made_here(c, &note->done.gtid, &parts))
        return false;
    unsigned number = same ? note->done.branch : LIMIT_BRANCHES - 1;
    while (!same && number > 0 && note_taken(record, number))
        number--;
    if ((same && !note_only(record)) || note_taken(record, number) ||
        (!same && note->done.attempt > record->attempt && !note_only(record)))
        return false;
    *ret = (struct record_branch){
        .branch = (uint16_t)number,
        .resource = resource,
        .journal = same ? 0 : note_earlier(note),
    };
    record->branch_count++;
    return true;
}

// False: it must not be written there.
static bool note_change(struct coordinator *c, const struct note *note, struct slice resource,
                        struct tx_record *record)
{
    const struct msg_done *done = &note->done;
    struct record_branch *branches = note_branches(c, record);
    if (!branches)
        return false;
    int place = note_place(note, record, resource);
    struct record_branch *b = &branches[place < 0 ? record->branch_count : (unsigned)place];
    if (place < 0 && !note_add(c, note, record, resource, b)) {
        c->stats.spoofed++;
        return false;
    }
    enum outcome end = heuristic_outcome(done->heuristic, (enum outcome)done->outcome);
    // Of a run that is not in the register, or not as it was decided, what it was told counts.
    bool known = note_same_run(note, record) && record->outcome != OUTCOME_UNKNOWN;
    b->outcome = (uint8_t)end;
    b->heuristic = done->heuristic;
    if (end != (known ? record->outcome : done->outcome) && !MUTANT(MANAGER_BELIEVED)) {
        c->stats.mixed += !record->mixed;
        record->mixed = 1;
    }
    record->branches = branches;
    return true;
}

static bool note_stands(const struct note *note, const struct tx_record *found,
                        struct slice resource)
{
    int place = found ? note_place(note, found, resource) : -1;
    return place >= 0 && found->branches[place].heuristic & HEURISTIC_MANAGER;
}

void note_looked_up(struct coordinator *c, struct note *note, const struct tx_record *found)
{
    const struct session *s = session_find(c, note->peer);
    struct tx_record *record = effects_alloc(c->fx, sizeof *record);
    // An operator's word on another coordinator's branch is on record here, or it is not ours.
    bool ours = note->done.attempt < c->attempt_next &&
                (found || !(note->done.heuristic & HEURISTIC_OPERATOR));
    if (!s || !s->resource || !record || !ours || tx_find(c, &note->done.gtid)) {
        note_free(c, note);
        return;
    }
    if (found ? protocol_business(found->protocol) : note_may_begin(c, note)) {
        c->stats.spoofed++;
        note_free(c, note);
        return;
    }
    struct slice resource = slice_text(s->resource->name);
    if (found)
        *record = *found;
    else
        note_begin(c, note, record);
    note->outcome = record->outcome;
    if (note_stands(note, found, resource)) {
        note_answer(c, note);
        return;
    }
    if (!note_change(c, note, resource, record)) {
        note_free(c, note);
        return;
    }
    // A crash before it is durable leaves a participant that was not answered, and tells it again.
    effects_add(c->fx, EFFECT_WRITE)->u.write = (struct effect_write){
        .token = note->pending.token,
        .open = true,
        .stamp = c->stamp_ms,
        .tx = record,
    };
    if (MUTANT(NOTED_EARLY))
        note_answer(c, note);
}

void note_written(struct coordinator *c, struct note *note)
{
    note_answer(c, note);
}
