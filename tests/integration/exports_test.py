#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libassent exports exactly the functions that its headers declare."""

import os
import re
import subprocess
import sys
from pathlib import Path

HEADERS = Path(os.environ["ASSENT_SOURCE_DIR"]) / "common/include/assent"


def declared():
    names = set()
    for header in HEADERS.glob("*.h"):
        text = re.sub(r"//[^\n]*", "", header.read_text())
        names.update(re.findall(r"ASSENT_API\b[^;#]*?\b(assent_\w+)\s*\(", text))
    return names


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    return {line.split()[-1] for line in lines}


def main():
    wanted, found = declared(), exported(sys.argv[1])
    for name in sorted(wanted - found):
        print(f"declared, but not exported: {name}")
    for name in sorted(found - wanted):
        print(f"exported, but not declared: {name}")
    print(f"{len(wanted)} functions")
    return 1 if wanted != found or len(wanted) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
