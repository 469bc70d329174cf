// SPDX-License-Identifier: Apache-2.0
// What applications, operators, and a coordinator played by hand do in a story.
#include "play.h"

struct gtid play_gtid(const char *text)
{
    struct gtid gtid;
    assert_true(gtid_from(slice_text(text), &gtid));
    return gtid;
}

struct gtid play_begin(struct play *p, const char *actor)
{
    struct gtid gtid;
    assert_true(client_gtid(cluster_actor(&p->cluster, actor)->client, &gtid));
    assert_true(p->gtid_count < PLAY_GTIDS_MAX);
    p->gtids[p->gtid_count++] = gtid;
    return gtid;
}

static void ask(struct play *p, const char *actor, struct event_ask *ask)
{
    ask->token = p->token_next++;
    ask->deadline_ms = UINT64_MAX;
    struct event event = {.type = EVENT_ASK, .u.ask = *ask};
    cluster_step(cluster_actor(&p->cluster, actor), &event);
}

static void submit(struct play *p, const char *actor, struct gtid gtid, const char *resources,
                   enum branch_kind kind, enum protocol protocol)
{
    struct msg_branch branches[LIMIT_BRANCHES];
    uint16_t count = 0;
    for (const char *at = resources; *at; count++) {
        size_t size = strcspn(at, " ");
        branches[count] = (struct msg_branch){
            .branch = count,
            .kind = (uint8_t)kind,
            .resource = slice_of(at, size),
            .payload = kind == BRANCH_CALL ? slice_text("work") : slice_of(NULL, 0),
        };
        at += size + (at[size] == ' ');
    }
    struct event_ask event = {.kind = ASK_SUBMIT};
    event.u.submit = (struct msg_submit){
        .gtid = gtid,
        .protocol = (uint8_t)protocol,
        .branch_count = count,
        .branches = branches,
    };
    ask(p, actor, &event);
}

void play_submit(struct play *p, const char *actor, struct gtid gtid, const char *resources)
{
    submit(p, actor, gtid, resources, BRANCH_CALL, PROTOCOL_2PC);
}

void play_submit_three(struct play *p, const char *actor, struct gtid gtid, const char *resources)
{
    submit(p, actor, gtid, resources, BRANCH_CALL, PROTOCOL_3PC);
}

void play_submit_enlisted(struct play *p, const char *actor, struct gtid gtid,
                          const char *resources)
{
    submit(p, actor, gtid, resources, BRANCH_ENLISTED, PROTOCOL_2PC);
}

void play_submit_as(struct play *p, const char *actor, struct gtid gtid, struct msg_submit submit,
                    struct msg_branch *branches, unsigned branch_count)
{
    struct event_ask event = {.kind = ASK_SUBMIT};
    for (unsigned i = 0; i < branch_count; i++)
        branches[i].branch = (uint16_t)i;
    submit.gtid = gtid;
    submit.branches = branches;
    submit.branch_count = (uint16_t)branch_count;
    event.u.submit = submit;
    ask(p, actor, &event);
}

static void enlist(struct play *p, const char *actor, const struct msg_enlist *enlist)
{
    struct event_ask event = {.kind = ASK_ENLIST, .u.enlist = *enlist};
    ask(p, actor, &event);
}

void play_enlist(struct play *p, const char *actor, struct gtid gtid, unsigned branch,
                 const char *resource)
{
    enlist(p, actor,
           &(struct msg_enlist){.gtid = gtid,
                                .protocol = PROTOCOL_2PC,
                                .branch = (uint16_t)branch,
                                .resource = slice_text(resource)});
}

void play_enlist_with(struct play *p, const char *actor, struct gtid gtid, unsigned branch,
                      const char *resource, const char *payload)
{
    enlist(p, actor,
           &(struct msg_enlist){.gtid = gtid,
                                .protocol = PROTOCOL_TCC,
                                .branch = (uint16_t)branch,
                                .resource = slice_text(resource),
                                .payload = slice_text(payload)});
}

void play_ask(struct play *p, const char *actor, enum ask_kind kind, struct gtid gtid)
{
    struct event_ask event = {.kind = kind, .u.gtid.gtid = gtid};
    ask(p, actor, &event);
}

void play_working(struct play *p, const char *actor, struct gtid gtid, unsigned branch)
{
    struct branch_record record = {.gtid = gtid, .branch = (uint16_t)branch};
    struct event event = {.type = EVENT_WORKING, .u.branch = &record};
    play_line(p, actor);
    buf_printf(&p->text, "the application starts work for %s/%u\n", play_gtid_text(p, &gtid),
               branch);
    cluster_step(cluster_actor(&p->cluster, actor), &event);
}

void play_order(struct play *p, enum operator_verb verb, struct gtid gtid)
{
    static const char *verbs[] = {"?", "commit", "abort", "forget", "retry"};
    struct event event = {.type = EVENT_OPERATOR};
    event.u.op = (struct event_operator){
        .token = p->token_next++,
        .verb = verb,
        .gtid = gtid,
        .who = slice_text("ann"),
        .why = slice_text("bank-b burnt down"),
    };
    play_line(p, "operator");
    buf_printf(&p->text, "orders: %s %s\n", verbs[verb], play_gtid_text(p, &gtid));
    cluster_step(cluster_coordinator(&p->cluster), &event);
}

// ---- the coordinator by hand ----

void play_hand(struct play *p, const char *to, const struct msg *msg)
{
    cluster_hand(cluster_actor(&p->cluster, to), &p->hand, msg);
}

void play_hand_welcome(struct play *p, const char *to)
{
    const struct actor *actor = cluster_actor(&p->cluster, to);
    struct msg msg = {.type = MSG_WELCOME};
    msg.u.welcome.peer_incarnation = actor->incarnation;
    play_hand(p, to, &msg);
}

void play_hand_prepare(struct play *p, const char *to, struct gtid gtid, uint64_t attempt,
                       unsigned flags)
{
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = gtid,
        .attempt = attempt,
        .protocol = PROTOCOL_2PC,
        .kind = BRANCH_CALL,
        .flags = (uint8_t)flags,
        .timeout_ms = 10000,
        .payload = slice_text("work"),
    };
    play_hand(p, to, &msg);
}

void play_hand_decide(struct play *p, const char *to, enum msg_type type, struct gtid gtid,
                      uint64_t attempt, unsigned flags)
{
    struct msg msg = {.type = type};
    msg.u.decide = (struct msg_decide){.gtid = gtid, .attempt = attempt, .flags = (uint8_t)flags};
    play_hand(p, to, &msg);
}

void play_hand_standing(struct play *p, const char *to, struct gtid gtid, uint64_t attempt,
                        enum outcome outcome)
{
    struct msg msg = {.type = MSG_STANDING};
    msg.u.standing =
        (struct msg_standing){.gtid = gtid, .attempt = attempt, .outcome = (uint8_t)outcome};
    play_hand(p, to, &msg);
}
