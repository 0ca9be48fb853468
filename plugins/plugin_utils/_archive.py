# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sends files of the controller to the target, all in one file."""

from __future__ import annotations

import os
import tarfile
import tempfile
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible_collections.monitml.stack.plugins.action.deployment_info import file_names


def pack(sources, target) -> None:
    """Writes a tar of the sources to a file object, each file under the path it is to have.

    sources: src, a file or folder, and path. OSError where one cannot be read.
    """
    with tarfile.open(fileobj=target, mode="w", dereference=True) as archive:
        for source in sources:
            src = Path(os.path.expanduser(source["src"]))
            names = file_names(src) if src.is_dir() else [""]
            for name in names:
                to = Path(source["path"]) / name
                archive.add(src / name, str(to).lstrip("/"), recursive=False, filter=_plain)


def _plain(member):
    """Content and whether it may be executed; a link is the file it leads to."""
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = "root"
    return member


def send(action, sources) -> str:
    """Path on the target of a tar of the sources, in the temporary directory of an action."""
    with tempfile.NamedTemporaryFile(suffix=".tar") as local:
        try:
            pack(sources, local)
        except (OSError, KeyError, TypeError) as error:
            raise AnsibleActionFail(f"The sources cannot be packed: {error}") from error
        local.flush()
        directory = action._make_tmp_path()
        remote = action._connection._shell.join_path(directory, "sources.tar")
        action._transfer_file(local.name, remote)
        action._fixup_perms2((directory, remote))
    return remote
