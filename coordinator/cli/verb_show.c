// SPDX-License-Identifier: Apache-2.0
// show: one transaction, its branches and what happened when.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"
#include "views.h"

int show_ask(const struct cli *cli, struct session *session, json_t **ret_reply,
             assent_error *error)
{
    json_t *arguments = json_pack("{s:s}", "gtid", cli->words[0]);
    if (!arguments)
        return error_set(error, ASSENT_INVALID, "that is no gtid: letters, digits and . _ : -");
    return session_ask(session, "show", arguments, ret_reply, error);
}

bool show_known(const json_t *reply)
{
    const json_t *verdict = json_object_get(reply, "verdict");
    return member_present(reply, "transaction") ||
           json_array_size(json_object_get(reply, "foreign")) > 0 ||
           strcmp(member_text(verdict, "outcome"), "unknown") != 0;
}

static void line(const struct cli *cli, const char *name, enum paint colour, const char *text)
{
    printf("  %s%-12s%s %s%s%s\n", paint(cli, PAINT_DIM), name, unpaint(cli), paint(cli, colour),
           clean(text), unpaint(cli));
}

static void head(const struct cli *cli, const json_t *reply, const json_t *t)
{
    char text[CLEAN_BYTES], age[AGE_TEXT_BYTES];
    printf("%s%s%s\n", paint(cli, PAINT_BOLD), clean(member_text(t, "gtid")), unpaint(cli));
    snprintf(text, sizeof text, "%s%s%s", member_text(t, "state"),
             member_bool(t, "in_doubt") ? ", in doubt" : "",
             member_bool(t, "one_phase") ? ", one-phase" : "");
    line(cli, "state", member_bool(t, "in_doubt") ? PAINT_WARN : PAINT_NONE, text);
    line(cli, "outcome", view_outcome_paint(t), view_outcome(t));
    view_reason(t, text, sizeof text);
    if (*text)
        line(cli, "reason", PAINT_NONE, text);
    line(cli, "owner", PAINT_NONE, *member_text(t, "owner") ? member_text(t, "owner") : "-");
    line(cli, "protocol", PAINT_NONE, member_text(t, "protocol"));
    line(cli, "coordinator", PAINT_NONE, member_text(reply, "coordinator"));
    if (!member_bool(t, "finished"))
        line(cli, "age", PAINT_NONE, format_age(member_count(t, "age_ms"), age));
    if (member_present(t, "deadline_ms")) {
        snprintf(text, sizeof text, "in %s", format_age(member_count(t, "deadline_ms"), age));
        line(cli, "aborts", PAINT_NONE, text);
    }
    if (member_present(t, "check_back_ms")) {
        snprintf(text, sizeof text, "its sender, in %s",
                 format_age(member_count(t, "check_back_ms"), age));
        line(cli, "asks", PAINT_NONE, text);
    }
}

static void election(const struct cli *cli, const json_t *t)
{
    const json_t *election = json_object_get(t, "election");
    bool pre_commits = strcmp(member_text(election, "asks"), "pre_commit") == 0;
    char text[CLEAN_BYTES], age[AGE_TEXT_BYTES] = "0ms";
    if (!json_is_object(election))
        return;
    if (member_present(t, "next_retry_ms"))
        format_age(member_count(t, "next_retry_ms"), age);
    snprintf(text, sizeof text, "for the %s of %" PRIu64 " of its branches, again in %s",
             pre_commits ? "pre-commits" : "states", member_count(t, "majority"), age);
    line(cli, "asks", PAINT_WARN, text);
}

static void branch_outcome(const json_t *b, char *ret, size_t size)
{
    const char *manager = member_text(b, "by_manager");
    if (*manager)
        snprintf(ret, size, "%s (by the resource manager)", manager);
    else
        snprintf(ret, size, "%s%s", member_text(b, "outcome"),
                 member_bool(b, "heuristic") ? " (heuristic)" : "");
}

static bool branches(const struct cli *cli, const json_t *t, uint64_t now_ms)
{
    static const char *const headings[] = {">BRANCH",   "PARTICIPANT", "KIND",   "VOTE",
                                           "STATE",     "OUTCOME",     ">SINCE", ">ASKED",
                                           ">RETRY IN", "CONNECTED",   NULL};
    struct table *table = table_new(cli, headings);
    char outcome[60], age[AGE_TEXT_BYTES];
    const json_t *b;
    size_t i;
    json_array_foreach(json_object_get(t, "branches"), i, b)
    {
        uint64_t since_ms = member_count(b, "since_at_ms");
        bool waiting = member_bool(b, "waiting");
        branch_outcome(b, outcome, sizeof outcome);
        table_row(table);
        table_cell_count(table, member_count(b, "branch"));
        table_cell(table, member_text(b, "participant"));
        table_cell(table, member_text(b, "kind"));
        table_cell(table, strcmp(member_text(b, "vote"), "read_only") == 0
                              ? "read-only"
                              : member_text(b, "vote"));
        table_cell_painted(table, waiting ? PAINT_WARN : PAINT_NONE, member_text(b, "state"));
        table_cell_painted(table, member_bool(b, "heuristic") ? PAINT_BAD : PAINT_NONE, outcome);
        table_cell(table, since_ms && now_ms >= since_ms ? format_age(now_ms - since_ms, age) : "");
        table_cell_count(table, member_count(b, "tries"));
        table_cell_age(table, b, "next_retry_ms");
        table_cell(table, !member_present(b, "connected") ? ""
                          : member_bool(b, "connected")   ? "yes"
                                                          : "no");
    }
    return table_print(&table);
}

// ---- timeline ----

enum { MOMENTS_MAX = 80 };

