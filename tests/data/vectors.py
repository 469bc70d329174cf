#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second implementation of docs/wire-format.md and of the records in docs/disk-format.md,
independent of the C code, over the test vectors next to it.

  vectors.py               checks every vector: fields to bytes, bytes to fields, refusals
  vectors.py --fill        writes the bytes of vectors that have none yet
  vectors.py --corpus DIR  writes every vector's bytes as files DIR/<format>/<name>, for the fuzzers

64-bit numbers stand in the vectors as strings ("0x1f"), because not every JSON reader has them;
payloads and digests as hexadecimal. In "bytes", each string is a header, prefix or body, and
spaces separate its fields: leave them out to get the bytes.
"""
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
NAME = re.compile(rb"[A-Za-z0-9._:-]{1,64}\Z")
ADDRESS = re.compile(rb"[ -~]{0,192}\Z")
NONE = 65535
TWO, THREE, TCC, SAGA, MESSAGE = range(1, 6)
CALL, ENLISTED, STEP, SENDER, CONSUMER, TOPIC, READ_ONLY = range(1, 8)
KINDS = {TWO: {CALL, ENLISTED}, THREE: {CALL, ENLISTED}, TCC: {CALL, ENLISTED}, SAGA: {STEP},
         MESSAGE: {SENDER, CONSUMER, TOPIC}}
ROUND_MAX = 1 << 30
KIND, PROTOCOL = ("kind", "enum", range(1, 6)), ("protocol", "enum", {*KINDS})
GTID, ATTEMPT, REQUEST = ("gtid", "name"), ("attempt", "u64"), ("request", "u64")
BRANCH, BRANCH_OR_NONE = ("branch", "u16", range(64)), [*range(64), NONE]
PAYLOAD, REASON_TEXT = ("payload", "hex32", 65536), ("text", "text16", 160)
TIMEOUT, JSON = ("timeout_ms", "u32"), ("json", "text32", 1 << 20)
RESULT, INDEX = ("result", "hex16", 512), ("index", "u16", range(64))

ELECTIONS = range((ROUND_MAX + 1) << 32)
ELECTION = ("number", "u64", ELECTIONS)


def only(where, *fields):
    """Fields that are there only where the fields before them say so."""
    return [(name, kind, rest[0] if rest else None, where) for name, kind, *rest in fields]


def between_members(fields):
    return NONE not in {fields["from"], fields["to"]}


def of_kind(*kinds):
    return lambda fields: fields["kind"] in kinds


def nested(fields):
    return fields.get("asked", 0) & 2


def business(fields):
    return fields["protocol"] in {TCC, SAGA, MESSAGE}


def three(fields):
    return fields["protocol"] == THREE


MEMBERS = ("members", "members")
MEETING = [GTID, ATTEMPT, ("coordinator", "u64", range(1 << 40)), ("from", "u16", BRANCH_OR_NONE),
           ("to", "u16", BRANCH_OR_NONE),
           *only(between_members, ("resource", "name"), ("address", "address"))]
PLAN = [*only(of_kind(CONSUMER, TOPIC), ("delay_ms", "u32")),
        *only(of_kind(STEP), ("after", "u64"), ("plan_flags", "u8", range(4)), ("attempts", "u16"),
              ("step_timeout_ms", "u32"), ("backoff_ms", "u32"), ("backoff_max_ms", "u32"))]
CONTENT = [*only(lambda fields: fields["flags"] & 4, ("protocol", "enum", {TCC, SAGA, MESSAGE}),
                 KIND, PAYLOAD),
           *only(lambda fields: fields["flags"] & 4 and fields["kind"] == STEP, RESULT)]

# Fields as (name, type), (name, type, values or longest) or (name, type, values, where).
MESSAGES = {
    "HELLO": (1, [("role", "enum", {1, 2, 3}), ("version_min", "u8", range(1, 256)),
                  ("version_max", "u8"), ("peer_incarnation", "u64"), ("journal", "u64"),
                  ("name", "name"),
                  *only(lambda fields: fields["role"] == 2, ("address", "address"))]),
    "WELCOME": (2, [("peer_incarnation", "u64"), ("lease_first", "u64"),
                    ("lease_count", "u32", range(65537)), ("lease_ms", "u64"),
                    ("payload_bytes_max", "u32", range(65537)), ("branches_max", "u16", range(65))]),
    "REFUSED": (3, [REQUEST, ("about", "enum", {*range(1, 7), *range(10, 16), *range(20, 29), 30, 31,
                                           *range(42, 46)}),
                    ("code", "u16", range(1, 20)), ("gtid", "name?"), REASON_TEXT]),
    "PING": (4, [("stamp", "u64")]),
    "PONG": (5, [("stamp", "u64")]),
    "LEASE": (6, []),
    "ENLIST": (10, [REQUEST, GTID, ("protocol", "enum", {TWO, THREE, TCC}), TIMEOUT, BRANCH,
                    ("resource", "name"),
                    *only(lambda fields: fields["protocol"] == TCC, PAYLOAD)]),
    "ENLISTED": (11, [REQUEST, GTID, BRANCH]),
    "SUBMIT": (12, [REQUEST, GTID, PROTOCOL, ("flags", "u8", range(8)), TIMEOUT,
                    ("branches", "list", [BRANCH, ("kind", "enum", range(1, 8)),
                                          ("resource", "name"), PAYLOAD, *PLAN])]),
    "CANCEL": (13, [REQUEST, GTID]),
    "STATUS": (14, [REQUEST, GTID]),
    "RESULT": (15, [REQUEST, GTID, ("about", "enum", {12, 13, 14}), ("outcome", "enum", range(4)),
                    ("reason", "enum", range(9)), ("mixed", "u8", range(4)),
                    ("finished", "enum", {0, 1}), ("branch", "u16", BRANCH_OR_NONE), REASON_TEXT]),
    "PREPARE": (20, [GTID, ATTEMPT, BRANCH, PROTOCOL, KIND, ("flags", "u8", range(3)), TIMEOUT,
                     PAYLOAD, *only(of_kind(STEP), ("inputs", "inputs")), *only(three, MEMBERS)]),
    "VOTE": (21, [GTID, ATTEMPT, BRANCH, ("vote", "enum", range(1, 5)), ("text", "text16", 512)]),
    "COMMIT": (22, [GTID, ATTEMPT, BRANCH, ("flags", "u8", {0, 1, 4, 5}), *CONTENT]),
    "ROLLBACK": (23, [GTID, ATTEMPT, BRANCH, ("flags", "u8", range(8)), *CONTENT]),
    "DONE": (24, [GTID, ATTEMPT, BRANCH, ("outcome", "enum", {1, 2}), ("flags", "u8", range(8)),
                  *only(lambda fields: fields["flags"] & 1, ("heuristic", "enum", range(1, 10))),
                  *only(lambda fields: fields["flags"] & 4, RESULT)]),
    "INQUIRE": (25, [GTID, ATTEMPT, ("coordinator", "u64", range(1 << 40)), BRANCH,
                     ("prepared", "enum", range(3))]),
    "STANDING": (26, [GTID, ATTEMPT, BRANCH, ("outcome", "enum", range(4)),
                      ("flags", "u8", range(4))]),
    "EXTEND": (27, [GTID, ATTEMPT, BRANCH, INDEX, ("kind", "enum", {CALL, ENLISTED}),
                    ("resource", "name"), PAYLOAD]),
    "EXTENDED": (28, [GTID, ATTEMPT, BRANCH, INDEX, ("number", "u16", BRANCH_OR_NONE),
                      ("code", "u16", range(20)), REASON_TEXT]),
    "ADMIN": (30, [("id", "u64"), ("verb", "name"), JSON]),
    "ADMIN_REPLY": (31, [("id", "u64"), ("code", "u16", range(20)), JSON]),
    "ASK": (42, [*MEETING, ELECTION, ("journal", "u64")]),
    "STATE": (43, [*MEETING, ELECTION, ("last", "u64", ELECTIONS), ("state", "enum", {0, 2, 3, 4})]),
    "TRY": (44, [*MEETING, ELECTION, ("outcome", "enum", {1, 2})]),
    "DECIDE": (45, [*MEETING, ("outcome", "enum", {1, 2})]),
}
HEADER = [("version", "u8", {1}), ("flags", "u8", range(2)), ("count", "u16", range(4097)),
          ("coordinator", "u64", range(1 << 40)), ("incarnation", "u64"), ("log_seq", "u64"),
          ("seal", "u64"), ("fence", "u64")]
END, OUTCOME = ("outcome", "enum", range(3)), ("outcome", "enum", range(4))
RECORD_KIND, RECORD_PROTOCOL = ("kind", "enum", range(6)), ("protocol", "enum", {0, *KINDS})
RECORDS = {
    "TX": (1, [GTID, ATTEMPT, RECORD_PROTOCOL, ("stage", "enum", range(1, 5)), OUTCOME,
               ("reason", "enum", range(9)), ("mixed", "enum", {0, 1}),
               ("reason_branch", "u16", BRANCH_OR_NONE), ("digest", "hex", 16),
               ("started_ms", "u64"), ("decided_ms", "u64"), ("ended_ms", "u64"),
               ("owner", "text16", 64), ("reason_text", "text16", 160),
               ("heuristic_forced", "enum", range(3)), ("heuristic_when_ms", "u64"),
               ("heuristic_who", "text16", 128), ("heuristic_why", "text16", 256),
               *only(business, ("submitted", "enum", {0, 1}), TIMEOUT),
               ("branches", "list", [BRANCH, RECORD_KIND, ("vote", "enum", range(4)), OUTCOME,
                                     ("heuristic", "enum", range(10)), ("journal", "u64"),
                                     ("resource", "name"),
                                     *only(business, ("asked", "u8", range(4))),
                                     *only(nested, ("parent", "u16", range(64)), ("index", "u16", range(64))),
                                     *PLAN,
                                     *only(business, PAYLOAD), *only(of_kind(STEP), RESULT)])]),
    "BRANCH": (2, [GTID, ATTEMPT, ("coordinator", "u64", range(1 << 40)), BRANCH,
                   RECORD_PROTOCOL, RECORD_KIND, ("stage", "enum", {1, 2, 3}), END,
                   ("heuristic", "enum", range(10)), ("log_seq", "u64"), ("seal", "u64"),
                   ("prepared_ms", "u64"), PAYLOAD, *only(of_kind(STEP), RESULT),
                   *only(three, ("quorum_state", "enum", {2, 3, 4, 6, 7}),
                         ("quorum_horizon", "u32", range(ROUND_MAX + 2)),
                         ("quorum_attempt", "u64", ELECTIONS), MEMBERS)]),
}
SIZES = {"u8": 1, "enum": 1, "u16": 2, "u32": 4, "u64": 8}
PREFIXES = {"name": 1, "name?": 1, "address": 1, "text16": 2, "text32": 4, "hex16": 2, "hex32": 4}


class Refused(Exception):
    """INVALID, VERSION or CORRUPT, and why."""


def little(value, size):
    return value.to_bytes(size, "little")


# ---- fields to bytes: a list of pieces ----

def encode_field(kind, value):
    if kind == "u64":
        return [little(int(value, 16), 8)]
    if kind in SIZES:
        return [little(value, SIZES[kind])]
    if kind == "hex":
        return [bytes.fromhex(value)]
    if kind == "inputs":
        data = b"".join(little(item["branch"], 2) + little(len(item["result"]) // 2, 2) +
                        bytes.fromhex(item["result"]) for item in value)
        return [little(len(data), 4), data]
    if kind == "members":
        data = b"".join(little(int(item["journal"], 16), 8) + little(len(item["resource"]), 1) +
                        item["resource"].encode() + little(len(item["address"]), 1) +
                        item["address"].encode() for item in value)
        return [little(len(data), 2), data]
    data = bytes.fromhex(value) if kind.startswith("hex") else value.encode()
    return [little(len(data), PREFIXES[kind]), data]


def present(rest, fields):
    return len(rest) < 2 or rest[1](fields)


def encode_fields(table, fields, around=None):
    """What is there depends on the fields themselves, and on those `around` a list."""
    pieces, known = [], {**(around or {}), **fields}
    for name, kind, *rest in table:
        if not present(rest, known):
            continue
        if kind == "list":
            pieces.append(little(len(fields[name]), 2))
            for item in fields[name]:
                pieces += encode_fields(rest[0], item, fields)
        else:
            pieces += encode_field(kind, fields[name])
    return pieces


def show(pieces):
    return " ".join(piece.hex() for piece in pieces if piece)


def encode_frame(vector):
    messages, header = vector["messages"], vector["header"]
    numbers = {**header, "version": 1, "flags": header["from_coordinator"], "count": len(messages)}
    lines = [show([b"ASNT"] + encode_fields(HEADER, numbers))]
    for message in messages:
        number, table = MESSAGES[message["type"]]
        body = encode_fields(table, message)
        size = sum(map(len, body))
        lines.append(show([little(number, 1), little(size, 4)] + body))
    return lines


def encode_record(vector):
    number, table = RECORDS[vector["kind"]]
    return [show([little(1, 1), little(number, 1)]), show(encode_fields(table, vector["fields"]))]


# ---- bytes to fields ----

class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if len(self.data) - self.at < size:
            raise Refused("cut short")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def end(self):
        if self.at != len(self.data):
            raise Refused("trailing bytes")


def decode_inputs(data):
    reader, inputs = Reader(data), []
    while reader.at < len(data):
        branch, size = reader.number(2), reader.number(2)
        if branch > 63 or size > 512:
            raise Refused("inputs: past a limit")
        if inputs and branch <= inputs[-1]["branch"]:
            raise Refused("inputs: order")
        inputs.append({"branch": branch, "result": reader.take(size).hex()})
    return inputs


def decode_members(data):
    reader, members = Reader(data), []
    while reader.at < len(data):
        journal, name = reader.number(8), reader.take(reader.number(1))
        address = reader.take(reader.number(1))
        if not NAME.match(name) or not ADDRESS.match(address):
            raise Refused("members: not a name, or not an address")
        members.append({"journal": hex(journal), "resource": name.decode(),
                        "address": address.decode()})
    if len(members) in {1, *range(65, 1000)}:
        raise Refused("members: too few, or too many")
    return members


def decode_field(reader, name, kind, allowed):
    if kind in SIZES:
        value = reader.number(SIZES[kind])
        if allowed is not None and value not in allowed:
            raise Refused(f"{name}: {value}")
        return hex(value) if kind == "u64" else value
    if kind == "hex":
        return reader.take(allowed).hex()
    if kind == "inputs":
        return decode_inputs(reader.take(reader.number(4)))
    if kind == "members":
        return decode_members(reader.take(reader.number(2)))
    size = reader.number(PREFIXES[kind])
    if allowed is not None and size > allowed:
        raise Refused(f"{name}: too long")
    data = reader.take(size)
    if kind.startswith("name") and not (NAME.match(data) or kind == "name?" and not data):
        raise Refused(f"{name}: not a name")
    if kind == "address" and not ADDRESS.match(data):
        raise Refused(f"{name}: not an address")
    return data.hex() if kind.startswith("hex") else data.decode()


def decode_fields(reader, table, around=None):
    fields = {}
    for name, kind, *rest in table:
        if not present(rest, {**(around or {}), **fields}):
            continue
        if kind == "list":
            count = reader.number(2)
            if count > 64:
                raise Refused(f"{name}: {count}")
            fields[name] = [decode_fields(reader, rest[0], fields) for _ in range(count)]
        else:
            fields[name] = decode_field(reader, name, kind, rest[0] if rest else None)
    return fields


def check_branch(protocol, branch, more=frozenset()):
    if "kind" in branch and branch["kind"] not in KINDS[protocol] | more:
        raise Refused("kind of another protocol")
    if protocol != TCC and branch.get("kind") in (ENLISTED, READ_ONLY) and branch["payload"]:
        raise Refused("payload of an enlisted branch")


def check_message(kind, fields):
    """What one field demands of another."""
    if kind == "HELLO" and fields["version_min"] > fields["version_max"]:
        raise Refused("versions")
    for number, branch in enumerate(fields.get("branches", [])):
        if branch["branch"] != number:
            raise Refused("numbers of branches")
    protocol = fields.get("protocol", TCC)  # EXTEND is of tcc
    check_branch(protocol, fields)
    for branch in fields.get("branches", []):
        check_branch(protocol, branch, {READ_ONLY} if protocol in (TWO, THREE) else frozenset())
    if kind == "SUBMIT" and fields["flags"] >= {TWO: 2, THREE: 2, MESSAGE: 8}.get(fields["protocol"], 4):
        raise Refused("flags of another protocol")
    if kind == "PREPARE" and three(fields) and (
            fields["flags"] not in ({0, 2} if fields["kind"] == ENLISTED else {0}) or
            fields["branch"] >= len(fields["members"])):
        raise Refused("one phase, or not a member")
    if kind == "PREPARE" and not three(fields) and fields["flags"] > 1:
        raise Refused("read-only")
    if "from" in fields and fields["from"] == fields["to"]:
        raise Refused("to itself")
    if kind == "VOTE" and fields["vote"] != 1 and len(fields["text"].encode()) > 160:
        raise Refused("text: too long")
    if kind == "EXTENDED" and (fields["code"] == 0) != (fields["number"] != NONE):
        raise Refused("code and number")


def decode_message(reader):
    number = reader.number(1)
    body = Reader(reader.take(reader.number(4)))
    for kind, (known, table) in MESSAGES.items():
        if number == known:
            fields = decode_fields(body, table)
            check_message(kind, fields)
            body.end()
            return {"type": kind, **fields}
    raise Refused(f"type {number}")


def decode_frame(data, messages):
    """Appends to `messages` as it goes, as a receiver would handle them."""
    reader = Reader(data)
    if reader.take(4) != b"ASNT":
        raise Refused("magic")
    if data[4:5] not in (b"", b"\1"):
        raise Refused("VERSION")
    if len(data) > 4 << 20:
        raise Refused("frame too long")
    header = decode_fields(reader, HEADER)
    for _ in range(header["count"]):
        messages.append(decode_message(reader))
    reader.end()
    del header["version"], header["count"]
    header["from_coordinator"] = header.pop("flags")
    return header


def check_quorum(fields):
    """Of a branch of three-phase commit."""
    doubts, end = {2, 3, 4}, {1: {6}, 2: {7}}.get(fields["outcome"], set())
    allowed = doubts if fields["stage"] == 1 else doubts | {6, 7} if fields["heuristic"] else end
    if fields["quorum_state"] not in allowed:
        raise Refused("quorum_state")
    members = len(fields["members"])
    if members <= fields["branch"] and (members or fields["stage"] == 1):
        raise Refused("not a member")


def decode_record(kind, data):
    number, table = RECORDS[kind]
    reader = Reader(data)
    version, found = reader.number(1), reader.number(1)
    if version != 1:
        raise Refused("VERSION")
    if found != number:
        raise Refused("kind")
    fields = decode_fields(reader, table)
    reader.end()
    if (fields["stage"] in (1, 4)) != (fields["outcome"] == 0):
        raise Refused("stage and outcome")
    for branch in fields.get("branches", []):
        if nested(branch) and fields["protocol"] != TCC:
            raise Refused("a nested branch")
    if fields["stage"] == 4 and not (three(fields) or business(fields)):
        raise Refused("stage of another protocol")
    for branch in [fields, *fields.get("branches", [])]:
        allowed = KINDS[fields["protocol"] or 1] | {0}
        if branch.get("kind", 0) not in allowed:
            raise Refused("kind of another protocol")
    if kind == "BRANCH" and three(fields):
        check_quorum(fields)
    marks = [(fields.get("heuristic", 0), kind == "BRANCH" and fields["stage"] != 3),
             *((branch["heuristic"], False) for branch in fields.get("branches", []))]
    if any(mark > 1 and (early or business(fields)) for mark, early in marks):
        raise Refused("what a resource manager did by itself")
    if (kind == "TX" and fields["stage"] == 1 and
            sum(branch["vote"] != 3 for branch in fields["branches"]) != 1):
        raise Refused("delegated to other than one")
    numbers = [branch["branch"] for branch in fields.get("branches", [])]
    if len(set(numbers)) != len(numbers):
        raise Refused("a branch twice")
    return fields


# ---- vectors ----

def raw(vector):
    return bytes.fromhex("".join(vector["bytes"]).replace(" ", ""))


def load(path):
    return json.loads((HERE / path).read_text())


def check_valid():
    count = 0
    for path, encode in (("wire/frames.json", encode_frame), ("records/records.json", encode_record)):
        for vector in load(path):
            name = f"{path}: {vector['name']}"
            assert vector["bytes"] == encode(vector), f"{name}: bytes are not what the fields give"
            if encode is encode_frame:
                messages = []
                header = decode_frame(raw(vector), messages)
                assert header == vector["header"], f"{name}: header {header}"
                assert messages == vector["messages"], f"{name}: messages {messages}"
            else:
                fields = decode_record(vector["kind"], raw(vector))
                assert fields == vector["fields"], f"{name}: fields {fields}"
            count += 1
    return count


def check_refused():
    count = 0
    for path in ("wire/invalid.json", "records/invalid.json"):
        for vector in load(path):
            name, messages = f"{path}: {vector['name']}", []
            try:
                if path.startswith("wire"):
                    decode_frame(raw(vector), messages)
                else:
                    decode_record(vector["kind"], raw(vector))
                raise AssertionError(f"{name}: was not refused")
            except Refused as why:
                version = str(why) == "VERSION"
                assert version == (vector["error"] == "VERSION"), f"{name}: refused by {why}"
            assert len(messages) == vector.get("read", 0), f"{name}: {len(messages)} read before"
            count += 1
    return count


def fill():
    for path, encode in (("wire/frames.json", encode_frame), ("records/records.json", encode_record)):
        vectors = load(path)
        for vector in vectors:
            vector.setdefault("bytes", encode(vector))
        (HERE / path).write_text(json.dumps(vectors, indent=2, ensure_ascii=False) + "\n")


def corpus(directory):
    for path in ("wire/frames.json", "wire/invalid.json", "records/records.json",
                 "records/invalid.json"):
        target, group = path.removesuffix(".json").split("/")
        folder = pathlib.Path(directory) / target
        folder.mkdir(parents=True, exist_ok=True)
        for vector in load(path):
            stem = re.sub(r"[^a-z0-9]+", "-", vector["name"].lower()).strip("-")
            prefix = "invalid-" if group == "invalid" else ""
            (folder / (prefix + stem)).write_bytes(raw(vector))


if __name__ == "__main__":
    if sys.argv[1:] == ["--fill"]:
        fill()
    elif sys.argv[1:2] == ["--corpus"] and len(sys.argv) == 3:
        corpus(sys.argv[2])
    elif len(sys.argv) == 1:
        print(f"{check_valid()} vectors hold, {check_refused()} are refused")
    else:
        sys.exit(__doc__)
