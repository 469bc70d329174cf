// SPDX-License-Identifier: Apache-2.0
// The state diagrams of the documentation are printed from the state tables: they cannot drift.
// UPDATE_DOCS=1 in the environment rewrites them.
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "core/coordinator.h"
#include "core/participant.h"
#include "core/quorum.h"

static void diagram(struct buf *out, const struct sm_table *table)
{
    buf_printf(out, "```mermaid\n");
    sm_diagram(table, out);
    buf_printf(out, "```\n");
    if (!table->states[0].about)
        return;
    buf_printf(out, "\n| state | meaning |\n|---|---|\n");
    for (int state = 0; state < table->count; state++)
        buf_printf(out, "| %s | %s |\n", table->states[state].name, table->states[state].about);
}

static void rewrite(const char *path, const char *text, const char *from, const char *to,
                    const struct buf *fresh)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%.*s%.*s%s", (int)(from - text), text, (int)fresh->size,
            (const char *)fresh->data, to);
    assert_int_equal(fclose(file), 0);
}

// What stands between "<!-- states: NAME -->" and "<!-- end -->" must be the table's own words.
static void check(const char *path, const struct sm_table *table)
{
    char begin[64];
    struct buf fresh;
    buf_init(&fresh, 1 << 16);
    buf_printf(&fresh, "\n");
    diagram(&fresh, table);
    char *text = unit_text_of(path);
    snprintf(begin, sizeof begin, "<!-- states: %s -->\n", table->name);
    char *from = strstr(text, begin);
    if (!from)
        fail_msg("%s has no line %s", path, begin);
    from += strlen(begin);
    char *to = strstr(from, "<!-- end -->");
    assert_non_null(to);
    bool same = fresh.size == (size_t)(to - from) && memcmp(from, fresh.data, fresh.size) == 0;
    if (!same && getenv("UPDATE_DOCS"))
        rewrite(path, text, from, to, &fresh);
    else if (!same)
        fail_msg("%s: the states of '%s' have changed; run this with UPDATE_DOCS=1", path,
                 table->name);
    buf_free(&fresh);
    free(text);
}

// ---- what one protocol uses of a table ----

enum { MOVES_MAX = 40 };

struct part_of {
    const struct sm_table *table;
    const char *name; // "<table>, <protocol>"
    struct {
        int from, to;
    } moves[MOVES_MAX]; // ended by two zeros
};

static int move_count(const struct part_of *part)
{
    int count = 0;
    while (part->moves[count].from || part->moves[count].to)
        count++;
    return count;
}

// The table with those moves only, and the states that they have.
static void part_table_of(const struct part_of *part, struct sm_state states[SM_STATES_MAX],
                          struct sm_table *ret)
{
    int place[SM_STATES_MAX], count = move_count(part);
    uint32_t used = 0;
    *ret = (struct sm_table){.name = part->name, .states = states};
    for (int i = 0; i < count; i++) {
        used |= SM_TO(part->moves[i].from) | SM_TO(part->moves[i].to);
        if (!sm_allowed(part->table, part->moves[i].from, part->moves[i].to))
            fail_msg("%s: %s -> %s is not allowed", part->name,
                     sm_name(part->table, part->moves[i].from),
                     sm_name(part->table, part->moves[i].to));
    }
    for (int state = 0; state < part->table->count; state++) {
        place[state] = ret->count;
        if (used >> state & 1)
            states[ret->count++] = (struct sm_state){.name = part->table->states[state].name};
    }
    for (int i = 0; i < count; i++)
        states[place[part->moves[i].from]].moves |= SM_TO(place[part->moves[i].to]);
}

static int state_named(const struct sm_table *table, const char *name, size_t size)
{
    for (int state = 0; state < table->count; state++) {
        if (strlen(sm_name(table, state)) == size && memcmp(sm_name(table, state), name, size) == 0)
            return state;
    }
    return -1;
}

static bool reaches(const struct sm_table *table, int from, int to)
{
    uint32_t known = SM_TO(from), before = 0;
    while (known != before) {
        before = known;
        for (int state = 0; state < table->count; state++) {
            if (known >> state & 1)
                known |= table->states[state].moves;
        }
    }
    return known >> to & 1;
}

