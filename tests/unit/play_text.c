// SPDX-License-Identifier: Apache-2.0
// How a story is told.
#include <stdio.h>

#include "play.h"

#define TELL(...) buf_printf(&p->text, __VA_ARGS__)

const char *play_gtid_text(const struct play *p, const struct gtid *gtid)
{
    static char text[LIMIT_GTID_BYTES + 1];
    for (unsigned i = 0; i < p->gtid_count; i++) {
        if (gtid_equal(&p->gtids[i], gtid)) {
            snprintf(text, sizeof text, "T%u", i + 1);
            return text;
        }
    }
    snprintf(text, sizeof text, "%.*s", gtid->size, gtid->text);
    return text;
}

void play_line(struct play *p, const char *who)
{
    TELL("%6llu ms  %-24s ", (unsigned long long)p->cluster.now.mono_ms, who);
}

static void tell_branch(struct play *p, const struct gtid *gtid, unsigned branch, uint64_t attempt)
{
    const uint64_t counter = attempt & ((UINT64_C(1) << ATTEMPT_COUNTER_BITS) - 1);
    TELL("%s/%u", play_gtid_text(p, gtid), branch);
    if (attempt)
        TELL(" attempt %llu.%llu", (unsigned long long)(attempt >> ATTEMPT_COUNTER_BITS),
             (unsigned long long)counter);
}

static void tell_text(struct play *p, struct slice text)
{
    if (text.size)
        TELL(": %.*s", (int)text.size, (const char *)text.data);
}

static void tell_submit(struct play *p, const struct msg_submit *submit)
{
    TELL(" %s:", play_gtid_text(p, &submit->gtid));
    for (unsigned i = 0; i < submit->branch_count; i++) {
        const struct msg_branch *b = &submit->branches[i];
        TELL("%s %.*s%s", i ? "," : "", (int)b->resource.size, (const char *)b->resource.data,
             b->kind == BRANCH_ENLISTED ? " (enlisted)" : "");
    }
}

static void tell_result(struct play *p, const struct msg_result *result)
{
    TELL(" %s %s", play_gtid_text(p, &result->gtid), outcome_name(result->outcome));
    if (result->reason)
        TELL(" (%s)", reason_text(result->reason));
    if (result->mixed)
        TELL(", mixed");
    if (result->finished)
        TELL(", finished");
    tell_text(p, result->text);
}

static const char *kind_text(unsigned kind)
{
    static const char *const texts[] = {"?", "call", "call", "step", "sender", "consumer"};
    return kind < sizeof texts / sizeof texts[0] ? texts[kind] : "?";
}

static void tell_prepare(struct play *p, const struct msg_prepare *prepare)
{
    TELL(" ");
    tell_branch(p, &prepare->gtid, prepare->branch, prepare->attempt);
    if (protocol_admitted(prepare->protocol))
        TELL(", %s", kind_text(prepare->kind));
    TELL("%s%s", prepare->kind == BRANCH_ENLISTED ? ", enlisted" : "",
         prepare->flags & PREPARE_ONE_PHASE ? ", one phase" : "");
}

static void tell_decide(struct play *p, const struct msg_decide *decide)
{
    TELL(" ");
    tell_branch(p, &decide->gtid, decide->branch, decide->attempt);
    if (decide->flags & DECIDE_CONTENT)
        TELL(", with its content");
    TELL("%s%s", decide->flags & DECIDE_HEURISTIC ? ", an operator's word" : "",
         decide->flags & DECIDE_RESOLVE ? ", unless committed already" : "");
}

static void tell_done(struct play *p, const struct msg_done *done)
{
    TELL(" ");
    tell_branch(p, &done->gtid, done->branch, done->attempt);
    TELL(" %s%s%s", outcome_name(done->outcome),
         done->flags & DONE_HEURISTIC ? ", by an operator's word" : "",
         done->flags & DONE_FORGOTTEN ? ", forgotten" : "");
    tell_text(p, done->result);
}

