#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second implementation of the log's format (docs/disk-format.md), independent of the C code.

  log.py         checks log.json, and reads the log in example/ from its files
  log.py --fill  writes the bytes and hashes of log.json anew, from its fields

64-bit numbers stand in log.json as strings ("0x1f"), because not every JSON reader has them; keys
and values are text.
"""
import hashlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = {"open": 1, "decided": 2, "forget": 4, "carried": 8, "opened": 16}
BLOCK = 32768


def u32(value):
    return value.to_bytes(4, "little")


def u64(value):
    return int(value, 16).to_bytes(8, "little") if isinstance(value, str) else value.to_bytes(8, "little")


def blake(data):
    return hashlib.blake2b(data, digest_size=16).digest()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


# ---- the format ----

def genesis(identity):
    return blake(b"assent log" + u64(identity))


def record_bytes(prev, flags, stamp, key, value):
    return prev + bytes([flags, len(key)]) + u64(stamp) + key + value


def record_hash(seq, data):
    return blake(u64(seq) + data)


def index_bytes(seq, flags):
    return u64(seq) + bytes([flags])


def meta_bytes(m):
    data = (u32(1) + u64(m["id"]) + u64(m["secret"][0]) + u64(m["secret"][1]) + u64(m["incarnation"])
            + u64(m["opened_ms"]) + u64(m["base_seq"]) + bytes.fromhex(m["base_hash"])
            + u64(m["head_seq"]) + bytes.fromhex(m["head_hash"]) + u64(m["durable_seq"])
            + u64(m["horizon"]) + u32(0))
    return data + u32(crc32c(data))


def slot_bytes(w):
    data = (b"ASSENTH1" + u64(w["generation"]) + u64(w["id"]) + u64(w["incarnation"]) + u64(w["seq"])
            + bytes.fromhex(w["hash"]) + u32(0))
    return data + u32(crc32c(data))


# ---- log.json ----

def fill(vectors):
    """Computes all that follows from the fields: the records are one chain."""
    identity = vectors["meta"]["id"]
    prev = genesis(identity)
    vectors["genesis"] = prev.hex()
    for record in vectors["records"]:
        flags = sum(FLAGS[name] for name in record["flags"])
        value = record["value"].encode()
        if "opened" in record["flags"]:
            value = u64(record["incarnation"]) + u64(record["wall_ms"])
        data = record_bytes(prev, flags, record["stamp"], record["key"].encode(), value)
        prev = record_hash(record["seq"], data)
        record["entry_key"] = (b"r" + int(record["seq"], 16).to_bytes(8, "big")).hex()
        record["entry_value"] = data.hex()
        record["hash"] = prev.hex()
        if record["key"] and "forget" not in record["flags"]:
            record["index_key"] = ("g" + record["key"]).encode().hex()
            record["index_value"] = index_bytes(record["seq"], flags).hex()
    meta, slot = vectors["meta"], vectors["witness"]
    meta["base_hash"], meta["head_hash"], slot["hash"] = vectors["genesis"], prev.hex(), prev.hex()
    slot["id"] = identity
    meta["entry_key"], meta["entry_value"] = b"m".hex(), meta_bytes(meta).hex()
    slot["bytes"] = slot_bytes(slot).hex()
    return vectors


# ---- LevelDB's log files ----

def unmask(crc):
    rotated = (crc - 0xa282ead8) & 0xffffffff
    return (rotated >> 17 | rotated << 15) & 0xffffffff


def batches(data):
    at, joined = 0, b""
    while at < len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        size, kind = int.from_bytes(data[at + 4:at + 6], "little"), data[at + 6]
        assert kind in (1, 2, 3, 4), f"byte {at}: no record"
        part = data[at + 7:at + 7 + size]
        assert crc32c(data[at + 6:at + 7 + size]) == unmask(int.from_bytes(data[at:at + 4], "little"))
        joined += part
        if kind in (1, 4):
            yield joined
            joined = b""
        at += 7 + size


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def string(data, at):
    size, at = varint(data, at)
    return data[at:at + size], at + size


def apply_batch(entries, batch):
    at = 12
    for _ in range(int.from_bytes(batch[8:12], "little")):
        kind, (key, at) = batch[at], string(batch, at + 1)
        entries.pop(key, None)
        if kind == 1:
            entries[key], at = string(batch, at)
    assert at == len(batch)


# ---- example/ ----

def number(data, at):
    return int.from_bytes(data[at:at + 8], "little")


def newest_slot(head):
    slots = [head[at:at + 64] for at in (0, 512)]
    whole = [s for s in slots if s[:8] == b"ASSENTH1" and crc32c(s[:60]) == int.from_bytes(s[60:], "little")]
    return max(whole, key=lambda s: number(s, 8))


def check_example(folder):
    entries = {}
    for path in sorted((folder / "db").glob("*.log")):
        for batch in batches(path.read_bytes()):
            apply_batch(entries, batch)
    meta = entries.pop(b"m")
    assert meta[:4] == u32(1) and crc32c(meta[:112]) == int.from_bytes(meta[112:], "little")
    prev, base, head = meta[52:68], number(meta, 44), number(meta, 68)
    standing = {}
    for seq in range(base, head + 1):
        data = entries.pop(b"r" + seq.to_bytes(8, "big"))
        assert data[:16] == prev, f"record {seq} does not fit to the one before"
        prev = record_hash(seq, data)
        flags, key = data[16], data[26:26 + data[17]]
        if key:
            standing.pop(key, None)
        if key and not flags & FLAGS["forget"]:
            standing[key] = index_bytes(seq, flags)
    assert prev == meta[76:92], "the head is another one"
    assert entries == {b"g" + key: value for key, value in standing.items()}, "the index"
    slot = newest_slot((folder / "head").read_bytes())
    assert (number(slot, 16), number(slot, 32)) == (number(meta, 4), head), "the witness"
    assert slot[40:56] == prev, "the witness's hash"
    return head + 1 - base, len(standing)


if __name__ == "__main__":
    path = HERE / "log.json"
    vectors = json.loads(path.read_text())
    if sys.argv[1:] == ["--fill"]:
        path.write_text(json.dumps(fill(vectors), indent=2) + "\n")
    elif len(sys.argv) == 1:
        assert vectors == fill(json.loads(path.read_text())), "log.json: bytes are not what the fields give"
        print("%d records hold; the example has %d, %d of them standing"
              % (len(vectors["records"]), *check_example(HERE / "example")))
    else:
        sys.exit(__doc__)
