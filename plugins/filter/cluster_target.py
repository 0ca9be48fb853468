# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that turn a completed description into the objects of a cluster."""

from __future__ import annotations

from ..plugin_utils._late import late


class FilterModule:
    """Thin names for the pure functions behind them."""

    def filters(self):
        return {
            "cluster_analytics": late("kubernetes.analytics", "analytics_objects"),
            "cluster_configuration_marked": late("kubernetes.analytics", "marked"),
            "cluster_gateway": late("kubernetes.engines", "gateway_objects"),
            "cluster_kept": late("kubernetes.engines", "kept_objects"),
            "cluster_models": late("kubernetes.engines", "model_objects"),
            "cluster_monitoring": late("kubernetes.monitoring", "monitoring_objects"),
            "cluster_namespace": late("kubernetes.routes", "namespace_object"),
            "cluster_prometheus": late("watching.discovery", "cluster_prometheus_config"),
            "cluster_prometheus_settings": late("kubernetes.analytics", "prometheus_settings"),
            "cluster_reports": late("kubernetes.models", "deployed_reports"),
            "cluster_routes": late("kubernetes.engines", "route_objects"),
            "cluster_server_objects": late("kubernetes.engines", "server_objects"),
            "cluster_servers": late("kubernetes.engines", "with_servers"),
            "cluster_settled": late("kubernetes.engines", "settled_objects"),
        }
