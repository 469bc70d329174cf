#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent-bench: every scenario, for a moment each, and what it prints. How fast anything was is not
looked at.

usage: bench_test.py [unittest options]
"""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from daemon_harness import PATIENCE_S

BIN = pathlib.Path(os.environ["ASSENT_BIN_DIR"])
SHORT = ("--seconds", "0.2")
COSTS = ("cpu_us_per_tx", "switches_per_tx", "written_bytes_per_tx")
COUNTS = ("messages_per_tx", "frames_per_tx", "syncs_per_tx", "records_per_tx", "log_bytes_per_tx")


class BenchTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.env = {**os.environ, "TMPDIR": self.directory.name}

    def tearDown(self):
        self.assertEqual(os.listdir(self.directory.name), [], "something is left behind")

    def run_bench(self, *arguments):
        return subprocess.run([BIN / "assent-bench", *arguments], env=self.env, text=True,
                              capture_output=True, check=False, timeout=4 * PATIENCE_S)

    def bench(self, *arguments):
        done = self.run_bench("--json", *SHORT, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def scenario(self, name, *arguments):
        said = self.bench("--scenario", name, *arguments)
        self.assertEqual((said["schema"], said["scenario"]), (1, name))
        return said

    def check(self, run, wished="committed"):
        """What every measurement has; each wished outcome took time, and cost something."""
        self.assertGreater(run[wished], 0, run)
        self.assertEqual(run["failed"], 0)
        self.assertAlmostEqual(run["tx_per_s"], run[wished] / run["seconds"], delta=0.01)
        self.assertLessEqual(run["p50_us"], run["p99_us"])
        self.assertLessEqual(run["p99_us"], run["p999_us"])
        for who in ("client", "coordinator", "participants"):
            for cost in COSTS:
                self.assertGreaterEqual(run[who][cost], 0)
            self.assertGreater(run[who]["cpu_us_per_tx"], 0)
        for count in COUNTS:  # where nothing is changed there are no records
            self.assertGreaterEqual(run["coordinator"][count], 0)
        self.assertGreater(run["coordinator"]["messages_per_tx"], 0)


class Saturated(BenchTest):
    def test_the_floor_and_what_is_reached(self):
        said = self.bench("--in-flight", "64")
        for run in ("loaded", "alone", "loaded_tcp", "alone_tcp"):
            self.check(said[run])
        self.assertEqual((said["loaded"]["in_flight"], said["alone"]["in_flight"]), (64, 1))
        self.assertEqual(said["tx_per_s"], said["loaded"]["tx_per_s"])
        self.assertEqual(said["p50_us"], said["alone"]["p50_us"])
        floor = said["floor"]
        ideal = 1 / (5 / floor["zmq_roundtrips_per_s"] + 6 / floor["log_records_per_s"])
        self.assertAlmostEqual(said["ideal_tx_per_s"] / ideal, 1, places=4)
        self.assertAlmostEqual(said["share_of_ideal"], said["tx_per_s"] / said["ideal_tx_per_s"],
                               places=4)
        self.assertAlmostEqual(said["serial_floor_us"], 2 * floor["serial_roundtrip_us"] +
                               2 * floor["serial_sync_us"], places=3)
        # Alone a transaction's decision has a sync for itself, and is ten messages: request and
        # answer, two calls with their votes, two commits and what became of them.
        self.assertAlmostEqual(said["alone"]["coordinator"]["messages_per_tx"], 10, delta=0.5)
        self.assertGreater(said["alone"]["coordinator"]["syncs_per_tx"], 0.9)

    def test_as_text(self):
        done = self.run_bench(*SHORT, "--tcp")
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("tx/s", "closed loop", "one alone", "round trips/s", "ideal", "serial"):
            self.assertIn(word, done.stdout)
        self.assertIn("assent-bench: the floor", done.stderr)  # progress


class Scenarios(BenchTest):
    def test_runs(self):
        for name, field, values in (("in-flight", "in_flight", [1, 16, 256, 1024, 4096]),
                                    ("branches", "branches", [1, 2, 4, 8]),
                                    ("payload", "payload_bytes", [100, 1024, 10240]),
                                    ("protocols", "protocol",
                                     ["2pc", "3pc", "tcc", "saga", "message"]),
                                    ("clients", "clients", [1, 600])):
            with self.subTest(name):
                runs = self.scenario(name, "--clients", "600" if name == "clients" else "1")["runs"]
                self.assertEqual([run[field] for run in runs], values)
                for run in runs:
                    self.check(run)

    def test_kinds(self):
        runs = self.scenario("kinds", "--in-flight", "64")["runs"]
        for run in runs:
            self.check(run, "aborted" if run["label"] == "aborted" else "committed")
        self.assertEqual(runs[-1]["committed"], 0)

    def test_open_loop(self):
        runs = self.scenario("open", "--in-flight", "64")["runs"]
        self.assertEqual([run["rate"] > 0 for run in runs], [False, *5 * [True]])
        self.assertAlmostEqual(runs[1]["rate"], 0.1 * runs[0]["tx_per_s"], delta=1)
        self.check(runs[1])

    def test_a_slow_neighbour(self):
        said = self.scenario("slow", "--in-flight", "64")
        self.check(said["runs"][1])
        self.assertGreater(said["slow_tx_per_s"], 0)

    def test_memory(self):
        said = self.scenario("memory", "--transactions", "2000")
        self.assertEqual(said["transactions"], 2000)
        self.assertGreater(said["bytes_per_tx"], 0)
        done = self.run_bench("--scenario", "memory", "--transactions", "3000000")
        self.assertEqual(done.returncode, 2)

    def test_a_long_log(self):
        """What it wrote is read, and finished: it was a log as the coordinator writes it."""
        said = self.scenario("log", "--transactions", "3000", "--in-flight", "64")
        self.assertEqual(said["transactions"], 3000)
        self.check(said["loaded"])

    def test_idle(self):
        said = self.scenario("idle")
        self.assertGreater(said["resident_bytes"], 1 << 20)
        self.assertGreaterEqual(said["cpu_percent"], 0)

    def test_overload(self):
        said = self.scenario("overload", "--seconds", "1")
        self.assertGreater(said["goodput_per_s"], 0)
        self.assertGreater(said["refused"], 0)
        self.assertEqual(said["failed"], 0)
        self.assertGreaterEqual(said["resident_peak"], said["resident_first_third"])


class Command(BenchTest):
    def test_usage(self):
        listed = self.run_bench("--list")
        self.assertEqual((listed.returncode, len(listed.stdout.splitlines())), (0, 12))
        for arguments in (["--scenario", "x"], ["--in-flight", "0"], ["--protocol", "4pc"], ["x"],
                          ["--seconds", "-1"], ["--seconds", "nan"], ["--nothing"],
                          ["--scenario", "idle", "--endpoint", "ipc:///x"]):
            done = self.run_bench(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertNotEqual(done.stderr, "")

    def test_nobody_at_the_endpoint(self):
        done = self.run_bench("--no-floor", "--endpoint", f"ipc://{self.directory.name}/x")
        self.assertEqual(done.returncode, 3)
        self.assertIn("assent-bench: ", done.stderr)

    def test_stopped_in_the_middle(self):
        bench = subprocess.Popen([BIN / "assent-bench", "--seconds", "60", "--no-floor"],
                                 env=self.env, stderr=subprocess.PIPE, text=True)
        self.assertIn("one alone", bench.stderr.readline())
        children = pathlib.Path(f"/proc/{bench.pid}/task/{bench.pid}/children").read_text().split()
        self.assertGreaterEqual(len(children), 3)
        bench.send_signal(signal.SIGTERM)
        self.assertEqual(bench.wait(PATIENCE_S), 128 + signal.SIGTERM)
        bench.stderr.close()
        deadline = time.monotonic() + PATIENCE_S
        while any(os.path.exists(f"/proc/{child}") for child in children):
            self.assertLess(time.monotonic(), deadline)


if __name__ == "__main__":
    unittest.main()
