# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives of the OCI layout: what is written can be read, and a note counts for its image only."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.image import layers, oci

BELOW = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:aa", "size": 7}]
PARENT = {
    "Architecture": "amd64",
    "Os": "linux",
    "Config": {"Labels": {}},
    "RootFS": {"Layers": ["sha256:11"]},
}


@pytest.fixture
def layer(tmp_path):
    return layers.layer_of_files({"a.py": (0o644, b"print(1)\n")}, "/opt", str(tmp_path))


@pytest.fixture
def written(layer, tmp_path):
    """(archive, what the engine would tell of its image, descriptors of its layers)."""
    blobs = [oci.compress(layer, str(tmp_path))]
    labels = oci.note(PARENT, [layer], BELOW, blobs)
    config = layers.image_config(PARENT, {"Labels": labels}, [layer])
    archive = io.BytesIO()
    oci.write_image(archive, config, BELOW, blobs, "example/housing:v1")
    archive.seek(0)
    image = {
        "Config": {"Labels": labels},
        "RootFS": {"Layers": ["sha256:11", layer.diff_id]},
    }
    return archive, image, BELOW + [blobs[0][0]]


def files_of(archive):
    with tarfile.open(fileobj=archive) as source:
        return {entry.name: source.extractfile(entry).read() for entry in source}


def archive_of(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as target:
        for name, content in files.items():
            target.addfile(layers.plain(name, 0o644, len(content)), io.BytesIO(content))
    stream.seek(0)
    return stream


def test_the_blob_of_a_layer_is_the_same_again_and_holds_it(layer, tmp_path):
    first, path = oci.compress(layer, str(tmp_path))
    content = Path(path).read_bytes()
    assert first["digest"] == "sha256:" + hashlib.sha256(content).hexdigest()
    assert first["size"] == len(content)
    assert gzip.decompress(content) == Path(layer.path).read_bytes()
    assert oci.compress(layer, str(tmp_path))[0] == first


def test_every_blob_lies_under_its_digest_but_for_those_below(written):
    archive, _image, descriptors = written
    files = files_of(archive)
    for name, content in files.items():
        if name.startswith("blobs/sha256/"):
            assert hashlib.sha256(content).hexdigest() == name.rpartition("/")[2]
    index = json.loads(files["index.json"])
    assert "blobs/" + descriptors[-1]["digest"].replace(":", "/") in files
    assert "blobs/sha256/aa" not in files
    annotations = index["manifests"][0]["annotations"]
    assert annotations["io.containerd.image.name"] == "docker.io/example/housing:v1"


def test_what_was_written_is_found_again(written):
    archive, image, descriptors = written
    assert oci.find_blobs(archive, image) == descriptors
    assert oci.noted_blobs(image) == descriptors


def test_a_note_does_not_count_for_an_image_that_was_made_of_it(written):
    archive, image, _descriptors = written
    image["RootFS"]["Layers"].append("sha256:33")
    assert oci.noted_blobs(image) is None
    archive.seek(0)
    assert oci.find_blobs(archive, image) is None


@pytest.mark.parametrize("label", ["", "nonsense", "[]", "7", '["x", [[1]]]', '{"a": 1}', "null"])
def test_a_note_that_is_none_is_not_taken_for_one(label):
    image = {"Config": {"Labels": {oci.BLOBS_LABEL: label}}, "RootFS": {"Layers": []}}
    assert oci.noted_blobs(image) is None
    assert oci.noted_blobs({"Config": {}, "RootFS": {"Layers": []}}) is None


def test_an_index_of_several_platforms_is_looked_through(written):
    """As of an image that was pulled: of other platforms there is the name only."""
    archive, image, descriptors = written
    files = files_of(archive)
    manifests = json.loads(files["index.json"])["manifests"]
    inner = json.dumps({"manifests": [{"digest": "sha256:" + "0" * 64}, *manifests]}).encode()
    digest = hashlib.sha256(inner).hexdigest()
    files["blobs/sha256/" + digest] = inner
    files["index.json"] = json.dumps({"manifests": [{"digest": "sha256:" + digest}]}).encode()
    assert oci.find_blobs(archive_of(files), image) == descriptors


def test_docker_s_own_names_of_layers_become_those_of_the_specification(written):
    archive, image, _descriptors = written
    files = files_of(archive)
    index = json.loads(files["index.json"])
    old = "blobs/" + index["manifests"][0]["digest"].replace(":", "/")
    manifest = json.loads(files.pop(old))
    manifest["layers"][1]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    content = json.dumps(manifest).encode()
    digest = hashlib.sha256(content).hexdigest()
    files["blobs/sha256/" + digest] = content
    files["index.json"] = json.dumps({"manifests": [{"digest": "sha256:" + digest}]}).encode()
    found = oci.find_blobs(archive_of(files), image)
    assert found[1]["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
