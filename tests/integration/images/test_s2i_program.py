# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""s2i_image with the real s2i program, and with stand-ins for what that does seldom."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from building import CLASS, fails, holds, left_by_s2i, running

NAME = "monitml-test/small-s2i:1"


@pytest.fixture
def build_s2i(build, s2i):
    return lambda source, name=NAME, **options: build(
        source, name, **{"method": "s2i", "s2i_path": s2i, **options}
    )


@pytest.fixture
def stand_in(tmp_path):
    """Makes a program of a script."""

    def write(script):
        path = tmp_path / "stand-in"
        path.write_text("#!/bin/sh\n" + script, encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    return write


def test_the_program_builds_a_model_that_answers(dockerd, build_s2i, small):
    # What follows a # is a branch to s2i, and this folder is in no checkout.
    folder = small.rename(small.with_name("small#1"))
    (folder / ".s2iignore").write_text("notes*\n", encoding="utf-8")
    (folder / "notes.txt").write_text("not for the image", encoding="utf-8")
    first = build_s2i(folder, labels={"team": "prices"})
    assert first["changed"] and first["id"] == dockerd.id_of(NAME)
    with running(dockerd, NAME) as (ask, _metrics, container):
        assert ask({"data": {"ndarray": [[0.5], [0.6]]}})["data"]["ndarray"] == [7, 7]
        made = dockerd.client.exec_create(container, ["/bin/sh", "-c", "env; ls /microservice"])
        said = dockerd.client.exec_start(made["Id"]).decode()
        top = dockerd.client.top(container, ps_args="-eo pid,uid")
    assert "GREETING=a b='c'" in said and "Small.py" in said and "notes" not in said
    assert {row[1] for row in top["Processes"]} == {"8888"}
    labels = dockerd.client.inspect_image(NAME)["Config"]["Labels"]
    assert labels["team"] == "prices" and "io.openshift.s2i.build.image" in labels

    began = time.monotonic()
    assert not build_s2i(folder, labels={"team": "prices"})["changed"]
    assert time.monotonic() - began < 5, "most of it Python's start"
    (folder / "Small.py").write_text(CLASS % 8, encoding="utf-8")
    assert build_s2i(folder, check=True)["changed"] and dockerd.id_of(NAME) == first["id"]
    assert build_s2i(folder)["changed"]
    with running(dockerd, NAME) as (ask, _metrics, _container):
        assert ask({"data": {"ndarray": [[0.5]]}})["data"]["ndarray"] == [8]
    assert not left_by_s2i(dockerd)


def test_a_failing_assemble_is_told_with_the_end_of_its_log(dockerd, build_s2i, small, tmp_path):
    (small / "setup.py").write_text(
        "for line in range(400):\n    print('line', line)\nraise RuntimeError('cause-9f')\n",
        encoding="utf-8",
    )
    log = tmp_path / "log"
    told = fails(build_s2i(small, log_path=str(log)), f"s2i made no image {NAME}", "cause-9f")
    assert "line 1\n" not in told and "cause-9f" in log.read_text(encoding="utf-8")
    assert not dockerd.id_of(NAME) and not left_by_s2i(dockerd)


def test_what_is_lent_to_the_program_is_not_in_the_image(dockerd, build_s2i, small, tmp_path):
    secret = "https-user-password-40f1"
    config = tmp_path / "pip.conf"
    config.write_text(f"[secret]\nindex = {secret}\n", encoding="utf-8")
    # The model looks at what its build was lent: it was there.
    (small / "setup.py").write_text(
        "from setuptools import setup\n"
        f"assert {secret[:12]!r} in open('/etc/pip.conf').read()\n"
        "setup(name='small', py_modules=['Small'])\n",
        encoding="utf-8",
    )
    result = build_s2i(small, pip_config=str(config))
    assert result.get("changed"), result
    assert not holds(dockerd, NAME, secret)


def test_an_image_of_before_does_not_hide_that_none_was_made(
    dockerd, build_s2i, s2i, small, stand_in
):
    first = build_s2i(small)
    (small / "Small.py").write_text(CLASS % 8, encoding="utf-8")
    fails(build_s2i(small, network="nowhere"), "s2i made no image", "network nowhere not found")
    fails(build_s2i(small, memory_bytes=64 << 20), "s2i cannot limit", "method layered")
    # Without its arguments it explains itself at length, and ends with 0.
    script = stand_in(f"exec {s2i} build --copy\n")
    told = fails(build_s2i(small, s2i_path=script), "(exit code 0)", "builderImage")
    assert "--copy" not in told
    assert dockerd.id_of(NAME) == first["id"] and not left_by_s2i(dockerd)


def test_a_program_that_hangs_is_stopped(build, small, stand_in, tmp_path):
    script = stand_in(f"echo $$ > {tmp_path}/pid\necho begun\nexec sleep 60\n")
    began = time.monotonic()
    told = build(small, NAME, method="s2i", s2i_path=script, timeout_seconds=1)
    assert time.monotonic() - began < 30
    fails(told, "said nothing for 1 s", "raise timeout_seconds")
    assert not Path("/proc", (tmp_path / "pid").read_text(encoding="utf-8").strip()).exists()


def test_a_program_that_is_none(dockerd, build, small, stand_in):
    given = {"method": "s2i", "name": NAME}
    fails(build(small, s2i_path="/nowhere/s2i", **given), "/nowhere/s2i", "layered")
    path = stand_in("")
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("neither a script nor a program")
    fails(build(small, s2i_path=path, **given), path, "cannot be run")
    assert not dockerd.id_of(NAME)
