// SPDX-License-Identifier: Apache-2.0
// Branches in memory; what they write to the journal and ask of the resource manager.
#include <stdlib.h>

#include "base/mutant.h"
#include "core/participant_internal.h"

static uint8_t make_key(uint8_t key[PART_KEY_BYTES], const struct gtid *gtid, unsigned branch)
{
    memcpy(key, gtid->text, gtid->size);
    key[gtid->size] = (uint8_t)branch;
    key[gtid->size + 1] = (uint8_t)(branch >> 8);
    return (uint8_t)(gtid->size + 2);
}

struct part *part_find(const struct participant *self, const struct gtid *gtid, unsigned branch)
{
    uint8_t key[PART_KEY_BYTES];
    return map_get(&self->parts, slice_of(key, make_key(key, gtid, branch)));
}

static bool reserve(struct participant *self)
{
    size_t count = self->parts.count + 1;
    return heap_reserve(&self->due, count) && heap_reserve(&self->finished, count);
}

struct part *part_new(struct participant *self, const struct gtid *gtid, unsigned branch,
                      enum part_state state)
{
    struct part *b = reserve(self) ? calloc(1, sizeof *b) : NULL;
    if (!b)
        return NULL;
    b->gtid = *gtid;
    b->branch = (uint16_t)branch;
    b->key_size = make_key(b->key, gtid, branch);
    b->state = state;
    b->protocol = PROTOCOL_2PC;
    list_init(&b->numbered);
    list_init(&b->extensions);
    b->token = slots_add(&self->slots, b);
    if (!b->token)
        goto fail;
    if (!map_insert(&self->parts, slice_of(b->key, b->key_size), b))
        goto fail_slot;
    self->states[state]++;
    return b;
fail_slot:
    slots_release(&self->slots, b->token);
fail:
    free(b);
    return NULL;
}

// A step that is done holds nothing but its place. Were that one among the unfinished, sagas could
// hold all places, each waiting for one more.
void part_rest(struct participant *self, struct part *b)
{
    b->acted = b->kind == BRANCH_STEP && !MUTANT(DONE_HOLD_PLACES);
    self->acted += b->acted;
}

static void leave(struct participant *self, struct part *b)
{
    self->states[b->state]--;
    self->acted -= b->acted;
    b->acted = false;
}

void part_free(struct participant *self, struct part *b)
{
    part_extend_no_more(self, b);
    part_quorum_free(self, b);
    leave(self, b);
    heap_disarm(&self->due, &b->timer);
    heap_disarm(&self->finished, &b->fenced);
    list_remove(&b->numbered);
    slots_release(&self->slots, b->token);
    map_remove(&self->parts, slice_of(b->key, b->key_size));
    free(b->payload);
    free(b->result);
    free(b->members);
    free(b);
}

size_t part_finished_count(const struct participant *self)
{
    return self->states[PART_FINISHED] + self->states[PART_FORGETTING];
}

bool part_room(const struct participant *self, uint64_t attempt)
{
    size_t finished = part_finished_count(self) + self->acted;
    if (self->parts.count - finished >= self->config.branches_max && !MUTANT(BRANCHES_UNBOUNDED))
        return false;
    // The oldest attempt is always let in: until it has ended the fence stands still, and nothing
    // that is remembered can be let go of.
    return finished < self->config.finished_max || (attempt && attempt == self->heard.fence);
}

static bool copy(struct slice first, struct slice second, uint8_t **ret)
{
    uint8_t *to = NULL;
    if (first.size + second.size > 0) {
        to = malloc(first.size + second.size);
        if (!to)
            return false;
    }
    if (to && first.size > 0)
        memcpy(to, first.data, first.size);
    if (to && second.size > 0)
        memcpy(to + first.size, second.data, second.size);
    free(*ret);
    *ret = to;
    return true;
}

bool part_keep(struct part *b, struct slice payload, struct slice inputs)
{
    if (!copy(payload, inputs, &b->payload))
        return false;
    b->payload_size = payload.size;
    b->inputs_size = inputs.size;
    return true;
}

bool part_keep_result(struct part *b, struct slice result)
{
    result = slice_cut(result, LIMIT_RESULT_BYTES);
    if (!copy(result, slice_of(NULL, 0), &b->result))
        return false;
    b->result_size = result.size;
    return true;
}

struct slice part_result(struct participant *self, const struct part *b)
{
    return effects_keep(self->fx, slice_of(b->result, b->result_size));
}

