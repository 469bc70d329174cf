// SPDX-License-Identifier: Apache-2.0
#include "wire/codec.h"

#include "assent/error.h"

_Static_assert(LIMIT_NAME_BYTES == LIMIT_GTID_BYTES, "names are checked as gtids are");

void codec_fail(struct codec *c, int code, const char *field, const char *problem)
{
    if (c->code != ASSENT_OK)
        return;
    c->code = code;
    c->field = field;
    c->problem = problem;
    c->broken_at = c->taken;
    c->at = c->end;
}

void codec_bytes(struct codec *c, const char *field, struct slice *value, unsigned length_bytes,
                 size_t max)
{
    if (c->mode == CODEC_MEASURE && value->size > max) {
        codec_fail(c, ASSENT_LIMIT, field, "too long");
        return;
    }
    size_t size = (size_t)codec_uint(c, field, value->size, length_bytes);
    if (c->mode == CODEC_MEASURE) {
        c->size += size;
    } else if (c->mode == CODEC_WRITE) {
        if (size > 0)
            memcpy(c->to, value->data, size);
        c->to += size;
    } else if (size > max) {
        codec_fail(c, ASSENT_LIMIT, field, "too long");
    } else {
        const uint8_t *from = codec_take(c, field, size);
        *value = slice_of(from, from ? size : 0);
    }
}

void codec_name(struct codec *c, const char *field, struct slice *value)
{
    codec_bytes(c, field, value, 1, LIMIT_NAME_BYTES);
    if (c->mode != CODEC_WRITE)
        codec_check(c, gtid_valid(*value), field, "not a name of 1..64 bytes of [A-Za-z0-9._:-]");
}

static bool address_valid(struct slice address)
{
    const char *text = address.data;
    for (size_t i = 0; i < address.size; i++) {
        if (text[i] < ' ' || text[i] > '~')
            return false;
    }
    return address.size <= LIMIT_ADDRESS_BYTES;
}

void codec_address(struct codec *c, const char *field, struct slice *value)
{
    codec_bytes(c, field, value, 1, LIMIT_ADDRESS_BYTES);
    if (c->mode != CODEC_WRITE)
        codec_check(c, address_valid(*value), field, "not of printable ASCII");
}

void codec_gtid_or_none(struct codec *c, const char *field, struct gtid *value)
{
    struct slice text = gtid_slice(value);
    codec_bytes(c, field, &text, 1, LIMIT_GTID_BYTES);
    if (c->mode == CODEC_WRITE || text.size == 0)
        return;
    if (c->mode == CODEC_MEASURE)
        codec_check(c, gtid_valid(text), field, "not a gtid");
    else
        codec_check(c, gtid_from(text, value), field, "not a gtid");
}

void codec_gtid(struct codec *c, const char *field, struct gtid *value)
{
    codec_gtid_or_none(c, field, value);
    codec_check(c, value->size > 0, field, "empty");
}

void codec_plan(struct codec *c, uint8_t kind, struct branch_plan *plan)
{
    if (kind == BRANCH_CONSUMER || kind == BRANCH_TOPIC)
        codec_u32(c, "delay_ms", &plan->delay_ms);
    if (kind != BRANCH_STEP)
        return;
    codec_u64(c, "after", &plan->after);
    codec_flags(c, "plan_flags", &plan->flags, STEP_PIVOT | STEP_KEPT);
    codec_u16(c, "attempts", &plan->attempts);
    codec_u32(c, "step_timeout_ms", &plan->timeout_ms);
    codec_u32(c, "backoff_ms", &plan->backoff_ms);
    codec_u32(c, "backoff_max_ms", &plan->backoff_max_ms);
}

void codec_members(struct codec *c, unsigned branch, struct slice *members)
{
    codec_bytes(c, "members", members, 2, MEMBERS_BYTES_MAX);
    if (c->mode == CODEC_WRITE || c->code != ASSENT_OK || members->size == 0)
        return;
    struct slice left = *members;
    struct member member;
    unsigned count = 0;
    for (; member_next(&left, &member); count++) {
        codec_check(c, gtid_valid(member.resource), "members",
                    "not a name of 1..64 bytes of [A-Za-z0-9._:-]");
        codec_check(c, address_valid(member.address), "members",
                    "an address that is too long, or not of printable ASCII");
    }
    codec_check(c, left.size == 0, "members", "cut short");
    codec_check(c, count >= 2 && count > branch && count <= LIMIT_BRANCHES, "members",
                "too few, or too many");
}
