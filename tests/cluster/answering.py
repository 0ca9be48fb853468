# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Something to deploy: pods that answer with their own names, and asking them from several places."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

from testbed.cluster import Cluster
from testbed.program_images import busybox

_SCRIPT = "mkdir /tmp/www; hostname > /tmp/www/index.html; echo serving; exec httpd -f -p 8080 -h /tmp/www"
# A service is refused until the node has heard of its pods, a moment after they are ready.
_ASK = """
import json, sys, time, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
end = time.monotonic() + 60
while True:
    try:
        opener.open(sys.argv[1], timeout=10)
        break
    except OSError:
        if time.monotonic() > end:
            raise
        time.sleep(0.1)
asked = [opener.open(sys.argv[1], timeout=10).read() for _one in range(int(sys.argv[2]))]
print(json.dumps([answer.decode().strip() for answer in asked]))
"""


def deployment(image: str, name: str = "answer", replicas: int = 2) -> dict:
    """A Deployment of an image with a shell, whose pods answer on port 8080."""
    labels = {"app": name}
    container = {
        "name": "main",
        "image": image,
        "command": ["/bin/sh", "-c", _SCRIPT],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    pod = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def service(name: str = "answer", port: int = 8080) -> dict:
    """A Service at port 80 before it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": port}],
        },
    }


def deploy(cluster: Cluster, namespace: str, replicas: int = 2) -> list[str]:
    """Deploys it, and waits. Returns the names of its pods."""
    image = cluster.load_image(busybox())
    cluster.apply(deployment(image, replicas=replicas), service(), namespace=namespace)
    cluster.wait_for("deployment/answer", namespace)
    return pods(cluster, namespace)


def pods(cluster: Cluster, namespace: str) -> list[str]:
    """Names of the pods that are not about to go."""
    found = cluster.get("pods", namespace=namespace)["items"]
    return sorted(
        one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]
    )


def ask(url: str, host: str = "") -> str:
    """What a URL answers to this machine."""
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    # Whatever proxy the machine has cannot reach the node.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return answer.read().decode().strip()


def ask_inside(cluster: Cluster, url: str, times: int = 1) -> set[str]:
    """What a URL answers to the node, asked so many times."""
    words = cluster.command_inside(sys.executable, "-c", _ASK, url, str(times))
    return set(json.loads(subprocess.check_output(words, text=True)))
