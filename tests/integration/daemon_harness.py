# SPDX-License-Identifier: Apache-2.0
"""Starting assentd in a temporary directory, and talking to it frame by frame: a ZMTP 3.0 DEALER of
its own, and the second implementation of the wire format in tests/data/vectors.py."""

import os
import pathlib
import queue
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SOURCE = pathlib.Path(os.environ.get("ASSENT_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BIN = pathlib.Path(os.environ.get("ASSENT_BIN_DIR", SOURCE / "build" / "dev" / "bin"))
ASSENTD = str(BIN / "assentd")
SANITIZE = os.environ.get("ASSENT_SANITIZE", "")
PATIENCE_S = 60  # bound of every wait; sanitizers on a busy machine are slow

sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests" / "data"))
import vectors  # noqa: E402

EXIT_CLEAN, EXIT_USAGE, EXIT_ENVIRONMENT, EXIT_REFUSED, EXIT_FAILED = range(5)
CLIENT, PARTICIPANT, OPERATOR = 1, 2, 3
YES, NO, READ_ONLY = 1, 2, 3
IN_PROGRESS, COMMITTED, ABORTED, UNKNOWN = range(4)
STATE, DENIED, CONFLICT, CLOSED = 13, 10, 12, 18


def wait_until(condition, what):
    """The first true value of condition(); fails when it takes too long."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited too long for {what}")


def parse_logfmt(line):
    fields, at = {}, 0
    while at < len(line):
        equals = line.index("=", at)
        key, at = line[at:equals], equals + 1
        value = ""
        if line[at:at + 1] == '"':
            at += 1
            while line[at] != '"':
                at += line[at] == "\\"
                value += line[at]
                at += 1
            at += 1
        else:
            end = line.find(" ", at)
            end = len(line) if end < 0 else end
            value, at = line[at:end], end
        fields[key] = value
        at += 1
    return fields


class Daemon:
    """One run of assentd."""

    def __init__(self, directory, *args, env=None, preexec=None, program=ASSENTD, data_dir=True,
                 user=None, close_fds_low=False):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.socket = self.data / "assentd.sock"
        self.stderr_path = self.directory / f"stderr-{time.monotonic_ns()}"
        ready_read, ready_write = os.pipe()
        command = [program, *(["--data-dir", str(self.data)] if data_dir else []),
                   "--ready-fd", str(ready_write), *args]
        more = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                pass_fds=[ready_write], env={**os.environ, **(env or {})}, preexec_fn=preexec,
                **more)
        os.close(ready_write)
        self.ready_fd = ready_read
        self.pid = self.process.pid

    def ready(self):
        readable, _, _ = select.select([self.ready_fd], [], [], PATIENCE_S)
        if not readable or not os.read(self.ready_fd, 1):
            raise AssertionError(f"assentd did not start: {self.stderr()}")
        return self

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def log(self, event):
        """Lines of that event, as dictionaries."""
        lines = self.stderr().split("\n")[:-1]  # the last one may be half-written
        parsed = [parse_logfmt(line) for line in lines if line.startswith("ts=")]
        return [fields for fields in parsed if fields["event"] == event]

    def wait_log(self, event, **wanted):
        def found():
            for fields in self.log(event):
                if all(fields.get(key) == value for key, value in wanted.items()):
                    return fields
            return None
        return wait_until(found, f"log event {event} {wanted} in: {self.stderr()}")

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"assentd did not end: {self.stderr()}") from None
        if self.ready_fd is not None:
            os.close(self.ready_fd)
            self.ready_fd = None
        return code

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.wait()


class Gone(Exception):
    """The connection was closed by the other side."""


class Link:
    """A ZMTP 3.0 connection with the NULL mechanism, as a DEALER; to the path of a socket or to a
    pair of host and port."""

    def __init__(self, address):
        tcp = isinstance(address, tuple)
        self.socket = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(address if tcp else str(address))
        self.socket.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") +
                            bytes(32))
        self.read(64)
        ready = b"\x05READY\x0bSocket-Type" + (6).to_bytes(4, "big") + b"DEALER"
        self.socket.sendall(bytes([4, len(ready)]) + ready)
        self.socket.settimeout(None)
        self.lock = threading.Lock()
        self.frames = queue.Queue()
        self.thread = threading.Thread(target=self.receive, daemon=True)
        self.thread.start()

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise Gone()
            data += more
        return data

    def receive(self):
        """On a thread of its own, so that heartbeats are always answered."""
        try:
            while True:
                flags = self.read(1)[0]
                size = int.from_bytes(self.read(8 if flags & 2 else 1), "big")
                body = self.read(size)
                if flags & 4 and body.startswith(b"\x04PING"):
                    pong = b"\x04PONG" + body[7:]
                    with self.lock:
                        self.socket.sendall(bytes([4, len(pong)]) + pong)
                elif not flags & 4 and body:
                    self.frames.put(body)
        except (Gone, OSError):
            self.frames.put(None)

    def send(self, data, flags=0):
        large = len(data) > 255
        head = bytes([flags | (2 if large else 0)]) + len(data).to_bytes(8 if large else 1, "big")
        with self.lock:
            self.socket.sendall(head + data)

    def next(self):
        """The next frame. Raises Gone."""
        data = self.frames.get(timeout=PATIENCE_S)
        if data is None:
            self.frames.put(None)
            raise Gone()
        return data

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(PATIENCE_S)
        self.socket.close()


class Peer:
    """A client, participant or operator that says exactly what it is told to say."""

    def __init__(self, daemon, role=CLIENT, name="test", journal=7, hello=True):
        self.link = Link(daemon.socket)
        self.header = {"from_coordinator": 0, "coordinator": "0x0", "incarnation": "0x0",
                       "log_seq": "0x0", "seal": "0x0", "fence": "0x0"}
        self.messages = []
        self.heard = None  # the last header
        self.request = 0
        if hello:
            self.send(self.hello(role, name, journal))
            self.welcome = self.expect("WELCOME")

    @staticmethod
    def hello(role, name, journal=7):
        part = role == PARTICIPANT
        return {"type": "HELLO", "role": role, "version_min": 1, "version_max": 1,
                "peer_incarnation": "0x1" if part else "0x0",
                "journal": hex(journal) if part else "0x0", "name": name,
                **({"address": ""} if part else {})}

    def send(self, *messages, **header):
        """Requests are numbered, unless they say a number of their own."""
        numbered = []
        for message in messages:
            if message["type"] in ("ENLIST", "SUBMIT", "CANCEL", "STATUS"):
                self.request += 1
                message = {"request": hex(self.request), **message}
            numbered.append(message)
        frame = {"header": {**self.header, **header}, "messages": numbered}
        self.link.send(vectors.raw({"bytes": vectors.encode_frame(frame)}))

    def next(self):
        while not self.messages:
            self.heard = vectors.decode_frame(self.link.next(), self.messages)
        return self.messages.pop(0)

    def expect(self, kind, **wanted):
        """The next message must be this; its fields."""
        message = self.next()
        found = {key: message.get(key) for key in wanted}
        assert message["type"] == kind and found == wanted, \
            f"expected {kind} {wanted}, got {message}"
        return message

    def await_(self, kind, skip=(), **wanted):
        """Skips others until this comes; refusals only when told to."""
        while True:
            message = self.next()
            if message["type"] == kind and all(message.get(k) == v for k, v in wanted.items()):
                return message
            assert message["type"] in skip or message["type"] != "REFUSED", \
                f"expected {kind} {wanted}, got {message}"

    def gtid(self, daemon_id, index=0):
        """One of the lease in the WELCOME."""
        return ".".join([daemon_id, base36(int(self.heard["incarnation"], 16)),
                         base36(int(self.welcome["lease_ms"], 16)),
                         base36(int(self.welcome["lease_first"], 16) + index)])

    def close(self):
        self.link.close()


def base36(number):
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = digits[number % 36]
    while number >= 36:
        number //= 36
        text = digits[number % 36] + text
    return text


def submit(gtid, *resources, flags=0, payload=b""):
    branches = [{"branch": i, "kind": 1, "resource": resource, "payload": payload.hex()}
                for i, resource in enumerate(resources)]
    return {"type": "SUBMIT", "gtid": gtid, "protocol": 1, "flags": flags, "timeout_ms": 0,
            "branches": branches}


def vote(prepare, value):
    return {"type": "VOTE", "gtid": prepare["gtid"], "attempt": prepare["attempt"],
            "branch": prepare["branch"], "vote": value, "text": ""}


def done(decision, outcome):
    return {"type": "DONE", "gtid": decision["gtid"], "attempt": decision["attempt"],
            "branch": decision["branch"], "outcome": outcome, "flags": 0}


def record_abort(client, gtid):
    """Begins a transaction and rolls it back, which is on disk when it is answered: the gtid is the
    client's own. A participant "bank" must be connected."""
    client.send({"type": "ENLIST", "gtid": gtid, "protocol": 1, "timeout_ms": 0, "branch": 0,
                 "resource": "bank"})
    client.await_("ENLISTED", gtid=gtid)
    client.send({"type": "CANCEL", "gtid": gtid})
    client.await_("RESULT", gtid=gtid, outcome=ABORTED)


def status(gtid):
    return {"type": "STATUS", "gtid": gtid}


class DaemonTest(unittest.TestCase):
    """Each test has a directory of its own; what it started is ended."""

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="assentd-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def daemon(self, *args, **more):
        daemon = Daemon(self.directory, *args, **more)
        self.addCleanup(daemon.end)
        return daemon

    def start(self, *args, **more):
        return self.daemon(*args, **more).ready()

    def peer(self, daemon, *args, **more):
        peer = Peer(daemon, *args, **more)
        self.addCleanup(peer.close)
        return peer

    def run_once(self, *args, env=None):
        return subprocess.run([ASSENTD, *args], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE_S, env={**os.environ, **(env or {})},
                              check=False)

    def refused(self, code, *args, **more):
        """Starts a daemon that must end by itself with that code; its only error line."""
        daemon = self.daemon(*args, **more)
        self.assertEqual(daemon.wait(), code, daemon.stderr())
        return daemon
