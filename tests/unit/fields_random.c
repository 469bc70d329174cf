// SPDX-License-Identifier: Apache-2.0
#include "assent/error.h"
#include "fields_tables.h"

// The least, the greatest, or anything between.
static uint64_t random_up_to(struct rng *rng, uint64_t greatest)
{
    switch (rng_below(rng, 4)) {
    case 0: return 0;
    case 1: return greatest;
    default: return greatest == UINT64_MAX ? rng_next(rng) : rng_below(rng, greatest + 1);
    }
}

static uint8_t random_allowed(struct rng *rng, uint64_t allowed)
{
    for (;;) {
        uint64_t value = rng_below(rng, 64);
        if (allowed >> value & 1)
            return (uint8_t)value;
    }
}

static void random_name(struct rng *rng, char *to, size_t size)
{
    static const char characters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    for (size_t i = 0; i < size; i++)
        to[i] = characters[rng_below(rng, sizeof characters - 1)];
}

static struct slice random_bytes(struct rng *rng, uint64_t longest)
{
    // Long ones are rare, to keep the tests fast.
    size_t size = (size_t)random_up_to(rng, longest > 300 && rng_below(rng, 50) ? 300 : longest);
    uint8_t *to = fields_scratch(size);
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)rng_next(rng);
    return slice_of(to, size);
}

// Of some branches, in their order.
static struct slice random_inputs(struct rng *rng, unsigned branches)
{
    enum { HEAD_BYTES = 4, EACH_BYTES = HEAD_BYTES + LIMIT_RESULT_BYTES };
    uint64_t chosen = rng_next(rng) & rng_next(rng) & rng_next(rng);
    uint8_t *start = fields_scratch((size_t)branches * EACH_BYTES);
    uint8_t *to = start;
    for (unsigned branch = 0; branch < branches; branch++) {
        if ((chosen >> branch & 1) == 0)
            continue;
        struct slice result = random_bytes(rng, LIMIT_RESULT_BYTES);
        uint8_t head[HEAD_BYTES] = {(uint8_t)branch, 0, (uint8_t)result.size,
                                    (uint8_t)(result.size >> 8)};
        memcpy(to, head, HEAD_BYTES);
        if (result.size > 0)
            memcpy(to + HEAD_BYTES, result.data, result.size);
        to += HEAD_BYTES + result.size;
    }
    return slice_of(start, (size_t)(to - start));
}

static struct slice random_members(struct rng *rng, unsigned most)
{
    enum { HEAD_BYTES = 10, NAME_BYTES = 64, ADDRESS_BYTES = 192 };
    unsigned count = 2 + (unsigned)random_up_to(rng, most - 2);
    uint8_t *start = fields_scratch((size_t)count * (HEAD_BYTES + NAME_BYTES + ADDRESS_BYTES));
    uint8_t *to = start;
    for (unsigned i = 0; i < count; i++) {
        size_t size = 1 + (size_t)random_up_to(rng, NAME_BYTES - 1);
        for (int byte = 0; byte < 8; byte++)
            *to++ = (uint8_t)rng_next(rng);
        *to++ = (uint8_t)size;
        random_name(rng, (char *)to, size);
        to += size;
        size = (size_t)random_up_to(rng, ADDRESS_BYTES);
        *to++ = (uint8_t)size;
        random_name(rng, (char *)to, size);
        to += size;
    }
    return slice_of(start, (size_t)(to - start));
}

static unsigned count_members(struct slice members)
{
    struct member member;
    unsigned count = 0;
    while (member_next(&members, &member))
        count++;
    return count;
}

static void random_field(const struct field *field, struct rng *rng, void *at)
{
    struct gtid gtid = {0};
    size_t size;
    char *name;
    switch (field->kind) {
    case U8: *(uint8_t *)at = random_allowed(rng, field->limit); break;
    case U16: *(uint16_t *)at = (uint16_t)random_up_to(rng, field->limit); break;
    case U32: *(uint32_t *)at = (uint32_t)random_up_to(rng, field->limit); break;
    case U64: *(uint64_t *)at = random_up_to(rng, field->limit); break;
    case GTID:
    case GTID_OR_NONE:
        gtid.size = (uint8_t)random_up_to(rng, LIMIT_GTID_BYTES);
        if (gtid.size == 0 && field->kind == GTID)
            gtid.size = 1;
        random_name(rng, gtid.text, gtid.size);
        *(struct gtid *)at = gtid;
        break;
    case NAME:
        size = 1 + (size_t)random_up_to(rng, field->limit - 1);
        name = (char *)fields_scratch(size);
        random_name(rng, name, size);
        *(struct slice *)at = slice_of(name, size);
        break;
    case TEXT:
    case HEX: *(struct slice *)at = random_bytes(rng, field->limit); break;
    case INPUTS: *(struct slice *)at = random_inputs(rng, (unsigned)field->limit); break;
    case MEMBERS: *(struct slice *)at = random_members(rng, (unsigned)field->limit); break;
    case DIGEST:
        for (size_t i = 0; i < DIGEST_BYTES; i++)
            ((uint8_t *)at)[i] = (uint8_t)rng_next(rng);
        break;
    }
}

