#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent-bank as its users meet it: good and bad input, and audits that find what is wrong."""

import fcntl
import json
import pathlib
import re
import shutil
import signal
import sys
import unittest

from bank_world import SANITIZED, World, until

GOOD, WRONG, USAGE, TROUBLE = 0, 1, 2, 3


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(banks=1)

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    def bank(self, *arguments):
        return self.world.run("assent-bank", *arguments, check=False)

    def test_help_and_version(self):
        self.assertRegex(self.bank("--version").stdout, r"^assent-bank \d+\.\d+\.\d+\n$")
        for arguments in [["--help"], ["load", "--help"], ["serve", "--help"], ["run", "--help"],
                          ["audit", "--help"]]:
            done = self.bank(*arguments)
            self.assertEqual(done.returncode, GOOD, arguments)
            self.assertTrue(done.stdout.startswith("Usage: assent-bank"), arguments)

    def test_usage(self):
        for arguments in [[], ["rob"], ["load"], ["load", "--name", "no spaces", "x"],
                          ["load", "--name", "a", "--accounts", "0", "x"],
                          ["load", "--name", "a", "--accounts", "many", "x"], ["serve"],
                          ["serve", "--workers", "-1", "x"], ["run"], ["run", "--count", "1e9", "x"],
                          ["run", "--mix", "theft=1", "x"], ["run", "--mix", "", "x"], ["audit"],
                          ["audit", "--never"]]:
            done = self.bank(*arguments)
            self.assertEqual(done.returncode, USAGE, (arguments, done.stderr))
            self.assertNotEqual(done.stderr, "")

    def test_trouble(self):
        nowhere = self.world.dir / "nowhere"
        for arguments in [["serve", nowhere], ["audit", nowhere], ["run", "--count", 1, nowhere],
                          ["load", "--name", "bank-a", self.world.dir / "bank-a"],
                          ["load", "--name", "deep", nowhere / "deeper"]]:
            done = self.bank(*arguments)
            self.assertEqual(done.returncode, TROUBLE, (arguments, done.stderr))
            self.assertIn("assent-bank: ", done.stderr)

    def test_no_coordinator(self):
        done = self.bank("run", "--quiet", "--count", 1, "--patience", 1, self.world.dir / "bank-a")
        self.assertEqual(done.returncode, TROUBLE)
        self.assertIn("gave up after ", done.stderr)


class Stopping(unittest.TestCase):
    def setUp(self):
        self.world = World(banks=1)
        self.addCleanup(self.world.close)

    def test_while_another_has_the_ledger(self):
        def deaf():
            status = pathlib.Path(f"/proc/{bank.popen.pid}/status").read_text()
            blocked = int(re.search(r"^SigBlk:\s*(\w+)", status, re.MULTILINE).group(1), 16)
            return blocked >> (signal.SIGTERM - 1) & 1

        with open(self.world.dir / "bank-a" / "ledger" / "LOCK", "r+b") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            bank = self.world.start_bank("bank-a", ready=False)
            until("signals to wait for it", deaf)
            self.assertEqual(bank.stop(), GOOD, bank.output())


class Transfers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(banks=2, accounts=50)
        cls.world.start()

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    def transfer(self, data, *options):
        path = self.world.dir / "transfers.csv"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        done = self.world.run("assent-bank", "run", "--quiet", "--json", "--transfers", path, *options,
                              *self.world.bank_dirs(), check=False)
        report = json.loads(done.stdout) if done.stdout else None
        self.world.quiesce()
        self.world.audit()
        return done, report

    def test_empty(self):
        for data in ["", "\n", "from,to,amount\n", "\r\n\r\n"]:
            done, report = self.transfer(data)
            self.assertEqual(done.returncode, GOOD, done.stderr)
            self.assertEqual(report["transactions"], 0)

    def test_good_lines(self):
        done, report = self.transfer("from,to,amount\r\n0,1,100\r\n 2 , 3 ,\t5\n4,5,1")
        self.assertEqual(done.returncode, GOOD, done.stderr)
        self.assertEqual(report["committed"], 3)

    def test_bad_lines_are_named(self):
        bad = ["0,1", "0,1,2,3", "0,0,5", "0,100,5", "-1,2,5", "0,1,-5", "0,1,0", "a,b,c", "0,1,1.5",
               "0,1,99999999999999999999", "18446744073709551616,1,5", "0,1,5 EUR", "ä,1,5", ",,",
               "from,to,amount"]
        done, report = self.transfer("0,1,1\n" + "\n".join(bad) + "\n2,3,1\n")
        self.assertEqual(done.returncode, WRONG)
        self.assertEqual(report["bad_lines"], len(bad))
        self.assertEqual(report["committed"], 2)
        for number in range(2, 2 + len(bad)):
            self.assertIn(f"transfers.csv:{number}: ", done.stderr)

    def test_what_cannot_be_read_is_not_empty(self):
        done = self.world.run("assent-bank", "run", "--quiet", "--transfers", self.world.dir,
                              *self.world.bank_dirs(), check=False)
        self.assertEqual((done.returncode, "Is a directory" in done.stderr), (TROUBLE, True))

    def test_binary(self):
        done, report = self.transfer(b"0,1,5\n\x00\xff\x00\n" + bytes(range(256)) + b"\n2,3,5\n")
        self.assertEqual(done.returncode, WRONG)
        self.assertEqual(report["committed"], 2)
        done, report = self.transfer(b"7" * 1000000)
        self.assertEqual(report["bad_lines"], 1)

    def test_many_lines(self):
        count = 2000 if SANITIZED else 20000
        lines = "".join(f"{i % 100},{(i + 1) % 100},1\n" for i in range(count))
        done, report = self.transfer("from,to,amount\n" + lines, "--clients", 64)
        self.assertEqual(done.returncode, GOOD, done.stderr)
        self.assertEqual(report["committed"], count)

    def test_overdrawn(self):
        done, report = self.transfer("10,11,1000000000\n" * 3)
        self.assertEqual(done.returncode, GOOD, done.stderr)
        self.assertEqual(report["aborted"], 3)
        self.assertEqual(report["aborts"], {"a branch voted no": 3})


