// SPDX-License-Identifier: Apache-2.0
#include "wire/record_codec.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mutant.h"
#include "core/quorum.h"
#include "wire/codec.h"

#define BIT(value) (1u << (value))

enum { RECORD_VERSION = 1, PREFIX_BYTES = 2 };
enum record_kind { RECORD_TX = 1, RECORD_BRANCH = 2 };

enum {
    ENDS = BIT(OUTCOME_NONE) | BIT(OUTCOME_COMMITTED) | BIT(OUTCOME_ABORTED),
    // unknown: an operator had it forgotten, or the journal that would know is lost
    OUTCOMES = ENDS | BIT(OUTCOME_UNKNOWN),
    // 0: a branch of which only an outcome was ever heard
    KINDS = BIT(0) | BIT(BRANCH_CALL) | BIT(BRANCH_ENLISTED),
    KINDS_BUSINESS = KINDS | BIT(BRANCH_STEP) | BIT(BRANCH_SENDER) | BIT(BRANCH_CONSUMER),
    BUSINESS = BIT(PROTOCOL_TCC) | BIT(PROTOCOL_SAGA) | BIT(PROTOCOL_MESSAGE),
    PROTOCOLS = BIT(0) | BIT(PROTOCOL_2PC) | BIT(PROTOCOL_3PC) | BUSINESS,
    QUORUM_DOUBTS = BIT(QUORUM_WAITING) | BIT(QUORUM_PRE_COMMITTED) | BIT(QUORUM_PRE_ABORTED),
    QUORUM_ENDS = BIT(QUORUM_COMMITTED) | BIT(QUORUM_ABORTED),
    VOTES = BIT(VOTE_NONE) | BIT(VOTE_YES) | BIT(VOTE_NO) | BIT(VOTE_READ_ONLY),
    REASONS = BIT(REASON_MANAGER + 1) - 1,
    HEURISTICS = BIT(HEURISTIC_LAST + 1) - 1,
    TX_STAGES = BIT(STAGE_DELEGATED) | BIT(STAGE_DECIDED) | BIT(STAGE_ENDED) | BIT(STAGE_ADMITTED),
    JOURNAL_STAGES = BIT(JOURNAL_PREPARED) | BIT(JOURNAL_DECIDED) | BIT(JOURNAL_FINISHED),
};

static void digest_walk(struct codec *c, uint8_t digest[DIGEST_BYTES])
{
    if (c->mode == CODEC_MEASURE) {
        c->size += DIGEST_BYTES;
    } else if (c->mode == CODEC_WRITE) {
        memcpy(c->to, digest, DIGEST_BYTES);
        c->to += DIGEST_BYTES;
    } else {
        const uint8_t *from = codec_take(c, "digest", DIGEST_BYTES);
        if (from)
            memcpy(digest, from, DIGEST_BYTES);
    }
}

static void heuristic_walk(struct codec *c, struct record_heuristic *h)
{
    codec_enum(c, "heuristic.forced", &h->forced, ENDS);
    codec_u64(c, "heuristic.when_ms", &h->when_ms);
    if (MUTANT(WHO_FORGOTTEN) && c->mode != CODEC_READ)
        h->who.size = 0;
    codec_bytes(c, "heuristic.who", &h->who, 2, LIMIT_WHO_BYTES);
    codec_bytes(c, "heuristic.why", &h->why, 2, LIMIT_WHY_BYTES);
}

static void kind_walk(struct codec *c, uint8_t protocol, uint8_t *kind)
{
    bool business = protocol_business(protocol);
    codec_enum(c, "kind", kind, business ? KINDS_BUSINESS : KINDS);
    codec_check(c, !business || *kind == 0 || protocol_has_kind(protocol, *kind), "kind",
                "none of that protocol");
}

// Business has no resource manager that ends anything by itself.
static void heuristic_mark_walk(struct codec *c, uint8_t protocol, uint8_t *heuristic)
{
    codec_enum(c, "heuristic", heuristic,
               protocol_business(protocol) ? BIT(0) | BIT(HEURISTIC_OPERATOR) : HEURISTICS);
}

