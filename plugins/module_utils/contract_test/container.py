# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the image of a model for as long as it is tested, locked up as it should be able to run."""

from __future__ import annotations

import contextlib
import hashlib
import time

from ..client.error import LoadTestError
from ..image.errors import ImageError, tail
from .http import Endpoint

HOST = "127.0.0.1"
# Where Seldon has a model's container answer: HTTP, gRPC and metrics.
PORTS = {"http": 9000, "grpc": 5000, "metrics": 6000}
_POLL_SECONDS = 0.1
_TESTED_LABEL = "io.monitml.tested"


class Container:
    """One that runs. addresses: {"http": "127.0.0.1:PORT", "grpc": ..., "metrics": ...}."""

    def __init__(self, engine, identity):
        self._engine, self._identity = engine, identity
        self.addresses = {}
        # A container that has ended at once, or that somebody took away, has none.
        ports = self._state().get("NetworkSettings", {}).get("Ports") or {}
        for purpose, port in PORTS.items():
            for binding in ports.get("%d/tcp" % port) or []:
                self.addresses[purpose] = "%s:%s" % (HOST, binding["HostPort"])

    def _state(self):
        return self._engine.call("inspect_container", self._identity) or {"State": {}}

    def end(self, seconds=0):
        """How it ended, as a sentence with its last words; "" where it still runs after some seconds."""
        until = time.monotonic() + seconds
        state = self._state()["State"]
        while state.get("Running"):
            if time.monotonic() >= until:
                return ""
            time.sleep(_POLL_SECONDS)
            state = self._state()["State"]
        why = "was killed for want of memory" if state.get("OOMKilled") else "ended"
        code = state.get("ExitCode", "unknown")
        return "The container %s (exit code %s). %s" % (why, code, self.last_words())

    def last_words(self):
        """The end of its log, as a sentence."""
        log = self._engine.call("logs", self._identity, stdout=True, stderr=True, tail=200) or b""
        return "Its last words:\n%s" % (tail(log.decode("utf-8", "replace")) or "(it wrote nothing)")


@contextlib.contextmanager
def running(engine, image, environment, ready_seconds):
    """A Container of an image that can be asked, and is gone afterwards.

    image: name, as the engine has it; environment: added to the image's; ready_seconds: how long it
    may take until it can be asked. ImageError where it is not there, ends, or takes longer.
    """
    if not engine.image(image):
        raise ImageError(
            "The image %s is not on the engine at %s: build or pull it first." % (image, engine.host)
        )
    name = "monitml-gate-" + hashlib.sha256(image.encode()).hexdigest()[:12]
    # What an earlier test left that was killed.
    engine.call("remove_container", name, force=True, v=True)
    made = engine.call(
        "create_container",
        image,
        name=name,
        environment=environment,
        ports=sorted(PORTS.values()),
        labels={_TESTED_LABEL: image},
        host_config=engine.client.create_host_config(
            port_bindings={port: (HOST, None) for port in PORTS.values()},
            read_only=True,
            tmpfs={"/tmp": ""},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        ),
    )
    try:
        engine.call("start", made["Id"])
        container = Container(engine, made["Id"])
        _wait(container, image, ready_seconds)
        yield container
    finally:
        engine.call("remove_container", made["Id"], force=True, v=True)


def _wait(container, image, seconds):
    until = time.monotonic() + seconds
    while True:
        said = said_of_readiness(container.addresses)
        if not said:
            return
        ended = container.end()
        if ended:
            raise ImageError("%s could not be asked. %s" % (image, ended))
        if time.monotonic() > until:
            raise ImageError(
                "%s was not ready within %g s: %s %s"
                % (image, seconds, said, container.last_words())
            )
        time.sleep(_POLL_SECONDS)


def said_of_readiness(addresses):
    """What keeps a container from being asked; "" where it can be.

    The project's servers tell by /ready beside their metrics, after a prediction of their own;
    others have Seldon's /health/ping.
    """
    for purpose, path in (("metrics", "/ready"), ("http", "/health/ping")):
        answer = _ask(addresses.get(purpose), path)
        if answer is not None and answer.status == 200:
            return ""
        if answer is not None and answer.status and answer.status != 404:
            return "%s answers %d: %s" % (path, answer.status, answer.text[:300])
    return "it does not answer at port %d." % PORTS["http"]


def _ask(address, path):
    if not address:
        return None
    try:
        endpoint = Endpoint("http://%s%s" % (address, path), timeout=2.0)
        endpoint.reach()
        return endpoint.ask("GET")
    except LoadTestError:
        return None
