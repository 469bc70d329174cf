// SPDX-License-Identifier: Apache-2.0
// Frames against their golden bytes, then against everything that a hostile peer may do to them.
#include <stdlib.h>

#include "fields.h"
#include "wire/wire.h"

static struct wire_reader reader;

static struct buf frame_new(size_t cap)
{
    struct buf frame;
    buf_init(&frame, cap);
    wire_begin(&frame);
    assert_false(frame.failed);
    return frame;
}

// Reads a frame to its end. Returns how it ended; *ret_read: messages before that.
static int read_all(struct slice frame, unsigned *ret_read)
{
    struct frame_header header;
    struct msg msg;
    assent_error error;
    *ret_read = 0;
    int code = wire_open(&reader, frame, &header, &error);
    if (code != ASSENT_OK)
        return code;
    while (wire_next(&reader, &msg, &code, &error))
        ++*ret_read;
    return code;
}

// Like read_all, on a copy of exactly that size, so that a sanitizer sees any step past its end.
static int read_copy(struct slice frame, unsigned *ret_read)
{
    uint8_t *copy = malloc(frame.size > 0 ? frame.size : 1);
    assert_non_null(copy);
    memcpy(copy, frame.data, frame.size);
    int code = read_all(slice_of(copy, frame.size), ret_read);
    free(copy);
    return code;
}

static void add_all(struct buf *frame, const json_t *messages)
{
    struct message_fields fields;
    size_t i;
    json_t *message;
    json_array_foreach(messages, i, message)
    {
        fields_load_message(message, &fields);
        assert_int_equal(wire_add(frame, &fields.msg), ASSENT_OK);
    }
    assert_int_equal(wire_count(frame), i);
}

static void check_encode(const json_t *vector)
{
    struct slice golden = fields_bytes(vector);
    struct frame_header header;
    fields_load_header(json_object_get(vector, "header"), &header);
    struct buf frame = frame_new(LIMIT_FRAME_BYTES);
    add_all(&frame, json_object_get(vector, "messages"));
    wire_end(&frame, &header);
    assert_int_equal(frame.size, golden.size);
    assert_memory_equal(frame.data, golden.data, golden.size);
    buf_free(&frame);
}

static void check_decode(const json_t *vector)
{
    struct frame_header expected, header;
    struct message_fields fields;
    struct msg msg;
    assent_error error;
    int code = -1;
    fields_load_header(json_object_get(vector, "header"), &expected);
    assert_int_equal(wire_open(&reader, fields_bytes(vector), &header, &error), ASSENT_OK);
    fields_equal_header(&expected, &header);
    size_t i;
    json_t *message;
    json_array_foreach(json_object_get(vector, "messages"), i, message)
    {
        fields_load_message(message, &fields);
        assert_true(wire_next(&reader, &msg, &code, &error));
        fields_equal_message(&fields.msg, &msg);
    }
    assert_false(wire_next(&reader, &msg, &code, &error));
    assert_int_equal(code, ASSENT_OK);
    assert_false(wire_next(&reader, &msg, &code, &error));
    assert_int_equal(code, ASSENT_OK);
}

static void golden_fields_give_golden_bytes(void **state)
{
    (void)state;
    fields_each_vector("wire/frames.json", check_encode);
}

static void golden_bytes_give_golden_fields(void **state)
{
    (void)state;
    fields_each_vector("wire/frames.json", check_decode);
}

static void every_message_has_a_vector(void **state)
{
    (void)state;
    bool seen[256] = {false};
    struct message_fields fields;
    json_t *vectors = fields_vectors("wire/frames.json");
    size_t i, j;
    json_t *vector, *message;
    json_array_foreach(vectors, i, vector)
    {
        fields_forget();
        json_array_foreach(json_object_get(vector, "messages"), j, message)
        {
            fields_load_message(message, &fields);
            seen[fields.msg.type] = true;
        }
    }
    json_decref(vectors);
    for (unsigned type = 0; type < 256; type++)
        if (seen[type] != (strcmp(msg_name(type), "?") != 0))
            fail_msg("message type %u (%s) has no vector", type, msg_name(type));
}

