# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes images of models, in steps that each run once for the same content.

A step is a container of the image below, files put into it, and a command; what the command
changed becomes a layer. The layer is cut from the container's export and not committed, so that
it is the same for the same content, and so that what was lent to the build - credentials, a CA,
the settings of an index - cannot be in it.
"""

from __future__ import annotations

import configparser
import io
import json
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass, field

from ansible_collections.monitml.stack.plugins.module_utils import _image_layers as layers
from ansible_collections.monitml.stack.plugins.module_utils import _s2i_source as sources
from ansible_collections.monitml.stack.plugins.module_utils._engine_errors import ImageError, tail

CONTENT_LABEL = "io.monitml.content"
FILES_LABEL = "io.monitml.files"
STAGE_LABEL = "io.monitml.stage"
SCRIPTS_LABEL = "io.openshift.s2i.scripts-url"
DESTINATION_LABEL = "io.openshift.s2i.destination"
ASSEMBLE_USER_LABEL = "io.openshift.s2i.assemble-user"
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
_CA = "/run/monitml-ca.crt"
_OUT_OF_MEMORY = 137


@dataclass(frozen=True)
class Settings:
    """What a build is lent and allowed; none of it ends up in the image.

    ca_file       a CA bundle, for an index behind a proxy that ends TLS
    pip_config    a pip.conf, which may hold an index's password
    network       the engine's network for builds
    memory_bytes  limit of memory, 0 for none
    log           called with each line that a build writes
    """

    ca_file: str = ""
    pip_config: str = ""
    network: str = "bridge"
    memory_bytes: int = 0
    log: object = field(default=lambda line: None)


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


def scripts_directory(image, name):
    """Directory of the s2i scripts of a builder image. Raises ImageError where it is none."""
    url = (image["Config"].get("Labels") or {}).get(SCRIPTS_LABEL, "")
    if not url.startswith("image://"):
        raise ImageError(
            "The image %s is no builder: it lacks the label %s=image:///... that source-to-image needs. "
            "Name a builder, or make the project's own with s2i_builder." % (name, SCRIPTS_LABEL)
        )
    return url[len("image://") :]


class Workshop:
    """Runs steps on one engine."""

    def __init__(self, engine, settings):
        self._engine = engine
        self._settings = settings

    # ------------------------------------------------------------ images

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

    def code_layer(self, files, directory, work):
        """The Layer that holds files below a directory."""
        path = os.path.join(work, "code.tar")
        with open(path, "wb") as stream:
            layers.write_files(stream, directory, files)
        return layers.finish(path)

    def make(self, parent, config, above, name, work):
        """Makes the image of the layers above a parent, with its name. Returns its Id."""
        if self._takes_archives():
            self._load(parent, config, above, name, work)
        else:
            self._build(parent, config, above, name, work)
        made = self._engine.image(name)
        if not made:
            raise ImageError("The engine did not keep the image %s that it was given." % name)
        return made["Id"]

    def _takes_archives(self):
        """Whether the engine takes an image without the layers that it has: Docker's own store does."""
        if self._engine.is_podman:
            return False
        status = self._engine.call("info").get("DriverStatus") or []
        return not any("containerd" in str(value) for _key, value in status)

    def _load(self, parent, config, above, name, work):
        document = layers.image_config(parent, config, above)
        path = os.path.join(work, "image.tar")
        with open(path, "wb") as stream:
            layers.write_image(stream, parent, document, above, [name])
        with open(path, "rb") as stream:
            self._engine.stream_call("load_image", stream)
        os.unlink(path)

    def _build(self, parent, config, above, name, work):
        """The same by a generated Dockerfile, for stores that want every layer of an archive."""
        lines = ["FROM %s" % parent["Id"]]
        lines += ["ADD layer-%d.tar /" % place for place in range(len(above))]
        lines += instructions(parent["Config"], config)
        path = os.path.join(work, "context.tar")
        text = ("\n".join(lines) + "\n").encode()
        with tarfile.open(path, "w") as archive:
            archive.addfile(layers.plain("Dockerfile", 0o644, len(text)), io.BytesIO(text))
            for place, layer in enumerate(above):
                with open(layer.path, "rb") as stream:
                    archive.addfile(layers.plain("layer-%d.tar" % place, 0o644, layer.size), stream)
        with open(path, "rb") as stream:
            self._engine.stream_call(
                "build", fileobj=stream, custom_context=True, tag=name, rm=True, forcerm=True
            )
        os.unlink(path)

    # ------------------------------------------------------------ containers

    def run(self, parent, step, work):
        """The Layer of a step, None where its command changed nothing."""
        with Lent(self._settings) as lent:
            container = self._container(parent, step, lent)
            try:
                self._finish(container, step)
                return self._cut(container, step, work)
            finally:
                self._engine.call("remove_container", container, force=True, v=True)

    def commit(self, parent, step, config, name):
        """Runs a step and commits it as source-to-image does."""
        with Lent(self._settings) as lent:
            container = self._container(parent, step, lent)
            try:
                self._finish(container, step)
                repository, _colon, tag = name.rpartition(":")
                self._engine.call(
                    "commit",
                    container,
                    repository,
                    tag,
                    changes=instructions(parent["Config"], config),
                )
            finally:
                self._engine.call("remove_container", container, force=True, v=True)

    def _container(self, parent, step, lent):
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
        with tempfile.TemporaryFile() as stream:
            layers.write_files(stream, step.directory, step.files)
            stream.seek(0)
            self._engine.call("put_archive", made["Id"], "/", stream)
        return made["Id"]

    def _finish(self, container, step):
        """Starts the container and waits for its end. Raises ImageError with its last words."""
        self._engine.call("start", container)
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
        last = tail("\n".join(lines)) or "(it wrote nothing)"
        if "no space left on device" in last.lower():
            last = "The disk of the engine is full: free some. " + last
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


