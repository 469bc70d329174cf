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

bool sm_diagram(const struct sm_table *table, struct buf *out)
{
    buf_printf(out, "stateDiagram-v2\n    [*] --> %s\n", sm_name(table, 0));
    for (int from = 0; from < table->count; from++) {
        buf_printf(out, "    %s : %s\n", sm_name(table, from), table->states[from].about);
        for (int to = 0; to < table->count; to++)
            if (to != from && sm_allowed(table, from, to))
                buf_printf(out, "    %s --> %s\n", sm_name(table, from), sm_name(table, to));
        if ((table->states[from].moves & ~SM_TO(from)) == 0)
            buf_printf(out, "    %s --> [*]\n", sm_name(table, from));
    }
    return !out->failed;
}
