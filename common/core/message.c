// SPDX-License-Identifier: Apache-2.0
#include "core/message.h"

uint64_t msg_request(const struct msg *msg)
{
    if (msg->type == MSG_SUBMIT)
        return msg->u.submit.request;
    if (msg->type == MSG_ENLIST)
        return msg->u.enlist.request;
    return msg->type == MSG_CANCEL || msg->type == MSG_STATUS ? msg->u.gtid.request : 0;
}

const char *msg_name(enum msg_type type)
{
    switch (type) {
    case MSG_HELLO: return "HELLO";
    case MSG_WELCOME: return "WELCOME";
    case MSG_REFUSED: return "REFUSED";
    case MSG_PING: return "PING";
    case MSG_PONG: return "PONG";
    case MSG_LEASE: return "LEASE";
    case MSG_ENLIST: return "ENLIST";
    case MSG_ENLISTED: return "ENLISTED";
    case MSG_SUBMIT: return "SUBMIT";
    case MSG_CANCEL: return "CANCEL";
    case MSG_STATUS: return "STATUS";
    case MSG_RESULT: return "RESULT";
    case MSG_PREPARE: return "PREPARE";
    case MSG_VOTE: return "VOTE";
    case MSG_COMMIT: return "COMMIT";
    case MSG_ROLLBACK: return "ROLLBACK";
    case MSG_DONE: return "DONE";
    case MSG_INQUIRE: return "INQUIRE";
    case MSG_STANDING: return "STANDING";
    case MSG_EXTEND: return "EXTEND";
    case MSG_EXTENDED: return "EXTENDED";
    case MSG_ADMIN: return "ADMIN";
    case MSG_ADMIN_REPLY: return "ADMIN_REPLY";
    case MSG_ASK: return "ASK";
    case MSG_STATE: return "STATE";
    case MSG_TRY: return "TRY";
    case MSG_DECIDE: return "DECIDE";
    }
    return "?";
}

const char *vote_name(enum vote vote)
{
    switch (vote) {
    case VOTE_NONE: return "none";
    case VOTE_YES: return "yes";
    case VOTE_NO: return "no";
    case VOTE_READ_ONLY: return "read-only";
    case VOTE_RETRY: return "retry";
    }
    return "?";
}

const char *outcome_name(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_NONE: return "in progress";
    case OUTCOME_COMMITTED: return "committed";
    case OUTCOME_ABORTED: return "aborted";
    case OUTCOME_UNKNOWN: return "unknown";
    }
    return "?";
}

const char *reason_text(enum abort_reason reason)
{
    switch (reason) {
    case REASON_NONE: return "none";
    case REASON_VOTED_NO: return "a branch voted no";
    case REASON_TIMEOUT: return "the transaction's time was up";
    case REASON_NO_VOTE: return "a branch did not vote in time";
    case REASON_CANCELLED: return "the application rolled back";
    case REASON_OPERATOR: return "an operator aborted it";
    case REASON_PRESUMED: return "the coordinator restarted before it was decided";
    case REASON_SHUTDOWN: return "the coordinator was shutting down";
    case REASON_MANAGER: return "its resource manager rolled it back";
    }
    return "?";
}

const char *protocol_name(enum protocol protocol)
{
    switch (protocol) {
    case PROTOCOL_2PC: return "2pc";
    case PROTOCOL_3PC: return "3pc";
    case PROTOCOL_TCC: return "tcc";
    case PROTOCOL_SAGA: return "saga";
    case PROTOCOL_MESSAGE: return "message";
    }
    return "?";
}

const char *branch_kind_name(enum branch_kind kind)
{
    switch (kind) {
    case BRANCH_CALL: return "call";
    case BRANCH_ENLISTED: return "enlisted";
    case BRANCH_STEP: return "step";
    case BRANCH_SENDER: return "sender";
    case BRANCH_CONSUMER: return "consumer";
    case BRANCH_TOPIC: return "topic";
    case BRANCH_READ_ONLY: return "read-only";
    }
    return "?";
}

