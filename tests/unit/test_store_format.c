// SPDX-License-Identifier: Apache-2.0
// The bytes of the log (docs/disk-format.md) against the vectors in tests/data/disk, which another
// implementation made; and a log of version 1, which every later release must be able to read.
#include "shelf.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/inspect.h"
#include "store/layout.h"
#include "store/witness.h"

static json_t *vectors;

static int load(void **state)
{
    (void)state;
    json_error_t error;
    vectors = json_load_file(TEST_DATA "/disk/log.json", 0, &error);
    if (!vectors)
        print_error("log.json:%d: %s\n", error.line, error.text);
    return vectors ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(vectors);
    return 0;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text)
        fail_msg("%s is missing", name);
    return text;
}

static uint64_t number_of(const json_t *object, const char *name)
{
    return strtoull(text_of(object, name), NULL, 16);
}

static void check_bytes(const json_t *object, const char *name, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    const char *expected = text_of(object, name);
    char *hex = calloc(1, 2 * size + 1);
    for (size_t i = 0; i < size; i++)
        sprintf(hex + 2 * i, "%02x", bytes[i]);
    assert_string_equal(hex, expected);
    free(hex);
}

static void hash_of(const json_t *object, const char *name, uint8_t ret[HASH_BYTES])
{
    const char *hex = text_of(object, name);
    assert_int_equal(strlen(hex), 2 * HASH_BYTES);
    for (int i = 0; i < HASH_BYTES; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        ret[i] = (uint8_t)byte;
    }
}

static uint8_t flags_of(const json_t *record)
{
    static const char *const names[] = {"open", "decided", "forget", "carried", "opened"};
    uint8_t flags = 0;
    const json_t *list = json_object_get(record, "flags");
    for (size_t at = 0; at < json_array_size(list); at++)
        for (int i = 0; i < 5; i++)
            if (strcmp(json_string_value(json_array_get(list, at)), names[i]) == 0)
                flags |= (uint8_t)(1 << i);
    return flags;
}

static void check_decoded(const struct log_record *record, struct slice bytes)
{
    struct log_record decoded;
    assert_true(layout_record_decode(record->seq, bytes, &decoded));
    assert_memory_equal(decoded.prev, record->prev, HASH_BYTES);
    assert_int_equal(decoded.flags, record->flags);
    assert_int_equal(decoded.stamp, record->stamp);
    assert_true(slice_equal(decoded.key, record->key));
    assert_true(slice_equal(decoded.value, record->value));
}

static void check_index(const json_t *vector, const struct log_record *record)
{
    uint8_t value[INDEX_VALUE_SIZE], flags;
    uint64_t seq;
    layout_index_encode(record->seq, record->flags, value);
    check_bytes(vector, "index_value", value, sizeof value);
    assert_true(layout_index_decode(slice_of(value, sizeof value), &seq, &flags));
    assert_int_equal(seq, record->seq);
    assert_int_equal(flags, record->flags);
}

static void check_record(const json_t *vector, uint8_t hash[HASH_BYTES])
{
    uint8_t own[OPENED_SIZE], key[RECORD_KEY_SIZE];
    struct buf bytes;
    struct log_record record = {.seq = number_of(vector, "seq"),
                                .flags = flags_of(vector),
                                .stamp = number_of(vector, "stamp"),
                                .key = slice_text(text_of(vector, "key")),
                                .value = slice_text(text_of(vector, "value"))};
    memcpy(record.prev, hash, HASH_BYTES);
    if (record.flags & RECORD_OPENED) {
        layout_opened_encode(number_of(vector, "incarnation"), number_of(vector, "wall_ms"), own);
        record.value = slice_of(own, sizeof own);
    }
    buf_init(&bytes, 1 << 16);
    assert_true(layout_record_encode(&bytes, &record, hash));
    layout_record_key(record.seq, key);
    check_bytes(vector, "entry_key", key, sizeof key);
    check_bytes(vector, "entry_value", bytes.data, bytes.size);
    check_bytes(vector, "hash", hash, HASH_BYTES);
    check_decoded(&record, buf_slice(&bytes));
    if (json_object_get(vector, "index_value"))
        check_index(vector, &record);
    buf_free(&bytes);
}

static void records_and_index_entries(void **state)
{
    (void)state;
    uint8_t hash[HASH_BYTES];
    const json_t *records = json_object_get(vectors, "records");
    layout_genesis_hash(number_of(json_object_get(vectors, "meta"), "id"), hash);
    check_bytes(vectors, "genesis", hash, sizeof hash);
    assert_true(json_array_size(records) > 4);
    for (size_t at = 0; at < json_array_size(records); at++)
        check_record(json_array_get(records, at), hash);
}

static struct log_meta the_meta(void)
{
    const json_t *vector = json_object_get(vectors, "meta");
    const json_t *secret = json_object_get(vector, "secret");
    struct log_meta meta = {.id = number_of(vector, "id"),
                            .incarnation = number_of(vector, "incarnation"),
                            .opened_ms = number_of(vector, "opened_ms"),
                            .base_seq = number_of(vector, "base_seq"),
                            .head_seq = number_of(vector, "head_seq"),
                            .durable_seq = number_of(vector, "durable_seq"),
                            .horizon = number_of(vector, "horizon")};
    for (size_t i = 0; i < 2; i++)
        meta.secret[i] = strtoull(json_string_value(json_array_get(secret, i)), NULL, 16);
    hash_of(vector, "base_hash", meta.base_hash);
    hash_of(vector, "head_hash", meta.head_hash);
    return meta;
}