// A line "<time> ms  <actor>    <gtid> <from> -> <to>": its move, or several made in one step, has
// to be in the diagram.
static void check_line(const struct part_of *part, const struct sm_table *table, const char *line,
                       size_t size, const char *story)
{
    char text[256], *arrow;
    if (size >= sizeof text)
        return;
    memcpy(text, line, size);
    text[size] = '\0';
    bool coordinator = strstr(text, "coordinator  ") != NULL;
    if (!(arrow = strstr(text, " -> ")) || strstr(text, "attempt") || strchr(text, '(') ||
        coordinator != (part->table == &tx_table))
        return;
    const char *gtid = strstr(text, " T");
    const char *from = gtid ? strchr(gtid + 1, ' ') : NULL;
    if (!from || from > arrow)
        return;
    int state = state_named(table, from + 1, (size_t)(arrow - from - 1));
    int to = state_named(table, arrow + 4, strlen(arrow + 4));
    if (state < 0 || to < 0 || !reaches(table, state, to))
        fail_msg("%s: '%s' is not in the diagram '%s'", story, text, part->name);
}

// Everything that the stories of the protocol tell is in its diagrams.
static void check_story(const struct part_of *part, const struct sm_table *table, const char *story)
{
    char path[256];
    snprintf(path, sizeof path, TEST_DATA "/stories/%s.txt", story);
    char *text = unit_text_of(path);
    for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
        check_line(part, table, line, (size_t)(end - line), story);
    free(text);
}

static void check_part(const char *path, const struct part_of *part, const char *const *stories)
{
    struct sm_state states[SM_STATES_MAX] = {{0}};
    struct sm_table table;
    part_table_of(part, states, &table);
    check(path, &table);
    for (; *stories && part->table != &tx_branch_table; stories++)
        check_story(part, &table, *stories);
}

static const struct part_of tcc[] = {
    {&tx_table,
     "transaction, tcc",
     {{TX_LOOKING, TX_ADMITTING},
      {TX_LOOKING, TX_ABORTING},
      {TX_LOOKING, TX_ENDED},
      {TX_ADMITTING, TX_ACTIVE},
      {TX_ADMITTING, TX_PREPARING},
      {TX_ADMITTING, TX_DECIDING},
      {TX_ACTIVE, TX_ADMITTING},
      {TX_ACTIVE, TX_PREPARING},
      {TX_ACTIVE, TX_DECIDING},
      {TX_PREPARING, TX_DECIDING},
      {TX_DECIDING, TX_COMMITTING},
      {TX_DECIDING, TX_ABORTING},
      {TX_COMMITTING, TX_ENDING},
      {TX_ABORTING, TX_ENDING},
      {TX_ENDING, TX_ENDED}}},
    {&tx_branch_table,
     "branch, tcc",
     {{BRANCH_ACTIVE, BRANCH_PREPARING},
      {BRANCH_ACTIVE, BRANCH_ABORTING},
      {BRANCH_ACTIVE, BRANCH_DONE},
      {BRANCH_PREPARING, BRANCH_PREPARED},
      {BRANCH_PREPARING, BRANCH_ABORTING},
      {BRANCH_PREPARING, BRANCH_DONE},
      {BRANCH_PREPARED, BRANCH_COMMITTING},
      {BRANCH_PREPARED, BRANCH_ABORTING},
      {BRANCH_COMMITTING, BRANCH_ABORTING},
      {BRANCH_ABORTING, BRANCH_COMMITTING},
      {BRANCH_COMMITTING, BRANCH_DONE},
      {BRANCH_ABORTING, BRANCH_DONE}}},
    {&part_table,
     "participant, tcc",
     {{PART_WORKING, PART_PREPARING},
      {PART_WORKING, PART_ROLLING_BACK},
      {PART_PREPARING, PART_VOTING},
      {PART_PREPARING, PART_ROLLING_BACK},
      {PART_VOTING, PART_PREPARED},
      {PART_PREPARED, PART_COMMITTING},
      {PART_PREPARED, PART_ROLLING_BACK},
      {PART_PREPARED, PART_DECIDING},
      {PART_DECIDING, PART_COMMITTING},
      {PART_DECIDING, PART_ROLLING_BACK},
      {PART_COMMITTING, PART_FINISHING},
      {PART_ROLLING_BACK, PART_FINISHING},
      {PART_FINISHING, PART_FINISHED},
      {PART_FINISHED, PART_FORGETTING}}},
};

