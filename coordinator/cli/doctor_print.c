// SPDX-License-Identifier: Apache-2.0
// What doctor found, as a table with what to do below it, or as JSON.
#include <string.h>

#include "doctor.h"
#include "table.h"

enum { COMMAND_BYTES = 800, COMMANDS_MAX = 3 };

struct command {
    const char *what; // "roll back", ...
    char text[COMMAND_BYTES];
};

static const char *text_or(const char *text, const char *otherwise)
{
    return *text ? text : otherwise;
}

// ---- what each of the three says ----

static const char *says_database(const struct doctor_row *row)
{
    return row->held ? "prepared" : "not there";
}

static const char *says_coordinator(const struct doctor *self, const struct doctor_row *row)
{
    if (row->parts.kind == ASSENT_XID_FOREIGN)
        return "-";
    if (!self->asked)
        return "not asked";
    if (!row->tx.found)
        return "no record";
    if (row->truths.run != DOCTOR_RUN_SAME)
        return "another run";
    switch (row->tx.outcome) {
    case OUTCOME_NONE: return "undecided";
    case OUTCOME_COMMITTED: return row->tx.ended ? "committed, ended" : "commit";
    case OUTCOME_ABORTED: return row->tx.ended ? "aborted, ended" : "abort";
    case OUTCOME_UNKNOWN: break;
    }
    return "unknown";
}

static const char *says_journal(const struct doctor_row *row)
{
    bool commit = row->journal_outcome == OUTCOME_COMMITTED;
    switch (row->journal) {
    case DOCTOR_JOURNAL_UNREAD: return "not read";
    case DOCTOR_JOURNAL_NOTHING: return "no record";
    case DOCTOR_JOURNAL_PREPARED: return "prepared";
    case DOCTOR_JOURNAL_DECIDED: return commit ? "commit" : "abort";
    case DOCTOR_JOURNAL_FINISHED: return commit ? "committed" : "rolled back";
    }
    return "?";
}

// ---- commands ----

static void add_own(struct command *commands, int *count, const char *what, const char *text)
{
    struct command *command = &commands[(*count)++];
    command->what = what;
    snprintf(command->text, sizeof command->text, "%s", text);
}

static void add_ours(struct command *commands, int *count, const char *what,
                     const struct doctor_row *row, const char *more)
{
    struct command *command = &commands[(*count)++];
    command->what = what;
    snprintf(command->text, sizeof command->text, "assent %s %s%s", what, row->parts.gtid, more);
}

// In the order in which they are to be thought of.
static int commands_of(const struct doctor_row *row, struct command commands[COMMANDS_MAX])
{
    int count = 0;
    const struct doctor_verdict *v = &row->verdict;
    if (v->kind == DOCTOR_STRAGGLER)
        add_ours(commands, &count, "retry", row, "");
    else if (v->kind == DOCTOR_IN_DOUBT)
        add_ours(commands, &count, "explain", row, "");
    else if (v->kind == DOCTOR_MISMATCHED || v->kind == DOCTOR_UNCLEAR)
        add_ours(commands, &count, "show", row, "");
    else if (v->kind == DOCTOR_FOREIGN && row->parts.kind != ASSENT_XID_FOREIGN)
        add_ours(commands, &count, "show", row, " --endpoint THERE");
    if (v->kind == DOCTOR_IN_DOUBT)
        add_ours(commands, &count, "abort", row, " --reason TEXT");
    else if (row->held && v->deed != DOCTOR_COMMIT)
        add_own(commands, &count, "roll_back", row->prepared.rollback);
    if (v->kind != DOCTOR_IN_DOUBT && row->held && v->deed != DOCTOR_ROLL_BACK)
        add_own(commands, &count, "commit", row->prepared.commit);
    return count;
}

// ---- JSON ----

static json_t *text_or_null(const char *text)
{
    return text && *text ? json_string(clean(text)) : json_null();
}

static json_t *commands_json(const struct doctor_row *row)
{
    struct command commands[COMMANDS_MAX];
    json_t *array = json_array();
    int count = commands_of(row, commands);
    for (int i = 0; i < count; i++)
        json_array_append_new(array, json_pack("{s:s, s:s}", "what", commands[i].what, "command",
                                               clean(commands[i].text)));
    return array;
}

static json_t *row_json(const struct doctor *self, const struct doctor_row *row)
{
    char kind[16];
    const struct doctor_verdict *v = &row->verdict;
    bool ours = row->parts.kind != ASSENT_XID_FOREIGN;
    snprintf(kind, sizeof kind, "%s",
             v->kind == DOCTOR_IN_DOUBT ? "in_doubt" : doctor_kind_text(v->kind));
    json_t *json =
        json_pack("{s:s, s:b, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:b}", "kind", kind, "finding",
                  v->finding, "gtid", text_or_null(row->parts.gtid), "branch",
                  ours ? json_integer(row->parts.branch) : json_null(), "resource",
                  row->place->resource, "database", row->place->driver->name, "name",
                  text_or_null(row->prepared.name), "owner", text_or_null(row->prepared.owner),
                  "age_ms", row->truths.age_ms < 0 ? json_null() : json_integer(row->truths.age_ms),
                  "of_resource", row->truths.fits);
    json_t *more =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:b, s:o, s:o, s:o}", "says_database",
                  says_database(row), "says_coordinator", says_coordinator(self, row),
                  "says_journal", says_journal(row), "why", v->why, "commands", commands_json(row),
                  "fixable", v->roll_back || v->retry, "left", text_or_null(v->left), "fixed",
                  text_or_null(row->fixed), "trouble", text_or_null(row->trouble));
    if (json_object_update(json, more) != 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(more);
    return json;
}

