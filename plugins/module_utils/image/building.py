# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules that build images have in common: options, live log, and when they build."""

from __future__ import annotations

import contextlib
import os

from ansible.module_utils.basic import missing_required_lib

from . import engine as image_engine
from .errors import ImageError
from .lent import Settings
from .name import parse
from .s2i import CONTENT_LABEL, FILES_LABEL

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


def tagged(name):
    """ImageName of the option name. Raises ImageError."""
    found = parse(name)
    if not found.tag or found.digest:
        raise ImageError(
            "name is '%s': give the name with a tag and without a digest, as in %s:v1."
            % (name, found.place)
        )
    return found


def finish(module, run):
    """Ends a module with the result of run(module)."""
    if image_engine.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=image_engine.IMPORT_ERROR)
    try:
        module.exit_json(**run(module))
    except ImageError as error:
        module.fail_json(msg=str(error))


def build(module, engine, name, content, listing, make):
    """Calls make(Settings) where the image of a name is not of that content. Returns the result.

    content: digest of all that the image is made of; listing: what listing() says of its files.
    """
    there = engine.image(name)
    labels = _labels(there)
    changed = labels.get(CONTENT_LABEL, "") != content
    result = {"changed": changed}
    if module._diff and changed:
        result["diff"] = _difference(name, labels.get(FILES_LABEL, ""), listing)
    if changed and not module.check_mode:
        with settings(module.params) as given:
            make(given)
        there = engine.image(name)
    known = there if there and not (changed and module.check_mode) else {}
    return dict(result, id=known.get("Id", ""), size_bytes=known.get("Size", 0))


def _labels(image):
    return ((image or {}).get("Config") or {}).get("Labels") or {}


def _difference(name, before, after):
    """What the diff shows: a line for each file, with its digest."""
    return {
        "before": before.replace(" ", "\n") + "\n" if before else "",
        "after": after.replace(" ", "\n") + "\n",
        "before_header": name,
        "after_header": name,
    }
