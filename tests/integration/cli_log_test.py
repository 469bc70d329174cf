#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent log: verification and contents of a log whose coordinator is down."""

import json
import unittest

from cli_harness import DAMAGED, FAILED, NOT_FOUND, Bank, CliTest


class Log(CliTest):
    def stopped(self):
        daemon = self.start_quiet()
        bank = Bank(self, daemon)
        bank.commit("t-1")
        bank.stick("t-2")
        self.wait_row(daemon, "t-1", "--finished")
        return daemon

    def test_sound(self):
        daemon = self.stopped()
        self.assertEqual(self.assent(None, "log", "verify", str(daemon.data), code=FAILED).out, "")
        identity = self.json(daemon, "status")["coordinator"]
        daemon.stop()
        before = sorted((path.name, path.stat().st_mtime_ns, path.stat().st_size)
                        for path in daemon.data.rglob("*") if path.name != "lock")
        found = self.json(None, "log", "verify", str(daemon.data))
        self.assertEqual((found["ok"], found["findings"]), (True, []))
        self.assertEqual((found["log"]["id"], found["log"]["keys"], found["log"]["open"]),
                         (identity, 2, 1))
        self.assertIn("sound", self.assent(None, "log", "verify", str(daemon.data)).out)
        rows = [json.loads(line)
                for line in self.assent(None, "log", "dump", str(daemon.data), "-j").lines()]
        standing = {row["key"]: row["transaction"] for row in rows
                    if row.get("key") and row["stands"]}
        self.assertEqual({key: row["stage"] for key, row in standing.items()},
                         {"t-1": "ended", "t-2": "decided"})
        self.assertEqual([b["outcome"] for b in standing["t-1"]["branches"]],
                         ["committed", "committed"])
        text = self.assent(None, "log", "dump", str(daemon.data), "t-2").out
        self.assertRegex(text, r"^ +\d+  \S+:\d+  t-2  decided, committed, 2 branches, open\n$")
        none = self.assent(None, "log", "dump", str(daemon.data), "t-3", code=NOT_FOUND)
        self.assertEqual((none.out, "t-3: the log has no record of it" in none.err), ("", True))
        after = sorted((path.name, path.stat().st_mtime_ns, path.stat().st_size)
                       for path in daemon.data.rglob("*") if path.name != "lock")
        self.assertEqual(before, after)  # read-only
        self.start_quiet()

    def test_damaged(self):
        daemon = self.stopped()
        daemon.stop()
        for path in (daemon.data / "db").glob("*.log"):
            content = bytearray(path.read_bytes())
            if len(content) > 100:
                content[len(content) // 2] ^= 1
                path.write_bytes(content)
        found = self.json(None, "log", "verify", str(daemon.data), code=DAMAGED)
        self.assertFalse(found["ok"])
        self.assertTrue(found["error"]["message"])
        result = self.assent(None, "log", "verify", str(daemon.data), code=DAMAGED)
        self.assertIn("DAMAGED", result.out)
        self.assertRegex(result.out + result.err, r"\.log")
        self.assent(None, "log", "dump", str(daemon.data), code=DAMAGED)

    def test_no_log(self):
        for path in (self.directory / "nothing", self.directory, "/dev/null"):
            for verb in ("verify", "dump"):
                result = self.assent(None, "log", verb, str(path), code=FAILED)
                self.assertTrue(result.err.startswith("assent: "), result)
        self.assertEqual([path.name for path in self.directory.iterdir()], [])


if __name__ == "__main__":
    unittest.main()
