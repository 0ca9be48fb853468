# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits for model servers in slices of time, and tells in between how far they are. The module waits."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        while True:
            told = self._execute_module(module_args=arguments, task_vars=task_vars)
            if told.get("failed") or not told.get("pending"):
                break
            for one in told["pending"]:
                display.display(
                    "%(predictor)s %(version)s is starting, %(seconds)d s: %(problem)s"
                    % {**one, "seconds": told["seconds"]}
                )
            arguments["memory"] = told["memory"]
        result.update(told)
        return result
