#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent, the operator's command, with real participants that are killed while in doubt."""

import os
import select
import signal
import subprocess
import unittest

from cli_harness import CliTest, clean_environment
from daemon_harness import BIN, PATIENCE_S, wait_until

BANK = str(BIN / "assent-bank")


class RealBanks(CliTest):
    def bank(self, name, daemon, **env):
        """A bank at work."""
        command = [BANK, "serve", str(self.directory / name)]
        bank = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env=self.environment(daemon, **env))
        self.addCleanup(bank.stdout.close)
        self.addCleanup(bank.wait)
        self.addCleanup(bank.kill)
        readable, _, _ = select.select([bank.stdout], [], [], PATIENCE_S)
        self.assertTrue(readable and b"ready" in os.read(bank.stdout.fileno(), 4096))
        return bank

    @staticmethod
    def environment(daemon, **env):
        return clean_environment(ASSENT_ENDPOINT=f"ipc://{daemon.socket}", **env)

    def load(self):
        for name in ("a", "b"):
            subprocess.run([BANK, "load", "--name", f"bank-{name}", "--accounts", "10",
                            str(self.directory / name)], check=True, timeout=PATIENCE_S,
                           stdout=subprocess.DEVNULL)

    def transfer(self, daemon):
        """One payment from an account of bank-a to one of bank-b."""
        file = self.directory / "transfers.csv"
        file.write_text("0,1,500\n")
        return subprocess.run([BANK, "run", "--quiet", "--transfers", str(file),
                               str(self.directory / "a"), str(self.directory / "b")],
                              env=self.environment(daemon), stdout=subprocess.DEVNULL,
                              timeout=PATIENCE_S, check=False).returncode

    def killed_in_doubt(self, daemon):
        """A payment is committed, and bank-b dies when it is told so."""
        self.load()
        self.bank("a", daemon)
        b = self.bank("b", daemon, ASSENT_CRASH_POINT="part_before_commit")
        self.assertEqual(self.transfer(daemon), 0)
        self.assertEqual(b.wait(PATIENCE_S), -signal.SIGKILL)
        rows = wait_until(lambda: self.json(daemon, "list", "--in-doubt")["transactions"],
                          "a transaction in doubt")
        self.assertEqual(len(rows), 1)
        wait_until(lambda: self.row(daemon, rows[0]["gtid"])["waiting_for"] == ["bank-b"],
                   "bank-a to acknowledge")
        return rows[0]["gtid"]

    def audit(self):
        return subprocess.run([BANK, "audit", str(self.directory / "a"),
                               str(self.directory / "b")], timeout=PATIENCE_S, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def stop(self, *banks):
        for bank in banks:
            bank.terminate()
            self.assertEqual(bank.wait(PATIENCE_S), 0)

    def test_it_ends_by_itself(self):
        daemon = self.start()
        gtid = self.killed_in_doubt(daemon)
        story = self.json(daemon, "explain", gtid)
        missing = [fact for fact in story["facts"] if fact["code"] == "acknowledgement_missing"]
        self.assertEqual([fact["participant"] for fact in missing], ["bank-b"])
        daemon.kill()  # the coordinator, too: what is in doubt survives that
        daemon = self.start()
        self.wait_row(daemon, gtid, "--in-doubt", state="committing")
        self.bank("b", daemon)
        row = self.wait_row(daemon, gtid, "--finished")
        self.assertEqual((row["outcome"], row["mixed"]), ("committed", False))

    def test_a_heuristic_does_what_it_says(self):
        """The money leaves one bank and does not arrive at the other: recorded, and found."""
        daemon = self.start()
        gtid = self.killed_in_doubt(daemon)
        self.assent(daemon, "abort", gtid, "--reason", "test", "--yes")
        self.bank("b", daemon)
        row = self.wait_row(daemon, gtid, "--state", "mixed", state="ended")
        self.assertEqual((row["outcome"], row["mixed"]), ("committed", True))
        branches = self.json(daemon, "show", gtid)["transaction"]["branches"]
        self.assertEqual({b["participant"]: b["outcome"] for b in branches},
                         {"bank-a": "committed", "bank-b": "aborted"})

    def test_journals_can_be_checked(self):
        daemon = self.start()
        self.load()
        banks = [self.bank("a", daemon), self.bank("b", daemon)]
        self.assertEqual(self.transfer(daemon), 0)
        wait_until(lambda: not self.json(daemon, "list")["transactions"], "the end")
        self.stop(*banks)
        self.assertEqual(self.audit().returncode, 0, self.audit().stdout)
        for name in ("a", "b"):
            journal = self.directory / name / "journal"
            found = self.json(None, "log", "verify", str(journal))
            self.assertTrue(found["ok"])
            self.assent(None, "log", "dump", str(journal))


if __name__ == "__main__":
    unittest.main()