static void tell_inquire(struct play *p, const struct msg_inquire *inquire)
{
    TELL(" ");
    tell_branch(p, &inquire->gtid, inquire->branch, inquire->attempt);
    static const char *const states[] = {", not prepared", ", in doubt", ", finished"};
    TELL("%s", states[inquire->prepared]);
}

static void tell_extension(struct play *p, const struct msg *msg)
{
    const struct msg_extend *m = &msg->u.extend;
    const struct msg_extended *answer = &msg->u.extended;
    TELL(" ");
    if (msg->type == MSG_EXTEND) {
        tell_branch(p, &m->gtid, m->branch, m->attempt);
        TELL(" by %u, at %.*s", m->index, (int)m->resource.size, (const char *)m->resource.data);
        tell_text(p, m->payload);
        return;
    }
    tell_branch(p, &answer->gtid, answer->branch, answer->attempt);
    TELL(" by %u", answer->index);
    if (answer->code == ASSENT_OK)
        TELL(": branch %u", answer->number);
    else
        TELL(" not (%s)", assent_code_name(answer->code));
    tell_text(p, answer->text);
}

void play_describe(struct play *p, const struct msg *msg)
{
    TELL("%s", msg_name(msg->type));
    switch (msg->type) {
    case MSG_HELLO:
        TELL(" %.*s, run %llu", (int)msg->u.hello.name.size, (const char *)msg->u.hello.name.data,
             (unsigned long long)msg->u.hello.peer_incarnation);
        break;
    case MSG_REFUSED:
        TELL(" %s (%s)", msg_name(msg->u.refused.about), assent_code_name(msg->u.refused.code));
        tell_text(p, msg->u.refused.text);
        break;
    case MSG_ENLIST:
        TELL(" %s/%u at %.*s", play_gtid_text(p, &msg->u.enlist.gtid), msg->u.enlist.branch,
             (int)msg->u.enlist.resource.size, (const char *)msg->u.enlist.resource.data);
        break;
    case MSG_ENLISTED:
        TELL(" %s/%u", play_gtid_text(p, &msg->u.enlisted.gtid), msg->u.enlisted.branch);
        break;
    case MSG_SUBMIT: tell_submit(p, &msg->u.submit); break;
    case MSG_CANCEL:
    case MSG_STATUS: TELL(" %s", play_gtid_text(p, &msg->u.gtid.gtid)); break;
    case MSG_RESULT: tell_result(p, &msg->u.result); break;
    case MSG_PREPARE: tell_prepare(p, &msg->u.prepare); break;
    case MSG_VOTE:
        TELL(" %s ", vote_name(msg->u.vote.vote));
        tell_branch(p, &msg->u.vote.gtid, msg->u.vote.branch, msg->u.vote.attempt);
        tell_text(p, msg->u.vote.text);
        break;
    case MSG_COMMIT:
    case MSG_ROLLBACK: tell_decide(p, &msg->u.decide); break;
    case MSG_DONE: tell_done(p, &msg->u.done); break;
    case MSG_INQUIRE: tell_inquire(p, &msg->u.inquire); break;
    case MSG_STANDING:
        TELL(" ");
        tell_branch(p, &msg->u.standing.gtid, msg->u.standing.branch, msg->u.standing.attempt);
        TELL(" %s", outcome_name(msg->u.standing.outcome));
        break;
    case MSG_EXTEND:
    case MSG_EXTENDED: tell_extension(p, msg); break;
    case MSG_WELCOME:
    case MSG_PING:
    case MSG_PONG:
    case MSG_LEASE:
    case MSG_ADMIN:
    case MSG_ADMIN_REPLY: break;
    }
}

static void tell_tx_record(struct play *p, const struct item *item)
{
    static struct tx_record_storage storage;
    struct tx_record record;
    assert_int_equal(record_decode_tx(item->bytes, &storage, &record, NULL), ASSENT_OK);
    TELL("%s ", play_gtid_text(p, &record.gtid));
    if (record.stage == STAGE_DELEGATED)
        TELL("delegated");
    else
        TELL("%s%s", record.stage == STAGE_ENDED ? "ended, " : "", outcome_name(record.outcome));
    if (record.mixed)
        TELL(", mixed");
    if (record.heuristic.when_ms)
        TELL(", by %.*s", (int)record.heuristic.who.size, (const char *)record.heuristic.who.data);
}

