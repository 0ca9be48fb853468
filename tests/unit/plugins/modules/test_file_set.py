# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import os
import pwd

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.plugin_utils._archive import pack
from ansible_collections.monitml.stack.plugins.modules import file_set

ME = pwd.getpwuid(os.geteuid()).pw_name


def run(capsys, **options):
    with patch_module_args(options), pytest.raises(SystemExit) as caught:
        file_set.main()
    return caught.value.code, json.loads(capsys.readouterr().out)


def one(path, content="a\n", **more):
    return {"path": str(path), "content": content, "owner": ME, **more}


def mode(path):
    return os.stat(path).st_mode & 0o777


def test_files_are_put_in_place_once_and_in_order(capsys, tmp_path):
    paths = [str(tmp_path / "b/c/2"), str(tmp_path / "1")]
    files = [one(paths[0], mode="0600"), one(paths[1], "é\n")]
    code, result = run(capsys, files=files)
    assert (code, result["changed"], result["paths"]) == (0, True, paths)
    assert mode(paths[0]) == 0o600 and mode(tmp_path / "b") == 0o755
    assert (tmp_path / "1").read_text(encoding="utf-8") == "é\n"
    assert run(capsys, files=files)[1]["paths"] == []


def test_a_mode_alone_is_put_right(capsys, tmp_path):
    run(capsys, files=[one(tmp_path / "a")])
    (tmp_path / "a").chmod(0o666)
    refuses = one(tmp_path / "a", validate="false %s")
    assert run(capsys, files=[refuses])[1]["changed"] and mode(tmp_path / "a") == 0o644


def test_a_link_is_replaced_and_not_followed(capsys, tmp_path):
    (tmp_path / "other").write_text("mine")
    (tmp_path / "a").symlink_to(tmp_path / "other")
    assert run(capsys, files=[one(tmp_path / "a", "mine")])[1]["changed"]
    assert not (tmp_path / "a").is_symlink() and (tmp_path / "other").read_text() == "mine"


def test_what_is_refused_stays_as_it_was(capsys, tmp_path):
    path = tmp_path / "a.yml"
    run(capsys, files=[one(path, "good")])
    refuse = "python3 -c 'import sys; sys.exit(sys.argv[1] + \" is bad\")' %s"
    code, result = run(capsys, files=[one(path, "bad", validate=refuse)])
    assert code == 1 and f"{path} is bad" in result["msg"]
    assert path.read_text() == "good" and os.listdir(tmp_path) == ["a.yml"]
    accept = "python3 -c 'import sys; sys.exit(not sys.argv[1].endswith(\".yml\"))' %s"
    assert run(capsys, files=[one(path, "new", validate=accept)])[0] == 0
    assert path.read_text() == "new"


def test_check_mode_tells_and_changes_nothing(capsys, tmp_path):
    code, result = run(
        capsys,
        directories=[{"path": str(tmp_path / "d"), "owner": "nobody-has-this-name"}],
        files=[one(tmp_path / "d/a", owner="nobody-has-this-name", validate="/nowhere %s")],
        _ansible_check_mode=True,
        _ansible_diff=True,
    )
    assert code == 0 and result["paths"] == [str(tmp_path / "d"), str(tmp_path / "d/a")]
    assert result["diff"][1]["after"] == "a\n" and os.listdir(tmp_path) == []


def test_a_user_brings_the_group_whatever_its_name():
    nobody = pwd.getpwnam("nobody")
    assert file_set.ids("nobody", check=False) == (nobody.pw_uid, nobody.pw_gid)
    assert file_set.ids("nobody-has-this-name", check=True) == (-1, -1)


def test_directories_get_their_mode(capsys, tmp_path):
    wanted = [{"path": str(tmp_path / "a/b"), "owner": ME, "mode": "0750"}]
    assert run(capsys, directories=wanted)[1]["changed"]
    assert mode(tmp_path / "a/b") == 0o750 and mode(tmp_path / "a") == 0o755
    assert not run(capsys, directories=wanted)[1]["changed"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"owner": "nobody-has-this-name"}, "does not exist"),
        ({"mode": "rw"}, "octal"),
        ({"path": "/proc/no/such"}, "/proc/no"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(capsys, tmp_path, given, told):
    code, result = run(capsys, files=[{**one(tmp_path / "a"), **given}])
    assert code == 1 and told in result["msg"] and "Traceback" not in result["msg"]


def test_sources_arrive_without_what_is_no_part_of_a_model(capsys, tmp_path):
    model = tmp_path / "model"
    (model / "__pycache__").mkdir(parents=True)
    (model / "__pycache__/m.pyc").write_bytes(b"")
    (model / "m.py").write_bytes(bytes(range(256)) * 1000)
    (model / "run").write_text("#!/bin/sh\n")
    (model / "run").chmod(0o700)
    (model / "link").symlink_to(model / "run")
    archive, home = tmp_path / "sources.tar", tmp_path / "home"
    sources = [
        {"src": str(model), "path": str(home / "model")},
        {"src": str(model / "run"), "path": str(home / "runtime/other")},
    ]
    with archive.open("wb") as target:
        pack(sources, target)
    code, result = run(capsys, archive=str(archive))
    names = ["model/link", "model/m.py", "model/run", "runtime/other"]
    assert code == 0 and result["paths"] == [str(home / name) for name in names]
    assert (home / "model/m.py").read_bytes() == (model / "m.py").read_bytes()
    assert [mode(home / name) for name in names] == [0o755, 0o644, 0o755, 0o755]
    assert not run(capsys, archive=str(archive))[1]["changed"]


def test_a_marker_counts_as_a_change_until_it_is_removed(capsys, tmp_path):
    marker = tmp_path / "to_be_taken_up"
    wanted = {"files": [one(tmp_path / "a")], "marker": str(marker)}
    assert run(capsys, **wanted, _ansible_check_mode=True)[1]["changed"] and not marker.exists()
    assert run(capsys, **wanted)[1]["changed"] and marker.exists()
    code, result = run(capsys, **wanted)
    assert (code, result["changed"], result["paths"]) == (0, True, [])
    marker.unlink()
    assert not run(capsys, **wanted)[1]["changed"] and not marker.exists()


def test_a_marker_is_made_before_what_it_stands_for(capsys, tmp_path):
    refuses = one(tmp_path / "a", validate="false %s")
    code, _result = run(capsys, files=[refuses], marker=str(tmp_path / "b/marker"))
    assert code == 1 and (tmp_path / "b/marker").exists() and not (tmp_path / "a").exists()
