# SPDX-License-Identifier: Apache-2.0
"""The examples of tcc, sagas and messages, with the interface of bank_world.World: what was said there
of processes holds here."""

import json

from bank_world import PATIENCE_S, Failure, Process, World


class ExampleWorld(World):
    program = ""
    client = ""   # the command that clients are
    unit = ""     # what is counted
    count = ""    # and its name in an audit
    victims = {}  # who can die at a point of a participant, where it is not the first service

    def __init__(self, services, bin_dir=None, directory=None):
        self.set_up(bin_dir, False, directory)
        self.bank_names = services

    def start_bank(self, name, env=None, ready=True):
        server = Process(self, name, [self.bin / self.program, "serve", *self.options_of(name), name,
                                      self.dir], env)
        self.servers[name] = server
        if ready:
            server.await_text("ready")
        return server

    def options_of(self, _name):
        return []

    def client_arguments(self):
        return []

    def start_client(self, *arguments, number=0, env=None):
        client = Process(self, f"client-{number}", [
            self.bin / self.program, self.client, "--json", "--patience", PATIENCE_S,
            "--told", f"{self.told}-{number}", *arguments, *self.client_arguments()], env)
        self.clients.append(client)
        return client

    def audit(self, *options, check=True):
        """Whole or not at all, and as clients were told, and as the coordinator says."""
        told = [argument for path in sorted(self.dir.glob("told-*"))[-60:]
                for argument in ("--told", path)]
        done = self.run(self.program, "audit", "--wait", 60, "--status", "--json", *options, *told,
                        self.dir, check=False)
        if check and done.returncode != 0:
            raise Failure(f"audit: {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def summary(self, books):
        return f"{books[self.count]} {self.unit}, as they should be"


class TravelWorld(ExampleWorld):
    """Trips never come to an end for want of room, but a third of the days has no hotel."""
    program, client, unit, count = "assent-travel", "book", "trips", "trips"
    services = ["flight", "hotel", "car", "card"]

    def __init__(self, bin_dir=None, directory=None):
        super().__init__(self.services, bin_dir, directory)

    def options_of(self, name):
        return ["--items", 40 if name == "hotel" else 100, "--capacity", 1000000]

    def client_arguments(self):
        return ["--days", 60]

    @staticmethod
    def weather(random):
        return random.choice([["--saga"], ["--tcc"], ["--saga", "--tcc"], ["--saga", "--leave"]])


class OrderWorld(ExampleWorld):
    program, client, unit, count = "assent-order", "take", "orders", "orders"
    services = ["payment", "stock", "orders"]
    victims = {"part_after_check": "orders"}

    def __init__(self, bin_dir=None, directory=None):
        super().__init__(self.services, bin_dir, directory)

    def options_of(self, name):
        return ["--tidy", 2] if name == "orders" else []

    def client_arguments(self):
        return ["--patience-ms", 500, self.dir]

    @staticmethod
    def weather(random):
        return ["--delay-ms", random.choice([0, 0, 300])]
