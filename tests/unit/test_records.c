// SPDX-License-Identifier: Apache-2.0
// Stored records against their golden bytes, then against damage.
#include <stdlib.h>

#include "fields.h"
#include "wire/record_codec.h"

// A decoded record of either kind.
struct decoded {
    bool is_tx;
    struct tx_record tx;
    struct branch_record branch;
    struct tx_record_storage storage;
};

static struct decoded decoded;
static assent_error error;

static int decode(bool is_tx, struct slice bytes)
{
    decoded.is_tx = is_tx;
    return is_tx ? record_decode_tx(bytes, &decoded.storage, &decoded.tx, &error)
                 : record_decode_branch(bytes, &decoded.branch, &error);
}

// Decodes a copy of exactly that size, so that a sanitizer sees any step past its end.
static int decode_copy(bool is_tx, struct slice bytes)
{
    uint8_t *copy = malloc(bytes.size > 0 ? bytes.size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.size);
    int code = decode(is_tx, slice_of(copy, bytes.size));
    free(copy);
    return code;
}

static bool vector_is_tx(const json_t *vector)
{
    return strcmp(json_string_value(json_object_get(vector, "kind")), "TX") == 0;
}

static void check_golden(const json_t *vector)
{
    struct slice golden = fields_bytes(vector);
    const json_t *from = json_object_get(vector, "fields");
    struct tx_fields tx;
    struct branch_record branch;
    struct buf out;
    buf_init(&out, LIMIT_RECORD_BYTES);
    assert_int_equal(decode(vector_is_tx(vector), golden), ASSENT_OK);
    if (decoded.is_tx) {
        fields_load_tx(from, &tx);
        fields_equal_tx(&tx.record, &decoded.tx);
        assert_int_equal(record_encode_tx(&out, &tx.record), ASSENT_OK);
    } else {
        fields_load_branch(from, &branch);
        fields_equal_branch(&branch, &decoded.branch);
        assert_int_equal(record_encode_branch(&out, &branch), ASSENT_OK);
    }
    assert_int_equal(out.size, golden.size);
    assert_memory_equal(out.data, golden.data, golden.size);
    buf_free(&out);
}

static void check_refused(const json_t *vector)
{
    bool version = strcmp(json_string_value(json_object_get(vector, "error")), "VERSION") == 0;
    assert_int_equal(decode_copy(vector_is_tx(vector), fields_bytes(vector)),
                     version ? ASSENT_VERSION : ASSENT_CORRUPT);
}

static void check_truncations(const json_t *vector)
{
    struct slice whole = fields_bytes(vector);
    for (size_t size = 0; size < whole.size; size++)
        if (decode_copy(vector_is_tx(vector), slice_of(whole.data, size)) != ASSENT_CORRUPT)
            fail_msg("its first %zu bytes are taken for a record", size);
}

// What was decoded must be within limits: then it can be encoded again, to the same bytes.
static void check_canonical(bool is_tx, struct slice bytes)
{
    struct buf out;
    if (decode(is_tx, bytes) != ASSENT_OK)
        return;
    buf_init(&out, LIMIT_RECORD_BYTES);
    assert_int_equal(is_tx ? record_encode_tx(&out, &decoded.tx)
                           : record_encode_branch(&out, &decoded.branch),
                     ASSENT_OK);
    assert_int_equal(out.size, bytes.size);
    assert_memory_equal(out.data, bytes.data, bytes.size);
    buf_free(&out);
}

static void check_corruptions(const json_t *vector)
{
    struct slice whole = fields_bytes(vector);
    uint8_t *copy = malloc(whole.size);
    assert_non_null(copy);
    memcpy(copy, whole.data, whole.size);
    for (size_t at = 0; at < whole.size; at++) {
        uint8_t was = copy[at];
        for (unsigned value = 0; value < 256; value++) {
            copy[at] = (uint8_t)value;
            check_canonical(vector_is_tx(vector), slice_of(copy, whole.size));
        }
        copy[at] = was;
    }
    free(copy);
}

static void golden_records_hold(void **state)
{
    (void)state;
    fields_each_vector("records/records.json", check_golden);
}

