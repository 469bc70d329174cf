// SPDX-License-Identifier: Apache-2.0
// <dir>/head: the newest durable record and its hash, kept outside the database, so that a database
// that came back shorter or different is noticed. Written after each sync, never before, into two
// slots in turn, so that a torn write leaves the other.
#ifndef STORE_WITNESS_H
#define STORE_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { WITNESS_SLOT_SIZE = 64, WITNESS_SLOT_OFFSET = 512 };

struct witness_head {
    uint64_t generation; // counts writes; the higher slot holds
    uint64_t id;
    uint64_t incarnation;
    uint64_t seq;
    uint8_t hash[16];
};

struct witness {
    int fd;
    bool found; // a slot could be read
    struct witness_head head;
};

// Opens the file, makes it when `create`. A file without a readable slot counts as not found.
int witness_open(const char *dir, bool create, struct witness *ret, assent_error *error);
// Without touching the disk: fd stays -1.
int witness_read(const char *dir, struct witness *ret, assent_error *error);
int witness_write(struct witness *self, const struct witness_head *head, assent_error *error);
int witness_sync(struct witness *self, assent_error *error);
void witness_close(struct witness *self);

void witness_encode(const struct witness_head *head, uint8_t ret[WITNESS_SLOT_SIZE]);
bool witness_decode(const uint8_t slot[WITNESS_SLOT_SIZE], struct witness_head *ret);

#endif
