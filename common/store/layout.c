// SPDX-License-Identifier: Apache-2.0
#include "store/layout.h"

#include <sodium.h>

#include "base/crc32c.h"
#include "store/bytes.h"

void layout_record_key(uint64_t seq, uint8_t ret[RECORD_KEY_SIZE])
{
    ret[0] = 'r';
    put_u64_be(ret + 1, seq);
}

void layout_record_hash(uint64_t seq, struct slice value, uint8_t ret[HASH_BYTES])
{
    crypto_generichash_state state;
    uint8_t number[8];
    put_u64(number, seq);
    crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
    crypto_generichash_update(&state, number, sizeof number);
    crypto_generichash_update(&state, value.data, value.size);
    crypto_generichash_final(&state, ret, HASH_BYTES);
}

void layout_genesis_hash(uint64_t id, uint8_t ret[HASH_BYTES])
{
    uint8_t text[18] = "assent log";
    put_u64(text + 10, id);
    crypto_generichash(ret, HASH_BYTES, text, sizeof text, NULL, 0);
}

bool layout_record_encode(struct buf *out, const struct log_record *record,
                          uint8_t ret_hash[HASH_BYTES])
{
    size_t start = out->size;
    uint8_t head[RECORD_HEAD_SIZE];
    memcpy(head, record->prev, HASH_BYTES);
    head[16] = record->flags;
    head[17] = (uint8_t)record->key.size;
    put_u64(head + 18, record->stamp);
    buf_append(out, head, sizeof head);
    buf_append(out, record->key.data, record->key.size);
    if (!buf_append(out, record->value.data, record->value.size) || out->failed)
        return false;
    layout_record_hash(record->seq, slice_of(out->data + start, out->size - start), ret_hash);
    return true;
}

bool layout_record_decode(uint64_t seq, struct slice value, struct log_record *ret)
{
    const uint8_t *at = value.data;
    if (value.size < RECORD_HEAD_SIZE)
        return false;
    uint8_t flags = at[16], key_size = at[17];
    bool own = flags & RECORD_OPENED;
    if ((flags & ~RECORD_FLAGS_KNOWN) || own != (key_size == 0) || key_size > LIMIT_KEY_BYTES ||
        value.size - RECORD_HEAD_SIZE < key_size)
        return false;
    size_t rest = value.size - RECORD_HEAD_SIZE - key_size;
    if (rest > LIMIT_RECORD_BYTES || (own && rest != OPENED_SIZE))
        return false;
    ret->seq = seq;
    memcpy(ret->prev, at, HASH_BYTES);
    ret->flags = flags;
    ret->stamp = get_u64(at + 18);
    ret->key = slice_of(at + RECORD_HEAD_SIZE, key_size);
    ret->value = slice_of(at + RECORD_HEAD_SIZE + key_size, rest);
    return true;
}

void layout_opened_encode(uint64_t incarnation, uint64_t wall_ms, uint8_t ret[OPENED_SIZE])
{
    put_u64(ret, incarnation);
    put_u64(ret + 8, wall_ms);
}

void layout_index_encode(uint64_t seq, uint8_t flags, uint8_t ret[INDEX_VALUE_SIZE])
{
    put_u64(ret, seq);
    ret[8] = flags;
}

bool layout_index_decode(struct slice value, uint64_t *ret_seq, uint8_t *ret_flags)
{
    if (value.size != INDEX_VALUE_SIZE)
        return false;
    *ret_seq = get_u64(value.data);
    *ret_flags = ((const uint8_t *)value.data)[8];
    return true;
}

void layout_meta_encode(const struct log_meta *meta, uint8_t ret[META_SIZE])
{
    put_u32(ret, LAYOUT_VERSION);
    put_u64(ret + 4, meta->id);
    put_u64(ret + 12, meta->secret[0]);
    put_u64(ret + 20, meta->secret[1]);
    put_u64(ret + 28, meta->incarnation);
    put_u64(ret + 36, meta->opened_ms);
    put_u64(ret + 44, meta->base_seq);
    memcpy(ret + 52, meta->base_hash, HASH_BYTES);
    put_u64(ret + 68, meta->head_seq);
    memcpy(ret + 76, meta->head_hash, HASH_BYTES);
    put_u64(ret + 92, meta->durable_seq);
    put_u64(ret + 100, meta->horizon);
    put_u32(ret + 108, 0);
    put_u32(ret + 112, crc32c(0, ret, 112));
}

int layout_meta_decode(struct slice value, struct log_meta *ret, assent_error *error)
{
    const uint8_t *at = value.data;
    if (value.size < 4)
        return error_set(error, ASSENT_CORRUPT, "the meta entry is cut to %zu bytes", value.size);
    if (get_u32(at) != LAYOUT_VERSION)
        return error_set(error, ASSENT_VERSION,
                         "the log has format version %u, this program knows version %d: use the "
                         "release that wrote it",
                         get_u32(at), LAYOUT_VERSION);
    if (value.size != META_SIZE || crc32c(0, at, 112) != get_u32(at + 112))
        return error_set(error, ASSENT_CORRUPT, "the meta entry fails its checksum");
    ret->id = get_u64(at + 4);
    ret->secret[0] = get_u64(at + 12);
    ret->secret[1] = get_u64(at + 20);
    ret->incarnation = get_u64(at + 28);
    ret->opened_ms = get_u64(at + 36);
    ret->base_seq = get_u64(at + 44);
    memcpy(ret->base_hash, at + 52, HASH_BYTES);
    ret->head_seq = get_u64(at + 68);
    memcpy(ret->head_hash, at + 76, HASH_BYTES);
    ret->durable_seq = get_u64(at + 92);
    ret->horizon = get_u64(at + 100);
    if (ret->base_seq == 0 || ret->base_seq > ret->head_seq + 1 || ret->durable_seq > ret->head_seq)
        return error_set(error, ASSENT_CORRUPT, "the meta entry contradicts itself");
    return ASSENT_OK;
}
