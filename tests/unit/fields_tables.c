// SPDX-License-Identifier: Apache-2.0
#include "fields_tables.h"

#define BITS(count) ((UINT64_C(1) << (count)) - 1)
#define F(type, member, kind, limit)                                                               \
    {                                                                                              \
#member, offsetof(type, member), kind, limit, 0, 0                                         \
    }
// There only where the field `by` has one of the values; `name` is what vectors call it.
#define ONLY(type, by, values, name, member, kind, limit)                                          \
    {                                                                                              \
        name, offsetof(type, member), kind, limit, values, offsetof(type, by)                      \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, 0, U8, 0, 0, 0                                                                       \
    }
#define GTID_OF(type)    F(type, gtid, GTID, 0)
#define BRANCH_OF(type)  F(type, branch, U16, 63)
#define ATTEMPT_OF(type) F(type, attempt, U64, UINT64_MAX)
#define REQUEST_OF(type) F(type, request, U64, UINT64_MAX)
#define STEP_OF(type, name, member, kind_, limit)                                                  \
    ONLY(type, kind, 1 << BRANCH_STEP, name, member, kind_, limit)
#define PLAN_OF(type, delayed)                                                                     \
    ONLY(type, kind, delayed, "delay_ms", plan.delay_ms, U32, UINT32_MAX),                         \
        STEP_OF(type, "after", plan.after, U64, UINT64_MAX),                                       \
        STEP_OF(type, "plan_flags", plan.flags, U8, BITS(4)),                                      \
        STEP_OF(type, "attempts", plan.attempts, U16, UINT16_MAX),                                 \
        STEP_OF(type, "step_timeout_ms", plan.timeout_ms, U32, UINT32_MAX),                        \
        STEP_OF(type, "backoff_ms", plan.backoff_ms, U32, UINT32_MAX),                             \
        STEP_OF(type, "backoff_max_ms", plan.backoff_max_ms, U32, UINT32_MAX)

enum {
    BUSINESS = 1 << PROTOCOL_TCC | 1 << PROTOCOL_SAGA | 1 << PROTOCOL_MESSAGE,
    PROTOCOLS = 1 << PROTOCOL_2PC | 1 << PROTOCOL_3PC | BUSINESS,
    BIT_0 = 0xaa, // the values of a flags field of three bits in which bit 0 is set
    BIT_2 = 0xf0, // likewise bit 2
};

const struct field fields_header[] = {
    F(struct frame_header, from_coordinator, U8, BITS(2)),
    F(struct frame_header, coordinator, U64, BITS(40)),
    F(struct frame_header, incarnation, U64, UINT64_MAX),
    F(struct frame_header, log_seq, U64, UINT64_MAX),
    F(struct frame_header, seal, U64, UINT64_MAX),
    F(struct frame_header, fence, U64, UINT64_MAX),
    END,
};
static const struct field hello_table[] = {
    F(struct msg_hello, role, U8, 2 | 4 | 8),
    F(struct msg_hello, version_min, U8, 2 | 4),
    F(struct msg_hello, version_max, U8, 4 | 8),
    F(struct msg_hello, peer_incarnation, U64, UINT64_MAX),
    F(struct msg_hello, journal, U64, UINT64_MAX),
    F(struct msg_hello, name, NAME, 64),
    ONLY(struct msg_hello, role, 1 << ROLE_PARTICIPANT, "address", address, NAME, 192),
    END,
};
static const struct field welcome_table[] = {
    F(struct msg_welcome, peer_incarnation, U64, UINT64_MAX),
    F(struct msg_welcome, lease_first, U64, UINT64_MAX),
    F(struct msg_welcome, lease_count, U32, 65536),
    F(struct msg_welcome, lease_ms, U64, UINT64_MAX),
    F(struct msg_welcome, payload_bytes_max, U32, 65536),
    F(struct msg_welcome, branches_max, U16, 64),
    END,
};
static const struct field refused_table[] = {
    REQUEST_OF(struct msg_refused),
    F(struct msg_refused, about, U8,
      1 << MSG_HELLO | 1 << MSG_SUBMIT | 1 << MSG_EXTENDED | UINT64_C(1) << MSG_DECIDE),
    F(struct msg_refused, code, U16, 19),
    F(struct msg_refused, gtid, GTID_OR_NONE, 0),
    F(struct msg_refused, text, TEXT, 160),
    END,
};
static const struct field ping_table[] = {F(struct msg_ping, stamp, U64, UINT64_MAX), END};
static const struct field lease_table[] = {END};
static const struct field enlist_table[] = {
    REQUEST_OF(struct msg_enlist),
    GTID_OF(struct msg_enlist),
    F(struct msg_enlist, protocol, U8, 1 << PROTOCOL_2PC | 1 << PROTOCOL_3PC | 1 << PROTOCOL_TCC),
    F(struct msg_enlist, timeout_ms, U32, UINT32_MAX),
    BRANCH_OF(struct msg_enlist),
    F(struct msg_enlist, resource, NAME, 64),
    ONLY(struct msg_enlist, protocol, 1 << PROTOCOL_TCC, "payload", payload, HEX, 65536),
    END,
};
static const struct field enlisted_table[] = {
    REQUEST_OF(struct msg_enlisted),
    GTID_OF(struct msg_enlisted),
    BRANCH_OF(struct msg_enlisted),
    END,
};
static const struct field submit_table[] = {
    REQUEST_OF(struct msg_submit),
    GTID_OF(struct msg_submit),
    F(struct msg_submit, protocol, U8, PROTOCOLS),
    F(struct msg_submit, flags, U8, BITS(8)),
    F(struct msg_submit, timeout_ms, U32, UINT32_MAX),
    END,
};
const struct field fields_submit_branch[] = {
    BRANCH_OF(struct msg_branch),
    F(struct msg_branch, kind, U8, BITS(8) - 1),
    F(struct msg_branch, resource, NAME, 64),
    F(struct msg_branch, payload, HEX, 65536),
    PLAN_OF(struct msg_branch, 1 << BRANCH_CONSUMER | 1 << BRANCH_TOPIC),
    END,
};
static const struct field gtid_table[] = {REQUEST_OF(struct msg_gtid), GTID_OF(struct msg_gtid),
                                          END};
