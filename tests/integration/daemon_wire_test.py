#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assentd seen from the wire: transactions frame by frame, crashes in between, garbage, claims
that are not true, and a disk that is full."""

import json
import os
import random
import resource
import shutil
import signal
import unittest

from daemon_harness import (ABORTED, CLIENT, COMMITTED, CONFLICT, DENIED, EXIT_CLEAN, EXIT_FAILED,
                            EXIT_REFUSED, IN_PROGRESS, NO, OPERATOR, PARTICIPANT, STATE, UNKNOWN,
                            YES, DaemonTest, Gone, Link, done, record_abort, status, submit, vectors,
                            vote, wait_until)

COMMIT_KINDS = {COMMITTED: "COMMIT", ABORTED: "ROLLBACK"}


class WireTest(DaemonTest):
    def admin(self, operator, verb):
        operator.send({"type": "ADMIN", "id": "0x9", "verb": verb, "json": "{}"})
        reply = operator.await_("ADMIN_REPLY")
        self.assertEqual((reply["id"], reply["code"]), ("0x9", 0), reply)
        return json.loads(reply["json"])

    def two_branches(self, *args, **more):
        # On a slow machine nothing is sent twice.
        daemon = self.start("--timeouts-retry-min-ms=30000", *args, **more)
        client = self.peer(daemon)
        part = [self.peer(daemon, PARTICIPANT, name) for name in ("a", "b")]
        gtid = client.gtid(daemon.log("listening")[0]["coordinator"])
        return daemon, client, part, gtid

    def alive(self, daemon):
        """It still runs a transaction from end to end."""
        client = self.peer(daemon)
        part = [self.peer(daemon, PARTICIPANT, name, journal=i) for i, name in
                enumerate(("alive-a", "alive-b"))]
        gtid = client.gtid(daemon.log("listening")[0]["coordinator"])
        client.send(submit(gtid, "alive-a", "alive-b"))
        self.finish(client, part, gtid, COMMITTED)

    def finish(self, client, part, gtid, outcome, votes=(YES, YES)):
        for peer, answer in zip(part, votes):
            peer.send(vote(peer.expect("PREPARE", gtid=gtid), answer))
        result = client.await_("RESULT", gtid=gtid)
        self.assertEqual(result["outcome"], outcome)
        for peer, answer in zip(part, votes):
            if answer == YES:
                peer.send(done(peer.await_(COMMIT_KINDS[outcome], gtid=gtid), outcome))
        return result


class Transactions(WireTest):
    def test_commit_and_abort(self):
        daemon, client, part, gtid = self.two_branches("--log-level=debug")
        client.send(submit(gtid, "a", "b", payload=b"work"))
        self.finish(client, part, gtid, COMMITTED)
        client.send(status(gtid))
        self.assertEqual(client.expect("RESULT")["outcome"], COMMITTED)
        self.assertEqual(daemon.wait_log("decision", gtid=gtid)["outcome"], "committed")
        client.send(submit("my-own", "a", "b"))
        result = self.finish(client, part, "my-own", ABORTED, (YES, NO))
        self.assertEqual((result["reason"], result["branch"]), (1, 1))
        self.assertEqual(daemon.stop(), EXIT_CLEAN)

    def test_answers_name_their_request(self):
        _, client, part, _ = self.two_branches()
        client.send({**status("x"), "request": "0x20"})
        client.expect("RESULT", gtid="x", outcome=UNKNOWN, request="0x20")
        client.send({**submit("x", "a", "b"), "request": "0x21"})
        prepare = [peer.expect("PREPARE") for peer in part]
        client.send({**submit("x", "a", "b"), "request": "0x22"})
        client.send({**status("x"), "request": "0x23"}, {**submit("x", "a"), "request": "0x24"})
        client.expect("RESULT", about=14, outcome=IN_PROGRESS, request="0x23")
        client.expect("REFUSED", about=12, code=CONFLICT, request="0x24")
        for peer, asked in zip(part, prepare):
            peer.send(vote(asked, YES))
        client.expect("RESULT", about=12, outcome=COMMITTED, request="0x22")

    def test_messages_of_one_frame(self):
        daemon, client, part, _ = self.two_branches()
        count = 200
        client.send(*[submit(f"t{i}", "a", "b") for i in range(count)])
        for peer in part:
            prepared = [peer.expect("PREPARE") for _ in range(count)]
            peer.send(*[vote(message, YES) for message in prepared])
        for peer in part:
            peer.send(*[done(peer.expect("COMMIT"), COMMITTED) for _ in range(count)])
        results = {client.expect("RESULT", outcome=COMMITTED)["gtid"] for _ in range(count)}
        self.assertEqual(len(results), count)
        self.assertEqual(daemon.stop(), EXIT_CLEAN)

    def test_finished_transactions_go_in_time(self):
        """Those that are finished: one that is not is kept, however old."""
        _, client, part, _ = self.two_branches("--retention-seconds=1")
        client.send(submit("finished", "a", "b"))
        self.finish(client, part, "finished", COMMITTED)
        client.send(submit("unfinished", "a", "b"))
        for peer in part:
            peer.send(vote(peer.expect("PREPARE"), YES))
        client.expect("RESULT", gtid="unfinished", outcome=COMMITTED)

        def outcome(gtid):
            client.send(status(gtid))
            return client.await_("RESULT", gtid=gtid)["outcome"]
        wait_until(lambda: outcome("finished") == UNKNOWN, "the record to go")
        self.assertEqual(outcome("unfinished"), COMMITTED)

    def test_killed_before_the_decision(self):
        daemon, client, part, gtid = self.two_branches()
        client.send(submit(gtid, "a", "b"))
        prepare = part[0].expect("PREPARE")
        part[0].send(vote(prepare, YES))
        daemon.kill()
        again = self.start()
        client = self.peer(again)
        client.send(status(gtid), status("never-heard-of"))
        self.assertEqual(client.expect("RESULT", gtid=gtid)["outcome"], ABORTED)
        self.assertEqual(client.expect("RESULT")["outcome"], UNKNOWN)
        # The branch in doubt asks, and is told.
        asker = self.peer(again, PARTICIPANT, "a")
        identity = asker.heard["coordinator"]
        asker.send({"type": "INQUIRE", "gtid": gtid, "attempt": prepare["attempt"],
                    "coordinator": identity, "branch": 0, "prepared": 1})
        asker.expect("ROLLBACK", gtid=gtid, attempt=prepare["attempt"])

    def test_killed_after_the_decision(self):
        daemon, client, part, gtid = self.two_branches()
        client.send(submit(gtid, "a", "b"))
        for peer in part:
            peer.send(vote(peer.expect("PREPARE"), YES))
        client.expect("RESULT", gtid=gtid, outcome=COMMITTED)
        daemon.kill()
        again = self.start()
        self.assertEqual(again.log("listening")[0]["recovered"], "1")
        for name in ("b", "a"):
            peer = self.peer(again, PARTICIPANT, name)
            peer.send(done(peer.expect("COMMIT", gtid=gtid), COMMITTED))
        client = self.peer(again)
        client.send(status(gtid))
        self.assertEqual(client.expect("RESULT")["outcome"], COMMITTED)

    def test_killed_at_each_crash_point(self):
        """Whatever is told afterwards, it is one thing, and not less than was told before."""
        run = self.run_once("--list-crash-points")
        points = [line.split()[0] for line in run.stdout.splitlines() if " coordinator " in line]
        points.remove("coord_after_admission")  # nothing of two-phase commit is admitted
        self.assertGreaterEqual(len(points), 10)
        for point in points:
            with self.subTest(point=point):
                shutil.rmtree(self.directory / "data", ignore_errors=True)
                self.crash_at(point)

    def crash_at(self, point):
        # Three frames are HELLOs; everything else comes once or twice in a transaction.
        count = 6 if point == "coord_after_receive" else 2
        env = {"ASSENT_CRASH_POINT": f"{point}:{count}"}
        daemon, client, part, gtid = self.two_branches(env=env)
        told, asked = {}, []
        try:
            for gtid in (f"own-{i}" for i in range(1000)):
                client.send(submit(gtid, "a", "b"))
                asked.append(gtid)
                self.finish(client, part, gtid, COMMITTED)
                told[gtid] = COMMITTED
        except (Gone, BrokenPipeError, ConnectionResetError):
            pass
        self.assertEqual(daemon.wait(), -signal.SIGKILL)
        self.assertIn(f"crash point {point}", daemon.stderr())
        again = self.start()
        part = [self.peer(again, PARTICIPANT, name) for name in ("a", "b")]
        client = self.peer(again)
        for gtid in asked:
            client.send(status(gtid))
            outcome = client.await_("RESULT", gtid=gtid)["outcome"]
            self.assertIn(outcome, {COMMITTED} if gtid in told else {COMMITTED, UNKNOWN})
        self.assertEqual(again.kill(), -signal.SIGKILL)


class Claims(WireTest):
    def test_nothing_before_hello(self):
        daemon = self.start()
        peer = self.peer(daemon, hello=False)
        peer.send({**submit("x", "a"), "request": "0x7"}, {"type": "PING", "stamp": "0x1"})
        peer.expect("REFUSED", about=12, code=STATE, request="0x7")
        peer.expect("REFUSED", about=4, code=STATE, request="0x0")
        peer.send({"type": "ADMIN", "id": "0x1", "verb": "status", "json": "{}"})
        peer.expect("ADMIN_REPLY", id="0x1", code=DENIED)
        peer.send(peer.hello(CLIENT, "late"))
        peer.expect("WELCOME")
        self.alive(daemon)

    def test_roles_are_kept_apart(self):
        daemon, client, part, _ = self.two_branches()
        client.send({"type": "ADMIN", "id": "0x1", "verb": "status", "json": "{}"})
        client.expect("ADMIN_REPLY", id="0x1", code=DENIED)
        part[0].send(submit("x", "a"))
        part[0].expect("REFUSED", about=12, code=DENIED)
        operator = self.peer(daemon, OPERATOR)
        operator.send(submit("x", "a"))
        operator.expect("REFUSED", about=12, code=DENIED)

    def test_another_participants_branch(self):
        """b votes and acknowledges for a: it is counted, and nothing comes of it."""
        daemon, client, part, _ = self.two_branches()
        client.send(submit("x", "a", "b"))
        prepare = [peer.expect("PREPARE") for peer in part]
        part[1].send(vote(prepare[0], NO), vote(prepare[1], YES))
        client.send(status("x"))
        client.expect("RESULT", gtid="x", outcome=IN_PROGRESS)
        part[0].send(vote(prepare[0], YES))
        client.expect("RESULT", gtid="x", outcome=COMMITTED)
        operator = self.peer(daemon, OPERATOR)
        self.assertIn('"spoofed": 1', json.dumps(self.admin(operator, "status")))

    def test_an_old_copy_of_the_log_stops(self):
        """A peer has seen more of the log than there is: served from a restored backup."""
        daemon, client, part, _ = self.two_branches()
        daemon.kill()
        backup = self.directory / "backup"
        (daemon.data / "assentd.sock").unlink()
        shutil.copytree(daemon.data, backup)
        daemon = self.start()
        client = self.peer(daemon)
        part = [self.peer(daemon, PARTICIPANT, name) for name in ("a", "b")]
        for i in range(10):
            client.send(submit(f"x{i}", "a", "b"))
            self.finish(client, part, f"x{i}", COMMITTED)
        heard = client.heard
        daemon.kill()
        shutil.rmtree(daemon.data)
        shutil.copytree(backup, daemon.data)
        again = self.start()
        liar = self.peer(again)
        forged = {key: heard[key] for key in ("coordinator", "incarnation")}
        liar.send({"type": "PING", "stamp": "0x1"}, log_seq="0xffffff", seal="0x1", **forged)
        self.alive(again)  # nobody can make it up
        honest = self.peer(again)
        honest.send({"type": "PING", "stamp": "0x1"}, log_seq=heard["log_seq"],
                    seal=heard["seal"], **forged)
        self.assertEqual(again.wait(), EXIT_REFUSED)
        self.assertEqual(again.log("core_stopped")[0]["code"], "BEHIND")


class Garbage(WireTest):
    def test_everything_that_is_no_frame(self):
        daemon = self.start("--log-level=debug")
        peer = self.peer(daemon)
        sent = 0
        for vector in vectors.load("wire/invalid.json"):
            data = vectors.raw(vector)
            if data:
                peer.link.send(data)
                sent += 1
        rng = random.Random(7)
        for _ in range(300):
            peer.link.send(rng.randbytes(rng.choice((1, 10, 47, 48, 49, 500, 70000))))
        for frame in vectors.load("wire/frames.json"):  # whole ones, changed in one byte
            data = bytearray(vectors.raw(frame))
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            peer.link.send(bytes(data))
        peer.send({"type": "PING", "stamp": "0x77"})
        peer.await_("PONG", skip=["REFUSED"], stamp="0x77")  # it has not been forgotten for it
        counted = self.admin(self.peer(daemon, OPERATOR), "status")
        self.assertIn("garbage", json.dumps(counted))
        lines = daemon.log("garbage")
        self.assertTrue(lines)
        self.assertLess(len(lines), 100)  # at a limited rate
        self.assertEqual({line["kind"] for line in lines} - {"frame", "version", "message",
                                                             "direction"}, set())
        self.alive(daemon)
        self.assertEqual(daemon.stop(), EXIT_CLEAN)

    def test_what_only_a_coordinator_says(self):
        daemon = self.start()
        peer = self.peer(daemon)
        for frame in vectors.load("wire/frames.json"):
            peer.link.send(vectors.raw(frame))
        daemon.wait_log("garbage", kind="direction", reason="a coordinator's frame")
        daemon.kill()
        daemon = self.start()  # whose log has no limit to its rate yet
        other = self.peer(daemon)
        other.send({"type": "ENLISTED", "request": "0x0", "gtid": "x", "branch": 0},
                   {"type": "PING", "stamp": "0x5"})
        other.expect("PONG")  # and no refusal
        self.assertEqual(daemon.wait_log("garbage", kind="direction")["reason"], "ENLISTED")
        self.alive(daemon)

    def test_frames_of_several_parts(self):
        daemon = self.start()
        peer = self.peer(daemon)
        peer.link.send(b"part", flags=1)
        peer.link.send(b"part")
        peer.send({"type": "PING", "stamp": "0x5"})
        peer.await_("PONG", stamp="0x5")

    def test_too_long_a_frame(self):
        daemon = self.start()
        link = Link(daemon.socket)
        try:
            link.send(bytes(5 << 20))
            link.next()
        except (Gone, BrokenPipeError, ConnectionResetError):
            pass
        link.close()
        self.alive(daemon)

    def test_too_many_peers(self):
        daemon = self.start("--limits-peers=4")
        peers = [self.peer(daemon) for _ in range(4)]
        late = self.peer(daemon, hello=False)
        late.send(late.hello(CLIENT, "late"))
        peers[0].send({"type": "PING", "stamp": "0x5"})
        peers[0].expect("PONG")
        for peer in peers[1:]:
            peer.close()

        def again():
            late.send(late.hello(CLIENT, "late"))
            try:
                data = late.link.frames.get(timeout=0.2)
            except Exception:  # queue.Empty
                return False
            vectors.decode_frame(data, late.messages)
            return late.messages[-1]["type"] == "WELCOME"
        wait_until(again, "a place")


class FullDisk(WireTest):
    def test_a_log_that_cannot_be_written(self):
        """The process ends, having told nothing that is not in the log."""
        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000))
        # It exits while its log thread has ended and nobody waits for that, on purpose.
        options = os.environ.get("TSAN_OPTIONS", "") + ":report_thread_leaks=0"
        daemon = self.start(preexec=small_files, env={"TSAN_OPTIONS": options})
        client = self.peer(daemon)
        self.peer(daemon, PARTICIPANT, "bank")
        told = []
        try:
            for i in range(20000):
                gtid = f"own-{i}"
                record_abort(client, gtid)
                told.append(gtid)
        except (Gone, BrokenPipeError, ConnectionResetError):
            pass
        self.assertEqual(daemon.wait(), EXIT_FAILED, daemon.stderr())
        self.assertEqual(len(daemon.log("failed")), 1)
        self.assertEqual(daemon.log("failed")[0]["exit"], str(EXIT_FAILED))
        self.assertGreater(len(told), 10)
        again = self.start()
        client = self.peer(again)
        for gtid in told:
            client.send(status(gtid))
            client.expect("RESULT", gtid=gtid, outcome=ABORTED)
        self.alive(again)


if __name__ == "__main__":
    unittest.main()
