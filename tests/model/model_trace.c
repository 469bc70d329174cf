// SPDX-License-Identifier: Apache-2.0
#include "model_trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { PART_BYTES = 44, BRANCHES_MAX = 8, ATTEMPTS_MAX = 64, COORDINATOR = 0 };

// "told 0 commit", attempt, " forced". Attempts become 1, 2, ... only when all are known.
struct line {
    char head[PART_BYTES], tail[PART_BYTES];
    bool numbered;
    uint64_t attempt;
};

struct story {
    struct gtid gtid;
    struct line *lines;
    size_t count, capacity;
    unsigned actors[BRANCHES_MAX]; // whose branch it is; 0: not known yet
    unsigned branches;
    bool enlisted[BRANCHES_MAX], asked[BRANCHES_MAX];
    bool too_large; // for the model
};

struct model_trace {
    uint64_t coordinator;
    bool rm_durable;
    char directory[512], prefix[128];
    uint64_t down; // actors, by bit
    struct story *stories;
    size_t count, capacity;
};

// ---- stories and their lines ----

struct model_trace *model_trace_new(const struct model_trace_config *config)
{
    struct model_trace *self = calloc(1, sizeof *self);
    CHECK(self);
    self->coordinator = config->coordinator;
    self->rm_durable = config->rm_durable;
    snprintf(self->directory, sizeof self->directory, "%s", config->directory);
    snprintf(self->prefix, sizeof self->prefix, "%s", config->prefix);
    return self;
}

static void *grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? 2 * *capacity : 16;
    items = realloc(items, *capacity * size);
    CHECK(items);
    return items;
}

static void line_add(struct story *s, const struct line *line)
{
    s->lines = grow(s->lines, s->count, &s->capacity, sizeof *s->lines);
    s->lines[s->count++] = *line;
}

static struct story *story_of(struct model_trace *self, const struct gtid *gtid)
{
    for (size_t i = 0; i < self->count; i++) {
        if (gtid_equal(&self->stories[i].gtid, gtid))
            return &self->stories[i];
    }
    self->stories = grow(self->stories, self->count, &self->capacity, sizeof *self->stories);
    struct story *s = &self->stories[self->count++];
    *s = (struct story){.gtid = *gtid};
    if (self->down & 1)
        line_add(s, &(struct line){.head = "crash coordinator"});
    return s;
}

static bool same(const struct line *a, const struct line *b)
{
    return a->numbered == b->numbered && a->attempt == b->attempt &&
           strcmp(a->head, b->head) == 0 && strcmp(a->tail, b->tail) == 0;
}

// Something that is said, and may be said again: twice in a row is as good as once.
static void line_said(struct story *s, const struct line *line)
{
    if (s->count == 0 || !same(&s->lines[s->count - 1], line))
        line_add(s, line);
}

__attribute__((format(printf, 2, 3))) static struct line line_of(uint64_t attempt,
                                                                 const char *format, ...)
{
    struct line line = {.numbered = true, .attempt = attempt};
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line.head, sizeof line.head, format, arguments);
    va_end(arguments);
    CHECK(size < PART_BYTES);
    return line;
}

static void line_flag(struct line *line, bool set, const char *text)
{
    size_t size = strlen(line->tail);
    if (set)
        snprintf(line->tail + size, sizeof line->tail - size, " %s", text);
}

static void meet(struct story *s, unsigned branch, unsigned actor)
{
    if (branch >= BRANCHES_MAX) {
        s->too_large = true;
        return;
    }
    if (actor != COORDINATOR)
        s->actors[branch] = actor;
    if (branch >= s->branches)
        s->branches = branch + 1;
}

static void note_kind(struct story *s, unsigned branch, bool enlisted)
{
    if (branch < BRANCHES_MAX && enlisted)
        s->enlisted[branch] = true;
}

static void note_asked(struct story *s, unsigned branch)
{
    if (branch < BRANCHES_MAX)
        s->asked[branch] = true;
}

