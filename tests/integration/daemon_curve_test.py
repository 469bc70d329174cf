#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assentd with certificates: who may connect, what each may do, and grants that are taken away
while their holders are connected. The other programs of the project are the peers."""

import json
import os
import pathlib
import signal
import subprocess
import unittest

from daemon_harness import (BIN, EXIT_CLEAN, EXIT_REFUSED, EXIT_USAGE, PATIENCE_S, DaemonTest,
                            wait_until)

ASSENT, BANK = str(BIN / "assent"), str(BIN / "assent-bank")
EXIT_NO_ANSWER, EXIT_NOT_ALLOWED = 2, 4


class Curve(DaemonTest):
    def setUp(self):
        super().setUp()
        self.keys = self.directory / "keys"
        self.authorized = self.directory / "authorized"
        self.keys.mkdir()
        self.authorized.mkdir()
        self.keygen("coordinator")
        self.run_here([ASSENT, "keygen", str(self.keys / "stranger"), "--role", "operator,client"])

    def run_here(self, command, code=EXIT_CLEAN):
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=PATIENCE_S, check=False)
        self.assertEqual(run.returncode, code, f"{command}: {run.stdout}{run.stderr}")
        return run.stdout + run.stderr

    def keygen(self, name, *args):
        self.run_here([ASSENT, "keygen", str(self.keys / name), *args])
        if args:
            (self.authorized / name).write_bytes((self.keys / name).read_bytes())

    def secure(self, *args):
        daemon = self.start(f"--security-certificate={self.keys}/coordinator_secret",
                            f"--security-authorized-dir={self.authorized}",
                            "--listen", "tcp://127.0.0.1:*", *args)
        self.endpoint = daemon.log("listening")[0]["endpoint"]
        return daemon

    def as_(self, name):
        return ["--endpoint", self.endpoint, "--certificate", str(self.keys / f"{name}_secret"),
                "--server-certificate", str(self.keys / "coordinator")]

    def status(self, name, code=EXIT_CLEAN):
        return self.run_here([ASSENT, "status", "--json", "--timeout", "20s", *self.as_(name)],
                             code)

    def bank(self, directory, *args):
        with open(self.directory / "bank.log", "ab") as log:
            process = subprocess.Popen([BANK, "serve", *args, str(directory)], stdout=log,
                                       stderr=log, stdin=subprocess.DEVNULL)

        def end():
            process.kill()
            process.wait()
        self.addCleanup(end)
        return process

    def reload(self, daemon):
        before = len(daemon.log("reloaded"))
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: len(daemon.log("reloaded")) > before, "the reload")

    def test_who_may_do_what(self):
        self.keygen("operator", "--role", "operator")
        self.keygen("shop", "--role", "client")
        daemon = self.secure()
        self.assertIn("incarnation", self.status("operator"))
        self.status("shop", EXIT_NOT_ALLOWED)
        self.assertTrue(daemon.wait_log("denied", principal="shop", message="HELLO"))
        self.run_here([ASSENT, "status", "--timeout", "2s", *self.as_("stranger")], EXIT_NO_ANSWER)
        self.assertEqual(daemon.stop(), EXIT_CLEAN)

    def test_a_grant_is_taken_away(self):
        self.keygen("operator", "--role", "operator")
        self.keygen("late", "--role", "operator")
        late = self.authorized / "late"
        late.rename(self.keys / "late.kept")
        daemon = self.secure()
        self.status("operator")
        (self.keys / "late.kept").rename(late)
        (self.authorized / "operator").unlink()
        self.reload(daemon)
        self.status("late")
        self.run_here([ASSENT, "status", "--timeout", "2s", *self.as_("operator")], EXIT_NO_ANSWER)

    def test_a_participant_speaks_for_its_own_only(self):
        self.keygen("operator", "--role", "operator")
        self.keygen("bank-a", "--role", "participant", "--resources", "bank-a")
        self.keygen("teller", "--role", "client")
        for name in ("bank-a", "bank-b"):
            self.run_here([BANK, "load", "--name", name, "--accounts", "10",
                           str(self.directory / name)])
        daemon = self.secure()
        self.bank(self.directory / "bank-b", *self.as_("bank-a"))  # claims to be another
        self.assertTrue(daemon.wait_log("denied", principal="bank-a", message="HELLO"))
        self.bank(self.directory / "bank-a", *self.as_("bank-a"))
        daemon.wait_log("connected", name="bank-a", principal="bank-a")
        self.assertEqual([line for line in daemon.log("connected") if line["name"] == "bank-b"], [])
        report = self.run_here([BANK, "run", "--count", "20", "--json", "--quiet",
                                *self.as_("teller"), str(self.directory / "bank-a")])
        self.assertEqual(json.loads(report)["committed"] + json.loads(report)["aborted"], 20)
        # Taken away while it is connected: it is gone at once, and may not come again.
        (self.authorized / "bank-a").unlink()
        self.reload(daemon)
        daemon.wait_log("disconnected", name="bank-a")
        participants = json.loads(self.run_here([ASSENT, "participants", "--json",
                                                 *self.as_("operator")]))
        self.assertNotIn('"connected": true', json.dumps(participants))

    def test_a_participants_journal_is_no_log(self):
        self.keygen("bank-a", "--role", "participant", "--resources", "bank-a")
        ledger = self.directory / "bank-a"
        self.run_here([BANK, "load", "--name", "bank-a", "--accounts", "10", str(ledger)])
        daemon = self.secure()
        self.keygen("teller", "--role", "client")
        self.reload(daemon)
        bank = self.bank(ledger, "--journal-votes", *self.as_("bank-a"))
        daemon.wait_log("connected", name="bank-a")
        self.run_here([BANK, "run", "--count", "20", "--quiet", *self.as_("teller"), str(ledger)])
        bank.terminate()
        self.assertEqual(bank.wait(PATIENCE_S), EXIT_CLEAN)
        journal = next(ledger.rglob("head")).parent  # the directory with a witness in it
        other = self.refused(EXIT_REFUSED, "--set", f"data-dir={journal}")
        self.assertIn("participant's journal", other.log("not_started")[0]["reason"])

    def test_what_cannot_start(self):
        self.refused(EXIT_USAGE, "--security-certificate=/nonexistent",
                     f"--security-authorized-dir={self.authorized}", "--listen",
                     "tcp://127.0.0.1:*")
        secret = self.keys / "coordinator_secret"
        secret.chmod(0o644)
        daemon = self.refused(EXIT_USAGE, f"--security-certificate={secret}",
                              f"--security-authorized-dir={self.authorized}", "--listen",
                              "tcp://127.0.0.1:*")
        self.assertIn(str(secret), daemon.stderr())
        self.refused(EXIT_USAGE, "--listen", "tcp://127.0.0.1:*")


if __name__ == "__main__":
    assert pathlib.Path(ASSENT).exists() and os.access(BANK, os.X_OK)
    unittest.main()
