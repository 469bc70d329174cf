// SPDX-License-Identifier: Apache-2.0
#include "wire/messages.h"

#include "assent/error.h"
#include "core/quorum.h"

#define BIT(value) (1u << (value))

enum {
    ROLES = BIT(ROLE_CLIENT) | BIT(ROLE_PARTICIPANT) | BIT(ROLE_OPERATOR),
    BUSINESS = BIT(PROTOCOL_TCC) | BIT(PROTOCOL_SAGA) | BIT(PROTOCOL_MESSAGE),
    PROTOCOLS = BIT(PROTOCOL_2PC) | BIT(PROTOCOL_3PC) | BUSINESS,
    // which have ENLISTED branches
    PROTOCOLS_ENLISTED = BIT(PROTOCOL_2PC) | BIT(PROTOCOL_3PC) | BIT(PROTOCOL_TCC),
    KINDS_SENT = BIT(BRANCH_CALL) | BIT(BRANCH_ENLISTED) | BIT(BRANCH_STEP) | BIT(BRANCH_SENDER) |
                 BIT(BRANCH_CONSUMER),
    KINDS = KINDS_SENT | BIT(BRANCH_TOPIC) | BIT(BRANCH_READ_ONLY),
    VOTES = BIT(VOTE_YES) | BIT(VOTE_NO) | BIT(VOTE_READ_ONLY) | BIT(VOTE_RETRY),
    INPUTS_BYTES = LIMIT_BRANCHES * (LIMIT_RESULT_BYTES + 4),
    OUTCOMES =
        BIT(OUTCOME_NONE) | BIT(OUTCOME_COMMITTED) | BIT(OUTCOME_ABORTED) | BIT(OUTCOME_UNKNOWN),
    REASONS = BIT(REASON_MANAGER + 1) - 1,
    HEURISTICS = BIT(HEURISTIC_LAST + 1) - 1 - BIT(0),
    // What a member tells of itself; of outcomes it tells with DECIDE.
    QUORUM_STATES_TOLD = BIT(QUORUM_IDLE) | BIT(QUORUM_WAITING) | BIT(QUORUM_PRE_COMMITTED) |
                         BIT(QUORUM_PRE_ABORTED),
    REQUESTS = BIT(MSG_SUBMIT) | BIT(MSG_CANCEL) | BIT(MSG_STATUS),
};
#define BIT64(value) (UINT64_C(1) << (value))
static const uint64_t messages = (BIT64(MSG_LEASE + 1) - BIT64(MSG_HELLO)) |
                                 (BIT64(MSG_RESULT + 1) - BIT64(MSG_ENLIST)) |
                                 (BIT64(MSG_EXTENDED + 1) - BIT64(MSG_PREPARE)) | BIT64(MSG_ADMIN) |
                                 BIT64(MSG_ADMIN_REPLY) | (BIT64(MSG_DECIDE + 1) - BIT64(MSG_ASK));

static void code_walk(struct codec *c, uint16_t *code)
{
    codec_u16(c, "code", code);
    codec_check(c, *code <= ASSENT_INTERNAL, "code", "not an error code");
}

static void kind_walk(struct codec *c, uint8_t protocol, uint8_t *kind, uint32_t allowed)
{
    codec_enum(c, "kind", kind, allowed);
    codec_check(c, protocol_has_kind(protocol, *kind), "kind", "none of that protocol");
}

// An enlisted branch got its work from the application; only for tcc something comes along.
static void payload_walk(struct codec *c, uint8_t protocol, uint8_t kind, struct slice *payload)
{
    codec_bytes(c, "payload", payload, 4, LIMIT_PAYLOAD_BYTES);
    bool enlisted = kind == BRANCH_ENLISTED || kind == BRANCH_READ_ONLY;
    codec_check(c, !enlisted || protocol == PROTOCOL_TCC || payload->size == 0, "payload",
                "not empty in an enlisted branch");
}

