#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MariaDB as a resource manager, with a real server: the XA switch through all calls, its traps, and
what is left when processes and the server are killed; the barrier; the SQL driver."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(os.environ.get("ASSENT_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BIN = pathlib.Path(os.environ.get("ASSENT_BIN_DIR", SOURCE / "build" / "dev" / "bin"))
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests" / "support"))
import mariadb_server  # noqa: E402

OK, RDONLY, RETRY = 0, 3, 4
RBROLLBACK, RBCOMMFAIL, RBDEADLOCK, RBTIMEOUT = 100, 101, 102, 106
ASYNC, RMERR, NOTA, INVAL, PROTO, RMFAIL, DUPID, OUTSIDE = range(-2, -10, -1)
TMASYNC, TMONEPHASE, TMFAIL, TMNOWAIT = 0x80000000, 0x40000000, 0x20000000, 0x10000000
TMRESUME, TMSUCCESS, TMSUSPEND, TMJOIN = 0x08000000, 0x04000000, 0x02000000, 0x00200000
FORMAT = 0x41534E54
PATIENCE_S = 60

server = None


def wait_until(condition, what):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited too long for {what}")


def as_sql(xid):
    gtrid, _, bqual = xid.partition("/")
    return f"X'{gtrid.encode().hex()}',X'{bqual.encode().hex()}',{FORMAT}"


class Process:
    """A process with the switch, driven line by line; threads have names."""

    def __init__(self, where=None, open_it=True):
        self.process = subprocess.Popen([str(BIN / "integration-mariadb-line")], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said = ""
        if open_it:
            assert self("open", where or server.where()) == OK, self.said

    def write(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def __call__(self, verb, *words, thread="main"):
        """The code; what there is to say is in `said`."""
        self.write(" ".join([thread, verb, *(format(word, "x") if isinstance(word, int) else word
                                             for word in words)]))
        code, self.said = self.process.stdout.readline().rstrip("\n").split("\t", 1)
        return int(code)

    def begin(self, thread, verb, *words):
        """Does not wait; self("wait", thread=thread) does."""
        self.write(" ".join(["&" + thread, verb, *(format(word, "x") if isinstance(word, int)
                                                   else word for word in words)]))

    def sql(self, text, thread="main"):
        code = self("sql", text, thread=thread)
        assert code == 0, f"{text}: {code} {self.said}"
        return self.said

    def work(self, xid, *statements, thread="main"):
        """A branch that is begun, worked for and ended."""
        code = self("start", xid, 0, thread=thread)
        assert code == OK, f"{xid}: {code} {self.said}"
        for statement in statements:
            self.sql(statement, thread=thread)
        code = self("end", xid, TMSUCCESS, thread=thread)
        assert code == OK, f"{xid}: {code} {self.said}"

    def prepare(self, xid, *statements, thread="main"):
        self.work(xid, *statements, thread=thread)
        code = self("prepare", xid, thread=thread)
        assert code == OK, f"{xid}: {code} {self.said}"

    def kill(self):
        self.process.kill()
        self.close()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(PATIENCE_S)


class Case(unittest.TestCase):
    def setUp(self):
        self.processes = []
        self.addCleanup(self.end)
        self.name = self.id().rsplit(".", 1)[1]
        server.sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k VARCHAR(64) PRIMARY KEY, v BIGINT) "
                   "ENGINE = InnoDB; INSERT INTO t VALUES ('a', 0), ('b', 0)")

    def end(self):
        for process in self.processes:
            if process.process.poll() is None:
                process.close()
                self.assertEqual(process.process.returncode, 0)  # not so where memory is lost
        if not server.running():
            server.start()
        for xid in server.prepared():
            wait_until(lambda xid=xid: self.rolled_back(xid), f"the end of {xid}")

    def rolled_back(self, xid):
        try:
            server.sql(f"XA ROLLBACK {xid}")
        except AssertionError:  # still bound
            return xid not in server.prepared()
        return True

    def start(self, where=None, open_it=True):
        self.processes.append(Process(where, open_it))
        return self.processes[-1]

    def hold_commits(self):
        """What a backup does in its last stage; communicate() lets them go."""
        holder = subprocess.Popen(
            ["mariadb", "--no-defaults", f"--socket={server.socket}", "--user=root",
             "--unbuffered", "--skip-column-names"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(holder.wait, PATIENCE_S)
        self.addCleanup(holder.kill)
        holder.stdin.write("BACKUP STAGE START; BACKUP STAGE FLUSH; BACKUP STAGE BLOCK_DDL; "
                           "BACKUP STAGE BLOCK_COMMIT; SELECT 'held';\n")
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), "held\n")
        return holder

    def add(self, key, amount=1):
        return f"UPDATE t SET v = v + {amount} WHERE k = '{key}'"

    def value(self, key):
        return int(server.value(f"SELECT v FROM t WHERE k = '{key}'"))

    def connections(self):
        return int(server.value("SELECT COUNT(*) FROM information_schema.PROCESSLIST "
                                "WHERE USER = 'assent'"))


