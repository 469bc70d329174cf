#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assent, the operator's command: its command line, and coordinators that do not behave."""

import json
import os
import re
import subprocess
import unittest

from cli_harness import (ASSENT, FAILED, NOT_FOUND, OK, REFUSED, UNREACHABLE, USAGE, Bank, CliTest,
                         FakeCoordinator, clean_environment, read_message, run_command,
                         write_frame)
from daemon_harness import PATIENCE_S, SOURCE, vectors, wait_until

VERBS = ["status", "list", "show", "explain", "watch", "participants", "commit", "abort", "forget",
         "retry", "saga submit", "saga show", "log verify", "log dump", "doctor", "config",
         "keygen"]


class CommandLine(CliTest):
    def test_help_of_each_verb(self):
        overview = self.assent(None, "--help")
        self.assertEqual(overview.err, "")
        for verb in VERBS:
            self.assertIn(f"\n  {verb} ", overview.out)
            text = self.assent(None, *verb.split(), "--help")
            self.assertEqual(text.err, "")
            self.assertTrue(text.out.startswith(f"Usage: assent {verb}"), text)
            self.assertEqual(self.assent(None, "-h", *verb.split()).out, text.out)
            for line in text.lines():
                self.assertLessEqual(len(line), 100, line)

    def test_version(self):
        for args in (["--version"], ["-V"], ["list", "--version"]):
            self.assertRegex(self.assent(None, *args).out, r"^assent \d+\.\d+\.\d+\n$")

    def test_usage_errors(self):
        for args in ([], ["dance"], ["log"], ["log", "dance"], ["saga"], ["saga", "dance"], ["saga", "submit"], ["saga", "show"], ["log", "dump", "/x", "no gtid"],
                     ["watch", "--interval", "0"], ["watch", "--interval", "9ms"], ["show"], ["show", "a", "b"],
                     ["status", "more"], ["--dance"], ["list", "--limit"], ["list", "--limit", "x"],
                     ["list", "--limit", "-1"], ["list", "--older", "soon"],
                     ["status", "--timeout", "1 s"], ["status", "--yes"], ["show", "--limit", "3"],
                     ["keygen", "x", "--endpoint", "ipc:///x"], ["list", "--state", "dancing"],
                     ["list", "--state", "committed,active"], ["list", "--protocol", "2pc,pigeon"], ["list", "--finished", "--in-doubt"],
                     ["list", "--after", "5"], ["commit", "x"], ["abort", "x", "--reason", ""],
                     ["abort", "x", "--reason", "r" * 257], ["retry"], ["retry", "x", "--all"],
                     ["log", "verify"], ["keygen"], ["list", "-x"], ["show", "no gtid"],
                     ["retry", "\udcff"], ["show", ""], ["abort", "x" * 65, "--reason", "r"],
                     ["list", "--participant", "\udcff"], ["list", "--participant", ""]):
            result = self.assent(None, *args, code=USAGE)
            self.assertEqual(result.out, "", args)
            self.assertTrue(result.err.startswith("assent: "), result)
            self.assertEqual(result.err.count("\n"), 1, result)

    def test_options_anywhere(self):
        daemon = self.start_quiet()
        endpoint = f"ipc://{daemon.socket}"
        for args in (["--json", "list", "-e", endpoint], ["list", "--endpoint", endpoint, "-j"],
                     ["-e", endpoint, "-j", "list", "-n", "5", "--", ]):
            result = run_command([ASSENT, *args], clean_environment())
            self.assertEqual(result.code, OK, result)
            self.assertEqual(result.json["transactions"], [])

    def test_output_that_cannot_be_written(self):
        daemon = self.start_quiet()
        for args in (["--help"], ["status"], ["status", "--json"], ["list"], ["config"],
                     ["watch", "--count", "1"]):
            command, env = self.command(daemon, *args)
            with open("/dev/full", "wb") as full:
                run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=env,
                                     timeout=PATIENCE_S, check=False)
            self.assertEqual(run.returncode, FAILED, args)

    def test_man_page_and_completion_know_everything(self):
        page = (SOURCE / "docs" / "man" / "assent.1").read_text()
        completion = (SOURCE / "deploy" / "completion" / "assent").read_text()
        options = set()
        for verb in VERBS:
            text = self.assent(None, *verb.split(), "--help").out
            options |= set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.MULTILINE))
            for word in verb.split():
                self.assertIn(word, page)
                self.assertIn(word, completion)
        self.assertGreater(len(options), 20)
        for option in options:
            self.assertIn(option.replace("-", "\\-"), page, option)
            self.assertIn(option, completion)


