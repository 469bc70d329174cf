#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent and the admitted protocols: sagas from files, their graphs, and what is said of sagas,
messages and tcc transactions that are stuck."""

import json
import subprocess
import unittest

from cli_harness import (ASSENT, FAILED, NOT_FOUND, OK, REFUSED, UNREACHABLE, USAGE, CliTest,
                         clean_environment)
from daemon_harness import BIN, CLIENT, PATIENCE_S, EXIT_CLEAN, wait_until
from saga_world import NO, RETRY, YES, Site, message_of, tcc_of

ABORTED_EXIT = 8
FAST = ("--timeouts-retry-min-ms=10", "--timeouts-retry-max-ms=50")
TRIP = {"gtid": "trip-1", "steps": [
    {"name": "seat", "resource": "airline", "payload": "2A"},
    {"name": "room", "resource": "hotel", "payload_json": {"nights": 2, "rate": 0.1},
     "after": ["seat"], "attempts": 3, "backoff_ms": 10, "backoff_max_ms": 20},
    {"name": "car", "resource": "cars", "after": ["seat"]},
    {"name": "pay", "resource": "bank", "after": ["room", "car"], "pivot": True},
    {"name": "mail", "resource": "mailer", "compensate": False},
]}


class SagaTest(CliTest):
    def file(self, content):
        path = self.directory / "saga.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def submit(self, daemon, content, *args, code=OK):
        return self.assent(daemon, "saga", "submit", self.file(content), *args, code=code)

    def steps(self, daemon, gtid):
        shown = self.json(daemon, "saga", "show", gtid)
        return [step["progress"] for step in shown["transaction"]["branches"]]

    def wait_steps(self, daemon, gtid, *wanted):
        wait_until(lambda: self.steps(daemon, gtid) == list(wanted), f"{wanted}")


class Submitting(SagaTest):
    def test_to_its_end(self):
        daemon = self.start_quiet(*FAST)
        sites = {name: Site(self, daemon, name, (YES, f"{name} ok"))
                 for name in ("airline", "hotel", "cars", "bank", "mailer")}
        result = self.submit(daemon, TRIP, "--wait")
        self.assertEqual(result.out, "trip-1: committed\n")
        self.assertEqual(self.steps(daemon, "trip-1"), ["succeeded"] * 5)
        hotel = sites["hotel"].inputs[0]
        self.assertEqual([(i["branch"], bytes.fromhex(i["result"])) for i in hotel],
                         [(0, b"airline ok")])
        # The same file under the same gtid is the same saga; another one is refused.
        again = self.json(daemon, "saga", "submit", self.file(TRIP), "--wait")
        self.assertEqual((again["gtid"], again["outcome"], again["finished"], again["reason"]),
                         ("trip-1", "committed", True, None))
        self.assertEqual(again["steps"][1], {"step": 1, "name": "room", "participant": "hotel"})
        self.assertEqual(sites["bank"].asked, 1)
        other = {**TRIP, "steps": TRIP["steps"][:2]}
        result = self.submit(daemon, other, code=REFUSED)
        self.assertIn("other content", result.err)
        self.submit(daemon, other, "--gtid", "trip-2", "--wait")
        self.assertEqual(self.steps(daemon, "trip-2"), ["succeeded"] * 2)

    def test_the_coordinators_gtid_and_standard_input(self):
        daemon = self.start_quiet()
        Site(self, daemon, "airline")
        path = self.file({"steps": TRIP["steps"][:1]})
        with open(path, encoding="utf-8") as text:
            result = self.assent(daemon, "saga", "submit", "-", "--wait", stdin=text)
        gtid = result.out.split(":")[0]
        self.assertTrue(gtid.startswith(self.json(daemon, "status")["coordinator"]))
        self.assertEqual(self.steps(daemon, gtid), ["succeeded"])

    def test_compensated(self):
        daemon = self.start_quiet(*FAST)
        Site(self, daemon, "airline")
        Site(self, daemon, "hotel", (RETRY, "no rooms"))
        Site(self, daemon, "cars")
        result = self.submit(daemon, TRIP, "--wait", code=ABORTED_EXIT)
        self.assertEqual(result.out, "trip-1: aborted: a branch voted no, step 1 (room) at hotel: "
                                     "step 1 failed 3 times: no rooms\n")
        self.assertEqual(self.steps(daemon, "trip-1"),
                         ["compensated", "compensated", "compensated", "untouched", "untouched"])
        text = self.assent(daemon, "explain", "trip-1").out
        self.assertIn("aborted, that is, it was compensated", text)
        again = self.json(daemon, "saga", "submit", self.file(TRIP), "--wait", code=ABORTED_EXIT)
        self.assertEqual((again["outcome"], again["reason"]["branch"]), ("aborted", 1))

    def test_not_waited_for(self):
        daemon = self.start_quiet()
        Site(self, daemon, "airline", "silent")
        result = self.submit(daemon, TRIP)
        self.assertEqual(result.out, "trip-1: in progress\n")
        result = self.submit(daemon, TRIP, "--wait", "--timeout", "500ms", code=UNREACHABLE)
        self.assertEqual(result.out, "trip-1: in progress\n")
        self.assertIn("assent saga show trip-1", result.err)

    def test_through_a_crash_of_the_coordinator(self):
        daemon = self.start_quiet(*FAST)
        Site(self, daemon, "airline")
        self.submit(daemon, TRIP)
        self.wait_steps(daemon, "trip-1", "succeeded", "trying", "trying", "waiting", "waiting")
        command, env = self.command(daemon, "saga", "submit", self.file(TRIP), "--wait")
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True) as run:
            daemon.kill()
            daemon = self.start_quiet(*FAST)
            for name in ("airline", "hotel", "cars", "bank", "mailer"):
                Site(self, daemon, name)
            out, _ = run.communicate(timeout=PATIENCE_S)
        self.assertEqual((run.returncode, out), (OK, "trip-1: committed\n"))

    def test_files_that_make_no_sense(self):
        step = TRIP["steps"][0]
        for content, message in (
                ("{", "saga.json:1:"),
                ("[]", "it is not a JSON object"),
                ({"steps": []}, "'steps' has 0; 1 to 64 are allowed"),
                ({}, "'steps' is missing"),
                ({"steps": [step, step]}, "step 1 (seat): 'name': step 0 has the same"),
                ({"steps": [{**step, "afterr": []}]}, "step 0 (seat): there is no field 'afterr'"),
                ({"steps": [{"name": "x"}]}, "step 0 (x): 'resource' is missing")):
            result = self.assent(None, "saga", "submit", self.file(content), code=USAGE)
            self.assertIn(message, result.err)
            self.assertEqual((result.out, result.err.count("\n")), ("", 1))
        result = self.assent(None, "saga", "submit", "/nonexistent", code=FAILED)
        self.assertIn("/nonexistent: No such file", result.err)
        self.assent(None, "saga", "submit", self.file(TRIP), "--gtid", "no gtid", code=USAGE)
        error = self.json(None, "saga", "submit", self.file({}), code=USAGE)["error"]
        self.assertEqual(error["code"], "INVALID")

    def test_nobody_listens(self):
        env = {"ASSENT_ENDPOINT": f"ipc://{self.directory}/nobody.sock"}
        result = self.assent(None, "saga", "submit", self.file(TRIP), "-t", "200ms",
                             code=UNREACHABLE, env=env)
        self.assertIn("Is assentd running there?", result.err)


class Showing(SagaTest):
    def test_the_graph(self):
        daemon = self.start_quiet("--timeouts-phase-one-ms=60000")
        Site(self, daemon, "airline", (YES, "seat 2A"))
        Site(self, daemon, "hotel", "silent")
        Site(self, daemon, "cars", (RETRY, "no cars"))
        trip = json.loads(json.dumps(TRIP))
        trip["steps"][2].update(backoff_ms=3600000, backoff_max_ms=3600000)
        self.submit(daemon, trip)
        self.wait_steps(daemon, "trip-1", "succeeded", "trying", "pausing", "waiting", "waiting")
        lines = self.assent(daemon, "saga", "show", "trip-1").lines()
        self.assertRegex(lines[0], r"^trip-1 is going forward, for \S+ so far$")
        for line, wanted in zip(lines[2:], (
                r"●    0  airline  succeeded  seat 2A",
                r"├─╮",
                r"▶ │  1  hotel    trying",
                r"│ ▶  2  cars     pausing    failed 1 time: no cars; again in 1h \d\dm|"
                r"│ ▶  2  cars     pausing    failed 1 time: no cars; again in 59m \d\ds",
                r"├─╯",
                r"○    3  bank     waiting    pivot",
                r"○    4  mailer   waiting    no compensation"), strict=True):
            self.assertRegex(line, f"^(?:{wanted})$")
        plain = self.assent(daemon, "saga", "show", "trip-1", env={"LC_ALL": "C"}).lines()
        self.assertEqual([line[:4].rstrip() for line in plain[2:]],
                         ["*", "|-+", "> |", "| >", "|-+", "o", "o"])
        shown = self.json(daemon, "saga", "show", "trip-1")
        self.assertEqual(shown["verb"], "saga show")
        self.assertEqual([step["layer"] for step in shown["transaction"]["branches"]],
                         [0, 1, 1, 2, 3])
        dot = self.assent(daemon, "saga", "show", "trip-1", "--dot").out
        self.assertTrue(dot.startswith('digraph "trip-1" {\n'))
        for part in ("  s0 -> s1;\n", "  s2 -> s3;\n", "peripheries=2", "style=dashed",
                     'label="2 cars\\npausing, failed 1 time"'):
            self.assertIn(part, dot)
        self.assertNotIn("s0 -> s3", dot)
        self.assent(daemon, "saga", "show", "trip-1", "--dot", "--json", code=USAGE)

    def test_what_is_no_saga(self):
        daemon = self.start_quiet()
        client = self.peer(daemon, CLIENT)
        client.send(message_of("note-1", "shop", "mail"))
        client.await_("RESULT", gtid="note-1")
        result = self.assent(daemon, "saga", "show", "note-1", code=NOT_FOUND)
        self.assertIn("is no saga, but of protocol message: assent show note-1", result.err)
        self.assent(daemon, "saga", "show", "nothing", code=NOT_FOUND)
        self.assent(None, "saga", "show", "no gtid", code=USAGE)
        result = self.assent(None, "saga", code=USAGE)
        self.assertIn("submit or show", result.err)


class Stuck(SagaTest):
    def test_a_step_that_fails(self):
        daemon = self.start_quiet()
        Site(self, daemon, "airline")
        Site(self, daemon, "hotel", (RETRY, "no rooms"))
        Site(self, daemon, "cars")
        trip = json.loads(json.dumps(TRIP))
        trip["steps"][1].update(attempts=0, backoff_ms=3600000, backoff_max_ms=3600000)
        self.submit(daemon, trip)
        self.wait_steps(daemon, "trip-1", "succeeded", "pausing", "succeeded", "waiting", "waiting")
        row = self.row(daemon, "trip-1")
        self.assertEqual((row["protocol"], row["state"], row["waiting_for"], row["in_doubt"]),
                         ("saga", "preparing", ["hotel"], False))
        self.assertEqual(row["trouble"], {"branch": 1, "participant": "hotel", "failures": 1,
                                          "text": "no rooms"})
        lines = self.assent(daemon, "list").lines()
        self.assertTrue(lines[0].endswith(" TROUBLE"))
        self.assertRegex(lines[1], r"^trip-1 saga +preparing .* failed 1 time: no rooms$")
        self.assertEqual(self.row(daemon, "trip-1", "--protocol", "tcc,message"), None)
        text = self.assent(daemon, "explain", "trip-1").out
        for part in ("2 of its 5 steps have succeeded",
                     "Step 1 at participant hotel failed 1 time, the last time because: no rooms.",
                     "for the 2nd time in", "Step 3 at participant bank waits for step 1."):
            self.assertIn(part, text)
        self.assertRegex(self.assent(daemon, "show", "trip-1").out, r"hotel +pausing .*no rooms")
        # Given up by an operator, it is compensated.
        self.assent(daemon, "abort", "trip-1", "--reason", "sold out", "--yes")
        self.wait_row(daemon, "trip-1", "--finished", outcome="aborted")
        self.assertEqual(self.steps(daemon, "trip-1"), ["compensated"] * 3 + ["untouched"] * 2)

    def test_a_compensation_that_hangs(self):
        daemon = self.start_quiet(*FAST)
        Site(self, daemon, "airline")
        Site(self, daemon, "hotel", compensate=False)
        Site(self, daemon, "cars")
        Site(self, daemon, "bank", (NO, "card refused"))
        self.submit(daemon, TRIP)
        self.wait_steps(daemon, "trip-1", "to_compensate", "compensating", "compensated", "refused",
                        "untouched")
        text = self.assent(daemon, "explain", "trip-1").out
        for part in ("compensate, since", "card refused",
                     "Step 1 at participant hotel has been asked to compensate",
                     "Step 0 at participant airline is compensated after step 1."):
            self.assertIn(part, text)
        graph = self.assent(daemon, "saga", "show", "trip-1").lines()
        self.assertIn("being compensated", graph[0])
        self.assertIn("card refused", graph[0])

    def test_a_message(self):
        daemon = self.start_quiet("--timeouts-check-back-ms=200", *FAST,
                                  "--topics-subscription=news mail stock")
        Site(self, daemon, "shop", "silent", (YES, ""))
        Site(self, daemon, "mail")
        Site(self, daemon, "stock", (RETRY, "table is locked"))
        client = self.peer(daemon, CLIENT)
        note = message_of("note-1", "shop", "mail", "stock")
        note["timeout_ms"] = 3600000
        client.send(note)
        client.await_("RESULT", gtid="note-1")
        self.assertIn("has neither sent nor dropped it", self.assent(daemon, "explain", "note-1").out)
        self.assertEqual(self.row(daemon, "note-1", "--state", "held")["protocol"], "message")
        self.assertIn("its sender, in ", self.assent(daemon, "show", "note-1").out)
        # Published under a topic, and nothing said: the sender is asked.
        topic = message_of("note-2", "shop", "news")
        topic["branches"][1]["kind"] = 6
        client.send(topic)
        self.wait_row(daemon, "note-2", state="preparing")
        self.assertIn("Sender 0 at participant shop", self.assent(daemon, "explain", "note-2").out)
        client.send({**topic, "flags": 2})
        self.wait_row(daemon, "note-2", state="committing", waiting_for=["stock"])
        shown = self.json(daemon, "show", "note-2")["transaction"]
        self.assertEqual([b["kind"] for b in shown["branches"]], ["sender", "consumer", "consumer"])
        wait_until(lambda: "1 has it: mail" in self.assent(daemon, "explain", "note-2").out, "mail")
        self.assertIn("table is locked", self.assent(daemon, "explain", "note-2").out)

    def test_topics_after_a_reload(self):
        file = self.directory / "assentd.conf"
        file.write_text('topics\n    subscription = "news mail"\n')
        daemon = self.start_quiet("--config", str(file))
        client = self.peer(daemon, CLIENT)

        def publish(gtid, name):
            topic = message_of(gtid, "shop", name)
            topic["branches"][1]["kind"] = 6
            client.send(topic)
            while (answer := client.next())["type"] not in ("RESULT", "REFUSED"):
                pass
            return answer.get("text") if answer["type"] == "REFUSED" else None

        def consumers(gtid):
            branches = self.json(daemon, "show", gtid)["transaction"]["branches"]
            return [branch["participant"] for branch in branches[1:]]

        self.assertIsNone(publish("a", "news"))
        self.assertEqual(publish("b", "gossip"), "no topic gossip is configured")
        file.write_text('topics\n    subscription = "gossip stock mail"\n')
        self.reload(daemon, "reloaded")
        self.assertIsNone(publish("c", "gossip"))
        self.assertEqual(publish("d", "news"), "no topic news is configured")
        self.assertEqual((consumers("a"), consumers("c")), (["mail"], ["stock", "mail"]))
        file.write_text('topics\n    subscription = "gossip stock stock"\n')
        self.reload(daemon, "reload_refused")
        self.assertIsNone(publish("e", "gossip"))
        self.assertEqual(daemon.stop(), EXIT_CLEAN)

    def reload(self, daemon, event):
        before = len(daemon.log(event))
        daemon.signal(1)
        wait_until(lambda: len(daemon.log(event)) > before, event)

    def test_tcc(self):
        daemon = self.start_quiet("--timeouts-phase-one-ms=3600000")
        Site(self, daemon, "bank")
        Site(self, daemon, "stock", "silent")
        client = self.peer(daemon, CLIENT)
        client.send(tcc_of("pay-1", "bank", "stock"))
        self.wait_row(daemon, "pay-1", state="preparing", in_doubt=True)
        text = self.assent(daemon, "explain", "pay-1").out
        self.assertIn("being tried: 1 of 2 have not answered", text)
        self.assertIn("Its try has succeeded at bank.", text)
        self.assertIn("stock has not said whether its try succeeded", text)
        self.assertRegex(self.assent(daemon, "show", "pay-1").out, r"bank +tried ")


class Dumping(SagaTest):
    def test_what_was_admitted(self):
        daemon = self.start_quiet()
        trip = json.loads(json.dumps(TRIP))
        self.submit(daemon, trip)
        client = self.peer(daemon, CLIENT)
        note = message_of("note-1", "shop", "mail", delay_ms=7)
        note["branches"][1]["payload"] = "00ff"
        client.send(note)
        client.await_("RESULT", gtid="note-1")
        daemon.kill()
        rows = [json.loads(line) for line in
                self.assent(None, "log", "dump", str(daemon.data), "--json").lines()]
        records = {row["key"]: row["transaction"] for row in rows if "transaction" in row}
        saga, message = records["trip-1"], records["note-1"]
        self.assertEqual((saga["protocol"], saga["stage"], saga["submitted"]),
                         ("saga", "admitted", True))
        room = saga["branches"][1]
        self.assertEqual((room["kind"], room["participant"], room["payload"], room["after"],
                          room["attempts"], room["backoff_ms"], room["asked"]),
                         ("step", "hotel", '{"nights":2,"rate":0.1}', [0], 3, 10, False))
        self.assertEqual((saga["branches"][3]["pivot"], saga["branches"][4]["kept"]), (True, True))
        self.assertEqual((message["protocol"], message["submitted"]), ("message", False))
        mail = message["branches"][1]
        self.assertEqual((mail["kind"], mail["payload_hex"], mail["delay_ms"]),
                         ("consumer", "00ff", 7))
        text = self.assent(None, "log", "dump", str(daemon.data)).out
        for part in ("saga, admitted, in progress, 5 branches", "step 0 at airline: 2A\n",
                     "step 3 at bank, after 1, 2, pivot\n",
                     "step 4 at mailer, after 3, no compensation\n", "consumer 1 at mail: 0x00ff\n"):
            self.assertIn(part, text)


class Certificates(SagaTest):
    def test_an_operator_is_no_client(self):
        keys, authorized = self.directory / "keys", self.directory / "authorized"
        keys.mkdir()
        authorized.mkdir()
        for name, role in (("coordinator", None), ("ops", "operator"), ("shop", "client,operator")):
            self.assent(None, "keygen", str(keys / name), *(["--role", role] if role else []))
            if role:
                (authorized / name).write_bytes((keys / name).read_bytes())
        daemon = self.start_quiet(f"--security-certificate={keys}/coordinator_secret",
                                  f"--security-authorized-dir={authorized}",
                                  "--listen", "tcp://127.0.0.1:*")
        endpoint = daemon.log("listening")[0]["endpoint"]

        def run(name, *args):
            command = [ASSENT, *args, "-t", f"{PATIENCE_S}s", "--endpoint", endpoint,
                       "--certificate", str(keys / f"{name}_secret"), "--server-certificate",
                       str(keys / "coordinator")]
            return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S,
                                  env=clean_environment(), check=False)
        refused = run("ops", "saga", "submit", self.file(TRIP))
        self.assertEqual(refused.returncode, REFUSED, refused)
        self.assertIn("does not allow to act as a client", refused.stderr)
        self.assertIn("--role client", refused.stderr)
        self.assertEqual(run("ops", "saga", "show", "trip-1").returncode, NOT_FOUND)
        taken = run("shop", "saga", "submit", self.file(TRIP))
        self.assertEqual((taken.returncode, taken.stdout), (OK, "trip-1: in progress\n"), taken)
        self.assertEqual(run("ops", "saga", "show", "trip-1").returncode, OK)


if __name__ == "__main__":
    assert BIN.is_dir()
    unittest.main()