static void hello_walk(struct codec *c, struct msg_hello *m)
{
    codec_enum(c, "role", &m->role, ROLES);
    codec_u8(c, "version_min", &m->version_min);
    codec_u8(c, "version_max", &m->version_max);
    codec_check(c, m->version_min > 0 && m->version_min <= m->version_max, "version_max",
                "no range of versions");
    codec_u64(c, "peer_incarnation", &m->peer_incarnation);
    codec_u64(c, "journal", &m->journal);
    codec_name(c, "name", &m->name);
    if (m->role == ROLE_PARTICIPANT)
        codec_address(c, "address", &m->address);
}

static void welcome_walk(struct codec *c, struct msg_welcome *m)
{
    codec_u64(c, "peer_incarnation", &m->peer_incarnation);
    codec_u64(c, "lease_first", &m->lease_first);
    codec_u32(c, "lease_count", &m->lease_count);
    codec_check(c, m->lease_count <= LIMIT_LEASE_GTIDS, "lease_count", "past its limit");
    codec_u64(c, "lease_ms", &m->lease_ms);
    codec_u32(c, "payload_bytes_max", &m->payload_bytes_max);
    codec_check(c, m->payload_bytes_max <= LIMIT_PAYLOAD_BYTES, "payload_bytes_max",
                "past its limit");
    codec_u16(c, "branches_max", &m->branches_max);
    codec_check(c, m->branches_max <= LIMIT_BRANCHES, "branches_max", "past its limit");
}

static void refused_walk(struct codec *c, struct msg_refused *m)
{
    codec_u64(c, "request", &m->request);
    codec_u8(c, "about", &m->about);
    codec_check(c, m->about < 64 && (messages >> m->about & 1), "about", "not one of its values");
    code_walk(c, &m->code);
    codec_check(c, m->code != ASSENT_OK, "code", "a refusal without an error");
    codec_gtid_or_none(c, "gtid", &m->gtid);
    codec_bytes(c, "text", &m->text, 2, LIMIT_REASON_BYTES);
}

static void enlist_walk(struct codec *c, struct msg_enlist *m)
{
    codec_u64(c, "request", &m->request);
    codec_gtid(c, "gtid", &m->gtid);
    codec_enum(c, "protocol", &m->protocol, PROTOCOLS_ENLISTED);
    codec_u32(c, "timeout_ms", &m->timeout_ms);
    codec_branch(c, "branch", &m->branch);
    codec_name(c, "resource", &m->resource);
    if (m->protocol == PROTOCOL_TCC)
        codec_bytes(c, "payload", &m->payload, 4, LIMIT_PAYLOAD_BYTES);
}

static void enlisted_walk(struct codec *c, struct msg_enlisted *m)
{
    codec_u64(c, "request", &m->request);
    codec_gtid(c, "gtid", &m->gtid);
    codec_branch(c, "branch", &m->branch);
}

static void submit_branch_walk(struct codec *c, uint8_t protocol, unsigned number,
                               struct msg_branch *m)
{
    codec_u16(c, "branch", &m->branch);
    codec_check(c, m->branch == number, "branch", "branches are not numbered 0, 1, 2, ...");
    kind_walk(c, protocol, &m->kind, KINDS);
    codec_name(c, "resource", &m->resource);
    payload_walk(c, protocol, m->kind, &m->payload);
    codec_plan(c, m->kind, &m->plan);
}

