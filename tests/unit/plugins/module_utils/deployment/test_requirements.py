# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.deployment.requirements import lines, packages
from hypothesis import given
from hypothesis import strategies as st

THERE = {
    "Model.py": "",
    "base.txt": "idna\n",
    "sub/more.txt": "-c bounds.txt\n-r ../base.txt\n./whl/acme-1.0-py3-none-any.whl\n",
    "sub/bounds.txt": "idna<4\n",
    "whl/acme-1.0-py3-none-any.whl": "",
    "acme-2.0.tar.gz": "",
    "lib/setup.py": "",
    "lib/lib.py": "",
    "my lib/setup.py": "",
}


def look(text, files=None):
    files = {**(THERE if files is None else files), "requirements.txt": text}
    return packages(files, lambda name: files[name].encode())


def named(text):
    found = look(text)
    assert not found["problems"]
    return set(found["files"]) - {"requirements.txt"}


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("pandas\nnumpy==1.26.*  # ./whl/no.whl\n", set()),
        ("--index-url https://user:word@host/simple\n--pre\n-i https://host/simple\n", set()),
        ("-r base.txt", {"base.txt"}),
        ("-rbase.txt", {"base.txt"}),
        ("--requirement=base.txt", {"base.txt"}),
        ("--constraint base.txt # why", {"base.txt"}),
        ("-r \\\nbase.txt\n", {"base.txt"}),
        ("\ufeff-r base.txt", {"base.txt"}),
        ("-r sub/more.txt", {"sub/more.txt", "sub/bounds.txt", "base.txt", "whl/acme-1.0-py3-none-any.whl"}),
        ("./whl/acme-1.0-py3-none-any.whl", {"whl/acme-1.0-py3-none-any.whl"}),
        ("whl/acme-1.0-py3-none-any.whl[extra] ; python_version > '3'", {"whl/acme-1.0-py3-none-any.whl"}),
        ("acme @ ./whl/acme-1.0-py3-none-any.whl", {"whl/acme-1.0-py3-none-any.whl"}),
        ("acme[a] @ file:whl/acme-1.0-py3-none-any.whl --hash=sha256:ab", {"whl/acme-1.0-py3-none-any.whl"}),
        ("acme-2.0.tar.gz", {"acme-2.0.tar.gz"}),
        ("./lib", {"lib/setup.py", "lib/lib.py"}),
        ("lib/", {"lib/setup.py", "lib/lib.py"}),
        ("-e ./lib[extra]", {"lib/setup.py", "lib/lib.py"}),
        ("-e 'my lib'", {"my lib/setup.py"}),
        ("--find-links whl", {"whl/acme-1.0-py3-none-any.whl"}),
        ("--find-links /opt/wheels\n-f https://host/wheels", set()),
        (".", set(THERE)),
        ("-e .", set(THERE)),
        # A package that is called as a folder is: pip takes it from the index.
        ("lib", set()),
        ("git+https://host/acme.git\nacme @ https://host/acme.whl\n-e git+ssh://host/acme#egg=acme\n-r https://host/r.txt", set()),
    ],
)
def test_what_is_named_is_found(text, files):
    assert named(text) == files


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pandas\n-r nowhere.txt", "requirements.txt, line 2, names nowhere.txt, and there is no such file in the model's folder"),
        ("./whl/none.whl", "line 1, names ./whl/none.whl, and there is nothing of that name"),
        ("-e nowhere", "names nowhere, and there is nothing of that name"),
        ("none-1.0-py3-none-any.whl", "there is nothing of that name"),
        ("../shared/acme.whl", "../shared/acme.whl, which lies outside of the model's folder: put it there"),
        ("-r /etc/base.txt", "/etc/base.txt, which lies outside"),
        ("acme @ file:///opt/acme.whl", "/opt/acme.whl, which lies outside"),
    ],
)
def test_what_is_not_there_is_told(text, told):
    (problem,) = look(text)["problems"]
    assert told in problem


def test_a_file_that_is_named_below_tells_where():
    files = {"sub/more.txt": "\n\n-c gone.txt\n"}
    assert look("-r sub/more.txt", files)["problems"][0].startswith("sub/more.txt, line 3, names gone.txt")


def test_files_that_name_each_other_are_read_once():
    assert look("-r other.txt", {"other.txt": "-r requirements.txt\n"})["files"] == ["other.txt", "requirements.txt"]


def test_flags_tell_how_it_is_installed():
    files = {"setup.py": b"", "Model.py": b""}
    alone = packages(files, files.get)
    assert (alone["project"], alone["requirements"], alone["files"]) == (True, False, ["Model.py", "setup.py"])
    assert look("-e .", {"setup.py": ""})["editable"] and not look(".", {"setup.py": ""})["editable"]
    # As in source-to-image, requirements come before setup.py.
    assert not look("pandas", {"setup.py": ""})["project"]
    assert not look("# nothing\n\n", {})["requirements"] and look("pandas", {})["requirements"]
    assert packages([], None)["files"] == []


@given(st.text())
def test_no_text_breaks_it(text):
    files = {"requirements.txt": text.encode("utf-8", "replace"), "a.whl": b""}
    found = packages(files, files.get)
    assert "requirements.txt" in found["files"] or not found["problems"]
    assert all(number > 0 and line for number, line in lines(text))
