# SPDX-License-Identifier: Apache-2.0
"""Running the operator's command against a live assentd whose participants do as they are told."""

import json
import os
import pty
import select
import socket
import subprocess
import threading
import time

from daemon_harness import (BIN, CLIENT, COMMITTED, PARTICIPANT, PATIENCE_S, YES, DaemonTest, done,
                            submit, vote, wait_until)

ASSENT = str(BIN / "assent")
OK, USAGE, UNREACHABLE, NOT_FOUND, REFUSED, DAMAGED, NOT_CONFIRMED, FAILED = range(8)

# Peers of the tests say nothing unless they are told to: they must not be taken for gone.
QUIET = "--timeouts-peer-silent-ms=3600000"


PATIENT = ["--timeout", f"{PATIENCE_S}s"]


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def lines(self):
        return self.out.splitlines()

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


def clean_environment(**more):
    env = {key: value for key, value in os.environ.items()
           if not key.startswith("ASSENT_") and key not in ("NO_COLOR", "SUDO_USER")}
    return {**env, "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "xterm", **more}


def run_command(command, env, stdin=subprocess.DEVNULL):
    run = subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=PATIENCE_S,
                         env=env, check=False)
    return Result(run.returncode, run.stdout, run.stderr)


def run_on_terminal(command, env, answer=None):
    """Runs the command with a terminal; types the answer once it asks for one."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, env)
    output, asked = b"", False
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        readable, _, _ = select.select([terminal], [], [], 1)
        if not readable:
            continue
        try:
            more = os.read(terminal, 65536)
        except OSError:
            break
        if not more:
            break
        output += more
        if answer is not None and not asked and b"Type yes" in output:
            asked = True
            os.write(terminal, answer.encode())
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return Result(os.waitstatus_to_exitcode(status), output.decode().replace("\r\n", "\n"), "")


class CliTest(DaemonTest):
    def start_quiet(self, *args, **more):
        return self.start(QUIET, *args, **more)

    def assent(self, daemon, *args, code=OK, env=None, stdin=subprocess.DEVNULL):
        """Runs the command; its exit status must be `code`."""
        command, environment = self.command(daemon, *args, env=env)
        result = run_command(command, environment, stdin)
        self.assertEqual(result.code, code, f"{args}: {result}")
        return result

    def terminal(self, daemon, *args, code=OK, env=None, answer=None):
        command, environment = self.command(daemon, *args, env=env)
        result = run_on_terminal(command, environment, answer)
        self.assertEqual(result.code, code, f"{args}: {result}")
        return result

    @staticmethod
    def command(daemon, *args, env=None):
        environment = clean_environment(**(env or {}))
        if daemon:
            environment.setdefault("ASSENT_ENDPOINT", f"ipc://{daemon.socket}")
        # The default is for people; a busy machine with sanitizers may need longer.
        patience = [] if not daemon or {"-t", "--timeout"} & set(args) else PATIENT
        return [ASSENT, *patience, *args], environment

    def json(self, daemon, *args, code=OK, env=None):
        result = self.assent(daemon, *args, "--json", code=code, env=env).json
        self.assertEqual(result["schema"], 1)
        return result

    def row(self, daemon, gtid, *args):
        """The row of that gtid in a list, None when it is not there."""
        rows = self.json(daemon, "list", "--limit", "0", *args)["transactions"]
        return next((row for row in rows if row["gtid"] == gtid), None)

    def wait_row(self, daemon, gtid, *args, **wanted):
        def found():
            row = self.row(daemon, gtid, *args)
            return row if row and all(row[k] == v for k, v in wanted.items()) else None
        return wait_until(found, f"{gtid} with {wanted}")


class Bank:
    """A client and two participants at a daemon."""

    def __init__(self, test, daemon):
        self.test, self.daemon = test, daemon
        self.client = test.peer(daemon, CLIENT, name="shop")
        self.a = test.peer(daemon, PARTICIPANT, "bank-a", 11)
        self.b = test.peer(daemon, PARTICIPANT, "bank-b", 12)

    def prepare(self, gtid):
        """Submitted; both asked to vote."""
        self.client.send(submit(gtid, "bank-a", "bank-b"))
        return self.a.await_("PREPARE", gtid=gtid), self.b.await_("PREPARE", gtid=gtid)

    def commit(self, gtid):
        """From begin to end."""
        a, b = self.prepare(gtid)
        self.a.send(vote(a, YES))
        self.b.send(vote(b, YES))
        self.a.send(done(self.a.await_("COMMIT", gtid=gtid), COMMITTED))
        self.b.send(done(self.b.await_("COMMIT", gtid=gtid), COMMITTED))
        self.client.await_("RESULT", gtid=gtid)

    def stick(self, gtid):
        """Committed, and acknowledged by bank-a; bank-b is gone. Returns bank-b's PREPARE."""
        a, b = self.prepare(gtid)
        self.a.send(vote(a, YES))
        self.b.send(vote(b, YES))
        decision = self.a.await_("COMMIT", gtid=gtid)
        self.b.await_("COMMIT", gtid=gtid)
        self.b.close()
        self.a.send(done(decision, COMMITTED))
        self.client.await_("RESULT", gtid=gtid)
        self.test.wait_row(self.daemon, gtid, state="committing", waiting_count=1)
        wait_until(lambda: not self.participant("bank-b")["connected"], "bank-b to be gone")
        return b

    def participant(self, name):
        rows = self.test.json(self.daemon, "participants")["participants"]
        return next(row for row in rows if row["participant"] == name)

    def return_b(self):
        self.b = self.test.peer(self.daemon, PARTICIPANT, "bank-b", 12)
        return self.b


class FakeCoordinator:
    """Listens where a coordinator would, and answers with what `behave(connection)` sends. Speaks
    just enough ZMTP for the command's side of a connection."""

    def __init__(self, test, behave):
        self.socket = test.directory / "fake.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.socket))
        self.listener.listen(8)
        self.behave = behave
        self.connections = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        test.addCleanup(self.close)

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        try:
            connection.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") +
                               bytes(32))
            read_exactly(connection, 64)
            flags, _ = read_frame(connection)
            assert flags & 4
            ready = b"\x05READY\x0bSocket-Type" + (6).to_bytes(4, "big") + b"ROUTER"
            connection.sendall(bytes([4, len(ready)]) + ready)
            self.behave(connection)
        except (OSError, EOFError):
            pass

    def close(self):
        self.listener.close()
        for connection in self.connections:
            connection.close()


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_frame(connection):
    flags = read_exactly(connection, 1)[0]
    size = int.from_bytes(read_exactly(connection, 8 if flags & 2 else 1), "big")
    return flags, read_exactly(connection, size)


def read_message(connection):
    """The next frame that is no command of ZMTP and not empty."""
    while True:
        flags, body = read_frame(connection)
        if not flags & 4 and body:
            return body


def write_frame(connection, body):
    large = len(body) > 255
    connection.sendall(bytes([2 if large else 0]) + len(body).to_bytes(8 if large else 1, "big") +
                       body)
