#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent, the operator's command, against a live assentd with participants that do as they are
told."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import unittest

from cli_harness import (FAILED, NOT_CONFIRMED, NOT_FOUND, OK, REFUSED, UNREACHABLE, USAGE, Bank,
                         CliTest)
from daemon_harness import (ABORTED, CLIENT, COMMITTED, NO, OPERATOR, PARTICIPANT, PATIENCE_S,
                            SOURCE, YES, done, submit, vote, wait_until)

ESCAPE = "\x1b"
SLOW = "--timeouts-phase-one-ms=3600000"


class Looking(CliTest):
    def test_nothing_there(self):
        daemon = self.start_quiet()
        self.assertEqual(self.assent(daemon, "list").out, "No transactions are in flight.\n")
        self.assertEqual(self.assent(daemon, "list", "-d").out, "Nothing is in doubt.\n")
        self.assertEqual(self.assent(daemon, "list", "-f").out,
                         "Nothing finished yet within the retention.\n")
        self.assertIn("none is connected", self.assent(daemon, "participants").out)
        for verb in ("show", "explain"):
            result = self.assent(daemon, verb, "never-heard", code=NOT_FOUND)
            self.assertIn("unknown", result.out)
            self.assertIn("does not mean that it aborted", result.out)
            self.assertEqual(self.json(daemon, verb, "never-heard", code=NOT_FOUND)["verdict"]
                             ["outcome"], "unknown")
            self.assent(daemon, verb, "no gtid", code=USAGE)

    def test_status(self):
        daemon = self.start_quiet()
        Bank(self, daemon).commit("t")
        status = self.json(daemon, "status")
        self.assertEqual(status["pid"], daemon.pid)
        self.assertEqual(status["data_dir"], str(daemon.data))
        self.assertEqual(status["endpoints"], [f"ipc://{daemon.socket}"])
        self.assertEqual(status["transactions"]["committed"], 1)
        self.assertEqual(status["participants"]["connected"], 2)
        self.assertEqual(status["coordinator"], daemon.log("listening")[0]["coordinator"])
        text = self.assent(daemon, "status").out
        for part in (status["coordinator"], str(daemon.pid), str(daemon.data), "1 committed"):
            self.assertIn(part, text)

    def test_in_doubt(self):
        """A participant is gone after its yes; it comes back; nothing is left."""
        daemon = self.start_quiet()
        bank = Bank(self, daemon)
        bank.stick("order-42")
        row = self.json(daemon, "list", "--in-doubt")["transactions"][0]
        self.assertEqual((row["gtid"], row["state"], row["outcome"], row["mixed"]),
                         ("order-42", "committing", "committed", False))
        self.assertEqual((row["waiting_for"], row["branch_count"]), (["bank-b"], 2))
        lines = self.assent(daemon, "list", "--in-doubt").lines()
        self.assertEqual(lines[0].split(), ["GTID", "PROTOCOL", "STATE", "IN", "DOUBT", "AGE",
                                            "BRANCHES", "WAITING", "FOR", "RETRY", "IN"])
        self.assertRegex(lines[1], r"^order-42 2pc +committing yes +\S+ +2 bank-b +-$")
        self.assertEqual(len(lines), 2)

        shown = self.json(daemon, "show", "order-42")["transaction"]
        a, b = shown["branches"]
        self.assertEqual((a["participant"], a["vote"], a["state"], a["outcome"]),
                         ("bank-a", "yes", "done", "committed"))
        self.assertEqual((b["participant"], b["vote"], b["state"], b["outcome"]),
                         ("bank-b", "yes", "committing", None))
        self.assertEqual((b["connected"], b["waiting"], b["in_doubt"]), (False, True, True))
        text = self.assent(daemon, "show", "order-42").out
        for part in ("committing, in doubt", "Timeline", "began", "decided: committed",
                     "branch 1 (bank-b) told to commit; no acknowledgement yet"):
            self.assertIn(part, text)

        story = self.json(daemon, "explain", "order-42")
        codes = {fact["code"]: fact for fact in story["facts"]}
        self.assertEqual(codes["acknowledgement_missing"]["participant"], "bank-b")
        self.assertLessEqual({"decided", "acknowledgement_missing", "by_itself"}, set(codes))
        self.assertIn("start_participant", {advice["code"] for advice in story["advice"]})
        self.assertFalse(story["finished"])
        text = self.assent(daemon, "explain", "order-42").out
        self.assertIn("bank-b has not acknowledged the commit", text)
        self.assertIn("assent retry order-42", text)

        self.assent(daemon, "retry", "order-42")
        self.assent(daemon, "retry", "--all")
        b = bank.return_b()
        b.send(done(b.await_("COMMIT", gtid="order-42"), COMMITTED))
        wait_until(lambda: not self.row(daemon, "order-42"), "order-42 to end")
        row = self.wait_row(daemon, "order-42", "--finished")
        self.assertEqual((row["state"], row["outcome"], row["finished"]),
                         ("ended", "committed", True))
        story = self.json(daemon, "explain", "order-42")
        self.assertTrue(story["finished"])
        self.assertEqual([fact["code"] for fact in story["facts"]], ["ended"])

    def test_undecided(self):
        daemon = self.start_quiet(SLOW)
        bank = Bank(self, daemon)
        a, _ = bank.prepare("t")
        self.assertFalse(self.row(daemon, "t")["in_doubt"])
        bank.a.send(vote(a, YES))
        row = self.wait_row(daemon, "t", in_doubt=True)
        self.assertEqual((row["state"], row["outcome"], row["waiting_for"]),
                         ("preparing", None, ["bank-b"]))
        self.assertGreater(row["deadline_ms"], 0)
        text = self.assent(daemon, "explain", "t").out
        self.assertIn("1 of 2 branches have not voted", text)
        self.assertIn("may be aborted without harm", text)

    def test_aborted_with_its_reason(self):
        daemon = self.start_quiet()
        bank = Bank(self, daemon)
        a, b = bank.prepare("t")
        bank.a.send(vote(a, YES))
        bank.b.send({**vote(b, NO), "text": "no money"})
        bank.a.send(done(bank.a.await_("ROLLBACK", gtid="t"), ABORTED))
        row = self.wait_row(daemon, "t", "--finished")
        self.assertEqual(row["outcome"], "aborted")
        self.assertEqual(row["reason"], {"code": "voted_no", "text": "a branch voted no",
                                         "branch": 1, "detail": "no money"})
        self.assertIn("a branch voted no (branch 1: no money)",
                      self.assent(daemon, "list", "--state", "aborted").out)
        self.assertIn("no money", self.assent(daemon, "explain", "t").out)
        self.assertIn("no money", self.assent(daemon, "show", "t").out)

    def test_filters(self):
        daemon = self.start_quiet(SLOW)
        bank = Bank(self, daemon)
        bank.commit("ended")
        bank.prepare("voting")
        began_ms = self.row(daemon, "voting")["started_at_ms"]
        while time.time() * 1000 < began_ms + 1:  # ages are told apart by the millisecond
            pass
        bank.stick("stuck")

        def gtids(*args):
            return sorted(row["gtid"] for row in self.json(daemon, "list", *args)["transactions"])
        self.assertEqual(gtids(), ["stuck", "voting"])
        self.assertEqual(gtids("--state", "committing"), ["stuck"])
        self.assertEqual(gtids("--state", "preparing,committing"), ["stuck", "voting"])
        self.assertEqual(gtids("--state", "aborting"), [])
        self.assertEqual(gtids("--in-doubt"), ["stuck"])
        self.assertEqual(gtids("--protocol", "2pc,saga"), ["stuck", "voting"])
        self.assertEqual(gtids("--protocol", "saga"), [])
        self.assertEqual(gtids("--participant", "bank-a"), ["stuck", "voting"])
        self.assertEqual(gtids("--participant", "bank"), [])
        self.assertEqual(gtids("--older", "1h"), [])
        self.assertEqual(gtids("--younger", "1h"), ["stuck", "voting"])
        self.assertEqual(gtids("--limit", "1"), ["voting"])  # the oldest
        self.assertEqual(self.json(daemon, "list", "-n", "1")["matched"], 2)
        self.assertIn("And 1 younger ones", self.assent(daemon, "list", "-n", "1").out)
        self.wait_row(daemon, "ended", "--finished")
        self.assertEqual(gtids("--finished"), ["ended"])
        self.assertEqual(gtids("--state", "committed"), ["ended"])
        self.assertEqual(gtids("--state", "aborted,mixed"), [])

    def test_finished_in_pages(self):
        daemon = self.start_quiet()
        bank = Bank(self, daemon)
        gtids = [f"t-{number}" for number in range(25)]
        for gtid in gtids:
            bank.commit(gtid)
        self.wait_row(daemon, gtids[-1], "--finished")
        found, after = [], []
        while True:
            page = self.json(daemon, "list", "--finished", "--limit", "10", *after)
            self.assertLessEqual(len(page["transactions"]), 10)
            found += [row["gtid"] for row in page["transactions"]]
            if not page["next"]:
                break
            after = ["--after", page["next"]]
        self.assertEqual(sorted(found), sorted(gtids))
        text = self.assent(daemon, "list", "-f", "-n", "10").out
        self.assertRegex(text, r"More: --after \d+, or --limit 0 for all\.\n$")
        everything = self.json(daemon, "list", "-f", "-n", "0")
        self.assertEqual([row["gtid"] for row in everything["transactions"]], found)

    def test_many(self):
        """More than fit in a page: all of them, oldest first, and the daemon goes on meanwhile."""
        daemon = self.start_quiet(SLOW)
        bank = Bank(self, daemon)
        count = 3000
        for first in range(0, count, 500):
            bank.client.send(*[submit(f"t-{number}", "bank-a", "bank-b")
                               for number in range(first, first + 500)])
        wait_until(lambda: self.json(daemon, "status")["transactions"]["now"] == count, "all")
        rows = self.json(daemon, "list", "--limit", "0")["transactions"]
        self.assertEqual({row["gtid"] for row in rows}, {f"t-{n}" for n in range(count)})
        self.assertEqual(len(rows), count)
        began = [row["started_at_ms"] for row in rows]
        self.assertEqual(began, sorted(began))
        page = self.json(daemon, "list")
        self.assertEqual((len(page["transactions"]), page["matched"]), (100, count))

    def test_participants(self):
        daemon = self.start_quiet()
        bank = Bank(self, daemon)
        bank.stick("t")
        rows = self.json(daemon, "participants")["participants"]
        self.assertEqual([(row["participant"], row["connected"], row["outstanding"])
                          for row in rows], [("bank-a", True, 0), ("bank-b", False, 1)])
        text = self.assent(daemon, "participants").out
        self.assertRegex(text, r"bank-a +yes ")
        self.assertRegex(text, r"bank-b +no ")

    def test_config(self):
        file = self.directory / "assentd.conf"
        file.write_text("limits\n    branches = 7\n")
        daemon = self.start_quiet("--config", str(file), "--timeouts-max-ms=100000")
        rows = {row["key"]: row for row in self.json(daemon, "config")["config"]}
        self.assertEqual(rows["limits/branches"]["value"], "7")
        self.assertIn(str(file), rows["limits/branches"]["from"])
        self.assertEqual(rows["timeouts/max-ms"]["from"], "command line")
        self.assertEqual(rows["limits/peers"]["from"], "default")
        self.assertTrue(rows["limits/branches"]["about"])
        self.assertIn("limits/branches", self.assent(daemon, "config").out)

    def test_presumed_abort(self):
        """A gtid of an earlier run that is in no log."""
        daemon = self.start_quiet()
        client = self.peer(daemon, CLIENT)
        gtid = client.gtid(self.json(daemon, "status")["coordinator"])
        daemon.kill()
        daemon = self.start_quiet()
        shown = self.json(daemon, "show", gtid)
        self.assertEqual((shown["transaction"], shown["verdict"]["outcome"]), (None, "aborted"))
        self.assertIn("aborted", self.assent(daemon, "explain", gtid).out)

    def test_colours(self):
        daemon = self.start_quiet()
        Bank(self, daemon).stick("t")
        self.assertNotIn(ESCAPE, self.assent(daemon, "list").out)
        self.assertIn(ESCAPE, self.terminal(daemon, "list").out)
        self.assertNotIn(ESCAPE, self.terminal(daemon, "list", "--no-color").out)
        self.assertNotIn(ESCAPE, self.terminal(daemon, "list", env={"NO_COLOR": "1"}).out)
        self.assertNotIn(ESCAPE, self.terminal(daemon, "list", env={"TERM": "dumb"}).out)
        self.assertNotIn(ESCAPE, self.terminal(daemon, "list", "--json").out)
        self.assertIn(ESCAPE, self.terminal(daemon, "list", env={"NO_COLOR": ""}).out)


