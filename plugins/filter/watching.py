# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that turn a completed description into what watches it."""

from __future__ import annotations

from importlib import import_module

MODULE_UTILS = "ansible_collections.monitml.stack.plugins.module_utils."


def _late(module, name):
    """The function of a module_utils file, which is loaded when it is called.

    For the first filter of the collection in a task, Ansible loads all of its filter files, in that
    task's own process and without a cache of compiled code.
    """

    def call(*args, **options):
        return getattr(import_module(MODULE_UTILS + module), name)(*args, **options)

    return call


class FilterModule:
    """Thin names for the pure functions behind them."""

    def filters(self):
        return {
            "alert_rules": _late("_rules", "alert_rules"),
            "alertmanager_config": _late("_message_config", "alertmanager_config"),
            "board": _late("_board", "board"),
            "dashboard": _late("_dashboard", "dashboard"),
            "prometheus_config": _late("_scrape_config", "prometheus_config"),
        }
