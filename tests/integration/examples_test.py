#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent-travel and assent-order as their users meet them: the one command, good and bad input, and
audits that find what is wrong."""

import signal
import sqlite3
import sys
import unittest

from bank_world import Process, until
from example_world import OrderWorld, TravelWorld

GOOD, WRONG, USAGE, TROUBLE = 0, 1, 2, 3


def worked(world, count, *options):
    world.start_client("--count", count, *options)
    world.finish_clients()
    world.quiesce()


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.world = TravelWorld()
        self.addCleanup(self.world.close)

    def both(self, *arguments):
        return [self.world.run(program, *arguments, check=False)
                for program in ("assent-travel", "assent-order")]

    def test_help(self):
        commands = {"assent-travel": "book", "assent-order": "take"}
        for program, clients in commands.items():
            for arguments in [["--help"], ["run", "--help"], ["serve", "--help"], [clients, "--help"],
                              ["audit", "--help"]]:
                done = self.world.run(program, *arguments)
                self.assertTrue(done.stdout.startswith(f"Usage: {program}"), arguments)
            self.assertRegex(self.world.run(program, "--version").stdout,
                             rf"^{program} \d+\.\d+\.\d+\n$")

    def test_usage(self):
        for arguments in [[], ["fly"], ["run", "--count", "0"], ["run", "--kills", "-1"], ["run", "x"],
                          ["run", "--never"], ["serve"], ["serve", "flight"], ["serve", "train", "x"],
                          ["serve", "--items", "many", "flight", "x"], ["serve", "--tidy", "0", "orders", "x"],
                          ["audit"], ["audit", "--wait", "-1", "x"], ["audit", "x", "y"]]:
            for done in self.both(*arguments):
                self.assertEqual(done.returncode, USAGE, (arguments, done.stderr))
                self.assertNotEqual(done.stderr, "")
        for program, arguments in [("assent-travel", ["book", "x"]), ("assent-order", ["take"]),
                                   ("assent-travel", ["book", "--days", "0"]),
                                   ("assent-order", ["take", "--clients", "0", "x"])]:
            self.assertEqual(self.world.run(program, *arguments, check=False).returncode, USAGE)

    def test_trouble(self):
        nowhere = self.world.dir / "nowhere"
        for program, arguments in [("assent-travel", ["audit", nowhere]),
                                   ("assent-order", ["audit", nowhere]),
                                   ("assent-travel", ["serve", "car", nowhere]),
                                   ("assent-order", ["serve", "stock", nowhere]),
                                   ("assent-order", ["take", "--patience", 1, nowhere]),
                                   ("assent-travel", ["book", "--patience", 1, "--told", nowhere / "x"]),
                                   ("assent-travel", ["book", "--patience", 1])]:
            done = self.world.run(program, *arguments, check=False)
            self.assertEqual(done.returncode, TROUBLE, (arguments, done.stderr))
            self.assertIn(f"{program}: ", done.stderr)


class OneCommand(unittest.TestCase):
    """With nobody killed the barrier's rows go at once; with crashes half a minute later."""

    def test_run(self):
        world = TravelWorld()
        self.addCleanup(world.close)
        for program in ("assent-travel", "assent-order"):
            done = world.run(program, "run", "--count", 300, "--kills", 0)
            self.assertIn("all is well", done.stdout)
            self.assertIn(" 0 rows of the barrier, 0 wrong", done.stdout)

    def test_run_with_kills(self):
        world = TravelWorld()
        self.addCleanup(world.close)
        done = world.run("assent-travel", "run", "--count", 300, "--kills", 2)
        self.assertIn("SIGKILL to assentd", done.stdout)
        self.assertIn("all is well", done.stdout)


