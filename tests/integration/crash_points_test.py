#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every named crash point: a process that dies exactly there loses nothing.

For each point of `assentd --list-crash-points`, the coordinator or a bank is started with it armed,
transactions run until the process has died there, it is started again, everything comes to rest, and
the books are audited. A point that is never reached fails the test.
"""

import argparse
import signal
import sys
import time

from bank_world import Failure, World, until

VICTIM = "bank-b"
# A bank whose ledger keeps prepared work itself leaves the vote out of the journal, and one that does
# not cannot report it: which points a bank passes depends on that.
# What other protocols pass: example_points_test.py dies there.
OF_OTHERS = {"coord_after_admission", "part_after_check", "part_before_forget", "part_after_forget"}
ONLY_WITH_JOURNALLED_VOTES = {"part_after_journal"}


# In three-phase commit every transaction is admitted, and every vote is in the journal.
OF_3PC = {"coord_after_admission"}


def points(world):
    lines = world.run("assentd", "--list-crash-points").stdout.splitlines()
    pairs = [tuple(line.split()[:2]) for line in lines]
    others = OF_OTHERS - (OF_3PC if world.protocol == "3pc" else set())
    return [(point, side) for point, side in pairs if side not in ("client", "tx") and
            point not in others]


def told(world, number):
    """How many transactions a client has had answered."""
    path = world.dir / f"told-{number}"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def crash(world, point, side, times, number):
    """One life that ends at the point, and one after it."""
    name = "assentd" if side == "coordinator" else VICTIM
    armed = {"ASSENT_CRASH_POINT": f"{point}:{times}"}
    if point == "part_in_recovery":
        leave_in_doubt(world, number)
    world.servers[name].kill()
    server = world.start_again(name, env=armed, ready=False)
    client = world.start_client("--seconds", 3600, "--clients", 8, "--seed", number, number=number)
    until(f"{name} to die at {point}", lambda: not server.running())
    if server.popen.returncode != -signal.SIGKILL:
        raise Failure(f"{name} ended with {server.popen.returncode}: {server.output()[-2000:]}")
    world.start_again(name)
    lines = told(world, number)
    until("transactions to go on", lambda: told(world, number) > lines + 100)
    client.signal(signal.SIGTERM)
    reports = world.finish_clients()
    world.quiesce()
    world.audit()
    return reports[0]


def leave_in_doubt(world, number):
    """The bank dies when it has voted, and does not know the outcome."""
    world.servers[VICTIM].kill()
    bank = world.start_bank(VICTIM, env={"ASSENT_CRASH_POINT": "part_after_vote"}, ready=False)
    client = world.start_client("--seconds", 3600, "--clients", 8, "--seed", number,
                                number=1000 + number)
    until(f"{VICTIM} to die in doubt", lambda: not bank.running())
    client.kill()
    world.clients.remove(client)


def run(durable, times, only, protocol):
    world = World(durable=durable, protocol=protocol)
    failed = None
    try:
        world.start()
        for number, (point, side) in enumerate(points(world)):
            if only and point not in only:
                continue
            if durable and protocol == "2pc" and point in ONLY_WITH_JOURNALLED_VOTES:
                continue
            if point == "part_in_recovery" and times > 1:
                continue  # passed once a life
            begun = time.monotonic()
            report = crash(world, point, side, times, number)
            print(f"{point:22} {times:4} ok in {time.monotonic() - begun:.1f} s: {report['committed']} committed, "
                  f"{report['resolved']} answers lost and learned", flush=True)
    except (Failure, AssertionError, OSError) as error:
        failed = error
        print(f"{point}:{times} (votes {'in the ledger' if durable else 'in the journal'}): {error}",
              file=sys.stderr)
        print(f"logs are in {world.dir}", file=sys.stderr)
    finally:
        world.close(keep=failed is not None)
    return failed is None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int,
                        help="die there at the so-manieth passage (default: the first where votes are "
                             "in the ledger, the 37th where they are in the journal)")
    parser.add_argument("--protocol", choices=["2pc", "3pc"], default="2pc")
    parser.add_argument("point", nargs="*", help="only these")
    arguments = parser.parse_args()
    good = run(True, arguments.times or 1, arguments.point, arguments.protocol)
    if arguments.protocol == "2pc":  # in three-phase commit votes are in the journal either way
        good = run(False, arguments.times or 37, arguments.point, "2pc") and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