void part_keep_reason(struct part *b, struct slice text)
{
    if (!part_keep(b, slice_cut(text, LIMIT_REASON_BYTES), slice_of(NULL, 0)))
        part_keep(b, slice_of(NULL, 0), slice_of(NULL, 0)); // then without the reason
}

bool part_business(const struct part *b)
{
    return protocol_business(b->protocol);
}

bool part_admitted(const struct part *b)
{
    return protocol_admitted(b->protocol);
}

bool part_reports(const struct part *b)
{
    return (b->heuristic & HEURISTIC_MANAGER) != 0;
}

bool part_steps(const struct part *b)
{
    return b->protocol == PROTOCOL_SAGA || b->protocol == PROTOCOL_MESSAGE;
}

void part_move(struct participant *self, struct part *b, enum part_state state)
{
    part_extend_no_more(self, b);
    heap_disarm(&self->due, &b->timer); // it means something else in the next state
    heap_disarm(&self->finished, &b->fenced);
    leave(self, b);
    b->state = (enum part_state)sm_move(&part_table, (int)b->state, (int)state);
    self->states[state]++;
    b->tries = 0;
}

// Whether the coordinator that is heard now is the one whose attempt this is.
bool part_ours(const struct participant *self, const struct part *b)
{
    return b->coordinator == self->heard.id;
}

static enum rm_op op_of(enum part_state state)
{
    if (state == PART_PREPARING)
        return RM_PREPARE;
    if (state == PART_FORGETTING)
        return RM_FORGET;
    return state == PART_COMMITTING ? RM_COMMIT : RM_ROLLBACK;
}

// From here on the branch waits for one answer, to what is asked now: an answer that comes twice,
// or late, is to an earlier token.
static void await(struct participant *self, struct part *b, enum part_busy what)
{
    CHECK(b->busy == PART_IDLE);
    b->busy = what;
    if (!MUTANT(ANSWER_TO_ANY_CALL))
        b->token = slots_renew(&self->slots, b->token);
}

// Asks of the resource manager what the state says.
void part_call(struct participant *self, struct part *b)
{
    struct slice none = {0};
    bool inputs = b->state == PART_PREPARING && b->inputs_size > 0;
    await(self, b, PART_CALLING);
    effects_add(self->fx, EFFECT_CALL)->u.call = (struct effect_call){
        .token = b->token,
        .op = op_of(b->state),
        .gtid = b->gtid,
        .branch = b->branch,
        .kind = b->kind,
        .protocol = b->protocol,
        .attempt = b->attempt,
        .coordinator = b->coordinator,
        .payload = slice_of(b->payload, b->payload_size),
        .inputs = inputs ? slice_of(b->payload + b->payload_size, b->inputs_size) : none,
        .result = slice_of(b->result, b->result_size),
        .heuristic = b->heuristic & HEURISTIC_MANAGER,
        .tries = b->tries,
    };
}

// All that is known of it, but for where its coordinator's log is.
static struct branch_record described(const struct part *b, enum journal_stage stage)
{
    struct branch_record record = {
        .gtid = b->gtid,
        .attempt = b->attempt,
        .coordinator = b->coordinator,
        .branch = b->branch,
        .protocol = b->protocol,
        .kind = b->kind,
        .stage = (uint8_t)stage,
        .outcome = b->outcome,
        .heuristic = b->heuristic,
        .prepared_ms = b->prepared_ms,
        .payload = slice_of(b->payload, b->payload_size),
        .result = slice_of(b->result, b->result_size),
    };
    if (b->quorum)
        part_quorum_describe(b, &record);
    else if (stage == JOURNAL_PREPARED)
        record.members = part_members(b); // whom it can ask after a restart
    return record;
}

// NULL: out of memory, and the step is marked as failed.
static struct branch_record *record_of(struct participant *self, const struct part *b,
                                       enum journal_stage stage)
{
    struct branch_record *record = effects_alloc(self->fx, sizeof *record);
    if (!record)
        return NULL;
    *record = described(b, stage);
    record->result = part_result(self, b); // the branch may be let go of in this very step
    record->members = effects_keep(self->fx, record->members);
    if (part_ours(self, b)) { // the log position belongs to the coordinator in the record
        record->log_seq = self->heard.log_seq;
        record->seal = self->heard.seal;
    }
    if (MUTANT(HEURISTIC_UNJOURNALED))
        record->heuristic &= HEURISTIC_OPERATOR;
    if (stage == JOURNAL_FINISHED || MUTANT(PAYLOAD_FORGOTTEN))
        record->payload = slice_of(NULL, 0);
    return record;
}

