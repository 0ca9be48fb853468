# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The systemd backend against a systemctl that remembers what it was asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import files as local_files
from ansible_collections.monitml.stack.plugins.module_utils.local import service_units as units
from ansible_collections.monitml.stack.plugins.module_utils.local.services import (
    LocalServices,
    ServiceFailed,
)
from ansible_collections.monitml.stack.plugins.module_utils.local.systemd import Systemd

# Keeps its state, {unit: {"active": bool, "enabled": bool, "pid": int}}, and its calls in files beside it.
SYSTEMCTL = """#!%s -IS
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
words = [word for word in sys.argv[1:] if not word.startswith("-")]
verb, names = words[0], words[1:]
with open(here + "/calls", "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
path = here + "/state"
state = json.load(open(path)) if os.path.exists(path) else {}
if os.path.exists(here + "/fails-" + verb):
    sys.exit("Failed to %s: the bus is gone" % verb)
for name in names:
    unit = state.setdefault(name, {"active": False, "enabled": False, "pid": 0})
    if verb in ("start", "restart"):
        unit.update(active=True, pid=os.getppid())
    if verb in ("enable", "disable"):
        unit.update(enabled=verb == "enable")
    if verb == "disable" and "--now" in sys.argv:
        unit.update(active=False, pid=0)
    if verb == "show":
        flapping = os.path.exists(here + "/flapping-" + name)
        print("\\nId=%s\\nActiveState=%s\\nSubState=%s\\nMainPID=%d\\nUnitFileState=%s\\nNeedDaemonReload=no" % (
            name,
            "activating" if flapping else "active" if unit["active"] else "inactive",
            "auto-restart" if flapping else "running" if unit["active"] else "dead",
            0 if flapping or name.endswith(".target") else unit["pid"],
            "enabled" if unit["enabled"] else "disabled",
        ))
json.dump(state, open(path, "w"))
"""
JOURNALCTL = '#!/bin/sh\necho "$@" > "$(dirname "$0")/journal"\nfor i in 1 2 3; do echo last words $i; done\n'


