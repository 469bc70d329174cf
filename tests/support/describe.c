// SPDX-License-Identifier: Apache-2.0
#include "describe.h"

#include <stdio.h>

#include "assent/error.h"
#include "core/quorum.h"

#define TELL(...) buf_printf(d->out, __VA_ARGS__)

static const char *gtid_text(const struct describe *d, const struct gtid *gtid)
{
    static char text[LIMIT_GTID_BYTES + 1];
    if (d->gtid)
        return d->gtid(d->arg, gtid);
    snprintf(text, sizeof text, "%.*s", gtid->size, gtid->text);
    return text;
}

void describe_gtid(const struct describe *d, const struct gtid *gtid)
{
    TELL("%s", gtid_text(d, gtid));
}

void describe_branch(const struct describe *d, const struct gtid *gtid, unsigned branch,
                     uint64_t attempt)
{
    const uint64_t counter = attempt & ((UINT64_C(1) << ATTEMPT_COUNTER_BITS) - 1);
    TELL("%s/%u", gtid_text(d, gtid), branch);
    if (attempt)
        TELL(" attempt %llu.%llu", (unsigned long long)(attempt >> ATTEMPT_COUNTER_BITS),
             (unsigned long long)counter);
}

void describe_text(const struct describe *d, struct slice text)
{
    if (text.size)
        TELL(": %.*s", (int)text.size, (const char *)text.data);
}

const char *describe_kind(unsigned kind)
{
    static const char *const texts[] = {"?",      "call",     "call",  "step",
                                        "sender", "consumer", "topic", "read-only"};
    return kind < sizeof texts / sizeof texts[0] ? texts[kind] : "?";
}

static void tell_submit(const struct describe *d, const struct msg_submit *submit)
{
    TELL(" %s:", gtid_text(d, &submit->gtid));
    for (unsigned i = 0; i < submit->branch_count; i++) {
        const struct msg_branch *b = &submit->branches[i];
        TELL("%s %.*s%s", i ? "," : "", (int)b->resource.size, (const char *)b->resource.data,
             b->kind == BRANCH_ENLISTED ? " (enlisted)" : "");
        if (b->kind != BRANCH_CALL && b->kind != BRANCH_ENLISTED)
            TELL(" (%s)", describe_kind(b->kind));
    }
    TELL("%s%s", submit->flags & SUBMIT_HOLD ? ", to be held" : "",
         submit->flags & SUBMIT_ACCEPT ? ", to be accepted" : "");
}

static void tell_result(const struct describe *d, const struct msg_result *result)
{
    TELL(" %s %s", gtid_text(d, &result->gtid), outcome_name(result->outcome));
    if (result->reason)
        TELL(" (%s)", reason_text(result->reason));
    if (result->mixed)
        TELL(", mixed");
    if (result->finished)
        TELL(", finished");
    describe_text(d, result->text);
}

static void tell_prepare(const struct describe *d, const struct msg_prepare *prepare)
{
    TELL(" ");
    describe_branch(d, &prepare->gtid, prepare->branch, prepare->attempt);
    if (protocol_business(prepare->protocol))
        TELL(", %s", describe_kind(prepare->kind));
    if (prepare->protocol == PROTOCOL_3PC)
        TELL(", 3pc");
    TELL("%s%s", prepare->kind == BRANCH_ENLISTED ? ", enlisted" : "",
         prepare->flags & PREPARE_ONE_PHASE ? ", one phase" : "");
}

static void tell_decide(const struct describe *d, const struct msg_decide *decide)
{
    TELL(" ");
    describe_branch(d, &decide->gtid, decide->branch, decide->attempt);
    if (decide->flags & DECIDE_CONTENT)
        TELL(", with its content");
    TELL("%s%s", decide->flags & DECIDE_HEURISTIC ? ", an operator's word" : "",
         decide->flags & DECIDE_RESOLVE ? ", unless committed already" : "");
}

static void tell_number(const struct describe *d, uint64_t number)
{
    uint32_t who = (uint32_t)number;
    TELL(" %u/", quorum_round(number));
    if (who <= LIMIT_BRANCHES)
        TELL("%u", who - 1);
    else
        TELL("coordinator");
}

static void tell_quorum(const struct describe *d, enum msg_type type, const struct msg_quorum *m)
{
    TELL(" ");
    describe_branch(d, &m->gtid, m->to == BRANCH_NONE ? m->from : m->to, m->attempt);
    if (m->from != BRANCH_NONE && m->to != BRANCH_NONE)
        TELL(" from %u", m->from);
    if (type == MSG_STATE)
        TELL(" %s", quorum_table.states[m->state].name);
    if (type == MSG_STATE && m->last)
        tell_number(d, m->last);
    if (type == MSG_STATE && m->number)
        TELL(", nothing below");
    if (type != MSG_DECIDE && m->number)
        tell_number(d, m->number);
    if (type == MSG_TRY || type == MSG_DECIDE)
        TELL(" %s", outcome_name(m->outcome));
}

static void tell_heuristic(const struct describe *d, unsigned heuristic)
{
    const char *did = heuristic_name(heuristic);
    if (heuristic & HEURISTIC_OPERATOR)
        TELL(", by an operator's word");
    if (did)
        TELL(", %s by its resource manager", did);
}

static void tell_done(const struct describe *d, const struct msg_done *done)
{
    TELL(" ");
    describe_branch(d, &done->gtid, done->branch, done->attempt);
    TELL(" %s", outcome_name(done->outcome));
    if (done->flags & DONE_HEURISTIC)
        tell_heuristic(d, done->heuristic);
    TELL("%s", done->flags & DONE_FORGOTTEN ? ", forgotten" : "");
    describe_text(d, done->result);
}

