// SPDX-License-Identifier: Apache-2.0
#include "store/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "store/bytes.h"

static const char magic[8] = {'A', 'S', 'S', 'E', 'N', 'T', 'H', '1'};

void witness_encode(const struct witness_head *head, uint8_t ret[WITNESS_SLOT_SIZE])
{
    memcpy(ret, magic, sizeof magic);
    put_u64(ret + 8, head->generation);
    put_u64(ret + 16, head->id);
    put_u64(ret + 24, head->incarnation);
    put_u64(ret + 32, head->seq);
    memcpy(ret + 40, head->hash, 16);
    put_u32(ret + 56, 0);
    put_u32(ret + 60, crc32c(0, ret, 60));
}

bool witness_decode(const uint8_t slot[WITNESS_SLOT_SIZE], struct witness_head *ret)
{
    if (memcmp(slot, magic, sizeof magic) != 0 || crc32c(0, slot, 60) != get_u32(slot + 60))
        return false;
    ret->generation = get_u64(slot + 8);
    ret->id = get_u64(slot + 16);
    ret->incarnation = get_u64(slot + 24);
    ret->seq = get_u64(slot + 32);
    memcpy(ret->hash, slot + 40, 16);
    return true;
}

static void read_slots(struct witness *self)
{
    self->found = false;
    for (int i = 0; i < 2; i++) {
        uint8_t slot[WITNESS_SLOT_SIZE] = {0};
        struct witness_head head;
        ssize_t n = pread(self->fd, slot, sizeof slot, (off_t)i * WITNESS_SLOT_OFFSET);
        if (n != WITNESS_SLOT_SIZE || !witness_decode(slot, &head))
            continue;
        if (!self->found || head.generation > self->head.generation)
            self->head = head;
        self->found = true;
    }
}

static int open_file(const char *dir, int flags, struct witness *ret, assent_error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/head", dir);
    *ret = (struct witness){.fd = open(path, flags | O_CLOEXEC, 0600)};
    if (ret->fd < 0 && errno == ENOENT)
        return ASSENT_OK;
    if (ret->fd < 0)
        return error_set(error, ASSENT_IO, "%s: %s", path, strerror(errno));
    read_slots(ret);
    return ASSENT_OK;
}

int witness_open(const char *dir, bool create, struct witness *ret, assent_error *error)
{
    return open_file(dir, O_RDWR | (create ? O_CREAT : 0), ret, error);
}

int witness_read(const char *dir, struct witness *ret, assent_error *error)
{
    int code = open_file(dir, O_RDONLY, ret, error);
    if (code == ASSENT_OK)
        witness_close(ret);
    return code;
}

int witness_write(struct witness *self, const struct witness_head *head, assent_error *error)
{
    struct witness_head next = *head;
    next.generation = self->found ? self->head.generation + 1 : 1;
    uint8_t slot[WITNESS_SLOT_SIZE];
    witness_encode(&next, slot);
    off_t at = (off_t)(next.generation & 1) * WITNESS_SLOT_OFFSET;
    // A crash in the middle of this write leaves a torn slot; the other one then holds, one sync
    // older, and the database is ahead of it, which is no contradiction.
    ssize_t n = pwrite(self->fd, slot, sizeof slot, at);
    if (n != WITNESS_SLOT_SIZE)
        return error_set(error, ASSENT_IO, "head: write: %s",
                         n < 0 ? strerror(errno) : "only a part was written");
    self->head = next;
    self->found = true;
    return ASSENT_OK;
}

int witness_sync(struct witness *self, assent_error *error)
{
    if (fsync(self->fd) != 0)
        return error_set(error, ASSENT_IO, "head: fsync: %s", strerror(errno));
    return ASSENT_OK;
}

void witness_close(struct witness *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}
