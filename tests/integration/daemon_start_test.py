#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What assentd, and a bank that serves, say to whoever starts them."""

import os
import signal
import subprocess
import unittest

from daemon_harness import (BIN, EXIT_CLEAN, EXIT_ENVIRONMENT, EXIT_USAGE, PATIENCE_S, DaemonTest,
                            wait_until)

ASSENT, BANK = str(BIN / "assent"), str(BIN / "assent-bank")


class Start(DaemonTest):
    def keygen(self, path, *args):
        subprocess.run([ASSENT, "keygen", str(path), *args], check=True, timeout=PATIENCE_S,
                       stdout=subprocess.DEVNULL)

    def test_a_torn_end_that_was_cut_off_is_said(self):
        first = self.start()
        first.process.send_signal(signal.SIGKILL)
        first.wait()
        self.assertEqual(first.log("log_end_cut"), [])
        log = max((first.data / "db").glob("*.log"))
        size = log.stat().st_size
        with open(log, "ab") as file:
            file.write(bytes(5000))
        (event,) = self.start().log("log_end_cut")
        self.assertIn(f"{log.name}: cut at byte {size} of {size + 5000}", event["what"])

    def test_a_directory_that_others_may_write_to_is_refused(self):
        data = self.directory / "data"
        data.mkdir()
        data.chmod(0o777)
        (event,) = self.refused(EXIT_ENVIRONMENT).log("not_started")
        self.assertIn("other users may write to it", event["reason"])
        self.assertEqual(os.listdir(data), [])
        data.chmod(0o755)
        self.start()

    def test_check_reads_the_authorized_certificates(self):
        authorized = self.directory / "authorized"
        authorized.mkdir()
        self.keygen(self.directory / "coordinator")
        self.keygen(self.directory / "shop", "--role", "client")
        (authorized / "shop").write_bytes((self.directory / "shop").read_bytes())
        args = ["--check", f"--data-dir={self.directory}/data", "--listen=tcp://127.0.0.1:*",
                f"--security-certificate={self.directory}/coordinator_secret",
                f"--security-authorized-dir={authorized}"]
        self.assertEqual(self.run_once(*args).returncode, EXIT_CLEAN)
        (authorized / "junk").write_text("junk\n")
        run = self.run_once(*args)
        self.assertEqual((run.returncode, run.stdout), (EXIT_USAGE, ""))
        self.assertIn(f"{authorized}/junk", run.stderr)

    def test_a_bank_says_what_it_waits_for(self):
        ledger = self.directory / "bank"
        subprocess.run([BANK, "load", "--name", "bank", "--accounts", "2", str(ledger)],
                       check=True, timeout=PATIENCE_S, stdout=subprocess.DEVNULL)
        nobody = f"ipc://{self.directory}/nobody"
        said = self.directory / "said"
        with open(said, "wb") as file:
            bank = subprocess.Popen([BANK, "serve", "--endpoint", nobody, str(ledger)],
                                    stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        self.addCleanup(bank.wait)
        self.addCleanup(bank.kill)
        wait_until(lambda: f"waiting: no coordinator welcomed bank at {nobody}" in said.read_text(),
                   "the reason")
        run = subprocess.run([BANK, "run", "--endpoint", nobody, "--count", "1", "--patience", "1",
                              "--quiet", str(ledger)], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(run.returncode, 3)
        self.assertIn(f"gave up after 1 s: no coordinator answers at {nobody}",
                      run.stderr)


if __name__ == "__main__":
    unittest.main()
