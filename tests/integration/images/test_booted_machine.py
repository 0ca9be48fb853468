# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stack on a Debian that systemd has booted, in a container: as most machines are, and remote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import docker
import pytest
import yaml
from base_image import CA_FILE, ROOT, base_archive, changes

IMAGE = "monitml-test/machine:bookworm"
NAME = "monitml-test-machine"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,curl"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
SERVICES = {
    f"monitml-{name}.service"
    for name in (
        "alertmanager",
        "gateway",
        "inbox",
        "model-bad-9002",
        "model-good-9000",
        "node-exporter",
        "prometheus",
    )
}


class Machine:
    """A container whose first process is systemd."""

    def __init__(self, engine, inventory):
        self._client, self._inventory = engine.client, inventory

    def start(self, environment, binds):
        self.remove()
        host = self._client.create_host_config(
            # What systemd needs to make control groups and to mount; not all that there is.
            cap_add=["SYS_ADMIN"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            binds=["/sys/fs/cgroup:/sys/fs/cgroup:rw", *binds],
            tmpfs={"/run": "", "/run/lock": ""},
        )
        host["CgroupnsMode"] = "host"
        self._client.create_container(
            IMAGE, ["/sbin/init"], name=NAME, host_config=host, environment=environment
        )
        self._client.start(NAME)

    def remove(self):
        try:
            self._client.remove_container(NAME, force=True, v=True)
        except docker.errors.NotFound:
            pass

    def run(self, *command):
        """What a command in it writes."""
        made = self._client.exec_create(NAME, list(command))
        return self._client.exec_start(made["Id"]).decode()

    def wait_until(self, holds, seconds=60):
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.run("journalctl", "--no-pager", "-n", "50")
            time.sleep(0.2)

    def booted(self):
        return self.run("systemctl", "is-system-running").strip() == "running"

    def boot_again(self):
        self._client.restart(NAME, timeout=30)
        self.wait_until(self.booted)

    def running(self):
        """Services of the stack that run."""
        text = self.run(
            "systemctl", "list-units", "--plain", "--no-legend", "--state=running", "monitml*"
        )
        return {line.split()[0] for line in text.splitlines()}

    def answers(self):
        """Whether the gateway answers a prediction."""
        body = json.dumps({"data": {"ndarray": [[3, 47.5, -122.2, 1180, 0, 1955]]}})
        return '"ndarray"' in self.run(
            *("curl", "--silent", "--header", "Content-Type: application/json", "--data", body),
            "http://127.0.0.1:8004/seldon/seldon/housing/api/v1.0/predictions",
        )

    def play(self, name, **variables):
        """Runs a playbook of the collection on it. Returns what is shown."""
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", self._inventory]
        command += [f"playbooks/{name}.yml", "--extra-vars", json.dumps(variables)]
        environment = dict(
            os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1"
        )
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def machine(dockerd, tmp_path_factory):
    if not dockerd.id_of(IMAGE):
        repository, tag = IMAGE.rsplit(":", 1)
        dockerd.client.import_image(
            base_archive("machine", PACKAGES), repository=repository, tag=tag
        )
    inventory = tmp_path_factory.mktemp("inventory") / "hosts.yml"
    host = {
        "ansible_connection": "community.docker.docker_api",
        "ansible_host": NAME,
        "ansible_docker_docker_host": dockerd.host,
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    inventory.write_text(yaml.safe_dump({"monitml": {"hosts": {"machine": host}}}))
    made = Machine(dockerd, str(inventory))
    # Where a proxy ends TLS on the way to the packages, the machine trusts it too.
    made.start(
        {"SSL_CERT_FILE": BUNDLE, "PIP_CERT": BUNDLE} if CA_FILE else {},
        [f"{os.path.realpath(CA_FILE)}:{BUNDLE}:ro"] if CA_FILE else [],
    )
    try:
        deadline = time.monotonic() + 30
        while not made.booted():
            if time.monotonic() > deadline:
                pytest.skip("this machine's containers cannot boot systemd: not tested on a booted machine")
            time.sleep(0.2)
        yield made
    finally:
        made.remove()


def test_the_stack_lives_on_a_booted_machine(machine):
    machine.play("site")
    assert machine.running() == SERVICES
    assert changes(machine.play("site")) == 0

    # What is killed comes back.
    machine.run("systemctl", "kill", "--signal=KILL", "monitml-gateway.service")
    machine.wait_until(lambda: machine.running() == SERVICES and machine.answers())

    # So does all of it after a boot.
    machine.boot_again()
    machine.wait_until(lambda: machine.running() == SERVICES and machine.answers())

    machine.play("destroy")
    assert not machine.running() and "monitml" not in machine.run("ls", "/etc/systemd/system")
    assert "monitml" not in machine.run("ls", "/opt", "/etc", "/var/lib", "/var/log")
    assert not machine.run("systemctl", "--failed", "--plain", "--no-legend").strip()
