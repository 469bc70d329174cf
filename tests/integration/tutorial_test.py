#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does what a page of the documentation says: saves its programs under the names it gives, types its
commands in its order into one shell, and compares what they print. `...` in an expected line stands
for anything.

usage: tutorial_test.py [docs/tutorial.md]
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(os.environ["ASSENT_SOURCE_DIR"])
BUILD = Path(os.environ["ASSENT_BUILD_DIR"])
MARK = "--- tutorial command "
PATIENCE_S = 120


def blocks(text):
    """(name of the file or None, language, lines) of each code block."""
    pattern = r"(?:<!-- file: (\S+) -->\n)?^```(\w+)\n(.*?)^```$"
    for match in re.finditer(pattern, text, re.M | re.S):
        yield match.group(1), match.group(2), match.group(3).splitlines()


def commands(lines):
    """(command, lines that it prints) of a console block."""
    found = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def matches(expected, line):
    return re.fullmatch(".*".join(map(re.escape, expected.split("..."))), line) is not None


def package_files(directory):
    """What pkg-config would find had this build been installed."""
    for name, requires in (("assent", ""), ("assent-sqlite", "assent")):
        (directory / f"{name}.pc").write_text(
            f"Name: {name}\nDescription: the build under test\nVersion: 0\n"
            f"Requires: {requires}\nCflags: -I{SOURCE}/common/include\n"
            f"Libs: -L{BUILD}/lib -l{name} -Wl,-rpath,{BUILD}/lib\n")


def script(steps):
    lines = ["cc() { command cc -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Wall -Wextra -Wno-unused-parameter -Werror \"$@\"; }"]
    for number, (command, _) in enumerate(steps):
        lines += [f"echo '{MARK}{number}'", command]
    lines += [f"echo '{MARK}end'", "kill $(jobs -p)", "wait"]
    return "\n".join(lines) + "\n"


def run(steps, directory):
    environment = dict(os.environ, PKG_CONFIG_PATH=str(directory),
                       PATH=f"{BUILD}/bin:{os.environ['PATH']}")
    for name in list(environment):
        if name.startswith("ASSENT_"):
            del environment[name]
    with open(directory / "stderr.txt", "w") as stderr:
        # A process group of its own, so that nothing that the page starts is left behind.
        shell = subprocess.Popen(["bash", "-c", script(steps)], cwd=directory, env=environment,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                                 text=True, start_new_session=True)
        try:
            output, _ = shell.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            output = shell.communicate()[0] + "\n(too slow)"
        return output


def compare(steps, output):
    printed = re.split(re.escape(MARK) + r"(?:\d+|end)\n", output)[1:]
    failures = []
    for (command, expected), lines in zip(steps, printed):
        lines = lines.splitlines()
        good = len(lines) == len(expected) and all(map(matches, expected, lines))
        print(("ok    " if good else "WRONG ") + "$ " + command)
        if not good:
            failures.append(command)
            print("  expected:", *expected, "  printed:", *lines, sep="\n    ")
    if len(printed) != len(steps) + 1:
        failures.append("the page was not finished")
        print(output)
    return failures


def main():
    page = sys.argv[1] if len(sys.argv) > 1 else "docs/tutorial.md"
    steps = []
    programs = 0
    with tempfile.TemporaryDirectory(prefix="assent-tutorial-") as name:
        directory = Path(name)
        for file, language, lines in blocks((SOURCE / page).read_text()):
            if file:
                (directory / file).write_text("\n".join(lines) + "\n")
                programs += 1
                if len(lines) > 110:
                    print(f"{file}: {len(lines)} lines is more than one wants to read")
                    return 1
            elif language == "console":
                steps += commands(lines)
        package_files(directory)
        failures = compare(steps, run(steps, directory))
        if failures:
            print((directory / "stderr.txt").read_text())
            log = directory / "assentd.log"
            print(log.read_text() if log.exists() else "")
    print(f"{programs} programs, {len(steps)} commands, {len(failures)} failed")
    return 1 if failures or programs < 1 or len(steps) < 5 else 0


if __name__ == "__main__":
    sys.exit(main())
