# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that a module owns: replaced whole, so an interrupted run leaves the old one or the new."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import tempfile

_CHUNK = 1 << 16


def read(path):
    """Text of a file, None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as handle:
            return handle.read()
    except FileNotFoundError:
        return None


def write(path, text, mode, gid):
    """Puts text in place of a file. The group, -1 for the caller's, can be given the right to read."""
    put(path, io.BytesIO(text.encode("utf-8", "surrogateescape")), mode, -1, gid)


def put(path, stream, mode, uid, gid, accept=None):
    """Puts the bytes of a stream in place of a file; -1 for uid and gid stands for the caller's.

    accept is called with the path of the new file, which has the old one's suffix, and raises
    where the old one is to stay.
    """
    descriptor, temporary = tempfile.mkstemp(
        prefix=".", suffix=os.path.splitext(path)[1], dir=os.path.dirname(path)
    )
    try:
        with open(descriptor, "wb") as handle:
            shutil.copyfileobj(stream, handle)
            handle.flush()
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
        if accept:
            accept(temporary)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def holds(path, stream):
    """Whether a file is there, is no link and holds the bytes of a stream, which is then at its end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise
    with open(descriptor, "rb") as handle:
        while True:
            ours, theirs = handle.read(_CHUNK), stream.read(_CHUNK)
            if ours != theirs:
                return False
            if not ours:
                return True


def stands(path, mode, uid, gid):
    """Whether what is at a path has this mode and owner; -1 stands for any."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (
        stat.S_IMODE(found.st_mode) == mode
        and uid in (-1, found.st_uid)
        and gid in (-1, found.st_gid)
    )


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
