#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent-sim as its users meet it: replays, shrunk runs, mutants, options."""
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import unittest

BIN = os.path.join(os.environ["ASSENT_BIN_DIR"], "assent-sim")


def run(*arguments):
    return subprocess.run([BIN, *arguments], capture_output=True, text=True)


def results(*arguments):
    done = run("--json", "--quiet", *arguments)
    return done.returncode, json.loads(done.stdout)


class Replays(unittest.TestCase):
    def test_one_seed_is_one_run(self):
        for seed in ("3", "17", "1001"):
            first, second = run("--seed", seed, "--trace"), run("--seed", seed, "--trace")
            self.assertEqual(first.returncode, 0, first.stdout[-500:])
            self.assertEqual(first.stdout, second.stdout)
            self.assertRegex(first.stdout, r"trace hash [0-9a-f]{16}")

    def test_hashes_do_not_depend_on_what_was_played_before(self):
        alone = [line for seed in (5, 6, 7) for line in run("--seed", str(seed), "--hashes").stdout.splitlines()]
        together = run("--seeds", "5..7", "--hashes").stdout.splitlines()
        self.assertEqual(alone, together)
        self.assertEqual(len(set(line.split()[1] for line in together)), 3)

    def test_totals_do_not_depend_on_the_number_of_processes(self):
        one, two = results("--seeds", "1..300", "--jobs", "1")[1], results("--seeds", "1..300", "--jobs", "2")[1]
        for key in ("seeds", "transactions", "committed", "messages", "steps", "crashes", "faults"):
            self.assertEqual(one[key], two[key], key)
        self.assertEqual(one["seeds"], 300)
        self.assertGreaterEqual(one["transactions"], 300 * 20)


class Mutants(unittest.TestCase):
    def test_a_mutant_is_found_out(self):
        status, found = results("--mutant", "decide-early", "--seeds", "1..100")
        self.assertEqual(status, 1)
        self.assertEqual(found["failures"][0]["invariant"], "durable before visible")
        self.assertEqual(found["mutant"], "decide-early")

    def test_a_mutant_is_played_with_its_protocol(self):
        protocols = {line.split()[0]: line.split()[1] for line in run("--list-mutants").stdout.splitlines()}
        self.assertEqual((protocols["decide-early"], protocols["kept-undone"]), ("2pc", "saga"))
        status, found = results("--mutant", "kept-undone", "--seeds", "1..1000")
        self.assertEqual(status, 1)
        self.assertEqual(found["failures"][0]["invariant"], "what is kept is kept")
        self.assertEqual(results("--mutant", "kept-undone", "--protocol", "2pc", "--seeds", "1..50")[0], 0)

    def test_a_shrunk_run_of_another_protocol_is_played_again(self):
        shrunk = run("--mutant", "retry-is-delivered", "--seed", "2", "--minimize", "--quiet")
        self.assertIn("--protocol message", shrunk.stdout.splitlines()[-1])
        again = run(*shlex.split(shrunk.stdout.splitlines()[-1])[1:])
        self.assertEqual(again.returncode, 1)

    def test_the_lowest_seed_is_the_one_that_is_told(self):
        one = results("--mutant", "fence-ignored", "--seeds", "1..3000", "--jobs", "1")[1]
        two = results("--mutant", "fence-ignored", "--seeds", "1..3000", "--jobs", "2")[1]
        self.assertEqual(one["failures"][0], two["failures"][0])

    def test_without_it_the_same_seeds_hold(self):
        status, found = results("--seeds", "1..100")
        self.assertEqual((status, found["failures"]), (0, []))

    def test_a_shrunk_run_breaks_the_same(self):
        found = results("--mutant", "end-early", "--seeds", "1..1000")[1]["failures"][0]
        shrunk = run("--mutant", "end-early", "--seed", str(found["seed"]), "--minimize", "--quiet")
        self.assertEqual(shrunk.returncode, 1)
        self.assertIn(f"BROKEN: {found['invariant']}", shrunk.stdout)
        faults, transactions = map(int, re.search(
            r"(\d+) faults and (\d+) transactions are enough", shrunk.stdout).groups())
        self.assertLessEqual(transactions, 6)
        self.assertLessEqual(faults, 10)
        command = shlex.split(shrunk.stdout.splitlines()[-1])
        self.assertEqual(command[0], "assent-sim")
        again = run(*command[1:])
        self.assertEqual(again.returncode, 1)
        self.assertIn(f"BROKEN: {found['invariant']}", again.stdout)

    def test_what_is_not_broken_is_not_shrunk(self):
        done = run("--seed", "1", "--minimize", "--quiet")
        self.assertEqual((done.returncode, done.stdout), (0, "seed 1 breaks nothing\n"))