struct moment {
    uint64_t at_ms;
    size_t place; // among those of the same millisecond
    char text[400];
};

struct timeline {
    struct moment moments[MOMENTS_MAX];
    size_t count;
};

static char *moment(struct timeline *line, uint64_t at_ms)
{
    if (at_ms == 0 || line->count == MOMENTS_MAX)
        return NULL;
    struct moment *m = &line->moments[line->count++];
    m->at_ms = at_ms;
    m->place = line->count;
    return m->text;
}

static int moment_compare(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static void moments_of_branch(struct timeline *line, const json_t *t, const json_t *b)
{
    static const struct {
        const char *state, *what;
    } whats[] = {
        {"active", "enlisted"},
        {"preparing", "asked to vote"},
        {"prepared", "voted yes"},
        {"committing", "told to commit; no acknowledgement yet"},
        {"aborting", "told to roll back; no acknowledgement yet"},
        {"done", "done"},
    };
    const char *what = member_text(b, "state");
    char words[PROGRESS_BYTES];
    if (member_present(b, "progress"))
        what = view_progress_words(b, words);
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++)
        if (!member_present(b, "progress") && strcmp(whats[i].state, what) == 0) {
            what = whats[i].what;
            break;
        }
    if (member_present(t, "election") && strcmp(what, "asked to vote") == 0)
        what = "asked for its state";
    char *text = moment(line, member_count(b, "since_at_ms"));
    if (text)
        snprintf(text, sizeof line->moments->text, "branch %" PRIu64 " (%s) %s",
                 member_count(b, "branch"), member_text(b, "participant"), what);
}

static const char *heuristic_word(const json_t *t, const json_t *heuristic)
{
    const char *forced = member_text(heuristic, "forced");
    if (strcmp(forced, "committed") == 0)
        return "commit forced";
    if (strcmp(forced, "aborted") == 0)
        return "abort forced";
    return member_bool(t, "mixed") ? "forgotten" : "aborted";
}

static void moments_of_transaction(struct timeline *line, const json_t *t)
{
    const json_t *heuristic = json_object_get(t, "heuristic");
    char *text = moment(line, member_count(t, "started_at_ms"));
    if (text)
        strcpy(text, "began");
    text = moment(line, member_count(t, "decided_at_ms"));
    if (text)
        snprintf(text, sizeof line->moments->text, "decided: %s", member_text(t, "outcome"));
    text = moment(line, member_count(heuristic, "at_ms"));
    if (text)
        snprintf(text, sizeof line->moments->text, "%s by operator %.130s%s%.200s",
                 heuristic_word(t, heuristic), member_text(heuristic, "by"),
                 *member_text(heuristic, "why") ? ": " : "", member_text(heuristic, "why"));
    text = moment(line, member_count(t, "ended_at_ms"));
    if (text)
        strcpy(text, "ended: nothing more is waited for");
}

static void timeline(const struct cli *cli, const json_t *t)
{
    static struct timeline line;
    char at[TIME_TEXT_BYTES];
    const json_t *b;
    size_t i;
    line.count = 0;
    moments_of_transaction(&line, t);
    json_array_foreach(json_object_get(t, "branches"), i, b) moments_of_branch(&line, t, b);
    qsort(line.moments, line.count, sizeof *line.moments, moment_compare);
    printf("\n%sTimeline%s\n", paint(cli, PAINT_BOLD), unpaint(cli));
    for (i = 0; i < line.count; i++)
        printf("  %s  %s\n", format_time(line.moments[i].at_ms, at), clean(line.moments[i].text));
}

// ----

static bool foreign(const struct cli *cli, const json_t *reply)
{
    struct rows rows;
    const json_t *array = json_object_get(reply, "foreign");
    json_t *row;
    size_t i;
    bool ok = true;
    rows_init(&rows, 0, NULL);
    json_array_foreach(array, i, row) ok = rows_add(&rows, row) && ok;
    if (rows.count > 0)
        printf("In doubt at participants here, but begun by another coordinator:\n");
    ok = view_foreign(cli, &rows) && ok;
    rows_free(&rows);
    return ok;
}

static enum exit_code show_print(const struct cli *cli, const json_t *reply)
{
    const json_t *t = json_object_get(reply, "transaction");
    const json_t *verdict = json_object_get(reply, "verdict");
    bool ok = true;
    if (json_is_object(t)) {
        head(cli, reply, t);
        election(cli, t);
        putchar('\n');
        uint64_t now_ms = member_count(reply, "now_ms");
        ok = view_has_progress(t) ? view_progress(cli, t, now_ms) : branches(cli, t, now_ms);
        timeline(cli, t);
    } else {
        printf("%s%s%s: %s. %s\n", paint(cli, PAINT_BOLD), clean(cli->words[0]), unpaint(cli),
               clean(member_text(verdict, "outcome")), clean(member_text(verdict, "text")));
    }
    return foreign(cli, reply) && ok ? EXIT_OK : EXIT_FAILED;
}

enum exit_code verb_show(struct cli *cli)
{
    struct session *session = NULL;
    assent_error error;
    json_t *reply = NULL;
    int code = session_open(cli, &session, &error);
    if (code == ASSENT_OK)
        code = show_ask(cli, session, &reply, &error);
    session_close(&session);
    if (code != ASSENT_OK)
        return print_failed(cli, &error);
    bool known = show_known(reply);
    enum exit_code exit;
    if (cli->json) {
        exit = print_json(cli, reply);
    } else {
        exit = show_print(cli, reply);
        json_decref(reply);
    }
    return exit == EXIT_OK && !known ? EXIT_NOT_FOUND : exit;
}