static const struct field result_table[] = {
    REQUEST_OF(struct msg_result),
    GTID_OF(struct msg_result),
    F(struct msg_result, about, U8, 1 << MSG_SUBMIT | 1 << MSG_CANCEL | 1 << MSG_STATUS),
    F(struct msg_result, outcome, U8, BITS(4)),
    F(struct msg_result, reason, U8, BITS(9)),
    F(struct msg_result, mixed, U8, BITS(4)),
    F(struct msg_result, finished, U8, BITS(2)),
    BRANCH_OF(struct msg_result),
    F(struct msg_result, text, TEXT, 160),
    END,
};
static const struct field prepare_table[] = {
    GTID_OF(struct msg_prepare),
    ATTEMPT_OF(struct msg_prepare),
    BRANCH_OF(struct msg_prepare),
    F(struct msg_prepare, protocol, U8, PROTOCOLS),
    F(struct msg_prepare, kind, U8, BITS(6) - 1),
    F(struct msg_prepare, flags, U8, BITS(3)),
    F(struct msg_prepare, timeout_ms, U32, UINT32_MAX),
    F(struct msg_prepare, payload, HEX, 65536),
    STEP_OF(struct msg_prepare, "inputs", inputs, INPUTS, 64),
    ONLY(struct msg_prepare, protocol, 1 << PROTOCOL_3PC, "members", members, MEMBERS, 64),
    END,
};
static const struct field vote_table[] = {
    GTID_OF(struct msg_vote),
    ATTEMPT_OF(struct msg_vote),
    BRANCH_OF(struct msg_vote),
    F(struct msg_vote, vote, U8, 2 | 4 | 8 | 16),
    F(struct msg_vote, text, TEXT, 512),
    END,
};
// The flags of a COMMIT and of a ROLLBACK differ in what they may be.
#define DECIDE_TABLE(allowed)                                                                      \
    GTID_OF(struct msg_decide), ATTEMPT_OF(struct msg_decide), BRANCH_OF(struct msg_decide),       \
        F(struct msg_decide, flags, U8, allowed),                                                  \
        ONLY(struct msg_decide, flags, BIT_2, "protocol", protocol, U8, BUSINESS),                 \
        ONLY(struct msg_decide, flags, BIT_2, "kind", kind, U8, BITS(6) - 1),                      \
        ONLY(struct msg_decide, flags, BIT_2, "payload", payload, HEX, 65536),                     \
        STEP_OF(struct msg_decide, "result", result, HEX, 512), END

