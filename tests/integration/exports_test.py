#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each library exports exactly the functions that its headers declare.

usage: exports_test.py <libassent> <libassent-sqlite>
"""

import os
import re
import subprocess
import sys
from pathlib import Path

HEADERS = Path(os.environ["ASSENT_SOURCE_DIR"]) / "common/include/assent"
SQLITE = {"barrier_sqlite.h"}  # of libassent-sqlite; all others are libassent's


def declared(sqlite):
    names = set()
    for header in HEADERS.glob("*.h"):
        if (header.name in SQLITE) != sqlite:
            continue
        text = re.sub(r"//[^\n]*", "", header.read_text())
        names.update(re.findall(r"ASSENT_API\b[^;#]*?\b(assent_\w+)\s*\(", text))
    return names


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    return {line.split()[-1] for line in lines}


def check(library, sqlite, at_least):
    wanted, found = declared(sqlite), exported(library)
    for name in sorted(wanted - found):
        print(f"{library}: declared, but not exported: {name}")
    for name in sorted(found - wanted):
        print(f"{library}: exported, but not declared: {name}")
    print(f"{library}: {len(wanted)} functions")
    return wanted == found and len(wanted) >= at_least


def main():
    good = [check(sys.argv[1], False, 20), check(sys.argv[2], True, 5)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
