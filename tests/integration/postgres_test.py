#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test programs against one real PostgreSQL server, which they may have killed and restarted.

usage: postgres_test.py <program>..."""

import os
import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(os.environ.get("ASSENT_SOURCE_DIR", Path(__file__).resolve().parents[2]))
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests" / "support"))
from postgres_server import PostgresServer, binaries  # noqa: E402

# One more than the branches that the tests have prepared at a time, so that they can be used up;
# and what commits have to wait for when a standby is wanted that is not there.
SETTINGS = {"max_prepared_transactions": 12, "wal_level": "replica", "max_wal_senders": 1}


def documented_table():
    return re.search(r"^```sql\n(CREATE SCHEMA assent;.*?)^```$",
                     (SOURCE / "docs/barrier.md").read_text(), re.M | re.S).group(1)


def obey(server, text):
    word, _, rest = text.partition(" ")
    if word == "kill":
        server.kill()
        server.start()
    elif word == "immediate":
        server.restart("immediate")
    elif word == "settings":
        server.configure(**{**SETTINGS, **dict(pair.split("=", 1) for pair in rest.split())})
        server.restart()
    elif word == "psql":
        server.sql(rest)
    elif word == "documented":
        server.sql(documented_table(), database=rest)
    else:
        raise ValueError(f"'{text}' is no command")


def run(server, program):
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    # A test that fails may leave locks behind: those after it fail then, and do not wait for ever.
    conninfo = server.conninfo() + " options='-c lock_timeout=20s'"
    environment = {**os.environ, "ASSENT_TEST_POSTGRES": conninfo,
                   "ASSENT_TEST_CONTROL": f"{to_write},{from_read}"}
    with subprocess.Popen([program], env=environment,
                          pass_fds=[to_write, from_read]) as process:
        os.close(to_write)
        os.close(from_read)
        with os.fdopen(to_read) as commands:
            for line in commands:
                try:
                    obey(server, line.rstrip("\n"))
                    answer = "ok\n"
                except (RuntimeError, ValueError, subprocess.SubprocessError) as error:
                    answer = f"{error}\n"
                os.write(from_write, answer.encode())
        os.close(from_write)
        return process.wait()


def main():
    if not binaries():
        print("there is no PostgreSQL server here")
        return 77
    failed = []
    # Nothing here loses power: what is killed leaves to the kernel what it has written.
    with PostgresServer(settings=SETTINGS, fsync=False) as server:
        for program in sys.argv[1:]:
            if run(server, program):
                failed.append(program)
        if failed:
            print(server.log_text()[-4000:])
    for program in failed:
        print(f"failed: {program}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
