# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that a module owns: replaced whole, so an interrupted run leaves the old one or the new."""

from __future__ import annotations

import os
import tempfile


def read(path):
    """Text of a file, None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as handle:
            return handle.read()
    except FileNotFoundError:
        return None


def write(path, text, mode, gid):
    """Puts text in place of a file. The group, -1 for the caller's, can be given the right to read."""
    descriptor, temporary = tempfile.mkstemp(prefix=".", dir=os.path.dirname(path))
    try:
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as handle:
            handle.write(text)
            handle.flush()
            os.fchown(descriptor, -1, gid)
            os.fchmod(descriptor, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def make_directory(path, mode, uid, gid, own=False):
    """Makes a directory and those above it. An existing one keeps its owner and mode unless it is our own."""
    if not os.path.isdir(path):
        os.makedirs(path)
    elif not own:
        return
    os.chown(path, uid, gid)
    os.chmod(path, mode)


def remove(path):
    """Removes a file. Returns whether there was one."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def remove_empty(path):
    """Removes a directory that is there and empty."""
    try:
        os.rmdir(path)
    except OSError:
        pass


def difference(path, before, after):
    """An entry of a module's diff; None stands for no file."""
    return {
        "before_header": path,
        "after_header": path,
        "before": before or "",
        "after": after or "",
    }
