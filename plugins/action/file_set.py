# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sends the sources of file_set to the target, all in one file."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.monitml.stack.plugins.plugin_utils._archive import send


class ActionModule(ActionBase):
    """Does its part only where there are sources; the rest is the module's."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        sources = args.pop("sources", None) or []
        try:
            if sources:
                args["archive"] = send(self, sources)
            return self._execute_module(
                "monitml.stack.file_set", module_args=args, task_vars=task_vars
            )
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
