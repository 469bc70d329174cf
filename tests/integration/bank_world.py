# SPDX-License-Identifier: Apache-2.0
"""A coordinator, banks and their clients as real processes in a directory of their own.

Used by tests/chaos, the crash-point tests and the tests of the examples; example_world.py has those of
other protocols. Processes are started here and
ended by pid; what is waited for is a condition, with a bound that only a hang can reach.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

SANITIZED = bool(os.environ.get("ASSENT_SANITIZE"))
PATIENCE_S = 240 if SANITIZED else 90


class Failure(Exception):
    """Something that must not happen did."""


def until(what, condition, patience_s=PATIENCE_S):
    """Waits for a condition; its first true value is returned."""
    end = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {patience_s} s in vain for {what}")
        time.sleep(0.02)


def programs(given=None):
    """Where the programs are: as given, as the build says, or in the newest build here."""
    if given or os.environ.get("ASSENT_BIN_DIR"):
        return pathlib.Path(given or os.environ["ASSENT_BIN_DIR"]).resolve()
    root = pathlib.Path(__file__).resolve().parents[2]
    built = [p for p in root.glob("build/*/bin/assent-bank")]
    if not built:
        raise Failure("no build/*/bin/assent-bank: build first, or say --bin DIR")
    return max(built, key=lambda p: p.stat().st_mtime).parent


class Process:
    """One program; its output goes to a file of its own."""

    def __init__(self, world, name, argv, env=None):
        self.name = name
        self.log = world.dir / f"{name}.log"
        self.start = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**world.env, **(env or {})})

    def output(self):
        """What this run has written."""
        with open(self.log, "rb") as log:
            log.seek(self.start)
            return log.read().decode(errors="replace")

    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.running():
            self.popen.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def stop(self):
        """Asks it to end; returns its status."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        return self.popen.wait(timeout=PATIENCE_S)

    def await_text(self, text):
        def seen():
            if text in self.output():
                return True
            if not self.running():
                raise Failure(f"{self.name} ended with {self.popen.returncode}: {self.output()[-2000:]}")
            return False
        until(f"'{text}' of {self.name}", seen)


class World:
    def __init__(self, banks=2, accounts=200, bin_dir=None, durable=True, directory=None,
                 protocol="2pc"):
        self.set_up(bin_dir, durable, directory)
        self.protocol = protocol
        self.bank_names = [f"bank-{chr(ord('a') + i)}" for i in range(banks)]
        for name in self.bank_names:
            self.run("assent-bank", "load", "--name", name, "--accounts", accounts, self.dir / name)

    def set_up(self, bin_dir, durable, directory):
        self.bin = programs(bin_dir)
        self.dir = pathlib.Path(directory or tempfile.mkdtemp(prefix="assent-world."))
        self.durable = durable
        self.env = dict(os.environ)
        self.env.pop("ASSENT_CRASH_POINT", None)
        self.env["ASSENT_ENDPOINT"] = f"ipc://{self.dir}/coordinator/assentd.sock"
        self.told = self.dir / "told"
        self.servers = {}
        self.clients = []
        self.coordinator_options = []

    def run(self, program, *arguments, check=True):
        """Runs a program to its end; returns the completed process."""
        done = subprocess.run([str(self.bin / program)] + [str(a) for a in arguments], env=self.env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE_S * 4)
        if check and done.returncode != 0:
            raise Failure(f"{program} {arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def bank_dirs(self):
        return [self.dir / name for name in self.bank_names]

    # ---- processes ----

    def start_coordinator(self, env=None, ready=True):
        server = Process(self, "assentd", [self.bin / "assentd", "--data-dir",
                                           self.dir / "coordinator"] + self.coordinator_options, env)
        self.servers["assentd"] = server
        if ready:
            server.await_text("event=listening")
        return server

    def start_bank(self, name, env=None, ready=True):
        argv = [self.bin / "assent-bank", "serve", "--history"]
        if not self.durable:
            argv.append("--journal-votes")
        server = Process(self, name, argv + [self.dir / name], env)
        self.servers[name] = server
        if ready:
            server.await_text("ready")
        return server

    def start(self):
        self.start_coordinator()
        for name in self.bank_names:
            self.start_bank(name)

    def start_client(self, *arguments, number=0):
        client = Process(self, f"client-{number}", [
            self.bin / "assent-bank", "run", "--quiet", "--json", "--patience", PATIENCE_S,
            "--protocol", self.protocol,
            "--journal", f"{self.told}-{number}", *arguments, *self.bank_dirs()])
        self.clients.append(client)
        return client

    @staticmethod
    def weather(random):
        """Options of clients that tests/chaos varies."""
        return ["--hot", random.choice([0, 0, 50])]

    @staticmethod
    def summary(books):
        return f"all {books['total']} cents there"

    def start_again(self, name, env=None, ready=True):
        if name == "assentd":
            return self.start_coordinator(env, ready)
        return self.start_bank(name, env, ready)

    def heal(self):
        """Everything runs again, and nothing is stopped; the coordinator first, as banks wait for it."""
        for name, server in sorted(self.servers.items()):
            server.signal(signal.SIGCONT)
            if not server.running():
                self.start_again(name, ready=False)

    def finish_clients(self):
        """Waits for the clients; returns their reports, and fails when one had trouble."""
        reports = []
        for client in self.clients:
            status = client.popen.wait(timeout=PATIENCE_S * 4)
            if status == -signal.SIGKILL:
                continue
            if status != 0:
                raise Failure(f"{client.name} ended with {status}: {client.output()[-2000:]}")
            lines = [line for line in client.output().splitlines() if line.startswith("{")]
            reports.append(json.loads(lines[-1]))
        self.clients = []
        return reports

    # ---- what must hold ----

    def in_flight(self):
        done = self.run("assent", "list", "--limit", 0, "--json", check=False)
        if done.returncode != 0:
            return None
        answer = json.loads(done.stdout)
        return len(answer["transactions"]) + len(answer.get("foreign", []))

    def quiesce(self):
        until("all transactions to end", lambda: self.in_flight() == 0)

    def audit(self):
        """The money, the reservations, and every outcome that a client was told."""
        last = None
        for told in sorted(self.dir.glob("told-*")) or [None]:
            journal = ["--journal", told] if told else []
            last = self.run("assent-bank", "audit", "--wait", 30, "--json", *journal,
                            *self.bank_dirs(), check=False)
            if last.returncode != 0:
                raise Failure(f"audit: {last.returncode}\n{last.stdout}{last.stderr}")
        return json.loads(last.stdout)

    # ---- the end ----

    def close(self, keep=False):
        for process in self.clients + list(self.servers.values()):
            process.signal(signal.SIGCONT)
            process.signal(signal.SIGTERM)
        for process in self.clients + list(self.servers.values()):
            try:
                process.popen.wait(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)