static void tell_inquire(const struct describe *d, const struct msg_inquire *inquire)
{
    TELL(" ");
    describe_branch(d, &inquire->gtid, inquire->branch, inquire->attempt);
    static const char *const states[] = {", not prepared", ", in doubt", ", finished"};
    TELL("%s", inquire->prepared < 3 ? states[inquire->prepared] : "?");
}

static void tell_extend(const struct describe *d, const struct msg_extend *extend)
{
    TELL(" ");
    describe_branch(d, &extend->gtid, extend->branch, extend->attempt);
    TELL(" by %u, at %.*s", extend->index, (int)extend->resource.size,
         (const char *)extend->resource.data);
    describe_text(d, extend->payload);
}

static void tell_extended(const struct describe *d, const struct msg_extended *extended)
{
    TELL(" ");
    describe_branch(d, &extended->gtid, extended->branch, extended->attempt);
    TELL(" by %u", extended->index);
    if (extended->code == ASSENT_OK)
        TELL(": branch %u", extended->number);
    else
        TELL(" not (%s)", assent_code_name(extended->code));
    describe_text(d, extended->text);
}

void describe_message(const struct describe *d, const struct msg *msg)
{
    TELL("%s", msg_name(msg->type));
    switch (msg->type) {
    case MSG_HELLO:
        TELL(" %.*s, run %llu", (int)msg->u.hello.name.size, (const char *)msg->u.hello.name.data,
             (unsigned long long)msg->u.hello.peer_incarnation);
        break;
    case MSG_REFUSED:
        TELL(" %s (%s)", msg_name(msg->u.refused.about), assent_code_name(msg->u.refused.code));
        describe_text(d, msg->u.refused.text);
        break;
    case MSG_ENLIST:
        TELL(" %s/%u at %.*s", gtid_text(d, &msg->u.enlist.gtid), msg->u.enlist.branch,
             (int)msg->u.enlist.resource.size, (const char *)msg->u.enlist.resource.data);
        break;
    case MSG_ENLISTED:
        TELL(" %s/%u", gtid_text(d, &msg->u.enlisted.gtid), msg->u.enlisted.branch);
        break;
    case MSG_SUBMIT: tell_submit(d, &msg->u.submit); break;
    case MSG_CANCEL:
    case MSG_STATUS: TELL(" %s", gtid_text(d, &msg->u.gtid.gtid)); break;
    case MSG_RESULT: tell_result(d, &msg->u.result); break;
    case MSG_PREPARE: tell_prepare(d, &msg->u.prepare); break;
    case MSG_VOTE:
        TELL(" %s ", vote_name(msg->u.vote.vote));
        describe_branch(d, &msg->u.vote.gtid, msg->u.vote.branch, msg->u.vote.attempt);
        describe_text(d, msg->u.vote.text);
        break;
    case MSG_COMMIT:
    case MSG_ROLLBACK: tell_decide(d, &msg->u.decide); break;
    case MSG_DONE: tell_done(d, &msg->u.done); break;
    case MSG_INQUIRE: tell_inquire(d, &msg->u.inquire); break;
    case MSG_STANDING:
        TELL(" ");
        describe_branch(d, &msg->u.standing.gtid, msg->u.standing.branch, msg->u.standing.attempt);
        TELL(" %s%s%s", outcome_name(msg->u.standing.outcome),
             msg->u.standing.flags & STANDING_NOTED ? ", noted" : "",
             msg->u.standing.flags & STANDING_RELEASED ? ", released" : "");
        break;
    case MSG_EXTEND: tell_extend(d, &msg->u.extend); break;
    case MSG_EXTENDED: tell_extended(d, &msg->u.extended); break;
    case MSG_ASK:
    case MSG_STATE:
    case MSG_TRY:
    case MSG_DECIDE: tell_quorum(d, msg->type, &msg->u.quorum); break;
    case MSG_WELCOME:
    case MSG_PING:
    case MSG_PONG:
    case MSG_LEASE:
    case MSG_ADMIN:
    case MSG_ADMIN_REPLY: break;
    }
}

void describe_tx_record(const struct describe *d, const struct tx_record *record)
{
    TELL("%s ", gtid_text(d, &record->gtid));
    if (record->stage == STAGE_DELEGATED)
        TELL("delegated");
    else if (record->stage == STAGE_ADMITTED)
        TELL("admitted%s", record->submitted || !protocol_business(record->protocol)
                               ? ""
                               : ", to be gone on with");
    else
        TELL("%s%s", record->stage == STAGE_ENDED ? "ended, " : "", outcome_name(record->outcome));
    if (record->mixed)
        TELL(", mixed");
    if (record->heuristic.when_ms)
        TELL(", by %.*s", (int)record->heuristic.who.size,
             (const char *)record->heuristic.who.data);
}

void describe_branch_record(const struct describe *d, const struct branch_record *record)
{
    static const char *const stages[] = {"?", "prepared", "decided", "finished"};
    TELL("%s/%u %s", gtid_text(d, &record->gtid), record->branch, stages[record->stage]);
    if (record->outcome)
        TELL(", %s", outcome_name(record->outcome));
    tell_heuristic(d, record->heuristic);
    if (record->protocol == PROTOCOL_3PC) {
        TELL(", %s", quorum_table.states[record->quorum_state].name);
        if (record->quorum_attempt)
            tell_number(d, record->quorum_attempt);
        TELL(", horizon %u", record->quorum_horizon);
    }
    describe_text(d, record->result);
}
