#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assentd is started with its n-th allocation, and then its n-th call to the system, failing, for
every n until a start goes through untouched. Each time it starts all the same, or ends with a
message; and the next start finds everything that was there."""

import os
import select
import shutil
import signal
import subprocess
import sys
import unittest

from daemon_harness import ABORTED, BIN, EXIT_CLEAN, PARTICIPANT, PATIENCE_S, DaemonTest, \
    record_abort, status

PRELOAD = sys.argv.pop()
ASSENT = str(BIN / "assent")
CALLS_MAX = 20000


class FailingCalls(DaemonTest):
    def setUp(self):
        super().setUp()
        daemon = self.start()
        self.peer(daemon, PARTICIPANT, "bank")
        record_abort(self.peer(daemon), "order-1")
        self.assertEqual(daemon.stop(), EXIT_CLEAN)
        self.pristine = self.directory / "pristine"  # every start leaves a record: each begins anew
        shutil.copytree(daemon.data, self.pristine)

    def try_call(self, kind, call):
        """Whether the call was reached. The daemon must have ended well, or with a message."""
        report = self.directory / "report"
        report.unlink(missing_ok=True)
        shutil.rmtree(self.directory / "data")
        shutil.copytree(self.pristine, self.directory / "data")
        daemon = self.daemon(env={"LD_PRELOAD": PRELOAD, "FAIL_KIND": kind, "FAIL_CALL": str(call),
                                  "FAIL_REPORT": str(report)})
        os.set_blocking(daemon.ready_fd, False)
        ready, _, _ = select.select([daemon.ready_fd], [], [], PATIENCE_S)
        self.assertTrue(ready, f"{kind} {call}: neither ready nor ended: {daemon.stderr()}")
        started = bool(os.read(daemon.ready_fd, 1))
        if started:
            daemon.signal(signal.SIGTERM)
        try:
            code = daemon.wait()
        except AssertionError as error:
            raise AssertionError(f"{kind} {call}, {report.read_text()}: {error}") from None
        said = daemon.stderr()
        daemon.stderr_path.unlink()
        if started and code == EXIT_CLEAN:
            return report.exists()
        self.assertTrue(report.exists(), f"{kind} {call}: ended with {code}: {said}")
        self.assertNotEqual(code, EXIT_CLEAN, f"{kind} {call}")
        # Where memory fails, libraries below us abort, or die: a crash like any other.
        if code > 0 or kind == "io":
            self.assertTrue(said.strip(), f"{kind} {call}: ended with {code}, and said nothing")
        return True

    def check_log(self, what):
        run = subprocess.run([ASSENT, "log", "verify", str(self.directory / "data")],
                             capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(run.returncode, 0, f"after {what}: {run.stdout}{run.stderr}")

    def sweep(self, kind):
        call = 1
        while self.try_call(kind, call):
            self.check_log(f"{kind} {call}")
            call += 1
            self.assertLess(call, CALLS_MAX)
        daemon = self.start()
        client = self.peer(daemon)
        client.send(status("order-1"))
        client.expect("RESULT", gtid="order-1", outcome=ABORTED)
        print(f"{kind}: {call} starts", file=sys.stderr)

    def test_every_call_to_the_system(self):
        self.sweep("io")

    def test_allocations(self):
        self.sweep("memory")


if __name__ == "__main__":
    unittest.main()