class Mixes(unittest.TestCase):
    def test_each_kind(self):
        """One bank is one phase, two are two; every transaction of SmallBank, cold and hot."""
        for banks in (1, 2):
            world = World(banks=banks, accounts=20)
            try:
                world.start()
                for kind in ("balance", "deposit-checking", "transact-savings", "amalgamate",
                             "write-check", "send-payment"):
                    world.start_client("--count", 100, "--mix", f"{kind}=1", "--hot", 50)
                    report = world.finish_clients()[0]
                    self.assertEqual(report["transactions"], 100, kind)
                    self.assertGreater(report["committed"], 0, kind)
                world.quiesce()
                world.audit()
            finally:
                world.close()

    def test_votes_in_the_journal(self):
        world = World(durable=False)
        try:
            world.start()
            world.start_client("--count", 500)
            self.assertEqual(world.finish_clients()[0]["transactions"], 500)
            world.quiesce()
            world.audit()
        finally:
            world.close()

    def test_stop(self):
        world = World()
        try:
            world.start()
            client = world.start_client("--seconds", 3600)
            until("transactions", lambda: world.in_flight())
            client.signal(signal.SIGINT)
            world.finish_clients()
            for name in ("bank-a", "bank-b", "assentd"):
                self.assertEqual(world.servers[name].stop(), 0, name)
            world.audit()  # of ledgers at rest, without their banks
        finally:
            world.close()


class Audits(unittest.TestCase):
    """An audit that could not find anything would be worth nothing."""

    def setUp(self):
        self.world = World(banks=2, accounts=20)
        self.world.start()

    def tearDown(self):
        self.world.close()

    def audit(self, *options):
        done = self.world.run("assent-bank", "audit", "--json", *options, *self.world.bank_dirs(),
                              check=False)
        return done.returncode, json.loads(done.stdout)

    def work(self, count=200):
        self.world.start_client("--count", count, "--mix", "send-payment=1")
        self.world.finish_clients()
        self.world.quiesce()

    def test_money_from_an_older_copy(self):
        self.world.servers["bank-a"].stop()
        ledger, copy = self.world.dir / "bank-a" / "ledger", self.world.dir / "copy"
        shutil.copytree(ledger, copy)
        self.world.start_bank("bank-a")
        self.work()
        self.assertEqual(self.audit()[0], GOOD)
        self.world.servers["bank-a"].stop()
        shutil.rmtree(ledger)
        shutil.move(copy, ledger)
        status, books = self.audit()
        self.assertEqual(status, WRONG)
        self.assertNotEqual(books["total"], books["loaded"])

    def test_reserved(self):
        self.world.start_client("--seconds", 3600)
        self.world.servers["bank-b"].kill()
        bank = self.world.start_bank("bank-b", env={"ASSENT_CRASH_POINT": "part_after_vote:5"},
                                     ready=False)
        until("bank-b to die in doubt", lambda: not bank.running())
        self.world.servers["assentd"].kill()
        status, books = self.audit()
        self.assertEqual(status, WRONG)
        self.assertGreater(books["prepared"], 0)
        for client in self.world.clients:
            client.kill()
        self.world.clients = []
        self.world.heal()
        self.world.quiesce()
        self.world.audit()

    def test_broken_promise(self):
        self.work()
        told = self.world.dir / "told-0"
        self.assertEqual(self.audit("--journal", told)[0], GOOD)
        lines = told.read_text().splitlines()
        at = next(i for i, line in enumerate(lines) if " committed " in line)
        lines[at] = lines[at].replace(" committed ", " aborted ")
        told.write_text("\n".join(lines) + "\n")
        status, books = self.audit("--journal", told)
        self.assertEqual(status, WRONG)
        self.assertEqual(books["broken"], 2)  # both branches


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=[sys.argv[0]] + sys.argv[1:])
