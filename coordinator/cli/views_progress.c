// SPDX-License-Identifier: Apache-2.0
// Branches of tcc transactions, sagas and messages.
#include <inttypes.h>
#include <string.h>

#include "views.h"

enum { SHOWN_BYTES = 60 };

bool view_has_progress(const json_t *t)
{
    const json_t *branches = json_object_get(t, "branches");
    return member_present(json_array_get(branches, 0), "progress");
}

const char *view_progress_words(const json_t *b, char ret[PROGRESS_BYTES])
{
    snprintf(ret, PROGRESS_BYTES, "%s", member_text(b, "progress"));
    for (char *at = ret; *at; at++)
        if (*at == '_')
            *at = ' ';
    return ret;
}

enum paint view_progress_paint(const json_t *b)
{
    static const struct {
        const char *progress;
        enum paint paint;
    } paints[] = {
        {"succeeded", PAINT_GOOD},  {"confirmed", PAINT_GOOD},     {"delivered", PAINT_GOOD},
        {"pausing", PAINT_WARN},    {"trying", PAINT_WARN},        {"compensating", PAINT_WARN},
        {"confirming", PAINT_WARN}, {"cancelling", PAINT_WARN},    {"delivering", PAINT_WARN},
        {"asked", PAINT_WARN},      {"to_compensate", PAINT_WARN}, {"refused", PAINT_BAD},
        {"forgotten", PAINT_BAD},   {"unknown", PAINT_BAD},        {"waiting", PAINT_DIM},
        {"untouched", PAINT_DIM},
    };
    for (size_t i = 0; i < sizeof paints / sizeof *paints; i++)
        if (is(b, "progress", paints[i].progress))
            return paints[i].paint;
    return PAINT_NONE;
}

const char *view_after(const json_t *b, char *ret, size_t size)
{
    const json_t *number;
    size_t i, used = 0;
    ret[0] = '\0';
    json_array_foreach(json_object_get(b, "after"), i, number)
    {
        int wrote = snprintf(ret + used, size - used, "%s%" PRIu64, i > 0 ? ", " : "",
                             (uint64_t)json_integer_value(number));
        if (wrote < 0 || used + (size_t)wrote >= size)
            break;
        used += (size_t)wrote;
    }
    return ret;
}

const char *view_bytes(const json_t *object, const char *key, const char *hex_key, char *ret,
                       size_t size)
{
    const char *text = member_text(object, key), *hex = member_text(object, hex_key);
    const char *whole = *hex ? hex : text;
    size_t most = size - sizeof "0x...";
    if (most > SHOWN_BYTES)
        most = SHOWN_BYTES;
    bool cut = strlen(whole) > most;
    while (cut && most > 0 && (whole[most] & 0xc0) == 0x80)
        most--; // not inside of a character
    snprintf(ret, size, "%s%.*s%s", *hex ? "0x" : "", (int)most, whole, cut ? "..." : "");
    return ret;
}

static void cell_next(struct table *table, const json_t *b)
{
    bool paused = member_present(b, "next_attempt_ms");
    table_cell_age(table, b, paused ? "next_attempt_ms" : "next_retry_ms");
}

static void cell_since(struct table *table, const json_t *b, uint64_t now_ms)
{
    char age[AGE_TEXT_BYTES];
    uint64_t since_ms = member_count(b, "since_at_ms");
    table_cell(table, since_ms && now_ms >= since_ms ? format_age(now_ms - since_ms, age) : "");
}

static void cell_connected(struct table *table, const json_t *b)
{
    table_cell(table, !member_present(b, "connected") ? ""
                      : member_bool(b, "connected")   ? "yes"
                                                      : "no");
}

static void row_step(struct table *table, const json_t *b)
{
    char after[200], result[100];
    table_cell(table, view_after(b, after, sizeof after));
    table_cell_count(table, member_count(b, "failures"));
    cell_next(table, b);
    cell_connected(table, b);
    table_cell(table, view_bytes(b, "result", "result_hex", result, sizeof result));
    table_cell(table, member_text(b, "trouble"));
}

static void row_delivery(struct table *table, const json_t *b)
{
    table_cell(table, member_text(b, "kind"));
    table_cell_count(table, member_count(b, "failures"));
    cell_next(table, b);
    cell_connected(table, b);
    table_cell(table, member_text(b, "trouble"));
}

static void row_try(struct table *table, const json_t *b)
{
    table_cell(table, member_text(b, "kind"));
    table_cell_count(table, member_count(b, "tries"));
    cell_next(table, b);
    cell_connected(table, b);
}

bool view_progress(const struct cli *cli, const json_t *t, uint64_t now_ms)
{
    static const char *const steps[] = {">STEP",  "PARTICIPANT",  "PROGRESS", ">SINCE",
                                        "AFTER",  ">FAILED",      ">NEXT IN", "CONNECTED",
                                        "RESULT", "LAST TROUBLE", NULL};
    static const char *const deliveries[] = {">BRANCH",      "PARTICIPANT", "PROGRESS", ">SINCE",
                                             "KIND",         ">FAILED",     ">NEXT IN", "CONNECTED",
                                             "LAST TROUBLE", NULL};
    static const char *const tries[] = {">BRANCH", "PARTICIPANT", "PROGRESS",  ">SINCE", "KIND",
                                        ">ASKED",  ">NEXT IN",    "CONNECTED", NULL};
    bool saga = is(t, "protocol", "saga"), message = is(t, "protocol", "message");
    struct table *table = table_new(cli, saga ? steps : message ? deliveries : tries);
    char words[PROGRESS_BYTES];
    const json_t *b;
    size_t i;
    json_array_foreach(json_object_get(t, "branches"), i, b)
    {
        table_row(table);
        table_cell_count(table, member_count(b, "branch"));
        table_cell(table, member_text(b, "participant"));
        table_cell_painted(table, view_progress_paint(b), view_progress_words(b, words));
        cell_since(table, b, now_ms);
        (saga ? row_step : message ? row_delivery : row_try)(table, b);
    }
    return table_print(&table);
}
