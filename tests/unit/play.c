// SPDX-License-Identifier: Apache-2.0
#include "play.h"

#include <stdio.h>
#include <stdlib.h>

// ---- the resource managers' lines ----

static enum rm_result rm(void *arg, const struct actor *actor, const struct effect_call *call,
                         struct slice *ret_text)
{
    struct play *p = arg;
    for (unsigned i = 0; i < PLAY_RULES_MAX; i++) {
        struct play_answer *answer = &p->answers[i];
        if (answer->count == 0 || answer->actor != actor || answer->op != call->op)
            continue;
        answer->count--;
        *ret_text = slice_text(answer->text);
        return answer->result;
    }
    return RM_DONE;
}

void play_rm(struct play *p, const char *actor, enum rm_op op, enum rm_result result,
             const char *text, unsigned count)
{
    for (unsigned i = 0; i < PLAY_RULES_MAX; i++) {
        if (p->answers[i].count > 0)
            continue;
        p->answers[i] =
            (struct play_answer){cluster_actor(&p->cluster, actor), op, result, text, count};
        return;
    }
    fail_msg("too many answers");
}

// ---- beginning and end ----

void play_open(struct play *p, const struct play_options *options)
{
    *p = (struct play){.silent = true, .token_next = 1};
    buf_init(&p->text, 1 << 20);
    p->hand = (struct frame_header){
        .version = WIRE_VERSION,
        .from_coordinator = 1,
        .coordinator = 0x1a1a1a1a1a,
        .incarnation = 1,
        .log_seq = 1,
        .seal = 0x5ea1,
        .fence = play_attempt(1, 1),
    };
    struct cluster_options cluster = {
        .coordinator = !options->by_hand,
        .participants = options->participants,
        .clients = options->clients,
        .rm_durable = options->rm_durable,
        .seed = 1,
        .rm = rm,
        .see = play_see,
        .configure = options->configure,
        .arg = p,
    };
    cluster_open(&p->cluster, &cluster);
    for (unsigned i = 0; options->by_hand && i < options->participants; i++)
        play_hand_welcome(p, p->cluster.actors[i].name);
    play_run(p);
    p->silent = false;
}

static void differ(const char *path, const char *text)
{
    char name[] = "/tmp/story-XXXXXX", command[512];
    FILE *file = fdopen(mkstemp(name), "w");
    fputs(text, file);
    fclose(file);
    snprintf(command, sizeof command, "diff -u '%s' '%s' >&2", path, name);
    if (system(command) < 0)
        fputs(text, stderr);
    remove(name);
    fail_msg("the story differs from %s (UPDATE_STORIES=1 writes it anew)", path);
}

void play_close(struct play *p, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, TEST_DATA "/stories/%s.txt", name);
    buf_append(&p->text, "", 1);
    assert_false(p->text.failed);
    const char *text = (const char *)p->text.data;
    if (getenv("UPDATE_STORIES")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    }
    char *expected = unit_text_of(path);
    bool same = strcmp(expected, text) == 0;
    free(expected);
    if (!same)
        differ(path, text);
    buf_free(&p->text);
    cluster_close(&p->cluster);
}

void play_say(struct play *p, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bool again = p->said_size == p->text.size; // another line of the same remark
    buf_printf(&p->text, "%s# %s\n", again ? "" : "\n", text);
    p->said_size = p->text.size;
}

// ---- what happens ----

static struct play_rule *rule_for(struct play *p, const struct actor *from, enum msg_type type)
{
    for (unsigned i = 0; i < PLAY_RULES_MAX; i++) {
        struct play_rule *rule = &p->rules[i];
        if (rule->count > 0 && rule->from == from && rule->type == type)
            return rule;
    }
    return NULL;
}

static void tell_lost(struct play *p, const struct item *item, const struct msg *msg)
{
    char way[2 * LIMIT_NAME_BYTES];
    const char *to = item->to ? item->to->name : "coordinator";
    snprintf(way, sizeof way, "%s -> %s", item->from->name, to);
    play_line(p, way);
    buf_printf(&p->text, "(lost) ");
    play_describe(p, msg);
    buf_printf(&p->text, "\n");
}

