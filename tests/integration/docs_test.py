#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every ```console block of docs/runbook.md and docs/protocols/saga-file.md. A comment <!-- scene: NAME --> before a block says
what the world looks like then; blocks without one go on in the same world. What is printed must be
what the page shows, but for times, numbers, names and spacing.

  docs_test.py --fill   writes what the commands print into the page
"""

import json
import re
import subprocess
import sys
import unittest

from cli_harness import PATIENT, Bank, CliTest, clean_environment
from daemon_harness import (BIN, CLIENT, PARTICIPANT, PATIENCE_S, SOURCE, YES, submit, vote,
                            wait_until)
from saga_world import RETRY, Site, message_of

RUNBOOK = SOURCE / "docs" / "runbook.md"
SAGA = SOURCE / "docs" / "protocols" / "saga-file.md"
SLOW = "--timeouts-phase-one-ms=3600000"
STANDARD_DIR = "/var/lib/assent"

BLOCK = re.compile(r"(?:<!-- scene: (?P<scene>[\w-]+) -->\n)?```console\n(?P<body>.*?)```\n", re.S)


def blocks(page):
    for match in BLOCK.finditer(page):
        steps = []
        for line in match["body"].splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            else:
                steps[-1][1].append(line)
        yield match, steps


def shape(text):
    """What has to be the same in each run."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "TIME", text)
    text = re.sub(r"\b(\d+ms|\d+\.\d+s|\d+m \d\ds|\d+h \d\dm|\d+d \d\dh)(?!\w)", "AGE", text)
    text = re.sub(r"[\w.-]+@[\w.-]+", "WHO", text)
    text = re.sub(r"(coordinator|log)( +|\":\")[0-9a-hjkmnp-tv-z]{8}\b", r"\1\2ID", text)
    text = re.sub(r"\d+", "N", text)
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    # Branches may have moved in the same millisecond, in either order.
    moves = iter(sorted(line for line in lines if line.startswith("TIME branch")))
    return [next(moves) if line.startswith("TIME branch") else line for line in lines]


