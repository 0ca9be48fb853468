# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the engine seldon installs where it is missing: Istio by its own charts, an operator by a chart like Seldon's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from stack import Stack
from testbed import sharing
from testbed.cluster import Cluster
from testbed.program_images import busybox, of_istio

HERE = Path(__file__).resolve().parent
DEFINITION = "crd/seldondeployments.machinelearning.seldon.io"
THEIRS = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "theirs"},
    "spec": {"hosts": ["theirs.test"], "http": [{"route": [{"destination": {"host": "theirs"}}]}]},
}


@pytest.fixture(scope="module")
def bare(able: None) -> Iterator[Cluster]:
    """A cluster without Istio, which the images of its charts and the Gateway API's definitions have reached."""
    with sharing.shared(sharing.name_here("bare"), with_istio=False) as cluster:
        cluster.kubectl("create", "-f", cluster.programs.istio / "gateway-api")
        for image in of_istio(cluster.programs):
            cluster.load_image(image)
        yield cluster


@pytest.fixture(scope="module")
def stack(bare: Cluster, images: Path) -> Stack:
    charts = bare.programs.istio / "charts"
    registry, _slash, image = bare.load_image(busybox()).partition("/")
    return Stack(
        bare,
        images,
        seldon_engine="seldon",
        seldon_istio_base_chart_ref=str(charts / "base"),
        seldon_istiod_chart_ref=str(charts / "istiod"),
        seldon_istio_values=yaml.safe_load((HERE / "manifests/istiod.yml").read_text(encoding="utf-8")),
        seldon_chart_ref=str(HERE / "manifests/operator"),
        seldon_image_registry=registry,
        seldon_operator_image=image.partition(":")[0],
        seldon_image_tag=image.partition(":")[2],
    )


def _engine(stack: Stack, **variables):
    return stack.play("../tests/cluster/engine", **variables)


def _certificate(cluster: Cluster) -> str:
    return cluster.get("secret", "seldon-webhook-server-cert", namespace="seldon-system")["data"]["tls.crt"]


def _releases(cluster: Cluster) -> set[str]:
    return {one["name"] for one in json.loads(cluster.helm("list", "--all-namespaces", "--output", "json"))}


def test_what_is_missing_is_installed_once_and_a_certificate_is_no_difference(bare: Cluster, stack: Stack) -> None:
    assert _engine(stack).changed
    assert _releases(bare) == {"istio-base", "istiod", "seldon-core"}
    gateway = bare.get("gateways.gateway.networking.k8s.io", "monitml", namespace="monitml")
    assert {one["type"]: one["status"] for one in gateway["status"]["conditions"]}["Programmed"] == "True"
    before = _certificate(bare)
    assert _engine(stack).changed == 0
    assert _certificate(bare) == before
    # What the operator is told: of the gateway, and to report to nobody.
    pod = bare.get("deployment", "seldon-controller-manager", namespace="seldon-system")["spec"]["template"]["spec"]
    told = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
    assert told == {"ISTIO_ENABLED": "true", "ISTIO_GATEWAY": "monitml/seldon-gateway", "USAGE_METRICS": "false"}


def test_a_certificate_that_ends_soon_is_renewed(bare: Cluster, stack: Stack) -> None:
    short = {"seldon_chart_values": {"certificateDays": 30}}
    assert _engine(stack, **short).changed
    before = _certificate(bare)
    assert _engine(stack, **short).changed == 1
    assert _certificate(bare) != before


def test_what_others_use_is_left_to_them_and_the_rest_goes(bare: Cluster, stack: Stack) -> None:
    bare.apply(THEIRS)
    told = stack.play("destroy").words
    assert "istio-system/istiod stays, and is no longer ours: VirtualService default/theirs has need of it." in told
    assert "Release seldon-system/seldon-core" in told
    assert _releases(bare) == {"istio-base", "istiod"} and stack.left() == ""
    # Nor does the definition go, of which others may have objects.
    assert bare.kubectl("get", DEFINITION, "-o", "name")
    bare.kubectl("delete", "virtualservice", "theirs")
    # Istio is others' now, and used; the definition is taken up again.
    assert _engine(stack).changed
    assert _releases(bare) == {"istio-base", "istiod", "seldon-core"}
    stack.play("destroy")
    assert stack.left() == "" and _releases(bare) == {"istio-base", "istiod"}
