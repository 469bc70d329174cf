// SPDX-License-Identifier: Apache-2.0
// How a story is told.
#include <stdio.h>

#include "describe.h"
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

static const char *told_gtid(void *arg, const struct gtid *gtid)
{
    return play_gtid_text(arg, gtid);
}

static struct describe in_words(struct play *p)
{
    return (struct describe){.out = &p->text, .gtid = told_gtid, .arg = p};
}

static void tell_text(struct play *p, struct slice text)
{
    const struct describe d = in_words(p);
    describe_text(&d, text);
}

void play_describe(struct play *p, const struct msg *msg)
{
    const struct describe d = in_words(p);
    describe_message(&d, msg);
}

void play_describe_record(struct play *p, const struct item *item)
{
    static struct tx_record_storage storage;
    const struct describe d = in_words(p);
    struct tx_record tx;
    struct branch_record branch;
    if (item->from->kind == ACTOR_COORDINATOR) {
        assert_int_equal(record_decode_tx(item->bytes, &storage, &tx, NULL), ASSENT_OK);
        describe_tx_record(&d, &tx);
    } else {
        assert_int_equal(record_decode_branch(item->bytes, &branch, NULL), ASSENT_OK);
        describe_branch_record(&d, &branch);
    }
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
    TELL(" (%s", describe_kind(call->kind));
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
    static const char *results[] = {
        "done",
        "no",
        "read-only",
        "try again",
        "had committed by itself",
        "had rolled back by itself",
        "had done some of it by itself",
        "had ended it somehow by itself",
    };
    const struct effect_call *call = &sight->item->call;
    TELL("resource manager: %s %s/%u", ops[call->op], play_gtid_text(p, &call->gtid), call->branch);
    if (protocol_business(call->protocol) && call->op != RM_FORGET)
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

static void tell_extended(struct play *p, const struct effect_extended *extended)
{
    TELL("tells the try: %s", assent_code_name(extended->code));
    if (extended->code == ASSENT_OK)
        TELL(", branch %u", extended->number);
    tell_text(p, extended->text);
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
    case SEEN_EXTENDED: tell_extended(p, &sight->effect->u.extended); break;
    case SEEN_STOP: tell_stop(p, sight->effect); break;
    }
    TELL("\n");
}