// A finished branch is closed: the horizon may pass it once the fence has. One that an operator
// ended is kept for ever, one that its resource manager ended by itself until that is on record,
// one of another coordinator until that is heard again, and one of an admitted protocol until its
// transaction has ended.
static bool record_open(const struct participant *self, const struct part *b,
                        enum journal_stage stage)
{
    return stage != JOURNAL_FINISHED || (b->heuristic && !MUTANT(WORD_FORGOTTEN)) ||
           part_admitted(b) || !part_ours(self, b);
}

static struct effect_write *write(struct participant *self, const struct part *b,
                                  enum journal_stage stage)
{
    bool open = record_open(self, b, stage);
    struct effect_write *write = &effects_add(self->fx, EFFECT_WRITE)->u.write;
    *write = (struct effect_write){
        .open = open,
        .stamp = open ? 0 : b->number,
        .branch = record_of(self, b, stage),
    };
    return write;
}

// The end of a branch that was decided elsewhere: whoever waits for the outcome has it already. A
// branch alone would wait in vain for company.
static enum haste haste(const struct participant *self, const struct part *b,
                        enum journal_stage stage)
{
    bool patient = stage == JOURNAL_FINISHED && !part_business(b) && !b->one_phase && !b->resolve &&
                   self->parts.count - part_finished_count(self) > 1;
    return patient ? HASTE_PATIENT : HASTE_NOW;
}

void part_write(struct participant *self, struct part *b, enum journal_stage stage)
{
    await(self, b, PART_WRITING);
    bool open = record_open(self, b, stage);
    b->pinned =
        open && stage == JOURNAL_FINISHED && (!b->heuristic || part_admitted(b) || part_reports(b));
    if (!open) {
        b->number = self->number_next++;
        list_remove(&b->numbered); // where it is done again
        list_append(&self->numbered, &b->numbered);
    }
    struct effect_write *put = write(self, b, stage);
    put->token = b->token;
    put->haste = haste(self, b, stage);
    if (b->quorum)
        part_quorum_recorded(b);
}

// Writes the record of a finished branch again, or removes it. Nothing waits for it.
void part_write_aside(struct participant *self, const struct part *b, bool forget)
{
    struct effect_write *aside = write(self, b, JOURNAL_FINISHED);
    aside->haste = HASTE_LAZY;
    aside->forget = forget;
}

uint64_t part_pause(struct participant *self, uint32_t *tries, uint32_t min_ms, uint32_t max_ms)
{
    uint64_t pause = (uint64_t)min_ms << (*tries < 20 ? *tries : 20);
    if (pause > max_ms)
        pause = max_ms;
    if (pause < 2)
        pause = 2;
    ++*tries;
    return self->now.mono_ms + pause / 2 + rng_below(&self->rng, pause / 2);
}

void part_wait(struct participant *self, struct part *b, uint32_t min_ms, uint32_t max_ms)
{
    heap_arm(&self->due, &b->timer, part_pause(self, &b->tries, min_ms, max_ms));
}

// The branch's timer has run out.
void part_due(struct participant *self, struct part *b)
{
    heap_disarm(&self->due, &b->timer);
    switch (b->state) {
    case PART_WORKING:
    case PART_PREPARED:
    case PART_FINISHED: part_inquire(self, b); break;
    case PART_COMMITTING:
        if (part_steps(b)) // decided before a crash
            part_finish(self, b);
        else
            part_call(self, b);
        break;
    case PART_PREPARING:
    case PART_ROLLING_BACK:
    case PART_FORGETTING: part_call(self, b); break;
    case PART_VOTING:
    case PART_DECIDING:
    case PART_FINISHING: CHECK(!"a timer in a state that has none");
    }
}

static enum journal_stage stage_of(enum part_state state)
{
    if (state < PART_DECIDING)
        return JOURNAL_PREPARED;
    return state >= PART_FINISHED ? JOURNAL_FINISHED : JOURNAL_DECIDED;
}

void part_view_of(const struct part *b, struct part_view *ret)
{
    *ret = (struct part_view){.state = b->state, .record = described(b, stage_of(b->state))};
}
