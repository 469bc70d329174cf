#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent doctor, with a real PostgreSQL and a real MariaDB: each kind of finding is made, named,
and with --fix ended or left alone.

usage: doctor_test.py [unittest options]
"""

import json
import signal
import sys
import threading
import unittest

from rm_world import RmWorld, available, do, until

world = None
OK, USAGE, FAILED, FINDINGS, NOT_ASKED = 0, 1, 7, 9, 10  # exit statuses
FORMAT = int.from_bytes(b"ASNT", "big")
ORDER = "INSERT INTO orders (gtid, item) VALUES ('x', 'by hand')"


def setUpModule():
    global world
    world = RmWorld()
    world.start_all()


def tearDownModule():
    world.close()


def crc32c(text):
    crc = 0xFFFFFFFF
    for byte in text.encode():
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return f"{crc ^ 0xFFFFFFFF:08x}"


def xid(gtid, bqual):
    """As MariaDB has it, and as Assent's names have it for PostgreSQL."""
    return f"X'{gtid.encode().hex()}',X'{bqual.encode().hex()}',{FORMAT}"


def doctor(*arguments, names=("pg", "my"), env=None):
    """Exit status and what it says as JSON."""
    configs = [word for name in names for word in ("--config", world.dir / f"{name}.conf")]
    before, world.env = world.env, {**world.env, **(env or {})}
    try:
        done = world.run("assent", "doctor", "--json", *configs, *arguments, check=False)
    finally:
        world.env = before
    if not done.stdout:
        raise AssertionError(f"{done.returncode}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)


def kinds(said, resource=None):
    return sorted((row["resource"], row["kind"], row["finding"]) for row in said["branches"]
                  if resource in (None, row["resource"]))


def coordinator():
    return json.loads(world.run("assent", "status", "--json").stdout)["coordinator"]


class DoctorTest(unittest.TestCase):
    """Each test leaves the coordinator and both participants running, and nothing prepared."""

    def tearDown(self):
        for name in ("assentd", *world.databases):
            server = world.servers[name]
            server.signal(signal.SIGCONT)
            if not server.running():
                world.start_coordinator() if name == "assentd" else world.start_rm(name)
        world.settle()


class Healthy(DoctorTest):
    def test_nothing(self):
        status, said = doctor()
        self.assertEqual((status, said["findings"], said["branches"], said["unasked"]),
                         (OK, 0, [], []))
        self.assertEqual(said["coordinator"], coordinator())
        done = world.run("assent", "doctor", "--config", world.dir / "pg.conf")
        self.assertIn("nothing is wrong", done.stdout)

    def test_usage(self):
        for code, *arguments in ((USAGE,), (USAGE, "--database", "pg"), (USAGE, "--database", "pg="),
                                 (USAGE, "--journal", "pg=/x"), (FAILED, "--config", "/nowhere"),
                                 (USAGE, "--database", "a b=postgres:x")):
            done = world.run("assent", "doctor", *arguments, check=False)
            self.assertEqual(done.returncode, code, arguments)
            self.assertIn("assent: ", done.stderr)

    def test_what_cannot_be_asked(self):
        """A server that is not there; its password is not told. An address of no database."""
        for address in ("postgres:host=/nowhere password=secret", "oracle:secret"):
            done = world.run("assent", "doctor", "--json", "--database", f"x={address}",
                             check=False)
            said = json.loads(done.stdout)
            self.assertEqual(done.returncode, NOT_ASKED)
            self.assertEqual([(u["what"], u["name"]) for u in said["unasked"]],
                             [("database", "x")])
            self.assertNotIn("secret", done.stdout + done.stderr)

    def test_an_xa_switch(self):
        config = world.dir / "switch.conf"
        config.write_text("resource = other\njournal = /x\nxa = libx.so:x\n")
        status, said = doctor("--config", config)
        self.assertEqual((status, said["unasked"][0]["name"]), (NOT_ASKED, "other"))


class Decided(DoctorTest):
    """A participant that stops with the decision in hand."""

    def stop_before_commit(self):
        world.servers["pg"].stop()
        server = world.start_rm("pg", env={"ASSENT_CRASH_POINT": "part_before_commit:1:stop"})
        caller = world.caller("2pc", "pg", do(("debit", 1, 1)), "my", do(("credit", 1, 1)))
        self.assertEqual(caller.communicate()[0].strip(), "committed")

        def applied():  # in one of them
            return not world.databases["my"].prepared()
        until("MariaDB to commit", applied)
        return server

    def test_straggler(self):
        self.stop_before_commit()
        self.assertEqual(kinds(doctor()[1]), [("pg", "straggler", False)])  # it is young
        status, said = doctor("--older", "0s")
        row = said["branches"][0]
        self.assertEqual((status, kinds(said)), (FINDINGS, [("pg", "straggler", True)]))
        self.assertEqual((row["says_database"], row["says_coordinator"]), ("prepared", "commit"))
        # Its journal is in use, and was read all the same.
        self.assertNotEqual(row["says_journal"], "not read")
        self.assertEqual(row["commands"],
                         [{"what": "retry", "command": f"assent retry {row['gtid']}"},
                          {"what": "commit", "command": f"COMMIT PREPARED '{row['name']}';"}])
        status, said = doctor("--older", "0s", env={"TMPDIR": "/nowhere"})
        self.assertEqual((status, [(u["what"], u["name"]) for u in said["unasked"]]),
                         (NOT_ASKED, [("journal", "pg"), ("journal", "my")]))
        self.assertIn("in use", said["unasked"][0]["message"])

        # Nudged, not forced: it is still prepared.
        status, said = doctor("--older", "0s", "--fix")
        self.assertEqual((status, said["branches"][0]["fixed"]),
                         (OK, "its participant is asked again"))
        self.assertEqual(world.databases["pg"].prepared(), [row["name"]])
        self.offline(row)
        self.comes_back(row)

    def offline(self, row):
        world.servers["assentd"].kill()
        status, said = doctor("--older", "0s")
        self.assertEqual((status, [u["what"] for u in said["unasked"]]),
                         (NOT_ASKED, ["coordinator"]))
        self.assertEqual(said["branches"][0]["says_coordinator"], "not asked")
        status, said = doctor("--older", "0s", "--data-dir", world.dir / "coordinator", "--fix")
        self.assertEqual((status, said["offline"], kinds(said)),
                         (FINDINGS, True, [("pg", "straggler", True)]))
        self.assertEqual(said["branches"][0]["says_coordinator"], "commit")
        self.assertIsNone(said["branches"][0]["fixed"])
        world.start_coordinator()
        status, said = doctor("--data-dir", world.dir / "coordinator")  # in use
        self.assertEqual((status, said["unasked"][0]["what"]), (NOT_ASKED, "log"))

    def comes_back(self, row):
        """What has ended is prepared once more, under the very same name."""
        world.servers["pg"].signal(signal.SIGCONT)
        world.settle()
        world.servers["pg"].stop()
        world.databases["pg"].sql(f"BEGIN; {ORDER}; PREPARE TRANSACTION '{row['name']}'")
        try:
            status, said = doctor("--older", "0s", "--fix")
            self.assertEqual((status, kinds(said)), (FINDINGS, [("pg", "mismatched", True)]))
            self.assertEqual(said["branches"][0]["says_coordinator"], "committed, ended")
            self.assertEqual(world.databases["pg"].prepared(), [row["name"]])
        finally:
            world.databases["pg"].sql(f"ROLLBACK PREPARED '{row['name']}'")


class Traffic(DoctorTest):
    LOOKS = 8

    def test_what_goes_on_is_nothing_wrong(self):
        """Whatever is between two of the three at the moment: no look takes it for more, and all
        journals can be read while they are written."""
        stop, seen, failed = threading.Event(), [], []

        def work(protocol, account):  # of its own: locks across two databases are no deadlock there
            while not stop.is_set():
                outcome = world.call(protocol, "pg", do(("credit", account, 1)),
                                     "my", do(("credit", account, 1)))
                if outcome != "committed":
                    failed.append(outcome)
                    return
        threads = [threading.Thread(target=work, args=args) for args in (("2pc", 1), ("3pc", 2))]
        for thread in threads:
            thread.start()
        try:
            for _ in range(self.LOOKS):
                _, said = doctor("--older", "0s")
                seen += [row["kind"] for row in said["branches"]]
                self.assertEqual(said["unasked"], [])
                self.assertLessEqual(set(seen), {"in_doubt", "straggler"}, said)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failed, [])


