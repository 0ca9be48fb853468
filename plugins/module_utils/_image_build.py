# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules that build images have in common: options, live log, what the diff shows."""

from __future__ import annotations

import contextlib
import os

from ansible_collections.monitml.stack.plugins.module_utils._engine_errors import ImageError
from ansible_collections.monitml.stack.plugins.module_utils._s2i import (
    CONTENT_LABEL,
    FILES_LABEL,
    Settings,
)

ARGUMENTS = {
    "engine_host": {"type": "str", "default": ""},
    "ca_file": {"type": "path", "default": ""},
    "pip_config": {"type": "path", "default": ""},
    "network": {"type": "str", "default": "bridge"},
    "memory_bytes": {"type": "int", "default": 0},
    "timeout_seconds": {"type": "int", "default": 900},
    "log_path": {"type": "path", "default": ""},
}


@contextlib.contextmanager
def settings(given):
    """Settings of a build from a module's options, with its log open. Raises ImageError."""
    lent = {key: given[key] for key in ("ca_file", "pip_config", "network", "memory_bytes")}
    for option in ("ca_file", "pip_config"):
        if given[option] and not os.path.isfile(given[option]):
            raise ImageError("%s is %s, and there is no such file." % (option, given[option]))
    if not given["log_path"]:
        yield Settings(**lent)
        return
    try:
        log = _Log(given["log_path"])
    except OSError as error:
        raise ImageError(
            "log_path %s cannot be written: %s." % (given["log_path"], error.strerror)
        ) from error
    try:
        yield Settings(**lent, log=log.line)
    finally:
        log.close()


class _Log:
    """A file that is begun with the first line, and whole after each."""

    def __init__(self, path):
        self._path, self._stream = path, None
        with open(path, "a", encoding="utf-8"):
            pass

    def line(self, text):
        if self._stream is None:
            self._stream = open(self._path, "w", encoding="utf-8", buffering=1)
        self._stream.write(text + "\n")

    def close(self):
        if self._stream:
            self._stream.close()


def content(image):
    """Digest of what an image was built from; "" where there is none, or it is not ours."""
    return ((image or {}).get("Config", {}).get("Labels") or {}).get(CONTENT_LABEL, "")


def difference(name, image, listing):
    """What the diff shows: a line for each file, with its digest."""
    before = ((image or {}).get("Config", {}).get("Labels") or {}).get(FILES_LABEL, "")
    return {
        "before": before.replace(" ", "\n") + "\n" if before else "",
        "after": listing.replace(" ", "\n") + "\n",
        "before_header": name,
        "after_header": name,
    }
