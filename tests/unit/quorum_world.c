// SPDX-License-Identifier: Apache-2.0
#include "quorum_world.h"

#include <string.h>

#include "base/check.h"

enum {
    QUEUE_MAX = 8192,
    TOLD_MAX = 256,
    CAN_COMMIT = 0, // a quorum_msg_type of this world: PREPARE
    VOTES_MS = 300, // the coordinator waits so long for votes
    PATIENCE_MS = 60000,
};

enum happening_kind { H_ARRIVES, H_DURABLE, H_STRIKE, H_MENDED, H_FINISHED, H_AGAIN, H_GIVE_UP };

struct happening {
    uint64_t at_ms, order;
    enum happening_kind kind;
    unsigned who, from;
    uint64_t life; // of `who`, where it dies with it
    struct quorum_msg msg;
    const struct world_strike *strike;
};

struct actor {
    bool up;
    uint64_t life;
    unsigned steps;
    struct quorum_member member;
    struct quorum_lead lead; // of the coordinator
    struct quorum_record journal;
};

struct world {
    const struct world_plan *plan;
    struct world_result *result;
    FILE *trace;
    struct rng rng;
    uint64_t now_ms, orders;
    unsigned count; // of actors: members and coordinator
    struct actor actors[WORLD_MEMBERS_MAX + 1];
    unsigned sides; // who is on one side of the network
    struct happening queue[QUEUE_MAX];
    unsigned queued;
    char told[TOLD_MAX][160]; // of the trace
    unsigned told_count;
};

static bool is_coordinator(const struct world *w, unsigned who)
{
    return who == w->plan->members;
}

static const char *name_of(const struct world *w, unsigned who)
{
    static const char *const names[] = {"A", "B", "C", "D", "E", "F", "G"};
    return is_coordinator(w, who) ? "coordinator" : names[who];
}

#define TELL(w, ...)                                                                               \
    do {                                                                                           \
        if ((w)->trace) {                                                                          \
            fprintf((w)->trace, "%5llu  ", (unsigned long long)(w)->now_ms);                       \
            fprintf((w)->trace, __VA_ARGS__);                                                      \
            fputc('\n', (w)->trace);                                                               \
        }                                                                                          \
    } while (0)

#define BROKEN(w, ...)                                                                             \
    do {                                                                                           \
        if (!(w)->result->broken[0])                                                               \
            snprintf((w)->result->broken, sizeof(w)->result->broken, __VA_ARGS__);                 \
    } while (0)

static struct happening *plan_for(struct world *w, uint64_t at_ms, enum happening_kind kind,
                                  unsigned who)
{
    CHECK(w->queued < QUEUE_MAX);
    struct happening *h = &w->queue[w->queued++];
    *h = (struct happening){
        .at_ms = at_ms,
        .order = w->orders++,
        .kind = kind,
        .who = who,
        .life = w->actors[who].life,
    };
    return h;
}

static struct happening next_of(struct world *w)
{
    unsigned first = 0;
    for (unsigned i = 1; i < w->queued; i++) {
        const struct happening *a = &w->queue[i], *b = &w->queue[first];
        if (a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order))
            first = i;
    }
    struct happening next = w->queue[first];
    w->queue[first] = w->queue[--w->queued];
    return next;
}

static bool repaired(const struct world *w)
{
    return w->now_ms >= w->plan->repair_ms;
}

static uint64_t between(struct world *w, uint64_t max_ms)
{
    return w->plan->steady || max_ms == 0 ? max_ms : 1 + rng_below(&w->rng, max_ms);
}

static void number_text(const struct world *w, quorum_number_t number, char text[24])
{
    unsigned low = (unsigned)(number & UINT32_MAX);
    const char *who = low == 0 ? "-" : low > LIMIT_BRANCHES ? "coordinator" : name_of(w, low - 1);
    snprintf(text, 24, "%u/%s", quorum_round(number), who);
}

static void msg_text(const struct world *w, const struct quorum_msg *msg, char text[96])
{
    char number[24], attempt[24];
    number_text(w, msg->number, number);
    number_text(w, msg->attempt, attempt);
    bool commits = msg->outcome == OUTCOME_COMMITTED;
    switch ((int)msg->type) {
    case CAN_COMMIT: snprintf(text, 96, "can you commit?"); return;
    case QUORUM_VOTE: snprintf(text, 96, "%s", commits ? "yes" : "no"); return;
    case QUORUM_ASK: snprintf(text, 96, "election %s: what is your state?", number); return;
    case QUORUM_STATE:
        if (msg->attempt)
            snprintf(text, 96, "%s in %s", sm_name(&quorum_table, (int)msg->state), attempt);
        else
            snprintf(text, 96, "%s", sm_name(&quorum_table, (int)msg->state));
        if (msg->number != msg->attempt && strlen(text) < 60)
            snprintf(text + strlen(text), 96 - strlen(text), ", nothing below %s", number);
        return;
    case QUORUM_TRY:
        snprintf(text, 96, "%s in %s", commits ? "pre-commit" : "pre-abort", number);
        return;
    case QUORUM_DECIDE: snprintf(text, 96, "%s", commits ? "commit" : "abort"); return;
    default: snprintf(text, 96, "?"); return;
    }
}

