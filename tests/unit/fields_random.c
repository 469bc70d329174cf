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

static void random_submit(struct rng *rng, struct message_fields *ret)
{
    unsigned count = (unsigned)random_up_to(rng, LIMIT_BRANCHES);
    for (unsigned i = 0; i < count; i++) {
        struct msg_branch *branch = &ret->branches[i];
        random_fields(fields_submit_branch, rng, branch);
        branch->branch = (uint16_t)i;
        if (branch->kind == BRANCH_ENLISTED || branch->payload.size > 300)
            branch->payload.size = 0;
    }
    ret->msg.u.submit.branch_count = (uint16_t)count;
    ret->msg.u.submit.branches = ret->branches;
}

void fields_random_message(struct rng *rng, struct message_fields *ret)
{
    unsigned type;
    do
        type = (unsigned)rng_below(rng, FIELDS_TYPES);
    while (!fields_of(type));
    ret->msg = (struct msg){.type = type};
    random_fields(fields_of(type), rng, &ret->msg.u);
    if (type == MSG_SUBMIT)
        random_submit(rng, ret);
    if (type == MSG_PREPARE && ret->msg.u.prepare.kind == BRANCH_ENLISTED)
        ret->msg.u.prepare.payload.size = 0;
    if (type == MSG_REFUSED && ret->msg.u.refused.code == ASSENT_OK)
        ret->msg.u.refused.code = ASSENT_BUSY;
    if (type == MSG_RESULT && rng_below(rng, 2))
        ret->msg.u.result.branch = BRANCH_NONE;
}

void fields_random_tx(struct rng *rng, struct tx_fields *ret)
{
    ret->record = (struct tx_record){0};
    random_fields(fields_tx_record, rng, &ret->record);
    if (ret->record.outcome == OUTCOME_NONE)
        ret->record.stage = STAGE_DELEGATED;
    else if (ret->record.stage == STAGE_DELEGATED)
        ret->record.stage = STAGE_ENDED;
    if (rng_below(rng, 2))
        ret->record.reason_branch = BRANCH_NONE;
    bool alone = ret->record.stage == STAGE_DELEGATED;
    unsigned count = alone ? 1 : (unsigned)random_up_to(rng, LIMIT_BRANCHES);
    unsigned rotated = (unsigned)rng_below(rng, LIMIT_BRANCHES); // distinct, in no fixed order
    for (unsigned i = 0; i < count; i++) {
        random_fields(fields_tx_branch, rng, &ret->branches[i]);
        ret->branches[i].branch = (uint16_t)((i + rotated) % LIMIT_BRANCHES);
    }
    ret->record.branch_count = (uint16_t)count;
    ret->record.branches = ret->branches;
}

void fields_random_branch(struct rng *rng, struct branch_record *ret)
{
    *ret = (struct branch_record){0};
    random_fields(fields_branch_record, rng, ret);
    if (ret->outcome == OUTCOME_NONE)
        ret->stage = JOURNAL_PREPARED;
    else if (ret->stage == JOURNAL_PREPARED)
        ret->stage = JOURNAL_DECIDED;
}