static void submit_walk(struct codec *c, struct msg_submit *m, struct msg_branch *branches)
{
    codec_u64(c, "request", &m->request);
    codec_gtid(c, "gtid", &m->gtid);
    codec_enum(c, "protocol", &m->protocol, PROTOCOLS);
    codec_flags(c, "flags", &m->flags,
                m->protocol == PROTOCOL_MESSAGE  ? SUBMIT_WAIT_DONE | SUBMIT_ACCEPT | SUBMIT_HOLD
                : protocol_business(m->protocol) ? SUBMIT_WAIT_DONE | SUBMIT_ACCEPT
                                                 : SUBMIT_WAIT_DONE);
    codec_u32(c, "timeout_ms", &m->timeout_ms);
    codec_u16(c, "branch_count", &m->branch_count);
    if (m->branch_count > LIMIT_BRANCHES)
        codec_fail(c, ASSENT_LIMIT, "branch_count", "past its limit");
    for (unsigned i = 0; i < m->branch_count && c->code == ASSENT_OK; i++) {
        struct msg_branch branch = {0};
        if (c->mode != CODEC_READ)
            branch = m->branches[i];
        submit_branch_walk(c, m->protocol, i, &branch);
        if (c->mode == CODEC_READ)
            branches[i] = branch;
    }
    if (c->mode == CODEC_READ)
        m->branches = branches;
}

static void gtid_walk(struct codec *c, struct msg_gtid *m)
{
    codec_u64(c, "request", &m->request);
    codec_gtid(c, "gtid", &m->gtid);
}

static void result_walk(struct codec *c, struct msg_result *m)
{
    codec_u64(c, "request", &m->request);
    codec_gtid(c, "gtid", &m->gtid);
    codec_enum(c, "about", &m->about, REQUESTS);
    codec_enum(c, "outcome", &m->outcome, OUTCOMES);
    codec_enum(c, "reason", &m->reason, REASONS);
    codec_flags(c, "mixed", &m->mixed, MIXED_BY_OPERATOR | MIXED_BY_MANAGER);
    codec_bool(c, "finished", &m->finished);
    codec_branch_or_none(c, "branch", &m->branch);
    codec_bytes(c, "text", &m->text, 2, LIMIT_REASON_BYTES);
}

// In the order of their branches, each once: there is one way to say what the inputs are.
static void inputs_walk(struct codec *c, struct slice *inputs)
{
    codec_bytes(c, "inputs", inputs, 4, INPUTS_BYTES);
    struct slice left = *inputs;
    struct step_input input;
    unsigned least = 0;
    while (step_input_next(&left, &input)) {
        codec_check(c, input.branch < LIMIT_BRANCHES && input.result.size <= LIMIT_RESULT_BYTES,
                    "inputs", "past a limit");
        codec_check(c, input.branch >= least, "inputs", "not in the order of their branches");
        least = input.branch + 1u;
    }
    codec_check(c, left.size == 0, "inputs", "cut short");
}

static void prepare_walk(struct codec *c, struct msg_prepare *m)
{
    codec_gtid(c, "gtid", &m->gtid);
    codec_u64(c, "attempt", &m->attempt);
    codec_branch(c, "branch", &m->branch);
    codec_enum(c, "protocol", &m->protocol, PROTOCOLS);
    kind_walk(c, m->protocol, &m->kind, KINDS_SENT);
    codec_flags(c, "flags", &m->flags,
                m->protocol != PROTOCOL_3PC  ? PREPARE_ONE_PHASE
                : m->kind == BRANCH_ENLISTED ? PREPARE_READ_ONLY
                                             : 0);
    codec_u32(c, "timeout_ms", &m->timeout_ms);
    payload_walk(c, m->protocol, m->kind, &m->payload);
    if (m->kind == BRANCH_STEP)
        inputs_walk(c, &m->inputs);
    if (m->protocol == PROTOCOL_3PC) {
        codec_members(c, m->branch, &m->members);
        codec_check(c, m->members.size > 0, "members", "none");
    }
}

static void vote_walk(struct codec *c, struct msg_vote *m)
{
    codec_gtid(c, "gtid", &m->gtid);
    codec_u64(c, "attempt", &m->attempt);
    codec_branch(c, "branch", &m->branch);
    codec_enum(c, "vote", &m->vote, VOTES);
    codec_bytes(c, "text", &m->text, 2,
                m->vote == VOTE_YES ? LIMIT_RESULT_BYTES : LIMIT_REASON_BYTES);
}

