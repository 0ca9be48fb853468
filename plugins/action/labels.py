# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sends the file of labels to the target, where they are taken."""

from __future__ import annotations

import os

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Does its part only where there is a file of the controller; the rest is the module's."""

    TRANSFERS_FILES = True
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        args = dict(self._task.args)
        source = args.get("src")
        try:
            if source and not boolean(args.get("remote_src", False)):
                args.update(src=self._send(source), remote_src=True)
            result.update(self._execute_module("monitml.stack.labels", module_args=args, task_vars=task_vars))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _send(self, source):
        """Path on the target of a copy of SOURCE, a file where the command was given or beside the playbook."""
        given = os.path.expanduser(str(source))
        path = os.path.abspath(given) if os.path.isfile(given) else self._loader.path_dwim(given)
        if not os.path.isfile(path) or not os.access(path, os.R_OK):
            what = "there is no such file" if not os.path.exists(path) else "it is no file that can be read"
            raise AnsibleActionFail(
                f"The labels of {source} cannot be read on the controller: {what}. Nothing has been changed."
            )
        directory = self._make_tmp_path()
        remote = self._connection._shell.join_path(directory, "labels.csv")
        self._transfer_file(path, remote)
        self._fixup_perms2((directory, remote))
        return remote
