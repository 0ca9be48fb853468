#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: file_set
short_description: Put directories and files in place in one step
version_added: 0.1.0
description:
  - Brings any number of directories and files to the content, owner and mode that are wanted, in the order given,
    directories first, then O(sources), then O(files).
  - Each file is replaced whole, by a rename. Directories above a file that are missing are made.
  - One task in place of one per file, because the time of a task is mostly that of starting it.
author:
  - The monitml.stack founders (@monitml)
options:
  directories:
    description: Directories.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: User that it belongs to, and by the user the group.
        type: str
        default: root
      group:
        description: User whose group it belongs to, where that is another; with a O(directories[].mode) of V(0750) they alone look into it.
        type: str
        default: ""
      mode:
        description: Permissions in octal.
        type: str
        default: "0755"
  sources:
    description:
      - Files and whole folders of the controller. A file that may be executed stays so; all of them belong to root
        and can be read by everybody.
      - What is no part of a model, such as C(__pycache__), is left out.
    type: list
    elements: dict
    default: []
    suboptions:
      src:
        description: Path on the controller.
        type: path
        required: true
      path:
        description: Absolute path that it gets, of the file or of the folder.
        type: path
        required: true
  files:
    description: Files by their content.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: Text of the file.
        type: str
        default: ""
      owner:
        description: User that it belongs to. The group is root's.
        type: str
        default: root
      mode:
        description: Permissions in octal.
        type: str
        default: "0644"
      validate:
        description:
          - Command that must end well before the file is replaced; C(%s) stands for the new one. It is not called in
            check mode, where what it needs may not be there.
        type: str
  marker:
    description:
      - File that is made before the first change, and counts as one as long as it is there. Whoever has done what follows
        a change, such as a reload, removes it. So a run that is killed between the two leaves it to the next one.
    type: path
  archive:
    description: A tar file on the target that holds O(sources) by their wanted paths. Made by the action plugin.
    type: path
attributes:
  platform:
    description: Needs the permissions of POSIX.
    support: full
    platforms: posix
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows the text of O(files), and the names alone of directories and sources.
    support: partial
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
seealso:
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: Configure Prometheus
  monitml.stack.file_set:
    files:
      - path: /opt/monitml/etc/rules.yml
        content: "{{ rules | to_nice_yaml }}"
        validate: promtool check rules %s
      - path: /opt/monitml/etc/prometheus.yml
        content: "{{ configuration | to_nice_yaml }}"
        validate: promtool check config %s

- name: Put a model in place
  monitml.stack.file_set:
    sources:
      - src: models/housing
        path: /opt/monitml/releases/1/model
"""

RETURN = r"""
paths:
  description: What was changed, in the order it was.
  returned: always
  type: list
  elements: str
  sample: [/opt/monitml/etc/rules.yml]
"""

import io
import os
import pwd
import tarfile

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.local import files as disk

_DIRECTORY = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": ""},
    "mode": {"type": "str", "default": "0755"},
}
_SOURCE = {
    "src": {"type": "path", "required": True},
    "path": {"type": "path", "required": True},
}
_FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "default": ""},
    "owner": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "validate": {"type": "str"},
}
_ARGUMENTS = {
    "directories": {"type": "list", "elements": "dict", "default": [], "options": _DIRECTORY},
    "sources": {"type": "list", "elements": "dict", "default": [], "options": _SOURCE},
    "files": {"type": "list", "elements": "dict", "default": [], "options": _FILE},
    "marker": {"type": "path"},
    "archive": {"type": "path"},
}


class Refused(Exception):
    """A sentence about what cannot be done."""


def ids(name, check):
    """Ids of a user and of the user's group; -1, any, where a run that changes nothing meets one still to be made."""
    try:
        user = pwd.getpwnam(name)
    except KeyError as error:
        if check:
            return -1, -1
        raise Refused("The user %s does not exist on this machine." % name) from error
    return user.pw_uid, user.pw_gid


def octal(mode):
    try:
        return int(mode, 8)
    except ValueError as error:
        raise Refused("mode is '%s', which is no octal number such as 0644." % mode) from error


class FileSet:
    """Puts one thing after the other in place and keeps in mind what that changed."""

    def __init__(self, module):
        self._module = module
        self._check = module.check_mode
        self._marker = module.params["marker"]
        self.paths = []
        self.diff = []

    def directory(self, one):
        path, mode = one["path"], octal(one["mode"])
        owner = ids(one["owner"], self._check)
        if one["group"]:
            owner = owner[0], ids(one["group"], self._check)[1]
        if os.path.isdir(path) and disk.stands(path, mode, *owner):
            return
        self._changed(path, "" if os.path.isdir(path) else None, "")
        if not self._check:
            self._make_parents(os.path.dirname(path))
            disk.make_directory(path, mode, *owner, own=True)

    def archive(self, path):
        with tarfile.open(path) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                self._file("/" + member.name, stream, member.mode, self._root())

    def file(self, one):
        text, path = one["content"], one["path"]
        owner = ids(one["owner"], self._check)[0], self._root()[1]
        accept = self._acceptance(path, one["validate"]) if one["validate"] else None
        stream = io.BytesIO(text.encode("utf-8", "surrogateescape"))
        before = disk.read(path) if self._module._diff else None
        self._file(path, stream, octal(one["mode"]), owner, accept, before, text)

    def _file(self, path, stream, mode, owner, accept=None, before=None, after=None):
        same = disk.holds(path, stream)
        if same and disk.stands(path, mode, *owner):
            return
        self._changed(path, before, after)
        if self._check:
            return
        stream.seek(0)
        self._make_parents(os.path.dirname(path))
        disk.put(path, stream, mode, *owner, accept=None if same else accept)

    def _root(self):
        """Owner and group of what no other is named for: root's, or one's own."""
        return (0, 0) if os.geteuid() == 0 else (-1, -1)

    def _make_parents(self, path):
        missing = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for one in reversed(missing):
            disk.make_directory(one, 0o755, *self._root())

    def _acceptance(self, path, command):
        def accept(temporary):
            code, out, error = self._module.run_command(command.replace("%s", temporary))
            if code:
                told = (error.strip() or out.strip()).replace(temporary, path)
                raise Refused("%s was not replaced: '%s' says: %s" % (path, command, told))

        return accept

    def _changed(self, path, before, after):
        if self._marker and not self._check and not os.path.exists(self._marker):
            self._make_parents(os.path.dirname(self._marker))
            disk.put(self._marker, io.BytesIO(), 0o644, *self._root())
        self.paths.append(path)
        self.diff.append(disk.difference(path, before, after))


def run(module):
    """Result of the module. Raises Refused, OSError and tarfile.TarError."""
    made = FileSet(module)
    for one in module.params["directories"]:
        made.directory(one)
    if module.params["archive"]:
        made.archive(module.params["archive"])
    for one in module.params["files"]:
        made.file(one)
    marker = module.params["marker"]
    waiting = bool(marker) and os.path.exists(marker)
    result = {"changed": bool(made.paths) or waiting, "paths": made.paths}
    return dict(result, diff=made.diff) if module._diff else result


def main():
    module = AnsibleModule(argument_spec=_ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**run(module))
    except (Refused, OSError, tarfile.TarError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
