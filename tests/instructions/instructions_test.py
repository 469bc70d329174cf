#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions that a core executes for one transaction of two branches, counted by callgrind,
against the figures in figures.json: more than 5 % above one is a failure.

usage: instructions_test.py PROGRAM [--update]

With --update the figures are written anew, for the compiler that has made PROGRAM. Without figures
for that compiler, or without valgrind, the test is skipped (exit status 77).
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FIGURES = pathlib.Path(__file__).with_name("figures.json")
MOST = 1.05
FEW, MANY = 200, 700  # the difference is free of what a start takes


def collected(program, core, count):
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out",
             f"--toggle-collect={core}_step", program, core, str(count)],
            capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        sys.exit(f"{program} {core}: {done.returncode}\n{done.stderr}")
    return int(found.group(1))


def measure(program):
    return {core: round((collected(program, core, MANY) - collected(program, core, FEW)) /
                        (MANY - FEW))
            for core in ("coordinator", "participant")}


def compiler(program):
    comment = subprocess.run(["readelf", "-p", ".comment", program], capture_output=True,
                             text=True, check=True).stdout
    found = re.findall(r"(GCC|clang)\D* (?:\([^)]*\) )?(\d+)", comment)
    return " ".join(found[-1]) if found else "unknown"


def main():
    program, *rest = sys.argv[1:] or [None]
    if not program or rest not in ([], ["--update"]):
        sys.exit(__doc__)
    if not shutil.which("valgrind"):
        print("valgrind is not installed")
        return 77
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    name = compiler(program)
    if rest:
        figures[name] = measure(program)
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
        print(figures[name])
        return 0
    if name not in figures:
        print(f"there are no figures for {name}: {program} --update makes them")
        return 77
    status = 0
    for core, count in measure(program).items():
        figure = figures[name][core]
        print(f"{core}: {count} instructions a transaction, {count / figure:.3f} of {figure}")
        if count > MOST * figure:
            print(f"{core}: more than {MOST} of the figure in {FIGURES.name}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