static void random_fields(const struct field *table, struct rng *rng, void *to)
{
    for (const struct field *field = table; field->name; field++)
        random_field(field, rng, (char *)to + field->offset);
}

static size_t field_size(enum field_kind kind)
{
    switch (kind) {
    case U8: return 1;
    case U16: return 2;
    case U32: return 4;
    case U64: return 8;
    case GTID:
    case GTID_OR_NONE: return sizeof(struct gtid);
    case NAME:
    case TEXT:
    case HEX:
    case INPUTS:
    case MEMBERS: return sizeof(struct slice);
    case DIGEST: return DIGEST_BYTES;
    }
    return 0;
}

// Clears what is not there; `protocol`: of what this is in.
static void settle(const struct field *table, unsigned protocol, void *whole)
{
    for (const struct field *field = table; field->name; field++)
        if (!field_present(field, whole, protocol))
            memset((char *)whole + field->offset, 0, field_size(field->kind));
}

// Those that are met in a SUBMIT only.
static const uint64_t kinds_submitted = 1 << BRANCH_TOPIC | 1 << BRANCH_READ_ONLY;

// A kind of branch that belongs into that protocol, one of `allowed`.
static uint8_t random_kind(struct rng *rng, unsigned protocol, uint64_t allowed)
{
    static const uint64_t kinds[] = {
        [0] = 2 | 4,
        [PROTOCOL_2PC] = 2 | 4 | 1 << BRANCH_READ_ONLY,
        [PROTOCOL_3PC] = 2 | 4 | 1 << BRANCH_READ_ONLY,
        [PROTOCOL_TCC] = 2 | 4,
        [PROTOCOL_SAGA] = 1 << BRANCH_STEP,
        [PROTOCOL_MESSAGE] = 1 << BRANCH_SENDER | 1 << BRANCH_CONSUMER | 1 << BRANCH_TOPIC,
    };
    return random_allowed(rng, kinds[protocol] & allowed);
}

// An enlisted branch carries a payload in tcc only.
static void settle_payload(unsigned protocol, unsigned kind, struct slice *payload)
{
    if ((kind == BRANCH_ENLISTED || kind == BRANCH_READ_ONLY) && protocol != PROTOCOL_TCC)
        payload->size = 0;
}

static void random_submit(struct rng *rng, struct message_fields *ret)
{
    struct msg_submit *submit = &ret->msg.u.submit;
    unsigned count = (unsigned)random_up_to(rng, LIMIT_BRANCHES);
    if (submit->protocol != PROTOCOL_MESSAGE)
        submit->flags &= submit->protocol <= PROTOCOL_3PC ? 1 : 3;
    for (unsigned i = 0; i < count; i++) {
        struct msg_branch *branch = &ret->branches[i];
        random_fields(fields_submit_branch, rng, branch);
        branch->branch = (uint16_t)i;
        branch->kind = random_kind(rng, submit->protocol, UINT64_MAX);
        settle(fields_submit_branch, submit->protocol, branch);
        settle_payload(submit->protocol, branch->kind, &branch->payload);
        if (branch->payload.size > 300)
            branch->payload.size = 0;
    }
    submit->branch_count = (uint16_t)count;
    submit->branches = ret->branches;
}

static void random_prepare(struct rng *rng, struct msg_prepare *prepare)
{
    prepare->kind = random_kind(rng, prepare->protocol, ~kinds_submitted);
    settle_payload(prepare->protocol, prepare->kind, &prepare->payload);
    if (prepare->protocol != PROTOCOL_3PC)
        prepare->flags &= PREPARE_ONE_PHASE;
    if (prepare->protocol == PROTOCOL_3PC) {
        prepare->flags &= prepare->kind == BRANCH_ENLISTED ? PREPARE_READ_ONLY : 0;
        prepare->branch = (uint16_t)(prepare->branch % count_members(prepare->members));
    }
}

static void random_quorum(struct rng *rng, struct msg_quorum *quorum)
{
    if (quorum->to == quorum->from)
        quorum->to++;
    if (rng_below(rng, 4) == 0)
        quorum->from = BRANCH_NONE;
    else if (rng_below(rng, 4) == 0)
        quorum->to = BRANCH_NONE;
}

static void random_extended(struct rng *rng, struct msg_extended *extended)
{
    if (rng_below(rng, 2))
        extended->code = ASSENT_OK;
    else if (extended->code == ASSENT_OK)
        extended->code = ASSENT_BUSY;
    if (extended->code != ASSENT_OK)
        extended->number = BRANCH_NONE;
}

