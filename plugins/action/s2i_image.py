# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows how far a build is where somebody watches; the module does the rest. Also s2i_builder's."""

from __future__ import annotations

import tempfile

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.monitml.stack.plugins.plugin_utils._follow import Follow
from ansible_collections.monitml.stack.plugins.plugin_utils._terminal import stdout_is_terminal

display = Display()


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        asynchronous = self._task.async_val
        if asynchronous or not self._is_watched():
            result.update(self._execute_module(task_vars=task_vars, wrap_async=asynchronous))
            return result
        with tempfile.NamedTemporaryFile(prefix="monitml-build-") as log:
            arguments = dict(self._task.args)
            path = arguments.get("log_path") or log.name
            arguments["log_path"] = path
            with Follow(path, arguments.get("name"), display.display):
                result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result

    def _is_watched(self):
        """Whether there is somebody to show it to, and a log that can be read here."""
        local = self._connection.transport == "local" and not self._play_context.become
        return local and not self._task.check_mode and stdout_is_terminal()