// Nobody who was not asked to prepare can have anything to undo.
static void note_told(struct story *s, unsigned branch)
{
    note_kind(s, branch, branch < BRANCHES_MAX && !s->asked[branch]);
}

static const char *outcome_text(unsigned outcome)
{
    static const char *const texts[] = {"none", "committed", "aborted", "unknown"};
    CHECK(outcome < sizeof texts / sizeof texts[0]);
    return texts[outcome];
}

// ---- what is said ----

static void say_prepare(struct model_trace *self, const struct msg_prepare *p)
{
    struct story *s = story_of(self, &p->gtid);
    meet(s, p->branch, COORDINATOR);
    note_asked(s, p->branch);
    note_kind(s, p->branch, p->kind == BRANCH_ENLISTED);
    struct line line = line_of(p->attempt, "prepare %u", p->branch);
    line_flag(&line, p->flags & PREPARE_ONE_PHASE, "alone");
    line_said(s, &line);
}

static void say_decide(struct model_trace *self, const struct msg_decide *d, const char *what)
{
    struct story *s = story_of(self, &d->gtid);
    meet(s, d->branch, COORDINATOR);
    note_told(s, d->branch);
    struct line line = line_of(d->attempt, "told %u %s", d->branch, what);
    line_flag(&line, d->flags & DECIDE_HEURISTIC, "forced");
    line_flag(&line, d->flags & DECIDE_RESOLVE, "resolve");
    line_said(s, &line);
}

static void say_standing(struct model_trace *self, const struct msg_standing *standing)
{
    if (standing->outcome != OUTCOME_UNKNOWN)
        return; // in progress: says nothing
    struct story *s = story_of(self, &standing->gtid);
    meet(s, standing->branch, COORDINATOR);
    struct line line = line_of(standing->attempt, "told %u unknown", standing->branch);
    line_said(s, &line);
}

static void say_result(struct model_trace *self, const struct msg_result *result)
{
    if (result->outcome != OUTCOME_COMMITTED && result->outcome != OUTCOME_ABORTED)
        return;
    struct line line = line_of(0, "answered %s", outcome_text(result->outcome));
    line.numbered = false;
    line_said(story_of(self, &result->gtid), &line);
}

static void say_vote(struct model_trace *self, unsigned actor, const struct msg_vote *vote)
{
    struct story *s = story_of(self, &vote->gtid);
    meet(s, vote->branch, actor);
    struct line line = line_of(vote->attempt, "vote %u %s", vote->branch,
                               vote->vote == VOTE_YES  ? "yes"
                               : vote->vote == VOTE_NO ? "no"
                                                       : "read-only");
    line_said(s, &line);
}

static void say_done(struct model_trace *self, unsigned actor, const struct msg_done *done)
{
    struct story *s = story_of(self, &done->gtid);
    meet(s, done->branch, actor);
    struct line line =
        line_of(done->attempt, "done %u %s", done->branch, outcome_text(done->outcome));
    line_flag(&line, done->flags & DONE_HEURISTIC, "forced");
    line_flag(&line, done->flags & DONE_FORGOTTEN, "forgotten");
    line_said(s, &line);
}

static void say_inquire(struct model_trace *self, unsigned actor, const struct msg_inquire *i)
{
    struct story *s = story_of(self, &i->gtid);
    meet(s, i->branch, actor);
    struct line line = line_of(i->attempt, "inquire %u", i->branch);
    line_flag(&line, i->prepared, "prepared");
    line_said(s, &line);
}

static void said(struct model_trace *self, unsigned actor, const struct msg *msg)
{
    if (msg->type == MSG_PREPARE)
        say_prepare(self, &msg->u.prepare);
    else if (msg->type == MSG_COMMIT)
        say_decide(self, &msg->u.decide, "commit");
    else if (msg->type == MSG_ROLLBACK)
        say_decide(self, &msg->u.decide, "rollback");
    else if (msg->type == MSG_STANDING)
        say_standing(self, &msg->u.standing);
    else if (msg->type == MSG_RESULT && actor == COORDINATOR)
        say_result(self, &msg->u.result);
    else if (msg->type == MSG_VOTE)
        say_vote(self, actor, &msg->u.vote);
    else if (msg->type == MSG_DONE)
        say_done(self, actor, &msg->u.done);
    else if (msg->type == MSG_INQUIRE)
        say_inquire(self, actor, &msg->u.inquire);
}