class Undecided(DoctorTest):
    def test_in_doubt(self):
        world.servers["my"].stop()
        world.start_rm("my", env={"ASSENT_CRASH_POINT": "part_before_prepare:1:stop"})
        caller = world.caller("2pc", "pg", do(("debit", 1, 1)), "my", do(("credit", 1, 1)))
        until("PostgreSQL to prepare", world.databases["pg"].prepared)
        status, said = doctor()
        self.assertEqual((status, kinds(said)), (OK, [("pg", "in_doubt", False)]))
        status, said = doctor("--older", "0s", "--fix")
        self.assertEqual((status, kinds(said)), (FINDINGS, [("pg", "in_doubt", True)]))
        gtid = said["branches"][0]["gtid"]
        self.assertEqual(said["branches"][0]["says_coordinator"], "undecided")
        self.assertEqual(len(world.databases["pg"].prepared()), 1)
        world.run("assent", *said["branches"][0]["commands"][-1]["command"].split()[1:], "--yes")
        self.assertIn(f"abort {gtid}", said["branches"][0]["commands"][-1]["command"])
        world.servers["my"].signal(signal.SIGCONT)
        self.assertIn("aborted", caller.communicate()[0])


class Orphans(DoctorTest):
    """Participants roll back what is nobody's by themselves: here they do not run."""

    def setUp(self):
        for name in world.databases:
            world.servers[name].stop()

    def tearDown(self):
        for gid in world.databases["pg"].prepared():
            quoted = gid.replace("'", "''")
            world.databases["pg"].sql(f"ROLLBACK PREPARED '{quoted}'")
        world.databases["my"].server.roll_back_all()
        super().tearDown()

    def prepare(self, me):
        """Names, by kind, of what is prepared by hand in PostgreSQL."""
        pg, my = world.databases["pg"], world.databases["my"]
        other = "z" * 8 if me != "z" * 8 else "y" * 8
        made = {
            "orphan": f"{me}.1.lx0000.1:0/app/{crc32c('pg')}",
            "call": f"{me}.1.lx0000.2:0/{me}/10000ffffff/{crc32c('pg')}",
            "elsewhere": f"{me}.1.lx0000.3:0/app/{crc32c('third')}",
            "foreign": f"{other}.1.lx0000.4:0/app/{crc32c('pg')}",
            "unclear": f"order-42:0/app/{crc32c('pg')}",
            "restored": f"{me}.zz.lx0000.5:0/app/{crc32c('pg')}",
        }
        for name in made.values():
            pg.prepare(xid(*name.rsplit(":", 1)), ORDER)
        pg.sql(f"BEGIN; {ORDER}; PREPARE TRANSACTION 'somebody else''s'")
        my.prepare(xid(f"{me}.1.lx0000.1", f"0/app/{crc32c('my')}"), ORDER)
        my.prepare("'a','b',7", ORDER)
        return {kind: f"assent:{name}" for kind, name in made.items()}

    def test_only_certain_old_ones_are_rolled_back(self):
        pg = world.databases["pg"]
        names = self.prepare(coordinator())
        everything = pg.prepared()
        # Young ones are left alone, and are no findings.
        status, said = doctor("--fix", names=("pg",))
        self.assertEqual((status, said["findings"], pg.prepared()), (OK, 0, everything))
        self.assertIn("young", [r["left"] for r in said["branches"]
                                if r["name"] == names["orphan"]][0])
        until("them to be old", lambda: doctor("--older", "2s", names=("pg",))[1]["findings"] == 7)
        # Without --fix nothing is.
        status, said = doctor("--older", "2s")
        self.assertEqual((status, pg.prepared()), (FINDINGS, everything))
        by_name = {row["name"]: row for row in said["branches"] if row["resource"] == "pg"}
        self.assertEqual({kind: by_name[name]["kind"] for kind, name in names.items()},
                         {"orphan": "orphan", "call": "orphan", "elsewhere": "orphan",
                          "foreign": "foreign", "unclear": "unclear", "restored": "unclear"})
        self.assertEqual(by_name["somebody else's"]["kind"], "foreign")
        self.assertEqual(by_name["somebody else's"]["commands"][0]["command"],
                         "ROLLBACK PREPARED 'somebody else''s';")
        self.assertFalse(by_name[names["elsewhere"]]["of_resource"])
        self.assertEqual([(r["kind"], r["age_ms"], r["fixable"]) for r in said["branches"]
                          if r["resource"] == "my"],
                         [("foreign", None, False), ("orphan", None, False)])
        self.fix(names, everything)

    def offline(self, everything):
        """A log may be a copy: by it alone nothing is rolled back."""
        world.servers["assentd"].kill()
        status, said = doctor("--older", "1s", "--fix", "--data-dir", world.dir / "coordinator")
        self.assertEqual((status, world.databases["pg"].prepared()), (FINDINGS, everything))
        self.assertIn(("pg", "orphan", True), kinds(said))
        world.start_coordinator()

    def fix(self, names, everything):
        pg, my = world.databases["pg"], world.databases["my"]
        self.offline(everything)
        done = world.run("assent", "doctor", "--fix", "--older", "1s", "--config",
                         world.dir / "pg.conf", "--config", world.dir / "my.conf", check=False)
        self.assertEqual(done.returncode, FINDINGS, done.stdout)
        self.assertIn("looking again in 1", done.stderr)  # for MariaDB, which tells no ages
        self.assertIn("--fix: rolled back", done.stdout)
        self.assertEqual(pg.prepared(), [name for name in everything
                                         if name not in (names["orphan"], names["call"])])
        self.assertEqual(my.prepared(), ["'a','b',7"] if my.prepared()[0][0] == "'"
                         else ["X'61',X'62',7"])


if __name__ == "__main__":
    if not available():
        print("skipped: PostgreSQL and MariaDB are not installed")
        sys.exit(77)
    unittest.main(verbosity=2)
