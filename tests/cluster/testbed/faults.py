# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes wrong in a cluster, on demand."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .cluster import Cluster
from .fault_proxy import FaultProxy
from .node import API_PORT, NODE
from .patience import wait_until


def kill_pod(cluster: Cluster, name: str, namespace: str = "default") -> None:
    """Kills all processes of a pod's containers, as a lack of memory or a bug would."""
    pod = cluster.get("pod", name, namespace=namespace)
    containers = [one["containerID"].split("//")[1] for one in pod["status"]["containerStatuses"]]
    killed = 0
    for container in containers:
        for pid in cluster.sandbox.processes(below=container):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    assert killed, f"pod {name} has no process"


@contextlib.contextmanager
def stopped_kubelet(cluster: Cluster) -> Iterator[None]:
    """A node that nobody hears of, from when the cluster has noticed. It comes back with the end."""
    cluster.sandbox.end("kubelet")
    try:
        wait_until(lambda: _node_is_ready(cluster) == "Unknown", 90, 0.5)
        yield
    finally:
        cluster.node.start_kubelet()
        wait_until(
            lambda: _node_is_ready(cluster) == "True", 90, 0.5, cluster.node.complaint("kubelet")
        )


@contextlib.contextmanager
def faulty_api(cluster: Cluster) -> Iterator[FaultProxy]:
    """An API server that fails when it is told to, for clients with its kubeconfig and no others."""
    pki = cluster.node.authority.folder
    proxy = FaultProxy(
        (cluster.node_address, API_PORT), pki / "api.crt", pki / "api.key", pki / "ca.crt"
    )
    path = cluster.directory / f"etc/proxy-{proxy.port}.conf"
    # What a client's certificate says would end here, a token does not.
    user = {"token": cluster.node.token}
    server = f"https://127.0.0.1:{proxy.port}"
    proxy.kubeconfig = cluster.node.write_kubeconfig(path, user, server)
    try:
        yield proxy
    finally:
        proxy.close()
        path.unlink(missing_ok=True)


def image_that_cannot_be_pulled(cluster: Cluster) -> str:
    """Name of an image that the registry does not have."""
    return cluster.registry.name("nobody/pushed-this")


@contextlib.contextmanager
def full_quota(cluster: Cluster, namespace: str, **limits: str) -> Iterator[None]:
    """A namespace that takes no more pods than are there; or with other limits of a quota."""
    pods = cluster.get("pods", namespace=namespace)["items"]
    hard = limits or {"pods": str(len(pods))}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "full", "namespace": namespace},
        "spec": {"hard": hard},
    }
    cluster.apply(quota, namespace=namespace)
    # It limits nothing before it has counted.
    wait_until(
        lambda: cluster.get("resourcequota", "full", namespace=namespace)["status"].get("hard"), 30
    )
    try:
        yield
    finally:
        cluster.kubectl("delete", "resourcequota", "full", "--namespace", namespace)


def kubeconfig_of(
    cluster: Cluster, user: str, namespace: str, rules: Sequence[Mapping[str, Sequence[str]]] = ()
) -> Path:
    """Kubeconfig of a user who may do in one namespace what the rules of a Role say, or nothing."""
    about = {"name": user, "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{group}/v1",
        "kind": "Role",
        "metadata": about,
        "rules": [dict(rule) for rule in rules],
    }
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": about,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": user},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    cluster.apply(role, binding, namespace=namespace)
    certified = cluster.node.certified(f"user-{user}", user)
    path = cluster.directory / f"etc/user-{user}.conf"
    return cluster.node.write_kubeconfig(path, certified, namespace=namespace)


def _node_is_ready(cluster: Cluster) -> str:
    conditions = cluster.get("node", NODE)["status"]["conditions"]
    return next(one["status"] for one in conditions if one["type"] == "Ready")
