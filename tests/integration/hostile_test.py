#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything hostile at once, from many connections, while a client and two participants go about
their work: the daemon lives, their transactions commit, what was thrown at it is counted, logged at
a limited rate, and takes bounded memory."""

import os
import random
import signal
import socket
import threading
import unittest

from cli_harness import OK, UNREACHABLE, Bank, CliTest
from daemon_harness import (ABORTED, CLIENT, COMMITTED, EXIT_CLEAN, NO, OPERATOR, PARTICIPANT,
                            SANITIZE, YES, Gone, Link, Peer, done, status, submit, vectors, vote,
                            wait_until)

ROUNDS = 20 if SANITIZE else 60  # of each attacker
LIMITED = ("garbage", "denied", "frame_refused", "connection_refused")
LINES_MAX = 200  # of each of them; what is thrown is thousands
RSS_KIB_MAX = 1 << 20

SEEN = [message for frame in vectors.load("wire/frames.json") for message in frame["messages"]]
FRAMES = [vectors.raw(frame) for frame in vectors.load("wire/frames.json")]


def frame_of(header, messages):
    return vectors.raw({"bytes": vectors.encode_frame({"header": header, "messages": messages})})


class Deaf(Link):
    """Never reads."""

    def receive(self):
        pass


class Attacker(threading.Thread):
    """Runs one attack ROUNDS times. That the daemon hangs up on it is fine."""

    def __init__(self, attack, address, seed):
        super().__init__(daemon=True)
        self.attack, self.address, self.rng = attack, address, random.Random(seed)
        self.error, self.kept = None, []

    def run(self):
        try:
            for _ in range(ROUNDS):
                try:
                    self.attack(self)
                except (Gone, OSError):
                    pass
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def tcp(self):
        sock = socket.create_connection(self.address)
        sock.settimeout(30)
        return sock

    def with_link(self, throw):
        link = Link(self.address)
        try:
            throw(link)
        finally:
            link.close()

    def mangled(self):
        """A good frame, made bad: cut, lengthened, changed in some bytes, of another version."""
        data = bytearray(self.rng.choice(FRAMES))
        kind = self.rng.randrange(5)
        if kind == 0:
            del data[self.rng.randrange(len(data)):]
        elif kind == 1:
            data += self.rng.randbytes(self.rng.randrange(1, 100))
        elif kind == 2:
            data[4] = self.rng.randrange(2, 256)
        else:
            for _ in range(kind * 2):
                data[self.rng.randrange(len(data))] = self.rng.randrange(256)
        return bytes(data) or b"\0"


# ---- attacks ----

def random_bytes(attacker):
    with attacker.tcp() as sock:
        sock.sendall(attacker.rng.randbytes(attacker.rng.randrange(1, 20000)))


def half_a_greeting(attacker):
    """Held open until the daemon loses patience."""
    sock = attacker.tcp()
    sock.sendall(b"\xff" + bytes(8) + b"\x7f\x03"[:attacker.rng.randrange(3)])
    attacker.kept.append(sock)


def bad_zmtp(attacker):
    def throw(link):
        link.socket.sendall(attacker.rng.choice((
            b"\xff" * 20, b"\x02" + b"\xff" * 8, b"\x04\x01\xff", b"\x04\x05\x04PING",
            b"\x04\x06\x05READY", b"\x04\x06\x05ERROR")))
        link.send(b"hello")
    attacker.with_link(throw)


def mangled_frames(attacker):
    attacker.with_link(lambda link: [link.send(attacker.mangled()) for _ in range(50)])


def several_parts(attacker):
    def throw(link):
        for _ in range(50):
            link.send(attacker.rng.choice(FRAMES), flags=1)
        link.send(b"end")
        link.send(FRAMES[0])
    attacker.with_link(throw)


def too_long(attacker):
    def throw(link):
        link.send(bytes((4 << 20) + 1))
        link.next()
    attacker.with_link(throw)


def out_of_order(attacker):
    """Messages of all kinds that are well-formed and make no sense, with and without a greeting, in
    frames of a peer and of a coordinator."""
    rng = attacker.rng

    def throw(link):
        header = {"from_coordinator": int(rng.random() < 0.1), "coordinator": hex(rng.getrandbits(40)),
                  "incarnation": hex(rng.getrandbits(8)), "log_seq": hex(rng.getrandbits(60)),
                  "seal": hex(rng.getrandbits(64)), "fence": "0x0"}
        if rng.random() < 0.7:
            hello = Peer.hello(rng.choice((CLIENT, PARTICIPANT, OPERATOR)), f"x{rng.randrange(9)}")
            link.send(frame_of({**header, "from_coordinator": 0}, [hello]))
        for _ in range(20):
            messages = [m for m in rng.sample(SEEN, 5) if m["type"] != "HELLO"]
            link.send(frame_of(header, messages))
    attacker.with_link(throw)


def deaf(attacker):
    """Asks and asks, and never hears the answers."""
    link = Deaf(attacker.address)
    attacker.kept.append(link.socket)
    header = {"from_coordinator": 0, "coordinator": "0x0", "incarnation": "0x0", "log_seq": "0x0",
              "seal": "0x0", "fence": "0x0"}
    link.send(frame_of(header, [Peer.hello(CLIENT, "deaf")]))
    frame = frame_of(header, [{**status(f"deaf-{i}"), "request": hex(i + 1)} for i in range(500)])
    for _ in range(10):
        link.send(frame)


def come_and_go(attacker):
    for _ in range(5):
        Link(attacker.address).close()


ATTACKS = (random_bytes, half_a_greeting, bad_zmtp, mangled_frames, several_parts, too_long,
           out_of_order, deaf, come_and_go)


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


class Hostile(CliTest):
    def start_open(self, *args):
        daemon = self.start_quiet("--security-allow-loopback=yes", "--listen",
                                  f"ipc://{self.directory}/data/assentd.sock", "--listen",
                                  "tcp://127.0.0.1:*", *args)
        endpoint = daemon.log("listening")[-1]["endpoint"]
        return daemon, ("127.0.0.1", int(endpoint.rsplit(":", 1)[1]))

    def test_all_at_once(self):
        daemon, address = self.start_open()
        bank = Bank(self, daemon)
        bank.commit("before")
        attackers = [Attacker(attack, address, seed) for seed, attack in enumerate(ATTACKS)]
        for attacker in attackers:
            attacker.start()
        count = 0
        while count < 20 or any(attacker.is_alive() for attacker in attackers):
            bank.commit(f"during-{count}")
            count += 1
        for attacker in attackers:
            self.assertIsNone(attacker.error, f"{attacker.attack.__name__}: {attacker.error!r}")
            for sock in attacker.kept:
                sock.close()
        bank.commit("after")
        self.assertIsNone(daemon.process.poll())

        now = self.json(daemon, "status")
        self.assertEqual(now["transactions"]["committed"], count + 2)
        for group, name in (("messages", "garbage"), ("net", "malformed"),
                            ("net", "handshakes_failed")):
            self.assertGreaterEqual(now[group][name], ROUNDS, f"{group}/{name}")
        for event in LIMITED:
            self.assertLess(len(daemon.log(event)), LINES_MAX, event)
        self.assertLess(10 * len(daemon.log("garbage")), now["messages"]["garbage"])
        if not SANITIZE:
            self.assertLess(rss_kib(daemon.pid), RSS_KIB_MAX)
        self.assertEqual(daemon.stop(), EXIT_CLEAN)

    def test_spoofed_answers(self):
        """Somebody knows all about a transaction, and answers for its branches."""
        daemon, address = self.start_open()
        bank = Bank(self, daemon)
        thief = self.peer(daemon, PARTICIPANT, "thief", 99)
        client = self.peer(daemon, CLIENT, "other")
        for i in range(10):
            gtid = f"t-{i}"
            prepare = bank.prepare(gtid)
            for liar in (thief, client):
                liar.send(*[vote(p, NO) for p in prepare], *[done(p, ABORTED) for p in prepare],
                          {"type": "PING", "stamp": hex(i + 1)})
                liar.await_("PONG", skip=["REFUSED"], stamp=hex(i + 1))
            bank.a.send(vote(prepare[0], YES))
            bank.b.send(vote(prepare[1], YES))
            for peer in (bank.a, bank.b):
                commit = peer.await_("COMMIT", gtid=gtid)
                thief.send(done(commit, ABORTED), {"type": "PING", "stamp": "0x99"})
                thief.await_("PONG", skip=["REFUSED"], stamp="0x99")
                peer.send(done(commit, COMMITTED))
            bank.client.await_("RESULT", gtid=gtid, outcome=COMMITTED)
        now = self.json(daemon, "status")
        self.assertGreaterEqual(now["messages"]["spoofed"], 10)
        self.assertEqual(now["transactions"]["mixed"], 0)
        # A greeting from another network address does not help either.
        link = Link(address)
        link.send(b"ASNT")
        link.close()
        bank.commit("after")
        self.assertEqual(daemon.stop(), EXIT_CLEAN)

    def test_a_crowd_leaves_places_when_it_goes(self):
        daemon, address = self.start_open("--limits-peers=16")
        bank = Bank(self, daemon)
        crowd = [Link(address) for _ in range(40)]
        for link in crowd:
            link.send(b"ASNT")
        wait_until(lambda: self.crowded(bank, daemon), "refusals")
        bank.commit("within")
        for link in crowd:
            link.close()
        late = self.peer(daemon, hello=False)

        def welcome():
            late.send(late.hello(CLIENT, "late"))
            bank.client.send({"type": "PING", "stamp": "0x1"})
            bank.client.await_("PONG", stamp="0x1")
            return not late.link.frames.empty()
        wait_until(welcome, "a place")
        bank.commit("after")
        self.assertEqual(daemon.stop(), EXIT_CLEAN)

    @staticmethod
    def crowded(bank, daemon):
        bank.client.send({"type": "PING", "stamp": "0x1"})
        bank.client.await_("PONG", stamp="0x1")
        return daemon.log("frame_refused")


class Revoked(CliTest):
    def test_a_reload_takes_access_away(self):
        authorized = self.directory / "authorized"
        authorized.mkdir()
        self.assent(None, "keygen", str(self.directory / "server"))
        for name in ("ops", "thief"):
            self.assent(None, "keygen", str(self.directory / name), "--role", "operator")
            os.link(self.directory / name, authorized / name)
        daemon = self.start_quiet("--listen", "tcp://127.0.0.1:*",
                                  f"--security-certificate={self.directory}/server_secret",
                                  f"--security-authorized-dir={authorized}")
        env = {"ASSENT_ENDPOINT": daemon.log("listening")[0]["endpoint"],
               "ASSENT_SERVER_CERTIFICATE": str(self.directory / "server")}

        def status_as(name, code, timeout="60s"):
            self.assent(None, "status", "--timeout", timeout, "--certificate",
                        f"{self.directory / name}_secret", code=code, env=env)
        status_as("thief", OK)
        (authorized / "thief").unlink()
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("reloaded")
        status_as("thief", UNREACHABLE, timeout="1s")
        status_as("ops", OK)
        # Bytes at the encrypted door.
        host, port = env["ASSENT_ENDPOINT"][len("tcp://"):].rsplit(":", 1)
        rng = random.Random(3)
        for _ in range(50):
            with socket.create_connection((host, int(port))) as sock:
                sock.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(47) +
                             b"\x04\xc8\x05HELLO" + rng.randbytes(194))
        status_as("ops", OK)
        self.assertEqual(daemon.stop(), EXIT_CLEAN)


if __name__ == "__main__":
    unittest.main()