// True: the rules dealt with the frame.
static bool frame_fate(struct play *p, struct item *item)
{
    struct frame_header header;
    const struct msg *msg = cluster_message(&p->cluster, item, &header);
    struct play_rule *rule = rule_for(p, item->from, msg->type);
    if (!rule)
        return false;
    rule->count--;
    switch (rule->fate) {
    case FATE_LOST:
        tell_lost(p, item, msg);
        cluster_lose(item);
        return true;
    case FATE_TWICE: cluster_again(&p->cluster, item); return false;
    case FATE_HELD: item->waits = true; return true;
    }
    return false;
}

static bool waits(const struct play *p, const struct item *item)
{
    bool disk = item->kind == ITEM_WRITE || item->kind == ITEM_LOOKUP;
    return item->waits || (disk && item->from == p->disk_held) ||
           (item->kind == ITEM_CALL && item->from == p->rm_held);
}

static struct item *next_item(const struct play *p)
{
    for (struct list *l = p->cluster.items.next; l != &p->cluster.items; l = l->next) {
        struct item *item = container_of(l, struct item, link);
        if (!waits(p, item))
            return item;
    }
    return NULL;
}

static bool happen(struct play *p)
{
    struct item *item = next_item(p);
    if (!item)
        return false;
    if (item->kind != ITEM_FRAME || !frame_fate(p, item))
        cluster_happen(&p->cluster, item);
    return true;
}

void play_one(struct play *p)
{
    assert_true(happen(p));
}

void play_run(struct play *p)
{
    unsigned limit = 10000;
    while (happen(p))
        assert_true(limit-- > 0);
}

void play_pass(struct play *p, uint64_t ms)
{
    uint64_t end = p->cluster.now.mono_ms + ms;
    play_run(p);
    for (;;) {
        uint64_t next = cluster_deadline(&p->cluster);
        if (next > end)
            break;
        if (next > p->cluster.now.mono_ms) {
            p->cluster.now.wall_ms += next - p->cluster.now.mono_ms;
            p->cluster.now.mono_ms = next;
        }
        cluster_tick(&p->cluster);
        play_run(p);
    }
    p->cluster.now.wall_ms += end - p->cluster.now.mono_ms;
    p->cluster.now.mono_ms = end;
}

static void forget_states(struct play *p, const struct actor *actor)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < p->state_count; i++) {
        if (p->states[i].actor != actor)
            p->states[kept++] = p->states[i];
    }
    p->state_count = kept;
}

void play_crash(struct play *p, const char *name)
{
    struct actor *actor = cluster_actor(&p->cluster, name);
    play_line(p, name);
    buf_printf(&p->text, "CRASHES\n");
    cluster_crash(actor, 0, false);
    cluster_cut(actor);
    forget_states(p, actor);
}

void play_start(struct play *p, const char *name)
{
    play_line(p, name);
    buf_printf(&p->text, "STARTS AGAIN\n");
    cluster_start(cluster_actor(&p->cluster, name));
}

static void rule(struct play *p, const char *name, enum msg_type type, enum fate fate)
{
    for (unsigned i = 0; i < PLAY_RULES_MAX; i++) {
        if (p->rules[i].count > 0)
            continue;
        p->rules[i] = (struct play_rule){cluster_actor(&p->cluster, name), type, fate, 1};
        return;
    }
    fail_msg("too many rules");
}

void play_lose(struct play *p, const char *actor, enum msg_type type)
{
    rule(p, actor, type, FATE_LOST);
}

void play_twice(struct play *p, const char *actor, enum msg_type type)
{
    rule(p, actor, type, FATE_TWICE);
}

void play_hold(struct play *p, const char *actor, enum msg_type type)
{
    rule(p, actor, type, FATE_HELD);
}

void play_hold_disk(struct play *p, const char *actor)
{
    p->disk_held = cluster_actor(&p->cluster, actor);
}

void play_hold_rm(struct play *p, const char *actor)
{
    p->rm_held = cluster_actor(&p->cluster, actor);
}

void play_release(struct play *p)
{
    p->disk_held = p->rm_held = NULL;
    for (struct list *l = p->cluster.items.next; l != &p->cluster.items; l = l->next)
        container_of(l, struct item, link)->waits = false;
}
