#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent-bank in databases: what docs/resource-managers.md says of it, good and bad input, every
transaction of SmallBank, databases that go away, and audits that find what is wrong."""

import json
import os
import pathlib
import re
import sys
import tempfile
import unittest

import tutorial_test
from bank_world import PATIENCE_S, Process, until
from databases_world import DatabasesWorld, Mariadb, Postgres, available

GOOD, WRONG, TROUBLE = 0, 1, 3
KINDS = ["postgres", "mariadb"]
PG, MARIA = "postgres-0", "mariadb-1"


class Banks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = DatabasesWorld(KINDS, accounts=20)
        cls.world.start()

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    def tearDown(self):
        self.world.heal()
        self.world.quiesce()

    def bank(self, *arguments):
        return self.world.run("assent-bank", *arguments, check=False)

    def audit(self, *options):
        done = self.bank("audit", "--json", *options, *self.world.bank_dirs())
        return done.returncode, json.loads(done.stdout)

    def sql(self, name, text):
        return self.world.databases[name].server.sql(text)

    def work(self, *options):
        self.world.start_client("--count", 60, *options)
        report = self.world.finish_clients()[0]
        self.world.quiesce()
        return report

    def test_each_kind(self):
        for kind in ("balance", "deposit-checking", "transact-savings", "amalgamate", "write-check",
                     "send-payment"):
            report = self.work("--mix", f"{kind}=1", "--clients", 4)
            self.assertEqual(report["transactions"], 60, kind)
            self.assertGreater(report["committed"], 0, (kind, report))
        self.world.audit()

    def set_all(self, cents):
        """In checking and in savings of each account, against cash."""
        for name in (PG, MARIA):
            self.sql(name, f"UPDATE accounts SET cash = cash + checking + savings - {2 * cents}, "
                           f"checking = {cents}, savings = {cents}")

    def test_fee(self):
        """Checks are paid in any case, with a fee of 100 cents where the account does not cover them;
        other debits are refused."""
        taken_out = []
        for cents in (100000000, 0):
            self.set_all(cents)
            before = self.audit()[1]["cash"]
            report = self.work("--mix", "write-check=1", "--clients", 1, "--seed", 5)
            self.assertEqual(report["committed"], 60)
            taken_out.append(self.audit()[1]["cash"] - before)
        self.assertEqual(taken_out[1] - taken_out[0], 60 * 100)
        report = self.work("--mix", "send-payment=1", "--clients", 1)
        self.assertEqual(report["aborted"], 60)
        self.set_all(100000)
        self.world.audit()

    def test_directory(self):
        at = self.world.dir / PG
        self.assertEqual((at / "database").stat().st_mode & 0o777, 0o600)
        address = (at / "database").read_text()
        self.assertTrue(address.startswith("postgres:"))
        for arguments, says in [
                (["load", "--name", "again", at], "a bank in that database already: postgres-0"),
                (["serve", "--rm", "leveldb:", at], "says that the bank is in a database"),
                (["load", "--name", "x", "--rm", "oracle:secret", self.world.dir / "x"],
                 "begins with postgres: or mariadb:"),
                (["load", "--name", "y", "--rm", "postgres:host=/nowhere", self.world.dir / "y"], ""),
                (["audit", self.world.dir / "x"], "")]:
            done = self.bank(*arguments)
            self.assertEqual(done.returncode, TROUBLE, (arguments, done.stderr))
            self.assertIn(says, done.stderr)
            self.assertNotIn("secret", done.stderr)
        empty = self.world.dir / "empty"
        empty.mkdir()
        (empty / "database").write_text(address.strip())  # no end of line: cut off
        self.assertEqual(self.bank("serve", empty).returncode, TROUBLE)
        other = self.world.dir / "other"  # of a directory that was lost
        other.mkdir()
        done = self.bank("serve", "--rm", "oracle:secret", other)
        self.assertEqual((done.returncode, (other / "database").exists()), (TROUBLE, False))
        self.sql(PG, "CREATE DATABASE bare")
        (empty / "database").write_text(address.replace("dbname=postgres", "dbname=bare"))
        done = self.bank("serve", empty)
        self.assertEqual((done.returncode, "make one by assent-bank load" in done.stderr),
                         (TROUBLE, True), done.stderr)
        self.assertEqual(self.bank("load", "--name", "bare", empty).returncode, GOOD)  # as is written
        self.assertEqual(self.bank("audit", empty).returncode, GOOD)
        bare = (empty / "database").read_text().strip()
        served = Process(self.world, "bare", [self.world.bin / "assent-bank", "serve", "--rm", bare,
                                              other])
        served.await_text("ready")
        self.assertEqual(served.stop(), GOOD)
        self.assertEqual(self.bank("audit", other).returncode, GOOD)

    def test_database_away(self):
        for name in (PG, MARIA):
            self.world.servers[name].stop()
            self.world.databases[name].die("SIGKILL")
            bank = self.world.start_bank(name, ready=False)
            bank.await_text("waiting: ")
            self.world.databases[name].start()
            bank.await_text("ready")
            self.world.databases[name].die("SIGKILL")
            self.world.databases[name].start()
            self.assertEqual(self.work("--patience", PATIENCE_S)["transactions"], 60)
        self.world.audit()

    def test_missing_money(self):
        for name in (PG, MARIA):
            self.sql(name, "UPDATE accounts SET savings = savings - 1 WHERE id = 3")
            self.assertEqual(self.audit()[0], WRONG)
            self.sql(name, "UPDATE accounts SET savings = savings + 1 WHERE id = 3")
            self.assertEqual(self.audit()[0], GOOD)

    def test_broken_promise(self):
        self.work("--mix", "send-payment=1")
        told = self.world.dir / "told-0"
        self.assertEqual(self.audit("--journal", told)[0], GOOD)
        gtid = next(line for line in told.read_text().splitlines()
                    if " committed " in line and PG in line and MARIA in line).split()[0]
        for name in (PG, MARIA):
            [row] = self.sql(name, f"SELECT branch FROM applied WHERE gtid = '{gtid}'")
            branch = row if isinstance(row, str) else row[0]
            self.sql(name, f"DELETE FROM applied WHERE gtid = '{gtid}'")
            status, books = self.audit("--journal", told)
            self.assertEqual((status, books["broken"]), (WRONG, 1))
            self.sql(name, f"INSERT INTO applied (gtid, branch) VALUES ('{gtid}', {branch})")

    def test_prepared(self):
        for name in (PG, MARIA):
            self.world.start_client("--seconds", 3600)
            self.world.servers[name].kill()
            bank = self.world.start_bank(name, env={"ASSENT_CRASH_POINT": "part_after_vote:5"},
                                         ready=False)
            until(f"{name} to die in doubt", lambda: not bank.running())
            self.world.servers["assentd"].kill()
            for client in self.world.clients:
                client.kill()
            self.world.clients = []
            status, books = self.audit()
            self.assertEqual(status, WRONG)
            self.assertGreater(books["prepared"], 0)
            self.world.heal()
            self.world.quiesce()
            self.world.audit()


class Page(unittest.TestCase):
    def test_page(self):
        page = (pathlib.Path(os.environ["ASSENT_SOURCE_DIR"]) / "docs/resource-managers.md").read_text()
        section = re.search(r"^## SmallBank across databases\n(.*?)^## ", page, re.M | re.S).group(1)
        [steps] = [tutorial_test.commands(lines) for _, language, lines
                   in tutorial_test.blocks(section) if language == "console"]
        world = DatabasesWorld([])
        self.addCleanup(world.close)
        postgres, mariadb = Postgres(), Mariadb()
        self.addCleanup(postgres.close)
        self.addCleanup(mariadb.close)
        os.environ["PG"] = postgres.address().split(":", 1)[1]
        os.environ["MY"] = mariadb.address().split(":", 1)[1]
        os.environ["LD_LIBRARY_PATH"] = world.env["LD_LIBRARY_PATH"]
        with tempfile.TemporaryDirectory(prefix="assent-page-") as directory:
            output = tutorial_test.run(steps, pathlib.Path(directory))
            self.assertEqual(tutorial_test.compare(steps, output), [], output)


if __name__ == "__main__":
    if not available(KINDS):
        print("PostgreSQL or MariaDB is not installed")
        sys.exit(77)
    unittest.main(verbosity=2, argv=[sys.argv[0]] + sys.argv[1:])
