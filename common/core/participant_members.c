// SPDX-License-Identifier: Apache-2.0
// The branches of its transaction, as a branch of two-phase or three-phase commit is told of them,
// and speaking to them.
#include <stdlib.h>

#include "core/participant_internal.h"

bool part_keep_members(struct part *b, struct slice members)
{
    uint8_t *copy = members.size > 0 ? malloc(members.size) : NULL;
    if (members.size > 0 && !copy)
        return false;
    if (copy)
        memcpy(copy, members.data, members.size);
    free(b->members);
    b->members = copy;
    b->members_size = members.size;
    return true;
}

struct slice part_members(const struct part *b)
{
    return slice_of(b->members, b->members_size);
}

struct member part_member(const struct part *b, unsigned branch)
{
    struct slice members = part_members(b);
    struct member member;
    for (unsigned i = 0; member_next(&members, &member); i++) {
        if (i == branch)
            return member;
    }
    return (struct member){0};
}

// What a branch says to another one of its transaction, as yet without more than that.
struct msg part_word(const struct part *b, enum msg_type type, unsigned to)
{
    return (struct msg){
        .type = type,
        .u.quorum =
            {
                .gtid = b->gtid,
                .attempt = b->attempt,
                .coordinator = b->coordinator,
                .from = b->branch,
                .to = (uint16_t)to,
            },
    };
}

// At another participant, or in this one: then it is heard at the end of the step. What finds no
// room is lost like on a network.
void part_tell(struct participant *self, const struct member *to, const struct msg *msg)
{
    struct msg said = *msg;
    said.u.quorum.journal = to->journal;
    said.u.quorum.resource = slice_text(self->config.resource);
    said.u.quorum.address = slice_text(self->config.address);
    if (slice_equal(to->resource, said.u.quorum.resource)) {
        if (self->loop_count < PART_LOOP)
            self->loop[self->loop_count++] = said;
        return;
    }
    if (to->address.size == 0)
        return;
    struct effect_tell *tell = &effects_add(self->fx, EFFECT_TELL)->u.tell;
    *tell = (struct effect_tell){
        .resource = effects_keep(self->fx, to->resource),
        .address = effects_keep(self->fx, to->address),
        .msg = said,
    };
}