static void send_one(struct world *w, unsigned from, unsigned to, const struct quorum_msg *msg)
{
    w->result->messages++;
    unsigned copies = 1;
    if (!repaired(w)) {
        if (rng_below(&w->rng, 100) < w->plan->loss)
            return;
        copies += rng_below(&w->rng, 100) < w->plan->twice;
    }
    while (copies-- > 0) {
        uint64_t at_ms = w->now_ms + between(w, w->plan->delay_ms_max);
        struct happening *h = plan_for(w, at_ms, H_ARRIVES, to);
        h->from = from;
        h->msg = *msg;
    }
}

// An outcome, as an actor comes to know it: of all the same, for ever, and commit only of what all
// have promised.
static void judge(struct world *w, unsigned who, enum outcome outcome)
{
    struct world_result *r = w->result;
    TELL(w, "%s: %s", name_of(w, who), outcome == OUTCOME_COMMITTED ? "COMMITTED" : "ABORTED");
    for (unsigned i = 0; i < w->count; i++)
        if (r->outcome[i] && r->outcome[i] != outcome)
            BROKEN(w, "%s %s, %s %s", name_of(w, i), outcome_name(r->outcome[i]), name_of(w, who),
                   outcome_name(outcome));
    if (!r->outcome[who])
        r->decided_ms[who] = w->now_ms;
    r->outcome[who] = outcome;
    for (unsigned i = 0; outcome == OUTCOME_COMMITTED && i < w->plan->members; i++) {
        enum quorum_state kept = w->actors[i].journal.state;
        if (kept == QUORUM_IDLE || kept == QUORUM_ABORTED)
            BROKEN(w, "committed, and %s has promised nothing", name_of(w, i));
    }
}

static void apply(struct world *w, unsigned who, const struct quorum_effects *fx)
{
    for (unsigned i = 0; i < fx->send_count; i++) {
        const struct quorum_send *send = &fx->sends[i];
        if (send->msg.type == QUORUM_ASK && w->result->elections++ == 0)
            w->result->suspected_ms = w->now_ms;
        for (unsigned to = 0; to < w->plan->members; to++)
            if (send->members & ((uint64_t)1 << to))
                send_one(w, who, to, &send->msg);
        if (send->coordinator)
            send_one(w, who, w->plan->members, &send->msg);
    }
    if (fx->write) {
        struct actor *a = &w->actors[who];
        CHECK(!is_coordinator(w, who) && a->member.writing);
        w->result->syncs[who]++;
        plan_for(w, w->now_ms + between(w, w->plan->sync_ms_max), H_DURABLE, who);
    }
    if (fx->decided) {
        judge(w, who, fx->decided);
        if (!is_coordinator(w, who) && w->plan->finish_ms)
            plan_for(w, w->now_ms + w->plan->finish_ms, H_FINISHED, who);
    }
}

static void plan_strike(struct world *w, const struct world_strike *s, uint64_t at_ms)
{
    uint64_t end_ms = at_ms + s->for_ms, last_ms = w->plan->repair_ms;
    plan_for(w, at_ms, H_STRIKE, 0)->strike = s;
    w->queue[w->queued - 1].order = 0; // before anything else can happen
    plan_for(w, end_ms < last_ms ? end_ms : last_ms, H_MENDED, 0)->strike = s;
}

static void step(struct world *w, unsigned who, struct quorum_event event)
{
    struct quorum_effects fx;
    struct actor *a = &w->actors[who];
    event.now_ms = w->now_ms;
    if (is_coordinator(w, who))
        quorum_lead_step(&a->lead, &event, &fx);
    else
        quorum_member_step(&a->member, &event, &fx);
    apply(w, who, &fx);
    a->steps++;
    for (unsigned i = 0; i < w->plan->strike_count && !repaired(w); i++) {
        const struct world_strike *s = &w->plan->strikes[i];
        if (s->steps == a->steps && s->whose == who)
            plan_strike(w, s, w->now_ms);
    }
}

static void ask_votes(struct world *w)
{
    const struct quorum_msg can_commit = {.type = (enum quorum_msg_type)CAN_COMMIT};
    for (unsigned i = 0; i < w->plan->members; i++)
        send_one(w, w->plan->members, i, &can_commit);
}

