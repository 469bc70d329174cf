// SPDX-License-Identifier: Apache-2.0
// Aligned tables (libsmartcols). Out of memory is noticed when the table is printed.
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli.h"

struct table;

// Headings, closed by NULL; one that begins with '>' is of a column of numbers.
struct table *table_new(const struct cli *cli, const char *const *headings);
// Begins a row; cells follow from the left.
void table_row(struct table *self);
// Adds the next cell of the row. Empty text shows as "-".
void table_cell(struct table *self, const char *text);
void table_cell_painted(struct table *self, enum paint paint, const char *text);
void table_cell_count(struct table *self, uint64_t count);
void table_cell_age(struct table *self, const json_t *row, const char *key); // null: "-"
void table_cell_time(struct table *self, const json_t *row, const char *key);
// Prints it, unless it has no rows, and releases it. False: out of memory.
bool table_print(struct table **self_p);

#endif
