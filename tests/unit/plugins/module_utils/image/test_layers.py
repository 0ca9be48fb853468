# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layers: the same for the same content, whatever the times, the order and the owner's name."""

from __future__ import annotations

import io
import tarfile

from ansible_collections.monitml.stack.plugins.module_utils.image import layers
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=3).map("/".join)


def read(stream):
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        return {
            entry.name: (entry, archive.extractfile(entry).read() if entry.isreg() else None)
            for entry in archive
        }


def exported(entries):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for entry, content in entries:
            archive.addfile(entry, io.BytesIO(content) if content is not None else None)
    stream.seek(0)
    return stream


def entry(name, content=None, **settings):
    made = tarfile.TarInfo(name)
    made.size = len(content or b"")
    made.mtime, made.uname = 1700000000, "somebody"
    for key, value in settings.items():
        setattr(made, key, value)
    return made, content


def cut(entries, changes, left_out=()):
    stream = io.BytesIO()
    count = layers.write_changes(
        stream, exported(entries), [{"Path": p, "Kind": k} for p, k in changes], left_out
    )
    return count, read(stream), stream.getvalue()


@given(st.dictionaries(NAMES, st.binary(max_size=5), max_size=4), st.randoms())
def test_files_make_the_same_layer_in_any_order(contents, random):
    files = {n: c for n, c in contents.items() if not any(o.startswith(n + "/") for o in contents)}
    shuffled = list(files)
    random.shuffle(shuffled)
    streams = [io.BytesIO(), io.BytesIO()]
    layers.write_files(streams[0], "/home/app", {n: (0o600, files[n]) for n in files})
    layers.write_files(streams[1], "/home/app", {n: (0o644, files[n]) for n in shuffled})
    assert streams[0].getvalue() == streams[1].getvalue()
    found = read(streams[0])
    assert {n: found["home/app/" + n][1] for n in files} == files
    assert all(one.mtime == 0 and one.uid == 0 for one, _content in found.values())
    assert "home/app" in found and "home" not in found


def test_only_what_changed_is_in_a_layer():
    entries = [
        entry("a", b"new"),
        entry("b", b"old"),
        entry("tmp/x", b"no"),
        entry("d", type=tarfile.DIRTYPE),
    ]
    changes = [("/a", 1), ("/d", 0), ("/gone/file", 2), ("/tmp/x", 1)]
    count, found, text = cut(entries, changes, ("/tmp",))
    assert count == 3 and set(found) == {"a", "d", "gone/.wh.file"}
    assert found["a"][1] == b"new" and found["a"][0].mtime == 0 and found["a"][0].uname == ""
    assert cut(list(reversed(entries)), list(reversed(changes)), ("/tmp",))[2] == text
    assert b"somebody" not in text


def test_compiled_files_stay_out():
    assert cut([entry("p/__pycache__/m.pyc", b"x")], [("/p/__pycache__/m.pyc", 1)])[0] == 0


def test_a_link_to_a_file_of_a_layer_below_becomes_a_file():
    link = entry("b", type=tarfile.LNKTYPE, linkname="a")
    entries = [entry("a", b"content"), link]
    assert cut(entries, [("/b", 1)])[1]["b"][1] == b"content"
    both = cut(entries, [("/a", 1), ("/b", 1)])[1]
    assert both["b"][0].islnk() and both["b"][0].linkname == "a"


def test_an_image_names_the_layers_below_and_holds_those_above(tmp_path):
    path = tmp_path / "layer.tar"
    with path.open("wb") as stream:
        layers.write_files(stream, "/app", {"x": (0o644, b"1")})
    layer = layers.finish(str(path))
    parent = {
        "Architecture": "amd64",
        "Os": "linux",
        "RootFS": {"Layers": ["sha256:one", "sha256:two"]},
        "Config": {"User": "0", "Env": ["A=1"]},
    }
    config = layers.image_config(parent, {"User": "8888"}, [layer])
    assert config == layers.image_config(parent, {"User": "8888"}, [layer])
    stream = io.BytesIO()
    layers.write_image(stream, parent, config, [layer], ["a/b:1"])
    found = read(stream)
    assert len(found) == 3 and found["layer-0.tar"][1] == path.read_bytes()
    assert b"below/1" in found["manifest.json"][1]
    assert b'"User":"8888"' in config and layer.diff_id.encode() in config