class Watching(CliTest):
    def test_without_a_terminal(self):
        daemon = self.start_quiet()
        Bank(self, daemon).stick("t")
        text = self.assent(daemon, "watch", "--count", "3", "--interval", "10ms").out
        self.assertEqual(text.count("coordinator "), 3)
        self.assertEqual(len(re.findall(r"^t +2pc +committing", text, re.MULTILINE)), 3)
        self.assertNotIn(ESCAPE, text)
        lines = self.assent(daemon, "watch", "-c", "2", "-i", "10ms", "--json").lines()
        self.assertEqual([json.loads(line)["transactions"][0]["gtid"] for line in lines],
                         ["t", "t"])

    def test_on_a_terminal(self):
        daemon = self.start_quiet()
        text = self.terminal(daemon, "watch", "--count", "2", "--interval", "10ms").out
        self.assertEqual(text.count(ESCAPE + "[H" + ESCAPE + "[J"), 2)

    def test_a_coordinator_that_goes_and_comes(self):
        daemon = self.start_quiet()
        command, env = self.command(daemon, "watch", "-i", "10ms", "-t", "50ms", "--json")
        looks = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env,
                              text=True) as run:
            def read():
                for line in run.stdout:
                    looks.append(json.loads(line))
            thread = threading.Thread(target=read, daemon=True)
            thread.start()
            wait_until(lambda: any("status" in look for look in looks), "a first look")
            daemon.kill()
            wait_until(lambda: any("error" in look for look in looks), "a look in vain")
            daemon = self.start_quiet()
            wait_until(lambda: looks[-1].get("status", {}).get("pid") == daemon.pid, "a new look")
            run.send_signal(signal.SIGTERM)
            thread.join(PATIENCE_S)

    def test_a_reader_that_leaves(self):
        daemon = self.start_quiet()
        command, env = self.command(daemon, "watch", "-i", "10ms")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              env=env) as run:
            run.stdout.readline()
            run.stdout.close()
            self.assertNotEqual(run.wait(PATIENCE_S), OK)


