# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model's folder as source-to-image takes it: its files, its environment, its identity.

The contract is that of source-to-image 1.x: docs/builder_image.md and docs/user_guide.md there.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
from dataclasses import dataclass, field

from ..deployment.description import parse_environment
from ..deployment.requirements import CONDA, packages
from .errors import ImageError

ENVIRONMENT_FILES = ("environment_rest", ".s2i/environment")
TRAINING = "train.py"
FORMAT = "1"
_NEVER = {".git", "__pycache__", ".pytest_cache", ".ipynb_checkpoints"}


@dataclass(frozen=True)
class Source:
    """files: path within the folder -> (mode, bytes); environment: what the model runs with."""

    folder: str
    files: dict
    environment: dict = field(default_factory=dict)

    @property
    def model_class(self):
        return self.environment["MODEL_NAME"]

    def requirements(self):
        """The files that the environment is installed from: what assemble scripts of Seldon's kind look
        for, and whatever that names; all, where the code itself is installed."""
        found = packages(self.files, lambda name: self.files[name][1])
        if found["problems"]:
            raise ImageError("%s: %s" % (self.folder, found["problems"][0]))
        names = found["files"] or [name for name in (CONDA,) if name in self.files]
        return {name: self.files[name] for name in names}

    def training(self):
        """The files that training sees; {} where nothing is trained or its result is there.

        The class that serves is left out where no other file names it: a change of it alone
        does not train again.
        """
        if TRAINING not in self.files:
            return {}
        own = self.model_class.replace(".", "/") + ".py"
        word = self.model_class.rpartition(".")[2].encode()
        scripts = [
            text
            for name, (_mode, text) in self.files.items()
            if name.endswith(".py") and name != own
        ]
        if any(word in text for text in scripts):
            return self.files
        return {name: one for name, one in self.files.items() if name != own}


def digest(*parts):
    """What identifies texts, bytes, and dicts of files or texts: SHA-256 as hex."""
    total = hashlib.sha256()

    def add(part):
        if isinstance(part, dict):
            add(str(len(part)))
            for key in sorted(part):
                add(key)
                add(part[key])
        elif isinstance(part, tuple):
            # A file: whether it can be executed, and its content.
            add("x" if part[0] & 0o111 else "-")
            add(part[1])
        else:
            data = part.encode() if isinstance(part, str) else part
            total.update(len(data).to_bytes(8, "big"))
            total.update(data)

    for part in parts:
        add(part)
    return total.hexdigest()


def ignored(path, patterns):
    """Whether patterns of a .s2iignore leave a path out; a later one with ! takes it in again.

    As in source-to-image, a * ends at a slash, and what names a directory means all below it.
    """
    out = False
    parts = path.split("/")
    for pattern in patterns:
        wanted = pattern.removeprefix("!").strip("/").split("/")
        if len(wanted) <= len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted)):
            out = not pattern.startswith("!")
    return out


def read_source(folder, environment_file="", environment=None):
    """The Source in a folder. Raises ImageError.

    environment_file  path of a file with NAME=VALUE lines; by default the folder's own
    environment       what stands above that file
    """
    folder = os.path.abspath(os.path.expanduser(folder))
    if not os.path.isdir(folder):
        raise ImageError("There is no folder %s with a model: correct source." % folder)
    files = _read_files(folder)
    if not files:
        raise ImageError(
            "The folder %s is empty: a model needs its class and environment_rest." % folder
        )
    found = {**_environment(folder, files, environment_file), **(environment or {})}
    _check_class(folder, files, found)
    return Source(folder, files, found)


def _read_files(folder):
    patterns = []
    try:
        with open(os.path.join(folder, ".s2iignore"), encoding="utf-8") as stream:
            patterns = [line.strip() for line in stream]
    except FileNotFoundError:
        pass
    patterns = [line for line in patterns if line and not line.startswith("#")]
    files = {}
    for base, directories, names in os.walk(folder):
        directories[:] = sorted(set(directories) - _NEVER)
        for name in names:
            path = os.path.join(base, name)
            relative = os.path.relpath(path, folder)
            if name.endswith(".pyc") or ignored(relative, patterns):
                continue
            try:
                # A link is followed: the image has no use for one that leads out of the folder.
                with open(path, "rb") as stream:
                    files[relative] = (os.fstat(stream.fileno()).st_mode & 0o777, stream.read())
            except OSError as error:
                raise ImageError("%s cannot be read: %s." % (path, error.strerror)) from error
    return files


def _environment(folder, files, path):
    if path:
        try:
            with open(path, encoding="utf-8") as stream:
                return parse_environment(stream.read())
        except (OSError, UnicodeDecodeError) as error:
            raise ImageError(
                "The environment file %s cannot be read: %s." % (path, error)
            ) from error
    for name in ENVIRONMENT_FILES:
        if name in files:
            return parse_environment(files[name][1].decode("utf-8", "replace"))
    raise ImageError(
        "%s has neither %s: write MODEL_NAME=<class> into that file, or give environment_file."
        % (folder, " nor ".join(ENVIRONMENT_FILES))
    )


def _check_class(folder, files, environment):
    name = environment.get("MODEL_NAME", "")
    if not name:
        raise ImageError(
            "Nothing names the class of the model in %s: add MODEL_NAME=<class> to its environment."
            % folder
        )
    if not all(part.isidentifier() for part in name.split(".")):
        raise ImageError("MODEL_NAME of %s is '%s', which no class can be called." % (folder, name))
    parts = name.split(".")
    for path in (
        "/".join(parts[:-1] or parts) + ".py",
        "/".join(parts[:-1] or parts) + "/__init__.py",
    ):
        if path in files:
            return
    raise ImageError(
        "MODEL_NAME of %s names the class %s, but there is no %s.py: correct the name or add the file."
        % (folder, name, "/".join(parts[:-1] or parts))
    )
