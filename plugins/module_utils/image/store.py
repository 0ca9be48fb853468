# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Has an engine keep an image that is made of one that it has, a configuration, and layers above.

An engine need not be sent what it has already, but each kind of store wants to be told so in its
own way.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile

from . import layers, oci
from .errors import ImageError


class Store:
    """The images of one engine."""

    def __init__(self, engine):
        self._engine = engine

    def make(self, parent, config, above, name, work):
        """Makes the image of the Layers above a parent, with its name. Returns its Id.

        parent: what the engine tells of the image below; config: what differs in its Config; work: a
        directory for what is in between.
        """
        way = self._way()
        way(parent, config, above, name, work)
        made = self._engine.image(name)
        if not made:
            raise ImageError("The engine did not keep the image %s that it was given." % name)
        return made["Id"]

    def _way(self):
        if self._engine.is_podman:
            return self._build
        status = self._engine.call("info").get("DriverStatus") or []
        if any("containerd" in str(value) for _key, value in status):
            return self._import
        return self._load

    def _load(self, parent, config, above, name, work):
        """For Docker's own store, which knows the layers below by what is in them."""
        document = layers.image_config(parent, config, above)
        with tempfile.TemporaryFile(dir=work) as stream:
            layers.write_image(stream, parent, document, above, [name])
            stream.seek(0)
            self._engine.stream_call("load_image", stream)

    def _import(self, parent, config, above, name, work):
        """For containerd's store, which knows the layers below by the blobs that hold them."""
        below = oci.noted_blobs(parent) or self._saved_blobs(parent, work)
        if below is None:
            self._build(parent, config, above, name, work)
            return
        blobs = [oci.compress(layer, work) for layer in above]
        labels = config.get("Labels") or parent["Config"].get("Labels") or {}
        labels = {**labels, **oci.note(parent, above, below, blobs)}
        document = layers.image_config(parent, {**config, "Labels": labels}, above)
        with tempfile.TemporaryFile(dir=work) as stream:
            oci.write_image(stream, document, below, blobs, name)
            stream.seek(0)
            self._engine.stream_call("load_image", stream)

    def _saved_blobs(self, parent, work):
        with tempfile.TemporaryFile(dir=work) as saved:
            for block in self._engine.call("get_image", parent["Id"]) or ():
                saved.write(block)
            saved.seek(0)
            return oci.find_blobs(saved, parent)

    def _build(self, parent, config, above, name, work):
        """By a generated Dockerfile, for stores that want every layer in an archive, such as Podman's."""
        lines = ["FROM %s" % parent["Id"]]
        lines += ["ADD layer-%d.tar /" % place for place in range(len(above))]
        lines += instructions(parent["Config"], config)
        text = ("\n".join(lines) + "\n").encode()
        with tempfile.TemporaryFile(dir=work) as context:
            with tarfile.open(fileobj=context, mode="w") as archive:
                archive.addfile(layers.plain("Dockerfile", 0o644, len(text)), io.BytesIO(text))
                for place, layer in enumerate(above):
                    entry = layers.plain("layer-%d.tar" % place, 0o644, layer.size)
                    with open(layer.path, "rb") as stream:
                        archive.addfile(entry, stream)
            context.seek(0)
            self._engine.stream_call(
                "build", fileobj=context, custom_context=True, tag=name, rm=True, forcerm=True
            )


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