// ---- what is written ----

static void write_tx(struct model_trace *self, const struct tx_record *r, const char *verb)
{
    static const char *const stages[] = {"none", "delegated", "decided", "ended"};
    struct story *s = story_of(self, &r->gtid);
    for (unsigned i = 0; i < r->branch_count; i++) {
        meet(s, r->branches[i].branch, COORDINATOR);
        note_kind(s, r->branches[i].branch, r->branches[i].kind == BRANCH_ENLISTED);
    }
    struct line line = line_of(r->attempt, "%s coordinator %s %s", verb, stages[r->stage & 3],
                               outcome_text(r->outcome));
    line_flag(&line, r->heuristic.forced == OUTCOME_COMMITTED, "forced-commit");
    line_flag(&line, r->heuristic.forced == OUTCOME_ABORTED, "forced-rollback");
    line_flag(&line, r->mixed, "mixed");
    line_flag(&line, r->heuristic.when_ms != 0, "operator");
    line_add(s, &line);
}

static void write_branch(struct model_trace *self, unsigned actor, const struct branch_record *r,
                         const char *verb)
{
    static const char *const stages[] = {"none", "prepared", "decided", "finished"};
    struct story *s = story_of(self, &r->gtid);
    meet(s, r->branch, actor);
    note_kind(s, r->branch, r->kind == BRANCH_ENLISTED);
    struct line line = line_of(r->attempt, "%s %u %s %s", verb, r->branch, stages[r->stage & 3],
                               outcome_text(r->outcome));
    line_flag(&line, r->heuristic, "forced");
    line_add(s, &line);
}

// A participant's lazy writes move a record that stands, or remove it: housekeeping.
static void written(struct model_trace *self, unsigned actor, const struct effect_write *write,
                    const char *verb)
{
    if (write->tx)
        write_tx(self, write->tx, verb);
    else if (write->branch && write->haste != HASTE_LAZY)
        write_branch(self, actor, write->branch, verb);
}

// ---- what is called ----

static const char *op_text(enum rm_op op)
{
    switch (op) {
    case RM_PREPARE: return "prepare";
    case RM_COMMIT: return "commit";
    case RM_ROLLBACK: return "rollback";
    case RM_FORGET: return "forget";
    }
    return "?";
}

static const char *result_text(enum rm_result result)
{
    switch (result) {
    case RM_DONE: return "done";
    case RM_NO: return "no";
    case RM_READ_ONLY: return "read-only";
    case RM_RETRY: return "retry";
    case RM_HEURISTIC_COMMIT:
    case RM_HEURISTIC_ROLLBACK:
    case RM_HEURISTIC_MIXED:
    case RM_HEURISTIC_HAZARD: break; // the model's resource managers do as they are told
    }
    return "?";
}

static void call(struct model_trace *self, unsigned actor, const struct effect_call *call)
{
    struct story *s = story_of(self, &call->gtid);
    meet(s, call->branch, actor);
    note_kind(s, call->branch, call->kind == BRANCH_ENLISTED);
    struct line line = line_of(call->attempt, "call %u %s", call->branch, op_text(call->op));
    line_add(s, &line);
}

void model_trace_called(struct model_trace *self, unsigned actor, const struct effect_call *call,
                        enum rm_result result)
{
    struct story *s = story_of(self, &call->gtid);
    meet(s, call->branch, actor);
    struct line line = line_of(call->attempt, "called %u %s %s", call->branch, op_text(call->op),
                               result_text(result));
    line_add(s, &line);
}

