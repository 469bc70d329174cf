// SPDX-License-Identifier: Apache-2.0
#include "core/barrier.h"

#include "base/error.h"

// Operations of one branch belong together.
struct family {
    assent_barrier_operation forward, confirm, undo; // those that leave rows; 0: there is none
    bool fences;  // the forward operation may be kept from running
    bool horizon; // an application may run it at any time, so its fences go behind the horizon
};

static const struct family tcc = {ASSENT_BARRIER_TRY, ASSENT_BARRIER_CONFIRM, ASSENT_BARRIER_CANCEL,
                                  true, true};
static const struct family saga = {ASSENT_BARRIER_ACTION, 0, ASSENT_BARRIER_COMPENSATE, true,
                                   false};
static const struct family sender = {ASSENT_BARRIER_SEND, 0, 0, true, true};
static const struct family consumer = {ASSENT_BARRIER_DELIVER, 0, 0, false, false};

enum kind { FORWARD, CONFIRM, UNDO, ASK, KINDS };

static const struct operation {
    const char *name;
    const struct family *family;
    enum kind kind;
} operations[BARRIER_OPERATIONS] = {
    [ASSENT_BARRIER_TRY] = {"try", &tcc, FORWARD},
    [ASSENT_BARRIER_CONFIRM] = {"confirm", &tcc, CONFIRM},
    [ASSENT_BARRIER_CANCEL] = {"cancel", &tcc, UNDO},
    [ASSENT_BARRIER_ACTION] = {"action", &saga, FORWARD},
    [ASSENT_BARRIER_COMPENSATE] = {"compensate", &saga, UNDO},
    [ASSENT_BARRIER_SEND] = {"send", &sender, FORWARD},
    [ASSENT_BARRIER_CHECK] = {"check", &sender, ASK},
    [ASSENT_BARRIER_DELIVER] = {"deliver", &consumer, FORWARD},
};

enum row { NONE, OWN, FENCE };

struct rule {
    assent_barrier_verdict verdict;
    enum row writes;
};

#define RUN       ASSENT_BARRIER_RUN
#define DUPLICATE ASSENT_BARRIER_DUPLICATE
#define EMPTY     ASSENT_BARRIER_EMPTY
#define REFUSED   ASSENT_BARRIER_REFUSED

// The table. What is not possible for a family (nothing confirms an action) is never looked up.
static const struct rule rules[KINDS][BARRIER_STANDINGS] = {
    //          nothing          done               confirmed          undone             fenced
    [FORWARD] =
        {{RUN, OWN}, {DUPLICATE, NONE}, {DUPLICATE, NONE}, {REFUSED, NONE}, {REFUSED, NONE}},
    [CONFIRM] = {{REFUSED, NONE}, {RUN, OWN}, {DUPLICATE, NONE}, {REFUSED, NONE}, {REFUSED, NONE}},
    [UNDO] = {{EMPTY, FENCE}, {RUN, OWN}, {REFUSED, NONE}, {DUPLICATE, NONE}, {EMPTY, NONE}},
    [ASK] = {{EMPTY, FENCE}, {DUPLICATE, NONE}, {REFUSED, NONE}, {REFUSED, NONE}, {EMPTY, NONE}},
};

// Where fences of the gtid may have been collected, nothing is as good as a fence.
static const enum barrier_standing below_horizon = BARRIER_STANDS_FENCED;

static const struct operation *operation_of(assent_barrier_operation operation)
{
    return operation >= ASSENT_BARRIER_TRY && operation <= ASSENT_BARRIER_DELIVER
               ? &operations[operation]
               : NULL;
}

uint64_t barrier_lease_ms(const struct gtid *gtid)
{
    struct gtid_parts parts;
    return gtid_parse(gtid, &parts) && parts.lease_ms <= INT64_MAX ? parts.lease_ms : 0;
}

int barrier_arguments(const char *gtid, assent_barrier_operation operation, struct gtid *ret,
                      assent_error *error)
{
    if (!operation_of(operation))
        return error_set(error, ASSENT_INVALID, "barrier: there is no operation %d", operation);
    size_t size = gtid ? strnlen(gtid, LIMIT_GTID_BYTES + 1) : 0;
    if (!gtid_from(slice_of(gtid, size), ret))
        return error_set(error, ASSENT_INVALID, "barrier: a gtid is 1..%d bytes of [A-Za-z0-9._:-]",
                         LIMIT_GTID_BYTES);
    return ASSENT_OK;
}

bool barrier_is_fenceable(assent_barrier_operation operation)
{
    const struct operation *o = operation_of(operation);
    return o && o->kind == FORWARD && o->family->horizon;
}

int barrier_seal_check(assent_barrier_operation forward, assent_error *error)
{
    if (!barrier_is_fenceable(forward))
        return error_set(error, ASSENT_INVALID, "barrier: only a try or a send can be sealed");
    return ASSENT_OK;
}

