// SPDX-License-Identifier: Apache-2.0
#include "rows.h"

#include <stdlib.h>

void rows_init(struct rows *rows, uint64_t limit, const char *sort_key)
{
    *rows = (struct rows){.limit = limit, .sort_key = sort_key};
}

void rows_free(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        json_decref(rows->items[i]);
    free(rows->items);
    *rows = (struct rows){0};
}

// What qsort compares: a row, and where it stood, since qsort keeps no order among equals.
struct sortable {
    json_t *row;
    uint64_t key;
    size_t place;
};

static int sortable_compare(const void *a, const void *b)
{
    const struct sortable *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static void rows_sort(struct rows *rows)
{
    struct sortable *items = rows->count > 0 ? malloc(rows->count * sizeof *items) : NULL;
    if (!items)
        return; // unsorted is better than nothing
    for (size_t i = 0; i < rows->count; i++)
        items[i] =
            (struct sortable){rows->items[i], member_count(rows->items[i], rows->sort_key), i};
    qsort(items, rows->count, sizeof *items, sortable_compare);
    for (size_t i = 0; i < rows->count; i++)
        rows->items[i] = items[i].row;
    free(items);
}

void rows_settle(struct rows *rows)
{
    if (rows->sort_key)
        rows_sort(rows);
    while (rows->limit > 0 && rows->count > rows->limit)
        json_decref(rows->items[--rows->count]);
}

bool rows_add(struct rows *rows, json_t *row)
{
    if (rows->sort_key && rows->limit > 0 && rows->count >= 2 * rows->limit + 1000)
        rows_settle(rows);
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity ? rows->capacity * 2 : 64;
        json_t **items = realloc(rows->items, capacity * sizeof *items);
        if (!items)
            return false;
        rows->items = items;
        rows->capacity = capacity;
    }
    rows->items[rows->count++] = json_incref(row);
    rows->matched++;
    return true;
}

json_t *rows_json(const struct rows *rows)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < rows->count; i++)
        if (json_array_append(array, rows->items[i]) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

// Takes the rows of one page. *ret_next: the next one's cursor, owned by the caller, or NULL.
static int rows_take(struct rows *rows, const json_t *reply, const char *key, json_t **ret_next,
                     assent_error *error)
{
    const json_t *page = json_object_get(reply, key);
    json_t *next = json_object_get(reply, "next"), *row;
    size_t i;
    if (!json_is_array(page))
        return error_set(error, ASSENT_INTERNAL, "the coordinator's answer has no '%s'", key);
    json_array_foreach(page, i, row)
    {
        if (!rows_add(rows, row))
            return error_set(error, ASSENT_NOMEM, "out of memory");
    }
    *ret_next = json_is_string(next) ? json_incref(next) : NULL;
    return ASSENT_OK;
}

static json_t *page_arguments(const json_t *arguments, json_t *cursor, uint64_t left)
{
    json_t *page = arguments ? json_copy((json_t *)arguments) : json_object();
    if (cursor)
        json_object_set(page, "cursor", cursor);
    if (left > 0)
        json_object_set_new(page, "limit", json_integer((json_int_t)left));
    return page;
}

int rows_ask(struct rows *rows, struct session *session, const char *verb, const char *key,
             const json_t *arguments, bool stop_at_limit, json_t **ret_next, assent_error *error)
{
    json_t *next = NULL;
    int code = ASSENT_OK;
    bool full = false;
    do {
        uint64_t left = stop_at_limit && rows->limit > 0 ? rows->limit - rows->matched : 0;
        json_t *page = page_arguments(arguments, next, left), *reply = NULL;
        json_decref(next);
        next = NULL;
        code = session_ask(session, verb, page, &reply, error);
        if (code == ASSENT_OK)
            code = rows_take(rows, reply, key, &next, error);
        json_decref(reply);
        full = stop_at_limit && rows->limit > 0 && rows->matched >= rows->limit;
    } while (code == ASSENT_OK && next && !full);
    rows_settle(rows);
    if (ret_next && code == ASSENT_OK)
        *ret_next = next;
    else
        json_decref(next);
    return code;
}