class Trips(unittest.TestCase):
    """An audit that could not find anything would be worth nothing."""

    def setUp(self):
        self.world = TravelWorld()
        self.addCleanup(self.world.close)
        self.world.start()
        worked(self.world, 40)
        self.assertTrue(self.world.audit()["ok"])

    def finds(self, service, sql, *options):
        path = self.world.dir / service / "travel.db"
        with sqlite3.connect(path, timeout=20) as db:
            self.assertGreater(db.execute(sql).rowcount, 0, sql)
        done = self.world.run("assent-travel", "audit", *options, self.world.dir, check=False)
        self.assertEqual(done.returncode, WRONG, (sql, done.stdout, done.stderr))
        return done

    def test_a_part_is_missing(self):
        done = self.finds("car", "DELETE FROM bookings WHERE number = (SELECT min(number) FROM bookings)")
        self.assertIn("but car has nothing of it", done.stderr)
        self.assertIn("1 items do not add up", done.stderr)

    def test_half_done(self):
        self.finds("hotel", "UPDATE bookings SET state = 'reserved'")

    def test_another_day(self):
        done = self.finds("hotel", "UPDATE bookings SET item = item + 2")
        self.assertIn("not booked for the day of arrival", done.stderr)

    def test_not_what_was_told(self):
        for service in self.world.bank_names:
            with sqlite3.connect(self.world.dir / service / "travel.db", timeout=20) as db:
                db.execute("UPDATE offers SET free = capacity")
                db.execute("DELETE FROM bookings")
        done = self.world.run("assent-travel", "audit", "--told", self.world.dir / "told-0",
                              self.world.dir, check=False)
        self.assertEqual(done.returncode, WRONG)
        self.assertIn("is committed, says ", done.stderr)

    def test_what_is_not_decided_is_not_aborted(self):
        """All is booked, and the card's service dies before it says so."""
        self.world.servers["card"].kill()
        card = self.world.start_again("card", env={"ASSENT_CRASH_POINT": "part_after_prepare"})
        client = Process(self.world, "client-1", [
            self.world.bin / "assent-travel", "book", "--saga", "--json", "--count", 1, "--clients", 1])
        self.world.clients.append(client)
        until("the card's service to die", lambda: not card.running())
        self.assertEqual(card.popen.returncode, -signal.SIGKILL)
        self.assertTrue(client.running())
        done = self.world.run("assent-travel", "audit", "--status", self.world.dir, check=False)
        self.assertEqual((done.returncode, done.stderr), (WRONG, ""))
        self.assertIn(" 1 half done", done.stdout)
        self.assertIn(" 0 wrong", done.stdout)
        self.world.start_again("card")
        self.world.finish_clients()
        self.world.quiesce()
        self.assertTrue(self.world.audit()["ok"])

    def test_what_cannot_be_read_is_not_wrong(self):
        with sqlite3.connect(self.world.dir / "car" / "travel.db", timeout=20) as db:
            db.execute("ALTER TABLE offers RENAME TO withdrawn")
        done = self.world.run("assent-travel", "audit", self.world.dir, check=False)
        self.assertEqual(done.returncode, TROUBLE, done.stdout + done.stderr)
        self.assertIn("no such table: offers", done.stderr)

    def test_rows(self):
        done = self.finds("card", "INSERT INTO assent_barrier SELECT 'x', 0, 'try', 'done', 0, NULL",
                          "--rows")
        self.assertIn(" 1 rows of the barrier", done.stdout)


class Orders(unittest.TestCase):
    def setUp(self):
        self.world = OrderWorld()
        self.addCleanup(self.world.close)
        self.world.start()
        worked(self.world, 40)
        self.assertTrue(self.world.audit()["ok"])

    def change(self, service, sql):
        with sqlite3.connect(self.world.dir / service / "order.db", timeout=20) as db:
            self.assertGreater(db.execute(sql).rowcount, 0, sql)
        return self.world.run("assent-order", "audit", self.world.dir, check=False)

    def test_lost(self):
        done = self.change("stock", "DELETE FROM received WHERE rowid = 1")
        self.assertEqual(done.returncode, WRONG)
        self.assertIn("but stock has nothing of it", done.stderr)

    def test_twice(self):
        done = self.change("payment", "INSERT INTO received SELECT * FROM received WHERE rowid = 1")
        self.assertEqual(done.returncode, WRONG)
        self.assertIn("was paid 2 times and packed 1 times", done.stderr)

    def test_delivered_and_never_ordered(self):
        self.assertEqual(self.change("orders", "DELETE FROM orders WHERE rowid = 1").returncode, WRONG)

    def test_senders_that_say_nothing(self):
        """They die before they submit; the shop's own database is asked, and all the orders that stand
        are delivered."""
        told = self.world.dir / "told-0"
        lines = len(told.read_text().splitlines())
        client = self.world.start_client("--seconds", 3600, number=1,
                                         env={"ASSENT_CRASH_POINT": "client_before_submit:8"})
        until("the client to die", lambda: not client.running())
        self.assertEqual(client.popen.returncode, -signal.SIGKILL)
        self.world.clients.remove(client)
        self.world.quiesce()
        books = self.world.audit()
        self.assertGreaterEqual(books["orders"], lines / 2)

    def test_delayed(self):
        self.world.start_client("--count", 20, "--delay-ms", 700, number=2)
        self.world.finish_clients()
        self.world.quiesce()
        self.world.audit()


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=[sys.argv[0]] + sys.argv[1:])
