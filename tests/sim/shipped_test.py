#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ways of breaking the code on purpose are in assent-sim-mutants, and in nothing else.

usage: shipped_test.py <assent-sim-mutants> <program, library or archive>...
"""
import subprocess
import sys

SYMBOL = "mutant_active"


def has_symbol(path):
    lines = subprocess.run(["nm", "--format=posix", path], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    if len(lines) < 5:
        sys.exit(f"{path}: nm sees only {len(lines)} symbols, which proves nothing")
    return any(line.split()[0] == SYMBOL for line in lines if line.split())


def main():
    mutants, shipped = sys.argv[1], sys.argv[2:]
    problems = [f"{path} can be broken by {SYMBOL}" for path in shipped if has_symbol(path)]
    if not has_symbol(mutants):
        problems.append(f"{mutants} has no {SYMBOL}: this test looks for the wrong thing")
    for problem in problems:
        print(problem)
    print(f"{len(shipped)} files, {len(problems)} problems")
    return 1 if problems or not shipped else 0


if __name__ == "__main__":
    sys.exit(main())
