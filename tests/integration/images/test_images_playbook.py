# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""images.yml against a real registry, and a stack that runs what it pushed."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import yaml
from base_image import ROOT, changes, play, read_record
from conftest import PASSWORD, USER
from daemons import free_ports

PORTS = free_ports(13)
# Its own names and ports, so that others may test at the same time.
STACK = {
    "monitml_instance": f"monitml-images-{secrets.token_hex(2)}",
    "monitml_gateway_port": PORTS[0],
    "monitml_gateway_admin_port": PORTS[1],
    "monitml_prometheus_port": PORTS[2],
    "monitml_alertmanager_port": PORTS[3],
    "monitml_inbox_port": PORTS[4],
    "monitml_node_exporter_port": PORTS[5],
    "monitml_labels_port": PORTS[6],
    # This one and those after it.
    "monitml_model_port": PORTS[7],
}
INSTANCE = STACK["monitml_instance"]
HOME = f"/opt/{INSTANCE}"
HOUSE = {"data": {"ndarray": [[7, 47.5, -122.2, 1800, 0, 1970]]}}


@pytest.fixture
def inventory(variables, dockerd, tmp_path):
    """An inventory that says what a person would write into it, once; images.yml adds its record."""
    path = tmp_path / "stack"
    shutil.copytree(ROOT / "inventories/local", path)
    given = {key: value for key, value in variables.items() if key != "images_record_path"}
    with (path / "group_vars/monitml/main.yml").open("a", encoding="utf-8") as stream:
        yaml.safe_dump({**STACK, **given, "canary_engine_host": dockerd.host}, stream)
    yield path
    if Path(HOME).exists():
        play("destroy", "-i", str(path))


def repository(registry, variables, name):
    return variables["images_repository"].removeprefix(registry.address + "/") + "/" + name


def containers(dockerd):
    """Names of those of the stack; other tests have theirs on the same engine."""
    names = [one["Names"][0] for one in dockerd.client.containers(all=True)]
    return sorted(name for name in names if name.startswith(f"/{INSTANCE}-"))


def under_test(dockerd, variables):
    """Containers of images under test that stay."""
    label = "io.monitml.tested"
    found = dockerd.client.containers(all=True, filters={"label": label})
    return [one for one in found if one["Labels"][label].startswith(variables["images_repository"])]


def processes():
    """Model servers of the stack that are processes of the machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if any(re.fullmatch(f"{HOME}/releases/.*/serve.py", word) for word in words):
                found.append(words)
    return found


def answers():
    """Who answers at the gateway, of the two; asked directly, whatever the traffic."""
    url = f"http://127.0.0.1:{STACK['monitml_gateway_port']}/seldon/seldon/housing/api/v1.0/predictions"
    found = set()
    for name in ("good", "bad"):
        request = urllib.request.Request(url, json.dumps(HOUSE).encode())
        request.add_header("Content-Type", "application/json")
        request.add_header("x-monitml-predictor", name)
        with urllib.request.urlopen(request, timeout=10) as answer:
            found.add((answer.headers["x-monitml-predictor"], answer.status))
    return found


class Asking:
    """Asks both again and again; all requests have to be answered."""

    def __init__(self):
        self.problems, self.ended = [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ended.wait(0.1):
            try:
                answers()
            except OSError as error:
                self.problems.append(repr(error))

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_error):
        self.ended.set()
        self.thread.join()
        assert not self.problems, (len(self.problems), self.problems[:3])


# The model servers alone, as site.yml brings them up.
SERVERS = """
- hosts: monitml
  become: "{{ monitml_become }}"
  gather_facts: false
  tasks:
    - name: Bring up the model servers
      ansible.builtin.include_role:
        name: monitml.stack.canary
        tasks_from: servers
