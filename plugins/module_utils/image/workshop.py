# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the steps of a build, each in a container of the image below it.

What a step's command changed becomes a layer. The layer is cut from the container's export and not
committed, so that it is the same for the same content, and so that what was lent to the build -
credentials, a CA, the settings of an index - cannot be in it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, field

from . import layers
from .errors import ImageError, resolver_words, tail
from .lent import Lent
from .store import Store, instructions

STAGE_LABEL = "io.monitml.stage"
# Where steps are kept, so that clearing away images without names does not lose them.
STAGES = "monitml-stage"
# Never part of a layer: what is mounted for the build, and what the engine puts there itself.
_LEFT_OUT = (
    "/etc/pip.conf",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/mtab",
    "/run",
    "/proc",
    "/sys",
    "/dev",
    "/tmp",
    "/var/tmp",
    "/var/cache",
    "/root/.cache",
    "/.dockerenv",
)
_OUT_OF_MEMORY = 137


@dataclass(frozen=True)
class Step:
    """One layer to be made.

    what       its name in errors
    files      path below directory -> (mode, bytes), put in before the command runs
    directory  absolute
    command    arguments
    left_out   absolute paths that do not belong into the layer
    """

    what: str
    files: dict
    directory: str
    command: list
    user: str = "0"
    environment: dict = field(default_factory=dict)
    left_out: tuple = ()
    work_directory: str = ""


class Workshop:
    """Runs steps on one engine."""

    def __init__(self, engine, settings):
        self._engine = engine
        self._settings = settings
        self._store = Store(engine)

    def stage(self, kind, parent, key, step):
        """The image of a step on top of parent, made where the engine does not have it yet."""
        name = "%s/%s:%s" % (STAGES, kind, key[:32])
        found = self._engine.image(name)
        if found:
            return found
        with tempfile.TemporaryDirectory(prefix="monitml-") as directory:
            layer = self.run(parent, step, directory)
            labels = {**(parent["Config"].get("Labels") or {}), STAGE_LABEL: kind}
            self.make(parent, {"Labels": labels}, [layer] if layer else [], name, directory)
        return self._engine.image(name)

    def make(self, parent, config, above, name, work):
        """Makes the image of the Layers above a parent, with its name. Returns its Id."""
        self._settings.log("Making the image %s." % name)
        return self._store.make(parent, config, above, name, work)

    def run(self, parent, step, work):
        """The Layer of a step, None where its command changed nothing."""
        with self._container(parent, step) as container:
            return self._cut(container, step, work)

    def commit(self, parent, step, config, name):
        """Runs a step and commits it as source-to-image does."""
        with self._container(parent, step) as container:
            repository, _colon, tag = name.rpartition(":")
            changes = instructions(parent["Config"], config)
            self._engine.call("commit", container, repository, tag, changes=changes)

    @contextlib.contextmanager
    def _container(self, parent, step):
        """A container in which the command of a step has ended well, and which then goes."""
        with Lent(self._settings) as lent:
            container = self._create(parent, step, lent)
            try:
                self._fill(container, step)
                self._finish(container, step)
                yield container
            finally:
                self._engine.call("remove_container", container, force=True, v=True)

    def _create(self, parent, step, lent):
        limits = {"mem_limit": self._settings.memory_bytes} if self._settings.memory_bytes else {}
        host = self._engine.client.create_host_config(
            network_mode=self._settings.network, binds=lent.binds, **limits
        )
        made = self._engine.call(
            "create_container",
            parent["Id"],
            # None, whatever the image's: a commit keeps what stands here.
            entrypoint=[""],
            command=step.command,
            user=step.user,
            environment=step.environment,
            working_dir=step.work_directory or None,
            host_config=host,
            labels={STAGE_LABEL: "build"},
        )
        if made is None:
            raise ImageError("The image %s is gone; build again." % parent["Id"])
        return made["Id"]

    def _fill(self, container, step):
        with tempfile.TemporaryFile() as stream:
            layers.write_files(stream, step.directory, step.files)
            stream.seek(0)
            self._engine.call("put_archive", container, "/", stream)

    def _finish(self, container, step):
        """Starts the container and waits for its end. Raises ImageError with its last words."""
        self._engine.call("start", container)
        self._settings.log("Running %s." % step.what)
        lines = []
        for line in _lines(self._engine.call("logs", container, stream=True, follow=True)):
            lines.append(line)
            del lines[:-200]
            self._settings.log(line)
        code = self._engine.call("wait", container)["StatusCode"]
        if code == 0:
            return
        state = (self._engine.call("inspect_container", container) or {}).get("State", {})
        if state.get("OOMKilled") or code == _OUT_OF_MEMORY:
            raise ImageError(
                "%s was killed for want of memory: raise memory_bytes, or the engine's own memory."
                % step.what
            )
        last = tail("\n".join(lines)) or "(nothing, or nothing that the engine could keep, as where its disk is full)"
        if "no space left on device" in last.lower():
            last = "The disk of the engine is full: free some. " + last
        words = resolver_words("\n".join(lines))
        if words:
            raise ImageError("%s\nSo %s failed. Nothing was made." % (words, step.what))
        raise ImageError(
            "%s failed with exit code %d. Its last words:\n%s" % (step.what, code, last)
        )

    def _cut(self, container, step, work):
        changes = self._engine.call("diff", container) or []
        left_out = _LEFT_OUT + step.left_out
        handle, path = tempfile.mkstemp(dir=work, suffix=".layer")
        with tempfile.TemporaryFile(dir=work) as exported, os.fdopen(handle, "wb") as stream:
            for block in self._engine.call("export", container):
                exported.write(block)
            exported.seek(0)
            count = layers.write_changes(stream, exported, changes, left_out)
        return layers.finish(path) if count else None


def _lines(blocks):
    """Lines of text from blocks of bytes that end anywhere."""
    rest = b""
    for block in blocks or ():
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")
