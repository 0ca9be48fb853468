# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Istio's control plane and ingress gateway, as its own charts install them, and the Gateway API."""

from __future__ import annotations

import typing
from pathlib import Path

if typing.TYPE_CHECKING:
    from .cluster import Cluster

NAMESPACE = "istio-system"
GATEWAY_PORT = 30080
_VALUES = Path(__file__).resolve().parents[1] / "manifests"


def install(cluster: Cluster) -> None:
    """Installs them, up to a gateway that is ready."""
    folder = cluster.programs.istio
    # Some of these are larger than what a client-side apply can note in an annotation.
    cluster.kubectl("apply", "--server-side", "-f", folder / "gateway-api")
    _install(cluster, "istio-base", folder / "charts/base")
    _install(cluster, "istiod", folder / "charts/istiod", _VALUES / "istiod.yml")
    # A gateway's pod gets its image from istiod, and its configuration, so that one is first.
    _install(cluster, "istio-ingressgateway", folder / "charts/gateway", _VALUES / "gateway.yml")


def _install(cluster: Cluster, release: str, chart: Path, values: Path | None = None) -> None:
    options = ["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "120s"]
    cluster.helm(
        "install", release, chart, *options, *(["--values", str(values)] if values else [])
    )