class Completion(CliTest):
    def complete(self, daemon, *words):
        """What bash would offer for the last of the words."""
        script = (f"source {SOURCE}/deploy/completion/assent; "
                  'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _assent; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        _, env = self.command(daemon)
        result = run_command(["bash", "--norc", "-c", script, "bash", ASSENT, *words], env)
        self.assertEqual((result.code, result.err), (OK, ""))
        return [line for line in result.lines() if line]

    def test_words(self):
        self.assertEqual(self.complete(None, "st"), ["status"])
        self.assertEqual(self.complete(None, "--json", "log", "v"), ["verify"])
        self.assertEqual(set(self.complete(None, "")), {verb.split()[0] for verb in VERBS})
        self.assertEqual(self.complete(None, "abort", "--re"), ["--reason"])
        self.assertEqual(self.complete(None, "status", "--re"), [])
        self.assertEqual(self.complete(None, "list", "--state", "a"),
                         ["admitting", "active", "aborting", "aborted"])
        self.assertEqual(self.complete(None, "list", "--limit", ""), [])
        self.assertEqual(self.complete(None, "saga", "s"), ["submit", "show"])
        self.assertEqual(self.complete(None, "saga", "show", "--d"), ["--dot"])
        self.assertEqual(self.complete(None, "saga", "submit", f"{SOURCE}/RE"),
                         [f"{SOURCE}/README.md"])
        self.assertEqual(self.complete(None, "list", "--protocol", "s"), ["saga"])

    def test_what_the_coordinator_knows(self):
        daemon = self.start_quiet()
        Bank(self, daemon).stick("order-42")
        # It does not wait for long, so it may take several tries on a busy machine.

        def offers(words, *wanted, at=daemon):
            wait_until(lambda: self.complete(at, *words) == list(wanted), f"{words}: {wanted}")
        offers(["explain", "ord"], "order-42")
        self.assertEqual(self.complete(daemon, "show", "order-42", ""), [])
        offers(["list", "-p", "bank-"], "bank-a", "bank-b")
        # Asked over the endpoint on the command line, too; and quiet where nobody is.
        endpoint = f"ipc://{daemon.socket}"
        offers(["-e", endpoint, "show", "o"], "order-42", at=None)
        self.assertEqual(self.complete(None, "-e", f"ipc://{self.directory}/x", "show", ""), [])


class Unreachable(CliTest):
    def test_nobody_listens(self):
        endpoint = f"ipc://{self.directory}/nobody.sock"
        env = {"ASSENT_ENDPOINT": endpoint}
        result = self.assent(None, "status", "--timeout", "200ms", code=UNREACHABLE, env=env)
        self.assertEqual(result.out, "")
        for part in (endpoint, "assentd", "--endpoint", "ASSENT_ENDPOINT"):
            self.assertIn(part, result.err)
        result = self.assent(None, "list", "--json", "-t", "0", code=UNREACHABLE, env=env)
        self.assertEqual(result.json["error"]["code"], "UNAVAILABLE")
        self.assertEqual((result.json["schema"], result.json["verb"]), (1, "list"))

    def test_said_endpoint_wins_over_environment(self):
        daemon = self.start_quiet()
        result = self.assent(None, "status", "--json", "-e", f"ipc://{daemon.socket}",
                             env={"ASSENT_ENDPOINT": "ipc:///nowhere"})
        self.assertEqual(result.json["pid"], daemon.pid)

    def test_bad_endpoint(self):
        for endpoint in ("", "nonsense", "udp://x:1", "ipc://", "tcp://1.2.3.4", "x" * 600):
            self.assent(None, "status", "-e", endpoint, "-t", "100ms", code=FAILED)

    def test_tcp_without_certificates(self):
        result = self.assent(None, "status", "-e", "tcp://192.0.2.1:7000", "-t", "100ms",
                             code=FAILED)
        self.assertIn("certificate", result.err)

    def test_a_daemon_that_comes_late(self):
        """--timeout waits for a daemon that is being started."""
        command, env = self.command(None, "status", "--json", "--timeout", f"{PATIENCE_S}s",
                                    env={"ASSENT_ENDPOINT": f"ipc://{self.directory}/data/"
                                                            "assentd.sock"})
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as run:
            daemon = self.start_quiet()
            out, _ = run.communicate(timeout=PATIENCE_S)
        self.assertEqual(run.returncode, OK)
        self.assertEqual(json.loads(out)["pid"], daemon.pid)


def frame(*messages):
    header = {"from_coordinator": 1, "coordinator": "0x7", "incarnation": "0x1", "log_seq": "0x1",
              "seal": "0x0", "fence": "0x1"}
    return vectors.raw({"bytes": vectors.encode_frame({"header": header,
                                                       "messages": list(messages)})})


WELCOME = {"type": "WELCOME", "peer_incarnation": "0x0", "lease_first": "0x0", "lease_count": 0,
           "lease_ms": "0x0", "payload_bytes_max": 0, "branches_max": 0}


class Misbehaved(CliTest):
    """Whatever answers at the endpoint: a clear message, an exit status, an end."""

    def ask(self, behave, *args, code):
        fake = FakeCoordinator(self, behave)
        return self.assent(fake, *args, code=code)

    @staticmethod
    def answering(code, text, number=None):
        """A coordinator that answers requests like that."""
        def behave(connection):
            read_message(connection)
            write_frame(connection, frame(WELCOME))
            while True:
                messages = []
                vectors.decode_frame(read_message(connection), messages)
                write_frame(connection, frame({"type": "ADMIN_REPLY",
                                               "id": number or messages[0]["id"], "code": code,
                                               "json": text}))
        return behave

    def test_silence(self):
        result = self.ask(lambda connection: read_message(connection) and connection.recv(1),
                          "status", "-t", "300ms", code=UNREACHABLE)
        self.assertIn("no coordinator answers", result.err)

    def test_no_answer_to_the_request(self):
        def behave(connection):
            read_message(connection)
            write_frame(connection, frame(WELCOME))
            while True:
                read_message(connection)
        fake = FakeCoordinator(self, behave)
        # On a busy machine it may take a while until the request can be sent at all.
        for timeout in ("300ms", "3.0s", "20.0s", "60.0s"):
            result = self.assent(fake, "status", "-t", timeout.replace(".0", ""), code=UNREACHABLE)
            if "no coordinator answers" not in result.err:
                break
        self.assertIn(f"is there but did not answer within {timeout}", result.err)

    def test_garbage(self):
        for garbage in (b"x", b"ASNT", bytes(range(256)) * 4, frame(WELCOME)[:-1],
                        frame(WELCOME).replace(b"ASNT\x01", b"ASNT\x63")):
            def behave(connection, what=garbage):
                read_message(connection)
                write_frame(connection, what)
                read_message(connection)
            result = self.ask(behave, "status", "-t", "20s", code=None)
            self.assertIn(result.code, (FAILED, REFUSED, USAGE), result)
            self.assertIn("not as a coordinator", result.err)
            os.unlink(self.directory / "fake.sock")

    def test_answers_that_are_no_answers(self):
        for text in ("", "{", "[]", "null", "5", "\"text\""):
            result = self.ask(self.answering(0, text), "status", code=FAILED)
            self.assertIn("not JSON", result.err)
            os.unlink(self.directory / "fake.sock")

    def test_answers_without_what_was_asked_for(self):
        for verb in (["status"], ["config"], ["explain", "x"], ["show", "x"],
                     ["saga", "show", "x"]):
            self.ask(self.answering(0, "{}"), *verb, code=None)
            os.unlink(self.directory / "fake.sock")
        for verb in (["list"], ["participants"], ["list", "-f"], ["watch", "-c", "1"]):
            self.ask(self.answering(0, "{}"), *verb, code=FAILED)
            os.unlink(self.directory / "fake.sock")

    def test_answer_to_another_request(self):
        self.ask(self.answering(0, "{}", "0x63"), "status", "-t", "300ms", code=UNREACHABLE)

    def test_refusals(self):
        for code, exit_code in ((10, REFUSED), (7, REFUSED), (11, NOT_FOUND), (4, FAILED),
                                (1, USAGE), (13, REFUSED), (19, FAILED)):
            text = json.dumps({"error": {"code": "X", "message": "because\x1b[31m of this"}})
            result = self.ask(self.answering(code, text), "status", code=exit_code)
            self.assertEqual(result.err, "assent: because?[31m of this\n")
            os.unlink(self.directory / "fake.sock")

    def test_refused_greeting(self):
        def behave(connection):
            read_message(connection)
            write_frame(connection, frame({"type": "REFUSED", "request": "0x0", "about": 1,
                                           "code": 10, "gtid": "", "text": "operators only"}))
            read_message(connection)
        result = self.ask(behave, "status", code=REFUSED)
        self.assertIn("operators only", result.err)

    def test_lost_before_an_order_was_answered(self):
        """An order is never sent twice, and never said to have failed when that is not known."""
        orders = []

        def behave(connection):
            read_message(connection)
            write_frame(connection, frame(WELCOME))
            while True:
                messages = []
                vectors.decode_frame(read_message(connection), messages)
                if messages[0]["verb"] == "abort":
                    orders.append(messages[0])
                    connection.close()
                    return
                reply = {"transaction": {"state": "active", "gtid": "t", "branches": []},
                         "foreign": [], "verdict": {"outcome": "in progress", "text": ""}}
                write_frame(connection, frame({"type": "ADMIN_REPLY", "id": messages[0]["id"],
                                               "code": 0, "json": json.dumps(reply)}))
        result = self.ask(behave, "abort", "t", "--reason", "r", "--yes", code=UNREACHABLE)
        self.assertIn("whether the order was carried out is not known", result.err)
        self.assertEqual(len(orders), 1)

    def test_hostile_texts_stay_texts(self):
        row = {"gtid": "t\x1b]0;x\x07", "state": "\x1b[2J", "waiting_for": ["\u202eevil", 5],
               "in_doubt": True, "started_at_ms": 1, "age_ms": "long", "protocol": "saga",
               "trouble": {"failures": 1, "text": "\x1b[2J"},
               "branches": [{"participant": "\x1b[2J", "progress": "\x1b[2J", "branch": n,
                             "trouble": "\x9b", "failures": 2, "result": "\x1b[2J",
                             "after": [n, "\x1b", 7]} for n in range(3)]}
        reply = json.dumps({"transactions": [row], "foreign": [row], "participants": [row],
                            "config": [row], "next": None, "transaction": row,
                            "verdict": {"outcome": "\x1b[2J", "text": "\x9b"}})
        for verb in (["list"], ["participants"], ["config"], ["show", "x"], ["explain", "x"],
                     ["saga", "show", "x"], ["saga", "show", "x", "--dot"],
                     ["list", "-f"], ["watch", "-c", "1"], ["status"]):
            result = self.ask(self.answering(0, reply), *verb, code=None)
            self.assertEqual(set(map(ord, result.out)) & ({*range(32)} - {10}), set(), result)
            self.assertNotIn("\u202e", result.out)
            self.assertNotIn("\x9b", result.out)
            os.unlink(self.directory / "fake.sock")

    def assent(self, daemon, *args, code=OK, **more):
        if code is not None:
            return super().assent(daemon, *args, code=code, **more)
        command, env = self.command(daemon, *args)
        result = run_command(command, env)
        self.assertIn(result.code, range(8), result)
        return result


if __name__ == "__main__":
    unittest.main()