static void invalid_records_are_refused(void **state)
{
    (void)state;
    fields_each_vector("records/invalid.json", check_refused);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    fields_each_vector("records/records.json", check_truncations);
}

static void every_corrupt_byte_is_survived(void **state)
{
    (void)state;
    fields_each_vector("records/records.json", check_corruptions);
}

static void random_records_come_back(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 21);
    struct tx_fields tx;
    struct branch_record branch;
    struct buf out;
    for (int i = 0; i < 10000; i++) {
        fields_forget();
        fields_random_tx(&rng, &tx);
        fields_random_branch(&rng, &branch);
        buf_init(&out, LIMIT_RECORD_BYTES);
        assert_int_equal(record_encode_tx(&out, &tx.record), ASSENT_OK);
        assert_int_equal(decode(true, buf_slice(&out)), ASSENT_OK);
        fields_equal_tx(&tx.record, &decoded.tx);
        buf_reset(&out);
        assert_int_equal(record_encode_branch(&out, &branch), ASSENT_OK);
        assert_int_equal(decode(false, buf_slice(&out)), ASSENT_OK);
        fields_equal_branch(&branch, &decoded.branch);
        buf_free(&out);
    }
}

static struct branch_record a_branch(void)
{
    return (struct branch_record){.gtid = {1, "a"}, .stage = JOURNAL_PREPARED};
}

static void a_refused_record_appends_nothing(void **state)
{
    (void)state;
    static const char payload[LIMIT_PAYLOAD_BYTES + 1];
    struct buf out;
    buf_init(&out, LIMIT_RECORD_BYTES);
    assert_true(buf_append(&out, "before", 6));
    struct branch_record record = a_branch();
    record.payload = slice_of(payload, sizeof payload);
    assert_int_equal(record_encode_branch(&out, &record), ASSENT_LIMIT);
    record = a_branch();
    record.outcome = OUTCOME_COMMITTED;
    assert_int_equal(record_encode_branch(&out, &record), ASSENT_INVALID);
    struct tx_record tx = {.gtid = {1, "a"}, .stage = STAGE_DECIDED};
    assert_int_equal(record_encode_tx(&out, &tx), ASSENT_INVALID);
    tx.stage = STAGE_DELEGATED;
    tx.branch_count = LIMIT_BRANCHES + 1;
    assert_int_equal(record_encode_tx(&out, &tx), ASSENT_LIMIT);
    assert_int_equal(out.size, 6);
    record = a_branch();
    assert_int_equal(record_encode_branch(&out, &record), ASSENT_OK);
    assert_int_equal(decode(false, slice_of(out.data + 6, out.size - 6)), ASSENT_OK);
    buf_free(&out);
}

// As much as a transaction may be admitted with, its texts and results as long as can be.
static void the_greatest_register_fits_a_record(void **state)
{
    (void)state;
    static char longest[LIMIT_PAYLOAD_BYTES];
    memset(longest, 'x', sizeof longest);
    static struct record_branch branches[LIMIT_BRANCHES];
    for (unsigned i = 0; i < LIMIT_BRANCHES; i++)
        branches[i] = (struct record_branch){
            .branch = (uint16_t)i,
            .kind = BRANCH_STEP,
            .resource = slice_of(longest, LIMIT_NAME_BYTES),
            .payload = slice_of(longest, LIMIT_ADMITTED_BYTES / LIMIT_BRANCHES),
            .result = slice_of(longest, LIMIT_RESULT_BYTES),
        };
    struct tx_record record = {
        .gtid = {.size = LIMIT_GTID_BYTES},
        .protocol = PROTOCOL_SAGA,
        .stage = STAGE_ADMITTED,
        .owner = slice_of(longest, LIMIT_NAME_BYTES),
        .reason_text = slice_of(longest, LIMIT_REASON_BYTES),
        .heuristic.who = slice_of(longest, LIMIT_WHO_BYTES),
        .heuristic.why = slice_of(longest, LIMIT_WHY_BYTES),
        .branch_count = LIMIT_BRANCHES,
        .branches = branches,
    };
    memcpy(record.gtid.text, longest, LIMIT_GTID_BYTES);
    struct buf out;
    buf_init(&out, LIMIT_RECORD_BYTES);
    assert_int_equal(record_encode_tx(&out, &record), ASSENT_OK);
    assert_int_equal(decode(true, buf_slice(&out)), ASSENT_OK);
    fields_equal_tx(&record, &decoded.tx);
    buf_free(&out);
}