// What one field demands of another, where that is not whether it is there.
static void agree(struct rng *rng, struct message_fields *ret)
{
    struct msg *msg = &ret->msg;
    if (msg->type == MSG_SUBMIT)
        random_submit(rng, ret);
    if (msg->type == MSG_PREPARE)
        random_prepare(rng, &msg->u.prepare);
    if (msg->type == MSG_COMMIT || msg->type == MSG_ROLLBACK)
        msg->u.decide.kind = random_kind(rng, msg->u.decide.protocol, ~kinds_submitted);
    if (msg->type == MSG_VOTE && msg->u.vote.vote != VOTE_YES && msg->u.vote.text.size > 160)
        msg->u.vote.text.size = 160;
    if (msg->type >= MSG_ASK)
        random_quorum(rng, &msg->u.quorum);
    if (msg->type == MSG_EXTENDED)
        random_extended(rng, &msg->u.extended);
    if (msg->type == MSG_REFUSED && msg->u.refused.code == ASSENT_OK)
        msg->u.refused.code = ASSENT_BUSY;
    if (msg->type == MSG_RESULT && rng_below(rng, 2))
        msg->u.result.branch = BRANCH_NONE;
}

void fields_random_message(struct rng *rng, struct message_fields *ret)
{
    unsigned type;
    do
        type = (unsigned)rng_below(rng, FIELDS_TYPES);
    while (!fields_of(type));
    ret->msg = (struct msg){.type = type};
    random_fields(fields_of(type), rng, &ret->msg.u);
    agree(rng, ret);
    settle(fields_of(type), 0, &ret->msg.u);
}

// Payloads share what may be admitted.
static void random_tx_branch(struct rng *rng, unsigned protocol, unsigned number,
                             struct record_branch *ret)
{
    random_fields(fields_tx_branch, rng, ret);
    ret->branch = (uint16_t)number;
    ret->kind = rng_below(rng, 8) ? random_kind(rng, protocol, ~kinds_submitted) : 0;
    if (protocol != PROTOCOL_TCC)
        ret->asked &= ASKED;
    if (protocol_business(protocol))
        ret->heuristic &= HEURISTIC_OPERATOR;
    settle(fields_tx_branch, protocol, ret);
    if (ret->payload.size > LIMIT_ADMITTED_BYTES / LIMIT_BRANCHES)
        ret->payload.size = LIMIT_ADMITTED_BYTES / LIMIT_BRANCHES;
}

static void random_stage(struct rng *rng, struct tx_record *record)
{
    bool admitted = record->protocol > PROTOCOL_2PC;
    bool undecided = record->stage == STAGE_DELEGATED || record->stage == STAGE_ADMITTED;
    if (record->outcome == OUTCOME_NONE)
        record->stage = admitted && rng_below(rng, 2) ? STAGE_ADMITTED : STAGE_DELEGATED;
    else if (undecided)
        record->stage = STAGE_ENDED;
}

void fields_random_tx(struct rng *rng, struct tx_fields *ret)
{
    ret->record = (struct tx_record){0};
    random_fields(fields_tx_record, rng, &ret->record);
    random_stage(rng, &ret->record);
    settle(fields_tx_record, 0, &ret->record);
    if (rng_below(rng, 2))
        ret->record.reason_branch = BRANCH_NONE;
    bool alone = ret->record.stage == STAGE_DELEGATED;
    unsigned count = (unsigned)random_up_to(rng, LIMIT_BRANCHES);
    count += alone && count == 0;
    unsigned rotated = (unsigned)rng_below(rng, LIMIT_BRANCHES); // distinct, in no fixed order
    for (unsigned i = 0; i < count; i++)
        random_tx_branch(rng, ret->record.protocol, (i + rotated) % LIMIT_BRANCHES,
                         &ret->branches[i]);
    for (unsigned i = 0; i < count && alone; i++) // of those that are not read-only there is one
        ret->branches[i].vote = (uint8_t)(i ? VOTE_READ_ONLY : rng_below(rng, VOTE_READ_ONLY));
    ret->record.branch_count = (uint16_t)count;
    ret->record.branches = ret->branches;
}

static void random_quorum_record(struct rng *rng, struct branch_record *ret)
{
    ret->branch = (uint16_t)(ret->branch % count_members(ret->members));
    if (ret->stage == JOURNAL_PREPARED)
        ret->quorum_state = random_allowed(rng, 4 | 8 | 16);
    else if (!ret->heuristic)
        ret->quorum_state = ret->outcome == OUTCOME_COMMITTED ? 6 : 7;
    if (ret->stage != JOURNAL_PREPARED && rng_below(rng, 4) == 0)
        ret->members.size = 0;
}

void fields_random_branch(struct rng *rng, struct branch_record *ret)
{
    *ret = (struct branch_record){0};
    random_fields(fields_branch_record, rng, ret);
    if (ret->outcome == OUTCOME_NONE)
        ret->stage = JOURNAL_PREPARED;
    else if (ret->stage == JOURNAL_PREPARED)
        ret->stage = JOURNAL_DECIDED;
    if (ret->stage != JOURNAL_FINISHED || protocol_business(ret->protocol))
        ret->heuristic &= HEURISTIC_OPERATOR;
    ret->kind = rng_below(rng, 8) ? random_kind(rng, ret->protocol, ~kinds_submitted) : 0;
    if (ret->protocol == PROTOCOL_3PC)
        random_quorum_record(rng, ret);
    settle(fields_branch_record, 0, ret);
}
