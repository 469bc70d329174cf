# SPDX-License-Identifier: Apache-2.0
"""A coordinator, a real PostgreSQL and a real MariaDB with an assent-rm each, and applications of the TX
interface (assent-transfer) that move money from the one to the other."""

import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import mariadb_server
import postgres_server
from bank_world import PATIENCE_S, Failure, Process, World, until

ACCOUNTS, EACH = 20, 1000
TABLES = ("CREATE TABLE account (id INT PRIMARY KEY, balance BIGINT NOT NULL);"
          "CREATE TABLE moved (gtid VARCHAR(64) PRIMARY KEY, amount BIGINT NOT NULL);"
          "INSERT INTO account (id, balance) VALUES " +
          ", ".join(f"({i}, {EACH})" for i in range(1, ACCOUNTS + 1)) + ";")
SECTION = """
resource-manager
    resource = {name}
    library = {library}
    symbol = {symbol}
    open = "{where}"
"""


def available():
    return postgres_server.binaries() and mariadb_server.available()


class TxWorld(World):
    """`options`: of assentd."""

    def __init__(self, *options):
        self.set_up(None, True, None)
        self.coordinator_options = list(options)
        self.postgres = postgres_server.PostgresServer()
        self.mariadb = mariadb_server.MariadbServer()
        self.postgres.start()
        self.postgres.sql(TABLES)
        self.mariadb.sql(TABLES)
        self.where = {"pg": self.postgres.conninfo(), "maria": self.mariadb.where()}
        self.config = self.write_config("tx.conf", ["pg", "maria"])
        self.env["ASSENT_TX_CONFIG"] = str(self.config)
        self.env["LD_LIBRARY_PATH"] = str(self.bin.parent / "lib")

    def write_config(self, name, resources, more=""):
        switches = {"pg": ("libassent-postgres.so.0", "assent_postgres_xa"),
                    "maria": ("libassent-mariadb.so.0", "assent_mariadb_xa")}
        path = self.dir / name
        path.write_text(more + "".join(
            SECTION.format(name=r, library=switches[r][0], symbol=switches[r][1],
                           where=self.where[r]) for r in resources))
        path.chmod(0o600)
        return path

    def start(self):
        self.start_coordinator()
        for name in self.where:
            self.start_rm(name)

    def start_rm(self, name, env=None, ready=True):
        kind = {"pg": "postgres", "maria": "mariadb"}[name]
        server = Process(self, name, [self.bin / "assent-rm", "--resource", name, "--journal",
                                      self.dir / f"journal-{name}", "--workers", 2, "--barrier",
                                      "no"],
                         {"ASSENT_RM_DATABASE": f"{kind}:{self.where[name]}", **(env or {})})
        self.servers[name] = server
        if ready:
            server.await_text("ready\n")
        return server

    def start_again(self, name, env=None, ready=True):
        start = self.start_coordinator if name == "assentd" else None
        return start(env, ready) if start else self.start_rm(name, env, ready)

    def transfer(self, *arguments, point=None, name="transfer", env=None):
        """An application: FROM TO AMOUNT [TIMES [TIMEOUT_S]]."""
        env = {**(env or {}), **({"ASSENT_CRASH_POINT": point} if point else {})}
        return Process(self, name, [self.bin / "assent-transfer", *arguments], env)

    # ---- what is there ----

    def moved(self):
        """The gtids that each database knows, and what they have moved."""
        text = "SELECT gtid, amount FROM moved ORDER BY gtid"
        in_postgres = dict(line.split("|") for line in self.postgres.sql(text))
        return in_postgres, dict(tuple(row) for row in self.mariadb.sql(text))

    def prepared(self):
        return self.postgres.prepared() + self.mariadb.prepared()

    def settled(self):
        done = self.run("assent", "list", "--json", check=False)
        return (done.returncode == 0 and not json.loads(done.stdout)["transactions"] and
                not self.prepared())

    def audit(self):
        """When all has ended: both databases know the same transfers, and no money is lost. Returns
        how many there were."""
        until("everything to end", self.settled)
        in_postgres, in_mariadb = self.moved()
        if in_postgres != in_mariadb:
            raise Failure(f"half committed: {set(in_postgres) ^ set(in_mariadb)}")
        total = "SELECT SUM(balance) FROM account"
        sums = int(self.postgres.sql(total)[0]) + int(self.mariadb.value(total))
        if sums != 2 * ACCOUNTS * EACH:
            raise Failure(f"{sums} in all; it was {2 * ACCOUNTS * EACH}")
        if self.moved_amount(in_postgres) != ACCOUNTS * EACH - int(self.postgres.sql(total)[0]):
            raise Failure("transfers and balances disagree")
        return len(in_postgres)

    @staticmethod
    def moved_amount(moved):
        return sum(int(amount) for amount in moved.values())

    def close(self, keep=False):
        for process in [*self.servers.values(), *self.clients]:
            process.kill()
        self.postgres.destroy()
        self.mariadb.close()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


__all__ = ["PATIENCE_S", "Failure", "TxWorld", "available", "until"]
