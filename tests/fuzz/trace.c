// SPDX-License-Identifier: Apache-2.0
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>

static bool wanted(void)
{
    static int wants = -1;
    if (wants < 0)
        wants = getenv("FUZZ_TRACE") != NULL;
    return wants;
}

static void print_gtid(const struct gtid *gtid)
{
    fprintf(stderr, " %.*s", gtid->size, gtid->text);
}

static void print_branch(const struct gtid *gtid, unsigned branch, uint64_t attempt)
{
    print_gtid(gtid);
    fprintf(stderr, "/%u attempt %llu.%llu", branch,
            (unsigned long long)(attempt >> ATTEMPT_COUNTER_BITS),
            (unsigned long long)(attempt & ((UINT64_C(1) << ATTEMPT_COUNTER_BITS) - 1)));
}

static void print_submit(const struct msg_submit *m)
{
    print_gtid(&m->gtid);
    for (unsigned i = 0; i < m->branch_count; i++)
        fprintf(stderr, " %s%.*s", m->branches[i].kind == BRANCH_ENLISTED ? "enlisted:" : "",
                (int)m->branches[i].resource.size, (const char *)m->branches[i].resource.data);
}

static void print_rest(const struct msg *msg)
{
    const char *outcome = NULL;
    unsigned flags = 0;
    if (msg->type == MSG_PREPARE) {
        print_branch(&msg->u.prepare.gtid, msg->u.prepare.branch, msg->u.prepare.attempt);
        flags = msg->u.prepare.flags;
    } else if (msg->type == MSG_VOTE) {
        print_branch(&msg->u.vote.gtid, msg->u.vote.branch, msg->u.vote.attempt);
        outcome = vote_name((enum vote)msg->u.vote.vote);
    } else if (msg->type == MSG_COMMIT || msg->type == MSG_ROLLBACK) {
        print_branch(&msg->u.decide.gtid, msg->u.decide.branch, msg->u.decide.attempt);
        flags = msg->u.decide.flags;
    } else if (msg->type == MSG_DONE) {
        print_branch(&msg->u.done.gtid, msg->u.done.branch, msg->u.done.attempt);
        outcome = outcome_name((enum outcome)msg->u.done.outcome);
        flags = msg->u.done.flags;
    } else if (msg->type == MSG_INQUIRE) {
        print_branch(&msg->u.inquire.gtid, msg->u.inquire.branch, msg->u.inquire.attempt);
        outcome = msg->u.inquire.prepared ? "prepared" : "not prepared";
    } else if (msg->type == MSG_STANDING) {
        print_branch(&msg->u.standing.gtid, msg->u.standing.branch, msg->u.standing.attempt);
        outcome = outcome_name((enum outcome)msg->u.standing.outcome);
    } else if (msg->type == MSG_RESULT) {
        print_gtid(&msg->u.result.gtid);
        outcome = outcome_name((enum outcome)msg->u.result.outcome);
    } else if (msg->type == MSG_REFUSED) {
        fprintf(stderr, " %s: %.*s", msg_name((enum msg_type)msg->u.refused.about),
                (int)msg->u.refused.text.size, (const char *)msg->u.refused.text.data);
    }
    if (outcome)
        fprintf(stderr, " %s", outcome);
    if (flags)
        fprintf(stderr, " flags %u", flags);
}

static void print_msg(const struct msg *msg)
{
    fprintf(stderr, " %s", msg_name(msg->type));
    if (msg->type == MSG_SUBMIT)
        print_submit(&msg->u.submit);
    else if (msg->type == MSG_ENLIST)
        print_branch(&msg->u.enlist.gtid, msg->u.enlist.branch, 0);
    else if (msg->type == MSG_CANCEL || msg->type == MSG_STATUS)
        print_gtid(&msg->u.gtid.gtid);
    else
        print_rest(msg);
}

static void print_tx(const struct tx_record *record)
{
    print_gtid(&record->gtid);
    fprintf(stderr, " stage %u %s forced %u", record->stage,
            outcome_name((enum outcome)record->outcome), record->heuristic.forced);
}

