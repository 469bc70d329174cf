# SPDX-License-Identifier: Apache-2.0
"""A MariaDB server of the test's own: real, in a temporary directory, on a unix socket (and on a
port of loopback when asked), as an unprivileged user, ended by its pid.

    with MariadbServer() as server:
        server.sql("CREATE TABLE assent.t (a INT)")
        run(program, server.where())    # the open string of assent_mariadb_xa
        server.kill()                   # SIGKILL
        server.start()
"""

import atexit
import fcntl
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SOURCE = pathlib.Path(os.environ.get("ASSENT_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("ASSENT_BUILD_DIR", SOURCE / "build" / "dev"))
PATIENCE_S = 120  # bound of every wait
USER, PASSWORD, DATABASE = "assent", "not a secret", "assent"
SKIPPED = 77  # the exit status that ctest takes for "skipped"


def program(name):
    """Where one of the server's programs is; None when it is not installed."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def available():
    return all(program(name) for name in ("mariadbd", "mariadb-install-db", "mariadb"))


def unprivileged():
    """The name of the user that servers run as; None: oneself."""
    return pwd.getpwnam("mysql").pw_name if os.geteuid() == 0 else None


def as_user():
    user = unprivileged()
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def give_away(directory):
    """To the user that the server runs as."""
    user = unprivileged()
    if not user:
        return
    for path, _, files in os.walk(directory):
        shutil.chown(path, user, user)
        for name in files:
            shutil.chown(os.path.join(path, name), user, user)


def version():
    text = subprocess.run([program("mariadbd"), "--version"], check=True, capture_output=True,
                          text=True).stdout
    return re.search(r"Ver (\S+)", text).group(1)


def install(into):
    """What mariadb-install-db makes, in a directory that the server's user owns."""
    scratch = tempfile.mkdtemp(prefix="assent-mariadb-")
    try:
        give_away(scratch)
        done = subprocess.run(
            [program("mariadb-install-db"), "--no-defaults", f"--datadir={scratch}/data",
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, **as_user())
        if done.returncode:
            raise AssertionError(f"mariadb-install-db failed: {done.stdout}")
        half = f"{into}.{os.getpid()}"
        shutil.copytree(f"{scratch}/data", half)
        os.rename(half, into)
    finally:
        shutil.rmtree(scratch)


def template():
    """An installed data directory, made once in a build tree: to install takes seconds."""
    path = BUILD / f"mariadb-{version()}"
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            install(path)
    return path


def fast_directory():
    """One in memory, where there is room: the server syncs some files whatever it is told."""
    memory = pathlib.Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free >= 512 << 20:
        return str(memory)
    return None


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MariadbServer:
    """Runs when it has been made. `tcp`: on a port of loopback as well. `settings`: more of what
    mariadbd takes, without the dashes. `fsync` False: what is committed survives SIGKILL, but no
    power failure, and tests are faster. The user `assent` may do everything in the database
    `assent`, and what recovery takes."""

    def __init__(self, tcp=False, settings=(), fsync=True):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="assent-mariadb-",
                                                       dir=None if fsync else fast_directory()))
        self.socket = self.directory / "socket"
        self.log = self.directory / "log"
        self.port = unused_port() if tcp else 0
        self.settings = [*([] if fsync else ["innodb-flush-method=nosync"]), *settings]
        self.process = None
        self.frozen = False
        atexit.register(self.close)  # whatever becomes of the test
        shutil.copytree(template(), self.directory / "data")
        give_away(self.directory)
        self.start()
        self.sql(f"CREATE DATABASE {DATABASE};"
                 f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';"
                 f"GRANT ALL ON {DATABASE}.* TO {USER}@'%'", database="")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        return self.process.pid

    def command(self):
        network = ([f"--port={self.port}", "--bind-address=127.0.0.1"] if self.port
                   else ["--skip-networking"])
        return [program("mariadbd"), "--no-defaults", f"--datadir={self.directory}/data",
                f"--socket={self.socket}", f"--pid-file={self.directory}/pid",
                f"--tmpdir={self.directory}", "--skip-name-resolve", "--performance-schema=OFF",
                "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", *network,
                *(f"--{setting}" for setting in self.settings)]

    def start(self, wait=True):
        """After kill or stop: the same data again. `wait`: until it takes connections."""
        if self.running():
            raise AssertionError("the server runs already")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.directory, stdout=log,
                                            stdin=subprocess.DEVNULL, stderr=log, **as_user())
        return self.ready() if wait else self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def greets(self):
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(PATIENCE_S)
                probe.connect(str(self.socket))
                return bool(probe.recv(64))
        except OSError:
            return False

    def ready(self):
        until = time.monotonic() + PATIENCE_S
        while not self.greets():
            if not self.running() or time.monotonic() > until:
                raise AssertionError(f"mariadbd does not start: {self.log.read_text()}")
            time.sleep(0.02)
        return self

    def kill(self):
        """SIGKILL: what a crash of the server leaves."""
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self.frozen = False

    def stop(self):
        """An orderly end."""
        if not self.running():
            return
        self.resume()
        self.process.terminate()
        self.process.wait(PATIENCE_S)

    def restart(self):
        self.stop()
        return self.start()

    def freeze(self):
        self.frozen = True
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        if self.frozen:
            self.process.send_signal(signal.SIGCONT)
        self.frozen = False

    def close(self):
        """Ends it, and removes its directory."""
        if self.running():
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        atexit.unregister(self.close)

    def where(self, **words):
        """The open string, with other words than the usual ones where they are given (None: left
        out); after the colon of "mariadb:..."."""
        usual = {"socket": self.socket, "user": USER, "password": PASSWORD, "database": DATABASE}
        said = {key: value for key, value in {**usual, **words}.items() if value is not None}
        return " ".join(f"{key.replace('_', '-')}={quoted(value)}" for key, value in said.items())

    def where_tcp(self, **words):
        return self.where(socket=None, host="127.0.0.1", port=self.port, **words)

    def sql(self, text, database=DATABASE):
        """Executes that as root; the rows, as lists of texts (None: SQL's null)."""
        done = subprocess.run(
            [program("mariadb"), "--no-defaults", f"--socket={self.socket}", "--user=root",
             "--batch", "--skip-column-names", "--binary-mode", database],
            input=text.encode(), capture_output=True, timeout=PATIENCE_S)
        if done.returncode:
            raise AssertionError(f"{text}: {done.stderr.decode(errors='replace')}")
        lines = done.stdout.decode(errors="replace").split("\n")[:-1]
        return [[None if field == "NULL" else field for field in line.split("\t")]
                for line in lines]

    def value(self, text, database=DATABASE):
        """The first column of the first row."""
        rows = self.sql(text, database)
        return rows[0][0] if rows else None

    def prepared(self):
        """The XIDs of all prepared branches, as SQL has them: "X'6731',X'62',1"."""
        return [row[3] for row in self.sql("XA RECOVER FORMAT='SQL'")]

    def roll_back_all(self):
        for xid in self.prepared():
            self.sql(f"XA ROLLBACK {xid}")


def quoted(value):
    """As the open string has it: in single quotes where there are blanks or quotes."""
    text = str(value)
    if text and not re.search(r"[\s'\\]", text):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