class Lent:
    """What a build is lent, as files that are mounted into its container and gone after it."""

    def __init__(self, settings):
        self._settings = settings
        self._directory = None
        self.binds = []

    def __enter__(self):
        given = self._settings
        if not (given.ca_file or given.pip_config):
            return self
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(given.pip_config)
        except (configparser.Error, UnicodeDecodeError) as error:
            raise ImageError(
                "pip_config %s cannot be read: %s." % (given.pip_config, error)
            ) from error
        self._directory = tempfile.mkdtemp(prefix="monitml-lent-")
        if given.ca_file:
            if not parser.has_section("global"):
                parser.add_section("global")
            parser.set("global", "cert", _CA)
            self._lend(given.ca_file, _CA)
        path = os.path.join(self._directory, "pip.conf")
        with open(path, "w", encoding="utf-8") as stream:
            parser.write(stream)
        self.binds.append("%s:/etc/pip.conf:ro" % path)
        return self

    def _lend(self, path, where):
        # A copy: a bundle is often a link out of the directory that it seems to be in.
        copy = os.path.join(self._directory, os.path.basename(where))
        shutil.copyfile(path, copy)
        self.binds.append("%s:%s:ro" % (copy, where))

    def __exit__(self, *unused):
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)


def _lines(blocks):
    """Lines of text from blocks of bytes that end anywhere."""
    rest = b""
    for block in blocks or ():
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")


def instructions(before, settings):
    """What differs from a parent's configuration, as lines of a Dockerfile."""
    lines = []
    known = dict(item.split("=", 1) for item in before.get("Env") or [])
    for item in settings.get("Env") or []:
        name, value = item.split("=", 1)
        if known.get(name) != value:
            lines.append("ENV %s=%s" % (name, json.dumps(value)))
    for name, value in sorted((settings.get("Labels") or {}).items()):
        if (before.get("Labels") or {}).get(name) != value:
            lines.append("LABEL %s=%s" % (json.dumps(name), json.dumps(value)))
    for port in sorted(settings.get("ExposedPorts") or {}):
        lines.append("EXPOSE %s" % port)
    for key, word in (("User", "USER"), ("WorkingDir", "WORKDIR")):
        if settings.get(key):
            lines.append("%s %s" % (word, settings[key]))
    for key, word in (("Entrypoint", "ENTRYPOINT"), ("Cmd", "CMD")):
        if settings.get(key):
            lines.append("%s %s" % (word, json.dumps(settings[key])))
    return lines


def merged_environment(before, added):
    """Env of an image's configuration: the parent's, with what is added above it."""
    known = dict(item.split("=", 1) for item in before.get("Env") or [])
    return ["%s=%s" % item for item in {**known, **added}.items()]


def listing(files):
    """Text that names each file with a digest of its content, one word for each."""
    return " ".join("%s:%s" % (name, sources.digest(files[name])[:12]) for name in sorted(files))


# ------------------------------------------------------------------ models


