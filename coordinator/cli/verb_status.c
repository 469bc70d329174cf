// SPDX-License-Identifier: Apache-2.0
// The coordinator itself: status, participants, configuration.
#include <inttypes.h>
#include <string.h>

#include "views.h"

static void line(const struct cli *cli, const char *name, const char *text)
{
    printf("%s%-14s%s %s\n", paint(cli, PAINT_DIM), name, unpaint(cli), clean(text));
}

static void line_endpoints(const struct cli *cli, const json_t *status)
{
    const json_t *endpoint;
    size_t i;
    json_array_foreach(json_object_get(status, "endpoints"), i, endpoint)
        line(cli, i == 0 ? "listens at" : "", json_string_value(endpoint));
}

static void lines_transactions(const struct cli *cli, const json_t *status)
{
    const json_t *t = json_object_get(status, "transactions");
    char text[200];
    snprintf(text, sizeof text,
             "%" PRIu64 " now: %" PRIu64 " undecided, %" PRIu64 " waiting for acknowledgements",
             member_count(t, "now"), member_count(t, "undecided"), member_count(t, "in_phase_two"));
    line(cli, "transactions", text);
    snprintf(text, sizeof text, "%" PRIu64 " committed, %" PRIu64 " aborted, %" PRIu64 " refused",
             member_count(t, "committed"), member_count(t, "aborted"), member_count(t, "refused"));
    line(cli, "since start", text);
    if (member_count(t, "mixed") == 0)
        return;
    printf("%s%-14s %" PRIu64 " transactions are mixed by a heuristic: assent list --state "
           "mixed%s\n",
           paint(cli, PAINT_BAD), "mixed", member_count(t, "mixed"), unpaint(cli));
}

void view_status(const struct cli *cli, const json_t *status)
{
    const json_t *log = json_object_get(status, "log"),
                 *p = json_object_get(status, "participants");
    char text[200], age[AGE_TEXT_BYTES];
    snprintf(text, sizeof text, "%s, run %" PRIu64 " of its log",
             member_text(status, "coordinator"), member_count(status, "incarnation"));
    line(cli, "coordinator", text);
    snprintf(text, sizeof text, "assentd %s, process %" PRIu64 ", up %s%s",
             member_text(status, "version"), member_count(status, "pid"),
             format_age(member_count(status, "uptime_ms"), age),
             member_bool(status, "draining") ? ", draining: no new transactions" : "");
    line(cli, "daemon", text);
    line_endpoints(cli, status);
    line(cli, "data", member_text(status, "data_dir"));
    lines_transactions(cli, status);
    snprintf(text, sizeof text, "%" PRIu64 " connected, %" PRIu64 " not",
             member_count(p, "connected"), member_count(p, "known") - member_count(p, "connected"));
    line(cli, "participants", text);
    snprintf(text, sizeof text, "record %" PRIu64 ", %" PRIu64 " waiting to be written (%s)",
             member_count(log, "head_seq"), member_count(log, "waiting"),
             member_text(status, "store"));
    line(cli, "log", text);
}

// One verb, one reply, shown by `view` or as it came.
static enum exit_code ask_and_show(struct cli *cli, const char *verb,
                                   bool (*view)(const struct cli *cli, const json_t *reply))
{
    struct session *session = NULL;
    assent_error error;
    json_t *reply = NULL;
    int code = session_open(cli, &session, &error);
    if (code == ASSENT_OK)
        code = session_ask(session, verb, NULL, &reply, &error);
    session_close(&session);
    if (code != ASSENT_OK)
        return print_failed(cli, &error);
    if (cli->json)
        return print_json(cli, reply);
    bool ok = view(cli, reply);
    json_decref(reply);
    return ok ? EXIT_OK : EXIT_FAILED;
}

static bool show_status(const struct cli *cli, const json_t *reply)
{
    view_status(cli, reply);
    return true;
}

enum exit_code verb_status(struct cli *cli)
{
    return ask_and_show(cli, "status", show_status);
}

static bool show_config(const struct cli *cli, const json_t *reply)
{
    static const char *const headings[] = {"KEY", "VALUE", "FROM", "RELOADABLE", NULL};
    struct table *table = table_new(cli, headings);
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(reply, "config"), i, row)
    {
        bool is_default = strcmp(member_text(row, "from"), "default") == 0;
        table_row(table);
        table_cell(table, member_text(row, "key"));
        table_cell_painted(table, is_default ? PAINT_NONE : PAINT_BOLD, member_text(row, "value"));
        table_cell(table, member_text(row, "from"));
        table_cell(table, member_bool(row, "reloadable") ? "yes" : "no");
    }
    return table_print(&table);
}

enum exit_code verb_config(struct cli *cli)
{
    return ask_and_show(cli, "config", show_config);
}

static bool view_participants(const struct cli *cli, const struct rows *rows)
{
    static const char *const headings[] = {"PARTICIPANT",  "CONNECTED",   "LAST HEARD",
                                           ">WAITING FOR", ">UNANSWERED", ">RETRY IN",
                                           ">JOURNAL RUN", NULL};
    struct table *table = table_new(cli, headings);
    for (size_t i = 0; i < rows->count; i++) {
        const json_t *row = rows->items[i];
        bool connected = member_bool(row, "connected");
        table_row(table);
        table_cell(table, member_text(row, "participant"));
        table_cell_painted(table, connected ? PAINT_GOOD : PAINT_BAD, connected ? "yes" : "no");
        table_cell_time(table, row, "last_heard_at_ms");
        table_cell_count(table, member_count(row, "outstanding"));
        table_cell_count(table, member_count(row, "retries"));
        table_cell_age(table, row, "next_retry_ms");
        table_cell_count(table, member_count(row, "incarnation"));
    }
    return table_print(&table);
}

enum exit_code verb_participants(struct cli *cli)
{
    struct session *session = NULL;
    struct rows rows;
    assent_error error;
    rows_init(&rows, 0, NULL);
    enum exit_code exit = EXIT_OK;
    int code = session_open(cli, &session, &error);
    if (code == ASSENT_OK)
        code = rows_ask(&rows, session, "participants", "participants", NULL, false, NULL, &error);
    if (code != ASSENT_OK)
        exit = print_failed(cli, &error);
    else if (cli->json)
        exit = print_json(cli, json_pack("{s:o}", "participants", rows_json(&rows)));
    else if (rows.count == 0)
        printf("No participants: none is connected, and no transaction waits for one.\n");
    else if (!view_participants(cli, &rows))
        exit = EXIT_FAILED;
    rows_free(&rows);
    session_close(&session);
    return exit;
}