static void tell_branch_record(struct play *p, const struct item *item)
{
    static const char *stages[] = {"?", "prepared", "decided", "finished"};
    struct branch_record record;
    assert_int_equal(record_decode_branch(item->bytes, &record, NULL), ASSENT_OK);
    TELL("%s/%u %s", play_gtid_text(p, &record.gtid), record.branch, stages[record.stage]);
    if (record.outcome)
        TELL(", %s", outcome_name(record.outcome));
    if (record.heuristic)
        TELL(", by an operator's word");
    tell_text(p, record.result);
}

void play_describe_record(struct play *p, const struct item *item)
{
    if (item->from->kind == ACTOR_COORDINATOR)
        tell_tx_record(p, item);
    else
        tell_branch_record(p, item);
}

// ---- states ----

static struct play_state *state_of(struct play *p, const struct actor *actor,
                                   const struct gtid *gtid, int branch)
{
    for (unsigned i = 0; i < p->state_count; i++) {
        struct play_state *s = &p->states[i];
        if (s->actor == actor && s->branch == branch && gtid_equal(&s->gtid, gtid))
            return s;
    }
    return NULL;
}

static const char *state_name(const struct play_state *s, int state)
{
    return sm_name(s->branch < 0 ? &tx_table : &part_table, state);
}

static void tell_state(struct play *p, const struct play_state *s, const char *from, const char *to)
{
    if (p->silent)
        return;
    play_line(p, s->actor->name);
    TELL("  %s", play_gtid_text(p, &s->gtid));
    if (s->branch >= 0)
        TELL("/%d", s->branch);
    TELL(" %s%s%s\n", from, *from ? " -> " : "", to);
}

static void look(struct play *p, const struct actor *actor, const struct gtid *gtid, int branch,
                 int state)
{
    struct play_state *s = state_of(p, actor, gtid, branch);
    if (!s) {
        assert_true(p->state_count < PLAY_STATES_MAX);
        s = &p->states[p->state_count++];
        *s = (struct play_state){.actor = actor, .gtid = *gtid, .branch = branch, .state = -1};
    }
    s->seen = true;
    if (s->state == state)
        return;
    tell_state(p, s, s->state < 0 ? "" : state_name(s, s->state), state_name(s, state));
    s->state = state;
}

static void look_around(struct play *p, const struct actor *actor)
{
    static struct tx_view tx;
    struct part_view part;
    struct gtid gtid;
    if (actor->kind == ACTOR_COORDINATOR) {
        for (size_t cursor = 0; coordinator_next(actor->coordinator, &cursor, &gtid);) {
            if (coordinator_view(actor->coordinator, &gtid, &tx))
                look(p, actor, &gtid, -1, (int)tx.state);
        }
    } else if (actor->kind == ACTOR_PARTICIPANT) {
        for (size_t cursor = 0; participant_next(actor->participant, &cursor, &part);)
            look(p, actor, &part.record.gtid, part.record.branch, (int)part.state);
    }
}

static void tell_states(struct play *p, const struct actor *actor)
{
    for (unsigned i = 0; i < p->state_count; i++)
        p->states[i].seen = p->states[i].actor != actor;
    if (actor->alive)
        look_around(p, actor);
    unsigned kept = 0;
    for (unsigned i = 0; i < p->state_count; i++) {
        struct play_state *s = &p->states[i];
        if (!s->seen && actor->alive)
            tell_state(p, s, state_name(s, s->state), "(left memory)");
        if (s->seen)
            p->states[kept++] = *s;
    }
    p->state_count = kept;
}

// ---- events ----

