#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Applications of the TX interface with real databases: they commit in both or in none, whatever is
killed, and whoever is frozen while he holds a branch."""

import json
import signal
import sys
import unittest

from tx_databases_world import PATIENCE_S, TxWorld, available, until

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


if __name__ == "__main__":
    if not available():
        sys.exit(77)
    unittest.main()