static void the_meta_entry(void **state)
{
    (void)state;
    uint8_t bytes[META_SIZE];
    struct log_meta meta = the_meta(), decoded;
    layout_meta_encode(&meta, bytes);
    check_bytes(json_object_get(vectors, "meta"), "entry_value", bytes, sizeof bytes);
    assert_int_equal(layout_meta_decode(slice_of(bytes, sizeof bytes), &decoded, NULL), ASSENT_OK);
    assert_memory_equal(&decoded, &meta, sizeof meta);
}

static void the_witness(void **state)
{
    (void)state;
    const json_t *vector = json_object_get(vectors, "witness");
    uint8_t bytes[WITNESS_SLOT_SIZE];
    struct witness_head head = {.generation = number_of(vector, "generation"),
                                .id = number_of(vector, "id"),
                                .incarnation = number_of(vector, "incarnation"),
                                .seq = number_of(vector, "seq")},
                        decoded;
    hash_of(vector, "hash", head.hash);
    witness_encode(&head, bytes);
    check_bytes(vector, "bytes", bytes, sizeof bytes);
    assert_true(witness_decode(bytes, &decoded));
    assert_memory_equal(&decoded, &head, sizeof head);
}

// ---- what is refused ----

static void malformed_records(void **state)
{
    (void)state;
    static const struct {
        uint8_t flags, key_size;
        size_t size;
        bool good;
    } cases[] = {
        {0, 3, 29, true},
        {0, 3, 28, false}, // the key is cut
        {0, 0, 26, false}, // no key
        {0, 0, 25, false}, // no head
        {RECORD_OPENED, 0, 42, true},
        {RECORD_OPENED, 0, 41, false}, // its value is cut
        {RECORD_OPENED, 3, 45, false}, // it has no key
        {32, 3, 29, false},            // an unknown flag
        {0, 80, 106, true},
        {0, 81, 107, false}, // a key too long
        {0, 1, 27 + LIMIT_RECORD_BYTES, true},
        {0, 1, 28 + LIMIT_RECORD_BYTES, false},
    };
    uint8_t *bytes = calloc(1, 28 + LIMIT_RECORD_BYTES);
    struct log_record record;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes[16] = cases[i].flags;
        bytes[17] = cases[i].key_size;
        assert_int_equal(layout_record_decode(1, slice_of(bytes, cases[i].size), &record),
                         cases[i].good);
    }
    free(bytes);
}

static void malformed_meta_entries(void **state)
{
    (void)state;
    uint8_t bytes[META_SIZE + 1];
    struct log_meta meta = the_meta(), decoded;
    for (size_t at = 0; at < META_SIZE; at++) {
        layout_meta_encode(&meta, bytes);
        bytes[at] ^= 4;
        assert_int_equal(layout_meta_decode(slice_of(bytes, META_SIZE), &decoded, NULL),
                         at < 4 ? ASSENT_VERSION : ASSENT_CORRUPT);
    }
    layout_meta_encode(&meta, bytes);
    for (size_t size = 0; size <= META_SIZE + 1; size++)
        assert_int_equal(layout_meta_decode(slice_of(bytes, size), &decoded, NULL),
                         size == META_SIZE ? ASSENT_OK : ASSENT_CORRUPT);
    meta.base_seq = meta.head_seq + 2;
    layout_meta_encode(&meta, bytes);
    assert_int_equal(layout_meta_decode(slice_of(bytes, META_SIZE), &decoded, NULL),
                     ASSENT_CORRUPT);
}

// ---- a log of version 1 ----

static int note_record(void *arg, const struct inspect_record *r)
{
    char *text = arg;
    size_t used = strlen(text);
    snprintf(text + used, 1000 - used, "%d%s%s %.*s=%.*s; ", (int)r->seq,
             r->stands ? " stands" : "", r->carried ? " carried" : "", (int)r->key.size,
             (const char *)r->key.data, (int)r->value.size, (const char *)r->value.data);
    return 0;
}

static void the_example_can_be_read(void **state)
{
    (void)state;
    struct inspect_summary sum;
    char text[1000] = "";
    assert_int_equal(store_dump(TEST_DATA "/disk/example", 0, note_record, text, &sum, NULL),
                     ASSENT_OK);
    assert_string_equal(text,
                        "4 stands 1234567890.1.18bcfe56800.1=commit, ended; 5 gone=x; 6 gone=; "
                        "7 stands carried stuck=prepared; 8 stands last=delegated; ");
    assert_int_equal(sum.id, 0x1234567890);
    assert_int_equal(sum.first_seq, 4);
    assert_int_equal(sum.open, 2);
}

static void the_example_can_be_opened(void **state)
{
    (void)state;
    struct shelf shelf = {.dir = unit_dir_make()};
    shelf_copy_dir(TEST_DATA "/disk/example", shelf.dir);
    shelf_open(&shelf);
    assert_string_equal(shelf_list(&shelf, false, false, 0),
                        "1234567890.1.18bcfe56800.1=commit, ended stuck*=prepared last*=delegated");
    assert_int_equal(shelf_info(&shelf).incarnation, 2);
    assert_int_equal(shelf_info(&shelf).head_seq, 9);
    shelf_close(&shelf);
    unit_dir_remove(&shelf.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_and_index_entries),
        cmocka_unit_test(the_meta_entry),
        cmocka_unit_test(the_witness),
        cmocka_unit_test(malformed_records),
        cmocka_unit_test(malformed_meta_entries),
        cmocka_unit_test(the_example_can_be_read),
        cmocka_unit_test(the_example_can_be_opened),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
