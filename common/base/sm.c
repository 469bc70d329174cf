// SPDX-License-Identifier: Apache-2.0
#include "base/sm.h"

#include <stdio.h>

#include "base/check.h"

static bool is_state(const struct sm_table *table, int state)
{
    return state >= 0 && state < table->count && state < SM_STATES_MAX;
}

bool sm_allowed(const struct sm_table *table, int from, int to)
{
    return is_state(table, from) && is_state(table, to) && (table->states[from].moves & SM_TO(to));
}

const char *sm_name(const struct sm_table *table, int state)
{
    return is_state(table, state) ? table->states[state].name : "?";
}

int sm_move(const struct sm_table *table, int from, int to)
{
    if (!sm_allowed(table, from, to)) {
        char move[160];
        snprintf(move, sizeof move, "%s may not move from %s to %s", table->name,
                 sm_name(table, from), sm_name(table, to));
        check_failed(__FILE__, __LINE__, __func__, move);
    }
    return to;
}

// Names of states may have spaces; names of nodes may not.
static void put_node(struct buf *out, const char *name)
{
    for (; *name; name++)
        buf_printf(out, "%c", *name == ' ' ? '_' : *name);
}

static void put_move(struct buf *out, const char *from, const char *to)
{
    buf_printf(out, "    ");
    put_node(out, from);
    buf_printf(out, " --> ");
    put_node(out, to);
    buf_printf(out, "\n");
}

bool sm_diagram(const struct sm_table *table, struct buf *out)
{
    buf_printf(out, "stateDiagram-v2\n");
    for (int state = 0; state < table->count; state++) {
        buf_printf(out, "    ");
        put_node(out, sm_name(table, state));
        buf_printf(out, ": %s\n", sm_name(table, state));
    }
    put_move(out, "[*]", sm_name(table, 0));
    for (int from = 0; from < table->count; from++) {
        for (int to = 0; to < table->count; to++)
            if (sm_allowed(table, from, to))
                put_move(out, sm_name(table, from), sm_name(table, to));
        if ((table->states[from].moves & ~SM_TO(from)) == 0)
            put_move(out, sm_name(table, from), "[*]");
    }
    return !out->failed;
}
