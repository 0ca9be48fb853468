# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at what was built: whether it serves, and whether it failed as it should."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request

from base_image import run_module

CLASS = "class Small:\n    def predict(self, X, names=(), meta=None):\n        return [%d for _row in X]\n"


@contextlib.contextmanager
def running(dockerd, image):
    """(ask, metrics, container) of a container that serves, as locked up as the canary has it."""
    client = dockerd.client
    host = client.create_host_config(
        port_bindings={9000: ("127.0.0.1",), 6000: ("127.0.0.1",)},
        read_only=True,
        tmpfs={"/tmp": ""},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    container = client.create_container(image, ports=[9000, 6000], host_config=host)["Id"]
    try:
        client.start(container)
        ports = client.inspect_container(container)["NetworkSettings"]["Ports"]
        assert ports.get("9000/tcp"), client.logs(container).decode()
        urls = ["http://127.0.0.1:" + ports[f"{port}/tcp"][0]["HostPort"] for port in (9000, 6000)]
        until(lambda: get(urls[1] + "/ready"), client, container)
        yield (
            lambda body: json.loads(get(urls[0] + "/api/v1.0/predictions", body)),
            lambda: get(urls[1] + "/metrics"),
            container,
        )
    finally:
        client.remove_container(container, force=True)


def get(url, body=None):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def until(what, client, container, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return what()
        except (OSError, urllib.error.HTTPError):
            assert time.monotonic() < deadline, client.logs(container).decode()
            time.sleep(0.1)


def containers(dockerd):
    """Containers of builds that stay; those of another test on the same engine end some time."""
    deadline = time.monotonic() + 90
    while True:
        left = dockerd.client.containers(all=True, filters={"label": "io.monitml.stage=build"})
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)


def make_tiny_builder(engine, base, name, directory, **options):
    """Result of s2i_builder for a builder that needs no network, whose files go below a directory."""
    files = {
        "install": "#!/bin/sh\nmkdir -p /microservice\n",
        "bin/assemble": "#!/bin/sh\ncd /microservice; cp -R /tmp/src/. .; echo done > made\n",
        "bin/run": "#!/bin/sh\ncat made *.py\n",
    }
    given = []
    for path, text in files.items():
        src = directory / path
        src.parent.mkdir(exist_ok=True)
        src.write_text(text, encoding="utf-8")
        src.chmod(0o755)
        given.append({"src": str(src), "path": path})
    arguments = {"name": name, "base": base, "files": given, "engine_host": engine.host}
    return run_module("s2i_builder", **arguments, **options)


def left_by_s2i(dockerd):
    """Containers that the s2i program left, which names them so."""
    return [
        name
        for one in dockerd.client.containers(all=True)
        for name in one["Names"]
        if name.startswith("/s2i_")
    ]


def holds(dockerd, image, word):
    """Whether a word is in an image: in its files, what the engine tells of it, or its history."""
    client = dockerd.client
    if word in json.dumps([client.inspect_image(image), client.history(image)]):
        return True
    container = client.create_container(image)["Id"]
    try:
        rest = b""
        for block in client.export(container):
            if word.encode() in rest + block:
                return True
            rest = block[-len(word) :]
        return False
    finally:
        client.remove_container(container)


def fails(result, *words):
    assert result.get("failed"), result
    assert all(word in result["msg"] for word in words), result["msg"]
    assert len(result["msg"].splitlines()) <= 15
    return result["msg"]