static void start(struct world *w, unsigned who)
{
    struct actor *a = &w->actors[who];
    struct quorum_config config = {
        .self = is_coordinator(w, who) ? QUORUM_COORDINATOR : who,
        .members = w->plan->members,
        .run = a->life + 1,
        .seed = w->plan->seed * 64 + a->life * 8 + who,
        .suspect_ms = w->plan->suspect_ms,
        .stagger_ms = w->plan->suspect_ms / 8 + 1,
        .step_ms = w->plan->suspect_ms / 8 + 1,
        .pause_ms_max = 4000,
    };
    a->up = true;
    if (is_coordinator(w, who)) {
        quorum_lead_init(&a->lead, &config, a->life > 0);
        plan_for(w, w->now_ms + VOTES_MS, H_GIVE_UP, who);
        plan_for(w, w->now_ms + 50, H_AGAIN, who);
        if (a->life == 0)
            ask_votes(w);
    } else
        quorum_member_init(&a->member, &config, &a->journal);
    step(w, who, (struct quorum_event){.type = QUORUM_START});
}

static void sides_text(const struct world *w, unsigned side, char text[96])
{
    text[0] = '\0';
    for (unsigned i = 0; i < w->count; i++)
        if (side & (1u << i))
            snprintf(text + strlen(text), 96 - strlen(text), "%s%s", text[0] ? " " : "",
                     name_of(w, i));
}

static void strike(struct world *w, const struct world_strike *s)
{
    char one[96], other[96];
    sides_text(w, s->who, one);
    sides_text(w, ~s->who, other);
    if (!s->crash) {
        w->sides = s->who;
        TELL(w, "----- the network falls apart: %s | %s", one, other);
        return;
    }
    for (unsigned i = 0; i < w->count; i++) {
        struct actor *a = &w->actors[i];
        if (!(s->who & (1u << i)) || !a->up)
            continue;
        TELL(w, "----- %s dies", name_of(w, i));
        a->up = false;
        a->life++;
        // What was on its way to the disk may have arrived.
        if (!is_coordinator(w, i) && a->member.writing && rng_below(&w->rng, 2))
            a->journal = a->member.put;
    }
}

static void mended(struct world *w, const struct world_strike *s)
{
    if (!s->crash) {
        if (w->sides == s->who) { // not split in another way meanwhile
            w->sides = 0;
            TELL(w, "----- the network is whole again");
        }
        return;
    }
    for (unsigned i = 0; i < w->count; i++)
        if ((s->who & (1u << i)) && !w->actors[i].up) {
            TELL(w, "----- %s is back", name_of(w, i));
            start(w, i);
        }
}

static bool parted(const struct world *w, unsigned a, unsigned b)
{
    return ((w->sides >> a) & 1) != ((w->sides >> b) & 1);
}

// What is said again, with the same fate, is told once.
static void tell_message(struct world *w, const struct happening *h, bool lost)
{
    char text[96], line[160];
    if (!w->trace)
        return;
    msg_text(w, &h->msg, text);
    snprintf(line, sizeof line, "%s -> %s: %s%s", name_of(w, h->from), name_of(w, h->who), text,
             lost ? "   (lost)" : "");
    for (unsigned i = 0; i < w->told_count; i++)
        if (strcmp(w->told[i], line) == 0)
            return;
    if (w->told_count < TOLD_MAX)
        memcpy(w->told[w->told_count++], line, sizeof line);
    TELL(w, "%s", line);
}

static void arrives(struct world *w, const struct happening *h)
{
    struct actor *a = &w->actors[h->who];
    bool lost = !a->up || parted(w, h->who, h->from);
    tell_message(w, h, lost);
    if (lost)
        return;
    struct quorum_event event = {
        .type = QUORUM_RECEIVED,
        .from = is_coordinator(w, h->from) ? QUORUM_COORDINATOR : h->from,
        .msg = h->msg,
    };
    if ((int)h->msg.type == CAN_COMMIT)
        event = (struct quorum_event){.type = QUORUM_VOTED, .yes = !(w->plan->no & (1u << h->who))};
    step(w, h->who, event);
}

// What the coordinator's own core will do about branches that have not acknowledged.
static void say_again(struct world *w, unsigned who)
{
    const struct quorum_lead *lead = &w->actors[who].lead;
    if (lead->elector.phase == QUORUM_GATHERING)
        ask_votes(w);
    for (unsigned i = 0; lead->outcome && i < w->plan->members; i++)
        if (!w->result->outcome[i])
            send_one(w, who, i,
                     &(struct quorum_msg){.type = QUORUM_DECIDE, .outcome = lead->outcome});
    plan_for(w, w->now_ms + 50 + rng_below(&w->rng, 100), H_AGAIN, who);
}