static void decide_walk(struct codec *c, struct msg_decide *m, uint8_t flags)
{
    codec_gtid(c, "gtid", &m->gtid);
    codec_u64(c, "attempt", &m->attempt);
    codec_branch(c, "branch", &m->branch);
    codec_flags(c, "flags", &m->flags, flags | DECIDE_CONTENT);
    if (!(m->flags & DECIDE_CONTENT))
        return;
    codec_enum(c, "protocol", &m->protocol, BUSINESS);
    kind_walk(c, m->protocol, &m->kind, KINDS_SENT);
    payload_walk(c, m->protocol, m->kind, &m->payload);
    if (m->kind == BRANCH_STEP)
        codec_bytes(c, "result", &m->result, 2, LIMIT_RESULT_BYTES);
}

static void done_walk(struct codec *c, struct msg_done *m)
{
    codec_gtid(c, "gtid", &m->gtid);
    codec_u64(c, "attempt", &m->attempt);
    codec_branch(c, "branch", &m->branch);
    codec_enum(c, "outcome", &m->outcome, BIT(OUTCOME_COMMITTED) | BIT(OUTCOME_ABORTED));
    codec_flags(c, "flags", &m->flags, DONE_HEURISTIC | DONE_FORGOTTEN | DONE_RESULT);
    if (m->flags & DONE_HEURISTIC)
        codec_enum(c, "heuristic", &m->heuristic, HEURISTICS);
    if (m->flags & DONE_RESULT)
        codec_bytes(c, "result", &m->result, 2, LIMIT_RESULT_BYTES);
}

static void inquire_walk(struct codec *c, struct msg_inquire *m)
{
    codec_gtid(c, "gtid", &m->gtid);
    codec_u64(c, "attempt", &m->attempt);
    codec_coordinator(c, "coordinator", &m->coordinator);
    codec_branch(c, "branch", &m->branch);
    codec_enum(c, "prepared", &m->prepared,
               BIT(INQUIRE_WORKING) | BIT(INQUIRE_PREPARED) | BIT(INQUIRE_FINISHED));
}

static void standing_walk(struct codec *c, struct msg_standing *m)
{
    codec_gtid(c, "gtid", &m->gtid);
    codec_u64(c, "attempt", &m->attempt);
    codec_branch(c, "branch", &m->branch);
    codec_enum(c, "outcome", &m->outcome, OUTCOMES);
    codec_flags(c, "flags", &m->flags, STANDING_NOTED | STANDING_RELEASED);
}

static void extend_walk(struct codec *c, struct msg_extend *m)
{
    codec_gtid(c, "gtid", &m->gtid);
    codec_u64(c, "attempt", &m->attempt);
    codec_branch(c, "branch", &m->branch);
    codec_branch(c, "index", &m->index);
    kind_walk(c, PROTOCOL_TCC, &m->kind, KINDS_SENT);
    codec_name(c, "resource", &m->resource);
    codec_bytes(c, "payload", &m->payload, 4, LIMIT_PAYLOAD_BYTES);
}

static void extended_walk(struct codec *c, struct msg_extended *m)
{
    codec_gtid(c, "gtid", &m->gtid);
    codec_u64(c, "attempt", &m->attempt);
    codec_branch(c, "branch", &m->branch);
    codec_branch(c, "index", &m->index);
    codec_branch_or_none(c, "number", &m->number);
    code_walk(c, &m->code);
    codec_check(c, (m->code == ASSENT_OK) == (m->number != BRANCH_NONE), "code",
                "does not go with the number");
    codec_bytes(c, "text", &m->text, 2, LIMIT_REASON_BYTES);
}

static void number_walk(struct codec *c, const char *field, uint64_t *number)
{
    codec_u64(c, field, number);
    codec_check(c, *number >> 32 <= QUORUM_ROUND_MAX, field, "past the limit of rounds");
}

