# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds and pushes where a disk is full: what is told, and that nothing stays behind."""

from __future__ import annotations

import pytest
from base_image import import_base, run_module
from building import fails, make_tiny_builder
from pushing import Pusher
from small_disks import CannotMount, DockerdOnSmallDisk, SmallDisk

MIB = 1 << 20
NAME = "monitml-test/large:1"
BUILDER = "monitml-test/tiny:1"
FULL = "The disk of the engine is full: free some"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """One with a small disk, and a builder on it."""
    try:
        made = DockerdOnSmallDisk(600)
    except CannotMount as error:
        pytest.skip(f"this machine does not let tests mount a small disk: {error}")
    try:
        files = tmp_path_factory.mktemp("builder")
        base = import_base(made.start())
        assert make_tiny_builder(made, base, BUILDER, files, network="none").get("changed")
        yield made
    finally:
        made.stop()


@pytest.fixture
def build(engine, small):
    """Builds a model with so much beside its code."""

    def run(method, mib):
        (small / "weights").write_bytes(bytes(mib * MIB))
        given = {"source": str(small), "builder": BUILDER, "method": method, "network": "none"}
        return run_module("s2i_image", name=NAME, engine_host=engine.host, **given)

    engine.disk.resize(24)
    return run


def left(engine):
    return engine.client.containers(all=True) or engine.id_of(NAME)


def test_a_full_engine_says_so_and_keeps_nothing(engine, build):
    fails(build("layered", 32), FULL, "docker system prune")
    assert not left(engine)
    # What is copied into the container fits, and what assemble makes of it does not.
    # The engine keeps nothing of what that said, so that the cause is a guess.
    fails(build("commit", 16), "assemble of the builder failed", "as where its disk is full")
    assert not left(engine)
    fails(build("commit", 32), FULL)
    assert not left(engine)
    engine.disk.resize(128)
    for method in ("layered", "commit"):
        assert build(method, 16).get("changed")


@pytest.mark.usefixtures("no_login")
def test_a_full_registry_says_so_and_keeps_the_tag_as_it_was(engine, new_registry, capsys):
    registry = new_registry()
    try:
        disk = SmallDisk(registry.directory / "storage", 4)
    except CannotMount as error:
        pytest.skip(f"this machine does not let tests mount a small disk: {error}")
    try:
        engine.disk.resize(128)
        pusher = Pusher(engine, registry, capsys)
        engine.import_image("tiny:1")
        first = pusher.push("tiny:1")
        # The same layer, so that the engine does not try for a minute to send another.
        container = engine.client.create_container("tiny:1", command=["none"])["Id"]
        engine.client.commit(container, "tiny", "1", changes=["LABEL more=1"])
        engine.client.remove_container(container)
        disk.resize(0)
        for tag in ("1", "2"):
            assert "may be because it is full" in pusher.refuse("tiny:1", tag=tag)
        assert pusher.digest() == first["digest"] and pusher.digest("2") is None
        disk.resize(4)
        assert pusher.push("tiny:1")["changed"]
    finally:
        registry.stop()
        disk.remove()
