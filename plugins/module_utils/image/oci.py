# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images as archives of the OCI image layout, for engines that keep them in containerd's store.

That store takes an archive without the blobs that it holds, but then has to be told their digests
and sizes, which its API tells nobody. So an image that is made here notes them in a label; where
there is no such note, the engine saves the image once and they are read from that. Written by hand
because no library writes an archive with blobs left out. Formats: the OCI image specification,
image-layout.md and manifest.md.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile

from . import layers
from .name import parse

BLOBS_LABEL = "io.monitml.blobs"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_TAR = "application/vnd.oci.image.layer.v1.tar"
# What Docker called the same before there was the specification.
_OLD_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar": _TAR,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": _TAR + "+gzip",
}
# Documents are small; what is larger is a layer.
_LARGEST_DOCUMENT = 4 << 20


def _digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _text(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def compress(layer, work):
    """(descriptor, path) of the blob of a Layer; the same for the same content."""
    path = os.path.join(work, os.path.basename(layer.path) + ".gz")
    with open(path, "wb") as stream:
        with gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=6, mtime=0) as out:
            with open(layer.path, "rb") as content:
                for block in iter(lambda: content.read(1 << 20), b""):
                    out.write(block)
    made = layers.finish(path)
    return {"mediaType": _TAR + "+gzip", "digest": made.diff_id, "size": made.size}, path


def note(parent, above, below, blobs):
    """The label of an image that says which blobs hold its layers.

    parent: the image below, and below the descriptors of its layers; above: the Layers above it,
    and blobs what compress() made of them.
    """
    held = below + [descriptor for descriptor, _path in blobs]
    ids = parent["RootFS"]["Layers"] + [layer.diff_id for layer in above]
    short = [[one["mediaType"], one["digest"], one["size"]] for one in held]
    return {BLOBS_LABEL: _text([_digest(_text(ids)), short]).decode()}


def noted_blobs(image):
    """Descriptors of an image's layers by its label; None where it has none, or another image's."""
    text = (image["Config"].get("Labels") or {}).get(BLOBS_LABEL, "")
    try:
        ids, short = json.loads(text)
        found = [{"mediaType": kind, "digest": digest, "size": size} for kind, digest, size in short]
    except (ValueError, TypeError):
        return None
    # An image that somebody made of ours has its label too.
    return found if ids == _digest(_text(image["RootFS"]["Layers"])) else None


def find_blobs(archive, image):
    """Descriptors of an image's layers, from a tar file that the engine saved it to; None without."""
    with tarfile.open(fileobj=archive, mode="r:") as source:
        entries = {entry.name: entry for entry in source}

        def read(name):
            entry = entries.get(name)
            if entry is None or entry.size > _LARGEST_DOCUMENT:
                return {}
            return json.loads(source.extractfile(entry).read())

        def blob(descriptor):
            return read(_place(descriptor.get("digest", "")))

        waiting = list(read("index.json").get("manifests") or [])
        while waiting:
            # A name may stand for an index, which has a manifest for each platform.
            found = blob(waiting.pop())
            waiting += found.get("manifests") or []
            config = blob(found.get("config") or {})
            if (config.get("rootfs") or {}).get("diff_ids") == image["RootFS"]["Layers"]:
                return [
                    {
                        "mediaType": _OLD_TYPES.get(one["mediaType"], one["mediaType"]),
                        "digest": one["digest"],
                        "size": one["size"],
                    }
                    for one in found["layers"]
                ]
    return None


def write_image(stream, config, below, blobs, name):
    """Writes an image without the blobs below, which the engine has.

    config: its configuration as bytes; below: their descriptors; blobs: what compress() made of the
    layers above; name: its name with a tag.
    """
    manifest = _text(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": _digest(config), "size": len(config)},
            "layers": below + [descriptor for descriptor, _path in blobs],
        }
    )
    parsed = parse(name)
    whole = "%s/%s:%s" % (parsed.registry, parsed.repository, parsed.tag)
    entry = {"mediaType": _MANIFEST, "digest": _digest(manifest), "size": len(manifest)}
    entry["annotations"] = {
        "io.containerd.image.name": whole,
        "org.opencontainers.image.ref.name": parsed.tag,
    }
    documents = {
        "oci-layout": _text({"imageLayoutVersion": "1.0.0"}),
        "index.json": _text({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}),
        _place(_digest(manifest)): manifest,
        _place(_digest(config)): config,
    }
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, content in documents.items():
            archive.addfile(layers.plain(path, 0o644, len(content)), io.BytesIO(content))
        for descriptor, path in blobs:
            with open(path, "rb") as content:
                place = layers.plain(_place(descriptor["digest"]), 0o644, descriptor["size"])
                archive.addfile(place, content)


def _place(digest):
    return "blobs/" + digest.replace(":", "/")
