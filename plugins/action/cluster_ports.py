# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells the module which playbook its ports belong to, so that they close with it."""

from __future__ import annotations

import os

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """A task runs in a process below that of its playbook."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        arguments = {"owner": os.getppid(), **self._task.args}
        return self._execute_module(
            module_name="monitml.stack.cluster_ports", module_args=arguments, task_vars=task_vars
        )
