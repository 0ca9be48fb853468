# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""s2i_builder and s2i_image on a real engine, with the models that the project ships."""

from __future__ import annotations

import os
import shutil

import pytest
from base_image import BASE, ROOT, import_base, make_builder, run_module
from building import CLASS, containers, fails, holds, make_tiny_builder, running

HOUSE = {"data": {"ndarray": [[7, 47.5, -122.2, 1800, 0, 1970]]}}


def test_the_builder_is_made_once_and_the_same_again(dockerd, builder):
    assert not make_builder(dockerd)["changed"]
    told = make_builder(dockerd, check=True, name="monitml-test/other:1")
    assert told["changed"] and "bin/assemble:" in told["diff"]["after"] and told["id"] == ""
    assert not dockerd.id_of("monitml-test/other:1")
    again = make_builder(dockerd, name="monitml-test/again:1")
    try:
        assert again["changed"] and again["id"] == dockerd.id_of(builder)
    finally:
        dockerd.client.remove_image("monitml-test/again:1")


def test_a_trained_model_serves_as_nobody_and_counts_its_rows(dockerd, build, tmp_path):
    name = "monitml-test/housing:1"
    result = build(ROOT / "models/housing", name)
    assert result["changed"] and result["model_class"] == "HousingModel"
    config = dockerd.client.inspect_image(name)["Config"]
    assert config["User"] == "8888" and config["Cmd"] == ["/s2i/bin/run"]
    with running(dockerd, name) as (ask, metrics, container):
        price = ask(HOUSE)["data"]["ndarray"][0]
        assert 100_000 < price < 2_000_000
        ask({"data": {"ndarray": HOUSE["data"]["ndarray"] * 3}})
        series = [
            line for line in metrics().splitlines() if line.startswith("monitml_prediction_count")
        ]
        assert sum(float(line.rsplit(" ", 1)[1]) for line in series) == 4
        top = dockerd.client.top(container, ps_args="-eo pid,uid")
        assert {row[1] for row in top["Processes"]} == {"8888"}
    assert not build(ROOT / "models/housing", name)["changed"]
    # The code alone: neither is anything installed again nor trained.
    layers = dockerd.client.inspect_image(name)["RootFS"]["Layers"]
    copy = shutil.copytree(ROOT / "models/housing", tmp_path / "housing")
    with (copy / "HousingModel.py").open("a", encoding="utf-8") as code:
        code.write("# changed\n")
    assert build(copy, name)["changed"]
    now = dockerd.client.inspect_image(name)["RootFS"]["Layers"]
    assert now[:-1] == layers[:-1] and now[-1] != layers[-1]


def test_content_decides_and_nothing_else(dockerd, build, small, tmp_path):
    first = build(small)
    assert first["changed"] and first["id"] == dockerd.id_of("monitml-test/small:1")
    os.utime(small / "Small.py", (1, 1))
    assert not build(small)["changed"]
    moved = shutil.copytree(small, tmp_path / "moved")
    assert not build(moved)["changed"]
    # The same content under another name is the same image.
    assert build(moved, "monitml-test/small:2")["id"] == first["id"]
    (small / "Small.py").write_text(CLASS % 8, encoding="utf-8")
    told = build(small, check=True)
    assert told["changed"] and dockerd.id_of("monitml-test/small:1") == first["id"]
    before, after = (set(told["diff"][key].split()) for key in ("before", "after"))
    assert [line.split(":")[0] for line in after - before] == ["Small.py"]
    assert build(small)["changed"] and dockerd.id_of("monitml-test/small:1") != first["id"]
    (small / "Small.py").chmod(0o755)
    assert build(small, check=True)["changed"]
    (small / "Small.py").chmod(0o644)
    assert build(small, labels={"team": "prices"})["changed"]
    labels = dockerd.client.inspect_image("monitml-test/small:1")["Config"]["Labels"]
    assert labels["team"] == "prices"


@pytest.mark.parametrize("method", ["layered", "commit"])
def test_either_method_gives_a_model_that_answers(dockerd, build, small, method):
    name = f"monitml-test/small-{method}:1"
    (small / ".s2iignore").write_text("notes*\n", encoding="utf-8")
    (small / "notes.txt").write_text("not for the image", encoding="utf-8")
    assert build(small, name, method=method)["changed"]
    assert not build(small, name, method=method)["changed"]
    with running(dockerd, name) as (ask, _metrics, container):
        assert ask({"data": {"ndarray": [[0.5], [0.6]]}})["data"]["ndarray"] == [7, 7]
        made = dockerd.client.exec_create(container, ["/bin/sh", "-c", "env; ls /microservice"])[
            "Id"
        ]
        said = dockerd.client.exec_start(made).decode()
    assert "GREETING=a b='c'" in said and "Small.py" in said and "notes" not in said
    assert not containers(dockerd)