class Orders(CliTest):
    def test_abort_of_what_is_undecided(self):
        daemon = self.start_quiet(SLOW)
        bank = Bank(self, daemon)
        bank.prepare("t")
        self.assent(daemon, "commit", "t", "--reason", "r", "--yes", code=REFUSED)
        self.assent(daemon, "forget", "t", "--yes", code=REFUSED)
        result = self.json(daemon, "abort", "t", "--reason", "month end", "--yes")
        self.assertEqual((result["verb"], result["gtid"]), ("abort", "t"))
        for peer in (bank.a, bank.b):
            peer.send(done(peer.await_("ROLLBACK", gtid="t"), ABORTED))
        row = self.wait_row(daemon, "t", "--finished")
        self.assertEqual((row["outcome"], row["mixed"], row["reason"]["code"]),
                         ("aborted", False, "operator"))
        self.assertEqual(row["heuristic"]["why"], "month end")
        self.assertIn("Operator local", self.assent(daemon, "explain", "t").out)

    def test_by_the_resource_manager(self):
        daemon = self.start_quiet()
        bank = Bank(self, daemon)
        bank.stick("t")
        b = bank.return_b()
        decision = b.await_("COMMIT", gtid="t")
        b.send({**done(decision, COMMITTED), "flags": 1, "heuristic": 4})  # it had rolled back
        self.assertEqual(b.await_("STANDING", gtid="t")["flags"], 1)
        row = self.row(daemon, "t", "--state", "mixed")
        self.assertEqual((row["outcome"], row["mixed_by"], row["heuristic"]),
                         ("committed", "manager", None))
        self.assertIn("mixed by the resource manager",
                      self.assent(daemon, "list", "--state", "mixed").out)
        shown = self.assent(daemon, "show", "t").out
        self.assertIn("rolled back (by the resource manager)", shown)
        self.assertNotIn("perator", shown)
        told = self.assent(daemon, "explain", "t").out
        self.assertIn("Branch 1 at participant bank-b: the resource manager rolled it back by a "
                      "decision of its own.", told)
        self.assertNotIn("perator", told)
        branches = self.json(daemon, "show", "t")["transaction"]["branches"]
        self.assertEqual([branch["by_manager"] for branch in branches], [None, "rolled back"])

    def test_against_the_decision(self):
        daemon = self.start_quiet()
        bank = Bank(self, daemon)
        bank.stick("t")
        before = self.row(daemon, "t")
        result = self.assent(daemon, "abort", "t", "--reason", "burnt", code=NOT_CONFIRMED)
        for part in ("MIXED", "DECIDED otherwise: committed", "branch 0 at bank-a", "--yes",
                     "nothing was done"):
            self.assertIn(part, result.err)
        result = self.assent(daemon, "abort", "t", "--reason", "x", "--json", code=NOT_CONFIRMED)
        self.assertEqual(result.json["error"]["code"], "NOT_CONFIRMED")
        self.assertEqual(self.row(daemon, "t")["mixed"], before["mixed"])

        self.assent(daemon, "abort", "t", "--reason", "bank-b burnt down", "--yes")
        row = self.row(daemon, "t")
        self.assertEqual((row["mixed"], row["outcome"]), (True, "committed"))
        self.assertEqual(row["heuristic"]["forced"], "aborted")
        self.assertEqual(self.row(daemon, "t", "--state", "mixed")["state"], "committing")
        self.assertIn("(mixed)", self.assent(daemon, "list", "--state", "mixed").out)
        self.assertIsNone(self.row(daemon, "t", "--state", "committed"))
        self.assertEqual(row["heuristic"]["why"], "bank-b burnt down")
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout
        self.assertRegex(row["heuristic"]["by"], rf"^local \({re.escape(user.strip())}@[^@]+\)$")
        self.assent(daemon, "abort", "t", "--reason", "again", "--yes", code=REFUSED)
        b = bank.return_b()
        decision = b.await_("ROLLBACK", gtid="t")
        self.assertEqual(decision["flags"] & 1, 1)
        b.send({**done(decision, ABORTED), "flags": 1, "heuristic": 1})
        row = self.wait_row(daemon, "t", "--state", "mixed")
        self.assertEqual(row["outcome"], "committed")
        outcomes = [branch["outcome"]
                    for branch in self.json(daemon, "show", "t")["transaction"]["branches"]]
        self.assertEqual(outcomes, ["committed", "aborted"])
        self.assertEqual(self.json(daemon, "status")["transactions"]["mixed"], 1)
        self.assertIn("mixed", self.assent(daemon, "status").out)

        # It stays on record, over restarts, until it is forgotten.
        daemon.kill()
        daemon = self.start_quiet()
        self.assertEqual(self.row(daemon, "t", "--finished")["heuristic"]["why"],
                         "bank-b burnt down")
        self.assent(daemon, "forget", "t", code=NOT_CONFIRMED)
        self.assent(daemon, "forget", "t", "--yes")

    def test_the_same_as_the_decision(self):
        daemon = self.start_quiet()
        Bank(self, daemon).stick("t")
        result = self.assent(daemon, "commit", "t", "--reason", "r", code=NOT_CONFIRMED)
        self.assertIn("That is decided already", result.err)
        self.assent(daemon, "commit", "t", "--reason", "r", "--yes")
        self.assertFalse(self.row(daemon, "t")["mixed"])

    def test_forget_of_a_lost_participant(self):
        daemon = self.start_quiet()
        Bank(self, daemon).stick("t")
        result = self.assent(daemon, "forget", "t", "--reason", "gone", code=NOT_CONFIRMED)
        self.assertIn("comes back after all is told", result.err)
        result = self.assent(daemon, "forget", "t", "--lost", code=NOT_CONFIRMED)
        self.assertIn("gone for good", result.err)
        self.assent(daemon, "forget", "t", "--reason", "gone", "--yes")
        self.assertIsNone(self.row(daemon, "t"))
        shown = self.json(daemon, "show", "t")["transaction"]
        self.assertEqual((shown["mixed"], shown["branches"][1]["state"]), (True, "forgotten"))
        self.assertEqual(shown["heuristic"]["why"], "gone")

        # Its record stays, until it is said that nobody will ask for it.
        self.assertIn("--lost", self.assent(daemon, "explain", "t").out)
        result = self.assent(daemon, "forget", "t", "--yes", code=REFUSED)
        self.assertIn("lost for good", result.err)
        self.assent(daemon, "forget", "t", "--lost", "--yes")

    def test_on_a_terminal(self):
        daemon = self.start_quiet()
        Bank(self, daemon).stick("t")
        for answer in ("no\n", "\n", "y\n", "Yes\n", "yes please\n", "yess\n", "\x04"):
            self.terminal(daemon, "abort", "t", "-r", "r", code=NOT_CONFIRMED, answer=answer)
        self.assertFalse(self.row(daemon, "t")["mixed"])
        self.terminal(daemon, "abort", "t", "-r", "r", answer="yes\n")
        self.assertTrue(self.row(daemon, "t")["mixed"])

    def test_what_is_not_there(self):
        daemon = self.start_quiet()
        Bank(self, daemon).commit("t")
        self.wait_row(daemon, "t", "--finished")
        for verb in ("commit", "abort"):
            self.assent(daemon, verb, "nothing", "-r", "r", "--yes", code=NOT_FOUND)
            self.assent(daemon, verb, "t", "-r", "r", "--yes", code=REFUSED)
        self.assent(daemon, "forget", "nothing", "--yes", code=NOT_FOUND)
        self.assent(daemon, "retry", "nothing", code=NOT_FOUND)
        self.assent(daemon, "retry", "not a gtid", code=USAGE)

    def test_foreign(self):
        """A participant in doubt about a transaction of a coordinator that is not here."""
        daemon = self.start_quiet()
        bank = Bank(self, daemon)
        bank.a.send({"type": "INQUIRE", "gtid": "lost", "attempt": "0x4d", "coordinator": "0x8",
                     "branch": 3, "prepared": 1})
        bank.a.await_("STANDING", gtid="lost")
        foreign = self.json(daemon, "list", "--in-doubt")["foreign"]
        self.assertEqual([(row["gtid"], row["branch"], row["participant"], row["coordinator"])
                          for row in foreign], [("lost", 3, "bank-a", "00000008")])
        self.assertEqual(self.json(daemon, "list", "-p", "bank-b")["foreign"], [])
        text = self.assent(daemon, "list", "--in-doubt").out
        self.assertIn("begun by other coordinators", text)
        self.assertIn("lost", text)
        self.assertIn("00000008", self.assent(daemon, "explain", "lost").out)
        self.assertIn("begun by another coordinator", self.assent(daemon, "show", "lost").out)
        result = self.assent(daemon, "abort", "lost", "-r", "r", code=NOT_CONFIRMED)
        self.assertIn("Another coordinator began it", result.err)
        self.assent(daemon, "abort", "lost", "-r", "its coordinator burnt", "--yes")
        decision = bank.a.await_("ROLLBACK", gtid="lost")
        self.assertEqual((decision["branch"], decision["attempt"]), (3, "0x4d"))
        bank.a.send({**done(decision, ABORTED), "flags": 1, "heuristic": 1})
        row = self.wait_row(daemon, "lost", "--finished")
        self.assertEqual((row["mixed"], row["heuristic"]["why"]), (True, "its coordinator burnt"))
        self.assertEqual(self.json(daemon, "list")["foreign"], [])


