# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL for tests: in a temporary directory of its own, on a Unix socket (and a loopback
port when asked), run by an unprivileged user, and stopped by its process id.

    with PostgresServer() as server:
        server.sql("CREATE TABLE t (n int)")
        connection = server.conninfo()       # of libpq
        server.kill()                        # SIGKILL, all of its processes
        server.start()                       # and again, on what is left

What it writes to the disk is synced unless fsync=False. As root it runs as the user `postgres`;
otherwise as oneself."""

import atexit
import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

PATIENCE_S = 60
SUPERUSER = "assent"


def binaries():
    """The directory of PostgreSQL's server programs; None: it is not installed."""
    found = glob.glob("/usr/lib/postgresql/*/bin/postgres") + glob.glob("/usr/pgsql-*/bin/postgres")
    plain = shutil.which("postgres")
    found = sorted(found, key=lambda path: [int(n) for n in path.replace("-", "/").split("/")
                                            if n.isdigit()])
    return os.path.dirname(found[-1] if found else plain) if found or plain else None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid):
    found = []
    for task in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            found += [int(child) for child in pathlib.Path(task).read_text().split()]
        except OSError:
            pass
    return found


def is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class PostgresServer:
    """`settings`: of postgresql.conf, more or others than those below. `tcp`: also listens on a
    loopback port. Not started yet; `with` starts it, and removes all of it at the end."""

    def __init__(self, settings=None, fsync=True, tcp=False):
        self.bin = binaries()
        if not self.bin:
            raise FileNotFoundError("there is no PostgreSQL server: install postgresql-15")
        self.user = "postgres" if os.geteuid() == 0 else None
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="assent-pg-"))
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        self.port = free_port() if tcp else 5432
        self.process = None
        self.settings = {
            "unix_socket_directories": str(self.directory),
            "listen_addresses": "127.0.0.1" if tcp else "",
            "port": self.port,
            "fsync": "on" if fsync else "off",
            "max_connections": 150,
            "max_prepared_transactions": 150,
            "shared_buffers": "32MB",
            "dynamic_shared_memory_type": "mmap",  # goes with the directory
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "max_wal_size": "256MB",
            "deadlock_timeout": "100ms",
            "log_line_prefix": "'%m [%p] %d '",
            **(settings or {}),
        }
        self.directory.chmod(0o755)
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(self.directory, account.pw_uid, account.pw_gid)
        atexit.register(self.destroy)
        self._initdb()

    def _as_user(self, *command):
        setpriv = ["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups"]
        if not self.user:
            setpriv = ["setpriv"]
        # A server does not outlive its test, not even one that is killed. (What counts there is the
        # thread that started it, so only the main one may ask for this.)
        if threading.current_thread() is threading.main_thread():
            setpriv += ["--pdeathsig", "QUIT"]
        return [*setpriv, "--", *command]

    def _initdb(self):
        done = subprocess.run(
            self._as_user(f"{self.bin}/initdb", "-D", str(self.data), "-U", SUPERUSER, "--no-sync",
                          "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-instructions"),
            cwd="/", capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode:
            raise RuntimeError(f"initdb: {done.stdout}{done.stderr}")
        self.configure()

    def configure(self, **settings):
        """Other settings, from the next start on."""
        self.settings.update(settings)
        lines = [f"{name} = {value!r}" if isinstance(value, str) and not value.startswith("'")
                 else f"{name} = {value}" for name, value in self.settings.items()]
        (self.data / "postgresql.auto.conf").write_text("\n".join(lines) + "\n")

    # ---- its life ----

    def launch(self):
        """Starts it, and does not wait."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self._as_user(f"{self.bin}/postgres", "-D", str(self.data)), cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def start(self):
        """Starts it, and waits until it takes connections (so it has recovered, too)."""
        self.launch()
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: {self.log_text()[-2000:]}")
            if self.is_ready():
                return self
            time.sleep(0.005)
        raise RuntimeError(f"PostgreSQL is not ready: {self.log_text()[-2000:]}")

    def is_ready(self):
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return (len(lines) > 7 and lines[0] == str(self.process.pid) and
                lines[7].strip() == "ready")

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, how="fast"):
        """"fast": connections are ended, and a checkpoint is written; "smart": waits for them to
        end; "immediate": as if it had crashed."""
        if not self.is_running():
            return
        self.process.send_signal({"smart": signal.SIGTERM, "fast": signal.SIGINT,
                                  "immediate": signal.SIGQUIT}[how])
        self.process.wait(PATIENCE_S)

    def kill(self):
        """SIGKILL for all of its processes at once."""
        if not self.is_running():
            return
        self.process.send_signal(signal.SIGSTOP)  # no new ones
        pids = children(self.process.pid)
        self.process.kill()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(PATIENCE_S)
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and not all(is_gone(pid) for pid in pids):
            time.sleep(0.002)  # they hold the shared memory, which the next one refuses to share

    def restart(self, how="fast"):
        self.stop(how)
        return self.start()

    def destroy(self):
        """Ends it and removes its files."""
        atexit.unregister(self.destroy)
        self.stop("immediate")
        try:  # what one that was killed has left in the kernel: "KEY ID" of its shared memory
            words = (self.data / "postmaster.pid").read_text().splitlines()[6].split()
            subprocess.run(["ipcrm", "-m", words[1]], stderr=subprocess.DEVNULL, check=False)
        except (OSError, IndexError):
            pass
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.destroy()

    # ---- what is in it ----

    def conninfo(self, database="postgres", user=SUPERUSER, tcp=False):
        host = "127.0.0.1" if tcp else self.directory
        return f"host={host} port={self.port} dbname={database} user={user}"

    def sql(self, text, database="postgres", user=SUPERUSER):
        """What psql prints, as a list of lines with columns separated by "|". Several statements
        are executed one by one, each on its own."""
        done = subprocess.run(
            [f"{self.bin}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d",
             self.conninfo(database, user), "-f", "-"],
            input=text, capture_output=True, text=True, timeout=PATIENCE_S, cwd="/")
        if done.returncode:
            raise RuntimeError(f"{text}: {done.stderr}")
        return done.stdout.splitlines()

    def prepared(self):
        """gids of all prepared transactions, of whatever database."""
        return self.sql("SELECT gid FROM pg_prepared_xacts ORDER BY gid")

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""
