# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""images.yml as people call it who build otherwise, or from a base image that is elsewhere."""

from __future__ import annotations

import os

import pytest
from base_image import BASE, changes, play, read_record
from conftest import PASSWORD, USER


@pytest.fixture
def run(variables, small):
    """Runs images.yml for one small model; what it printed, and the record of the model."""
    predictor = {"name": "only", "version": "v1", "model": str(small), "traffic": 100}
    given = {**variables, "monitml_deployment": {"name": "small", "predictors": [predictor]}}

    def images(**options):
        text = play("images", variables={**given, **options})
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
    _text, record = run(images_method="s2i")
    assert record["digest"] == pushed(registry, record)
    labels = dockerd.client.inspect_image(record["image"])["Config"]["Labels"]
    assert "io.openshift.s2i.build.image" in labels
    text, again = run(images_method="s2i")
    assert changes(text) == 0 and again == record
    with (small / "Small.py").open("a", encoding="utf-8") as code:
        code.write("# changed\n")
    _text, after = run(images_method="s2i")
    assert after["digest"] == pushed(registry, after) != record["digest"]
