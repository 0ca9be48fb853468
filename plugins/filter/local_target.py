# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that turn a completed description into what the target local runs."""

from __future__ import annotations

from ..plugin_utils._late import late


class FilterModule:
    """Thin names for the pure functions behind them."""

    def filters(self):
        return {
            "envoy_clusters": late("local.gateway", "envoy_clusters"),
            "envoy_routes": late("local.gateway", "envoy_routes"),
            "image_record": late("deployment.description", "image_record"),
            "model_containers": late("local.servers", "model_containers"),
            "model_services": late("local.servers", "model_services"),
            "placed": late("local.servers", "placed"),
            "wanted_servers": late("local.servers", "wanted_servers"),
        }
