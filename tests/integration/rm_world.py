# SPDX-License-Identifier: Apache-2.0
"""A coordinator, a real PostgreSQL and a real MariaDB with an assent-rm each, and applications
(integration-caller). Both databases have the same tables, and the same procedures."""

import json
import shutil
import subprocess

import databases_world
from bank_world import PATIENCE_S, Process, World, until

TABLES = """
CREATE TABLE account (id INT PRIMARY KEY, balance NUMERIC(12, 2) NOT NULL CHECK (balance >= 0),
                      held NUMERIC(12, 2) NOT NULL DEFAULT 0);
INSERT INTO account (id, balance) VALUES (1, 1000), (2, 1000), (3, 1000);
CREATE TABLE orders (id {serial} PRIMARY KEY, gtid VARCHAR(64) NOT NULL, item VARCHAR(40) NOT NULL,
                     paid NUMERIC(12, 2));
CREATE TABLE pledge (account INT NOT NULL REFERENCES account (id) {deferred});
CREATE TABLE inbox (gtid VARCHAR(64) NOT NULL, branch INT NOT NULL, text VARCHAR(100));
"""
TOTAL = 3000
TAKE = "UPDATE account SET balance = balance - $2 WHERE id = $1 AND balance >= $2"
GIVE = "UPDATE account SET balance = balance + $2 WHERE id = $1"


def one(sql, reason="no such account", **more):
    return {"sql": sql, "rows": 1, "reason": reason, **more}


PROCEDURES = {"procedures": {
    "debit": {
        "parameters": ["account", "amount"],
        "prepare": [one(TAKE, "not enough money")],
        "try": [one("UPDATE account SET balance = balance - $2, held = held + $2 "
                    "WHERE id = $1 AND balance >= $2", "not enough money")],
        "confirm": [one("UPDATE account SET held = held - $2 WHERE id = $1")],
        "cancel": [one("UPDATE account SET balance = balance + $2, held = held - $2 WHERE id = $1")],
        "action": [one(TAKE, "not enough money")],
        "compensate": [one(GIVE)],
    },
    "credit": {
        "parameters": ["account", "amount"],
        "prepare": [one(GIVE)],
        "try": [one("SELECT id FROM account WHERE id = $1")],
        "confirm": [one(GIVE)],
        "cancel": [],
        "action": [one(GIVE)],
        "compensate": [one(TAKE)],
    },
    "order": {
        "parameters": ["item"],
        "action": [{"sql": "INSERT INTO orders (gtid, item) VALUES ($1, $2) RETURNING id",
                    "with": ["@gtid", "item"], "answer": True}],
        "compensate": [one("DELETE FROM orders WHERE id = $1", with_=["@result"])],
    },
    "invoice": {  # for an order that an earlier step has made, elsewhere
        "parameters": ["order", "amount"],
        "action": [{"sql": ["INSERT INTO orders (gtid, item, paid)",
                            "VALUES ($1, $2, $3) RETURNING id"],
                    "with": ["@gtid", "order", "amount"]},
                   one("SELECT id FROM orders WHERE id = $1", with_=["@previous"])],
        "compensate": [],
    },
    "visit": {  # answers nothing
        "parameters": ["item"],
        "action": [one("INSERT INTO orders (gtid, item) VALUES ($1, $2)", with_=["@gtid", "item"])],
        "compensate": [one("DELETE FROM orders WHERE gtid = $1 AND COALESCE($2, 'none') = 'none'",
                           with_=["@gtid", "@result"])],
    },
    "note": {
        "parameters": ["text"],
        "deliver": [one("INSERT INTO inbox VALUES ($1, $2, $3)",
                        with_=["@gtid", "@branch", "text"])],
    },
    "pledge": {  # for an account that has to be there, as PostgreSQL finds out in the end
        "parameters": ["account"],
        "prepare": ["INSERT INTO pledge VALUES ($1)"],
        "action": ["INSERT INTO pledge VALUES ($1)"],
    },
    "look": {"prepare": ["SELECT COUNT(*) FROM account"]},
}}