static void check_refused(const json_t *vector)
{
    bool version = strcmp(json_string_value(json_object_get(vector, "error")), "VERSION") == 0;
    unsigned read;
    int code = read_copy(fields_bytes(vector), &read);
    assert_int_equal(code, version ? ASSENT_VERSION : ASSENT_INVALID);
    assert_int_equal(read, json_integer_value(json_object_get(vector, "read")));
}

static void invalid_frames_are_refused(void **state)
{
    (void)state;
    fields_each_vector("wire/invalid.json", check_refused);
}

static void check_truncations(const json_t *vector)
{
    struct slice whole = fields_bytes(vector);
    unsigned read;
    for (size_t size = 0; size < whole.size; size++)
        if (read_copy(slice_of(whole.data, size), &read) != ASSENT_INVALID)
            fail_msg("its first %zu bytes are taken for a frame", size);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    fields_each_vector("wire/frames.json", check_truncations);
}

// What was read must be within limits: then it can be written again, to the same bytes.
static void check_canonical(struct slice frame)
{
    struct frame_header header;
    struct msg msg;
    assent_error error;
    int code = wire_open(&reader, frame, &header, &error);
    if (code != ASSENT_OK)
        return;
    struct buf again = frame_new(LIMIT_FRAME_BYTES);
    while (wire_next(&reader, &msg, &code, &error))
        assert_int_equal(wire_add(&again, &msg), ASSENT_OK);
    if (code == ASSENT_OK) {
        wire_end(&again, &header);
        assert_int_equal(again.size, frame.size);
        assert_memory_equal(again.data, frame.data, frame.size);
    } else {
        assert_int_equal(code, ASSENT_INVALID);
        assert_string_not_equal(error.message, "");
    }
    buf_free(&again);
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
            check_canonical(slice_of(copy, whole.size));
        }
        copy[at] = was;
    }
    free(copy);
}

static void every_corrupt_byte_is_survived(void **state)
{
    (void)state;
    fields_each_vector("wire/frames.json", check_corruptions);
}

static void random_messages_come_back(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 20);
    struct message_fields fields;
    struct frame_header header = {.coordinator = 7}, back;
    struct msg msg;
    assent_error error;
    int code;
    for (int i = 0; i < 20000; i++) {
        fields_forget();
        fields_random_message(&rng, &fields);
        struct buf frame = frame_new(LIMIT_FRAME_BYTES);
        assert_int_equal(wire_add(&frame, &fields.msg), ASSENT_OK);
        wire_end(&frame, &header);
        assert_int_equal(wire_open(&reader, buf_slice(&frame), &back, &error), ASSENT_OK);
        assert_true(wire_next(&reader, &msg, &code, &error));
        fields_equal_message(&fields.msg, &msg);
        assert_false(wire_next(&reader, &msg, &code, &error));
        assert_int_equal(code, ASSENT_OK);
        buf_free(&frame);
    }
}

// ---- what the encoder refuses ----

static struct msg ping(void)
{
    return (struct msg){.type = MSG_PING, .u.ping.stamp = 1};
}

