# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import service_agent as agent

URL = "unix:///opt/m/run/supervisor.sock"
CONFIGURATION = "/opt/m/etc/services/supervisord.conf"


def make_process(proc, pid, environment=(), command=()):
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "environ").write_bytes(b"".join(one.encode() + b"\0" for one in environment))
    (proc / str(pid) / "cmdline").write_bytes(b"".join(one.encode() + b"\0" for one in command))


def test_what_supervisord_started_is_known_by_its_environment(tmp_path):
    ours = "SUPERVISOR_SERVER_URL=" + URL
    make_process(tmp_path, 10, [ours, "SUPERVISOR_PROCESS_NAME=a"])
    make_process(tmp_path, 9, [ours, "SUPERVISOR_PROCESS_NAME=ab"])
    make_process(tmp_path, 11, [ours + "2", "SUPERVISOR_PROCESS_NAME=a"])
    make_process(tmp_path, os.getpid(), [ours, "SUPERVISOR_PROCESS_NAME=a"])
    (tmp_path / "12").mkdir()
    (tmp_path / "self").mkdir()
    assert agent.started_by(URL, proc=str(tmp_path)) == [9, 10]
    assert agent.started_by(URL, "a", proc=str(tmp_path)) == [10]


def test_supervisord_is_known_by_its_configuration(tmp_path):
    make_process(tmp_path, 10, command=["/x/python", "/x/bin/supervisord", "-c", CONFIGURATION])
    make_process(tmp_path, 11, command=["/x/python", "/x/bin/supervisorctl", "-c", CONFIGURATION])
    make_process(tmp_path, 12, command=["/x/bin/supervisord", "-c", "/etc/supervisord.conf"])
    assert agent.daemons(CONFIGURATION, str(tmp_path)) == [10]


@pytest.mark.parametrize(
    "script, sent",
    [("sleep 60", signal.SIGTERM), ("trap '' TERM; sleep 60 & wait; wait", signal.SIGKILL)],
)
def test_processes_are_asked_to_end_and_then_made_to(script, sent):
    child = subprocess.Popen(["/bin/sh", "-c", script], start_new_session=True)
    time.sleep(0.2)
    start = time.monotonic()
    try:
        assert agent.stop_all(lambda: [child.pid], 0.5) == [child.pid]
        assert child.wait() == -sent
        assert (time.monotonic() - start < 0.4) == (sent == signal.SIGTERM)
    finally:
        os.killpg(child.pid, signal.SIGKILL) if sent == signal.SIGKILL else None


def test_nothing_to_stop_takes_no_time():
    assert agent.stop_all(lambda: [], 10) == []


def test_a_service_waits_for_its_turn_when_it_just_ended(tmp_path):
    stamp, slept = tmp_path / "a.started", []
    agent.wait_for_turn(str(stamp), time.time, slept.append)
    assert slept == [] and stamp.exists()
    agent.wait_for_turn(str(stamp), time.time, slept.append)
    assert slept == [agent.RESTART_SECONDS]
    agent.wait_for_turn(str(stamp), lambda: time.time() + 5, slept.append)
    # A clock that was set back must not make it wait for hours.
    agent.wait_for_turn(str(stamp), lambda: time.time() - 5000, slept.append)
    assert slept == [agent.RESTART_SECONDS]


def test_a_full_disk_keeps_nothing_from_serving(tmp_path):
    agent.wait_for_turn(str(tmp_path / "gone" / "a.started"), time.time, None)
    agent.note({"log": str(tmp_path / "gone" / "log")}, "words")


def run_agent(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-IS", agent.__file__, *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def make_spec(tmp_path, **options):
    spec = {
        "name": "a",
        "command": ["/usr/bin/env"],
        "environment": {"A": "x;y"},
        "directory": str(tmp_path),
        "home": "/opt/m",
        "user": "m",
        "run_directory": str(tmp_path),
        "stop_signal": "TERM",
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(dict(spec, **options)), encoding="utf-8")
    return str(path)


def test_a_service_gets_its_own_environment_and_nothing_of_the_callers(tmp_path):
    marks = {"SUPERVISOR_ENABLED": "1"}
    done = run_agent("run", make_spec(tmp_path), env=dict(marks, LEAKED="1"))
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert found == dict(agent.base_environment("m", "/opt/m"), A="x;y", **marks)


def test_a_service_may_have_its_number_of_files_open(tmp_path):
    path = make_spec(tmp_path, command=["/bin/sh", "-c", "ulimit -n"], open_files_max=77)
    assert run_agent("run", path).stdout == "77\n"
    path = make_spec(
        tmp_path, name="b", command=["/bin/sh", "-c", "ulimit -n"], open_files_max=10**9
    )
    assert int(run_agent("run", path).stdout) >= 77


def test_a_program_that_cannot_start_is_named(tmp_path):
    done = run_agent("run", make_spec(tmp_path, command=["/nowhere/x"]))
    assert done.returncode == 1 and done.stderr.startswith("Cannot start /nowhere/x in ")


def test_a_service_dies_with_its_parent(tmp_path):
    path = make_spec(tmp_path, command=["/bin/sleep", "60"], stop_signal="KILL")
    script = "import subprocess,sys,time; p=subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen(
        [sys.executable, "-c", script, sys.executable, "-IS", agent.__file__, "run", path],
        stdout=subprocess.PIPE,
    )
    pid = int(parent.stdout.readline())
    deadline = time.monotonic() + 5
    while agent.arguments(pid)[:1] != ["/bin/sleep"] and time.monotonic() < deadline:
        time.sleep(0.02)
    parent.kill()
    parent.communicate()
    while agent.alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not agent.alive(pid)


def test_death_is_noticed_with_and_without_pidfd(monkeypatch):
    child = subprocess.Popen(["/bin/sleep", "0.2"])
    start = time.monotonic()
    agent.wait_for_death(child.pid)
    assert time.monotonic() - start < 2 and child.wait() == 0
    agent.wait_for_death(2**22 - 1)
    monkeypatch.delattr(os, "pidfd_open")
    parents = iter([7, 7, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    agent.wait_for_death(7)
    assert next(parents, None) is None
