# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who has which cluster: shared by the processes of a test run, or kept until somebody ends it.

A user of a shared cluster holds a lock, which the system takes back however the user ends. A cluster
whose lock nobody holds was left by a run that was killed, and goes when the next one starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from .cluster import Cluster
from .programs import ROOT, build, locked
from .sandbox import is_free, network_of

# Not /tmp, which may be memory; and short, for the sockets in it.
BASE = Path("/var/tmp/monitml-cluster")
_LOCKS = BASE / "locks"
_SLOTS = range(200)


def name_here(kind: str) -> str:
    """Name of a cluster of this checkout, so that two checkouts can be tested at once."""
    return f"{kind}-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]}"


@contextlib.contextmanager
def shared(name: str, with_istio: bool = True) -> Iterator[Cluster]:
    """The cluster of a name, made by who comes first and ended by who goes last."""
    _claim()
    _sweep()
    with _Users(name) as users:
        with _gate(name):
            if users.are_none_but_me():
                # Whatever is there was left by a run that was killed.
                _remove(name)
                users.share()
                cluster = _make(name, with_istio)
            else:
                users.share()
                cluster = _find(name) or _make(name, with_istio)
        try:
            yield cluster
        finally:
            with _gate(name):
                if users.are_none_but_me():
                    _remove(name)


def keep(name: str, with_istio: bool = True) -> Cluster:
    """Makes the cluster of a name, which stays until end(name); one that is there goes first."""
    _claim()
    _sweep()
    with _gate(name):
        _remove(name)
        cluster = _make(name, with_istio, kept=True)
    return cluster


def end(name: str) -> bool:
    """Ends the cluster of a name and removes all of it. Returns whether there was one."""
    _claim()
    with _gate(name):
        return _remove(name)


def find(name: str) -> Cluster | None:
    """The cluster of a name, where it is up."""
    return _find(name)


def _claim() -> None:
    """Makes the folder of all of them, where anybody may make one."""
    BASE.mkdir(mode=0o700, exist_ok=True)
    if BASE.stat().st_uid != os.geteuid():
        raise PermissionError(f"{BASE} is somebody else's")
    _LOCKS.mkdir(exist_ok=True)


class _Users:
    """The lock that says whether anybody uses the cluster of a name."""

    def __init__(self, name: str) -> None:
        self._path = _LOCKS / f"{name}.users"

    def __enter__(self) -> _Users:
        self._file = self._path.open("a")
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def share(self) -> None:
        """Becomes one of them."""
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def are_none_but_me(self) -> bool:
        """Whether nobody else is one, who then cannot become one until this is closed or shared."""
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False


@contextlib.contextmanager
def _gate(name: str) -> Iterator[None]:
    """One at a time makes, joins, leaves or removes the cluster of a name."""
    with locked(_LOCKS / f"{name}.gate"):
        yield


def _sweep() -> None:
    """Removes the clusters that runs left which were killed, of whatever name."""
    for directory in sorted(BASE.glob("*/slot")):
        name = directory.parent.name
        with contextlib.suppress(BlockingIOError), (_LOCKS / f"{name}.gate").open("a") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with _Users(name) as users:
                if not (directory.parent / "kept").exists() and users.are_none_but_me():
                    _remove(name)


def _make(name: str, with_istio: bool, kept: bool = False) -> Cluster:
    programs = build()
    directory = BASE / name
    with locked(_LOCKS / "slots"):
        taken = {int(path.read_text()) for path in BASE.glob("*/slot")}
        slot = next(one for one in _SLOTS if one not in taken and is_free(network_of(one)))
        directory.mkdir(mode=0o700)
        if kept:
            (directory / "kept").touch()
        (directory / "slot").write_text(str(slot))
    try:
        return Cluster(directory, slot, programs).start(with_istio)
    except BaseException:
        # What is half there serves nobody; MONITML_CLUSTER_KEEP leaves it to be looked at.
        if not os.environ.get("MONITML_CLUSTER_KEEP"):
            _remove(name)
        raise


def _find(name: str) -> Cluster | None:
    slot = BASE / name / "slot"
    cluster = Cluster(slot.parent, int(slot.read_text())) if slot.exists() else None
    return cluster if cluster and cluster.is_up else None


def _remove(name: str) -> bool:
    directory = BASE / name
    slot = directory / "slot"
    if not slot.exists():
        if directory.exists():
            directory.rmdir()
        return False
    Cluster(directory, int(slot.read_text())).sandbox.remove()
    return True