// `seen`: the numbers that came before it.
static void tx_branch_walk(struct codec *c, uint8_t protocol, struct record_branch *b,
                           uint64_t *seen)
{
    codec_branch(c, "branch", &b->branch);
    if (c->code != ASSENT_OK)
        return;
    codec_check(c, (*seen >> b->branch & 1) == 0, "branch", "twice");
    *seen |= UINT64_C(1) << b->branch;
    kind_walk(c, protocol, &b->kind);
    codec_enum(c, "vote", &b->vote, VOTES);
    codec_enum(c, "outcome", &b->outcome, OUTCOMES);
    heuristic_mark_walk(c, protocol, &b->heuristic);
    codec_u64(c, "journal", &b->journal);
    codec_name(c, "resource", &b->resource);
    if (!protocol_business(protocol))
        return;
    codec_flags(c, "asked", &b->asked, protocol == PROTOCOL_TCC ? ASKED | ASKED_NESTED : ASKED);
    if (b->asked & ASKED_NESTED) {
        codec_branch(c, "parent", &b->parent);
        codec_branch(c, "index", &b->index);
    }
    codec_plan(c, b->kind, &b->plan);
    codec_bytes(c, "payload", &b->payload, 4, LIMIT_PAYLOAD_BYTES);
    if (b->kind == BRANCH_STEP)
        codec_bytes(c, "result", &b->result, 2, LIMIT_RESULT_BYTES);
}

_Static_assert(LIMIT_BRANCHES <= 64, "branch numbers are kept in one word");

static void tx_branches_walk(struct codec *c, struct tx_record *r,
                             struct tx_record_storage *storage)
{
    codec_u16(c, "branch_count", &r->branch_count);
    if (r->branch_count > LIMIT_BRANCHES)
        codec_fail(c, ASSENT_LIMIT, "branch_count", "past its limit");
    uint64_t seen = 0;
    for (unsigned i = 0; i < r->branch_count && c->code == ASSENT_OK; i++) {
        struct record_branch branch = {0};
        if (c->mode != CODEC_READ) {
            CHECK(r->branches);
            branch = r->branches[i];
        }
        tx_branch_walk(c, r->protocol, &branch, &seen);
        if (c->mode == CODEC_READ) {
            CHECK(storage);
            storage->branches[i] = branch;
        }
    }
    if (c->mode == CODEC_READ)
        r->branches = storage->branches;
}

// Branches that may be the one that decides: all but those that the application calls read-only.
static unsigned delegates(const struct tx_record *r)
{
    unsigned count = 0;
    for (unsigned i = 0; i < r->branch_count; i++)
        count += r->branches[i].vote != VOTE_READ_ONLY;
    return count;
}

static void tx_walk(struct codec *c, struct tx_record *r, struct tx_record_storage *storage)
{
    codec_gtid(c, "gtid", &r->gtid);
    codec_u64(c, "attempt", &r->attempt);
    codec_enum(c, "protocol", &r->protocol, PROTOCOLS);
    codec_enum(c, "stage", &r->stage, TX_STAGES);
    codec_check(c, r->stage != STAGE_ADMITTED || protocol_admitted(r->protocol), "stage",
                "none of that protocol");
    codec_enum(c, "outcome", &r->outcome, OUTCOMES);
    bool undecided = r->stage == STAGE_DELEGATED || r->stage == STAGE_ADMITTED;
    codec_check(c, undecided == (r->outcome == OUTCOME_NONE), "outcome",
                "does not go with the stage");
    codec_enum(c, "reason", &r->reason, REASONS);
    codec_bool(c, "mixed", &r->mixed);
    codec_branch_or_none(c, "reason_branch", &r->reason_branch);
    digest_walk(c, r->digest);
    codec_u64(c, "started_ms", &r->started_ms);
    codec_u64(c, "decided_ms", &r->decided_ms);
    codec_u64(c, "ended_ms", &r->ended_ms);
    codec_bytes(c, "owner", &r->owner, 2, LIMIT_NAME_BYTES);
    codec_bytes(c, "reason_text", &r->reason_text, 2, LIMIT_REASON_BYTES);
    heuristic_walk(c, &r->heuristic);
    if (protocol_business(r->protocol)) {
        codec_bool(c, "submitted", &r->submitted);
        codec_u32(c, "timeout_ms", &r->timeout_ms);
    }
    tx_branches_walk(c, r, storage);
    if (c->code == ASSENT_OK)
        codec_check(c, r->stage != STAGE_DELEGATED || delegates(r) == 1, "branch_count",
                    "delegated to other than one branch");
}

