# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sends a model's files to python_environment, and what a person lends to the installer."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.monitml.stack.plugins.plugin_utils._archive import send

LENT = ("pip_config", "netrc", "ca_file")


def read(name: str, path: str) -> str:
    """The text of a file of the controller; AnsibleActionFail where there is none."""
    try:
        return Path(os.path.expanduser(path)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise AnsibleActionFail(f"{name} is {path}, which cannot be read on the controller: {reason}.") from None


class ActionModule(ActionBase):
    """Reads on the controller, and has the module do the rest."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        for name in LENT:
            if args.get(name):
                args[name] = read(name, args[name])
        # As one text: of a dict, Ansible would mask each value wherever it comes up, a 0 or a 1, say.
        args["environment"] = json.dumps(args.get("environment") or {})
        model = args.get("model") or {}
        try:
            if model.get("files"):
                folder = Path(model["path"])
                sources = [{"src": folder / name, "path": name} for name in model["files"]]
                args["archive"] = send(self, sources)
            return self._execute_module(
                "monitml.stack.python_environment", module_args=args, task_vars=task_vars
            )
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