static void tell_content(struct play *p, const struct effect_call *call)
{
    TELL(" (%s", kind_text(call->kind));
    tell_text(p, call->payload);
    struct slice inputs = call->inputs;
    for (struct step_input input; step_input_next(&inputs, &input);)
        TELL("; from %u: %.*s", input.branch, (int)input.result.size,
             (const char *)input.result.data);
    if (call->result.size)
        TELL("; returned: %.*s", (int)call->result.size, (const char *)call->result.data);
    TELL(")");
}

static void tell_called(struct play *p, const struct sight *sight)
{
    static const char *ops[] = {"?", "prepare", "commit", "roll back", "forget"};
    static const char *results[] = {"done", "no", "read-only", "try again"};
    const struct effect_call *call = &sight->item->call;
    TELL("resource manager: %s %s/%u", ops[call->op], play_gtid_text(p, &call->gtid), call->branch);
    if (protocol_admitted(call->protocol) && call->op != RM_FORGET)
        tell_content(p, call);
    TELL(": %s", results[sight->result]);
}

static void tell_received(struct play *p, const struct sight *sight)
{
    const struct item *item = sight->item;
    char way[2 * LIMIT_NAME_BYTES];
    const char *to = item->to ? item->to->name : "coordinator";
    const char *from = item->from == item->to ? "coordinator" : item->from->name;
    snprintf(way, sizeof way, "%s -> %s", from, to);
    play_line(p, way);
    play_describe(p, sight->msg);
}

static void tell_complete(struct play *p, const struct effect_complete *complete)
{
    TELL("is told: ");
    if (complete->code != ASSENT_OK) {
        TELL("%s", assent_code_text(complete->code));
        tell_text(p, complete->text);
    } else if (complete->result.gtid.size) {
        TELL("%s %s%s", play_gtid_text(p, &complete->result.gtid),
             outcome_name(complete->result.outcome), complete->result.mixed ? ", mixed" : "");
    } else {
        TELL("enlisted");
    }
}

static void tell_stop(struct play *p, const struct effect *effect)
{
    TELL("STOPS (%s)", assent_code_name(effect->u.stop.code));
    tell_text(p, effect->u.stop.text);
}

static bool chatter(const struct play *p, const struct sight *sight)
{
    if (p->chatty)
        return false;
    if (sight->seen == SEEN_RECEIVE)
        return sight->msg->type == MSG_PING || sight->msg->type == MSG_PONG ||
               sight->msg->type == MSG_LEASE;
    return sight->seen == SEEN_HORIZON;
}

void play_see(void *arg, const struct sight *sight)
{
    struct play *p = arg;
    if (sight->seen == SEEN_STEP) {
        tell_states(p, sight->actor);
        return;
    }
    if (p->silent || chatter(p, sight))
        return;
    if (sight->seen == SEEN_RECEIVE)
        tell_received(p, sight);
    else
        play_line(p, sight->actor->name);
    switch (sight->seen) {
    case SEEN_STEP:
    case SEEN_RECEIVE: break;
    case SEEN_HORIZON: TELL("  lets go of closed records"); break;
    case SEEN_WRITE:
        TELL("  %s ", sight->item->forget ? "removes" : "writes");
        play_describe_record(p, sight->item);
        TELL("%s", sight->item->lazy ? ", when convenient" : "");
        break;
    case SEEN_DURABLE:
        TELL("on disk: ");
        play_describe_record(p, sight->item);
        TELL("%s", sight->item->forget ? " removed" : "");
        break;
    case SEEN_CALLED: tell_called(p, sight); break;
    case SEEN_COMPLETE: tell_complete(p, &sight->effect->u.complete); break;
    case SEEN_ANSWER:
        TELL("answers the operator: %s", assent_code_name(sight->effect->u.answer.code));
        tell_text(p, sight->effect->u.answer.text);
        break;
    case SEEN_EXTENDED:
        TELL("tells the try: %s", assent_code_name(sight->effect->u.extended.code));
        if (sight->effect->u.extended.code == ASSENT_OK)
            TELL(", branch %u", sight->effect->u.extended.number);
        tell_text(p, sight->effect->u.extended.text);
        break;
    case SEEN_STOP: tell_stop(p, sight->effect); break;
    }
    TELL("\n");
}