static const struct field commit_table[] = {DECIDE_TABLE(BITS(2) | BITS(2) << 4)};
static const struct field rollback_table[] = {DECIDE_TABLE(BITS(8))};
static const struct field done_table[] = {
    GTID_OF(struct msg_done),
    ATTEMPT_OF(struct msg_done),
    BRANCH_OF(struct msg_done),
    F(struct msg_done, outcome, U8, 2 | 4),
    F(struct msg_done, flags, U8, BITS(8)),
    ONLY(struct msg_done, flags, BIT_0, "heuristic", heuristic, U8, BITS(10) - 1),
    ONLY(struct msg_done, flags, BIT_2, "result", result, HEX, 512),
    END,
};
static const struct field inquire_table[] = {
    GTID_OF(struct msg_inquire),
    ATTEMPT_OF(struct msg_inquire),
    F(struct msg_inquire, coordinator, U64, BITS(40)),
    BRANCH_OF(struct msg_inquire),
    F(struct msg_inquire, prepared, U8, BITS(3)),
    END,
};
static const struct field standing_table[] = {
    GTID_OF(struct msg_standing),
    ATTEMPT_OF(struct msg_standing),
    BRANCH_OF(struct msg_standing),
    F(struct msg_standing, outcome, U8, BITS(4)),
    F(struct msg_standing, flags, U8, BITS(4)),
    END,
};
static const struct field extend_table[] = {
    GTID_OF(struct msg_extend),
    ATTEMPT_OF(struct msg_extend),
    BRANCH_OF(struct msg_extend),
    F(struct msg_extend, index, U16, 63),
    F(struct msg_extend, kind, U8, 2 | 4),
    F(struct msg_extend, resource, NAME, 64),
    F(struct msg_extend, payload, HEX, 65536),
    END,
};
static const struct field extended_table[] = {
    GTID_OF(struct msg_extended),
    ATTEMPT_OF(struct msg_extended),
    BRANCH_OF(struct msg_extended),
    F(struct msg_extended, index, U16, 63),
    F(struct msg_extended, number, U16, 63),
    F(struct msg_extended, code, U16, 19),
    F(struct msg_extended, text, TEXT, 160),
    END,
};
#define QUORUM_OF                                                                                  \
    GTID_OF(struct msg_quorum), ATTEMPT_OF(struct msg_quorum),                                     \
        F(struct msg_quorum, coordinator, U64, BITS(40)), F(struct msg_quorum, from, U16, 62),     \
        F(struct msg_quorum, to, U16, 63),                                                         \
        {"resource", offsetof(struct msg_quorum, resource), NAME, 64, 1, MEMBERS_ONLY},            \
    {                                                                                              \
        "address", offsetof(struct msg_quorum, address), NAME, 192, 1, MEMBERS_ONLY                \
    }
#define NUMBER_MAX (UINT64_C(1) << 62 | UINT32_MAX)
static const struct field ask_table[] = {
    QUORUM_OF,
    F(struct msg_quorum, number, U64, NUMBER_MAX),
    F(struct msg_quorum, journal, U64, UINT64_MAX),
    END,
};
static const struct field state_table[] = {
    QUORUM_OF,
    F(struct msg_quorum, number, U64, NUMBER_MAX),
    F(struct msg_quorum, last, U64, NUMBER_MAX),
    F(struct msg_quorum, state, U8, 1 | 4 | 8 | 16),
    END,
};
static const struct field try_table[] = {
    QUORUM_OF,
    F(struct msg_quorum, number, U64, NUMBER_MAX),
    F(struct msg_quorum, outcome, U8, 2 | 4),
    END,
};
static const struct field outcome_table[] = {
    QUORUM_OF,
    F(struct msg_quorum, outcome, U8, 2 | 4),
    END,
};
static const struct field admin_table[] = {
    F(struct msg_admin, id, U64, UINT64_MAX),
    F(struct msg_admin, verb, NAME, 64),
    F(struct msg_admin, json, TEXT, 70000),
    END,
};
static const struct field admin_reply_table[] = {
    F(struct msg_admin, id, U64, UINT64_MAX),
    F(struct msg_admin, code, U16, 19),
    F(struct msg_admin, json, TEXT, 70000),
    END,
};
const struct field fields_tx_record[] = {
    GTID_OF(struct tx_record),
    ATTEMPT_OF(struct tx_record),
    F(struct tx_record, protocol, U8, 1 | PROTOCOLS),
    F(struct tx_record, stage, U8, BITS(5) - 1),
    F(struct tx_record, outcome, U8, BITS(4)),
    F(struct tx_record, reason, U8, BITS(9)),
    F(struct tx_record, mixed, U8, BITS(2)),
    F(struct tx_record, reason_branch, U16, 63),
    F(struct tx_record, digest, DIGEST, 0),
    F(struct tx_record, started_ms, U64, UINT64_MAX),
    F(struct tx_record, decided_ms, U64, UINT64_MAX),
    F(struct tx_record, ended_ms, U64, UINT64_MAX),
    F(struct tx_record, owner, TEXT, 64),
    F(struct tx_record, reason_text, TEXT, 160),
    {"heuristic_forced", offsetof(struct tx_record, heuristic.forced), U8, BITS(3), 0, 0},
    {"heuristic_when_ms", offsetof(struct tx_record, heuristic.when_ms), U64, UINT64_MAX, 0, 0},
    {"heuristic_who", offsetof(struct tx_record, heuristic.who), TEXT, 128, 0, 0},
    {"heuristic_why", offsetof(struct tx_record, heuristic.why), TEXT, 256, 0, 0},
    ONLY(struct tx_record, protocol, BUSINESS, "submitted", submitted, U8, BITS(2)),
    ONLY(struct tx_record, protocol, BUSINESS, "timeout_ms", timeout_ms, U32, UINT32_MAX),
    END,
};
const struct field fields_tx_branch[] = {
    BRANCH_OF(struct record_branch),
    F(struct record_branch, kind, U8, BITS(6)),
    F(struct record_branch, vote, U8, BITS(4)),
    F(struct record_branch, outcome, U8, BITS(4)),
    F(struct record_branch, heuristic, U8, BITS(10)),
    F(struct record_branch, journal, U64, UINT64_MAX),
    F(struct record_branch, resource, NAME, 64),
    {"asked", offsetof(struct record_branch, asked), U8, BITS(4), BUSINESS, AROUND},
    ONLY(struct record_branch, asked, 1 << 2 | 1 << 3, "parent", parent, U16, 63),
    ONLY(struct record_branch, asked, 1 << 2 | 1 << 3, "index", index, U16, 63),
    PLAN_OF(struct record_branch, 1 << BRANCH_CONSUMER),
    {"payload", offsetof(struct record_branch, payload), HEX, 65536, BUSINESS, AROUND},
    STEP_OF(struct record_branch, "result", result, HEX, 512),
    END,
};
#define THREE_OF(name, member, kind, limit)                                                        \
    ONLY(struct branch_record, protocol, 1 << PROTOCOL_3PC, name, member, kind, limit)