static void a_refused_message_leaves_the_frame_as_it_was(void **state)
{
    (void)state;
    static const char text[LIMIT_REASON_BYTES + 1];
    struct buf frame = frame_new(LIMIT_FRAME_BYTES);
    struct msg good = ping();
    assert_int_equal(wire_add(&frame, &good), ASSENT_OK);
    size_t size = frame.size;
    struct msg bad = {.type = MSG_VOTE, .u.vote = {.vote = VOTE_NO, .gtid = {1, "a"}}};
    bad.u.vote.text = slice_of(text, sizeof text);
    assert_int_equal(wire_add(&frame, &bad), ASSENT_LIMIT);
    bad.u.vote.text.size--;
    bad.u.vote.vote = VOTE_NONE;
    assert_int_equal(wire_add(&frame, &bad), ASSENT_INVALID);
    bad.u.vote.vote = VOTE_NO;
    bad.u.vote.gtid.text[0] = ' ';
    assert_int_equal(wire_add(&frame, &bad), ASSENT_INVALID);
    bad.type = 7;
    assert_int_equal(wire_add(&frame, &bad), ASSENT_INVALID);
    assert_int_equal(frame.size, size);
    assert_int_equal(wire_count(&frame), 1);
    assert_int_equal(wire_add(&frame, &good), ASSENT_OK);
    wire_end(&frame, &(struct frame_header){0});
    unsigned read;
    assert_int_equal(read_all(buf_slice(&frame), &read), ASSENT_OK);
    assert_int_equal(read, 2);
    buf_free(&frame);
}

static void a_frame_takes_so_many_messages(void **state)
{
    (void)state;
    struct buf frame = frame_new(LIMIT_FRAME_BYTES);
    struct msg msg = ping();
    for (int i = 0; i < LIMIT_FRAME_MESSAGES; i++)
        assert_int_equal(wire_add(&frame, &msg), ASSENT_OK);
    assert_int_equal(wire_add(&frame, &msg), ASSENT_LIMIT);
    wire_end(&frame, &(struct frame_header){0});
    unsigned read;
    assert_int_equal(read_all(buf_slice(&frame), &read), ASSENT_OK);
    assert_int_equal(read, LIMIT_FRAME_MESSAGES);
    buf_free(&frame);
}

static void a_frame_takes_so_many_bytes(void **state)
{
    (void)state;
    static const char payload[LIMIT_PAYLOAD_BYTES];
    struct msg msg = {
        .type = MSG_PREPARE,
        .u.prepare = {.gtid = {1, "a"}, .protocol = PROTOCOL_2PC, .kind = BRANCH_CALL}};
    msg.u.prepare.payload = slice_of(payload, sizeof payload);
    struct buf frame = frame_new((size_t)2 * LIMIT_FRAME_BYTES);
    unsigned added = 0;
    while (wire_add(&frame, &msg) == ASSENT_OK)
        added++;
    assert_false(frame.failed);
    assert_int_equal(added, LIMIT_FRAME_BYTES / LIMIT_PAYLOAD_BYTES - 1);
    size_t rest = LIMIT_FRAME_BYTES - frame.size;
    size_t other = rest - (frame.size - 48) / added + LIMIT_PAYLOAD_BYTES;
    msg.u.prepare.payload.size = other; // fills the frame to its last byte
    assert_int_equal(wire_add(&frame, &msg), ASSENT_OK);
    assert_int_equal(frame.size, LIMIT_FRAME_BYTES);
    wire_end(&frame, &(struct frame_header){0});
    unsigned read;
    assert_int_equal(read_all(buf_slice(&frame), &read), ASSENT_OK);
    assert_int_equal(read, added + 1);
    struct frame_header header;
    assert_non_null(buf_extend(&frame, 1));
    assert_int_equal(wire_open(&reader, buf_slice(&frame), &header, NULL), ASSENT_INVALID);
    buf_free(&frame);
}

static void the_buffers_own_cap_holds(void **state)
{
    (void)state;
    struct buf frame = frame_new(48 + 2 * (5 + 8));
    struct msg msg = ping();
    assert_int_equal(wire_add(&frame, &msg), ASSENT_OK);
    assert_int_equal(wire_add(&frame, &msg), ASSENT_OK);
    assert_int_equal(wire_add(&frame, &msg), ASSENT_LIMIT);
    assert_false(frame.failed);
    assert_int_equal(wire_count(&frame), 2);
    buf_free(&frame);
    buf_init(&frame, 47);
    wire_begin(&frame);
    assert_int_equal(wire_add(&frame, &msg), ASSENT_NOMEM);
    assert_int_equal(wire_count(&frame), 0);
    buf_free(&frame);
}

