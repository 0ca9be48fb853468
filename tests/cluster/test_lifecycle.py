# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clusters come, are shared, and go without a trace, however their users end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from answering import deploy
from testbed import sharing
from testbed.cluster import Cluster
from testbed.patience import wait_until
from testbed.programs import ROOT
from traces import Traces

HERE = Path(__file__).resolve().parent
_USE = """
from testbed import sharing
with sharing.shared({name!r}, with_istio=False):
    print("up", flush=True)
    input()
"""


def _user(name: str) -> subprocess.Popen:
    """A process that uses the cluster of a name until it is told to stop."""
    return subprocess.Popen(
        [sys.executable, "-c", _USE.format(name=name)],
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _play(playbook: str, *options: str) -> str:
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        str(HERE / "inventory"),
    ]
    done = subprocess.run(
        [*command, str(HERE / playbook), *options],
        cwd=ROOT,
        env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.mark.usefixtures("able")
def test_a_killed_run_is_cleaned_up_when_the_next_one_starts() -> None:
    name = sharing.name_here("killed")
    with _user(name) as user:
        try:
            assert user.stdout and user.stdout.readline() == "up\n"
            cluster = sharing.find(name)
            assert cluster
            deploy(cluster, "default")
            traces = Traces(cluster)
        finally:
            user.kill()
    # Nobody was there to end it.
    left = traces.found()
    assert {"processes", "links", "groups", "files"} <= set(left)
    holder = cluster.sandbox.pid("holder")

    with sharing.shared(name, with_istio=False) as another:
        assert another.kubectl("get", "deployments") == ""
        assert another.sandbox.pid("holder") != holder
        assert not Path(f"/proc/{holder}").exists()
    assert traces.found() == {}


@pytest.mark.usefixtures("able")
def test_a_run_killed_while_it_starts_is_cleaned_up_too() -> None:
    name = sharing.name_here("early")
    with _user(name) as user:
        directory = sharing.BASE / name
        wait_until((directory / "pid/containerd").exists, pause=0.01)
        user.kill()
    assert not sharing.find(name)
    assert sharing.end(name)
    assert not directory.exists()
    assert not sharing.end(name)


def test_the_last_user_ends_a_cluster_and_only_the_last(cluster: Cluster) -> None:
    name = sharing.name_here("users")
    with _user(name) as first, _user(name) as second:
        assert first.stdout and second.stdout and first.stdin and second.stdin
        assert first.stdout.readline() == second.stdout.readline() == "up\n"
        shared = sharing.find(name)
        assert shared
        # It is neither that of the other tests nor in its way.
        assert shared.node_address != cluster.node_address
        traces = Traces(shared)
        first.communicate("\n")
        assert first.returncode == 0
        assert "Ready" in shared.kubectl("get", "nodes")
        assert "Ready" in cluster.kubectl("get", "nodes")
        assert "processes" in traces.found()
        second.communicate("\n")
        assert second.returncode == 0
    assert traces.found() == {}
    assert "Ready" in cluster.kubectl("get", "nodes")


def test_playbooks_make_a_cluster_that_stays_until_they_end_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    name = sharing.name_here("playbooks")
    facts = tmp_path / "facts.json"
    given = {"testbed_name": name, "testbed_istio": False, "testbed_facts_path": str(facts)}
    options = ["--extra-vars", json.dumps(given)]
    play = tmp_path / "look.yml"
    command = "{{ testbed.bin_directory }}/kubectl --kubeconfig {{ testbed.kubeconfig }} get nodes"
    task = {"ansible.builtin.command": command}
    play.write_text(json.dumps([{"hosts": "monitml", "gather_facts": False, "tasks": [task]}]))
    try:
        _play("up.yml", *options)
        kept = sharing.find(name)
        assert kept
        assert json.loads(facts.read_text())["node_address"] == kept.node_address
        traces = Traces(kept)
        _play(str(play), *options)
        # A run that starts takes away what others left, and not what somebody keeps.
        with sharing.shared(sharing.name_here("tests")):
            assert "Ready" in kept.kubectl("get", "nodes")
        assert "processes" in traces.found()
    finally:
        _play("down.yml", *options)
    assert traces.found() == {}
    assert "Ready" in cluster.kubectl("get", "nodes")


def test_the_cluster_of_the_tests_shows_on_this_machine(cluster: Cluster) -> None:
    """Else finding nothing of one that is gone would mean nothing."""
    found = Traces(cluster).found()
    assert {"processes", "links", "routes", "groups", "files"} <= set(found)
    # Its mounts and rules are in namespaces of its own, and go with them.
    assert not {"mounts", "namespaces", "rules", "files of containers"} & set(found)


def test_nothing_listens_but_inside(cluster: Cluster) -> None:
    """What the daemons open is not to be reached from anywhere but this machine."""
    sockets = subprocess.check_output(["ss", "-Hltnp"], text=True)
    inside = {f"pid={pid}," for pid in cluster.sandbox.processes()}
    assert not [line for line in sockets.splitlines() if any(one in line for one in inside)]
    listening = cluster.sandbox.run("ss", "-Hltn").stdout
    assert ":6443" in listening and ":10250" in listening


def test_signals_are_not_needed_to_end(cluster: Cluster) -> None:
    """A daemon that is ended is seen to be gone, and one that was never started too."""
    assert cluster.sandbox.runs("etcd")
    assert not cluster.sandbox.runs("nobody")
    cluster.sandbox.start("sleeper", ["sleep", "60"])
    pid = wait_until(lambda: cluster.sandbox.runs("sleeper") and cluster.sandbox.pid("sleeper"))
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not cluster.sandbox.runs("sleeper"), 10)
