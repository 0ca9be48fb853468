# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster does what clusters do: it serves, finds by name, routes, logs, and lets in."""

from __future__ import annotations

import subprocess
import urllib.error
from collections.abc import Iterator

import pytest
from answering import ask, ask_inside, deploy
from testbed.cluster import Cluster
from testbed.patience import wait_until


def _virtual_service(name: str, host: str) -> list[dict]:
    """Routes a host from the ingress gateway, as Seldon's operator would."""
    gateway = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {
            "selector": {"istio": "ingressgateway"},
            "servers": [
                {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [host]}
            ],
        },
    }
    route = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": {
            "hosts": [host],
            "gateways": [name],
            "http": [{"route": [{"destination": {"host": "answer", "port": {"number": 80}}}]}],
        },
    }
    return [gateway, route]


@pytest.fixture
def gateway(cluster: Cluster) -> Iterator[str]:
    """Name of a Gateway in the words of the Gateway API, on the ingress gateway that is there."""
    there = {"type": "Hostname", "value": "istio-ingressgateway.istio-system.svc.cluster.local"}
    listener = {
        "name": "http",
        "port": 80,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    made = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "test"},
        "spec": {"gatewayClassName": "istio", "addresses": [there], "listeners": [listener]},
    }
    # It can only stand for a service of its own namespace.
    cluster.apply(made, namespace="istio-system")
    yield "test"
    kind = "gateways.gateway.networking.k8s.io"
    cluster.kubectl("delete", kind, "test", "--namespace", "istio-system")


def _route(gateway: str, host: str) -> dict:
    """Routes a host from that Gateway."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "route"},
        "spec": {
            "parentRefs": [{"name": gateway, "namespace": "istio-system"}],
            "hostnames": [host],
            "rules": [{"backendRefs": [{"name": "answer", "port": 80}]}],
        },
    }


def _ask_gateway(cluster: Cluster, host: str) -> str:
    try:
        return ask(f"http://{cluster.gateway_address}/", host)
    except urllib.error.HTTPError as error:
        # Not routed yet.
        assert error.code == 404, error
        return ""
    except OSError:
        # Nor listening, before the first route of all.
        return ""


def test_a_deployment_answers_by_cluster_ip_by_name_and_through_the_gateway(
    cluster: Cluster, namespace: str, gateway: str
) -> None:
    names = deploy(cluster, namespace)
    assert len(names) == 2
    address = cluster.get("service", "answer", namespace=namespace)["spec"]["clusterIP"]
    assert ask_inside(cluster, f"http://{address}/", times=40) == set(names)

    full_name = f"http://answer.{namespace}.svc.cluster.local/"
    inside = ["exec", names[0], "--namespace", namespace, "--"]
    for url in ("http://answer/", full_name):
        assert cluster.kubectl(*inside, "wget", "-q", "-O", "-", url).strip() in names
    cluster.refusal(*inside, "nslookup", "nobody.default.svc.cluster.local")

    for host, objects in (
        ("istio.test", _virtual_service("answer", "istio.test")),
        ("route.test", [_route(gateway, "route.test")]),
    ):
        assert not _ask_gateway(cluster, host)
        cluster.apply(*objects, namespace=namespace)
        wait_until(lambda host=host: _ask_gateway(cluster, host), 30)
        assert {_ask_gateway(cluster, host) for _one in range(40)} == set(names)


def test_logs_exec_and_port_forward_reach_a_pod(cluster: Cluster, namespace: str) -> None:
    (name,) = deploy(cluster, namespace, replicas=1)
    there = ["--namespace", namespace]
    assert cluster.kubectl("logs", name, *there) == "serving\n"
    assert cluster.kubectl("exec", name, *there, "--", "hostname") == f"{name}\n"
    assert cluster.kubectl("exec", "-i", name, *there, "--", "cat", stdin="typed") == "typed"
    words = [cluster.programs["kubectl"], "port-forward", *there, name, "0:8080"]
    with subprocess.Popen(
        words, env=cluster.environment, stdout=subprocess.PIPE, text=True
    ) as forward:
        try:
            assert forward.stdout
            port = int(forward.stdout.readline().split(":")[1].split()[0])
            assert ask(f"http://127.0.0.1:{port}/") == name
        finally:
            forward.terminate()


@pytest.mark.parametrize(
    "kind", ["virtualservices.networking.istio.io", "httproutes.gateway.networking.k8s.io"]
)
def test_the_definitions_of_routes_are_there(cluster: Cluster, kind: str) -> None:
    established = "jsonpath={.status.conditions[?(@.type=='Established')].status}"
    assert cluster.kubectl("get", "crd", kind, "-o", established) == "True"


def test_it_is_the_kubernetes_that_is_asked_for(cluster: Cluster) -> None:
    (node,) = cluster.get("nodes")["items"]
    locked = (cluster.programs.kubernetes / "version").read_text()
    assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{locked}"
    releases = cluster.helm("list", "--namespace", "istio-system", "--short", "--deployed").split()
    assert sorted(releases) == ["istio-base", "istio-ingressgateway", "istiod"]
