# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layers of images as tar files that depend on nothing but their content.

Written by hand because no library makes them so: a commit keeps the time and place of each file,
so two builds of the same content never have the same digest. Here entries are sorted and have
neither times nor names of users. Formats: the OCI image specification, layer.md, and the archive
that 'docker save' writes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass

_WHITEOUT = ".wh."
_ADDED_OR_MODIFIED, _DELETED = (0, 1), 2
EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Layer:
    """An uncompressed tar file and its digest, as sha256:<hex>."""

    path: str
    diff_id: str
    size: int


def finish(path):
    """The Layer that lies at path."""
    total = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            total.update(block)
    return Layer(path, "sha256:" + total.hexdigest(), os.path.getsize(path))


def plain(name, mode, size=0, kind=tarfile.REGTYPE, uid=0, gid=0, link=""):
    """A tar entry without times and names."""
    entry = tarfile.TarInfo(name.strip("/"))
    entry.mode, entry.size, entry.type = mode & 0o7777, size, kind
    entry.uid, entry.gid, entry.linkname = uid, gid, link
    return entry


def write_files(stream, directory, files):
    """Writes an absolute directory, files below it and the directories between, as a tar.

    files: path -> (mode, bytes). All of it is root's and readable to everyone: what serves a model
    must not be able to change it.
    """
    base = directory.strip("/")
    parents = {""}
    for name in files:
        parts = name.split("/")[:-1]
        parents.update("/".join(parts[: end + 1]) for end in range(len(parts)))
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted([*files, *parents]):
            path = (base + "/" + name).strip("/")
            if name in files:
                mode, content = files[name]
                entry = plain(path, 0o755 if mode & 0o111 else 0o644, len(content))
                archive.addfile(entry, io.BytesIO(content))
            else:
                archive.addfile(plain(path, 0o755, kind=tarfile.DIRTYPE))


def layer_of_files(files, directory, work):
    """The Layer that holds files below a directory, as write_files() has it."""
    path = os.path.join(work, "files.layer")
    with open(path, "wb") as stream:
        write_files(stream, directory, files)
    return finish(path)


def write_changes(stream, exported, changes, left_out=()):
    """Writes what a container changed as a layer.

    exported  the container's whole file system, a seekable tar file as the engine exports it
    changes   the engine's list of {"Path": absolute, "Kind": 0 changed, 1 added, 2 deleted}
    left_out  absolute paths that do not belong into the image, nor what is below them
    Returns the number of entries.
    """

    def belongs(path):
        # Compiled files hold the time of their source, which the layer does not keep.
        if "/__pycache__" in path:
            return False
        return not any(path == one or path.startswith(one + "/") for one in left_out)

    kinds = {one["Path"]: one["Kind"] for one in changes if belongs(one["Path"])}
    with tarfile.open(fileobj=exported, mode="r:") as source:
        found = {}
        for entry in source:
            path = "/" + entry.name.strip("/")
            if kinds.get(path) in _ADDED_OR_MODIFIED:
                found[path] = entry
        count = 0
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(kinds):
                if kinds[path] == _DELETED:
                    head, tail = os.path.split(path)
                    archive.addfile(plain(head + "/" + _WHITEOUT + tail, 0o644))
                elif path in found:
                    _copy(source, found[path], path, found, archive)
                else:
                    continue
                count += 1
    return count


def _copy(source, entry, path, found, archive):
    if entry.islnk():
        if "/" + entry.linkname.strip("/") not in found:
            # The other name of this file is in a layer below, where a link cannot lead.
            entry = source.getmember(entry.linkname)
        else:
            link = entry.linkname.strip("/")
            archive.addfile(plain(path, entry.mode, 0, tarfile.LNKTYPE, entry.uid, entry.gid, link))
            return
    copy = plain(path, entry.mode, entry.size, entry.type, entry.uid, entry.gid, entry.linkname)
    archive.addfile(copy, source.extractfile(entry) if entry.isreg() else None)


def image_config(parent, settings, layers):
    """The configuration of an image on top of another, as bytes; the same for the same content.

    parent    what the engine tells of the image below
    settings  what differs in its Config
    layers    the Layers on top
    """
    below = parent["RootFS"]["Layers"]
    document = {
        "architecture": parent["Architecture"],
        "os": parent["Os"],
        "created": EPOCH,
        "config": {**parent["Config"], **settings},
        "rootfs": {"type": "layers", "diff_ids": below + [layer.diff_id for layer in layers]},
        "history": [
            {"created": EPOCH, "created_by": "layer %d" % place}
            for place in range(1, len(below) + len(layers) + 1)
        ],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def write_image(stream, parent, config, layers, tags):
    """Writes an image as the engine loads it; layers below are named only: the engine has them."""
    name = hashlib.sha256(config).hexdigest() + ".json"
    below = ["below/%d" % place for place in range(len(parent["RootFS"]["Layers"]))]
    above = ["layer-%d.tar" % place for place in range(len(layers))]
    manifest = json.dumps([{"Config": name, "RepoTags": tags, "Layers": below + above}]).encode()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, content in ((name, config), ("manifest.json", manifest)):
            archive.addfile(plain(path, 0o644, len(content)), io.BytesIO(content))
        for path, layer in zip(above, layers):
            with open(layer.path, "rb") as content:
                archive.addfile(plain(path, 0o644, layer.size), content)