// In doubt until the outcome is known; where an operator has ended the branch, perhaps still.
static void quorum_walk(struct codec *c, struct branch_record *r)
{
    codec_enum(c, "quorum_state", &r->quorum_state,
               r->stage == JOURNAL_PREPARED      ? QUORUM_DOUBTS
               : r->heuristic                    ? QUORUM_DOUBTS | QUORUM_ENDS
               : r->outcome == OUTCOME_COMMITTED ? BIT(QUORUM_COMMITTED)
                                                 : BIT(QUORUM_ABORTED));
    codec_u32(c, "quorum_horizon", &r->quorum_horizon);
    codec_u64(c, "quorum_attempt", &r->quorum_attempt);
    codec_check(c,
                r->quorum_horizon <= QUORUM_ROUND_MAX + 1u &&
                    r->quorum_attempt >> 32 <= QUORUM_ROUND_MAX,
                "quorum_attempt", "past the limit of rounds");
    codec_members(c, r->branch, &r->members);
    codec_check(c, r->stage != JOURNAL_PREPARED || r->members.size > 0, "members", "none");
}

static void branch_walk(struct codec *c, struct branch_record *r)
{
    codec_gtid(c, "gtid", &r->gtid);
    codec_u64(c, "attempt", &r->attempt);
    if (MUTANT(RUN_CUT_SHORT))
        r->attempt &= UINT32_MAX;
    codec_coordinator(c, "coordinator", &r->coordinator);
    codec_branch(c, "branch", &r->branch);
    codec_enum(c, "protocol", &r->protocol, PROTOCOLS);
    kind_walk(c, r->protocol, &r->kind);
    codec_enum(c, "stage", &r->stage, JOURNAL_STAGES);
    codec_enum(c, "outcome", &r->outcome, ENDS);
    codec_check(c, (r->stage == JOURNAL_PREPARED) == (r->outcome == OUTCOME_NONE), "outcome",
                "does not go with the stage");
    heuristic_mark_walk(c, r->protocol, &r->heuristic);
    codec_check(c, r->stage == JOURNAL_FINISHED || r->heuristic <= HEURISTIC_OPERATOR, "heuristic",
                "does not go with the stage");
    codec_u64(c, "log_seq", &r->log_seq);
    codec_u64(c, "seal", &r->seal);
    codec_u64(c, "prepared_ms", &r->prepared_ms);
    codec_bytes(c, "payload", &r->payload, 4, LIMIT_PAYLOAD_BYTES);
    if (r->kind == BRANCH_STEP)
        codec_bytes(c, "result", &r->result, 2, LIMIT_RESULT_BYTES);
    if (r->protocol == PROTOCOL_3PC)
        quorum_walk(c, r);
}

static void prefix_walk(struct codec *c, uint8_t *version, uint8_t *kind)
{
    codec_u8(c, "version", version);
    codec_u8(c, "kind", kind);
}

// Makes room for a record whose fields were measured, and writes what stands before them.
static int encode_begin(struct buf *out, const struct codec *measure, enum record_kind kind,
                        struct codec *ret_write)
{
    size_t size = PREFIX_BYTES + measure->size;
    if (measure->code != ASSENT_OK)
        return measure->code;
    if (size > LIMIT_RECORD_BYTES || out->size > out->cap || size > out->cap - out->size)
        return ASSENT_LIMIT;
    uint8_t *to = buf_extend(out, size);
    if (!to)
        return ASSENT_NOMEM;
    *ret_write = (struct codec){.mode = CODEC_WRITE, .to = to};
    uint8_t version = RECORD_VERSION;
    uint8_t number = (uint8_t)kind;
    prefix_walk(ret_write, &version, &number);
    return ASSENT_OK;
}

