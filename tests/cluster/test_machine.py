# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What cannot be had is said in a line, and what was not finished is not used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from testbed import machine, programs

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("os.geteuid", lambda: 1000, "root"),
        ("platform.machine", lambda: "riscv64", "x86-64"),
        ("shutil.which", lambda _name: None, "containernetworking-plugins"),
        ("hierarchies", list, "control groups"),
        (
            "subprocess.run",
            lambda *_words, **_options: subprocess.CompletedProcess(
                [], 1, "", "a\nnot permitted\n"
            ),
            "not permitted",
        ),
    ],
)
def test_a_machine_without_a_cluster_says_why_in_a_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object, why: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda one: f"/usr/bin/{one}")
    if name == "hierarchies":
        monkeypatch.setattr(machine, name, value)
    else:
        monkeypatch.setattr(name, value)
    said = machine.what_is_missing()
    assert why in said
    assert len(said.splitlines()) == 1


def test_tests_of_a_machine_without_a_cluster_are_skipped_and_the_build_is_too() -> None:
    """As somebody else than root, in a process of its own."""
    code = "import os; os.geteuid = lambda: 1000; import sys, runpy; sys.argv = sys.argv[1:]; "
    code += "runpy.run_module(sys.argv[0], run_name='__main__')"

    def run(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", code, *words]
        return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)

    tests = run("pytest", "-p", "no:cacheprovider", "-rs", "test_serving.py")
    assert tests.returncode == 0
    assert "no cluster here: it needs root" in tests.stdout
    assert "passed" not in tests.stdout
    build = run("testbed", "build")
    assert (build.returncode, build.stdout) == (0, "")
    assert "it needs root" in build.stderr
    assert run("testbed", "up", "--name", "nobody").returncode == 1


def test_half_a_build_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "CACHE", tmp_path)
    made = []

    def make(place: Path, name: str) -> None:
        (place / "half").touch()
        made.append(name)
        if len(made) == 1:
            raise subprocess.CalledProcessError(1, "go")
        assert sorted(path.name for path in place.iterdir()) == ["half"]
        (place / "whole").touch()

    with pytest.raises(subprocess.CalledProcessError):
        programs._once("thing", b"1", make)
    place = programs._once("thing", b"1", make)
    assert (place / "whole").exists()
    assert programs._once("thing", b"1", make) == place
    assert programs._once("thing", b"2", make) != place
    assert len(made) == 3


def test_versions_and_checksums_are_locked() -> None:
    for module in programs.GO.glob("*/go.mod"):
        assert (module.parent / "go.sum").stat().st_size > 10000
    assert "--hash=sha256:" in (programs.GO / "toolchain.txt").read_text()
