// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "fields_tables.h"

static uint8_t scratch[8 << 20];
static size_t scratch_used;

uint8_t *fields_scratch(size_t size)
{
    assert_true(size <= sizeof scratch - scratch_used);
    scratch_used += size;
    return scratch + scratch_used - size;
}

void fields_forget(void)
{
    scratch_used = 0;
}

// ---- from vectors ----

static unsigned hex_digit(char c)
{
    assert_true((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct slice hex_slice(const char *text)
{
    uint8_t *start = fields_scratch(strlen(text) / 2);
    uint8_t *to = start;
    for (; *text; text++) {
        if (*text == ' ')
            continue;
        *to++ = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
        text++;
    }
    size_t size = (size_t)(to - start);
    scratch_used = (size_t)(to - scratch); // so that pieces of one vector lie side by side
    return slice_of(start, size);
}

struct slice fields_bytes(const json_t *vector)
{
    const uint8_t *start = scratch + scratch_used;
    size_t size = 0;
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(vector, "bytes"), i, line)
    {
        size += hex_slice(json_string_value(line)).size;
    }
    return slice_of(start, size);
}

json_t *fields_vectors(const char *path)
{
    char full[4096];
    snprintf(full, sizeof full, "%s/%s", TEST_DATA, path);
    json_error_t error;
    json_t *vectors = json_load_file(full, 0, &error);
    if (!vectors)
        fail_msg("%s:%d: %s", full, error.line, error.text);
    assert_true(json_is_array(vectors) && json_array_size(vectors) > 0);
    return vectors;
}

void fields_each_vector(const char *path, void (*check)(const json_t *vector))
{
    json_t *vectors = fields_vectors(path);
    size_t i;
    json_t *vector;
    json_array_foreach(vectors, i, vector)
    {
        print_message("%s: %s\n", path, json_string_value(json_object_get(vector, "name")));
        fields_forget();
        check(vector);
    }
    json_decref(vectors);
}

static uint64_t load_number(const json_t *value)
{
    return json_is_string(value) ? strtoull(json_string_value(value), NULL, 16)
                                 : (uint64_t)json_integer_value(value);
}

static void load_gtid(const json_t *value, struct gtid *ret)
{
    struct slice text = slice_text(json_string_value(value));
    *ret = (struct gtid){.size = (uint8_t)text.size};
    memcpy(ret->text, text.data, text.size);
}

static struct slice load_inputs(const json_t *inputs)
{
    uint8_t *start = scratch + scratch_used;
    size_t i;
    json_t *input;
    json_array_foreach(inputs, i, input)
    {
        unsigned branch = (unsigned)load_number(json_object_get(input, "branch"));
        const char *hex = json_string_value(json_object_get(input, "result"));
        size_t size = strlen(hex) / 2;
        uint8_t *head = fields_scratch(4);
        head[0] = (uint8_t)branch;
        head[1] = (uint8_t)(branch >> 8);
        head[2] = (uint8_t)size;
        head[3] = (uint8_t)(size >> 8);
        hex_slice(hex);
    }
    return slice_of(start, (size_t)(scratch + scratch_used - start));
}

static void load_text(const json_t *text)
{
    size_t size = strlen(json_string_value(text));
    uint8_t *to = fields_scratch(1 + size);
    to[0] = (uint8_t)size;
    memcpy(to + 1, json_string_value(text), size);
}

static struct slice load_members(const json_t *members)
{
    uint8_t *start = scratch + scratch_used;
    size_t i;
    json_t *member;
    json_array_foreach(members, i, member)
    {
        uint64_t journal = load_number(json_object_get(member, "journal"));
        uint8_t *to = fields_scratch(8);
        for (int byte = 0; byte < 8; byte++)
            to[byte] = (uint8_t)(journal >> byte * 8);
        load_text(json_object_get(member, "resource"));
        load_text(json_object_get(member, "address"));
    }
    return slice_of(start, (size_t)(scratch + scratch_used - start));
}

static void load_field(const struct field *field, const json_t *value, void *at)
{
    struct slice bytes;
    switch (field->kind) {
    case U8: *(uint8_t *)at = (uint8_t)load_number(value); break;
    case U16: *(uint16_t *)at = (uint16_t)load_number(value); break;
    case U32: *(uint32_t *)at = (uint32_t)load_number(value); break;
    case U64: *(uint64_t *)at = load_number(value); break;
    case GTID:
    case GTID_OR_NONE: load_gtid(value, at); break;
    case NAME:
    case TEXT: *(struct slice *)at = slice_text(json_string_value(value)); break;
    case HEX: *(struct slice *)at = hex_slice(json_string_value(value)); break;
    case INPUTS: *(struct slice *)at = load_inputs(value); break;
    case MEMBERS: *(struct slice *)at = load_members(value); break;
    case DIGEST:
        bytes = hex_slice(json_string_value(value));
        memcpy(at, bytes.data, DIGEST_BYTES);
        break;
    }
}

// `protocol`: of what this is in. What is not there stays 0, and a vector does not speak of it.
static void load_fields(const struct field *table, const json_t *from, unsigned protocol, void *to)
{
    for (const struct field *field = table; field->name; field++) {
        const json_t *value = json_object_get(from, field->name);
        if (field_present(field, to, protocol) != (value != NULL))
            fail_msg("a vector has %s%s", value ? "" : "no ", field->name);
        if (value)
            load_field(field, value, (char *)to + field->offset);
    }
}

void fields_load_header(const json_t *from, struct frame_header *ret)
{
    *ret = (struct frame_header){.version = WIRE_VERSION};
    load_fields(fields_header, from, 0, ret);
}

void fields_load_message(const json_t *from, struct message_fields *ret)
{
    const char *name = json_string_value(json_object_get(from, "type"));
    unsigned type = 0;
    while (type < FIELDS_TYPES && (!fields_of(type) || strcmp(msg_name(type), name) != 0))
        type++;
    if (type == FIELDS_TYPES)
        fail_msg("no message is called %s", name);
    ret->msg = (struct msg){.type = type};
    load_fields(fields_of(type), from, 0, &ret->msg.u);
    if (type != MSG_SUBMIT)
        return;
    size_t i;
    json_t *branch;
    json_array_foreach(json_object_get(from, "branches"), i, branch)
    {
        ret->branches[i] = (struct msg_branch){0};
        load_fields(fields_submit_branch, branch, 0, &ret->branches[i]);
    }
    ret->msg.u.submit.branch_count = (uint16_t)i;
    ret->msg.u.submit.branches = ret->branches;
}

void fields_load_tx(const json_t *from, struct tx_fields *ret)
{
    ret->record = (struct tx_record){0};
    load_fields(fields_tx_record, from, 0, &ret->record);
    size_t i;
    json_t *branch;
    json_array_foreach(json_object_get(from, "branches"), i, branch)
    {
        ret->branches[i] = (struct record_branch){0};
        load_fields(fields_tx_branch, branch, ret->record.protocol, &ret->branches[i]);
    }
    ret->record.branch_count = (uint16_t)i;
    ret->record.branches = ret->branches;
}

void fields_load_branch(const json_t *from, struct branch_record *ret)
{
    *ret = (struct branch_record){0};
    load_fields(fields_branch_record, from, 0, ret);
}

// ---- comparing ----

static bool same_field(const struct field *field, const void *a, const void *b)
{
    switch (field->kind) {
    case U8: return *(const uint8_t *)a == *(const uint8_t *)b;
    case U16: return *(const uint16_t *)a == *(const uint16_t *)b;
    case U32: return *(const uint32_t *)a == *(const uint32_t *)b;
    case U64: return *(const uint64_t *)a == *(const uint64_t *)b;
    case GTID:
    case GTID_OR_NONE: return gtid_equal(a, b);
    case NAME:
    case TEXT:
    case HEX:
    case INPUTS:
    case MEMBERS: return slice_equal(*(const struct slice *)a, *(const struct slice *)b);
    case DIGEST: return memcmp(a, b, DIGEST_BYTES) == 0;
    }
    return false;
}

static void equal_fields(const struct field *table, const void *a, const void *b)
{
    for (const struct field *field = table; field->name; field++)
        if (!same_field(field, (const char *)a + field->offset, (const char *)b + field->offset))
            fail_msg("%s differs", field->name);
}

void fields_equal_header(const struct frame_header *a, const struct frame_header *b)
{
    assert_int_equal(a->version, b->version);
    equal_fields(fields_header, a, b);
}

void fields_equal_message(const struct msg *a, const struct msg *b)
{
    assert_int_equal(a->type, b->type);
    equal_fields(fields_of(a->type), &a->u, &b->u);
    if (a->type != MSG_SUBMIT)
        return;
    assert_int_equal(a->u.submit.branch_count, b->u.submit.branch_count);
    for (unsigned i = 0; i < a->u.submit.branch_count; i++)
        equal_fields(fields_submit_branch, &a->u.submit.branches[i], &b->u.submit.branches[i]);
}

void fields_equal_tx(const struct tx_record *a, const struct tx_record *b)
{
    equal_fields(fields_tx_record, a, b);
    assert_int_equal(a->branch_count, b->branch_count);
    for (unsigned i = 0; i < a->branch_count; i++)
        equal_fields(fields_tx_branch, &a->branches[i], &b->branches[i]);
}

void fields_equal_branch(const struct branch_record *a, const struct branch_record *b)
{
    equal_fields(fields_branch_record, a, b);
}