static const struct part_of saga[] = {
    {&tx_table,
     "transaction, saga",
     {{TX_LOOKING, TX_ADMITTING},
      {TX_LOOKING, TX_ABORTING},
      {TX_LOOKING, TX_ENDED},
      {TX_ADMITTING, TX_PREPARING},
      {TX_ADMITTING, TX_DECIDING},
      {TX_PREPARING, TX_DECIDING},
      {TX_DECIDING, TX_COMMITTING},
      {TX_DECIDING, TX_ABORTING},
      {TX_COMMITTING, TX_ENDING},
      {TX_ABORTING, TX_ENDING},
      {TX_ENDING, TX_ENDED}}},
    {&tx_branch_table,
     "branch, saga",
     {{BRANCH_ACTIVE, BRANCH_PREPARING},
      {BRANCH_ACTIVE, BRANCH_ABORTING},
      {BRANCH_ACTIVE, BRANCH_DONE},
      {BRANCH_PREPARING, BRANCH_PAUSED},
      {BRANCH_PREPARING, BRANCH_PREPARED},
      {BRANCH_PREPARING, BRANCH_ABORTING},
      {BRANCH_PREPARING, BRANCH_DONE},
      {BRANCH_PAUSED, BRANCH_PREPARING},
      {BRANCH_PAUSED, BRANCH_ABORTING},
      {BRANCH_PREPARED, BRANCH_COMMITTING},
      {BRANCH_PREPARED, BRANCH_ABORTING},
      {BRANCH_PREPARED, BRANCH_DONE},
      {BRANCH_COMMITTING, BRANCH_DONE},
      {BRANCH_ABORTING, BRANCH_DONE}}},
    {&part_table,
     "participant, saga",
     {{PART_PREPARING, PART_VOTING},
      {PART_PREPARING, PART_FINISHING},
      {PART_PREPARING, PART_ROLLING_BACK},
      {PART_VOTING, PART_PREPARED},
      {PART_PREPARED, PART_FINISHING},
      {PART_PREPARED, PART_ROLLING_BACK},
      {PART_ROLLING_BACK, PART_FINISHING},
      {PART_FINISHING, PART_FINISHED},
      {PART_FINISHED, PART_FORGETTING}}},
};

static const struct part_of message[] = {
    {&tx_table,
     "transaction, message",
     {{TX_LOOKING, TX_ADMITTING},
      {TX_LOOKING, TX_ABORTING},
      {TX_LOOKING, TX_ENDED},
      {TX_ADMITTING, TX_ACTIVE},
      {TX_ADMITTING, TX_DECIDING},
      {TX_ACTIVE, TX_PREPARING},
      {TX_ACTIVE, TX_DECIDING},
      {TX_PREPARING, TX_DECIDING},
      {TX_DECIDING, TX_COMMITTING},
      {TX_DECIDING, TX_ABORTING},
      {TX_COMMITTING, TX_ENDING},
      {TX_ABORTING, TX_ENDING},
      {TX_ENDING, TX_ENDED}}},
    {&tx_branch_table,
     "branch, message",
     {{BRANCH_ACTIVE, BRANCH_PREPARING},
      {BRANCH_ACTIVE, BRANCH_PAUSED},
      {BRANCH_ACTIVE, BRANCH_DONE},
      {BRANCH_PREPARING, BRANCH_PAUSED},
      {BRANCH_PREPARING, BRANCH_DONE},
      {BRANCH_PAUSED, BRANCH_PREPARING},
      {BRANCH_PAUSED, BRANCH_DONE}}},
    {&part_table,
     "participant, message",
     {{PART_PREPARING, PART_FINISHING},
      {PART_PREPARING, PART_ROLLING_BACK},
      {PART_ROLLING_BACK, PART_FINISHING},
      {PART_FINISHING, PART_FINISHED},
      {PART_FINISHED, PART_FORGETTING}}},
};

#define CHAPTER(name) TEST_DATA "/../../docs/protocols/" name ".md"

static void test_tcc(void **state)
{
    (void)state;
    static const char *const stories[] = {"tcc-outcomes", "tcc-unknown-try", "tcc-enlisted",
                                          "tcc-crashes", NULL};
    for (unsigned i = 0; i < 3; i++)
        check_part(CHAPTER("tcc"), &tcc[i], stories);
}

static void test_saga(void **state)
{
    (void)state;
    static const char *const stories[] = {"saga-forward",           "saga-compensated",
                                          "saga-retries",           "saga-coordinator-crash",
                                          "saga-participant-crash", NULL};
    for (unsigned i = 0; i < 3; i++)
        check_part(CHAPTER("saga"), &saga[i], stories);
}

static void test_message(void **state)
{
    (void)state;
    static const char *const stories[] = {"message-submitted", "message-checked", "message-crashes",
                                          NULL};
    for (unsigned i = 0; i < 3; i++)
        check_part(CHAPTER("message"), &message[i], stories);
}

static void test_2pc(void **state)
{
    (void)state;
    static const char path[] = TEST_DATA "/../../docs/protocols/2pc.md";
    check(path, &tx_table);
    check(path, &tx_branch_table);
    check(path, &part_table);
}

static void test_3pc(void **state)
{
    (void)state;
    static const char path[] = TEST_DATA "/../../docs/protocols/3pc.md";
    check(path, &quorum_table);
    check(path, &quorum_phase_table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_2pc),  cmocka_unit_test(test_3pc),     cmocka_unit_test(test_tcc),
        cmocka_unit_test(test_saga), cmocka_unit_test(test_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
