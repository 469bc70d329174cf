// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <inttypes.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

struct table {
    const struct cli *cli;
    struct libscols_table *table;
    struct libscols_line *line;
    size_t cell;
    bool failed;
};

// Lines are as long as their cells: terminals wrap them, and what is copied from them is whole.
enum { WIDTH = 100000 };

struct table *table_new(const struct cli *cli, const char *const *headings)
{
    struct table *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->cli = cli;
    self->table = scols_new_table();
    if (!self->table) {
        self->failed = true;
        return self;
    }
    scols_table_enable_colors(self->table, cli->color);
    scols_table_set_termwidth(self->table, WIDTH);
    scols_table_enable_minout(self->table, 1);
    for (size_t i = 0; headings[i]; i++) {
        bool number = headings[i][0] == '>';
        if (!scols_table_new_column(self->table, headings[i] + number, 0,
                                    number ? SCOLS_FL_RIGHT : 0))
            self->failed = true;
    }
    return self;
}

void table_row(struct table *self)
{
    if (!self || self->failed)
        return;
    self->cell = 0;
    self->line = scols_table_new_line(self->table, NULL);
    self->failed = !self->line;
}

void table_cell_painted(struct table *self, enum paint colour, const char *text)
{
    if (!self || self->failed)
        return;
    if (scols_line_set_data(self->line, self->cell, *text ? clean(text) : "-") != 0)
        self->failed = true;
    struct libscols_cell *cell = scols_line_get_cell(self->line, self->cell);
    if (cell && self->cli->color && colour != PAINT_NONE)
        scols_cell_set_color(cell, paint(self->cli, colour));
    self->cell++;
}

void table_cell(struct table *self, const char *text)
{
    table_cell_painted(self, PAINT_NONE, text);
}

void table_cell_count(struct table *self, uint64_t count)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, count);
    table_cell(self, text);
}

void table_cell_age(struct table *self, const json_t *row, const char *key)
{
    char text[AGE_TEXT_BYTES];
    table_cell(self, member_present(row, key) ? format_age(member_count(row, key), text) : "");
}

void table_cell_time(struct table *self, const json_t *row, const char *key)
{
    char text[TIME_TEXT_BYTES];
    table_cell(self, member_present(row, key) ? format_time(member_count(row, key), text) : "");
}

bool table_print(struct table **self_p)
{
    struct table *self = *self_p;
    if (!self)
        return false;
    *self_p = NULL;
    bool ok = !self->failed;
    if (ok)
        scols_table_set_stream(self->table, stdout);
    if (ok && scols_table_get_nlines(self->table) > 0)
        ok = scols_print_table(self->table) == 0;
    scols_unref_table(self->table);
    free(self);
    return ok;
}
