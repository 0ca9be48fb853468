# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os

import pytest
import serve_files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model" / "parts").mkdir(parents=True)
    (tmp_path / "model" / "Model.py").write_text("one")
    (tmp_path / "model" / "parts" / "data.bin").write_text("x" * 100)
    return tmp_path / "model"


def test_nothing_changed_at_first(folder):
    assert serve_files.ModelFiles(str(folder), None, str(folder / "nowhere")).changed(0) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda at: (at / "Model.py").write_text("two"), ["Model.py"]),
        (lambda at: (at / "parts" / "data.bin").write_text("y" * 100), ["parts/data.bin"]),
        (lambda at: (at / "parts" / "data.bin").unlink(), ["parts/data.bin"]),
        (lambda at: (at / "parts" / "new.py").write_text(""), ["parts/new.py"]),
        (lambda at: (at / "cache.json").write_text(""), []),
        (lambda at: os.utime(at / "Model.py", (1, 1)), []),
        (lambda at: ((at / "__pycache__").mkdir(), (at / "__pycache__" / "Model.py").write_text("")), []),
    ],
    ids=["code", "same size", "removed", "code added", "written by the model", "touched", "compiled"],
)
def test_what_is_another_file_is_named(folder, change, named):
    files = serve_files.ModelFiles(str(folder))
    change(folder)
    assert files.changed(0) == named


def test_it_is_looked_now_and_then_and_what_is_put_back_is_as_it_was(folder):
    files = serve_files.ModelFiles(str(folder))
    (folder / "Model.py").write_text("two")
    assert files.changed(100) == ["Model.py"]
    (folder / "Model.py").write_text("one")
    assert files.changed(100 + serve_files.LOOK_SECONDS - 1) == ["Model.py"]
    assert files.changed(100 + serve_files.LOOK_SECONDS) == []


def test_large_files_are_told_by_their_size_and_times(folder, monkeypatch):
    monkeypatch.setattr(serve_files, "READ_BYTES", 10)
    files = serve_files.ModelFiles(str(folder))
    os.utime(folder / "parts" / "data.bin", (1, 1))
    assert files.changed(0) == ["parts/data.bin"]


def test_so_many_are_shown(folder):
    files = serve_files.ModelFiles(str(folder))
    for number in range(30):
        (folder / f"m{number:02}.py").write_text("")
    lines = [line for line in files.render({}).splitlines() if not line.startswith("#")]
    assert len(lines) == serve_files.NAMED
    assert lines[0] == 'monitml_model_file_changed{file="m00.py"} 1'
