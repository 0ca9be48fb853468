# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""images.yml against a real registry, and a stack that runs what it pushed."""

from __future__ import annotations

import json
import shutil

import pytest
from base_image import BASE, BUILDER, CA_FILE, ROOT, changes, play, read_record
from conftest import PASSWORD, USER

STACK = {
    "monitml_instance": "monitml-images",
    "monitml_gateway_port": 18104,
    "monitml_gateway_admin_port": 18105,
    "monitml_model_port": 19100,
    "monitml_prometheus_port": 13101,
    "monitml_alertmanager_port": 13105,
    "monitml_inbox_port": 13106,
    "monitml_node_exporter_port": 13107,
}


@pytest.fixture
def variables(dockerd, builder, registry, tmp_path):
    """What a person gives to images.yml who has a registry and a password in a file."""
    assert builder == BUILDER
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    given = {
        "images_engine_host": dockerd.host,
        "images_base": BASE,
        "images_base_pull": False,
        "images_builder": BUILDER,
        "images_ca_file": CA_FILE,
        "images_repository": f"{registry.address}/models-{tmp_path.parent.name[-6:].strip('-')}",
        "images_registry_username": USER,
        "images_registry_password_file": str(tmp_path / "password"),
        "images_registry_ca_file": str(registry.ca_file),
        "images_record_path": str(tmp_path / "inventory/images.yml"),
    }
    yield given
    for image in dockerd.client.images():
        for name in image["RepoTags"] or []:
            if name.startswith(given["images_repository"]):
                dockerd.client.remove_image(name, force=True)


def repository(registry, variables, name):
    return variables["images_repository"].removeprefix(registry.address + "/") + "/" + name


def containers(dockerd):
    """Names of those of images.yml and of the stack; other tests have theirs on the same engine."""
    names = [one["Names"][0] for one in dockerd.client.containers(all=True)]
    return sorted(name for name in names if name.startswith(("/monitml-gate-", "/monitml-images-")))


def test_what_is_pushed_is_what_the_deployment_runs(dockerd, registry, variables):
    play("images", variables=variables)
    record = read_record(variables["images_record_path"])
    assert set(record) == {"good", "bad"}
    for name, one in (("housing", record["good"]), ("housing-bad", record["bad"])):
        path = repository(registry, variables, name)
        assert one["digest"] == registry.digest(path, one["version"])
        assert one["image"] == f"{registry.address}/{path}:{one['version']}"
    assert PASSWORD not in json.dumps(record)
    assert changes(play("images", variables=variables)) == 0
    assert not containers(dockerd)

    # As on another machine: what runs comes from the registry, by its digest.
    for one in record.values():
        dockerd.client.remove_image(one["image"], force=True)
    for one in record.values():
        place = one["image"].rpartition(":")[0]
        login = {"username": USER, "password": PASSWORD}
        dockerd.client.pull(f"{place}@{one['digest']}", auth_config=login)
    stack = {
        **STACK,
        "monitml_images": record,
        "canary_runtime": "container",
        "canary_engine_host": dockerd.host,
    }
    try:
        play("site", variables=stack)
        assert changes(play("site", variables=stack)) == 0
        assert containers(dockerd) == [
            "/monitml-images-model-bad-0",
            "/monitml-images-model-good-0",
        ]
        said = play("loadtest", variables={**stack, "n": 60})
        assert "60 requests, 60 answers" in said and "0 errors" in said
    finally:
        text = play("destroy", variables={**STACK, "canary_engine_host": dockerd.host})
    assert "container monitml-images-model-good-0" in text
    assert not containers(dockerd)


def test_an_image_that_breaks_its_contract_keeps_all_from_being_pushed(
    dockerd, registry, variables, tmp_path
):
    folder = shutil.copytree(ROOT / "models/housing_bad", tmp_path / "negative")
    code = (folder / "HousingBadModel.py").read_text(encoding="utf-8")
    (folder / "HousingBadModel.py").write_text(code.replace("100", "-100"), encoding="utf-8")
    variables["images_repository"] += "-gate"
    deployment = {
        "name": "housing",
        "predictors": [
            {"name": "good", "version": "v1", "model": "housing_bad", "traffic": 75},
            {"name": "bad", "version": "v9", "model": str(folder), "traffic": 25},
        ],
    }
    text = play("images", variables={**variables, "monitml_deployment": deployment}, check=False)
    assert "negative:v9 did not pass its test, so nothing was pushed" in text
    assert not registry.digest(repository(registry, variables, "housing-bad"), "v1")
    assert not containers(dockerd)
    # Run as a container, it is refused before anything changes: nothing was written down.
    stack = {**STACK, "monitml_deployment": deployment, "canary_runtime": "container"}
    text = play("site", variables=stack, check=False)
    assert "predictor 'good' has no image to run as a container: run images.yml" in text


def test_check_mode_builds_and_pushes_nothing(dockerd, registry, variables):
    variables["images_repository"] += "-check"
    text = play("images", "--check", "--diff", variables=variables)
    assert changes(text) and "+HousingModel.py:" in text
    assert not registry.digest(repository(registry, variables, "housing"), "v1")
    assert not dockerd.id_of(variables["images_repository"] + "/housing:v1")