static void print_branch_record(const struct branch_record *record)
{
    print_branch(&record->gtid, record->branch, record->attempt);
    fprintf(stderr, " stage %u %s", record->stage, outcome_name((enum outcome)record->outcome));
}

static void print_record(const struct tx_record *tx, const struct branch_record *branch)
{
    if (tx)
        print_tx(tx);
    else if (branch)
        print_branch_record(branch);
}

void trace_event(const struct event *event)
{
    static const char *const names[] = {
        [EVENT_RECOVERED] = "recovered",
        [EVENT_FOUND] = "found",
        [EVENT_START] = "start",
        [EVENT_TICK] = "tick",
        [EVENT_CONNECTED] = "connected",
        [EVENT_DISCONNECTED] = "disconnected",
        [EVENT_RECEIVED] = "received",
        [EVENT_WRITTEN] = "written",
        [EVENT_LOOKED_UP] = "looked up",
        [EVENT_CALLED] = "called",
        [EVENT_WORKING] = "working",
        [EVENT_OPERATOR] = "operator",
        [EVENT_ASK] = "ask",
        [EVENT_GIVE_UP] = "give up",
        [EVENT_EXTEND] = "extend",
    };
    if (!wanted())
        return;
    fprintf(stderr, "%llu %s", (unsigned long long)event->now.mono_ms, names[event->type]);
    if (event->type == EVENT_RECEIVED) {
        fprintf(stderr, " from %llu", (unsigned long long)event->u.received.peer);
        print_msg(event->u.received.msg);
    } else if (event->type == EVENT_WRITTEN) {
        fprintf(stderr, " token %llu", (unsigned long long)event->u.written.token);
    } else if (event->type == EVENT_LOOKED_UP) {
        fprintf(stderr, " token %llu", (unsigned long long)event->u.looked_up.token);
        print_record(event->u.looked_up.found, NULL);
    } else if (event->type == EVENT_CALLED) {
        fprintf(stderr, " token %llu result %d", (unsigned long long)event->u.called.token,
                event->u.called.result);
    } else if (event->type == EVENT_OPERATOR) {
        fprintf(stderr, " verb %d", event->u.op.verb);
        print_gtid(&event->u.op.gtid);
    }
    fputc('\n', stderr);
}

static void print_effect(const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_SEND:
        fprintf(stderr, "    to %llu", (unsigned long long)effect->u.send.peer);
        print_msg(&effect->u.send.msg);
        break;
    case EFFECT_WRITE:
        fprintf(stderr, "    write token %llu%s%s", (unsigned long long)effect->u.write.token,
                effect->u.write.lazy ? " lazily" : "", effect->u.write.open ? " open" : "");
        print_record(effect->u.write.tx, effect->u.write.branch);
        break;
    case EFFECT_LOOKUP:
        fprintf(stderr, "    look up token %llu", (unsigned long long)effect->u.lookup.token);
        print_gtid(&effect->u.lookup.gtid);
        break;
    case EFFECT_CALL:
        fprintf(stderr, "    call token %llu op %d", (unsigned long long)effect->u.call.token,
                effect->u.call.op);
        print_branch(&effect->u.call.gtid, effect->u.call.branch, effect->u.call.attempt);
        break;
    case EFFECT_HORIZON:
        fprintf(stderr, "    horizon %llu", (unsigned long long)effect->u.horizon);
        break;
    case EFFECT_ANSWER: fprintf(stderr, "    answer %d", effect->u.answer.code); break;
    case EFFECT_COMPLETE: fprintf(stderr, "    complete %d", effect->u.complete.code); break;
    case EFFECT_EXTENDED: fprintf(stderr, "    extended %d", effect->u.extended.code); break;
    case EFFECT_STOP: fprintf(stderr, "    stop %d", effect->u.stop.code); break;
    }
    fputc('\n', stderr);
}

void trace_effects(const struct effects *fx)
{
    if (!wanted())
        return;
    for (size_t i = 0; i < fx->count; i++)
        print_effect(&fx->items[i]);
}