static void kinds_belong_into_protocols(void **state)
{
    (void)state;
    static const uint8_t known[] = {PROTOCOL_2PC, PROTOCOL_TCC, PROTOCOL_SAGA, PROTOCOL_MESSAGE};
    struct buf out;
    buf_init(&out, LIMIT_RECORD_BYTES);
    for (size_t i = 0; i < sizeof known; i++) {
        for (uint8_t kind = 0; kind < 8; kind++) {
            struct branch_record record = {.gtid = {1, "a"}, .stage = JOURNAL_PREPARED};
            record.protocol = known[i];
            record.kind = kind;
            bool held = kind != BRANCH_TOPIC && kind != BRANCH_READ_ONLY; // of no SUBMIT only
            bool holds = kind == 0 || (held && protocol_has_kind(known[i], kind));
            assert_int_equal(record_encode_branch(&out, &record),
                             holds ? ASSENT_OK : ASSENT_INVALID);
        }
    }
    buf_free(&out);
}

static void the_buffers_own_cap_holds(void **state)
{
    (void)state;
    struct branch_record record = a_branch();
    struct buf out;
    buf_init(&out, LIMIT_RECORD_BYTES);
    assert_int_equal(record_encode_branch(&out, &record), ASSENT_OK);
    size_t size = out.size;
    buf_free(&out);
    buf_init(&out, size - 1);
    assert_int_equal(record_encode_branch(&out, &record), ASSENT_LIMIT);
    assert_false(out.failed);
    buf_free(&out);
    buf_init(&out, size);
    assert_int_equal(record_encode_branch(&out, &record), ASSENT_OK);
    buf_free(&out);
}

static void damage_says_what_and_where(void **state)
{
    (void)state;
    struct branch_record record = a_branch();
    struct buf out;
    buf_init(&out, LIMIT_RECORD_BYTES);
    assert_int_equal(record_encode_branch(&out, &record), ASSENT_OK);
    out.data[22] = 7; // prefix 2, gtid 2, attempt 8, coordinator 8, branch 2
    assert_int_equal(decode(false, buf_slice(&out)), ASSENT_CORRUPT);
    assert_int_equal(error.code, ASSENT_CORRUPT);
    assert_non_null(strstr(error.message, "byte 22 of"));
    assert_non_null(strstr(error.message, "protocol"));
    static uint8_t long_record[LIMIT_RECORD_BYTES + 1] = {1, 2};
    assert_int_equal(decode(false, slice_of(long_record, sizeof long_record)), ASSENT_CORRUPT);
    assert_non_null(strstr(error.message, "163841 bytes"));
    buf_free(&out);
}

static void keys_tell_branches_apart(void **state)
{
    (void)state;
    char storage[RECORD_KEY_BYTES];
    struct gtid gtid = {.size = LIMIT_GTID_BYTES};
    memset(gtid.text, 'g', LIMIT_GTID_BYTES);
    assert_true(slice_equal(record_key_tx(&gtid), gtid_slice(&gtid)));
    struct slice key = record_key_branch(&gtid, 65535, storage);
    assert_int_equal(key.size, LIMIT_GTID_BYTES + 6);
    assert_memory_equal(key.data, gtid.text, LIMIT_GTID_BYTES);
    assert_memory_equal((const char *)key.data + LIMIT_GTID_BYTES, "/65535", 6);
    gtid = (struct gtid){1, "a"};
    assert_true(slice_equal(record_key_branch(&gtid, 0, storage), slice_text("a/0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_records_hold),
        cmocka_unit_test(invalid_records_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_corrupt_byte_is_survived),
        cmocka_unit_test(random_records_come_back),
        cmocka_unit_test(a_refused_record_appends_nothing),
        cmocka_unit_test(the_greatest_register_fits_a_record),
        cmocka_unit_test(kinds_belong_into_protocols),
        cmocka_unit_test(the_buffers_own_cap_holds),
        cmocka_unit_test(damage_says_what_and_where),
        cmocka_unit_test(keys_tell_branches_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
