// SPDX-License-Identifier: Apache-2.0
// Messages and records as tables of fields, for tests: loaded from the test vectors, compared, or
// made up at random within their limits. Written from the documents, not from the codec.
#ifndef UNIT_FIELDS_H
#define UNIT_FIELDS_H

#include <jansson.h>

#include "base/rng.h"
#include "core/record.h"
#include "unit.h"

struct message_fields { // a message and what it points to
    struct msg msg;
    struct msg_branch branches[LIMIT_BRANCHES];
};

struct tx_fields {
    struct tx_record record;
    struct record_branch branches[LIMIT_BRANCHES];
};

// The bytes of a vector: the hexadecimal strings of its "bytes". Valid until fields_forget.
struct slice fields_bytes(const json_t *vector);
// The array of vectors in a file below tests/data. The caller owns a reference.
json_t *fields_vectors(const char *path);
// Calls `check` for every vector of a file, saying which one it is.
void fields_each_vector(const char *path, void (*check)(const json_t *vector));
// Forgets the bytes that loaded and random structures point to.
void fields_forget(void);

void fields_load_header(const json_t *from, struct frame_header *ret);
void fields_load_message(const json_t *from, struct message_fields *ret);
void fields_load_tx(const json_t *from, struct tx_fields *ret);
void fields_load_branch(const json_t *from, struct branch_record *ret);

// Valid, and as likely at the limits as between them. Bodies stay below 80,000 bytes.
void fields_random_message(struct rng *rng, struct message_fields *ret);
void fields_random_tx(struct rng *rng, struct tx_fields *ret);
void fields_random_branch(struct rng *rng, struct branch_record *ret);

// Fail the test when a field differs.
void fields_equal_header(const struct frame_header *a, const struct frame_header *b);
void fields_equal_message(const struct msg *a, const struct msg *b);
void fields_equal_tx(const struct tx_record *a, const struct tx_record *b);
void fields_equal_branch(const struct branch_record *a, const struct branch_record *b);

#endif