const struct field fields_branch_record[] = {
    GTID_OF(struct branch_record),
    ATTEMPT_OF(struct branch_record),
    F(struct branch_record, coordinator, U64, BITS(40)),
    BRANCH_OF(struct branch_record),
    F(struct branch_record, protocol, U8, 1 | PROTOCOLS),
    F(struct branch_record, kind, U8, BITS(6)),
    F(struct branch_record, stage, U8, 2 | 4 | 8),
    F(struct branch_record, outcome, U8, BITS(3)),
    F(struct branch_record, heuristic, U8, BITS(10)),
    F(struct branch_record, log_seq, U64, UINT64_MAX),
    F(struct branch_record, seal, U64, UINT64_MAX),
    F(struct branch_record, prepared_ms, U64, UINT64_MAX),
    F(struct branch_record, payload, HEX, 65536),
    STEP_OF(struct branch_record, "result", result, HEX, 512),
    THREE_OF("quorum_state", quorum_state, U8, 4 | 8 | 16 | 64 | 128),
    THREE_OF("quorum_horizon", quorum_horizon, U32, 1u << 30),
    THREE_OF("quorum_attempt", quorum_attempt, U64, NUMBER_MAX),
    THREE_OF("members", members, MEMBERS, 64),
    END,
};

static const struct field *const message_tables[FIELDS_TYPES] = {
    [MSG_HELLO] = hello_table,
    [MSG_WELCOME] = welcome_table,
    [MSG_REFUSED] = refused_table,
    [MSG_PING] = ping_table,
    [MSG_PONG] = ping_table,
    [MSG_LEASE] = lease_table,
    [MSG_ENLIST] = enlist_table,
    [MSG_ENLISTED] = enlisted_table,
    [MSG_SUBMIT] = submit_table,
    [MSG_CANCEL] = gtid_table,
    [MSG_STATUS] = gtid_table,
    [MSG_RESULT] = result_table,
    [MSG_PREPARE] = prepare_table,
    [MSG_VOTE] = vote_table,
    [MSG_COMMIT] = commit_table,
    [MSG_ROLLBACK] = rollback_table,
    [MSG_DONE] = done_table,
    [MSG_INQUIRE] = inquire_table,
    [MSG_STANDING] = standing_table,
    [MSG_EXTEND] = extend_table,
    [MSG_EXTENDED] = extended_table,
    [MSG_ADMIN] = admin_table,
    [MSG_ADMIN_REPLY] = admin_reply_table,
    [MSG_ASK] = ask_table,
    [MSG_STATE] = state_table,
    [MSG_TRY] = try_table,
    [MSG_DECIDE] = outcome_table,
};

const struct field *fields_of(unsigned type)
{
    return type < FIELDS_TYPES ? message_tables[type] : NULL;
}

bool field_present(const struct field *field, const void *whole, unsigned protocol)
{
    if (field->values == 0)
        return true;
    if (field->where == MEMBERS_ONLY) {
        const struct msg_quorum *quorum = whole;
        return quorum->from != BRANCH_NONE && quorum->to != BRANCH_NONE;
    }
    uint64_t value = field->where == AROUND ? protocol : ((const uint8_t *)whole)[field->where];
    return value < 64 && (field->values >> value & 1);
}