class Scene(CliTest):
    """A world for a block; `enter` changes it."""

    def runTest(self):
        pass

    def enter(self, name):
        getattr(self, "scene_" + name.replace("-", "_"))()

    def bank(self, *args):
        self.world = self.start_quiet(*args)
        return Bank(self, self.world)

    def scene_stuck(self):
        bank = self.bank()
        bank.commit("order-41")
        bank.stick("order-42")
        self.wait_row(self.world, "order-41", "--finished")

    def scene_slow(self):
        bank = self.bank("--timeouts-retry-min-ms=30000")
        a, b = bank.prepare("order-43")
        bank.a.send(vote(a, YES))
        bank.b.send(vote(b, YES))
        for peer in (bank.a, bank.b):
            peer.await_("COMMIT", gtid="order-43")

    def scene_active(self):
        bank = self.bank()
        bank.client.send({"type": "ENLIST", "gtid": "order-44", "protocol": 1, "timeout_ms": 60000,
                          "branch": 0, "resource": "bank-a"})
        bank.client.await_("ENLISTED", gtid="order-44")

    def scene_voting(self):
        bank = self.bank(SLOW, "--timeouts-retry-min-ms=30000")
        a, _ = bank.prepare("order-45")
        bank.a.send(vote(a, YES))
        self.wait_row(self.world, "order-45", in_doubt=True)

    def scene_one_phase(self):
        bank = self.bank(SLOW, "--timeouts-retry-min-ms=30000")
        bank.client.send(submit("order-46", "bank-a"))
        bank.a.await_("PREPARE", gtid="order-46")

    def scene_saga(self):
        """The page's own example, at a hotel without rooms."""
        self.world = self.start_quiet("--timeouts-phase-one-ms=60000")
        Site(self, self.world, "airline", (YES, "seat 2A"))
        Site(self, self.world, "hotel", (RETRY, "no rooms"))
        Site(self, self.world, "cars", (YES, "car 7"))
        saga = json.loads(re.search(r"```json\n(.*?)```", SAGA.read_text(), re.S)[1])
        saga["steps"][1]["backoff_ms"] = 60000
        file = self.directory / "trip.json"
        file.write_text(json.dumps(saga))
        self.assent(self.world, "saga", "submit", str(file))

        def stuck():
            shown = self.json(self.world, "show", "trip-1")["transaction"]
            return [step["progress"] for step in shown["branches"][:3]] == \
                ["succeeded", "pausing", "succeeded"]
        wait_until(stuck, "the saga to be stuck")

    def scene_message(self):
        self.world = self.start_quiet("--timeouts-retry-min-ms=30000")
        Site(self, self.world, "mail")
        Site(self, self.world, "stock", (RETRY, "table is locked"))
        client = self.peer(self.world, CLIENT)
        client.send(message_of("note-1", "shop", "mail", "stock", hold=False))
        client.await_("RESULT", gtid="note-1")

        def half():
            branches = self.json(self.world, "show", "note-1")["transaction"]["branches"]
            return [b["progress"] for b in branches[1:]] == ["delivered", "pausing"]
        wait_until(half, "one consumer to have it")

    def scene_foreign(self):
        self.world = self.start_quiet()
        bank = self.peer(self.world, PARTICIPANT, "bank-a", 11)
        bank.send({"type": "INQUIRE", "gtid": "lost-1", "attempt": "0x4d",
                   "coordinator": "0x39b8f4d2a1", "branch": 0, "prepared": 1})
        bank.await_("STANDING", gtid="lost-1")

    def scene_down(self):
        self.world = self.start_quiet()
        self.world.stop()

    def scene_stopped(self):
        self.scene_stuck()
        self.world.stop()

    def scene_damaged(self):
        self.scene_stopped()
        path = max((self.world.data / "db").glob("*.log"), key=lambda p: p.stat().st_size)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def scene_certificates(self):
        self.world = None

    def run_step(self, command, last):
        """What the command prints, and its exit status."""
        if command == "echo $?":
            return f"{last}\n", 0
        env = clean_environment(PATH=f"{BIN}:/usr/bin:/bin")
        if self.world:
            env["ASSENT_ENDPOINT"] = f"ipc://{self.world.socket}"
            command = command.replace(STANDARD_DIR, str(self.world.data))
        if self.world and self.world.process.poll() is None:
            command = command.replace("assent ", " ".join(["assent", *PATIENT, ""]), 1)
        run = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, env=env, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.directory,
                             timeout=PATIENCE_S, check=False)
        output = run.stdout
        if self.world:
            output = output.replace(str(self.world.data), STANDARD_DIR)
        return output, run.returncode


def play(page, take):
    """Runs all blocks in order; take(match, step number, command, shown lines, output)."""
    scene = None
    try:
        for match, steps in blocks(page):
            if match["scene"]:
                if scene:
                    scene.doCleanups()
                scene = Scene()
                scene.setUp()
                scene.enter(match["scene"])
            last = 0
            for number, (command, shown) in enumerate(steps):
                output, last = scene.run_step(command, last)
                take(match, number, command, shown, output)
    finally:
        if scene:
            scene.doCleanups()


class Pages(unittest.TestCase):
    def test_the_runbook(self):
        self.assertGreater(self.check_page(RUNBOOK), 20)

    def test_sagas(self):
        self.assertGreater(self.check_page(SAGA), 0)

    def check_page(self, path):
        count = 0

        def check(_match, _number, command, shown, output):
            nonlocal count
            count += 1
            with self.subTest(command=command):
                self.assertEqual(shape(output), shape("\n".join(shown)))
        page = path.read_text()
        play(page, check)
        self.assertEqual(count, len(re.findall(r"^\$ ", page, re.M)))  # none was passed over
        return count


def fill(path):
    page, new = path.read_text(), {}

    def keep(match, _number, command, _shown, output):
        new.setdefault(match.start("body"), []).append(f"$ {command}\n{output}")
    play(page, keep)
    for start, texts in sorted(new.items(), reverse=True):
        end = page.index("```", start)
        page = page[:start] + "".join(texts) + page[end:]
    path.write_text(page)


if __name__ == "__main__":
    if sys.argv[1:] == ["--fill"]:
        fill(RUNBOOK)
        fill(SAGA)
    else:
        unittest.main(defaultTest="Pages")