enum outcome heuristic_outcome(unsigned heuristic, enum outcome asked)
{
    switch (heuristic & HEURISTIC_MANAGER) {
    case HEURISTIC_COMMIT: return OUTCOME_COMMITTED;
    case HEURISTIC_ROLLBACK: return OUTCOME_ABORTED;
    case HEURISTIC_MIXED:
    case HEURISTIC_HAZARD: return OUTCOME_UNKNOWN;
    }
    return asked;
}

const char *heuristic_name(unsigned heuristic)
{
    switch (heuristic & HEURISTIC_MANAGER) {
    case HEURISTIC_COMMIT: return "committed";
    case HEURISTIC_ROLLBACK: return "rolled back";
    case HEURISTIC_MIXED: return "mixed";
    case HEURISTIC_HAZARD: return "hazard";
    }
    return NULL;
}

bool protocol_admitted(unsigned protocol)
{
    return protocol == PROTOCOL_3PC || protocol_business(protocol);
}

bool protocol_business(unsigned protocol)
{
    return protocol == PROTOCOL_TCC || protocol == PROTOCOL_SAGA || protocol == PROTOCOL_MESSAGE;
}

bool protocol_has_kind(unsigned protocol, unsigned kind)
{
    switch ((enum branch_kind)kind) {
    case BRANCH_CALL:
    case BRANCH_ENLISTED:
        return protocol == PROTOCOL_2PC || protocol == PROTOCOL_3PC || protocol == PROTOCOL_TCC;
    case BRANCH_READ_ONLY: return protocol == PROTOCOL_2PC || protocol == PROTOCOL_3PC;
    case BRANCH_STEP: return protocol == PROTOCOL_SAGA;
    case BRANCH_SENDER:
    case BRANCH_CONSUMER:
    case BRANCH_TOPIC: return protocol == PROTOCOL_MESSAGE;
    }
    return false;
}

bool step_input_next(struct slice *inputs, struct step_input *ret)
{
    const uint8_t *at = inputs->data;
    if (inputs->size < STEP_INPUT_HEAD_BYTES)
        return false;
    size_t size = at[2] | (size_t)at[3] << 8;
    if (inputs->size - STEP_INPUT_HEAD_BYTES < size)
        return false;
    ret->branch = (uint16_t)(at[0] | at[1] << 8);
    ret->result = slice_of(at + STEP_INPUT_HEAD_BYTES, size);
    *inputs =
        slice_of(at + STEP_INPUT_HEAD_BYTES + size, inputs->size - STEP_INPUT_HEAD_BYTES - size);
    return true;
}

uint8_t *step_input_put(uint8_t *to, unsigned branch, struct slice result)
{
    to[0] = (uint8_t)branch;
    to[1] = (uint8_t)(branch >> 8);
    to[2] = (uint8_t)result.size;
    to[3] = (uint8_t)(result.size >> 8);
    if (result.size)
        memcpy(to + STEP_INPUT_HEAD_BYTES, result.data, result.size);
    return to + STEP_INPUT_HEAD_BYTES + result.size;
}

static bool text_next(struct slice *from, struct slice *ret)
{
    const uint8_t *at = from->data;
    if (from->size < 1 || from->size - 1 < at[0])
        return false;
    *ret = slice_of(at + 1, at[0]);
    *from = slice_of(at + 1 + at[0], from->size - 1 - at[0]);
    return true;
}

bool member_next(struct slice *members, struct member *ret)
{
    const uint8_t *at = members->data;
    if (members->size < MEMBER_HEAD_BYTES)
        return false;
    struct slice left = slice_of(at + 8, members->size - 8);
    if (!text_next(&left, &ret->resource) || !text_next(&left, &ret->address))
        return false;
    ret->journal = 0;
    for (int i = 7; i >= 0; i--)
        ret->journal = ret->journal << 8 | at[i];
    *members = left;
    return true;
}

static uint8_t *text_put(uint8_t *to, struct slice text)
{
    *to++ = (uint8_t)text.size;
    if (text.size)
        memcpy(to, text.data, text.size);
    return to + text.size;
}

uint8_t *member_put(uint8_t *to, const struct member *member)
{
    for (int i = 0; i < 8; i++)
        *to++ = (uint8_t)(member->journal >> i * 8);
    return text_put(text_put(to, member->resource), member->address);
}

size_t member_size(const struct member *member)
{
    return MEMBER_HEAD_BYTES + member->resource.size + member->address.size;
}
