# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Engines, registries, a builder and a model that the tests of images share."""

from __future__ import annotations

import json
import secrets

import pytest
from base_image import BASE, BUILDER, CA_FILE, make_builder, run_module
from building import CLASS
from daemons import Dockerd, Podman, Registry
from pushing import PASSWORD, USER, Pusher
from s2i_binary import find_s2i


@pytest.fixture(scope="session")
def dockerd():
    daemon = Dockerd().start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def podman():
    service = Podman().start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def registry():
    """One with TLS and a user, USER, whom PASSWORD lets in; the engines trust its CA."""
    made = Registry({USER: PASSWORD})
    yield made.start()
    made.remove()


@pytest.fixture
def new_registry():
    """Makes registries that go with the test."""
    made = []

    def make(**options):
        made.append(Registry(**options))
        return made[-1].start()

    yield make
    for one in made:
        one.remove()


@pytest.fixture
def no_login(tmp_path, monkeypatch):
    """Docker's configuration, which is not that of the person who runs the tests."""
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker/config.json"


@pytest.fixture
def pusher(dockerd, registry, capsys, no_login):
    return Pusher(dockerd, registry, capsys)


@pytest.fixture
def tiny_image(dockerd):
    """Name of an image of a few bytes, which no other has."""
    name = f"tiny-{secrets.token_hex(4)}:1"
    dockerd.import_image(name)
    yield name
    if dockerd.id_of(name):
        dockerd.client.remove_image(name, force=True)


@pytest.fixture(scope="session")
def builder(dockerd):
    """Name of the project's builder, on the engine."""
    result = make_builder(dockerd)
    assert "msg" not in result, result["msg"]
    return BUILDER


@pytest.fixture
def build(dockerd, builder):
    """Builds with s2i_image; images that tests name go with them."""
    made = []

    def run(source, name="monitml-test/small:1", check=False, **options):
        made.append(name)
        given = {"builder": builder, "engine_host": dockerd.host, "ca_file": CA_FILE, **options}
        result = run_module("s2i_image", check=check, name=name, source=str(source), **given)
        print(result.get("msg", ""))
        return result

    yield run
    for name in made:
        if dockerd.id_of(name):
            dockerd.client.remove_image(name, force=True)


@pytest.fixture
def small(tmp_path):
    """A model without requirements, in a folder of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "Small.py").write_text(CLASS % 7, encoding="utf-8")
    (folder / "environment_rest").write_text(
        "MODEL_NAME=Small\nGREETING=a b='c'\n", encoding="utf-8"
    )
    (folder / "contract.json").write_text(
        json.dumps(
            {
                "features": [
                    {"name": "x", "dtype": "FLOAT", "ftype": "continuous", "range": [0, 1]}
                ],
                "targets": [{"name": "y", "dtype": "INT", "ftype": "continuous", "range": [0, 9]}],
            }
        ),
        encoding="utf-8",
    )
    return folder


@pytest.fixture(scope="session")
def s2i():
    """Path of the real s2i program. A machine that neither has nor can make it says so."""
    path, missing = find_s2i()
    if missing:
        pytest.skip(missing)
    return path


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
