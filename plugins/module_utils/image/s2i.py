# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes builders and images of models by the contract of source-to-image, in steps that each run
once for the same content."""

from __future__ import annotations

import tempfile

from . import layers
from . import s2i_source as sources
from .errors import ImageError
from .workshop import Step

CONTENT_LABEL = "io.monitml.content"
FILES_LABEL = "io.monitml.files"
SCRIPTS_LABEL = "io.openshift.s2i.scripts-url"
DESTINATION_LABEL = "io.openshift.s2i.destination"
ASSEMBLE_USER_LABEL = "io.openshift.s2i.assemble-user"


def scripts_directory(image, name):
    """Directory of the s2i scripts of a builder image. Raises ImageError where it is none."""
    url = (image["Config"].get("Labels") or {}).get(SCRIPTS_LABEL, "")
    if not url.startswith("image://"):
        raise ImageError(
            "The image %s is no builder: it lacks the label %s=image:///... that source-to-image needs. "
            "Name a builder, or make the project's own with s2i_builder." % (name, SCRIPTS_LABEL)
        )
    return url[len("image://") :]


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

    source            a Source
    builder           what the engine tells of the builder, and its name
    method            layered or commit
    data              (name, bytes) of training data that stands for the model's own, or None
    labels            labels of the user's
    """

    def __init__(self, source, builder, builder_name, method, data=None, labels=None):
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

    def label(self, workshop, image, name):
        """Puts onto an image that another program made what the next run knows it by."""
        labels = {**(image["Config"].get("Labels") or {}), **self._config()["Labels"]}
        with tempfile.TemporaryDirectory(prefix="monitml-") as work:
            workshop.make(image, {"Labels": labels}, [], name, work)

    def build(self, workshop, name):
        """Makes the image."""
        source = self._source
        if self._method == "commit":
            workshop.commit(self._builder, self._assemble(source.files), self._config(), name)
            return
        parent = self._environment(workshop)
        if source.training():
            parent = self._trained(workshop, parent)
        with tempfile.TemporaryDirectory(prefix="monitml-") as work:
            code = layers.layer_of_files(source.files, self._home, work)
            workshop.make(parent, self._config(), [code], name, work)

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

    def _environment(self, workshop):
        files = self._source.requirements()
        key = sources.digest(
            sources.FORMAT, self._builder["Id"], self._user, files, self._source.environment
        )
        return workshop.stage("environment", self._builder, key, self._assemble(files))

    def _trained(self, workshop, parent):
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
        return workshop.stage("training", parent, key, step)


# ------------------------------------------------------------------ builders

BUILDER_ENVIRONMENT = {
    "PATH": "/opt/serving/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "HOME": "/tmp",
    # As processes have it. A model that used several threads before the workers forked would have
    # them wait for ever.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def builder_content(base, files):
    """What identifies a builder: its base image and all that is put onto it."""
    return sources.digest(sources.FORMAT, base["Id"], files, BUILDER_ENVIRONMENT)


def make_builder(workshop, base, files, name):
    """Makes the project's builder on a base image that has Python with its venv module.

    files: path below /s2i -> (mode, bytes), among them bin/assemble, bin/run and install
    """
    step = Step(
        what="install of the builder",
        files=files,
        directory="/s2i",
        command=["/bin/sh", "/s2i/install"],
    )
    before = base["Config"]
    config = {
        "Env": merged_environment(before, BUILDER_ENVIRONMENT),
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
        workshop.make(base, config, [layer], name, work)