class Authorization(CliTest):
    def test_other_roles(self):
        """What the command asks for, asked by peers that are no operators."""
        daemon = self.start_quiet()
        request = {"type": "ADMIN", "id": "0x5", "verb": "status", "json": "{}"}
        for role, name in ((CLIENT, "shop"), (PARTICIPANT, "bank-a")):
            peer = self.peer(daemon, role, name)
            peer.send(request)
            reply = peer.next()
            self.assertTrue(reply["type"] in ("REFUSED", "ADMIN_REPLY") and reply["code"] == 10,
                            reply)
        peer = self.peer(daemon, OPERATOR, "assent")
        peer.send(request)
        reply = peer.expect("ADMIN_REPLY", id="0x5", code=0)
        self.assertEqual(json.loads(reply["json"])["pid"], daemon.pid)

    def test_certificates(self):
        authorized = self.directory / "authorized"
        authorized.mkdir()
        self.assent(None, "keygen", str(self.directory / "server"))
        for name, role in (("ops", "operator"), ("shop", "client"), ("stranger", "operator")):
            result = self.json(None, "keygen", str(self.directory / name), "--role", role)
            self.assertEqual((result["public"], result["secret"], result["name"]),
                             (str(self.directory / name), f"{self.directory / name}_secret", name))
            self.assertEqual(os.stat(result["secret"]).st_mode & 0o777, 0o600)
        for name in ("ops", "shop"):
            (authorized / name).write_bytes((self.directory / name).read_bytes())
        daemon = self.start_quiet("--listen", "tcp://127.0.0.1:0",
                                  f"--security-certificate={self.directory}/server_secret",
                                  f"--security-authorized-dir={authorized}")
        endpoint = daemon.log("listening")[0]["endpoint"].split()[-1]
        self.assertTrue(endpoint.startswith("tcp://127.0.0.1:"), endpoint)

        def status(name, server="server", code=OK, timeout="60s"):
            env = {"ASSENT_ENDPOINT": endpoint,
                   "ASSENT_CERTIFICATE": f"{self.directory / name}_secret"}
            return self.assent(None, "status", "--timeout", timeout, "--server-certificate",
                               str(self.directory / server), code=code, env=env)
        status("ops")
        self.assertIn("operator", status("shop", code=REFUSED).err)
        status("stranger", code=UNREACHABLE, timeout="1s")
        status("ops", server="shop", code=UNREACHABLE, timeout="1s")
        status("missing", code=FAILED)

    def test_keygen(self):
        path = str(self.directory / "bank.cert")
        text = self.assent(None, "keygen", path, "--role", "participant", "--resources",
                           "bank-a,bank-b", "--name", "bank").out
        self.assertIn(path + "_secret", text)
        content = (self.directory / "bank.cert").read_text()
        self.assertIn("bank-a bank-b", content)
        self.assertNotIn("secret", content)
        self.assent(None, "keygen", path, code=FAILED)  # never overwritten
        self.assent(None, "keygen", str(self.directory / "x"), "--role", "king", code=USAGE)
        self.assent(None, "keygen", str(self.directory / "no" / "x"), code=FAILED)
        self.assent(None, "keygen", "x" * 5000, code=USAGE)