void model_trace_effect(struct model_trace *self, unsigned actor, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_SEND: said(self, actor, &effect->u.send.msg); return;
    case EFFECT_WRITE: written(self, actor, &effect->u.write, "writes"); return;
    case EFFECT_CALL: call(self, actor, &effect->u.call); return;
    case EFFECT_LOOKUP:
    case EFFECT_HORIZON:
    case EFFECT_ANSWER:
    case EFFECT_COMPLETE:
    case EFFECT_EXTENDED:
    case EFFECT_TELL:
    case EFFECT_STOP: return;
    }
}

void model_trace_durable(struct model_trace *self, unsigned actor, const struct effect_write *write)
{
    written(self, actor, write, "durable");
}

// ---- processes ----

static void process(struct model_trace *self, unsigned actor, const char *verb)
{
    CHECK(actor < 64);
    self->down ^= UINT64_C(1) << actor;
    for (size_t i = 0; i < self->count; i++) {
        struct story *s = &self->stories[i];
        struct line line = line_of(0, "%s coordinator", verb);
        line.numbered = false;
        if (actor == COORDINATOR)
            line_add(s, &line);
        for (unsigned n = 0; actor != COORDINATOR && n < s->branches; n++) {
            snprintf(line.head, sizeof line.head, "%s %u", verb, n);
            if (s->actors[n] == actor)
                line_add(s, &line);
        }
    }
}

void model_trace_crash(struct model_trace *self, unsigned actor)
{
    process(self, actor, "crash");
}

void model_trace_start(struct model_trace *self, unsigned actor)
{
    process(self, actor, "start");
}

// ---- files ----

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static size_t attempts_of(const struct story *s, uint64_t attempts[ATTEMPTS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < s->count && count < ATTEMPTS_MAX; i++) {
        uint64_t attempt = s->lines[i].attempt;
        size_t at = 0;
        while (at < count && attempts[at] != attempt)
            at++;
        if (attempt && at == count)
            attempts[count++] = attempt;
    }
    qsort(attempts, count, sizeof attempts[0], compare);
    return count;
}

static unsigned attempt_number(const uint64_t *attempts, size_t count, uint64_t attempt)
{
    unsigned n = 0;
    while (n < count && attempts[n] < attempt)
        n++;
    return attempt ? n + 1 : 0;
}

static void story_print(const struct model_trace *self, const struct story *s, FILE *to)
{
    uint64_t attempts[ATTEMPTS_MAX];
    size_t count = attempts_of(s, attempts);
    struct gtid_parts parts;
    bool own = gtid_parse(&s->gtid, &parts) && parts.coordinator == self->coordinator;
    fprintf(to, "# SPDX-License-Identifier: Apache-2.0\n# %.*s\n", s->gtid.size, s->gtid.text);
    fprintf(to, "gtid %s\nrm %s\nbranches %u\n", own ? "own" : "client",
            self->rm_durable ? "durable" : "journal", s->branches ? s->branches : 1);
    for (unsigned n = 0; n < s->branches; n++) {
        if (s->enlisted[n])
            fprintf(to, "enlisted %u\n", n);
    }
    for (size_t i = 0; i < s->count; i++) {
        const struct line *line = &s->lines[i];
        fprintf(to, "%s", line->head);
        if (line->numbered)
            fprintf(to, " %u%s", attempt_number(attempts, count, line->attempt), line->tail);
        fprintf(to, "\n");
    }
}

static bool story_file(const struct model_trace *self, const struct story *s, size_t number)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s-%zu.txt", self->directory, self->prefix, number);
    FILE *to = fopen(path, "w");
    if (!to)
        return false;
    story_print(self, s, to);
    return fclose(to) == 0;
}

int model_trace_close(struct model_trace **self_p)
{
    struct model_trace *self = *self_p;
    int files = 0;
    if (!self)
        return 0;
    for (size_t i = 0; i < self->count; i++) {
        struct story *s = &self->stories[i];
        if (files >= 0 && !s->too_large)
            files = story_file(self, s, i) ? files + 1 : -1;
        free(s->lines);
    }
    free(self->stories);
    free(self);
    *self_p = NULL;
    return files;
}