static void happens(struct world *w, const struct happening *h)
{
    struct actor *a = &w->actors[h->who];
    bool alive = a->up && a->life == h->life;
    switch (h->kind) {
    case H_ARRIVES: arrives(w, h); return;
    case H_STRIKE: strike(w, h->strike); return;
    case H_MENDED: mended(w, h->strike); return;
    case H_DURABLE:
        if (!alive)
            return;
        a->journal = a->member.put;
        step(w, h->who, (struct quorum_event){.type = QUORUM_WRITTEN});
        return;
    case H_FINISHED:
        if (alive)
            a->journal.state = a->member.state;
        return;
    case H_AGAIN:
        if (alive)
            say_again(w, h->who);
        return;
    case H_GIVE_UP:
        if (alive)
            step(w, h->who, (struct quorum_event){.type = QUORUM_CANCEL});
        return;
    }
}

static uint64_t due_of(const struct world *w, unsigned who)
{
    const struct actor *a = &w->actors[who];
    if (!a->up)
        return UINT64_MAX;
    return is_coordinator(w, who) ? a->lead.due_ms : a->member.due_ms;
}

// The next thing: what is queued, or a core whose time has come.
static void go_on(struct world *w)
{
    uint64_t queue_ms = UINT64_MAX, due_ms = UINT64_MAX;
    unsigned who = 0;
    for (unsigned i = 0; i < w->queued; i++)
        if (w->queue[i].at_ms < queue_ms)
            queue_ms = w->queue[i].at_ms;
    for (unsigned i = 0; i < w->count; i++)
        if (due_of(w, i) < due_ms)
            due_ms = due_of(w, who = i);
    if (due_ms < queue_ms) {
        w->now_ms = due_ms > w->now_ms ? due_ms : w->now_ms;
        step(w, who, (struct quorum_event){.type = QUORUM_TICK});
        return;
    }
    CHECK(queue_ms < UINT64_MAX);
    w->now_ms = queue_ms;
    struct happening h = next_of(w);
    happens(w, &h);
}

static bool all_know(const struct world *w)
{
    for (unsigned i = 0; i < w->count; i++) {
        if (!w->result->outcome[i])
            return false;
        if (w->actors[i].up && due_of(w, i) != UINT64_MAX) // it has forgotten, and asks again
            return false;
    }
    return true;
}

static void open_world(struct world *w, const struct world_plan *plan)
{
    w->count = plan->members + 1;
    for (unsigned i = 0; i < plan->strike_count; i++) {
        if (plan->strikes[i].steps == 0)
            plan_strike(w, &plan->strikes[i], plan->strikes[i].at_ms);
    }
    for (unsigned i = 0; i < plan->members; i++)
        start(w, i);
    start(w, plan->members);
    if (plan->cancel_ms)
        plan_for(w, plan->cancel_ms, H_GIVE_UP, plan->members);
}

void world_run(const struct world_plan *plan, FILE *trace, struct world_result *ret)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    *ret = (struct world_result){0};
    w.plan = plan;
    w.result = ret;
    w.trace = trace;
    rng_seed(&w.rng, plan->seed);
    open_world(&w, plan);
    while (!ret->broken[0] && !(repaired(&w) && all_know(&w))) {
        if (w.now_ms > plan->repair_ms + PATIENCE_MS) {
            BROKEN(&w, "not all know the outcome");
            break;
        }
        go_on(&w);
        if (plan->steady && all_know(&w)) // a story that is told to the end
            break;
    }
}

void world_plan_print(const struct world_plan *plan, FILE *out)
{
    fprintf(out,
            "seed %llu: %u members, loss %u%%, twice %u%%, delay %llu, sync %llu%s, no %#x, "
            "cancel %llu, repair %llu\n",
            (unsigned long long)plan->seed, plan->members, plan->loss, plan->twice,
            (unsigned long long)plan->delay_ms_max, (unsigned long long)plan->sync_ms_max,
            plan->steady ? " steady" : "", plan->no, (unsigned long long)plan->cancel_ms,
            (unsigned long long)plan->repair_ms);
    for (unsigned i = 0; i < plan->strike_count; i++) {
        const struct world_strike *s = &plan->strikes[i];
        fprintf(out, "  %s %#x for %llu ", s->crash ? "crash" : "split", s->who,
                (unsigned long long)s->for_ms);
        if (s->steps)
            fprintf(out, "after %u steps of %u\n", s->steps, s->whose);
        else
            fprintf(out, "at %llu\n", (unsigned long long)s->at_ms);
    }
}
