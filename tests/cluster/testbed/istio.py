# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Istio's control plane and ingress gateway, as its own charts install them, and the Gateway API."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path

if typing.TYPE_CHECKING:
    from .cluster import Cluster

NAMESPACE = "istio-system"
GATEWAY_PORT = 30080
_DEFINITIONS = "charts/base/files/crd-all.gen.yaml"
_VALUES = Path(__file__).resolve().parents[1] / "manifests"


def definitions(cluster: Cluster) -> list[list[str | Path]]:
    """Commands of kubectl that define Istio's resources and those of the Gateway API, in any order."""
    folder = cluster.programs.istio
    # Created, not applied: some are larger than what apply can note in an annotation.
    return [["create", "-f", folder / "gateway-api"], ["create", "-f", folder / _DEFINITIONS]]


def install(cluster: Cluster) -> None:
    """Installs them after their definitions, up to a gateway that is ready."""
    folder = cluster.programs.istio
    # The chart would define one after the other what was defined before, while the node started.
    text = (folder / _DEFINITIONS).read_text(encoding="utf-8")
    defined = json.dumps(re.findall(r"^  name: (\S+\.istio\.io)$", text, re.M))
    _install(cluster, "istio-base", "--set-json", f"base.excludedCRDs={defined}")
    _install(cluster, "istiod", "--values", _VALUES / "istiod.yml")
    # A gateway's pod gets its image from istiod, and its configuration, so that one is first.
    _install(cluster, "istio-ingressgateway", "--values", _VALUES / "gateway.yml", chart="gateway")


def _install(cluster: Cluster, release: str, *options: str | Path, chart: str = "") -> None:
    place = cluster.programs.istio / "charts" / (chart or release.removeprefix("istio-"))
    there = ["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "5m"]
    cluster.helm("install", release, place, *there, *options)
