# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Engines, registries, a builder and a model that the tests of images share."""

from __future__ import annotations

import json
import secrets

import pytest
from base_image import BUILDER, CA_FILE, make_builder, run_module
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
