// SPDX-License-Identifier: Apache-2.0
#include "views.h"

#include <inttypes.h>
#include <string.h>

// That a resource manager made branches differ by itself, and no operator.
static bool by_manager(const json_t *row)
{
    return strcmp(member_text(row, "mixed_by"), "manager") == 0;
}

static enum paint state_paint(const json_t *row)
{
    const char *state = member_text(row, "state");
    if (member_bool(row, "mixed"))
        return PAINT_BAD;
    if (strcmp(state, "committing") == 0 || strcmp(state, "aborting") == 0)
        return PAINT_WARN;
    return PAINT_NONE;
}

static void names_text(const json_t *row, char *ret, size_t size)
{
    const json_t *names = json_object_get(row, "waiting_for"), *name;
    size_t i, used = 0;
    ret[0] = '\0';
    json_array_foreach(names, i, name)
    {
        const char *text = json_string_value(name);
        int wrote = snprintf(ret + used, size - used, "%s%s", i > 0 ? ", " : "", text ? text : "?");
        if (wrote < 0 || used + (size_t)wrote >= size)
            return;
        used += (size_t)wrote;
    }
}

static bool any_trouble(const struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        if (member_present(rows->items[i], "trouble"))
            return true;
    return false;
}

const char *view_failed(uint64_t failures, const char *why, char *ret, size_t size)
{
    ret[0] = '\0';
    if (failures > 0)
        snprintf(ret, size, "failed %" PRIu64 " time%s%s%s", failures, failures == 1 ? "" : "s",
                 *why ? ": " : "", why);
    return ret;
}

static void cell_trouble(struct table *table, const json_t *row)
{
    const json_t *trouble = json_object_get(row, "trouble");
    char cell[CLEAN_BYTES];
    table_cell_painted(table, PAINT_WARN,
                       view_failed(member_count(trouble, "failures"), member_text(trouble, "text"),
                                   cell, sizeof cell));
}

bool view_live(const struct cli *cli, const struct rows *rows)
{
    bool troubled = any_trouble(rows);
    const char *const headings[] = {"GTID",        "PROTOCOL",  "STATE",
                                    "IN DOUBT",    ">AGE",      ">BRANCHES",
                                    "WAITING FOR", ">RETRY IN", troubled ? "TROUBLE" : NULL,
                                    NULL};
    struct table *table = table_new(cli, headings);
    char names[CLEAN_BYTES], state[64];
    for (size_t i = 0; i < rows->count; i++) {
        const json_t *row = rows->items[i];
        bool in_doubt = member_bool(row, "in_doubt");
        names_text(row, names, sizeof names);
        snprintf(state, sizeof state, "%s%s", member_text(row, "state"),
                 by_manager(row)             ? " (mixed by the resource manager)"
                 : member_bool(row, "mixed") ? " (mixed)"
                                             : "");
        table_row(table);
        table_cell(table, member_text(row, "gtid"));
        table_cell(table, member_text(row, "protocol"));
        table_cell_painted(table, state_paint(row), state);
        table_cell_painted(table, in_doubt ? PAINT_WARN : PAINT_DIM, in_doubt ? "yes" : "no");
        table_cell_age(table, row, "age_ms");
        table_cell_count(table, member_count(row, "branch_count"));
        table_cell(table, names);
        table_cell_age(table, row, "next_retry_ms");
        if (troubled)
            cell_trouble(table, row);
    }
    return table_print(&table);
}

const char *view_outcome(const json_t *row)
{
    static const struct {
        const char *outcome, *as_decided, *mixed, *by_manager;
    } all[] = {
        {"committed", "committed", "committed, mixed", "committed, mixed by the resource manager"},
        {"aborted", "aborted", "aborted, mixed", "aborted, mixed by the resource manager"},
        {"unknown", "unknown", "unknown, mixed", "unknown, mixed by the resource manager"},
    };
    const char *outcome = member_text(row, "outcome");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(outcome, all[i].outcome) == 0)
            return by_manager(row)             ? all[i].by_manager
                   : member_bool(row, "mixed") ? all[i].mixed
                                               : all[i].as_decided;
    }
    return "not decided";
}

enum paint view_outcome_paint(const json_t *row)
{
    if (member_bool(row, "mixed"))
        return PAINT_BAD;
    return strcmp(member_text(row, "outcome"), "committed") == 0 ? PAINT_GOOD : PAINT_NONE;
}

void view_reason(const json_t *row, char *ret, size_t size)
{
    const json_t *reason = json_object_get(row, "reason");
    char branch[32] = "";
    ret[0] = '\0';
    if (!json_is_object(reason))
        return;
    if (member_present(reason, "branch"))
        snprintf(branch, sizeof branch, "branch %" PRIu64, member_count(reason, "branch"));
    const char *detail = member_text(reason, "detail");
    snprintf(ret, size, "%s%s%s%s%s%s", member_text(reason, "text"), *branch || *detail ? " (" : "",
             branch, *branch && *detail ? ": " : "", detail, *branch || *detail ? ")" : "");
}

static void cell_took(struct table *table, const json_t *row)
{
    uint64_t from = member_count(row, "started_at_ms"), to = member_count(row, "ended_at_ms");
    char text[AGE_TEXT_BYTES];
    table_cell(table, from && to >= from ? format_age(to - from, text) : "");
}

bool view_finished(const struct cli *cli, const struct rows *rows)
{
    static const char *const headings[] = {"GTID",  "PROTOCOL",  "OUTCOME", "ENDED",
                                           ">TOOK", ">BRANCHES", "REASON",  NULL};
    struct table *table = table_new(cli, headings);
    char reason[CLEAN_BYTES];
    for (size_t i = 0; i < rows->count; i++) {
        const json_t *row = rows->items[i];
        view_reason(row, reason, sizeof reason);
        table_row(table);
        table_cell(table, member_text(row, "gtid"));
        table_cell(table, member_text(row, "protocol"));
        table_cell_painted(table, view_outcome_paint(row), view_outcome(row));
        table_cell_time(table, row, "ended_at_ms");
        cell_took(table, row);
        table_cell_count(table, member_count(row, "branch_count"));
        table_cell(table, reason);
    }
    return table_print(&table);
}

bool view_foreign(const struct cli *cli, const struct rows *rows)
{
    static const char *const headings[] = {"GTID",        ">BRANCH", "PARTICIPANT",
                                           "COORDINATOR", ">AGE",    NULL};
    struct table *table = table_new(cli, headings);
    for (size_t i = 0; i < rows->count; i++) {
        const json_t *row = rows->items[i];
        table_row(table);
        table_cell(table, member_text(row, "gtid"));
        table_cell_count(table, member_count(row, "branch"));
        table_cell(table, member_text(row, "participant"));
        table_cell(table, member_text(row, "coordinator"));
        table_cell_age(table, row, "age_ms");
    }
    return table_print(&table);
}
