# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the load test in this process where the task is local, which saves a second Python and its
start, and lets a terminal show how far it is. Elsewhere the module of the same name runs. A task
of its own that shows the summary would take as long as many a run, so this does that, too."""

from __future__ import annotations

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.monitml.stack.plugins.plugin_utils._terminal import stdout_is_terminal

from ..module_utils.client.error import LoadTestError

display = Display()


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = self._result(super().run(tmp, task_vars), task_vars)
        if not result.get("failed") and result.get("msg") and not self._task.no_log:
            if boolean(self._task.args.get("summary", False)):
                host = task_vars["inventory_hostname"]
                display.display("%s: %s" % (host, result["msg"]), stderr=True)
        return result

    def _result(self, result, task_vars):
        if (
            self._connection.transport != "local"
            or self._play_context.become
            or self._task.async_val
        ):
            result.update(
                self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
            )
            return result
        # Not at the top: every playbook that merely has the collection would pay for them.
        from ..module_utils.loadtest import options
        from ..module_utils.loadtest.run import load_test

        _validation, arguments = self.validate_argument_spec(
            options.ARGUMENT_SPEC, **options.CONDITIONS
        )
        tell = display.display if arguments["progress"] and stdout_is_terminal() else None
        try:
            result.update(load_test(arguments, self._task.check_mode, tell))
        except LoadTestError as err:
            result.update(failed=True, changed=False, msg=str(err))
        return result