"""
BOTH = {("good", 200), ("bad", 200)}


def named(dockerd, predictor):
    """Name of the one container of a predictor."""
    (name,) = [name for name in containers(dockerd) if f"-model-{predictor}-" in name]
    return name


def look_at_containers(dockerd, record):
    """Asks the engine and the machine how the containers run."""
    ports = set()
    for name, one in record.items():
        told = dockerd.client.inspect_container(named(dockerd, name))
        port = int(named(dockerd, name).rpartition("-")[2])
        ports |= {port, port + 1}
        place = one["image"].rpartition(":")[0]
        assert told["Config"]["Image"] == f"{place}@{one['digest']}"
        assert told["Image"] == one["id"] and told["State"]["Running"]
        host = told["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["RestartPolicy"]["Name"] == "always"
        assert int(host["LogConfig"]["Config"]["max-size"]) <= 10_000_000
        status = Path(f"/proc/{told['State']['Pid']}/status").read_text(encoding="utf-8")
        words = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert words["Uid"].split() == [str(pwd.getpwnam(INSTANCE).pw_uid)] * 4
        assert int(words["CapBnd"], 16) == 0 and words["NoNewPrivs"] == "1"
    # As processes do, they listen on loopback and not at another address of the machine.
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((dockerd.address, port), timeout=5).close()


def come_back(dockerd, name):
    """Kills a container's process, and waits until it answers again, another one."""
    pid = dockerd.client.inspect_container(name)["State"]["Pid"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        told = dockerd.client.inspect_container(name)
        with contextlib.suppress(OSError):
            if told["RestartCount"] and told["State"]["Pid"] != pid and answers() == BOTH:
                return
        assert time.monotonic() < deadline, told["State"]
        time.sleep(0.2)


def test_what_is_pushed_is_what_the_deployment_runs(dockerd, registry, variables, inventory):
    def run(playbook, check=True, **given):
        return play(playbook, "-i", str(inventory), variables=given, check=check)

    run("images")
    record = read_record(inventory / "group_vars/monitml/images.yml")
    assert set(record) == {"good", "bad"}
    for name, one in (("housing", record["good"]), ("housing-bad", record["bad"])):
        path = repository(registry, variables, name)
        assert one["digest"] == registry.digest(path, one["version"])
        assert one["image"] == f"{registry.address}/{path}:{one['version']}"
    assert PASSWORD not in json.dumps(record)
    assert changes(run("images")) == 0
    assert not under_test(dockerd, variables)

    # As on another machine: what runs comes from the registry, by its digest.
    for one in record.values():
        dockerd.client.remove_image(one["image"], force=True)
    for one in record.values():
        place = one["image"].rpartition(":")[0]
        login = {"username": USER, "password": PASSWORD}
        dockerd.client.pull(f"{place}@{one['digest']}", auth_config=login)
    run("site", canary_runtime="container")
    assert changes(run("site", canary_runtime="container")) == 0
    assert len(containers(dockerd)) == 2 and not processes()
    look_at_containers(dockerd, record)
    said = run("loadtest", n=60)
    assert "60 requests, 60 answers" in said and "0 errors" in said
    come_back(dockerd, named(dockerd, "good"))

    with Asking():
        run("site")
    assert not containers(dockerd) and len(processes()) >= 2 and answers() == BOTH
    assert changes(run("site")) == 0
    # What cannot be had stops nothing that serves.
    text = run("site", False, canary_runtime="container", canary_engine_host="unix:///nowhere/s")
    assert "has no container engine at unix:///nowhere/s" in " ".join(text.split())
    servers = inventory.parent / "servers.yml"
    servers.write_text(SERVERS, encoding="utf-8")
    beside = os.path.relpath(servers.with_suffix(""), ROOT / "playbooks")
    for gone, told in (("digest", "manifest"), ("id", "were never pushed: run images.yml")):
        none = {
            name: {**one, "digest": "", gone: "sha256:" + "0" * 64} for name, one in record.items()
        }
        text = run(beside, False, canary_runtime="container", monitml_images=none)
        assert told in " ".join(text.split()), text
        assert len(processes()) >= 2 and answers() == BOTH
    # One more than the description has in the end.
    more = yaml.safe_load((ROOT / "roles/monitml/defaults/main.yml").read_text(encoding="utf-8"))
    deployment = more["monitml_deployment"]
    deployment["predictors"][0]["replicas"] = 2
    with Asking():
        # Processes serve until containers have taken over, which the servers alone do not.
        run(beside, canary_runtime="container", monitml_deployment=deployment)
        assert len(containers(dockerd)) == 3 and len(processes()) >= 2
        run("site", canary_runtime="container", monitml_deployment=deployment)
        assert len(containers(dockerd)) == 3 and not processes()
        run("site", canary_runtime="container")
    assert len(containers(dockerd)) == 2 and not processes() and answers() == BOTH
    assert changes(run("site", canary_runtime="container")) == 0

    text = run("destroy")
    assert f"container {INSTANCE}-model-good-" in text
    assert not containers(dockerd)


def test_an_image_that_breaks_its_contract_keeps_all_from_being_pushed(
    dockerd, registry, variables, tmp_path
):
    folder = shutil.copytree(ROOT / "models/housing_bad", tmp_path / "negative")
    code = (folder / "HousingBadModel.py").read_text(encoding="utf-8")
    (folder / "HousingBadModel.py").write_text(code.replace("100", "-100"), encoding="utf-8")
    variables["images_repository"] += "-gate"
    deployment = {
        "name": "housing",
        "predictors": [
            {"name": "good", "version": "v1", "model": "housing_bad", "traffic": 75},
            {"name": "bad", "version": "v9", "model": str(folder), "traffic": 25},
        ],
    }
    text = play("images", variables={**variables, "monitml_deployment": deployment}, check=False)
    assert "negative:v9 did not pass its test, so nothing was pushed" in text
    assert not registry.digest(repository(registry, variables, "housing-bad"), "v1")
    assert not under_test(dockerd, variables)
    # Run as a container, it is refused before anything changes: nothing was written down.
    assert not Path(variables["images_record_path"]).exists()
    stack = {**STACK, "monitml_deployment": deployment, "canary_runtime": "container"}
    text = play("site", variables=stack, check=False)
    assert "predictor 'good' has no image to run as a container: run images.yml" in text


def test_check_mode_builds_and_pushes_nothing(dockerd, registry, variables):
    variables["images_repository"] += "-check"
    text = play("images", "--check", "--diff", variables=variables)
    assert changes(text) and "+HousingModel.py:" in text
    assert not registry.digest(repository(registry, variables, "housing"), "v1")
    assert not dockerd.id_of(variables["images_repository"] + "/housing:v1")
    assert not Path(variables["images_record_path"]).exists()


def test_what_cannot_be_built_is_refused_before_anything_is(dockerd, variables):
    variables["images_repository"] += "-refused"
    one = {"name": "a", "version": "v1", "model": "housing_bad", "traffic": 50}
    twice = {"name": "housing", "predictors": [one, {**one, "name": "b"}]}
    for given, told in (
        ({"monitml_deployment": twice}, "Two predictors would have the same image"),
        ({"images_pip_config": "/nowhere/pip.conf"}, "images_pip_config is /nowhere/pip.conf"),
    ):
        text = play("images", variables={**variables, **given}, check=False)
        assert told in " ".join(text.split()), text
        assert "changed=0" in text and "Nothing has been changed" in " ".join(text.split())
    assert not dockerd.id_of(variables["images_repository"] + "/housing-bad:v1")