class Switch(Case):
    def test_commit_and_rollback(self):
        p = self.start()
        p.prepare("g/1", self.add("a"))
        self.assertEqual(self.value("a"), 0)
        self.assertEqual(p("commit", "g/1", 0), OK)
        self.assertEqual(self.value("a"), 1)
        p.prepare("g/2", self.add("a"))
        self.assertEqual(p("rollback", "g/2"), OK)
        p.work("g/3", self.add("a"))
        self.assertEqual(p("rollback", "g/3"), OK)
        p.work("g/4", self.add("b"))
        self.assertEqual(p("commit", "g/4", TMONEPHASE), OK)
        self.assertEqual((self.value("a"), self.value("b")), (1, 1))
        self.assertEqual(self.connections(), 1)  # the one that has done it all
        self.assertEqual(p("close", ""), OK)
        self.assertEqual(p("commit", "g/1", 0), PROTO)

    def test_calls_out_of_order(self):
        p = self.start()
        self.assertEqual(p("end", "g/1", TMSUCCESS), PROTO)
        self.assertEqual(p("connection"), 0)
        self.assertEqual(p("start", "g/1", 0), OK)
        self.assertNotEqual(p("connection"), 0)
        self.assertEqual(p("start", "g/2", 0), PROTO)
        self.assertEqual(p("close", ""), PROTO)
        for verb, *flags in (("prepare",), ("commit", 0), ("commit", TMONEPHASE), ("rollback",)):
            self.assertEqual(p(verb, "g/1", *flags), PROTO, verb)
        self.assertEqual(p("end", "g/2", TMSUCCESS), NOTA)
        self.assertEqual(p("end", "g/1", TMSUSPEND), INVAL)
        self.assertEqual(p("end", "g/1", TMSUCCESS), OK)
        self.assertEqual(p("start", "g/1", TMJOIN), INVAL)
        self.assertEqual(p("start", "g/1", TMRESUME), INVAL)
        self.assertEqual(p("start", "g/1", 0), DUPID)
        self.assertEqual(p("commit", "g/1", 0), PROTO)
        self.assertEqual(p("commit", "g/1", TMASYNC), ASYNC)
        self.assertEqual(p("prepare", "g/1"), RDONLY)
        p.prepare("g/1", self.add("a"))
        self.assertEqual(p("prepare", "g/1"), PROTO)
        self.assertEqual(p("commit", "g/1", TMONEPHASE), PROTO)
        self.assertEqual(p("commit", "g/1", TMNOWAIT), OK)
        for verb in ("commit", "rollback", "prepare", "forget"):
            self.assertEqual(p(verb, "g/1"), NOTA, verb)
        self.assertEqual(p("start", "x" * 65, 0), INVAL)
        self.assertIn("gtrid of 1 to 64 bytes", p.said)

    def test_an_xid_is_used_once(self):
        p, q = self.start(), self.start()
        p("start", "g/1", 0)
        self.assertEqual(q("start", "g/1", 0), DUPID)
        self.assertEqual(q("start", "g/2", 0), OK)  # the connection is as good as before
        self.assertEqual(q("open", server.where(), thread="other"), OK)
        self.assertEqual(q("start", "g/2", 0, thread="other"), DUPID)

    def test_a_failed_end(self):
        p = self.start()
        p("start", "g/1", 0)
        p.sql(self.add("a"))
        self.assertEqual(p("end", "g/1", TMFAIL), OK)
        self.assertEqual(p("prepare", "g/1"), RBROLLBACK)
        self.assertEqual(self.value("a"), 0)
        p("start", "g/1", 0)
        p("end", "g/1", TMFAIL)
        self.assertEqual(p("commit", "g/1", TMONEPHASE), RBROLLBACK)
        p.prepare("g/1", self.add("a"))

    def test_lists(self):
        """XA RECOVER, whoever prepared it, with bytes that it cannot print as they are."""
        p = self.start()
        self.assertEqual(p("recover"), 0)
        p.prepare("1.2.3:4/5/app/0a1b2c3d", self.add("a"))
        foreign = {"'foreign'", "'for-eign','b',9", "X'00ff27',X'5c',3"}
        held = []
        for xid in foreign:
            held.append(subprocess.Popen(
                ["mariadb", "--no-defaults", f"--socket={server.socket}", "--user=root"],
                stdin=subprocess.PIPE, text=True))
            held[-1].communicate(f"XA START {xid}; INSERT INTO assent.t VALUES ({len(held)}, 1); "
                                 f"XA END {xid}; XA PREPARE {xid};")
        wanted = {as_sql("1.2.3:4/5/app/0a1b2c3d"), f"X'{b'foreign'.hex()}',X'',1",
                  f"X'{b'for-eign'.hex()}',X'62',9", "X'00ff27',X'5c',3"}
        self.assertEqual(p("recover"), 4, p.said)
        self.assertEqual(set(p.said.split(" ")), wanted)

    def test_open_strings(self):
        p = self.start(open_it=False)
        for where, said in (("sokcet=/x", "'sokcet'"), ("port=99999", "port is a number from 1 to"),
                            ("user", "'user' is no word=value"), ("user=a user=b", "user is said"),
                            ("password='x", "value of password"), ("socket=/x host=y", "not both"),
                            ("password-file=/nowhere/at/all", "password-file: /nowhere"),
                            ("ssl-cert=/x", "go together"), ("x" * 256, "at most 255 characters")):
            self.assertEqual(p("open", where), INVAL, where)
            self.assertIn(said, p.said)
            self.assertNotIn("not a secret", p.said)
        for where, code, said in (
                (server.where(socket="/nowhere"), RMFAIL, "/nowhere"),
                (server.where(password="wrong"), RMERR, "look at user and password"),
                (server.where(database="missing"), RMERR, "to database 'missing'"),
                (server.where(parked=1000), RMERR, "parked = 1000")):
            q = self.start(open_it=False)
            self.assertEqual(q("open", where), code, q.said)
            self.assertIn(said, q.said)
        p = self.start()
        self.assertEqual(p("open", server.where(user="root"), thread="t"), INVAL)
        self.assertIn("another string", p.said)

    def test_password_file(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(mariadb_server.PASSWORD + "\n")
            file.flush()
            p = self.start(server.where(password=None, password_file=file.name))
        p.prepare("g/1", self.add("a"))

    def test_settings_that_lose_commits(self):
        server.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
        self.addCleanup(server.sql, "SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        p = self.start(open_it=False)
        self.assertEqual(p("open", server.where()), RMERR)
        self.assertIn("innodb_flush_log_at_trx_commit = 0", p.said)


class Traps(Case):
    def test_the_preparing_connection_holds_the_branch(self):
        """Another process's commit while the owner lives, frozen or not: not now."""
        p, q = self.start(), self.start()
        p.prepare("g/1", self.add("a"))
        p.process.send_signal(19)  # SIGSTOP
        try:
            for verb in ("commit", "rollback"):
                self.assertEqual(q(verb, "g/1"), RETRY)
                self.assertIn("XAER_NOTA", q.said)
            self.assertEqual(q("recover"), 1)
        finally:
            p.process.send_signal(18)  # SIGCONT
        self.assertEqual(self.value("a"), 0)
        # It is bound to its connection, but its process is not: it works, and finishes it.
        p.prepare("g/2", self.add("b"))
        self.assertEqual(p("commit", "g/1", 0), OK)
        self.assertEqual(q("commit", "g/1", 0), NOTA)
        self.assertEqual(self.value("a"), 1)
        # When it is killed, the branch is anybody's.
        p.kill()
        wait_until(lambda: q("commit", "g/2", 0) == OK, "the branch to be let go")
        self.assertEqual(self.value("b"), 1)

    def test_any_thread_finishes(self):
        p = self.start()
        for thread in ("one", "two"):
            self.assertEqual(p("open", server.where(), thread=thread), OK)
        p.prepare("g/1", self.add("a"), thread="one")
        p.prepare("g/2", self.add("b"), thread="one")
        self.assertEqual(p("exit", thread="one"), 0)  # and the thread is gone
        wait_until(lambda: p("commit", "g/1", 0, thread="two") == OK, "its connection to end")
        wait_until(lambda: p("commit", "g/2", 0) == OK, "its connection to end")
        p.work("g/3", self.add("a"), thread="two")
        self.assertEqual(p("prepare", "g/3"), OK)  # and not only those
        self.assertEqual(p("rollback", "g/3", thread="two"), OK)
        # A thread that ends in the middle of a branch takes it along.
        self.assertEqual(p("open", server.where(), thread="one"), OK)
        self.assertEqual(p("start", "g/4", 0, thread="one"), OK)
        p.sql(self.add("a"), thread="one")
        p("exit", thread="one")
        self.assertEqual(p("prepare", "g/4"), NOTA)
        wait_until(lambda: self.value("a") == 1, "the row")
        server.sql(self.add("a", 0))  # waits for the lock

    def test_a_thread_that_closes_lets_go(self):
        """Of what it has prepared, not of what others have, nor do those lose anything."""
        p, q = self.start(), self.start()
        for thread, key in (("one", "a"), ("two", "b")):
            self.assertEqual(p("open", server.where(), thread=thread), OK)
            p.prepare(f"g/{thread}", self.add(key), thread=thread)
        self.assertEqual(p("close", "", thread="one"), OK)
        wait_until(lambda: q("commit", "g/one", 0) == OK, "the branch to be let go")
        self.assertEqual(q("commit", "g/two", 0), RETRY)
        self.assertEqual(p("commit", "g/two", 0, thread="two"), OK)
        self.assertEqual((self.value("a"), self.value("b")), (1, 1))

    def test_parked_connections_are_bounded(self):
        p, q = self.start(server.where(parked=2)), self.start()
        for i in range(4):
            server.sql(f"INSERT INTO t VALUES ('k{i}', 0)")
        for i in range(4):
            p.prepare(f"g/{i}", self.add(f"k{i}"))
        # The two oldest are detached, and anybody's; the others are not.
        for i in (0, 1):
            wait_until(lambda i=i: q("commit", f"g/{i}", 0) == OK, "the branch to be let go")
        for i in (2, 3):
            self.assertEqual(q("commit", f"g/{i}", 0), RETRY)
            self.assertEqual(p("commit", f"g/{i}", 0), OK)
        self.assertEqual([self.value(f"k{i}") for i in range(4)], [1] * 4)
        for i in range(3):
            p.prepare(f"h/{i}", self.add(f"k{i}"))
        for i in range(3):
            self.assertEqual(p("commit", f"h/{i}", 0), OK)
        self.assertLessEqual(self.connections(), 3)

    def test_no_connection_left(self):
        """The oldest parked one is given up for one that is needed."""
        most = int(server.value("SELECT @@max_connections"))
        p = self.start()
        p.prepare("g/1", self.add("a"))
        server.sql("SET GLOBAL max_connections = 10")
        others = []
        try:
            for _ in range(20):
                other = self.start(open_it=False)
                others.append(other)
                if other("open", server.where()) == RMFAIL:
                    break
            self.assertIn("max_connections", other.said)
            self.assertEqual(p("start", "g/2", 0), OK, p.said)
            p("end", "g/2", TMSUCCESS)
        finally:
            server.sql(f"SET GLOBAL max_connections = {most}")
        for other in others:
            other.kill()
        wait_until(lambda: p("commit", "g/1", 0) == OK, "the branch to be let go")
        self.assertEqual(self.value("a"), 1)

    def test_what_a_branch_leaves_behind(self):
        """A connection with autocommit off ends no branch of others: it is not used again."""
        p, q = self.start(), self.start()
        p.prepare("g/1", "SET autocommit = 0", self.add("a"))
        self.assertEqual(p("commit", "g/1", 0), OK)
        q.prepare("g/2", self.add("b"))
        q.kill()
        wait_until(lambda: p("commit", "g/2", 0) == OK, "the branch to be let go")
        self.assertEqual((self.value("a"), self.value("b")), (1, 1))

    def test_implicit_commits(self):
        p = self.start()
        p("start", "g/1", 0)
        p.sql(self.add("a"))
        for statement in ("CREATE TABLE u (a INT)", "ALTER TABLE t ADD x INT", "TRUNCATE TABLE t",
                          "COMMIT", "ROLLBACK", "BEGIN", "LOCK TABLES t WRITE"):
            self.assertEqual(p("sql", statement), 1399, statement)
        self.assertEqual(p("end", "g/1", TMSUCCESS), OK)
        self.assertEqual(self.value("a"), 0)
        self.assertEqual(p("prepare", "g/1"), OK)

    def test_branches_that_change_nothing(self):
        p = self.start()
        server.sql("DELIMITER //\nCREATE OR REPLACE FUNCTION adds() RETURNS INT BEGIN "
                   "UPDATE t SET v = v + 1; RETURN 1; END//\n")
        for i in range(2):
            p.work(f"g/r{i}", "SELECT * FROM t FOR UPDATE")
            self.assertEqual(p("prepare", f"g/r{i}"), RDONLY)
        self.assertEqual(server.prepared(), [])
        # None of these is, though the server tells of some only by its counters, and not at all of
        # reading after writing.
        for i, statement in enumerate((
                self.add("a"), "SELECT adds()", "INSERT INTO t VALUES ('n', 1) RETURNING k",
                "DELETE FROM t WHERE k = 'n'", "SET @a = adds()", "DO adds()",
                "REPLACE INTO t VALUES ('a', 5)")):
            p.prepare(f"g/{i}", statement)
            self.assertEqual(p("commit", f"g/{i}", 0), OK)
        self.assertEqual(self.value("b"), 3)

    def test_detached_branches_that_change_nothing(self):
        """The server answers 1402 to the commit of one whose connection is closed: nothing is lost
        by that. (The first of a connection whose counters are not known is prepared.)"""
        p, q = self.start(), self.start()
        p.prepare("g/w", self.add("a"))
        self.assertEqual(p("commit", "g/w", 0), OK)
        for xid in ("g/1", "g/2"):
            p.prepare("g/x", self.add("b"))
            self.assertEqual(p("commit", "g/x", 0), OK)
            p.prepare(xid, "SELECT * FROM t")
        p.kill()
        wait_until(lambda: q("commit", "g/1", 0) == OK, "the branch to be let go")
        wait_until(lambda: q("rollback", "g/2") == OK, "the branch to be let go")
        self.assertEqual(server.prepared(), [])

    def test_anybody_may_end_a_branch(self):
        """There is no ownership: a user without rights on the table rolls it back."""
        server.sql("CREATE OR REPLACE USER nobody@'%'")
        p = self.start()
        p.prepare("g/1", self.add("a"))
        p.kill()
        q = self.start(server.where(user="nobody", password=None, database=None))
        wait_until(lambda: q("rollback", "g/1") == OK, "the branch to be let go")
        self.assertEqual(self.value("a"), 0)

    def test_deadlocks_and_timeouts(self):
        p = self.start()
        p("open", server.where(), thread="other")
        p("start", "g/1", 0)
        p("start", "g/2", 0, thread="other")
        p.sql(self.add("a"))
        p.sql(self.add("b"), thread="other")
        p.begin("other", "sql", self.add("a"))
        first = p("sql", self.add("b"))
        second = p("wait", thread="other")
        self.assertEqual({first, second}, {0, 1213})
        victim, thread = ("g/1", "main") if first else ("g/2", "other")
        self.assertEqual(p("end", victim, TMSUCCESS, thread=thread), RBDEADLOCK, p.said)
        self.assertEqual(p("rollback", victim), OK)
        xid, thread = ("g/2", "other") if first else ("g/1", "main")
        p.sql("SET SESSION innodb_lock_wait_timeout = 1", thread=thread)
        self.assertEqual(p("end", xid, TMSUCCESS, thread=thread), OK)
        self.assertEqual(p("prepare", xid), OK)
        self.assertEqual(p("commit", xid, 0), OK)
        self.assertEqual((self.value("a"), self.value("b")), (1, 1))

    def test_a_lock_that_keeps_commits_out(self):
        """A backup's: the commit comes back, and the branch stays."""
        server.sql("SET GLOBAL lock_wait_timeout = 1")
        self.addCleanup(server.sql, "SET GLOBAL lock_wait_timeout = DEFAULT")
        p, q = self.start(), self.start()
        p.prepare("g/1", self.add("a"))
        holder = self.hold_commits()
        self.assertEqual(p("commit", "g/1", 0), RETRY, p.said)
        self.assertIn("(1205)", p.said)
        holder.communicate()
        self.assertEqual(q("commit", "g/1", 0), RETRY)  # it is parked as before
        wait_until(lambda: p("commit", "g/1", 0) == OK, "the commit")
        self.assertEqual(self.value("a"), 1)


class Crashes(Case):
    def test_the_server_between_prepare_and_commit(self):
        p = self.start()
        p.prepare("g/1", self.add("a"))
        p.prepare("g/2", self.add("b"))
        server.kill()
        self.assertEqual(p("commit", "g/1", 0), RMFAIL)
        self.assertEqual(p("commit", "g/1", 0), RMFAIL)
        self.assertEqual(p("recover"), RMFAIL)
        self.assertEqual(p("start", "g/3", 0), RMFAIL)
        server.start()
        self.assertEqual(p("recover"), 2)
        self.assertEqual(p("commit", "g/1", 0), OK)
        self.assertEqual(p("rollback", "g/2"), OK)
        self.assertEqual((self.value("a"), self.value("b")), (1, 0))
        p.prepare("g/4", self.add("b"))
        self.assertEqual(p("commit", "g/4", 0), OK)

    def test_the_server_before_the_prepare(self):
        p = self.start()
        p("start", "g/1", 0)
        p.sql(self.add("a"))
        p.work("g/2", self.add("b"), thread=self.opened(p, "two"))
        p.work("g/3", thread=self.opened(p, "three"))
        server.kill()
        self.assertEqual(p("end", "g/1", TMSUCCESS), RBCOMMFAIL)
        self.assertEqual(p("rollback", "g/1"), OK)
        self.assertEqual(p("prepare", "g/2"), RMFAIL)  # nobody knows
        self.assertEqual(p("commit", "g/3", TMONEPHASE), RMFAIL)
        self.assertEqual(p("rollback", "g/2"), RMFAIL)
        server.start()
        for xid in ("g/1", "g/2"):
            self.assertEqual(p("rollback", xid), NOTA)
        self.assertEqual(p("recover"), 0)
        self.assertEqual((self.value("a"), self.value("b")), (0, 0))

    def opened(self, process, thread):
        self.assertEqual(process("open", server.where(), thread=thread), OK)
        return thread

    def test_a_connection_lost_while_it_prepares(self):
        """The server is at the prepare, held up by a lock, when the client gives the connection up:
        not listed says nothing then, and no rollback may be taken for done."""
        p = self.start(server.where(read_timeout=1))
        q = self.start()
        p.work("g/1", self.add("a"))
        holder = self.hold_commits()
        self.assertEqual(p("prepare", "g/1"), RMFAIL)
        self.assertEqual(p("recover"), 0)
        answer, said = p("rollback", "g/1"), p.said
        holder.communicate()
        if answer == NOTA:  # the server had noticed, and given up
            return self.assertEqual((q("recover"), self.value("a")), (0, 0))
        self.assertEqual((answer, "is still open at the server" in said), (RETRY, True))
        wait_until(lambda: q("recover") == 1, "the prepare to be done")
        wait_until(lambda: p("rollback", "g/1") == OK, "the rollback")
        self.assertEqual(p("rollback", "g/1"), NOTA)
        self.assertEqual(self.value("a"), 0)

    def test_connections_that_have_gone_stale(self):
        p = self.start()
        for i in range(2):
            p.prepare(f"g/{i}", f"INSERT INTO t VALUES ('s{i}', 0)")
        for i in range(2):
            self.assertEqual(p("commit", f"g/{i}", 0), OK)
        server.restart()
        p.prepare("g/3", self.add("a"))
        server.stop()
        server.start()
        self.assertEqual(p("commit", "g/3", 0), OK)
        self.assertEqual(self.value("a"), 1)

    def test_a_process_killed_anywhere(self):
        q = self.start()
        for at, listed in enumerate((0, 0, 1)):
            p = self.start()
            p("start", "g/1", 0)
            p.sql(self.add("a"))
            if at > 0:
                p("end", "g/1", TMSUCCESS)
            if at > 1:
                p("prepare", "g/1")
            p.kill()
            self.assertEqual(q("recover"), listed)
            wait_until(lambda: q("rollback", "g/1") in (OK, NOTA), "the end of the branch")
            server.sql(self.add("a", 0))  # waits for the lock
        self.assertEqual(self.value("a"), 0)


class Programs(Case):
    def run_program(self, name):
        where = server.where(user="root", password=None, database=None)
        done = subprocess.run([str(BIN / f"integration-mariadb-{name}")], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "MARIADB_WHERE": where})
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_barrier(self):
        self.run_program("barrier")

    def test_sql(self):
        self.run_program("sql")
        # The table that the documentation says an administrator may make.
        documented = re.search(r"^```sql\n(CREATE TABLE assent_barrier .*?)^```$",
                               (SOURCE / "docs/barrier.md").read_text(), re.M | re.S).group(1)
        server.sql("CREATE DATABASE IF NOT EXISTS documented; DROP TABLE IF EXISTS "
                   "documented.assent_barrier")
        server.sql(documented, database="documented")
        self.assertEqual(*(server.sql(f"SHOW CREATE TABLE {database}.assent_barrier; "
                                      f"SELECT * FROM {database}.assent_barrier WHERE gtid = ''")
                           for database in ("documented", "driver")))


def main():
    global server
    if not mariadb_server.available():
        print("MariaDB's server is not installed")
        return mariadb_server.SKIPPED
    with mariadb_server.MariadbServer(fsync=False) as server:
        result = unittest.main(exit=False, verbosity=2).result
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