class ModelImage:
    """An image of one model.

    engine, settings  as Workshop's
    source            a Source
    builder           what the engine tells of the builder, and its name
    method            layered or commit
    data              (name, bytes) of training data that stands for the model's own, or None
    labels            labels of the user's
    """

    def __init__(
        self, engine, settings, source, builder, builder_name, method, data=None, labels=None
    ):
        self._workshop = Workshop(engine, settings)
        self._source = source
        self._builder = builder
        self._scripts = scripts_directory(builder, builder_name)
        self._method = method
        self._data = data
        known = builder["Config"].get("Labels") or {}
        destination = known.get(DESTINATION_LABEL, "/tmp").rstrip("/")
        self._staged = destination + "/src"
        self._user = known.get(ASSEMBLE_USER_LABEL) or builder["Config"].get("User") or "0"
        self._home = builder["Config"].get("WorkingDir") or "/microservice"
        self._labels = dict(labels or {})
        self.content = sources.digest(
            sources.FORMAT,
            method,
            builder["Id"],
            self._user,
            source.files,
            source.environment,
            self._labels,
            dict([data]) if data else {},
        )

    def listing(self):
        """Text that names each file with a digest of its content."""
        return listing(self._source.files)

    def label(self, image, name):
        """Puts onto an image that another program made what the next run knows it by."""
        labels = {**(image["Config"].get("Labels") or {}), **self._config()["Labels"]}
        with tempfile.TemporaryDirectory(prefix="monitml-") as work:
            self._workshop.make(image, {"Labels": labels}, [], name, work)

    def build(self, name):
        """Makes the image. Returns its Id."""
        if self._method == "commit":
            return self._commit(name)
        source = self._source
        parent = self._environment()
        if source.training():
            parent = self._trained(parent)
        with tempfile.TemporaryDirectory(prefix="monitml-") as work:
            code = self._workshop.code_layer(source.files, self._home, work)
            return self._workshop.make(parent, self._config(), [code], name, work)

    def _config(self):
        before = self._builder["Config"]
        return {
            "Env": merged_environment(before, self._source.environment),
            "Cmd": [self._scripts + "/run"],
            "Entrypoint": before.get("Entrypoint"),
            "User": before.get("User") or "",
            "WorkingDir": before.get("WorkingDir") or "",
            "Labels": {
                **(before.get("Labels") or {}),
                **self._labels,
                CONTENT_LABEL: self.content,
                FILES_LABEL: self.listing(),
            },
        }

    def _assemble(self, files):
        return Step(
            what="assemble of the builder",
            files=files,
            directory=self._staged,
            command=[self._scripts + "/assemble"],
            user=self._user,
            environment=self._source.environment,
            left_out=(self._staged,) + tuple("%s/%s" % (self._home, path) for path in files),
        )

    def _environment(self):
        files = self._source.requirements()
        key = sources.digest(
            sources.FORMAT, self._builder["Id"], self._user, files, self._source.environment
        )
        return self._workshop.stage("environment", self._builder, key, self._assemble(files))

    def _trained(self, parent):
        files = self._source.training()
        arguments = ["--output", self._home]
        if self._data:
            name = "data/" + self._data[0]
            files = {**files, name: (0o644, self._data[1])}
            arguments += ["--data", name]
        step = Step(
            what="%s of the model" % sources.TRAINING,
            files=files,
            directory=self._home,
            command=["python", sources.TRAINING] + arguments,
            user=self._user,
            environment=self._source.environment,
            left_out=tuple("%s/%s" % (self._home, path) for path in files),
            work_directory=self._home,
        )
        key = sources.digest(
            sources.FORMAT, parent["Id"], files, self._source.environment, *arguments
        )
        return self._workshop.stage("training", parent, key, step)

    def _commit(self, name):
        self._workshop.commit(
            self._builder, self._assemble(self._source.files), self._config(), name
        )
        return None


# ------------------------------------------------------------------ builders


def builder_content(base, files):
    """What identifies a builder: its base image and all that is put onto it."""
    return sources.digest(sources.FORMAT, base["Id"], files)


def make_builder(engine, settings, base, files, name):
    """Makes the project's builder on a base image that has Python with its venv module.

    files: path below /s2i -> (mode, bytes), among them bin/assemble, bin/run and install
    """
    workshop = Workshop(engine, settings)
    step = Step(
        what="install of the builder",
        files=files,
        directory="/s2i",
        command=["/bin/sh", "/s2i/install"],
    )
    before = base["Config"]
    config = {
        "Env": merged_environment(
            before,
            {
                "PATH": "/opt/serving/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1",
                "HOME": "/tmp",
            },
        ),
        "Cmd": ["/s2i/bin/run"],
        "Entrypoint": None,
        # Seldon's own user, which its operator expects.
        "User": "8888",
        "WorkingDir": "/microservice",
        "ExposedPorts": {"9000/tcp": {}, "6000/tcp": {}},
        "Labels": {
            **(before.get("Labels") or {}),
            SCRIPTS_LABEL: "image:///s2i/bin",
            DESTINATION_LABEL: "/tmp",
            ASSEMBLE_USER_LABEL: "0",
            "org.opencontainers.image.title": "monitml s2i builder",
            CONTENT_LABEL: builder_content(base, files),
            FILES_LABEL: listing(files),
        },
    }
    with tempfile.TemporaryDirectory(prefix="monitml-") as work:
        layer = workshop.run(base, step, work)
        return workshop.make(base, config, [layer], name, work)
