# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that turn a completed description into what the target local runs."""

from __future__ import annotations

from ansible_collections.monitml.stack.plugins.module_utils._late import late


class FilterModule:
    """Thin names for the pure functions behind them."""

    def filters(self):
        return {
            "envoy_clusters": late("_local", "envoy_clusters"),
            "envoy_routes": late("_local", "envoy_routes"),
            "image_record": late("_deployment", "image_record"),
            "model_containers": late("_local", "model_containers"),
            "model_ports": late("_local", "model_ports"),
            "model_services": late("_local", "model_services"),
        }
