# SPDX-License-Identifier: Apache-2.0
"""Participants of sagas, tcc transactions and messages that do as they are told, for tests of the
operator's command."""

import queue
import threading

from daemon_harness import PARTICIPANT, Gone, done

YES, NO, RETRY = 1, 2, 4
COMMITTED, ABORTED = 1, 2
STEP, SENDER, CONSUMER, CALL = 3, 4, 5, 1
SAGA, MESSAGE, TCC = 4, 5, 3
ONE_PHASE = 1


class Site:
    """A participant that answers by itself. Each attempt gets the next of the answers, (vote, text)
    or "silent", and those after the last one the last; a copy of an attempt gets the same again."""

    def __init__(self, test, daemon, name, *answers, compensate=True):
        self.peer = test.peer(daemon, PARTICIPANT, name, 100 + len(name))
        self.name = name
        self.answers = list(answers) or [(YES, "")]
        self.compensate = compensate
        self.asked, self.inputs, self.told, self.attempts = 0, [], [], {}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                self.hear(self.peer.next())
        except (Gone, OSError, queue.Empty):
            pass

    def hear(self, message):
        if message["type"] == "PREPARE":
            self.prepare(message)
        elif message["type"] in ("COMMIT", "ROLLBACK"):
            self.told.append(message["type"])
            if self.compensate:
                outcome = COMMITTED if message["type"] == "COMMIT" else ABORTED
                self.peer.send(done(message, outcome))

    def prepare(self, message):
        if message["attempt"] not in self.attempts:
            self.attempts[message["attempt"]] = self.answers[min(self.asked, len(self.answers) - 1)]
            self.asked += 1
            self.inputs.append(message.get("inputs"))
        answer = self.attempts[message["attempt"]]
        if answer == "silent":
            return
        vote, text = answer
        if vote == YES and message["flags"] & ONE_PHASE:
            reply = {**done(message, COMMITTED), "flags": 0}
            if message["kind"] == STEP:
                reply.update(flags=4, result=text.encode().hex())
        else:
            reply = {"type": "VOTE", "gtid": message["gtid"], "attempt": message["attempt"],
                     "branch": message["branch"], "vote": vote, "text": text}
        self.peer.send(reply)

    def close(self):
        self.peer.close()


def message_of(gtid, sender, *consumers, hold=True, delay_ms=0):
    """A SUBMIT of a transactional message."""
    branches = [{"branch": 0, "kind": SENDER, "resource": sender, "payload": ""}]
    branches += [{"branch": i, "kind": CONSUMER, "resource": name, "payload": b"news".hex(),
                  "delay_ms": delay_ms} for i, name in enumerate(consumers, 1)]
    return {"type": "SUBMIT", "gtid": gtid, "protocol": MESSAGE, "flags": 4 if hold else 2,
            "timeout_ms": 0, "branches": branches}


def tcc_of(gtid, *resources):
    branches = [{"branch": i, "kind": CALL, "resource": name, "payload": b"pay".hex()}
                for i, name in enumerate(resources)]
    return {"type": "SUBMIT", "gtid": gtid, "protocol": TCC, "flags": 0, "timeout_ms": 0,
            "branches": branches}
