# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pods run what an engine has pushed, and what Debian's packages have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from answering import ask_inside, deployment, service
from testbed.cluster import Cluster
from testbed.program_images import ProgramImage, busybox, of_package
from testbed.programs import ROOT

# The engine of the tests of images, of which a machine has one.
sys.path.append(str(ROOT / "tests/integration/images"))
from daemons import Dockerd  # noqa: E402


@pytest.fixture(scope="module")
def dockerd(able: None) -> Iterator[Dockerd]:
    daemon = Dockerd().start()
    yield daemon
    daemon.stop()


def _push(dockerd: Dockerd, cluster: Cluster, image: str, repository: str) -> dict:
    """Pushes an image as the role images does, with its module and no account."""
    given = {
        "name": image,
        "repository": f"{cluster.registry.address}/{repository}",
        "engine_host": dockerd.host,
        "ca_file": str(cluster.registry.ca_file),
    }
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.monitml.stack.plugins.modules.image_push"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        env=dict(os.environ, PYTHONPATH=str(ROOT / ".collections")),
        capture_output=True,
        text=True,
        check=False,
    )
    result = json.loads(done.stdout)
    assert not result.get("failed"), result
    return result


def test_the_node_runs_what_an_engine_has_pushed(
    dockerd: Dockerd, cluster: Cluster, namespace: str
) -> None:
    name = "monitml-test/answer:1"
    with busybox(name).archive().open("rb") as stream:
        dockerd.client.load_image(stream)
    try:
        pushed = _push(dockerd, cluster, name, "tests/answer")
    finally:
        dockerd.client.remove_image(name, force=True)
    assert pushed["changed"]
    image = f"{cluster.registry.address}/tests/answer@{pushed['digest']}"
    cluster.apply(deployment(image), service(), namespace=namespace)
    cluster.wait_for("deployment/answer", namespace)
    (told,) = ask_inside(cluster, _address(cluster, namespace, "answer"))
    assert told.startswith("answer-")


@pytest.mark.parametrize(
    ("program", "port", "options"),
    [
        ("prometheus", 9090, ["--config.file=/etc/config/config.yml"]),
        # Without others to talk to, it wants no address for that.
        (
            "prometheus-alertmanager",
            9093,
            ["--config.file=/etc/config/config.yml", "--cluster.listen-address="],
        ),
    ],
)
def test_programs_of_debian_run_in_pods(
    cluster: Cluster, namespace: str, program: str, port: int, options: list[str]
) -> None:
    image = of_package(f"localhost/{program}:debian", program)
    text = "receivers: [{name: nobody}]\nroute: {receiver: nobody}\n" if "alert" in program else ""
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": program},
        "data": {"config.yml": text},
    }
    deployed = deployment(cluster.load_image(image), program, replicas=1)
    pod = deployed["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "config", "configMap": {"name": program}}]
    pod["containers"] = [
        {
            "name": "main",
            "image": image.name,
            "args": [*options, f"--storage.{'tsdb.' if 'alert' not in program else ''}path=/tmp"],
            "readinessProbe": {"httpGet": {"path": "/-/ready", "port": port}, "periodSeconds": 1},
            # As it is to be in production.
            "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
        }
    ]
    cluster.apply(config, deployed, service(program, port), namespace=namespace)
    cluster.wait_for(f"deployment/{program}", namespace)
    (told,) = ask_inside(cluster, _address(cluster, namespace, program) + "metrics")
    assert "_build_info" in told


def test_an_archive_is_made_once_for_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("#!/bin/sh\n")

    def image(name: str = "localhost/thing:1") -> ProgramImage:
        return ProgramImage(name, ["/program"], {"/program": tmp_path / "program"})

    first = image().archive()
    assert image().archive() == first
    assert image("localhost/thing:2").archive() != first
    (tmp_path / "program").write_text("#!/bin/sh -e\n")
    assert image().archive() != first


def _address(cluster: Cluster, namespace: str, name: str) -> str:
    address = cluster.get("service", name, namespace=namespace)["spec"]["clusterIP"]
    return f"http://{address}/"
