// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame: reading them stays within them, and a frame that is read to its end is the
// one that writing the same messages gives.
#include "base/check.h"
#include "fuzz.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wire_reader reader;
    struct frame_header header;
    struct msg msg;
    assent_error error;
    struct buf again;
    int code = wire_open(&reader, slice_of(data, size), &header, &error);
    if (code != ASSENT_OK) {
        CHECK(code == ASSENT_INVALID || code == ASSENT_VERSION);
        return 0;
    }
    buf_init(&again, LIMIT_FRAME_BYTES);
    wire_begin(&again);
    while (wire_next(&reader, &msg, &code, &error))
        CHECK(wire_add(&again, &msg) == ASSENT_OK);
    CHECK(code == ASSENT_OK || code == ASSENT_INVALID);
    if (code == ASSENT_OK) {
        wire_end(&again, &header);
        CHECK(slice_equal(buf_slice(&again), slice_of(data, size)));
    }
    buf_free(&again);
    return 0;
}
