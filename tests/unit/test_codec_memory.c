// SPDX-License-Identifier: Apache-2.0
// Every allocation of the codec fails once, the first in the first run, and so on until a run gets
// through. What was encoded before stays as it was, the buffer is good again once it is emptied,
// and reading needs no memory at all.
#include <stdlib.h>

#include "failing_malloc.h"
#include "fields.h"
#include "wire/record_codec.h"
#include "wire/wire.h"

enum { MESSAGES = 60 };

static unsigned allocations, failing; // counted from 1; 0: none
static bool armed;

static bool allocation_fails(void)
{
    return armed && ++allocations == failing;
}

static unsigned hash_of(const struct buf *out)
{
    unsigned hash = 0;
    for (size_t i = 0; i < out->size; i++)
        hash = hash * 31 + out->data[i];
    return hash;
}

// True: it was added. Else there was no memory, and the buffer is as it was before.
static bool check_added(const struct buf *out, int code, size_t before_size, unsigned before_hash)
{
    if (code == ASSENT_OK)
        return true;
    assert_int_equal(code, ASSENT_NOMEM);
    assert_int_equal(out->size, before_size);
    assert_int_equal(hash_of(out), before_hash);
    return false;
}

// ---- frames ----

static void read_back(const struct buf *frame, const struct message_fields *sent, unsigned count)
{
    static struct wire_reader reader;
    struct frame_header header;
    struct msg msg;
    int code;
    allocations = 0;
    armed = true;
    assert_int_equal(wire_open(&reader, buf_slice(frame), &header, NULL), ASSENT_OK);
    for (unsigned i = 0; i < count; i++) {
        assert_true(wire_next(&reader, &msg, &code, NULL));
        fields_equal_message(&sent[i].msg, &msg);
    }
    assert_false(wire_next(&reader, &msg, &code, NULL));
    armed = false;
    assert_int_equal(code, ASSENT_OK);
    assert_int_equal(allocations, 0);
}

static bool fill_frame(struct buf *frame, const struct message_fields *sent)
{
    armed = true;
    wire_begin(frame);
    armed = false;
    for (unsigned i = 0; i < MESSAGES; i++) {
        unsigned hash = hash_of(frame), count = wire_count(frame);
        size_t size = frame->size;
        armed = true;
        int code = wire_add(frame, &sent[i].msg);
        armed = false;
        if (!check_added(frame, code, size, hash)) {
            assert_int_equal(wire_count(frame), count);
            assert_int_equal(wire_add(frame, &sent[i].msg), ASSENT_NOMEM); // it stays so
            return false;
        }
    }
    return true;
}

static void every_allocation_of_a_frame_fails_once(void **state)
{
    (void)state;
    static struct message_fields sent[MESSAGES];
    const struct frame_header header = {.coordinator = 7};
    struct rng rng;
    rng_seed(&rng, 3);
    for (unsigned i = 0; i < MESSAGES; i++)
        fields_random_message(&rng, &sent[i]);
    unsigned k = 0;
    for (bool through = false; !through;) {
        struct buf frame;
        buf_init(&frame, LIMIT_FRAME_BYTES);
        allocations = 0;
        failing = ++k;
        through = fill_frame(&frame, sent);
        failing = 0;
        if (!through) {
            buf_reset(&frame);
            assert_true(fill_frame(&frame, sent));
        }
        wire_end(&frame, &header);
        read_back(&frame, sent, MESSAGES);
        buf_free(&frame);
    }
    assert_true(k > 5); // or nothing was tested
    fields_forget();
}

// ---- records ----

static bool fill_records(struct buf *out, const struct tx_fields *tx,
                         const struct branch_record *branch)
{
    for (int i = 0; i < 2; i++) {
        size_t size = out->size;
        unsigned hash = hash_of(out);
        armed = true;
        int code = i == 0 ? record_encode_tx(out, &tx->record) : record_encode_branch(out, branch);
        armed = false;
        if (!check_added(out, code, size, hash))
            return false;
    }
    return true;
}

static void decode_records(const struct buf *out, size_t tx_size, const struct tx_fields *tx,
                           const struct branch_record *branch)
{
    static struct tx_record_storage storage;
    struct tx_record tx_back;
    struct branch_record branch_back;
    allocations = 0;
    armed = true;
    assert_int_equal(record_decode_tx(slice_of(out->data, tx_size), &storage, &tx_back, NULL),
                     ASSENT_OK);
    assert_int_equal(record_decode_branch(slice_of(out->data + tx_size, out->size - tx_size),
                                          &branch_back, NULL),
                     ASSENT_OK);
    armed = false;
    assert_int_equal(allocations, 0);
    fields_equal_tx(&tx->record, &tx_back);
    fields_equal_branch(branch, &branch_back);
}

static void every_allocation_of_records_fails_once(void **state)
{
    (void)state;
    static struct tx_fields tx;
    struct branch_record branch;
    struct rng rng;
    struct buf alone;
    rng_seed(&rng, 4);
    for (int i = 0; i < 200; i++) {
        fields_random_tx(&rng, &tx);
        fields_random_branch(&rng, &branch);
        buf_init(&alone, 2 * LIMIT_RECORD_BYTES);
        assert_int_equal(record_encode_tx(&alone, &tx.record), ASSENT_OK);
        unsigned k = 0;
        for (bool through = false; !through;) {
            struct buf out;
            buf_init(&out, 2 * LIMIT_RECORD_BYTES);
            allocations = 0;
            failing = ++k;
            through = fill_records(&out, &tx, &branch);
            failing = 0;
            if (!through) {
                buf_reset(&out);
                assert_true(fill_records(&out, &tx, &branch));
            }
            decode_records(&out, alone.size, &tx, &branch);
            buf_free(&out);
        }
        assert_true(k > 1);
        buf_free(&alone);
        fields_forget();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_of_a_frame_fails_once),
        cmocka_unit_test(every_allocation_of_records_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
