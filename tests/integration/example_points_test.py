#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every named crash point, passed by tcc transactions and sagas (travel) or by messages (order): a
process that dies exactly there leaves nothing half done.

Under load the coordinator, a service or a client is started with the point armed, and started again
when it has died there. In the end everything must come to rest by itself, and is audited. A point that
is never reached fails the test.
"""

import argparse
import signal
import sys
import time

from bank_world import SANITIZED, Failure
from example_world import OrderWorld, TravelWorld

# Points that a workload does not pass: trips are no messages; consumers promise nothing, and are
# told nothing but to take a message.
NOT_PASSED = {
    TravelWorld: {"part_after_check", "client_after_prepare"},
    OrderWorld: {"coord_before_decide", "coord_after_decide", "part_after_journal", "part_after_vote", "part_before_commit", "part_after_commit",
                 "part_before_rollback", "part_after_rollback", "part_in_recovery"},
}
# Which are passed once a start, or once a message whose client has died.
RARE = {"part_in_recovery", "part_after_check"}
REACHED_S = 60 if SANITIZED else 20


class Campaign:
    def __init__(self, world):
        self.world = world
        self.times = 1
        self.number = 0
        self.load = []

    def start_load(self):
        self.load = [self.start_client(), self.start_client()]

    def start_client(self, env=None):
        self.number += 1
        return self.world.start_client("--seconds", 3600, "--clients", 4, "--seed", self.number,
                                       number=self.number, env=env)

    def dies(self, process, point, patience_s=REACHED_S):
        end = time.monotonic() + patience_s
        while process.running() and time.monotonic() < end:
            time.sleep(0.01)
        if process.running():
            return False
        if process.popen.returncode != -signal.SIGKILL:
            raise Failure(f"{process.name} ended with {process.popen.returncode} at {point}: "
                          f"{process.output()[-2000:]}")
        return True

    def client_dies(self, point):
        client = self.start_client({"ASSENT_CRASH_POINT": f"{point}:{self.times}"})
        if not self.dies(client, point):
            raise Failure(f"no client has reached {point}")
        self.world.clients.remove(client)

    def server_dies(self, point, name):
        # What a start finds in doubt depends on when its predecessor died: that may take a few.
        tries = 20 if point == "part_in_recovery" else 1
        for _ in range(tries):
            self.world.servers[name].kill()
            times = 1 if point in RARE else self.times
            server = self.world.start_again(name, env={"ASSENT_CRASH_POINT": f"{point}:{times}"},
                                            ready=False)
            if point == "part_after_check":
                self.client_dies("client_before_submit")
            if self.dies(server, point, 1 if tries > 1 else REACHED_S):
                self.world.start_again(name)
                return
        raise Failure(f"{name} has not reached {point}")

    def run(self, times, only):
        self.times = times
        lines = self.world.run("assentd", "--list-crash-points").stdout.splitlines()
        for line in lines:
            point, side = line.split()[:2]
            if side == "tx" or point in NOT_PASSED[type(self.world)] or \
                    (only and point not in only):
                continue
            begun = time.monotonic()
            if side == "client":
                self.client_dies(point)
            elif side == "coordinator":
                self.server_dies(point, "assentd")
            else:
                self.server_dies(point, self.world.victims.get(point, self.world.bank_names[0]))
            print(f"{point:22} {self.times:4} in {time.monotonic() - begun:.1f} s", flush=True)

    def finish(self):
        for client in self.load:
            client.signal(signal.SIGTERM)
        self.world.heal()
        reports = self.world.finish_clients()
        self.world.quiesce()
        books = self.world.audit()
        committed = sum(report["committed"] for report in reports)
        aborted = sum(report["aborted"] for report in reports)
        if not committed or not aborted:
            raise Failure(f"{committed} committed, {aborted} aborted: not much of a test")
        print(f"{committed} committed, {aborted} aborted, {self.world.summary(books)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int,
                        help="die there at the so-manieth passage (default: the first, then the 29th)")
    parser.add_argument("example", choices=["travel", "order"])
    parser.add_argument("point", nargs="*", help="only these")
    arguments = parser.parse_args()
    world = TravelWorld() if arguments.example == "travel" else OrderWorld()
    failed = None
    try:
        world.start()
        campaign = Campaign(world)
        campaign.start_load()
        for times in [arguments.times] if arguments.times else [1, 29]:
            campaign.run(times, arguments.point)
        campaign.finish()
    except (Failure, AssertionError, OSError) as error:
        failed = error
        print(f"{error}\nlogs are in {world.dir}", file=sys.stderr)
    finally:
        world.close(keep=failed is not None)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
