# SPDX-License-Identifier: Apache-2.0
"""A coordinator, banks and their clients, each bank where it was said: in a real PostgreSQL or MariaDB
of its own, or in LevelDB."""

import os
import pathlib
import shutil
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import mariadb_server
import postgres_server
from bank_world import Failure, World


def available(kinds):
    return (("postgres" not in kinds or postgres_server.binaries()) and
            ("mariadb" not in kinds or mariadb_server.available()))


class Postgres:
    deaths = ["SIGKILL", "immediate shutdown"]

    def __init__(self):
        self.frozen = []
        self.server = postgres_server.PostgresServer()
        self.server.start()

    def address(self):
        return "postgres:" + self.server.conninfo()

    def die(self, how):
        if how == "SIGKILL":
            self.server.kill()
        else:
            self.server.stop("immediate")

    def freeze(self):
        os.kill(self.server.pid, signal.SIGSTOP)  # first: no new ones
        self.frozen = [self.server.pid, *postgres_server.children(self.server.pid)]
        self.signal_all(signal.SIGSTOP)

    def resume(self):
        self.signal_all(signal.SIGCONT)
        self.frozen = []

    def signal_all(self, number):
        for pid in self.frozen:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass  # it has ended meanwhile

    def is_running(self):
        return self.server.is_running()

    def close(self):
        self.server.destroy()

    def start(self):
        self.server.start()

    def prepared(self):
        return self.server.prepared()


class Mariadb:
    deaths = ["SIGKILL"]

    def __init__(self):
        self.server = mariadb_server.MariadbServer()

    def address(self, **words):
        return "mariadb:" + self.server.where(**words)

    def die(self, _how):
        self.server.kill()

    def freeze(self):
        self.server.freeze()

    def resume(self):
        self.server.resume()

    def is_running(self):
        return self.server.running()

    def close(self):
        self.server.close()

    def start(self):
        self.server.start()

    def prepared(self):
        return self.server.prepared()


class DatabasesWorld(World):
    """`kinds`: "postgres", "mariadb", "leveldb", one a bank."""

    def __init__(self, kinds, accounts=200, bin_dir=None, protocol="2pc"):
        self.set_up(bin_dir, True, None)
        self.protocol = protocol
        self.databases = {}
        self.bank_names = []
        self.env["LD_LIBRARY_PATH"] = str(self.bin.parent / "lib")
        try:
            for i, kind in enumerate(kinds):
                self.add_bank(f"{kind}-{i}", kind, accounts)
        except BaseException:
            self.close()
            raise

    def add_bank(self, name, kind, accounts):
        rm = []
        if kind != "leveldb":
            self.databases[name] = Postgres() if kind == "postgres" else Mariadb()
            rm = ["--rm", self.databases[name].address()]
        self.run("assent-bank", "load", "--name", name, "--accounts", accounts, *rm, self.dir / name)
        self.bank_names.append(name)

    def heal(self):
        for database in self.databases.values():
            database.resume()
            if not database.is_running():
                database.start()
        super().heal()

    def audit(self):
        """And what the databases themselves say: nothing prepared, whoever did it."""
        books = super().audit()
        for name, database in self.databases.items():
            if database.prepared():
                raise Failure(f"{name} holds prepared: {database.prepared()}")
        return books

    def close(self, keep=False):
        super().close(keep)
        for name, database in self.databases.items():
            if keep:
                shutil.copy(database.server.log, self.dir / f"{name}.server.log")
            database.close()
