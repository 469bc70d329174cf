#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The core is a function of its inputs: what its object files import is memory, strings, sorting
and formatting, and nothing that does I/O, reads a clock, draws random numbers or starts threads.

usage: purity_test.py <core archive> <base archive>
"""

import re
import subprocess
import sys

LIBC = {
    "malloc", "calloc", "realloc", "free",
    "memchr", "memcmp", "memcpy", "memmove", "memset",
    "strchr", "strcmp", "strcspn", "strlen", "strncmp", "strnlen", "strrchr", "strspn", "strstr",
    "bsearch", "qsort", "snprintf", "vsnprintf",
}
# Checked variants and what compilers and their instrumentation call by themselves.
COMPILER = re.compile(
    r"__(mem|str|sn|vsn)\w*_chk$|__stack_chk_fail$|_GLOBAL_OFFSET_TABLE_$|__(asan|ubsan|tsan|gcov|"
    r"sanitizer|llvm)_\w+$|__(start|stop)___\w+$|__isoc99_")
# The modules of base that the core stands on. The rest of base (logs, crash points) does I/O.
BASE_OBJECTS = {"buf", "error", "heap", "map", "rng", "sm"}
# A broken invariant prints one line and aborts: base/check is the one way out.
EXIT = {"check_failed"}


def symbols(archive):
    """object name -> (defined, undefined) symbols"""
    output = subprocess.run(["nm", "--format=posix", archive], check=True, capture_output=True,
                            text=True).stdout
    objects, current = {}, None
    for line in output.splitlines():
        header = re.match(r".*\[(.+?)\.c\.o\]:$", line)
        if header:
            current = objects.setdefault(header.group(1), (set(), set()))
            continue
        fields = line.split()
        if len(fields) >= 2 and current is not None:
            current[1 if fields[1] in "Uwv" else 0].add(fields[0])
    return objects


def impure(objects, allowed):
    for name, (_, undefined) in sorted(objects.items()):
        for symbol in sorted(undefined):
            if symbol not in allowed and not COMPILER.match(symbol):
                yield f"{name}: imports {symbol}"


def writable_globals(archive):
    """Data that a core could keep between calls. Constants that hold addresses are relocated once
    and read-only from then on."""
    output = subprocess.run(["objdump", "-t", archive], check=True, capture_output=True,
                            text=True).stdout
    for line in output.splitlines():
        fields = line.split()
        if len(fields) >= 4 and re.match(r"(\.t?data|\.t?bss|\*COM\*)", fields[-3]):
            is_section = fields[-1].startswith(".")
            if not fields[-3].startswith(".data.rel.ro") and not is_section:
                yield fields[-1]


def main():
    core_archive, base_archive = sys.argv[1:3]
    core = symbols(core_archive)
    base = {name: both for name, both in symbols(base_archive).items() if name in BASE_OBJECTS}
    problems = []
    if len(base) != len(BASE_OBJECTS):
        problems.append(f"of base only {sorted(base)} were found")
    if len(core) < 5:
        problems.append(f"only {len(core)} objects in {core_archive}")
    own = set().union(*(defined for defined, _ in list(core.values()) + list(base.values())))
    allowed = LIBC | EXIT | own
    problems += impure(core, allowed)
    problems += impure(base, allowed)
    instrumented = any("__gcov" in s or "__asan" in s for _, und in core.values() for s in und)
    if not instrumented:
        problems += [f"core keeps writable data: {name}" for name in
                     sorted(set(writable_globals(core_archive)))]
    for problem in problems:
        print(problem)
    print(f"{len(core)} core objects, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