def plain(value):
    """`with` is a word of Python's."""
    if isinstance(value, dict):
        return {key.rstrip("_"): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def do(*calls):
    """The payload of a call: each is (procedure, values...)."""
    return json.dumps({"do": [{"procedure": name, "with": list(values)}
                              for name, *values in calls]})


class Postgres(databases_world.Postgres):
    name = "pg"

    def __init__(self, tables=TABLES):
        super().__init__()
        self.sql(tables.format(serial="SERIAL",
                               deferred="DEFERRABLE INITIALLY DEFERRED"))

    def sql(self, text):
        return [line.split("|") for line in self.server.sql(text)]

    def prepare(self, xid, sql):
        """An application's own branch, on its own connection, which is gone then."""
        gtrid, bqual = (bytes.fromhex(part.strip("X'")).decode() for part in xid.split(",")[:2])
        self.sql(f"BEGIN; {sql}; PREPARE TRANSACTION 'assent:{gtrid}:{bqual}'")

    def barrier(self):
        return self.sql("SELECT gtid, branch, operation, state FROM assent.barrier "
                        "WHERE state <> 'horizon' ORDER BY 1, 2, 3")


class Mariadb(databases_world.Mariadb):
    name = "my"

    def __init__(self, tables=TABLES):
        super().__init__()
        self.sql("ALTER DATABASE assent CHARACTER SET utf8mb4")
        self.sql(tables.format(serial="INT AUTO_INCREMENT", deferred=""))

    def sql(self, text):
        return self.server.sql(text)

    def prepare(self, xid, sql):
        self.sql(f"XA START {xid}; {sql}; XA END {xid}; XA PREPARE {xid}")

    def barrier(self):
        return self.sql("SELECT gtid, branch, operation, state FROM assent_barrier "
                        "WHERE state <> 'horizon' ORDER BY 1, 2, 3")


def available():
    return databases_world.available(["postgres", "mariadb"])


class RmWorld(World):
    def __init__(self):
        self.set_up(None, True, None)
        self.procedures = self.dir / "procedures.json"
        self.procedures.write_text(json.dumps(plain(PROCEDURES)))
        self.orphans = set()  # names of branches that are to be found there
        self.databases = {}
        for kind in (Postgres, Mariadb):
            self.databases[kind.name] = kind()

    def start_all(self):
        self.start_coordinator()
        for name in self.databases:
            self.start_rm(name, ready=False)
        for name in self.databases:
            self.servers[name].await_text("ready\n")

    def rm_arguments(self, name):
        """The address has a password: it is in a file that only we can read."""
        config = self.dir / f"{name}.conf"
        address = self.databases[name].address()
        quote = '"' if "'" in address else "'"
        config.write_text(f"resource = {name}\njournal = {self.dir}/journal-{name}\n"
                          f"database = {quote}{address}{quote}\nprocedures = {self.procedures}\n")
        config.chmod(0o600)
        return [self.bin / "assent-rm", "--config", config]

    def start_rm(self, name, env=None, ready=True):
        server = Process(self, name, self.rm_arguments(name), env)
        self.servers[name] = server
        if ready:
            server.await_text("ready\n")
        return server

    def start_apart(self, name, database, more=""):
        """One more participant at a database."""
        server = Process(self, name, [self.bin / "assent-rm", "--resource", name, "--journal",
                                      self.dir / f"journal-{name}", "-p", self.procedures],
                         env={"ASSENT_RM_DATABASE": self.databases[database].address() + more})
        self.servers[name] = server
        server.await_text("ready\n")

    # ---- applications ----

    def caller(self, protocol, *work, gtid="-", timeout_ms=0):
        return subprocess.Popen([self.bin / "integration-caller", protocol, gtid, *work],
                                env={**self.env, "ASSENT_CALLER_TIMEOUT_MS": str(timeout_ms)},
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def call(self, protocol, *work, gtid="-"):
        """Its outcome, in words."""
        output, _ = self.caller(protocol, *work, gtid=gtid).communicate(timeout=PATIENCE_S)
        return output.strip()

    # ---- what is there ----

    def balances(self, name):
        rows = self.databases[name].sql("SELECT balance, held FROM account ORDER BY id")
        return [float(balance) for balance, _ in rows], sum(float(held) for _, held in rows)

    def total(self):
        """Of both databases."""
        return sum(sum(self.balances(name)[0]) for name in self.databases)

    def settled(self):
        """Everything has ended: the coordinator has nothing in flight, no database holds anything
        prepared."""
        done = self.run("assent", "list", "--json", check=False)
        if done.returncode or json.loads(done.stdout)["transactions"]:
            return False
        return all(set(database.prepared()) <= self.orphans
                   for database in self.databases.values())

    def settle(self):
        until("everything to end", self.settled)

    def close(self):
        for server in self.servers.values():
            server.kill()
        for database in self.databases.values():
            database.close()
        shutil.rmtree(self.dir, ignore_errors=True)


__all__ = ["PATIENCE_S", "RmWorld", "TOTAL", "available", "do", "until"]
