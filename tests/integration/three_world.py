# SPDX-License-Identifier: Apache-2.0
"""Three participants, an application and assentd, each a process, for three-phase commit."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from daemon_harness import BIN, PATIENCE_S, Daemon, wait_until

PARTY = str(BIN / "integration-party")
NAMES = ("north", "south", "west")
# A busy machine lets a coordinator that lives wait, too.
SUSPECT_MS = 3000 if os.environ.get("ASSENT_SANITIZE") else 1500


class Party:
    """One run of a participant."""

    def __init__(self, world, name, env=None):
        self.name, self.out = name, world.directory / f"{name}.out"
        self.errors = world.directory / f"{name}.err"
        with open(self.out, "ab") as out, open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(
                [PARTY, "serve", name,
                 str(world.directory_of.get(name, world.directory) / f"{name}.journal"),
                 str(world.suspect_ms)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
                env={**world.env, **(env or {})})

    def told(self, gtid):
        """{operation: microseconds} of what it was asked to do, as far as that is known."""
        lines = [line.split() for line in self.out.read_text().split("\n")]
        return {line[0]: int(line[2]) for line in lines if len(line) == 3 and line[1] == gtid}

    def outcome(self, gtid):
        ends = self.told(gtid).keys() & {"commit", "rollback"}
        assert len(ends) < 2, f"{self.name} both commits and rolls back {gtid}"
        return next(iter(ends), None)

    def end(self, number=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


class World:
    def __init__(self, suspect_ms=SUSPECT_MS):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="assent-three."))
        self.suspect_ms = suspect_ms
        self.env = {**os.environ, "ASSENT_ENDPOINT": f"ipc://{self.directory}/data/assentd.sock"}
        self.hold = self.directory / "votes-may-be-given"
        self.env["ASSENT_PARTY_HOLD"] = str(self.hold)
        self.hold.touch()
        self.daemon, self.parties, self.args = None, {}, []
        self.directory_of = {}  # of a participant's journal, where that is elsewhere

    def start_daemon(self, crash_point=None):
        env = {"ASSENT_CRASH_POINT": crash_point} if crash_point else {}
        self.daemon = Daemon(self.directory, *self.args, env=env).ready()
        return self.daemon

    def start_party(self, name, env=None):
        self.parties[name] = Party(self, name, env)

    def start(self, crash_point=None):
        self.start_daemon(crash_point)
        for name in NAMES:
            self.start_party(name)
        self.wait_connected()

    def wait_connected(self):
        connected = lambda: {line["name"] for line in self.daemon.log("connected")}
        wait_until(lambda: connected() >= set(NAMES), f"participants at {self.daemon.stderr()}")

    def commit(self, gtid, protocol="3pc", names=NAMES):
        """The application, which may be left without an answer."""
        return subprocess.Popen([PARTY, "commit", protocol, gtid, *names],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                env=self.env)

    def answer(self, gtid, **options):
        out, _ = self.commit(gtid, **options).communicate(timeout=PATIENCE_S)
        return out.strip()

    def wait_outcome(self, gtid, names=NAMES):
        """The outcome, once all of them know it."""
        outcomes = wait_until(
            lambda: (ends := [self.parties[name].outcome(gtid) for name in names]) and
            all(ends) and ends, f"an outcome of {gtid}: {self.says()}")
        assert len(set(outcomes)) == 1, f"{gtid} is split: {outcomes}"
        return outcomes[0]

    def says(self):
        return {path.name: path.read_text() for path in self.directory.glob("*.err")}

    def close(self):
        for party in self.parties.values():
            party.end()
        if self.daemon:
            self.daemon.end()
        shutil.rmtree(self.directory, ignore_errors=True)
