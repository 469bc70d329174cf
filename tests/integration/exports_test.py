#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each library exports exactly the functions that its headers declare.

usage: exports_test.py <libassent> [<library>=<header>,...]...

The headers that no other library has are libassent's.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

HEADERS = Path(os.environ["ASSENT_SOURCE_DIR"]) / "common/include/assent"


def declared(headers):
    names = set()
    for header in headers:
        text = re.sub(r"//[^\n]*", "", header.read_text())
        names.update(re.findall(r"ASSENT_API\b[^;#]*?\b(assent_\w+)\s*[(;]", text))
        names.update(re.findall(r"^extern int (tx_\w+)\(", text, re.M))  # X/Open's own
    return names


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    names = {line.split()[-1] for line in lines}
    # What our own programs load of a database (sql/sql_driver.h) is in no public header.
    return {name for name in names if not name.startswith("assent_sql_")}


def check(library, headers):
    wanted, found = declared(headers), exported(library)
    for name in sorted(wanted - found):
        print(f"{library}: declared, but not exported: {name}")
    for name in sorted(found - wanted):
        print(f"{library}: exported, but not declared: {name}")
    print(f"{library}: {len(wanted)} names")
    return wanted == found and len(wanted) > 0


def main():
    libassent, *others = sys.argv[1:]
    rest = set(HEADERS.rglob("*.h"))
    good = []
    for library, headers in (other.split("=") for other in others):
        own = {HEADERS / header for header in headers.split(",")}
        rest -= own
        if library:
            good.append(check(library, own))
    good.append(check(libassent, rest))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
