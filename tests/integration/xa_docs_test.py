#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles the participant of docs/resource-managers.md, and commits with it: on a switch that plays
a script.

usage: xa_docs_test.py <libassent> <libassent-xa> <the scripted switch>
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from daemon_harness import BIN, PATIENCE_S, SOURCE, Daemon, wait_until

LIBASSENT, LIBASSENT_XA, SWITCH = sys.argv[1:4]
PARTY = str(BIN / "integration-party")
SCRIPT = """\
open 1 -> XA_OK
recover 128 TMSTARTRSCAN -> 0
recover 0 TMENDRSCAN -> 0
recover 128 TMSTARTRSCAN -> 0
recover 0 TMENDRSCAN -> 0
2: open 1 -> XA_OK
2: start order-1|0/*/* TMNOFLAGS -> XA_OK
2: end order-1|0/*/* TMSUCCESS -> XA_OK
2: prepare order-1|0/*/* TMNOFLAGS -> XA_OK
2: commit order-1|0/*/* TMNOFLAGS -> XA_OK
"""


def program():
    page = (SOURCE / "docs" / "resource-managers.md").read_text()
    return re.search(r"<!-- file: participant.c -->\n```c\n(.*?)^```$", page, re.M | re.S).group(1)


class Participant(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="assent-xa-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        (self.directory / "participant.c").write_text(program())
        paths = {pathlib.Path(library).parent for library in (LIBASSENT, LIBASSENT_XA)}
        subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_POSIX_C_SOURCE=200809L",
                        "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-o",
                        str(self.directory / "participant"), str(self.directory / "participant.c"),
                        f"-I{SOURCE}/common/include", LIBASSENT_XA, LIBASSENT,
                        *(f"-Wl,-rpath,{path}" for path in paths)], check=True)

    def test_commits(self):
        daemon = Daemon(self.directory).ready()
        self.addCleanup(daemon.process.kill)
        (self.directory / "script").write_text(SCRIPT)
        environment = {**os.environ, "ASSENT_ENDPOINT": f"ipc://{daemon.socket}"}
        with open(self.directory / "out", "wb") as out:
            participant = subprocess.Popen(
                [str(self.directory / "participant"), "bank", str(self.directory / "journal"),
                 SWITCH, "scripted_xa", str(self.directory / "script")],
                env=environment, stdout=out, stderr=subprocess.PIPE)
        self.addCleanup(participant.kill)
        answer = subprocess.run([PARTY, "commit", "2pc", "order-1", "bank"], env=environment,
                                check=True, text=True, capture_output=True, timeout=PATIENCE_S)
        self.assertEqual(answer.stdout, "committed\n")
        wait_until(lambda: (self.directory / "out").read_text() == "order-1: pay\n", "the work")
        participant.kill()
        participant.communicate()

    def test_says_what_is_wrong(self):
        answer = subprocess.run([str(self.directory / "participant"), "bank",
                                 str(self.directory / "journal"), SWITCH, "scripted_dynamic", ""],
                                text=True, capture_output=True, timeout=PATIENCE_S)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("TMREGISTER", answer.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