int record_encode_tx(struct buf *out, const struct tx_record *record)
{
    struct tx_record copy = *record; // visitors write as well as read
    struct codec c = {.mode = CODEC_MEASURE};
    tx_walk(&c, &copy, NULL);
    int code = encode_begin(out, &c, RECORD_TX, &c);
    if (code != ASSENT_OK)
        return code;
    tx_walk(&c, &copy, NULL);
    CHECK(c.to == out->data + out->size);
    return ASSENT_OK;
}

int record_encode_branch(struct buf *out, const struct branch_record *record)
{
    struct branch_record copy = *record;
    struct codec c = {.mode = CODEC_MEASURE};
    branch_walk(&c, &copy);
    int code = encode_begin(out, &c, RECORD_BRANCH, &c);
    if (code != ASSENT_OK)
        return code;
    branch_walk(&c, &copy);
    CHECK(c.to == out->data + out->size);
    return ASSENT_OK;
}

static int decode_begin(struct slice data, enum record_kind kind, struct codec *ret,
                        assent_error *error)
{
    if (data.size < PREFIX_BYTES || data.size > LIMIT_RECORD_BYTES)
        return error_set(error, ASSENT_CORRUPT, "record: %zu bytes, not %d..%d", data.size,
                         PREFIX_BYTES, LIMIT_RECORD_BYTES);
    const uint8_t *at = data.data;
    *ret = (struct codec){.mode = CODEC_READ, .at = at, .end = at + data.size};
    uint8_t version = 0;
    uint8_t number = 0;
    prefix_walk(ret, &version, &number);
    if (version != RECORD_VERSION)
        return error_set(error, ASSENT_VERSION, "record: version %u; this program reads %d",
                         version, RECORD_VERSION);
    codec_check(ret, number == kind, "kind", "not the kind of record that belongs here");
    return ASSENT_OK;
}

static int decode_end(struct slice data, struct codec *c, assent_error *error)
{
    c->taken = c->at;
    codec_check(c, c->at == c->end, "end", "trailing bytes");
    if (c->code == ASSENT_OK)
        return ASSENT_OK;
    return error_set(error, ASSENT_CORRUPT, "record: byte %zu of %zu: %s: %s",
                     (size_t)(c->broken_at - (const uint8_t *)data.data), data.size, c->field,
                     c->problem);
}

int record_decode_tx(struct slice data, struct tx_record_storage *storage, struct tx_record *ret,
                     assent_error *error)
{
    struct codec c;
    int code = decode_begin(data, RECORD_TX, &c, error);
    if (code != ASSENT_OK)
        return code;
    struct tx_record record = {0};
    tx_walk(&c, &record, storage);
    code = decode_end(data, &c, error);
    if (code == ASSENT_OK)
        *ret = record;
    return code;
}

int record_decode_branch(struct slice data, struct branch_record *ret, assent_error *error)
{
    struct codec c;
    int code = decode_begin(data, RECORD_BRANCH, &c, error);
    if (code != ASSENT_OK)
        return code;
    struct branch_record record = {0};
    branch_walk(&c, &record);
    code = decode_end(data, &c, error);
    if (code == ASSENT_OK)
        *ret = record;
    return code;
}

struct slice record_key_tx(const struct gtid *gtid)
{
    return gtid_slice(gtid);
}

struct slice record_key_branch(const struct gtid *gtid, unsigned branch,
                               char storage[RECORD_KEY_BYTES])
{
    int size = snprintf(storage, RECORD_KEY_BYTES, "%.*s/%u", gtid->size, gtid->text, branch);
    CHECK(size > 0 && size < RECORD_KEY_BYTES);
    return slice_of(storage, (size_t)size);
}
