# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kills the playbook right after the first task that changed anything."""

from __future__ import annotations

import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: interrupt
type: notification
short_description: Kill the playbook after its first change
description:
  - Ends the process without any clean-up, as a lost connection or a full disk would.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "interrupt"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result) -> None:
        if result.result.get("changed"):
            print(f"INTERRUPTED after {result.task.get_name()}", flush=True)
            os._exit(9)