static void branches_are_numbered_without_a_gap(void **state)
{
    (void)state;
    struct msg_branch branches[2] = {
        {.branch = 0, .kind = BRANCH_CALL, .resource = {"a", 1}},
        {.branch = 1, .kind = BRANCH_ENLISTED, .resource = {"b", 1}},
    };
    struct msg msg = {
        .type = MSG_SUBMIT,
        .u.submit = {
            .gtid = {1, "a"}, .protocol = PROTOCOL_2PC, .branch_count = 2, .branches = branches}};
    struct buf frame = frame_new(LIMIT_FRAME_BYTES);
    assert_int_equal(wire_add(&frame, &msg), ASSENT_OK);
    branches[1].branch = 2;
    assert_int_equal(wire_add(&frame, &msg), ASSENT_INVALID);
    branches[1].branch = 0;
    assert_int_equal(wire_add(&frame, &msg), ASSENT_INVALID);
    branches[1].branch = 1;
    branches[1].payload = slice_text("x");
    assert_int_equal(wire_add(&frame, &msg), ASSENT_INVALID);
    msg.u.submit.branch_count = LIMIT_BRANCHES + 1;
    assert_int_equal(wire_add(&frame, &msg), ASSENT_LIMIT);
    buf_free(&frame);
}

static struct msg a_step(struct slice inputs)
{
    return (struct msg){
        .type = MSG_PREPARE,
        .u.prepare = {
            .gtid = {1, "a"}, .protocol = PROTOCOL_SAGA, .kind = BRANCH_STEP, .inputs = inputs}};
}

static void inputs_come_once_and_in_order(void **state)
{
    (void)state;
    static const uint8_t inputs[] = {0, 0, 1, 0, 'x', 2, 0, 0, 0, 1, 0, 0, 0};
    struct buf frame = frame_new(LIMIT_FRAME_BYTES);
    struct msg msg = a_step(slice_of(inputs, 9));
    assert_int_equal(wire_add(&frame, &msg), ASSENT_OK);
    msg = a_step(slice_of(inputs, sizeof inputs)); // 0, 2, 1
    assert_int_equal(wire_add(&frame, &msg), ASSENT_INVALID);
    msg = a_step(slice_of(inputs, 4)); // its result is missing
    assert_int_equal(wire_add(&frame, &msg), ASSENT_INVALID);
    static const uint8_t twice[] = {3, 0, 0, 0, 3, 0, 0, 0};
    msg = a_step(slice_of(twice, sizeof twice));
    assert_int_equal(wire_add(&frame, &msg), ASSENT_INVALID);
    static const uint8_t past[] = {64, 0, 0, 0};
    msg = a_step(slice_of(past, sizeof past));
    assert_int_equal(wire_add(&frame, &msg), ASSENT_INVALID);
    static const uint8_t endless[LIMIT_BRANCHES * (4 + LIMIT_RESULT_BYTES) + 1];
    msg = a_step(slice_of(endless, sizeof endless));
    assert_int_equal(wire_add(&frame, &msg), ASSENT_LIMIT);
    assert_int_equal(wire_count(&frame), 1);
    buf_free(&frame);
}

// Every branch but one gave as much as it may.
static void the_most_inputs_come_back(void **state)
{
    (void)state;
    enum { EACH = 4 + LIMIT_RESULT_BYTES, COUNT = LIMIT_BRANCHES - 1 };
    static uint8_t inputs[COUNT * EACH];
    for (unsigned i = 0; i < COUNT; i++) {
        uint8_t *at = inputs + (size_t)i * EACH;
        memset(at, 'r', EACH);
        memcpy(at, (uint8_t[]){(uint8_t)i, 0, 0, LIMIT_RESULT_BYTES >> 8}, 4);
    }
    struct buf frame = frame_new(LIMIT_FRAME_BYTES);
    struct msg msg = a_step(slice_of(inputs, sizeof inputs)), back;
    struct frame_header header = {0};
    int code;
    assert_int_equal(wire_add(&frame, &msg), ASSENT_OK);
    wire_end(&frame, &header);
    assert_int_equal(wire_open(&reader, buf_slice(&frame), &header, NULL), ASSENT_OK);
    assert_true(wire_next(&reader, &back, &code, NULL));
    fields_equal_message(&msg, &back);
    buf_free(&frame);
}

