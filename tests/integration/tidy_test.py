#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Watches the tree: lengths of files and functions, one licence line, no reminders left behind,
sorted package lists, and #include lines that follow the layers."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(os.environ.get("ASSENT_SOURCE_DIR", Path(__file__).resolve().parents[2]))
TOP_DIRECTORIES = ("common", "coordinator", "participant", "tests", "deploy", ".ci")
C_SUFFIXES = {".c", ".h", ".cc", ".cpp", ".hpp"}
SCRIPT_SUFFIXES = {".py", ".sh", ".cmake"}
DATA_SUFFIXES = {".json", ".bin", ".hex", ".csv", ".txt", ".md", ".supp", ".zpl", ".dict", ".in",
                 ".service", ".1", ".5", ".7", ".8"}
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
LICENCE = "SPDX-License-Identifier: Apache-2.0"
REMINDER = re.compile(r"\b(" + "TO" + "DO|FIX" + "ME|X" + r"XX)\b")

# What the files of a layer may include from. Public headers (assent/...) are open to all.
LAYERS = {
    "common/base": {"base"},
    "common/core": {"base", "core"},
    "common/wire": {"base", "core", "wire"},
    "common/store": {"base", "core", "wire", "store"},
    "common/net": {"base", "core", "wire", "net"},
    "coordinator": {"base", "core", "wire", "store", "net"},
    "participant": {"base", "core", "wire", "store", "net"},
}
LAYER_NAMES = {"base", "core", "wire", "store", "net", "coordinator", "participant"}


def sources():
    for top in TOP_DIRECTORIES:
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                yield path
    yield ROOT / "CMakeLists.txt"


def is_code(path):
    if path.suffix in C_SUFFIXES | SCRIPT_SUFFIXES or path.name == "CMakeLists.txt":
        return True
    return path.suffix not in DATA_SUFFIXES and path.read_bytes()[:2] == b"#!"


def check_lines(path, lines):
    if len(lines) > FILE_LINES_MAX:
        yield f"{len(lines)} lines; at most {FILE_LINES_MAX}"
    licences = sum(LICENCE in line for line in lines[:3])
    if licences != 1:
        yield f"{licences} lines '{LICENCE}' at the top; one is wanted"
    for number, line in enumerate(lines, 1):
        if REMINDER.search(line):
            yield f"line {number}: a reminder; do it or open an issue"
        if line != line.rstrip():
            yield f"line {number}: trailing blanks"


def check_functions(lines):
    """Functions in our format begin where a line is '{' and end where one is '}'."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start:
            length = number - start - 1
            if length > FUNCTION_LINES_MAX:
                yield f"line {start}: a function of {length} lines; at most {FUNCTION_LINES_MAX}"
            start = None


def check_includes(path, lines):
    relative = path.relative_to(ROOT).as_posix()
    if relative.startswith("participant/examples/"):
        return
    for layer, allowed in LAYERS.items():
        if not relative.startswith(layer + "/"):
            continue
        for number, line in enumerate(lines, 1):
            match = re.match(r'\s*#\s*include\s+["<](\w+)/', line)
            if match and match.group(1) in LAYER_NAMES - allowed - {layer}:
                yield f"line {number}: {layer} must not include {match.group(1)}/"


def check_packages():
    group, names = None, []
    for line in (ROOT / "deploy/apt-packages.txt").read_text().splitlines() + ["[end]"]:
        if line.startswith("["):
            if names != sorted(set(names)):
                yield f"{group} is not sorted, or has a name twice"
            group, names = line, []
        elif line and not line.startswith("#"):
            names.append(line)


def problems():
    seen = 0
    for path in sources():
        if not is_code(path):
            continue
        seen += 1
        name = path.relative_to(ROOT)
        lines = path.read_text(encoding="utf-8").split("\n")
        if lines[-1] == "":
            lines.pop()
        else:
            yield f"{name}: the last line does not end"
        for problem in check_lines(path, lines):
            yield f"{name}: {problem}"
        if path.suffix in C_SUFFIXES:
            for problem in check_functions(lines):
                yield f"{name}: {problem}"
            for problem in check_includes(path, lines):
                yield f"{name}: {problem}"
    if seen < 50:
        yield f"only {seen} source files were found under {ROOT}"
    for problem in check_packages():
        yield f"deploy/apt-packages.txt: {problem}"


def main():
    found = list(problems())
    for problem in found:
        print(problem)
    print(f"{len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