class Schema(CliTest):
    """docs/admin-schema.md names every field that is printed."""

    @staticmethod
    def keys(value):
        if isinstance(value, dict):
            found = set(value)
            for member in value.values():
                found |= Schema.keys(member)
            return found
        if isinstance(value, list):
            return set().union(*map(Schema.keys, value)) if value else set()
        return set()

    def test_every_field_is_documented(self):
        text = (SOURCE / "docs" / "admin-schema.md").read_text()
        documented = set()
        for span in re.findall(r"`([^`]*)`", text):
            documented |= set(re.findall(r"[a-z_]+", span))
        daemon = self.start_quiet(SLOW)
        bank = Bank(self, daemon)
        bank.commit("ended")
        bank.prepare("voting")
        a, b = bank.prepare("refused")
        bank.a.send(vote(a, YES))
        bank.b.send({**vote(b, NO), "text": "no"})
        bank.a.send(done(bank.a.await_("ROLLBACK", gtid="refused"), ABORTED))
        bank.a.send({"type": "INQUIRE", "gtid": "lost", "attempt": "0x4d", "coordinator": "0x8",
                     "branch": 3, "prepared": 1})
        bank.a.await_("STANDING", gtid="lost")
        bank.stick("stuck")
        self.assent(daemon, "abort", "stuck", "-r", "r", "-y")
        self.wait_row(daemon, "refused", "--finished")
        replies = [self.json(daemon, *args) for args in (
            ["status"], ["list"], ["list", "-f"], ["show", "stuck"], ["show", "voting"],
            ["show", "refused"], ["explain", "stuck"], ["explain", "lost"], ["participants"],
            ["config"], ["watch", "-c", "1"], ["retry", "--all"])]
        self.assent(daemon, "show", "nothing", code=NOT_FOUND)
        replies.append(self.json(daemon, "abort", "nothing", "-r", "r", code=NOT_FOUND))
        daemon.kill()
        replies.append(self.json(None, "log", "verify", str(daemon.data)))
        replies += [json.loads(line) for line in
                    self.assent(None, "log", "dump", str(daemon.data), "-j").lines()]
        found = set().union(*map(self.keys, replies))
        self.assertGreater(len(found), 80)
        self.assertEqual(sorted(found - documented), [])


if __name__ == "__main__":
    unittest.main()