static void quorum_walk(struct codec *c, enum msg_type type, struct msg_quorum *m)
{
    codec_gtid(c, "gtid", &m->gtid);
    codec_u64(c, "attempt", &m->attempt);
    codec_coordinator(c, "coordinator", &m->coordinator);
    codec_branch_or_none(c, "from", &m->from);
    codec_branch_or_none(c, "to", &m->to);
    codec_check(c, m->from != m->to, "to", "where it comes from");
    if (m->from != BRANCH_NONE && m->to != BRANCH_NONE) {
        codec_name(c, "resource", &m->resource);
        codec_address(c, "address", &m->address);
    }
    if (type != MSG_DECIDE)
        number_walk(c, "number", &m->number);
    if (type == MSG_ASK)
        codec_u64(c, "journal", &m->journal);
    if (type == MSG_STATE) {
        number_walk(c, "last", &m->last);
        codec_enum(c, "state", &m->state, QUORUM_STATES_TOLD);
    } else if (type != MSG_ASK) {
        codec_enum(c, "outcome", &m->outcome, BIT(OUTCOME_COMMITTED) | BIT(OUTCOME_ABORTED));
    }
}

static void admin_walk(struct codec *c, struct msg_admin *m)
{
    codec_u64(c, "id", &m->id);
    codec_name(c, "verb", &m->verb);
    codec_bytes(c, "json", &m->json, 4, LIMIT_ADMIN_BYTES);
}

static void admin_reply_walk(struct codec *c, struct msg_admin *m)
{
    codec_u64(c, "id", &m->id);
    code_walk(c, &m->code);
    codec_bytes(c, "json", &m->json, 4, LIMIT_ADMIN_BYTES);
}

bool messages_walk(struct codec *c, struct msg *msg, struct msg_branch *branches)
{
    switch (msg->type) {
    case MSG_HELLO: hello_walk(c, &msg->u.hello); return true;
    case MSG_WELCOME: welcome_walk(c, &msg->u.welcome); return true;
    case MSG_REFUSED: refused_walk(c, &msg->u.refused); return true;
    case MSG_PING:
    case MSG_PONG: codec_u64(c, "stamp", &msg->u.ping.stamp); return true;
    case MSG_LEASE: return true;
    case MSG_ENLIST: enlist_walk(c, &msg->u.enlist); return true;
    case MSG_ENLISTED: enlisted_walk(c, &msg->u.enlisted); return true;
    case MSG_SUBMIT: submit_walk(c, &msg->u.submit, branches); return true;
    case MSG_CANCEL:
    case MSG_STATUS: gtid_walk(c, &msg->u.gtid); return true;
    case MSG_RESULT: result_walk(c, &msg->u.result); return true;
    case MSG_PREPARE: prepare_walk(c, &msg->u.prepare); return true;
    case MSG_VOTE: vote_walk(c, &msg->u.vote); return true;
    case MSG_COMMIT: decide_walk(c, &msg->u.decide, DECIDE_HEURISTIC); return true;
    case MSG_ROLLBACK:
        decide_walk(c, &msg->u.decide, DECIDE_HEURISTIC | DECIDE_RESOLVE);
        return true;
    case MSG_DONE: done_walk(c, &msg->u.done); return true;
    case MSG_INQUIRE: inquire_walk(c, &msg->u.inquire); return true;
    case MSG_STANDING: standing_walk(c, &msg->u.standing); return true;
    case MSG_EXTEND: extend_walk(c, &msg->u.extend); return true;
    case MSG_EXTENDED: extended_walk(c, &msg->u.extended); return true;
    case MSG_ADMIN: admin_walk(c, &msg->u.admin); return true;
    case MSG_ADMIN_REPLY: admin_reply_walk(c, &msg->u.admin); return true;
    case MSG_ASK:
    case MSG_STATE:
    case MSG_TRY:
    case MSG_DECIDE: quorum_walk(c, msg->type, &msg->u.quorum); return true;
    }
    return false;
}