class Machine:
    def __init__(self, path):
        self.bin = path / "bin"
        self.bin.mkdir()
        for name, text in (
            ("systemctl", SYSTEMCTL.replace("%s", sys.executable, 1)),
            ("journalctl", JOURNALCTL),
        ):
            (self.bin / name).write_text(text, encoding="utf-8")
            (self.bin / name).chmod(0o755)
        self.units = path / "units"
        self.units.mkdir()
        home = str(path / "home")
        self.instance = units.Instance(
            "m", home, "root", home + "/log", 1000, 2, systemd_directory=str(self.units)
        )
        self.account = SimpleNamespace(pw_uid=os.geteuid(), pw_gid=os.getegid())

    def find(self, name):
        return shutil.which(name, path=str(self.bin))

    def run(self, command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def services(self, instance=None):
        instance = instance or self.instance
        return LocalServices(instance, Systemd(instance, self.run, self.find), local_files)

    def present(self, *names, check=False, purge=False, group="g", instance=None, **options):
        given = {"command": ["/bin/sleep", "1"], "stop_signal": "TERM", "stop_seconds": 10}
        wanted = [dict(given, name=name, **options) for name in names]
        result = self.services(instance).present(wanted, group, [] if purge else None, 0, self.account, check, time)
        return result["changed"], {one["name"]: one["action"] for one in result["services"]}

    def calls(self):
        path = self.bin / "calls"
        made = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        path.write_text("", encoding="utf-8")
        return [call for call in made if not call.startswith("show")]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_services_become_units_that_start_at_boot(machine):
    assert machine.present("a", "b") == (True, {"a": "started", "b": "started"})
    assert machine.calls() == [
        "daemon-reload",
        "enable m-a.service m-b.service m.target",
        "restart m-a.service m-b.service",
        "start m.target",
    ]
    assert sorted(os.listdir(machine.units)) == ["m-a.service", "m-b.service", "m.target"]
    assert machine.present("a", "b") == (False, {"a": "unchanged", "b": "unchanged"})
    assert machine.calls() == []


def test_check_mode_changes_nothing(machine):
    assert machine.present("a", check=True) == (True, {"a": "started"})
    assert machine.calls() == [] and not os.listdir(machine.units)
    assert not os.path.exists(machine.instance.home)
    machine.present("a")
    machine.calls()
    assert machine.present("a", check=True, restart_digest="2") == (True, {"a": "restarted"})
    assert machine.present("a", check=True) == (False, {"a": "unchanged"})
    assert machine.calls() == []


def test_check_mode_does_without_systemd(machine):
    (machine.bin / "systemctl").unlink()
    assert machine.present("a", check=True) == (True, {"a": "started"})
    with pytest.raises(units.ServiceError, match="systemctl was not found"):
        machine.present("a")


def test_only_what_changed_restarts(machine):
    machine.present("a", "b")
    machine.calls()
    # Their text is the same but for the digest of a.
    assert machine.present("a", restart_digest="2") == (True, {"a": "restarted"})
    assert machine.calls() == ["daemon-reload", "restart m-a.service", "start m.target"]


def test_a_unit_that_was_edited_or_stopped_is_put_right(machine):
    machine.present("a", "b")
    with open(machine.units / "m-a.service", "a", encoding="utf-8") as unit:
        unit.write("# edited\n")
    state = json.loads((machine.bin / "state").read_text())
    state["m-b.service"].update(active=False, pid=0)
    (machine.bin / "state").write_text(json.dumps(state))
    assert machine.present("a", "b") == (True, {"a": "restarted", "b": "started"})


def test_a_service_that_was_disabled_is_enabled_without_a_restart(machine):
    machine.present("a")
    machine.run([machine.find("systemctl"), "disable", "m-a.service"])
    machine.calls()
    assert machine.present("a") == (True, {"a": "unchanged"})
    assert machine.calls() == ["daemon-reload", "enable m-a.service", "start m.target"]


def test_an_interrupted_run_is_finished(machine):
    machine.present("a")
    (machine.bin / "fails-restart").touch()
    with pytest.raises(
        units.ServiceError, match="systemctl restart m-a.service failed: .*the bus is gone"
    ):
        machine.present("a", restart_digest="2")
    (machine.bin / "fails-restart").unlink()
    assert machine.present("a", restart_digest="2") == (True, {"a": "restarted"})
    assert machine.present("a", restart_digest="2")[0] is False


def test_going_back_after_two_interrupted_runs_restarts_all_the_same(machine):
    machine.present("a")
    (machine.bin / "fails-restart").touch()
    for digest in ("2", ""):
        with pytest.raises(units.ServiceError):
            machine.present("a", restart_digest=digest)
    (machine.bin / "fails-restart").unlink()
    # The unit is as it was at first, but nobody knows what runs.
    assert machine.present("a") == (True, {"a": "restarted"})


def test_purge_keeps_to_its_group_and_its_instance(machine):
    machine.present("a", "b")
    machine.present("c", group="other")
    longer = replace(machine.instance, name="m-x", home=machine.instance.home + "-x")
    machine.present("a", instance=longer)
    (machine.units / "m-foreign.service").write_text("[Unit]\n", encoding="utf-8")
    machine.calls()
    assert machine.present("a", purge=True) == (True, {"a": "unchanged", "b": "removed"})
    assert machine.calls()[0] == "disable --now m-b.service"
    assert sorted(os.listdir(machine.units)) == [
        "m-a.service",
        "m-c.service",
        "m-foreign.service",
        "m-x-a.service",
        "m-x.target",
        "m.target",
    ]


def test_absent_stops_all_and_is_done_once(machine):
    machine.present("a", "b")
    machine.calls()
    assert machine.services().absent(True)["changed"] and machine.calls() == []
    result = machine.services().absent(False)
    assert result["changed"] and [one["name"] for one in result["services"]] == ["a", "b"]
    assert machine.calls() == [
        "disable --now m-a.service m-b.service",
        "disable --now m.target",
        "daemon-reload",
    ]
    assert os.listdir(machine.units) == [] and os.listdir(machine.instance.home) == ["log"]
    assert not machine.services().absent(False)["changed"] and machine.calls() == []


def test_a_service_that_ends_at_once_fails_with_its_journal(machine):
    (machine.bin / "flapping-m-a.service").touch()
    with pytest.raises(ServiceFailed) as caught:
        machine.present("a")
    assert "does not stay up" in str(caught.value) and "last words 3" in str(caught.value)
    assert "journalctl --unit=m-a.service" in str(caught.value)
    assert "--lines=15" in (machine.bin / "journal").read_text()
    assert caught.value.services[0]["action"] == "started"
    (machine.bin / "flapping-m-a.service").unlink()
    assert machine.present("a") == (True, {"a": "restarted"})


def test_nothing_wanted_and_nothing_there_is_no_change(machine):
    assert machine.present() == (False, {}) and machine.calls() == []
