#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/tutorial-databases.md as tutorial_test.py does it, with a PostgreSQL and a MariaDB of its own where
the reader has theirs; and the procedures of docs/resource-managers.md are taken by assent-rm."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import tutorial_test
from rm_world import Mariadb, Postgres, available

SOURCE = Path(os.environ["ASSENT_SOURCE_DIR"])
BIN = Path(os.environ["ASSENT_BIN_DIR"])
TABLES = """
CREATE TABLE stock (item VARCHAR(40), pieces INT);
CREATE TABLE orders (id {serial} PRIMARY KEY, gtid VARCHAR(64), item VARCHAR(40), pieces INT);
CREATE TABLE payments (of_order INT, amount NUMERIC(10, 2));
"""


def check_procedures(database, serial):
    page = (SOURCE / "docs/resource-managers.md").read_text()
    example = re.search(r"<!-- procedures -->\n```json\n(.*?)^```$", page, re.M | re.S).group(1)
    database.sql(TABLES.format(serial=serial))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(example)
        file.flush()
        done = subprocess.run([BIN / "assent-rm", "--check", "-r", "x", "-d", database.address(),
                               "-p", file.name], capture_output=True, text=True)
    database.sql("DROP TABLE stock; DROP TABLE orders; DROP TABLE payments")
    if "good: x, 2 procedures\n" not in done.stdout:
        print(f"the procedures of docs/resource-managers.md: {done.stdout}{done.stderr}")
        return False
    return True


def main():
    if not available():
        print("PostgreSQL or MariaDB is not installed")
        return 77
    postgres, mariadb = Postgres(tables=""), Mariadb(tables="")
    try:
        good = check_procedures(postgres, "SERIAL") and check_procedures(mariadb,
                                                                         "INT AUTO_INCREMENT")
        words = mariadb.address(password="secret").split(":", 1)[1]
        mariadb.sql("SET PASSWORD FOR assent@'%' = PASSWORD('secret')")
        os.environ["PG"] = postgres.address().split(":", 1)[1]
        os.environ["MY"] = words
        os.environ["mariadb"] = (f"mariadb --no-defaults --socket={mariadb.server.socket} "
                                 "--user=assent --password=secret assent")
        os.environ["PATH"] = f"{postgres.server.bin}:{os.environ['PATH']}"
        sys.argv[1:] = ["docs/tutorial-databases.md"]
        return tutorial_test.main() or not good
    finally:
        postgres.close()
        mariadb.close()


if __name__ == "__main__":
    sys.exit(main())
