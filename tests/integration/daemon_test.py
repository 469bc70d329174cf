#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""assentd as a process: command line, configuration, start and end, signals, what it refuses."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
import unittest

from daemon_harness import (ASSENTD, CLIENT, CLOSED, COMMITTED, EXIT_CLEAN, EXIT_ENVIRONMENT,
                            EXIT_REFUSED, EXIT_USAGE, PARTICIPANT, PATIENCE_S, YES, DaemonTest,
                            done, record_abort, submit, vote, wait_until)

NOBODY = 65534


class CommandLine(DaemonTest):
    def test_help_version_crash_points(self):
        run = self.run_once("--help")
        self.assertEqual((run.returncode, run.stderr), (EXIT_CLEAN, ""))
        for option in ("--config", "--data-dir", "--listen", "--set", "--print-config", "--check",
                       "--ready-fd", "--list-crash-points", "--version", "--log-level"):
            self.assertIn(option, run.stdout)
        run = self.run_once("--version")
        self.assertEqual(run.returncode, EXIT_CLEAN)
        self.assertRegex(run.stdout, r"^assentd \d+\.\d+\.\d+\n$")
        run = self.run_once("--list-crash-points")
        self.assertEqual(run.returncode, EXIT_CLEAN)
        names = [line.split()[0] for line in run.stdout.splitlines()]
        self.assertIn("coord_after_log", names)
        self.assertIn("part_after_vote", names)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            for option in ("--help", "--print-config", "--version", "--check"):
                run = subprocess.run([ASSENTD, option], stdout=full, stderr=subprocess.PIPE,
                                     timeout=PATIENCE_S, check=False)
                self.assertEqual(run.returncode, EXIT_ENVIRONMENT, option)

    def test_print_config_is_a_configuration(self):
        first = self.run_once("--print-config", "--data-dir", "/srv/x", "--limits-branches=7",
                              "--listen", "ipc:///a b", "--listen", "tcp://127.0.0.1:1",
                              "--security-allow-loopback=yes")
        self.assertEqual((first.returncode, first.stderr), (EXIT_CLEAN, ""))
        self.assertIn('data-dir = "/srv/x"', first.stdout)
        file = self.directory / "assentd.conf"
        file.write_text(first.stdout)
        again = self.run_once("--config", str(file), "--print-config")
        self.assertEqual(again.stdout, first.stdout)
        check = self.run_once("--config", str(file), "--check")
        self.assertEqual((check.returncode, check.stdout),
                         (EXIT_CLEAN, "the configuration is valid\n"))

    def test_print_config_without_a_home(self):
        env = {key: value for key, value in os.environ.items()
               if key not in ("HOME", "XDG_STATE_HOME")}
        run = subprocess.run([ASSENTD, "--print-config"], env=env, capture_output=True, text=True,
                             timeout=PATIENCE_S, check=False)
        self.assertEqual((run.returncode, run.stderr), (EXIT_CLEAN, ""))

    def test_usage_errors(self):
        for args in (["--nonsense"], ["positional"], ["--set", "x"], ["--limits-branches=65"],
                     ["--config", "/nonexistent/file"], ["--listen", "udp://x"],
                     ["--listen", "tcp://127.0.0.1:*"], ["--listen", "ipc://" + "x" * 200],
                     ["--set", "timeouts/retry-min-ms=9999", "--set", "timeouts/retry-max-ms=10"]):
            daemon = self.refused(EXIT_USAGE, *args)
            self.assertRegex(daemon.stderr(), "^assentd: ", args)
            self.assertFalse(daemon.data.exists())
            self.assertEqual(self.run_once("--check", *args).returncode, EXIT_USAGE)

    def test_a_bad_file_is_refused_with_its_line(self):
        file = self.directory / "assentd.conf"
        file.write_text("# fine\n\nlimits\n    branches = 1000\n")
        run = self.run_once("--config", str(file), "--check")
        self.assertEqual(run.returncode, EXIT_USAGE)
        self.assertEqual(run.stdout, "")
        self.assertEqual(run.stderr, f"assentd: {file}:4: limits/branches: '1000' is not a number "
                                     "from 1 to 64\n")
        self.refused(EXIT_USAGE, "--config", str(file))
        self.assertFalse((self.directory / "data").exists())

    def test_a_mistyped_crash_point(self):
        daemon = self.refused(EXIT_USAGE, env={"ASSENT_CRASH_POINT": "coord_after_lunch"})
        self.assertIn("coord_after_lunch", daemon.stderr())


