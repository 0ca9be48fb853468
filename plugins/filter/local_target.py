# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that turn a completed description into what the target local runs."""

from __future__ import annotations

from ansible_collections.monitml.stack.plugins.module_utils import _local


class FilterModule:
    """Thin names for the pure functions of _local."""

    def filters(self):
        return {
            "envoy_clusters": _local.envoy_clusters,
            "envoy_routes": _local.envoy_routes,
            "model_containers": _local.model_containers,
            "model_ports": _local.model_ports,
            "model_services": _local.model_services,
            "prediction_path": _local.prediction_path,
        }
