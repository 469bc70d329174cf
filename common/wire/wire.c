// SPDX-License-Identifier: Apache-2.0
#include "wire/wire.h"

#include "base/check.h"
#include "wire/messages.h"

enum {
    HEADER_BYTES = 48,
    COUNT_AT = 6,     // of the message count, within the header
    PREFIX_BYTES = 5, // type and length before each message
    FROM_COORDINATOR = 1,
};

static const uint8_t magic[4] = {'A', 'S', 'N', 'T'};

static uint16_t count_get(const uint8_t *header)
{
    return (uint16_t)(header[COUNT_AT] | header[COUNT_AT + 1] << 8);
}

static void count_set(uint8_t *header, unsigned count)
{
    header[COUNT_AT] = (uint8_t)count;
    header[COUNT_AT + 1] = (uint8_t)(count >> 8);
}

void wire_begin(struct buf *frame)
{
    CHECK(frame->size == 0);
    uint8_t *header = buf_extend(frame, HEADER_BYTES);
    if (header)
        memset(header, 0, HEADER_BYTES);
}

unsigned wire_count(const struct buf *frame)
{
    return frame->size < HEADER_BYTES ? 0 : count_get(frame->data);
}

int wire_add(struct buf *frame, const struct msg *msg)
{
    if (frame->failed)
        return ASSENT_NOMEM;
    CHECK(frame->size >= HEADER_BYTES);
    unsigned count = count_get(frame->data);
    struct msg copy = *msg; // visitors write as well as read; slices still point to the original's
    struct codec measure = {.mode = CODEC_MEASURE};
    if (!messages_walk(&measure, &copy, NULL))
        return ASSENT_INVALID;
    if (measure.code != ASSENT_OK)
        return measure.code;
    size_t size = PREFIX_BYTES + measure.size;
    size_t cap = frame->cap < LIMIT_FRAME_BYTES ? frame->cap : LIMIT_FRAME_BYTES;
    if (count == LIMIT_FRAME_MESSAGES || size > cap - frame->size)
        return ASSENT_LIMIT;
    uint8_t *to = buf_extend(frame, size);
    if (!to)
        return ASSENT_NOMEM;
    struct codec write = {.mode = CODEC_WRITE, .to = to};
    codec_uint(&write, "type", copy.type, 1);
    codec_uint(&write, "length", measure.size, 4);
    messages_walk(&write, &copy, NULL);
    CHECK(write.to == to + size);
    count_set(frame->data, count + 1);
    return ASSENT_OK;
}

// What follows the count.
static void header_walk(struct codec *c, struct frame_header *h)
{
    codec_coordinator(c, "coordinator", &h->coordinator);
    codec_u64(c, "incarnation", &h->incarnation);
    codec_u64(c, "log_seq", &h->log_seq);
    codec_u64(c, "seal", &h->seal);
    codec_u64(c, "fence", &h->fence);
}

void wire_end(struct buf *frame, const struct frame_header *header)
{
    if (frame->failed)
        return;
    CHECK(frame->size >= HEADER_BYTES);
    struct frame_header copy = *header;
    memcpy(frame->data, magic, sizeof magic);
    frame->data[4] = WIRE_VERSION;
    frame->data[5] = copy.from_coordinator ? FROM_COORDINATOR : 0;
    struct codec write = {.mode = CODEC_WRITE, .to = frame->data + COUNT_AT + 2};
    header_walk(&write, &copy);
    CHECK(write.to == frame->data + HEADER_BYTES);
}

int wire_open(struct wire_reader *reader, struct slice frame, struct frame_header *ret,
              assent_error *error)
{
    const uint8_t *data = frame.data;
    reader->left = 0;
    reader->broken = true;
    if (frame.size < sizeof magic + 1 || memcmp(data, magic, sizeof magic) != 0)
        return error_set(error, ASSENT_INVALID, "wire: %zu bytes that are no frame", frame.size);
    if (data[4] != WIRE_VERSION)
        return error_set(error, ASSENT_VERSION, "wire: version %u; this end speaks %d", data[4],
                         WIRE_VERSION);
    if (frame.size < HEADER_BYTES || frame.size > LIMIT_FRAME_BYTES)
        return error_set(error, ASSENT_INVALID, "wire: a frame of %zu bytes, not %d..%d",
                         frame.size, HEADER_BYTES, LIMIT_FRAME_BYTES);
    if (data[5] & ~FROM_COORDINATOR)
        return error_set(error, ASSENT_INVALID, "wire: reserved flags 0x%02x", data[5]);
    unsigned count = count_get(data);
    if (count > LIMIT_FRAME_MESSAGES)
        return error_set(error, ASSENT_INVALID, "wire: %u messages, past the limit of %d", count,
                         LIMIT_FRAME_MESSAGES);
    struct frame_header header = {.version = data[4], .from_coordinator = data[5]};
    struct codec read = {.mode = CODEC_READ, .at = data + COUNT_AT + 2, .end = data + HEADER_BYTES};
    header_walk(&read, &header);
    if (read.code != ASSENT_OK)
        return error_set(error, ASSENT_INVALID, "wire: header: %s: %s", read.field, read.problem);
    *ret = header;
    reader->data = data;
    reader->size = frame.size;
    reader->at = HEADER_BYTES;
    reader->left = count;
    reader->broken = false;
    return ASSENT_OK;
}

static bool broken(struct wire_reader *reader, int *ret_code, assent_error *error, size_t at,
                   const char *where, const char *field, const char *problem)
{
    reader->broken = true;
    *ret_code =
        error_set(error, ASSENT_INVALID, "wire: byte %zu: %s: %s: %s", at, where, field, problem);
    return false;
}

bool wire_next(struct wire_reader *reader, struct msg *ret, int *ret_code, assent_error *error)
{
    size_t at = reader->at;
    if (reader->broken)
        return broken(reader, ret_code, error, at, "frame", "earlier message", "garbage");
    size_t rest = reader->size - at;
    if (reader->left == 0) {
        if (rest > 0)
            return broken(reader, ret_code, error, at, "frame", "end", "trailing bytes");
        *ret_code = ASSENT_OK;
        return false;
    }
    struct codec read = {
        .mode = CODEC_READ, .at = reader->data + at, .end = reader->data + reader->size};
    struct msg msg = {.type = (enum msg_type)codec_uint(&read, "type", 0, 1)};
    size_t length = (size_t)codec_uint(&read, "length", 0, 4);
    const uint8_t *body = codec_take(&read, "body", length);
    if (!body)
        return broken(reader, ret_code, error, at, "message", read.field, read.problem);
    read.at = body;
    read.end = body + length;
    if (!messages_walk(&read, &msg, reader->branches))
        return broken(reader, ret_code, error, at, "message", "type", "not known");
    read.taken = read.at;
    codec_check(&read, read.at == read.end, "end", "trailing bytes");
    if (read.code != ASSENT_OK)
        return broken(reader, ret_code, error, (size_t)(read.broken_at - reader->data),
                      msg_name(msg.type), read.field, read.problem);
    reader->at = at + PREFIX_BYTES + length;
    reader->left--;
    *ret = msg;
    return true;
}
