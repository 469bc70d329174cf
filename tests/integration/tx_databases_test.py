#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Applications of the TX interface with real databases: they commit in both or in none, whatever is
killed, and whoever is frozen while he holds a branch."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

from tx_databases_world import PATIENCE_S, TxWorld, available, until

SOURCE = pathlib.Path(os.environ.get("ASSENT_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
PAGE = SOURCE / "docs" / "tx.md"
SANITIZED = bool(os.environ.get("ASSENT_SANITIZE"))
TIMEOUT_S = 2  # of transactions: what an application leaves behind undecided ends then

# What an application that dies there leaves: transfers that are committed all the same.
POINTS = {"tx_after_begin": 0, "tx_after_end": 0, "tx_after_enlist": 0,
          "tx_after_prepare": 0, "tx_after_prepare:2": 0, "client_before_submit": 0,
          "tx_after_decision": 1, "tx_after_commit": 1, "tx_after_commit:2": 1}


class TxTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = TxWorld("--timeouts-retry-max-ms=500")
        cls.addClassCleanup(cls.world.close)
        cls.world.start()

    def setUp(self):
        self.world.servers["assentd"].signal(signal.SIGCONT)
        self.before = self.world.audit()

    def ended(self, process):
        """How it ended, and the lines that it has written."""
        code = process.popen.wait(timeout=PATIENCE_S)
        return code, process.output().replace(":", "").splitlines()

    def assert_dies(self, process):
        code, lines = self.ended(process)
        self.assertEqual(code, -signal.SIGKILL, lines)

    def await_stop(self, process):
        def stopped():
            with open(f"/proc/{process.popen.pid}/stat", encoding="ascii") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] == "T"
        until(f"{process.name} to stop", stopped)

    def assert_moved(self, count):
        self.assertEqual(self.world.audit() - self.before, count)

    def test_money_moves(self):
        code, lines = self.ended(self.world.transfer(1, 2, 10, 20))
        self.assertEqual(code, 0, lines)
        self.assertEqual([line.split()[1] for line in lines], ["TX_OK"] * 20)
        self.assert_moved(20)
        shown = self.world.run("assent", "show", "--json", lines[-1].split()[0]).stdout
        self.assertIn("committed", shown)

    def test_or_does_not(self):
        code, lines = self.ended(self.world.transfer(1, 2, 10 ** 6))
        self.assertEqual((code, lines[-1].split()[1]), (1, "TX_ROLLBACK"), lines)
        code, lines = self.ended(self.world.transfer(1, 10 ** 6, 1))
        self.assertEqual((code, lines[-1].split()[1]), (1, "TX_ROLLBACK"), lines)
        self.assert_moved(0)

    def test_killed_at_each_step(self):
        """All of them leave the world as it is, and then it is audited."""
        for number, point in enumerate(POINTS):
            process = self.world.transfer(3 + number, 3 + number, 10, 1, TIMEOUT_S, point=point,
                                          name=f"killed-{number}")
            self.assert_dies(process)
        self.assert_moved(sum(POINTS.values()))

    def test_killed_while_it_rolls_back(self):
        self.assert_dies(self.world.transfer(1, 10 ** 6, 1, 1, TIMEOUT_S,
                                             point="tx_after_rollback"))
        self.assert_moved(0)

    def test_frozen_between_its_commits(self):
        """PostgreSQL has committed, MariaDB's branch is prepared and bound to the connection of an
        application that is stopped. The coordinator dies and comes back; neither it nor the
        participant can do anything about the branch, nor do they take it for done. Then the
        application goes on."""
        world = self.world
        frozen = world.transfer(1, 1, 10, point="tx_after_commit:1:stop", name="frozen")
        self.await_stop(frozen)
        try:
            self.assertEqual(len(world.mariadb.prepared()), 1)
            self.assertEqual(len(world.moved()[0]) - self.before, 1)
            self.assertEqual(len(world.moved()[1]) - self.before, 0)
            world.servers["assentd"].kill()
            world.start_coordinator()
            world.servers["maria"].kill()
            world.start_rm("maria")
            # It has been asked to commit, and goes on being so.
            gtid = max(set(world.moved()[0]) - set(world.moved()[1]))
            until("the coordinator to ask again", lambda: self.branch(gtid)["tries"] >= 2)
            self.assertEqual(self.branch(gtid)["state"], "committing")
            self.assertEqual(len(world.mariadb.prepared()), 1)
            self.assertFalse(world.settled())
        finally:
            frozen.signal(signal.SIGCONT)
        code, lines = self.ended(frozen)
        self.assertEqual((code, lines[-1].split()[1]), (0, "TX_OK"), lines)
        self.assert_moved(1)

    def branch(self, gtid):
        """MariaDB's, as the coordinator sees it."""
        done = self.world.run("assent", "show", "--json", gtid, check=False)
        if done.returncode:
            return {"tries": 0}
        return json.loads(done.stdout)["transaction"]["branches"][1]

    def test_frozen_and_killed(self):
        """As before, but it never goes on: its connections end with it, and the participant does the
        rest."""
        frozen = self.world.transfer(1, 1, 10, point="tx_after_commit:1:stop", name="frozen-2")
        self.await_stop(frozen)
        frozen.kill()
        self.assert_moved(1)

    def test_frozen_before_the_decision(self):
        """Both branches are prepared, nothing is submitted, and its time is up: rolled back, but by
        whom? MariaDB's branch by the application itself, once it goes on; which is told so."""
        frozen = self.world.transfer(1, 1, 10, 1, TIMEOUT_S, point="client_before_submit:1:stop",
                                     name="frozen-3")
        self.await_stop(frozen)
        until("PostgreSQL's branch to be rolled back", lambda: not self.world.postgres.prepared())
        self.assertEqual(len(self.world.mariadb.prepared()), 1)
        frozen.signal(signal.SIGCONT)
        code, lines = self.ended(frozen)
        self.assertEqual((code, lines[-1].split()[1]), (1, "TX_ROLLBACK"), lines)
        self.assert_moved(0)

    def unknown(self, point, moved):
        """The coordinator dies at that point of the decision. The application claims nothing and lets
        go of its branches; what stands in the log is what the participants do in the end."""
        world = self.world
        world.servers["assentd"].kill()
        world.start_coordinator({"ASSENT_CRASH_POINT": point})
        for name in world.where:
            world.servers[name].kill()
            world.start_rm(name)
        env = {"ASSENT_TX_CONFIG": str(world.write_config(
            "hasty.conf", ["pg", "maria"],
            "answer-timeout-ms = 300\noutcome-timeout-ms = 300\n"))}
        code, lines = self.ended(world.transfer(1, 1, 10, 1, 1, name=point, env=env))
        self.assertEqual((code, lines[-1].split()[1]), (3, "TX_FAIL"), lines)
        self.assertIn("it is not known whether", lines[-1])
        self.assertEqual(len(world.prepared()), 2)
        world.servers["assentd"].popen.wait(timeout=PATIENCE_S)
        world.start_coordinator()
        self.assert_moved(moved)

    def test_decided_and_nobody_knows(self):
        self.unknown("coord_after_log", 1)

    def test_not_decided_and_nobody_knows(self):
        self.unknown("coord_before_log", 0)

    @unittest.skipIf(SANITIZED, "it compiles programs of its own")
    def test_the_page(self):
        """docs/tx.md: its program, its configuration, and what it prints."""
        page = PAGE.read_text(encoding="utf-8")
        program = re.search(r"```c\n(.*?)```", page, re.S)[1]
        config = re.search(r"```\n(outcome-timeout-ms.*?)```", page, re.S)[1]
        printed = re.search(r"it prints:\n\n```\n(.*?)```", page, re.S)[1]
        where = iter(self.world.where.values())
        config = re.sub(r'open = "[^"]*"', lambda _: f'open = "{next(where)}"', config)
        path = self.world.dir / "page.conf"
        path.write_text(config)
        self.assert_runs(program, path, printed, (-10, 10))
        # One that only reads in PostgreSQL has one branch left, which is bound to its connection in
        # MariaDB while its outcome is asked for.
        reading = re.sub(r'"UPDATE [^"]*- 10 WHERE id = 1"', '"SELECT 1"', program)
        reading = reading.replace("PGRES_COMMAND_OK", "PGRES_TUPLES_OK")
        self.assert_runs(reading, path, printed, (0, 10))
        self.world.postgres.sql("UPDATE account SET balance = balance + 10 WHERE id = 1")
        self.world.mariadb.sql("UPDATE account SET balance = balance - 20 WHERE id = 2")

    def assert_runs(self, program, config, printed, change):
        before = self.balances()
        done = subprocess.run([self.compiled(program)], capture_output=True, text=True, check=False,
                              timeout=PATIENCE_S,
                              env={**self.world.env, "ASSENT_TX_CONFIG": str(config)})
        self.assertEqual((done.returncode, done.stdout.strip()), (0, printed.strip()), done.stderr)
        until("everything to end", self.world.settled)
        self.assertEqual(self.balances(), (before[0] + change[0], before[1] + change[1]))

    def balances(self):
        text = "SELECT balance FROM account WHERE id = "
        return (int(self.world.postgres.sql(text + "1")[0]),
                int(self.world.mariadb.value(text + "2")))

    def compiled(self, text):
        source, program = self.world.dir / "page.c", self.world.dir / "page"
        source.write_text(text)
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libpq", "libmariadb"],
                               check=True, capture_output=True, text=True).stdout.split()
        include, lib = PAGE.parents[1] / "common/include", self.world.bin.parent / "lib"
        subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra", "-Werror",
                        "-o", program, source, f"-I{include}", f"-I{include}/assent/xopen",
                        f"-L{lib}", "-lassent-tx", "-lassent-postgres", "-lassent-mariadb",
                        f"-Wl,-rpath-link,{lib}", *flags], check=True)
        return program


if __name__ == "__main__":
    if not available():
        sys.exit(77)
    unittest.main()