int barrier_answer_check(const void *answer, size_t size, assent_error *error)
{
    if (!answer && size)
        return error_set(error, ASSENT_INVALID, "barrier: the answer is missing");
    if (size > ASSENT_BARRIER_ANSWER_MAX)
        return error_set(error, ASSENT_LIMIT, "barrier: an answer has at most %d bytes",
                         ASSENT_BARRIER_ANSWER_MAX);
    return ASSENT_OK;
}

int barrier_answer_refuse(assent_error *error)
{
    return error_set(error, ASSENT_STATE, "barrier: an answer is kept once, of what is run now");
}

// The horizon never falls: one in the wrong unit would refuse every try for ever.
int barrier_horizon_check(uint64_t horizon_ms, uint64_t now_ms, assent_error *error)
{
    if (horizon_ms > now_ms)
        return error_set(error, ASSENT_INVALID,
                         "barrier: the horizon, in ms since 1970, would lie in the future");
    return ASSENT_OK;
}

static int check_family(const struct operation *o, const struct barrier_rows *rows,
                        const struct gtid *gtid, assent_error *error)
{
    for (int i = ASSENT_BARRIER_TRY; i < BARRIER_OPERATIONS; i++)
        if (rows->of[i] != BARRIER_ABSENT && operations[i].family != o->family)
            return error_set(error, ASSENT_CONFLICT,
                             "barrier: %s of a branch of %.*s that has a row of '%s': a branch has "
                             "one protocol",
                             o->name, gtid->size, gtid->text, operations[i].name);
    return ASSENT_OK;
}

static bool standing_of(const struct family *f, const struct barrier_rows *rows,
                        enum barrier_standing *ret)
{
    bool confirmed = f->confirm && rows->of[f->confirm] != BARRIER_ABSENT;
    bool undone = f->undo && rows->of[f->undo] != BARRIER_ABSENT;
    if ((f->confirm && rows->of[f->confirm] == BARRIER_FENCED) ||
        (f->undo && rows->of[f->undo] == BARRIER_FENCED) || rows->of[ASSENT_BARRIER_CHECK])
        return false;
    switch (rows->of[f->forward]) {
    case BARRIER_ABSENT: *ret = BARRIER_STANDS_NOTHING; return !confirmed && !undone;
    case BARRIER_FENCED: *ret = BARRIER_STANDS_FENCED; return f->fences && !confirmed && !undone;
    case BARRIER_DONE:
        *ret = confirmed ? BARRIER_STANDS_CONFIRMED
               : undone  ? BARRIER_STANDS_UNDONE
                         : BARRIER_STANDS_DONE;
        return !(confirmed && undone);
    }
    return false;
}

int barrier_rule(assent_barrier_operation operation, const struct gtid *gtid,
                 const struct barrier_rows *rows, struct barrier_ruling *ret, assent_error *error)
{
    const struct operation *o = operation_of(operation);
    if (!o)
        return error_set(error, ASSENT_INVALID, "barrier: there is no operation %d", operation);
    int code = check_family(o, rows, gtid, error);
    if (code)
        return code;
    const struct family *f = o->family;
    enum barrier_standing standing;
    if (!standing_of(f, rows, &standing))
        return error_set(error, ASSENT_CORRUPT,
                         "barrier: the rows of a branch of %.*s contradict each other", gtid->size,
                         gtid->text);
    uint64_t lease_ms = barrier_lease_ms(gtid);
    if (standing == BARRIER_STANDS_NOTHING && f->horizon && lease_ms && lease_ms < rows->horizon_ms)
        standing = below_horizon;
    struct rule rule = rules[o->kind][standing];
    assent_barrier_operation answered = o->kind == ASK ? f->forward : operation;
    *ret = (struct barrier_ruling){
        .verdict = rule.verdict,
        .writes = rule.writes == OWN     ? operation
                  : rule.writes == FENCE ? f->forward
                                         : (assent_barrier_operation)0,
        .state = rule.writes == OWN     ? BARRIER_DONE
                 : rule.writes == FENCE ? BARRIER_FENCED
                                        : BARRIER_ABSENT,
        .answer = rule.verdict == DUPLICATE ? answered : (assent_barrier_operation)0,
    };
    return ASSENT_OK;
}

assent_barrier_operation barrier_operation_of(struct slice text)
{
    for (int i = ASSENT_BARRIER_TRY; i < BARRIER_OPERATIONS; i++)
        if (slice_equal(text, slice_text(operations[i].name)))
            return (assent_barrier_operation)i;
    return (assent_barrier_operation)0;
}

const char *assent_barrier_operation_text(assent_barrier_operation operation)
{
    const struct operation *o = operation_of(operation);
    return o ? o->name : "?";
}

const char *assent_barrier_verdict_text(assent_barrier_verdict verdict)
{
    switch (verdict) {
    case ASSENT_BARRIER_RUN: return "run";
    case ASSENT_BARRIER_DUPLICATE: return "duplicate";
    case ASSENT_BARRIER_EMPTY: return "empty";
    case ASSENT_BARRIER_REFUSED: return "refused";
    }
    return "?";
}