class Start(DaemonTest):
    def test_with_nothing_at_all(self):
        """No option, no file: below the home directory, for its owner alone."""
        home = self.directory / "home"
        home.mkdir()
        program = shutil.copy(ASSENTD, self.directory)
        user = None
        if os.getuid() == 0:  # root's place is /var/lib
            self.directory.chmod(0o755)
            os.chown(home, NOBODY, NOBODY)
            user = NOBODY
        for env, place in (({"HOME": str(home), "XDG_STATE_HOME": ""},
                            home / ".local" / "state" / "assent"),
                           ({"HOME": str(home), "XDG_STATE_HOME": str(home / "state")},
                            home / "state" / "assent")):
            daemon = self.start(env=env, program=program, data_dir=False, user=user)
            self.assertEqual(stat.S_IMODE(place.stat().st_mode), 0o700)
            self.assertEqual(daemon.log("listening")[0]["endpoint"], f"ipc://{place}/assentd.sock")
            self.assertTrue(stat.S_ISSOCK((place / "assentd.sock").stat().st_mode))
            self.assertEqual(daemon.stop(), EXIT_CLEAN)

    def test_listening_line(self):
        daemon = self.start()
        line = daemon.log("listening")[0]
        self.assertEqual(line["endpoint"], f"ipc://{daemon.socket}")
        self.assertEqual((line["incarnation"], line["recovered"]), ("1", "0"))
        self.assertRegex(line["coordinator"], "^[0-9a-hjkmnp-tv-z]{8}$")
        self.assertTrue(line["took_ms"].isdigit())
        identity = line["coordinator"]
        daemon.kill()
        line = self.start().log("listening")[0]
        self.assertEqual((line["coordinator"], line["incarnation"]), (identity, "2"))

    def test_files_are_private(self):
        self.addCleanup(os.umask, os.umask(0o022))
        daemon = self.start()
        for path in [daemon.data, *daemon.data.rglob("*")]:
            self.assertEqual(stat.S_IMODE(path.lstat().st_mode) & 0o077, 0, path)

    def test_json_lines_in_a_file(self):
        file = self.directory / "assentd.log"
        daemon = self.start("--logging-format=json", f"--logging-file={file}")
        daemon.stop()
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual([line["event"] for line in lines][:2], ["starting", "listening"])
        self.assertEqual(lines[-1]["event"], "stopped")
        self.assertEqual(daemon.stderr(), "")

    def test_notification(self):
        path = self.directory / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(PATIENCE_S)
            daemon = self.start(env={"NOTIFY_SOCKET": str(path)})
            self.assertEqual(notify.recv(100), b"READY=1")
            daemon.signal(signal.SIGHUP)
            self.assertRegex(notify.recv(100).decode(), r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
            self.assertEqual(notify.recv(100), b"READY=1")
            daemon.signal(signal.SIGTERM)
            self.assertEqual(notify.recv(100), b"STOPPING=1")
            self.assertEqual(daemon.wait(), EXIT_CLEAN)

    def test_notification_by_an_abstract_name(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            name = f"assentd-{os.getpid()}-{time.monotonic_ns()}"
            notify.bind("\0" + name)
            notify.settimeout(PATIENCE_S)
            self.start(env={"NOTIFY_SOCKET": "@" + name})
            self.assertEqual(notify.recv(100), b"READY=1")

    def test_loopback(self):
        daemon = self.start("--security-allow-loopback=yes", "--listen", "tcp://127.0.0.1:*",
                            "--listen", f"ipc://{self.directory}/other.sock")
        endpoints = [line["endpoint"] for line in daemon.log("listening")]
        self.assertRegex(endpoints[0], r"^tcp://127\.0\.0\.1:\d+$")
        self.assertEqual(endpoints[1], f"ipc://{self.directory}/other.sock")
        port = int(endpoints[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
            self.assertEqual(connection.recv(1), b"\xff")  # ZMTP's greeting

    def test_without_standard_descriptors(self):
        """Their numbers must not go to files of the log, into which messages would be written."""
        script = 'exec "$0" --data-dir "$1" <&- >&- 2>&-'
        data = self.directory / "data"
        process = subprocess.Popen(["sh", "-c", script, ASSENTD, str(data)])
        try:
            wait_until((data / "assentd.sock").exists, "the socket")
            for fd in (0, 1, 2):
                self.assertEqual(os.readlink(f"/proc/{process.pid}/fd/{fd}"), "/dev/null")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(PATIENCE_S), EXIT_CLEAN)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.assertEqual(self.start().log("listening")[0]["incarnation"], "2")


class Refusals(DaemonTest):
    def test_a_directory_in_use(self):
        first = self.start()
        second = self.refused(EXIT_ENVIRONMENT, "--listen", f"ipc://{self.directory}/b.sock")
        self.assertEqual(second.log("not_started")[0]["code"], "LOCKED")
        self.assertIn(str(first.data), second.log("not_started")[0]["reason"])
        self.peer(first)  # still answers
        self.assertEqual(first.stop(), EXIT_CLEAN)
        self.start()

    def test_an_endpoint_in_use(self):
        first = self.start()
        other = self.directory / "other"
        second = self.refused(EXIT_ENVIRONMENT, "--set", f"data-dir={other}", "--listen",
                              f"ipc://{first.socket}")
        self.assertEqual(len(second.log("not_started")), 1)
        self.peer(first)

    def test_a_place_that_is_no_directory(self):
        (self.directory / "file").write_text("")
        log = self.directory / "log"
        self.refused(EXIT_ENVIRONMENT, "--set", f"data-dir={self.directory}/file",
                     f"--logging-file={log}")
        self.assertIn("event=not_started", log.read_text())
        for place in ("file", "file/below"):
            daemon = self.refused(EXIT_ENVIRONMENT, "--set",
                                  f"data-dir={self.directory / place}")
            self.assertIn("Not a directory", daemon.stderr())

    def damaged(self, damage, code=EXIT_REFUSED):
        """The log is refused after `damage`, clearly and without being touched."""
        daemon = self.start()
        client = self.peer(daemon)
        self.peer(daemon, PARTICIPANT, "bank")
        for i in range(20):
            record_abort(client, f"own-{i}")
        daemon.kill()
        damage(daemon.data)
        before = {path: path.read_bytes() for path in (daemon.data / "db").iterdir()}
        again = self.refused(code)
        line = again.log("not_started")[0]
        self.assertIn(str(daemon.data), line["reason"])
        after = {path: path.read_bytes() for path in (daemon.data / "db").iterdir()}
        log = daemon.data / "db" / "LOG"  # LevelDB's own diary
        for files in (before, after):
            files.pop(log, None)
            files.pop(log.with_suffix(".old"), None)
        self.assertEqual(before, after)
        return line

    @staticmethod
    def largest_log(data):
        return max((data / "db").glob("*.log"), key=lambda path: path.stat().st_size)

    def test_a_flipped_bit(self):
        def flip(data):
            path = self.largest_log(data)
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        # What LevelDB drops with the bad block is a hole, or missing at the end.
        self.assertIn(self.damaged(flip)["code"], ("CORRUPT", "BEHIND"))

    def test_a_missing_file(self):
        self.damaged(lambda data: self.largest_log(data).unlink())

    def test_a_zeroed_tail(self):
        def zero(data):
            path = self.largest_log(data)
            content = path.read_bytes()
            path.write_bytes(content[:-200] + bytes(200))
        self.damaged(zero)


class Signals(DaemonTest):
    def test_both_signals_end_it(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.start()
            daemon.signal(number)
            self.assertEqual(daemon.wait(), EXIT_CLEAN)
            self.assertEqual(daemon.log("draining")[0]["signal"], str(int(number)))
            self.assertEqual(daemon.log("stopped")[0]["reason"], "drained")

    def voting(self, *args):
        """A daemon that waits for two votes of a transaction."""
        daemon = self.start(*args)
        client = self.peer(daemon)
        part = [self.peer(daemon, PARTICIPANT, name) for name in ("a", "b")]
        client.send(submit("own", "a", "b"))
        return daemon, client, part, [peer.expect("PREPARE") for peer in part]

    def test_draining_lets_transactions_finish(self):
        daemon, client, part, prepare = self.voting()
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("draining")
        client.send(submit("late", "a", "b"))
        client.expect("REFUSED", gtid="late", code=CLOSED)
        for i in (0, 1):
            part[i].send(vote(prepare[i], YES))
        for peer in part:
            peer.expect("COMMIT", gtid="own")
        client.expect("RESULT", gtid="own", outcome=COMMITTED)
        self.assertEqual(daemon.wait(), EXIT_CLEAN)
        # What was not acknowledged is driven on after the next start.
        again = self.start()
        self.assertEqual(again.log("listening")[0]["recovered"], "1")
        for name in ("a", "b"):
            peer = self.peer(again, PARTICIPANT, name)
            peer.send(done(peer.expect("COMMIT", gtid="own"), COMMITTED))

    def test_draining_has_an_end(self):
        daemon, _, _, _ = self.voting("--timeouts-drain-ms=50")
        self.assertEqual(daemon.stop(), EXIT_CLEAN)
        self.assertEqual(daemon.log("stopped")[0]["reason"], "drain timeout")
        self.assertEqual(daemon.log("stopped")[0]["undecided"], "1")

    def test_a_second_signal_ends_it_at_once(self):
        daemon, _, _, _ = self.voting()
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("draining")
        daemon.signal(signal.SIGINT)
        self.assertEqual(daemon.wait(), -signal.SIGINT)

    def test_sigpipe_and_others(self):
        daemon = self.start()
        daemon.signal(signal.SIGPIPE)
        daemon.signal(signal.SIGXFSZ)
        self.peer(daemon)
        self.assertEqual(daemon.stop(), EXIT_CLEAN)

    def test_reload(self):
        file = self.directory / "assentd.conf"
        file.write_text("logging\n    level = info\n")
        daemon = self.start("--config", str(file), "--timeouts-drain-ms=77")
        file.write_text("logging\n    level = debug\nlimits\n    branches = 2\n    peers = 5\n"
                        "timeouts\n    drain-ms = 5\n")
        daemon.signal(signal.SIGHUP)
        daemon.wait_log("reloaded")
        applied = {line["key"]: line["value"] for line in daemon.log("config_applied")}
        self.assertEqual(applied, {"logging/level": "debug", "limits/branches": "2"})
        restart = {line["key"]: line["value"] for line in daemon.log("config_needs_restart")}
        self.assertEqual(restart, {"limits/peers": "5"})
        client = self.peer(daemon)
        self.assertEqual(client.welcome["branches_max"], 2)
        self.assertTrue(daemon.wait_log("connected", role="client"))  # which is said at debug
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: len(daemon.log("reloaded")) == 2, "the second reload")
        self.assertEqual(len(daemon.log("config_applied")), 2)  # nothing new
        self.assertEqual(len(daemon.log("config_needs_restart")), 2)  # still true

    def test_a_refused_reload_changes_nothing(self):
        file = self.directory / "assentd.conf"
        file.write_text("limits\n    branches = 3\n")
        daemon = self.start("--config", str(file))
        cases = ["limits\n    branches = 4\n    nonsense = 1\n", "garbage\x01",
                 "limits\n    branches = 4\nlisten\n    endpoint = udp://x\n",
                 "limits\n    branches = 4\ntimeouts\n    retry-min-ms = 40000\n", None,
                 f"limits\n    branches = 4\nlogging\n    file = {self.directory}/none/log\n"]
        for number, text in enumerate(cases, 1):
            file.unlink() if text is None else file.write_text(text)
            daemon.signal(signal.SIGHUP)
            wait_until(lambda: len(daemon.log("reload_refused")) == number, "the refusal")
        self.assertEqual(self.peer(daemon).welcome["branches_max"], 3)
        self.assertEqual(daemon.stop(), EXIT_CLEAN)

    def test_the_log_file_is_opened_anew(self):
        file = self.directory / "assentd.log"
        daemon = self.start(f"--logging-file={file}")
        file.rename(self.directory / "rotated.log")
        daemon.signal(signal.SIGHUP)
        wait_until(file.exists, "the new log file")
        wait_until(lambda: "event=reloaded" in file.read_text(), "the reload")
        self.assertEqual(daemon.stop(), EXIT_CLEAN)
        self.assertIn("event=stopped", file.read_text())
        self.assertNotIn("event=stopped", (self.directory / "rotated.log").read_text())


class Quiet(DaemonTest):
    @staticmethod
    def cpu_ticks(pid):
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def test_idle_costs_nothing(self):
        """With connected peers and nothing to do. A busy machine can only lower what is measured."""
        daemon = self.start()
        for name in ("a", "b"):
            self.peer(daemon, PARTICIPANT, name)
        self.peer(daemon, CLIENT)
        before, began = self.cpu_ticks(daemon.pid), time.monotonic()
        time.sleep(2)
        used = (self.cpu_ticks(daemon.pid) - before) / os.sysconf("SC_CLK_TCK")
        self.assertLess(used, 0.05 * (time.monotonic() - began))


if __name__ == "__main__":
    unittest.main()