static enum exit_code print_as_json(const struct doctor *self)
{
    json_t *branches = json_array();
    size_t findings = 0;
    for (size_t i = 0; i < self->count; i++) {
        findings += self->rows[i].verdict.finding;
        json_array_append_new(branches, row_json(self, &self->rows[i]));
    }
    return print_json(self->cli,
                      json_pack("{s:o, s:b, s:I, s:I, s:o, s:O}", "coordinator",
                                text_or_null(self->coordinator), "offline",
                                self->cli->data_dir != NULL, "older_ms", (json_int_t)self->older_ms,
                                "findings", (json_int_t)findings, "branches", branches, "unasked",
                                self->unasked));
}

// ---- text ----

static bool print_table(const struct doctor *self)
{
    static const char *const headings[] = {"KIND",     "GTID",        ">BRANCH", "RESOURCE", ">AGE",
                                           "DATABASE", "COORDINATOR", "JOURNAL", "NAME",     NULL};
    struct table *table = table_new(self->cli, headings);
    char age[AGE_TEXT_BYTES], branch[8];
    for (size_t i = 0; i < self->count; i++) {
        const struct doctor_row *row = &self->rows[i];
        bool ours = row->parts.kind != ASSENT_XID_FOREIGN;
        snprintf(branch, sizeof branch, "%u", row->parts.branch);
        table_row(table);
        table_cell_painted(table, row->verdict.finding ? PAINT_WARN : PAINT_DIM,
                           doctor_kind_text(row->verdict.kind));
        table_cell(table, row->parts.gtid);
        table_cell(table, ours ? branch : "");
        table_cell(table, row->place->resource);
        table_cell(table,
                   row->truths.age_ms < 0 ? "" : format_age((uint64_t)row->truths.age_ms, age));
        table_cell(table, says_database(row));
        table_cell(table, says_coordinator(self, row));
        table_cell(table, says_journal(row));
        table_cell(table, row->prepared.name);
    }
    return table_print(&table);
}

static void print_advice(const struct doctor *self, const struct doctor_row *row)
{
    struct command commands[COMMANDS_MAX];
    const struct doctor_verdict *v = &row->verdict;
    printf("\n%s%s%s", paint(self->cli, PAINT_BOLD),
           clean(text_or(row->prepared.name, row->parts.gtid)), unpaint(self->cli));
    if (*row->prepared.owner)
        printf(", of %s", clean(row->prepared.owner));
    putchar('\n');
    printf("  %s: %s.\n", doctor_kind_text(v->kind), v->why);
    if (row->fixed)
        printf("  --fix: %s.\n", row->fixed);
    else if (*row->trouble)
        printf("  --fix could not: %s.\n", clean(row->trouble));
    else if (self->cli->fix && v->left)
        printf("  --fix leaves it alone: %s.\n", v->left);
    int count = row->fixed && v->roll_back ? 0 : commands_of(row, commands);
    for (int i = 0; i < count; i++)
        printf("  %s\n", clean(commands[i].text));
}

static size_t fixed(const struct doctor *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++)
        count += self->rows[i].fixed && self->rows[i].verdict.roll_back;
    return count;
}

static void print_summary(const struct doctor *self)
{
    size_t findings = 0;
    const json_t *one;
    size_t i;
    for (i = 0; i < self->count; i++)
        findings += self->rows[i].verdict.finding && !self->rows[i].fixed;
    if (self->count > 0)
        putchar('\n');
    json_array_foreach(self->unasked, i, one)
        printf("%sNot asked%s: %s%s%s: %s\n", paint(self->cli, PAINT_BAD), unpaint(self->cli),
               member_text(one, "what"), *member_text(one, "name") ? " " : "",
               clean(member_text(one, "name")), clean(member_text(one, "message")));
    if (findings > 0)
        printf("%zu of %zu need%s a look.\n", findings, self->count, findings == 1 ? "s" : "");
    else
        printf("%zu prepared, and nothing is wrong%s.\n", self->count - fixed(self),
               json_array_size(self->unasked) ? ", as far as could be asked" : "");
}

enum exit_code doctor_print(const struct doctor *self)
{
    if (self->cli->json)
        return print_as_json(self);
    bool ok = print_table(self);
    for (size_t i = 0; i < self->count; i++)
        if (self->rows[i].verdict.finding)
            print_advice(self, &self->rows[i]);
    print_summary(self);
    return ok ? EXIT_OK : EXIT_FAILED;
}
