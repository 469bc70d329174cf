#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent-rm over a real PostgreSQL and a real MariaDB: all protocols across both, processes and
servers that are killed, payloads that want more than they may.

usage: rm_test.py [unittest options]
"""

import contextlib
import json
import subprocess
import sys
import threading
import unittest

from rm_world import PATIENCE_S, RmWorld, TOTAL, available, do, until

world = None


def setUpModule():
    global world
    world = RmWorld()
    world.start_all()
    leave_orphans()


def leave_orphans():
    """Branches of which nobody knows any more, but the databases hold them: application and
    coordinator died. That takes its time to be found out: the last test looks. Their participants
    are others than those that are killed, and the one at PostgreSQL has serializable transactions."""
    apart = {"strict": ("pg", " options=-cdefault_transaction_isolation=serializable"),
             "idle": ("my", "")}
    for name, (database, more) in apart.items():
        world.start_apart(name, database, more)
    caller = world.caller("2pc", *(word for name in apart for word in (name, "@enlist")))
    for database, _ in apart.values():
        xid = caller.stdout.readline().split(" ")[2].strip()
        world.databases[database].prepare(
            xid, "INSERT INTO orders (gtid, item) VALUES ('x', 'orphan')")
    caller.communicate("die\n")
    world.servers["assentd"].kill()
    world.start_coordinator()
    world.orphans = {gid for database in world.databases.values() for gid in database.prepared()}


def tearDownModule():
    world.close()


class RmTest(unittest.TestCase):
    """Each test leaves all of them running, with nothing in flight and all money there."""

    def setUp(self):
        self.before = {name: world.balances(name)[0] for name in world.databases}

    def tearDown(self):
        for name in world.databases:
            if not world.servers[name].running():
                world.start_rm(name)
        world.settle()
        self.assertEqual(world.total(), 2 * TOTAL)
        self.assertEqual([world.balances(name)[1] for name in world.databases], [0, 0])

    def moved(self, name, account=1):
        """By how much the account has changed since the test began."""
        return round(world.balances(name)[0][account - 1] - self.before[name][account - 1], 2)

    def transfer(self, protocol, amount, taker=1):
        return world.call(protocol, "pg", do(("debit", 1, amount)),
                          "my", do(("credit", taker, amount)))


class Commit(RmTest):
    def test_both_or_none(self):
        for protocol in ("2pc", "3pc"):
            with self.subTest(protocol):
                self.setUp()
                self.assertEqual(self.transfer(protocol, "10.50"), "committed")
                world.settle()
                self.assertEqual((self.moved("pg"), self.moved("my")), (-10.5, 10.5))
                self.assertEqual(self.transfer(protocol, 99999), "aborted: not enough money")
                self.assertEqual(self.transfer(protocol, 1, taker=77), "aborted: no such account")
                self.assertEqual((self.moved("pg"), self.moved("my")), (-10.5, 10.5))

    def test_several_procedures_in_one_call(self):
        self.assertEqual(world.call("2pc", "my", do(("debit", 1, 5), ("credit", 2, 2),
                                                    ("credit", 3, 3))), "committed")
        world.settle()
        self.assertEqual([self.moved("my", account) for account in (1, 2, 3)], [-5, 2, 3])
        self.assertEqual(world.call("2pc", "my", do(("debit", 1, 5), ("credit", 9, 5))),
                         "aborted: no such account")
        self.assertEqual(self.moved("my"), -5)

    def test_constraints_are_a_no(self):
        for name in world.databases:
            for protocol in ("2pc", "saga"):
                with self.subTest(name=name, protocol=protocol):
                    self.assertEqual(world.call(protocol, name, do(("pledge", 2))), "committed")
                    self.assertRegex(world.call(protocol, name, do(("pledge", 99))), "^aborted")

    def test_branches_that_only_read(self):
        self.assertEqual(world.call("2pc", "pg", do(("look",)), "my", do(("look",))), "committed")

    @staticmethod
    def crossing(*names):
        """What becomes of calls that take the same rows in opposite order, many times over."""
        outcomes = []

        def many(name, first, second):
            for _ in range(8):
                outcomes.append(world.call("2pc", name, do(("debit", first, 1),
                                                           ("credit", second, 1))))

        threads = [threading.Thread(target=many, args=(name, first, second))
                   for name in names for first, second in ((1, 2), (2, 1), (1, 2))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return set(outcomes)

    def test_deadlocks_are_tried_again(self):
        self.assertEqual(self.crossing(*world.databases), {"committed"})

    def test_serialization_failures_are_tried_again(self):
        self.assertEqual(self.crossing("strict"), {"committed"})

    def test_a_failure_that_comes_out_only_at_the_end_is_tried_again(self):
        database = world.databases["pg"]
        database.sql("""
            CREATE SEQUENCE failures;
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN IF nextval(''failures'') = 1 THEN
                     RAISE EXCEPTION ''not now'' USING ERRCODE = ''serialization_failure'';
                 END IF; RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON pledge DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN (NEW.account = 1) EXECUTE FUNCTION fail();
            """)
        self.assertEqual(world.call("2pc", "pg", do(("pledge", 1))), "committed")
        self.assertEqual(database.sql("SELECT last_value FROM failures"), [["2"]])


class Tcc(RmTest):
    def test_confirmed(self):
        self.assertEqual(self.transfer("tcc", 7), "committed")
        world.settle()
        self.assertEqual((self.moved("pg"), self.moved("my")), (-7, 7))

    def test_cancelled(self):
        self.assertEqual(self.transfer("tcc", 7, taker=77), "aborted: no such account")
        self.assertEqual(self.transfer("tcc", 99999), "aborted: not enough money")
        world.settle()
        self.assertEqual((self.moved("pg"), self.moved("my")), (0, 0))

    def test_no_rows_are_left(self):
        self.transfer("tcc", 1)
        for database in world.databases.values():
            until("the barrier's rows to go",
                  lambda: not [row for row in database.barrier() if row[2] in ("try", "confirm")])


class Saga(RmTest):
    def orders(self, name, gtid):
        return world.databases[name].sql(f"SELECT id, item FROM orders WHERE gtid = '{gtid}'")

    def test_an_answer_is_handed_on(self):
        payload = json.dumps({"do": [{"procedure": "invoice", "with": [{"step": 0}, 12.50]}]})
        self.assertEqual(world.call("saga", "pg", do(("order", "tea")), "my", payload,
                                    gtid="saga-forward"), "committed")
        (number, item), = self.orders("pg", "saga-forward")
        self.assertEqual(item, "tea")
        self.assertEqual([row[1] for row in self.orders("my", "saga-forward")], [number])

    def test_compensated(self):
        outcome = world.call("saga", "pg", do(("order", "tea"), ("debit", 1, 3)),
                             "my", do(("debit", 1, 99999)), gtid="saga-back")
        self.assertEqual(outcome, "aborted: not enough money")
        world.settle()
        self.assertEqual(self.orders("pg", "saga-back"), [])
        self.assertEqual(self.moved("pg"), 0)

    def test_an_action_that_answers_nothing_is_compensated(self):
        for name in world.databases:
            other = next(n for n in world.databases if n != name)
            gtid = f"saga-silent-{name}"
            self.assertEqual(world.call("saga", name, do(("visit", "tea")), other,
                                        do(("debit", 1, 99999)), gtid=gtid),
                             "aborted: not enough money")
            world.settle()
            self.assertEqual(self.orders(name, gtid), [])

    def test_a_step_that_is_not_there(self):
        payload = json.dumps({"do": [{"procedure": "invoice", "with": [{"step": 5}, 1]}]})
        self.assertEqual(world.call("saga", "my", payload),
                         "aborted: invoice: there is no answer of that step, or it is no text")

    def kill_after_action(self, name, gtid):
        """What the action has answered is known to the barrier only."""
        world.servers[name].stop()
        world.start_rm(name, env={"ASSENT_CRASH_POINT": "part_after_prepare"})
        other = next(n for n in world.databases if n != name)
        caller = world.caller("saga", name, do(("order", "ink")), other, do(("debit", 1, 99999)),
                              gtid=gtid)
        world.servers[name].popen.wait(PATIENCE_S)
        self.assertEqual(len(self.orders(name, gtid)), 1)
        return caller

    def test_killed_with_the_action_done(self):
        for name in world.databases:
            for abort in (False, True):
                with self.subTest(name=name, abort=abort):
                    gtid = f"saga-killed-{name}-{abort}"
                    caller = self.kill_after_action(name, gtid)
                    if abort:  # so it is not asked for its answer again
                        world.run("assent", "abort", "--yes", "--reason", "enough", gtid)
                    world.start_rm(name)
                    self.assertIn("aborted", caller.communicate(timeout=PATIENCE_S)[0])
                    world.settle()
                    self.assertEqual(self.orders(name, gtid), [])


    def test_the_connection_is_lost_in_the_commit(self):
        """The first time; the second one asks the barrier, and does it."""
        database = world.databases["pg"]
        database.sql("""
            CREATE SEQUENCE deaths;
            CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN IF nextval(''deaths'') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid());
                 END IF; RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER die AFTER INSERT ON pledge DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN (NEW.account = 3) EXECUTE FUNCTION die();
            """)
        self.assertEqual(world.call("saga", "pg", do(("pledge", 3))), "committed")
        self.assertEqual(database.sql("SELECT COUNT(*) FROM pledge WHERE account = 3"), [["1"]])
        self.assertEqual(database.sql("SELECT last_value FROM deaths"), [["2"]])


class Message(RmTest):
    def inbox(self, name, gtid):
        return world.databases[name].sql(f"SELECT text FROM inbox WHERE gtid = '{gtid}'")

    def send(self, gtid, word, timeout_ms=0):
        """An application that prepares a message, and says `word`, or dies."""
        caller = world.caller("message", "pg", "@sender", "my", do(("note", "hello")), gtid=gtid,
                              timeout_ms=timeout_ms)
        self.assertEqual(caller.stdout.readline(), f"{gtid} 0\n")
        return caller.communicate(word, timeout=PATIENCE_S)[0].strip()

    def test_delivered(self):
        self.assertEqual(self.send("message-sent", "commit\n"), "committed")
        world.settle()
        self.assertEqual(self.inbox("my", "message-sent"), [["hello"]])

    def test_the_sender_died_after_its_local_transaction(self):
        world.databases["pg"].sql("INSERT INTO assent.barrier VALUES "
                                  "('message-made', 0, 'send', 'done', 0, NULL)")
        self.send("message-made", "die\n", 300)
        until("the message", lambda: self.inbox("my", "message-made") == [["hello"]])

    def test_the_sender_died_before_its_local_transaction(self):
        self.send("message-not-made", "die\n", 300)
        world.settle()
        self.assertEqual(self.inbox("my", "message-not-made"), [])
        # It cannot be made any more.
        self.assertIn(["message-not-made", "0", "send", "fenced"], world.databases["pg"].barrier())

    def test_what_cannot_be_delivered_is_visible(self):
        caller = world.caller("message", "pg", "@sender", "my", do(("debit", 1, 1)),
                              gtid="message-bad")
        caller.stdin.write("commit\n")
        caller.stdin.flush()

        def why():
            shown = world.run("assent", "show", "message-bad", check=False).stdout
            return "procedure debit has no deliver" in shown
        until("the reason", why)
        world.run("assent", "forget", "--yes", "--reason", "not for this one", "message-bad")
        caller.communicate(timeout=PATIENCE_S)


class Enlisted(RmTest):
    """The application works on its own connections."""

    def begin(self, *names, timeout_ms=0):
        caller = world.caller("2pc", *(word for name in names for word in (name, "@enlist")),
                              timeout_ms=timeout_ms)
        xids = {name: caller.stdout.readline().split(" ")[2].strip() for name in names}
        for name, change in zip(names, ("- 4", "+ 4")):
            world.databases[name].prepare(
                xids[name], f"UPDATE account SET balance = balance {change} WHERE id = 1")
        return caller

    def test_committed(self):
        caller = self.begin("pg", "my")
        self.assertEqual(caller.communicate("commit\n")[0], "committed\n")
        world.settle()
        self.assertEqual((self.moved("pg"), self.moved("my")), (-4, 4))

    def test_not_prepared(self):
        caller = world.caller("2pc", "pg", "@enlist")
        caller.stdout.readline()
        self.assertEqual(caller.communicate("commit\n")[0], "aborted: not prepared at pg\n")

    def test_killed_after_the_vote(self):
        for name in ("pg", "my"):
            with self.subTest(name):
                self.setUp()
                world.servers[name].stop()
                world.start_rm(name, env={"ASSENT_CRASH_POINT": "part_after_vote"})
                caller = self.begin("pg", "my")
                caller.stdin.write("commit\n")
                caller.stdin.flush()
                world.servers[name].popen.wait(PATIENCE_S)
                world.start_rm(name)
                self.assertIn("committed", caller.communicate(timeout=PATIENCE_S)[0])
                world.settle()
                self.assertEqual((self.moved("pg"), self.moved("my")), (-4, 4))


class Killed(RmTest):
    def test_assent_rm(self):
        points = ("part_after_prepare", "part_after_vote", "part_before_commit",
                  "part_after_commit")
        for name, point in zip(("pg", "my", "pg", "my"), points):
            with self.subTest(name=name, point=point):
                world.servers[name].stop()
                world.start_rm(name, env={"ASSENT_CRASH_POINT": point})
                caller = world.caller("2pc", "pg", do(("debit", 1, 2)), "my", do(("credit", 1, 2)))
                world.servers[name].popen.wait(PATIENCE_S)
                world.start_rm(name)
                output = caller.communicate(timeout=PATIENCE_S)[0]
                self.assertRegex(output, "committed|aborted")
                world.settle()
                self.assertEqual(world.total(), 2 * TOTAL)

    def test_the_database(self):
        """In the middle of a stream of transfers of every protocol, twice."""
        for name, database in world.databases.items():
            with self.subTest(name):
                stop, told = threading.Event(), []

                def stream(protocol):
                    while not stop.is_set():
                        told.append(self.transfer(protocol, 1))

                threads = [threading.Thread(target=stream, args=(protocol,))
                           for protocol in ("2pc", "tcc", "saga")]
                for thread in threads:
                    thread.start()
                until("some transfers", lambda: told.count("committed") > 20)
                database.die("SIGKILL")
                seen = len(told)
                database.start()
                until("more of them", lambda: told[seen:].count("committed") > 10)
                stop.set()
                for thread in threads:
                    thread.join()
                world.settle()
                self.assertEqual(world.total(), 2 * TOTAL)


class Hostile(RmTest):
    def test_payloads(self):
        refused = {
            "": "the payload is not valid JSON",
            "DROP TABLE account": "the payload is not valid JSON",
            '{"do": [' * 8000: "the payload is not valid JSON",
            '{"sql": "DROP TABLE account"}': 'a call is {"do": [...]}, and nothing else',
            do(("drop",)): "there is no procedure drop",
            do(("debit; DROP TABLE account", 1, 1)): "'procedure' is no name",
            do(("debit", 1)): "debit takes 2 values, not 1",
            do(("debit", 1, 2, 3)): "debit takes 2 values, not 3",
            do(("order", "x")): "procedure order has no prepare",
            do(("debit", True, 1)): "debit: 'account' is no number, text, null or {\"step\": N}",
        }
        for name in world.databases:
            for payload, reason in refused.items():
                with self.subTest(name=name, payload=payload[:60]):
                    self.assertEqual(world.call("2pc", name, payload), f"aborted: {reason}")
        self.assertEqual(world.call("tcc", "pg", "garbage"),
                         "aborted: the payload is not valid JSON")
        self.assertEqual(world.call("saga", "my", "garbage"),
                         "aborted: the payload is not valid JSON")

    def test_values_are_values(self):
        """Whatever a value looks like, it is one."""
        texts = ["1 OR 1=1", "'; DROP TABLE account; --", "1); DELETE FROM account; --",
                 "\\'; DROP TABLE orders", "$1", "%s", "x" * 40, "\u00fc\u4e2d"]
        for name, database in world.databases.items():
            for number, text in enumerate(texts):
                with self.subTest(name=name, text=text):
                    gtid = f"value-{name}-{number}"
                    self.assertEqual(world.call("saga", name, do(("order", text)), gtid=gtid),
                                     "committed")
                    self.assertEqual(database.sql("SELECT CHAR_LENGTH(item) FROM orders "
                                                  f"WHERE gtid = '{gtid}'"), [[str(len(text))]])
            self.assertIn("aborted", world.call("2pc", name, do(("debit", "1 OR 1=1", 1))))
            self.assertRegex(world.call("saga", name, do(("order", "x" * 41))),
                             "^aborted: .*too long")
            self.assertEqual(world.call("2pc", name, do(("debit", None, 1))),
                             "aborted: not enough money")


class Check(RmTest):
    """--check, and what is said at the start."""

    def run_rm(self, *arguments, **env):
        return subprocess.run([world.bin / "assent-rm", *arguments], env={**world.env, **env},
                              capture_output=True, text=True, timeout=PATIENCE_S,
                              stdin=subprocess.DEVNULL)

    def check(self, name, procedures, *arguments):
        path = world.dir / "checked.json"
        path.write_text(json.dumps({"procedures": procedures}))
        return self.run_rm("--check", "--resource", "x", "--procedures", str(path), *arguments,
                           ASSENT_RM_DATABASE=world.databases[name].address())

    def test_good(self):
        for name in world.databases:
            done = self.run_rm("--check", "--config", str(world.dir / f"{name}.conf"))
            self.assertEqual((done.returncode, done.stdout), (0, f"good: {name}, 8 procedures\n"),
                             done.stderr)

    def test_statements(self):
        for name in world.databases:
            done = self.check(name, {"p": {"prepare": ["SELECT 1", "SELECT n FROM nowhere"]}})
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, r"^procedure p: prepare: statement 2: .*nowhere")
        done = self.check("pg", {"p": {"prepare": ["COMMIT"]}})
        self.assertEqual(done.returncode, 1)
        self.assertIn("statement 1: 'sql' has to begin with", done.stderr)

    def test_databases(self):
        done = self.run_rm("--check", "-r", "x", "-d", "oracle:scott/tiger")
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("tiger", done.stderr)
        done = self.run_rm("--check", "-r", "x", "-d", "postgres:host=/nowhere")
        self.assertEqual(done.returncode, 1)
        self.assertIn("database: ", done.stdout)
        done = self.run_rm("-r", "x", "-j", str(world.dir / "journal-x"), "-d",
                           "postgres:host=/nowhere unheard=of")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(self.run_rm("--nonsense").returncode, 2)
        self.assertIn("Usage: assent-rm", self.run_rm("--help").stdout)

    def test_any_switch(self):
        """The databases' own switches, as a foreign transaction manager would load them."""
        for name, library in (("pg", "postgres"), ("my", "mariadb")):
            done = self.run_rm("--check", "-r", "x",
                               "--xa", f"libassent-{library}.so.0:assent_{library}_xa",
                               ASSENT_RM_OPEN=world.databases[name].address().split(":", 1)[1])
            self.assertEqual((done.returncode, done.stdout), (0, "good: x, 0 procedures\n"),
                             done.stderr)
        done = self.run_rm("--check", "-r", "x", "--xa", "libassent-postgres.so.0:nothing")
        self.assertEqual(done.returncode, 1)

    def test_the_server_is_away_at_the_start(self):
        for name, database in world.databases.items():
            with self.subTest(name):
                world.servers[name].stop()
                database.die("SIGKILL")
                server = world.start_rm(name, ready=False)
                server.await_text("event=waiting_for_database")
                database.start()
                server.await_text("ready\n")

    def test_the_server_goes_away_during_the_start(self):
        """While the barrier's table is made sure of: the session is there, its connection is lost."""
        database = world.databases["my"]
        world.servers["my"].stop()
        holder = threading.Thread(target=self.hold_barrier, args=(database,))
        holder.start()
        waiting = ("SELECT COUNT(*) FROM information_schema.processlist "
                   "WHERE info LIKE '{}%' AND state LIKE '{}%'")
        until("the table to be locked",
              lambda: database.sql(waiting.format("SELECT SLEEP", "User sleep")) == [["1"]])
        server = world.start_rm("my", ready=False)
        until("assent-rm to wait for it",
              lambda: database.sql(waiting.format("CREATE TABLE", "Waiting for")) == [["1"]])
        database.die("SIGKILL")
        holder.join()
        server.await_text("event=waiting_for_database")
        database.start()
        server.await_text("ready\n")

    @staticmethod
    def hold_barrier(database):
        with contextlib.suppress(AssertionError):  # the server is killed
            database.sql("LOCK TABLES assent_barrier WRITE; SELECT SLEEP(600)")

    def test_told_to_stop(self):
        for name in world.databases:
            self.assertEqual(world.servers[name].stop(), 0)


class WithNobodyLeft(RmTest):
    def test_orphans_are_rolled_back(self):
        self.assertEqual(len(world.orphans), 2)
        world.orphans = set()
        world.settle()
        for database in world.databases.values():
            self.assertEqual(database.sql("SELECT id FROM orders WHERE item = 'orphan'"), [])


if __name__ == "__main__":
    if not available():
        print("PostgreSQL or MariaDB is not installed")
        sys.exit(77)
    unittest.main(verbosity=2)