// Fields that a message has not are left out, whatever they hold.
static void what_is_not_there_is_not_written(void **state)
{
    (void)state;
    struct msg plain[] = {
        {.type = MSG_PREPARE,
         .u.prepare = {.gtid = {1, "a"}, .protocol = PROTOCOL_TCC, .kind = BRANCH_CALL}},
        {.type = MSG_ENLIST,
         .u.enlist = {.gtid = {1, "a"}, .protocol = PROTOCOL_2PC, .resource = {"b", 1}}},
        {.type = MSG_ROLLBACK, .u.decide = {.gtid = {1, "a"}}},
        {.type = MSG_DONE, .u.done = {.gtid = {1, "a"}, .outcome = OUTCOME_ABORTED}},
    };
    struct msg more[sizeof plain / sizeof plain[0]];
    memcpy(more, plain, sizeof plain);
    more[0].u.prepare.inputs = more[1].u.enlist.payload = slice_text("x");
    more[2].u.decide.result = more[3].u.done.result = slice_text("x");
    more[2].u.decide.protocol = 99;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        struct buf a = frame_new(LIMIT_FRAME_BYTES), b = frame_new(LIMIT_FRAME_BYTES);
        assert_int_equal(wire_add(&a, &plain[i]), ASSENT_OK);
        assert_int_equal(wire_add(&b, &more[i]), ASSENT_OK);
        assert_true(slice_equal(buf_slice(&a), buf_slice(&b)));
        buf_free(&a);
        buf_free(&b);
    }
}

static void garbage_says_what_and_where(void **state)
{
    (void)state;
    struct buf frame = frame_new(LIMIT_FRAME_BYTES);
    struct msg msg = {.type = MSG_STANDING, .u.standing = {.gtid = {3, "abc"}}};
    struct frame_header header = {0};
    assent_error error;
    int code;
    assert_int_equal(wire_add(&frame, &msg), ASSENT_OK);
    wire_end(&frame, &header);
    frame.data[frame.size - 2] = 9;
    assert_int_equal(wire_open(&reader, buf_slice(&frame), &header, &error), ASSENT_OK);
    for (int i = 0; i < 2; i++) {
        assert_false(wire_next(&reader, &msg, &code, &error));
        assert_int_equal(code, ASSENT_INVALID);
        assert_int_equal(error.code, ASSENT_INVALID);
        assert_non_null(strstr(error.message, i == 0 ? "byte 67: STANDING: outcome" : "earlier"));
    }
    buf_free(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_fields_give_golden_bytes),
        cmocka_unit_test(golden_bytes_give_golden_fields),
        cmocka_unit_test(every_message_has_a_vector),
        cmocka_unit_test(invalid_frames_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_corrupt_byte_is_survived),
        cmocka_unit_test(random_messages_come_back),
        cmocka_unit_test(a_refused_message_leaves_the_frame_as_it_was),
        cmocka_unit_test(a_frame_takes_so_many_messages),
        cmocka_unit_test(a_frame_takes_so_many_bytes),
        cmocka_unit_test(the_buffers_own_cap_holds),
        cmocka_unit_test(branches_are_numbered_without_a_gap),
        cmocka_unit_test(inputs_come_once_and_in_order),
        cmocka_unit_test(the_most_inputs_come_back),
        cmocka_unit_test(what_is_not_there_is_not_written),
        cmocka_unit_test(garbage_says_what_and_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
