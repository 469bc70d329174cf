// SPDX-License-Identifier: Apache-2.0
// Any bytes as a stored record: decoding them stays within them, and what is decoded is encoded to
// the same bytes.
#include "base/check.h"
#include "fuzz.h"
#include "wire/record_codec.h"

static void as_tx(struct slice bytes)
{
    static struct tx_record_storage storage;
    struct tx_record record;
    assent_error error;
    struct buf again;
    int code = record_decode_tx(bytes, &storage, &record, &error);
    CHECK(code == ASSENT_OK || code == ASSENT_CORRUPT || code == ASSENT_VERSION);
    if (code != ASSENT_OK)
        return;
    buf_init(&again, LIMIT_RECORD_BYTES);
    CHECK(record_encode_tx(&again, &record) == ASSENT_OK);
    CHECK(slice_equal(buf_slice(&again), bytes));
    buf_free(&again);
}

static void as_branch(struct slice bytes)
{
    struct branch_record record;
    assent_error error;
    struct buf again;
    int code = record_decode_branch(bytes, &record, &error);
    CHECK(code == ASSENT_OK || code == ASSENT_CORRUPT || code == ASSENT_VERSION);
    if (code != ASSENT_OK)
        return;
    buf_init(&again, LIMIT_RECORD_BYTES);
    CHECK(record_encode_branch(&again, &record) == ASSENT_OK);
    CHECK(slice_equal(buf_slice(&again), bytes));
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_tx(slice_of(data, size));
    as_branch(slice_of(data, size));
    return 0;
}
