# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import files as managed


def test_a_file_is_replaced_whole(tmp_path):
    path = str(tmp_path / "a")
    assert managed.read(path) is None
    managed.write(path, "é\n", 0o640, -1)
    assert managed.read(path) == "é\n" and os.stat(path).st_mode & 0o777 == 0o640
    before = os.stat(path).st_ino
    managed.write(path, "b", 0o600, -1)
    assert os.stat(path).st_ino != before and os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["a"]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = str(tmp_path / "a")
    managed.write(path, "old", 0o600, -1)

    def fails(*unused):
        raise OSError("full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError):
        managed.write(path, "new", 0o600, -1)
    assert managed.read(path) == "old" and os.listdir(tmp_path) == ["a"]


def test_an_existing_directory_keeps_its_mode_unless_it_is_ours(tmp_path):
    path = str(tmp_path / "a" / "b")
    uid, gid = os.geteuid(), os.getegid()
    managed.make_directory(path, 0o700, uid, gid)
    assert os.stat(path).st_mode & 0o777 == 0o700
    managed.make_directory(path, 0o755, uid, gid)
    assert os.stat(path).st_mode & 0o777 == 0o700
    managed.make_directory(path, 0o755, uid, gid, own=True)
    assert os.stat(path).st_mode & 0o777 == 0o755


def test_removing_what_is_gone_is_no_error(tmp_path):
    path = tmp_path / "a"
    path.touch()
    managed.remove_empty(str(tmp_path))
    assert tmp_path.exists()
    assert managed.remove(str(path)) and not managed.remove(str(path))
    managed.remove_empty(str(tmp_path))
    managed.remove_empty(str(tmp_path))
    assert not tmp_path.exists()


def test_difference_shows_a_missing_file_as_empty():
    assert managed.difference("/a", None, "x") == {
        "before_header": "/a",
        "after_header": "/a",
        "before": "",
        "after": "x",
    }
