# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cluster that all tests here share, and a namespace in it for each."""

from __future__ import annotations

import fcntl
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stack import build_images
from testbed import machine, sharing
from testbed.cluster import Cluster
from testbed.programs import ROOT, locked

# The engine of the tests of images, of which a machine has one.
sys.path.append(str(ROOT / "tests/integration/images"))
from base_image import import_base  # noqa: E402
from daemons import Dockerd  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "alone: what the test does to the cluster, other tests must not see"
    )


@pytest.fixture(scope="session")
def able() -> None:
    """Skips where this machine can have no cluster, and says why."""
    missing = machine.what_is_missing()
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def shared_cluster(able: None) -> Iterator[Cluster]:
    """The cluster of this run, which its processes share."""
    with sharing.shared(sharing.name_here("tests")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def images(shared_cluster: Cluster) -> Path:
    """What images.yml writes down of the models' images, which the cluster can pull: built by who comes first."""
    record = shared_cluster.directory / "images.yml"
    with locked(shared_cluster.directory / "images.lock"):
        if not record.exists():
            daemon = Dockerd().start()
            try:
                build_images(shared_cluster, daemon.host, import_base(daemon), record)
            finally:
                daemon.stop()
    return record


@pytest.fixture
def cluster(shared_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster; for a test with the mark `alone`, while no other test has it."""
    alone = request.node.get_closest_marker("alone")
    with (shared_cluster.directory / "tests").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield shared_cluster


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that goes with the test."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60].strip("-")
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