class Options(unittest.TestCase):
    def test_help_and_version(self):
        self.assertIn("usage: assent-sim", run("--help").stdout)
        self.assertRegex(run("--version").stdout, r"^assent-sim \d+\.\d+\.\d+\n$")

    def test_lists(self):
        self.assertGreaterEqual(len(run("--list-mutants").stdout.splitlines()), 20)
        self.assertIn("partition", run("--list-faults").stdout)

    def test_wrong_ones(self):
        for wrong in (["--seeds", "9..3"], ["--seeds", "x"], ["--seed", "-1"], ["--jobs", "0"],
                      ["--fault", "loss"], ["--fault", "loss=1000001"], ["--fault", "sun=1"],
                      ["--only", "loss"], ["--without", "x"], ["--mutant", "none-such"],
                      ["--trace", "--seeds", "1..2"], ["--nonsense"], ["stray"], ["--seeds"]):
            done = run(*wrong)
            self.assertEqual(done.returncode, 2, wrong)
            self.assertIn("--help", done.stderr + "--help" if wrong[0] == "--mutant" else done.stderr)

    def test_seeds_up_to_the_last_one(self):
        last = 2 ** 63 - 1
        self.assertEqual(results("--seeds", f"{last - 9}..{last}")[1]["seeds"], 10)
        self.assertEqual(run("--seeds", f"1..{last + 1}").returncode, 2)

    def test_a_range_tells_its_bounds(self):
        self.assertIn("--jobs: '1000' is not a number from 1 to 64", run("--jobs", "1000").stderr)

    def test_transactions_are_left_out_in_ranges(self):
        self.assertEqual(run("--seed", "1", "--hashes", "--without", "0..2,7").stdout,
                         run("--seed", "1", "--hashes", "--without", "0,1,2,7").stdout)
        self.assertEqual(run("--without", "7..3").returncode, 2)

    def test_a_signal_ends_it_with_what_was_seen(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            # The signals as a terminal or a service has them, whatever runs this test.
            campaign = subprocess.Popen([BIN, "--seeds", "1..100000000", "--json", "--quiet"], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=lambda: [signal.signal(n, signal.SIG_DFL)
                                                            for n in (signal.SIGINT, signal.SIGTERM)])
            time.sleep(1)
            campaign.send_signal(number)
            out, errors = campaign.communicate(timeout=60)
            self.assertEqual(campaign.returncode, 128 + number)
            self.assertIn("stopped by a signal", errors)
            self.assertGreater(json.loads(out)["seeds"], 0)

    def test_what_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([BIN, "--seeds", "1..3", "--json", "--quiet"], stdout=full,
                                  stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)

    def test_a_world_can_be_chosen(self):
        big = results("--coordinators", "5", "--participants", "40", "--clients", "30",
                      "--transactions", "100", "--seeds", "1..4")
        self.assertEqual(big[0], 0)
        self.assertGreater(big[1]["transactions"], 4 * 5 * 30)  # there is one at each client in the end
        story = run("--seed", "1", "--coordinators", "8", "--participants", "64", "--clients", "64", "--trace")
        self.assertEqual(story.returncode, 0, story.stdout[-500:])
        for name in ("coordinator-8 ", "bank-512 ", "app-512 "):
            self.assertIn(name, story.stdout)
        for wrong, most in (("coordinators", 8), ("participants", 64), ("clients", 64),
                            ("transactions", 3000), ("branches", 4)):
            for number in ("0", str(most + 1), "many"):
                done = run("--" + wrong, number)
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"--{wrong}: '{number}' is not a number from 1 to {most};", done.stderr)

    def test_what_was_chosen_is_in_the_command_that_plays_it_again(self):
        chosen = ["--coordinators", "3", "--participants", "20", "--clients", "10", "--transactions", "100",
                  "--branches", "3", "--protocol", "2pc", "--fault", "loss=20000", "--without", "3..5"]
        told = run("--mutant", "end-early", "--seeds", "1..50", "--quiet", *chosen)
        self.assertEqual(told.returncode, 1)
        command = shlex.split(told.stdout.splitlines()[-1].removeprefix("to read it: "))
        self.assertEqual((command[0], command[5:]), ("assent-sim", [*chosen, "--minimize"]))
        shrunk = run(*command[1:], "--quiet").stdout
        again = run(*shlex.split(shrunk.splitlines()[-1])[1:])
        self.assertEqual(again.returncode, 1)
        self.assertEqual(again.stdout.splitlines()[-2], re.findall("BROKEN: .*", shrunk)[0])

    def test_faults_can_be_chosen(self):
        none = [argument for line in run("--list-faults").stdout.splitlines()
                for argument in ("--fault", line.split()[0] + "=0")]
        calm = results("--seeds", "1..50", *none)[1]
        self.assertEqual((calm["faults"], calm["crashes"]), (0, 0))
        stormy = results("--seeds", "1..50", *none, "--fault", "crash-idle=300000")[1]
        self.assertGreater(stormy["crashes"], 100)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=0)
