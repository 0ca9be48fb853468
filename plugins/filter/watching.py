# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that turn a completed description into what watches it."""

from __future__ import annotations

from ..plugin_utils._late import late


class FilterModule:
    """Thin names for the pure functions behind them."""

    def filters(self):
        return {
            "alert_rules": late("watching.rules", "alert_rules"),
            "alertmanager_config": late("watching.messages", "alertmanager_config"),
            "board": late("watching.board", "board"),
            "dashboard": late("watching.dashboard", "dashboard"),
            "inbox_receivers": late("watching.messages", "inbox_receivers"),
            "model_reports": late("watching.scraping", "model_reports"),
            "prometheus_config": late("watching.scraping", "prometheus_config"),
            "receiver_problems": late("watching.messages", "receiver_problems"),
        }
