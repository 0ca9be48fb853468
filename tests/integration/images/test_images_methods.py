# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""images.yml as people call it who build otherwise, or from a base image that is elsewhere."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from base_image import BASE, changes, play, read_record


@pytest.fixture
def run(variables, small):
    """Runs images.yml for one small model; what it printed, and the record of the model."""
    predictor = {"name": "only", "version": "v1", "model": str(small), "traffic": 100}
    given = {**variables, "monitml_deployment": {"name": "small", "predictors": [predictor]}}

    def images(check=True, **options):
        text = play("images", variables={**given, **options}, check=check)
        return text, read_record(given["images_record_path"])["only"]

    return images


def pushed(registry, record):
    """Digest that the registry has under the name of a record."""
    path, tag = record["image"].removeprefix(registry.address + "/").rsplit(":", 1)
    return registry.digest(path, tag)


def test_a_base_image_that_is_elsewhere_is_pulled_and_a_commit_pushed(
    dockerd, registry, new_registry, run
):
    base = f"{new_registry().address}/base"
    dockerd.client.tag(BASE, base, "1")
    for message in dockerd.client.push(base, "1", stream=True, decode=True):
        assert "error" not in message, message
    dockerd.client.remove_image(f"{base}:1")
    given = {"images_base": f"{base}:1", "images_base_pull": True, "images_method": "commit"}
    try:
        _text, record = run(**given)
        assert dockerd.id_of(f"{base}:1") == dockerd.id_of(BASE)
        assert record["digest"] == pushed(registry, record)
        text, again = run(**given)
        assert changes(text) == 0 and again == record
    finally:
        if dockerd.id_of(f"{base}:1"):
            dockerd.client.remove_image(f"{base}:1")


def test_what_the_s2i_program_builds_is_pushed(
    dockerd, registry, run, s2i, small, tmp_path, monkeypatch
):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/s2i").symlink_to(s2i)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    # What is given to the role reaches the build: its setup.py looks for it.
    (tmp_path / "pip.conf").write_text("[of-a-test]\na = 1\n", encoding="utf-8")
    (small / "setup.py").write_text(
        "from setuptools import setup\n"
        "assert 'of-a-test' in open('/etc/pip.conf').read()\n"
        "setup(name='small', py_modules=['Small'])\n",
        encoding="utf-8",
    )
    given = {
        "images_method": "s2i",
        "images_pip_config": str(tmp_path / "pip.conf"),
        "images_log_path": str(tmp_path / "log"),
    }
    _text, record = run(**given)
    assert record["digest"] == pushed(registry, record)
    labels = dockerd.client.inspect_image(record["image"])["Config"]["Labels"]
    assert "io.openshift.s2i.build.image" in labels
    assert "Build completed" in (tmp_path / "log").read_text(encoding="utf-8")
    text, again = run(**given)
    assert changes(text) == 0 and again == record
    (small / "setup.py").unlink()
    text, again = run(**given, images_memory_bytes=64 << 20, check=False)
    assert "s2i cannot limit the memory" in text and again == record
    text, again = run(**given, images_registry_ca_file=given["images_pip_config"], check=False)
    assert "which holds no certificates" in " ".join(text.split()) and again == record
    text, again = run(**given, images_on_existing="fail", check=False)
    assert "already holds another image" in " ".join(text.split()) and again == record
    assert record["digest"] == pushed(registry, record)


def times_tested(dockerd, name, since):
    """How many containers of an image were made to be tested, since a time."""
    filters = {"type": "container", "event": "create", "label": f"io.monitml.tested={name}"}
    return len(list(dockerd.client.events(since=since, until=time.time() + 1, filters=filters)))


def test_what_is_in_an_image_is_listed_and_one_that_has_passed_is_not_tested_again(
    dockerd, run, tmp_path
):
    began = int(time.time())
    options = {
        "images_sbom_directory": str(tmp_path / "sbom"),
        "images_syft": str(Path(sys.executable).with_name("syft")),
    }
    _text, record = run(**options)
    assert times_tested(dockerd, record["image"], began) == 1
    (made,) = (tmp_path / "sbom").iterdir()
    assert made.name == f"small-v1-{record['id'].split(':')[1][:12]}.cdx.json"
    parts = {(one["name"], one["version"]) for one in json.loads(made.read_text())["components"]}
    assert ("seldon-core", "1.17.1") in parts and "libc6" in {name for name, _version in parts}

    # As from the inventory, where the record lies by default.
    text, again = run(**options, monitml_images={"only": record})
    assert changes(text) == 0 and again == record
    assert times_tested(dockerd, record["image"], began) == 1


def test_without_syft_nothing_is_begun(dockerd, variables):
    given = {"images_sbom_directory": "/nowhere", "images_syft": "/nowhere/syft"}
    text = play("images", variables={**variables, **given}, check=False)
    assert "Syft does not run at '/nowhere/syft': install it" in " ".join(text.split())
    assert not dockerd.id_of(variables["images_repository"] + "/housing:v1")
