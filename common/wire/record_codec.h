// SPDX-License-Identifier: Apache-2.0
// Bytes for stored records: versioned, little-endian, bounds-checked (docs/disk-format.md).
#ifndef WIRE_RECORD_CODEC_H
#define WIRE_RECORD_CODEC_H

#include "base/buf.h"
#include "base/error.h"
#include "core/record.h"

struct tx_record_storage {
    struct record_branch branches[LIMIT_BRANCHES];
};

// Appends the record's bytes. ASSENT_LIMIT or ASSENT_INVALID when a field is past its limit or not
// one of its values (nothing is appended), ASSENT_NOMEM.
int record_encode_tx(struct buf *out, const struct tx_record *record);
int record_encode_branch(struct buf *out, const struct branch_record *record);

// Slices borrow from `data`, branches from `storage`. ASSENT_CORRUPT, ASSENT_VERSION.
int record_decode_tx(struct slice data, struct tx_record_storage *storage, struct tx_record *ret,
                     assent_error *error);
int record_decode_branch(struct slice data, struct branch_record *ret, assent_error *error);

// Keys under which records are stored: the gtid itself, and "<gtid>/<branch>".
enum { RECORD_KEY_BYTES = LIMIT_GTID_BYTES + 8 };
struct slice record_key_tx(const struct gtid *gtid);
struct slice record_key_branch(const struct gtid *gtid, unsigned branch,
                               char storage[RECORD_KEY_BYTES]);

#endif