def test_what_is_lent_to_a_build_is_not_in_the_image(dockerd, build, small, tmp_path):
    secret = "https-user-password-40f1"
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\ntimeout = 77\n[secret]\nindex = {secret}\n", encoding="utf-8")
    # The model looks at what its build was lent: it was there.
    (small / "setup.py").write_text(
        "from setuptools import setup\n"
        f"assert {secret[:12]!r} in open('/etc/pip.conf').read()\n"
        "setup(name='small', py_modules=['Small'])\n",
        encoding="utf-8",
    )
    for method in ("layered", "commit"):
        name = f"monitml-test/lent-{method}:1"
        result = build(small, name, method=method, pip_config=str(config))
        assert result.get("changed"), result
        assert not holds(dockerd, name, secret)


def test_a_build_that_fails_says_why_and_leaves_nothing(dockerd, build, small, tmp_path):
    (small / "requirements.txt").write_text("no-such-package-anywhere-9f==1\n", encoding="utf-8")
    log = tmp_path / "log"
    for method in ("layered", "commit"):
        fails(
            build(small, method=method, log_path=str(log)),
            "assemble of the builder failed",
            "no-such-package-anywhere-9f",
        )
        assert "no-such-package-anywhere-9f" in log.read_text(encoding="utf-8")
    assert not containers(dockerd) and not dockerd.id_of("monitml-test/small:1")
    (small / "requirements.txt").unlink()
    assert build(small)["changed"]


def test_a_build_without_memory_says_so(dockerd, build, small):
    (small / "setup.py").write_text("x = bytearray(400 << 20)\n" * 2, encoding="utf-8")
    fails(build(small, memory_bytes=64 << 20), "want of memory", "memory_bytes")
    assert not containers(dockerd)


def test_bad_input_gets_a_sentence_before_anything_is_built(dockerd, build, small, tmp_path):
    fails(build(tmp_path / "nowhere"), "nowhere", "correct source")
    fails(build(small, builder="monitml-test/none:1"), "monitml-test/none:1", "s2i_builder")
    fails(build(small, builder=BASE), "no builder", "scripts-url")
    fails(build(small, "monitml-test/small"), "with a tag")
    fails(build(small, engine_host="unix:///nowhere/socket"), "/nowhere/socket", "start Docker")
    fails(build(small, environment_file="/nowhere/env"), "/nowhere/env")
    fails(build(small, pip_config="/nowhere/pip.conf"), "pip_config", "no such file")
    fails(build(small, training_data="/nowhere.csv"), "/nowhere.csv")
    fails(build(small, method="s2i", s2i_path="/nowhere/s2i"), "/nowhere/s2i", "layered")
    (small / "environment_rest").write_text("API_TYPE=REST\n", encoding="utf-8")
    fails(build(small), "MODEL_NAME=<class>")
    (small / "environment_rest").write_text("MODEL_NAME=Other\n", encoding="utf-8")
    fails(build(small), "Other.py")
    (small / "environment_rest").unlink()
    fails(build(small), "environment_rest")
    assert not dockerd.id_of("monitml-test/small:1") and not containers(dockerd)


def test_podman_builds_the_same_way(podman, small):
    builder = "localhost/monitml-test/tiny:1"
    base = import_base(podman, "localhost/monitml-test/base:1")
    made = make_tiny_builder(podman, base, builder, small.parent)
    assert made.get("changed"), made
    for method in ("layered", "commit"):
        given = {"engine_host": podman.host, "builder": builder, "method": method}
        name = f"localhost/monitml-test/{method}:1"
        result = run_module("s2i_image", name=name, source=str(small), **given)
        assert result.get("changed"), result
        assert not run_module("s2i_image", name=name, source=str(small), **given)["changed"]
        container = podman.client.create_container(name)["Id"]
        podman.client.start(container)
        assert podman.client.wait(container)["StatusCode"] == 0
        said = podman.client.logs(container).decode()
        assert "done" in said and "return [7 " in said
        podman.client.remove_container(container, force=True)
