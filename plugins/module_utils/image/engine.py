# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The container engine, Docker's or Podman's: the only place that talks to its API.

The talking is left to the Docker SDK for Python; here its many errors become one, whose message
says what to do.
"""

from __future__ import annotations

import json
import os
import traceback

from . import errors

try:
    import docker
    import requests.exceptions
    import urllib3.exceptions

    IMPORT_ERROR = None
except ImportError:
    docker = None
    IMPORT_ERROR = traceback.format_exc()

ImageError = errors.ImageError
DEFAULT_HOST = "unix:///var/run/docker.sock"


class Engine:
    """One engine.

    host     its address as DOCKER_HOST has it; "" takes that variable, or Docker's own socket
    seconds  how long to wait for an answer; a step of a build may be silent for longer than most
    """

    def __init__(self, host="", seconds=600):
        self.host = host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
        self._version = None
        try:
            self.client = docker.APIClient(base_url=self.host, version="auto", timeout=seconds)
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise ImageError(errors.unreachable(self.host, error)) from error

    @property
    def is_podman(self):
        """Whether it is Podman, which takes most of Docker's calls and not all."""
        # Asked once and only where it matters, because Podman takes up to a second for it.
        if self._version is None:
            self._version = self.call("version") or {}
        names = [part.get("Name", "") for part in self._version.get("Components") or []]
        return any("Podman" in name for name in names)

    def call(self, name, /, *arguments, **options):
        """Result of a method of docker.APIClient; None where what it names is not there."""
        try:
            return getattr(self.client, name)(*arguments, **options)
        except docker.errors.NotFound:
            return None
        except docker.errors.APIError as error:
            text = error.explanation or str(error)
            raise ImageError(errors.explain(text), errors.is_passing(text)) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise ImageError(errors.unreachable(self.host, error)) from error

    def image(self, name):
        """What the engine knows of an image; None where it has none of that name."""
        return self.call("inspect_image", name)

    def stream_call(self, name, *arguments, **options):
        """Calls a method of docker.APIClient that answers with a stream of JSON, to its end."""
        return self.stream(self.call(name, *arguments, **options) or ())

    def stream(self, lines, tell=None):
        """Reads a stream of JSON messages to its end; an error in it arrives after HTTP 200.

        Gives each message to tell(dict). Returns all of them.
        """
        seen = []
        try:
            for message in _messages(lines):
                if message.get("error") or message.get("errorDetail"):
                    detail = message.get("errorDetail") or {}
                    text = message.get("error") or detail.get("message") or "nothing"
                    raise ImageError(errors.explain(text), errors.is_passing(text))
                seen.append(message)
                if tell:
                    tell(message)
        except ValueError as error:
            raise ImageError("The engine at %s sent no JSON: %s." % (self.host, error)) from error
        except (
            docker.errors.DockerException,
            requests.exceptions.RequestException,
            # What breaks in the middle of an answer reaches us past requests.
            urllib3.exceptions.HTTPError,
        ) as error:
            raise ImageError(errors.unreachable(self.host, error)) from error
        return seen


def _messages(chunks):
    """Messages of a stream; docker.APIClient decodes some and not others, a long one in pieces."""
    rest = b""
    for chunk in chunks:
        if isinstance(chunk, dict):
            yield chunk
            continue
        *lines, rest = (rest + (chunk.encode() if isinstance(chunk, str) else chunk)).split(b"\n")
        yield from map(json.loads, filter(bytes.strip, lines))
    if rest.strip():
        yield json.loads(rest)
