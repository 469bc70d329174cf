#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Participants that speak to each other, real processes. Three-phase commit: they finish a
transaction without its coordinator, a minority waits, and who is not authorized is not heard.
Two-phase commit: who is in doubt asks who knows."""

import json
import signal
import socket
import subprocess
import unittest

from daemon_harness import BIN, PATIENCE_S, wait_until
from three_world import NAMES, World

ASSENT = str(BIN / "assent")


class Three(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)

    def orphan(self, crash_point, protocol="3pc"):
        """A transaction whose coordinator dies at that point, once all are connected to it."""
        self.world.start(crash_point)
        application = self.world.commit("order-1", protocol)
        self.assertEqual(self.world.daemon.wait(), -signal.SIGKILL)
        application.kill()
        application.communicate(timeout=PATIENCE_S)

    def orphan_in_phase_one(self):
        """One that all are asked to vote on, and whose coordinator hears of no vote."""
        self.world.hold.unlink()
        self.world.start()
        application = self.world.commit("order-1")
        wait_until(lambda: all("prepare" in party.told("order-1")
                               for party in self.world.parties.values()), "three calls")
        self.world.daemon.kill()
        application.kill()
        application.communicate(timeout=PATIENCE_S)

    def back(self, outcome, protocol="3pc"):
        """The coordinator is back, and hears the same."""
        self.world.start_daemon()
        self.assertEqual(self.world.answer("order-1", protocol=protocol), outcome)


class NoFailure(Three):
    def test_committed(self):
        self.world.suspect_ms = 60000
        self.world.start()
        self.assertEqual(self.world.answer("order-1"), "committed")
        self.assertEqual(self.world.wait_outcome("order-1"), "commit")


class Doors(Three):
    def test_a_place_that_has_no_address(self):
        """No others can be told of it; all else works."""
        self.world.suspect_ms = 60000
        odd = self.world.directory / "j\u00fcrgens journal"
        odd.mkdir()
        self.world.directory_of["south"] = odd
        self.world.start()
        self.assertEqual(self.world.answer("order-1"), "committed")
        self.assertIn("no_peers", (self.world.directory / "south.err").read_text())


class CoordinatorKilled(Three):
    def test_before_the_votes_arrive(self):
        self.orphan_in_phase_one()
        self.world.hold.touch()
        self.assertEqual(self.world.wait_outcome("order-1"), "rollback")
        self.back("aborted")

    def test_after_the_outcome(self):
        self.orphan("coord_before_decide:1")
        self.assertEqual(self.world.wait_outcome("order-1"), "commit")
        self.back("committed")

    def test_one_dies_too(self):
        self.orphan_in_phase_one()
        self.world.parties["west"].end()
        self.world.hold.touch()
        self.assertEqual(self.world.wait_outcome("order-1", ("north", "south")), "rollback")
        self.world.start_party("west")
        self.back("aborted")
        self.assertNotEqual(self.world.parties["west"].outcome("order-1"), "commit")


class TwoPhase(Three):
    def votes(self):
        shown = subprocess.run([ASSENT, "show", "--json", "order-1"], env=self.world.env,
                               capture_output=True, text=True, timeout=PATIENCE_S)
        shown = json.loads(shown.stdout or "{}").get("transaction") or {}
        return {branch["participant"] for branch in shown.get("branches", [])
                if branch["vote"] == "yes"}

    def test_one_was_away_when_it_was_decided(self):
        """And the coordinator is away when that one is back: the others know."""
        self.world.hold.unlink()
        self.world.start_daemon()
        at_once = {"ASSENT_PARTY_HOLD": str(self.world.directory)}
        for name in NAMES:
            self.world.start_party(name, at_once if name == "west" else None)
        self.world.wait_connected()
        application = self.world.commit("order-1", "2pc")
        wait_until(lambda: self.votes() == {"west"}, "the vote of west")
        self.world.parties["west"].end()
        self.world.hold.touch()
        self.assertEqual(self.world.wait_outcome("order-1", ("north", "south")), "commit")
        self.world.daemon.kill()
        application.communicate(timeout=PATIENCE_S)
        self.world.start_party("west")
        self.assertEqual(self.world.wait_outcome("order-1"), "commit")
        self.back("committed", "2pc")


class Minority(Three):
    def test_waits_for_a_majority(self):
        self.world.suspect_ms = 60000  # so that nobody elects before all are gone
        self.orphan("coord_before_decide:1")
        for name in NAMES:
            self.world.parties[name].end()
        self.world.suspect_ms = 200
        with socket.socket(socket.AF_UNIX) as door:  # where south would be
            path = self.world.directory / "south.journal.peers"
            path.unlink(missing_ok=True)
            door.bind(str(path))
            door.listen()
            door.settimeout(PATIENCE_S)
            self.world.start_party("north")
            door.accept()[0].close()  # north elects
        self.assertIsNone(self.world.parties["north"].outcome("order-1"))
        for name in ("south", "west"):
            self.world.start_party(name)
        self.assertEqual(self.world.wait_outcome("order-1"), "commit")
        self.back("committed")


class Certificates(Three):
    """Beyond one user of one machine: tcp, and only those that are in the directory."""

    def setUp(self):
        super().setUp()
        self.keys = self.world.directory / "keys"
        self.authorized, self.peers = self.keys / "authorized", self.keys / "peers"
        for directory in (self.keys, self.authorized, self.peers):
            directory.mkdir()
        self.keygen("coordinator")
        self.keygen("shop", "--role", "client", authorized=True)
        for name in NAMES:
            self.keygen(name, "--role", "participant", "--resources", name, authorized=True,
                        peer=True)
        self.world.args = ["--set", "listen/endpoint=tcp://127.0.0.1:*",
                           "--set", f"security/certificate={self.keys}/coordinator.cert_secret",
                           "--set", f"security/authorized-dir={self.authorized}"]

    def keygen(self, name, *args, authorized=False, peer=False):
        subprocess.run([ASSENT, "keygen", str(self.keys / f"{name}.cert"), *args], check=True,
                       stdout=subprocess.DEVNULL)
        public = (self.keys / f"{name}.cert").read_text()
        for directory, wanted in ((self.authorized, authorized), (self.peers, peer)):
            if wanted:
                (directory / f"{name}.cert").write_text(public)

    def certificate(self, name):
        return {"ASSENT_CERTIFICATE": str(self.keys / f"{name}.cert_secret"),
                "ASSENT_SERVER_CERTIFICATE": str(self.keys / "coordinator.cert"),
                "ASSENT_PEER_ENDPOINT": "tcp://127.0.0.1:*",
                "ASSENT_PEER_AUTHORIZED_DIR": str(self.peers)}

    def start(self, crash_point):
        self.world.start_daemon(crash_point)
        endpoint = self.world.daemon.wait_log("listening")["endpoint"]
        self.world.env["ASSENT_ENDPOINT"] = endpoint
        for name in NAMES:
            self.world.start_party(name, self.certificate(name))
        self.world.wait_connected()
        self.world.env.update(self.certificate("shop"))

    def orphan_here(self):
        self.start("coord_before_decide:1")
        application = self.world.commit("order-1")
        self.assertEqual(self.world.daemon.wait(), -signal.SIGKILL)
        application.kill()
        application.communicate(timeout=PATIENCE_S)

    def test_authorized(self):
        self.orphan_here()
        self.assertEqual(self.world.wait_outcome("order-1"), "commit")

    def test_one_is_elsewhere_by_now(self):
        """Whose new port nobody was told of: it says so itself when it asks."""
        self.world.suspect_ms = 60000  # so that nobody else asks
        self.orphan_here()
        self.world.parties["north"].end()
        self.world.suspect_ms = 300
        self.world.start_party("north", self.certificate("north"))
        self.assertEqual(self.world.wait_outcome("order-1"), "commit")

    def test_one_is_not(self):
        (self.peers / "west.cert").unlink()
        self.orphan_here()
        self.assertEqual(self.world.wait_outcome("order-1", ("north", "south")), "commit")
        wait_until(lambda: any("peer_unreachable" in text and "west" in text
                               for text in self.world.says().values()), "a refusal of west")
        self.assertIsNone(self.world.parties["west"].outcome("order-1"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
