# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ways into pods through the cluster's API, as kubectl port-forward makes them.

A way leads to a pod that is ready when it is made: after a pod was replaced, the next one leads to
the new one. So nothing has to be reopened.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from urllib.parse import urlencode

from . import kinds
from .errors import KubernetesError

_BUFFER = 65536
# How long somebody who connects waits for a pod that is being replaced.
_PATIENCE_SECONDS = 20
_PAUSE_SECONDS = 0.2
# What is known of pods is asked again after so long, or when a way leads nowhere.
_FRESH_SECONDS = 1


class Way:
    """To a port of the pods of a selector."""

    def __init__(self, api, namespace: str, selector: str, port: int):
        self._api, self._namespace, self._selector, self._port = api, namespace, selector, port
        self._known: list[str] = []
        self._known_until = 0.0
        self._turn = 0

    def pods(self) -> list[str]:
        """Names of those that are ready; asked at most so often."""
        if time.monotonic() >= self._known_until:
            found = self._api.list(kinds.POD, self._namespace, self._selector)
            self._known = sorted(pod["metadata"]["name"] for pod in found if is_ready(pod))
            self._known_until = time.monotonic() + _FRESH_SECONDS
        return self._known

    def connect(self):
        """A socket to one of them, in turn; raises KubernetesError where there is none for long."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            pods = self.pods()
            if pods:
                self._turn += 1
                with contextlib.suppress(KubernetesError):
                    return self._open(pods[self._turn % len(pods)])
            self._known_until = 0.0
            if time.monotonic() >= until:
                raise KubernetesError(
                    f"No pod of {self._namespace} with {self._selector} is ready and lets us in at port {self._port}."
                )
            time.sleep(_PAUSE_SECONDS)

    def _open(self, pod: str):
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream import ws_client

        url = self._api.server + kinds.POD.path(self._namespace, pod) + "/portforward"
        query = [("ports", str(self._port))]
        try:
            forward = ws_client.portforward_call(
                self._api.configuration, "GET", url, headers=self._api.headers(), query_params=query
            )
        except ApiException as error:
            raise KubernetesError(f"Pod {pod}: {error.reason}") from error
        found = forward.socket(self._port)
        found.setblocking(True)
        return found

    def ask(self, method: str, path: str, seconds: float = 10) -> tuple[int, bytes]:
        """Status and body of what one of them answers; OSError where it does not."""
        connection = http.client.HTTPConnection("pod", timeout=seconds)
        connection.sock = self.connect()
        connection.sock.settimeout(seconds)
        try:
            connection.request(method, path, headers={"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def query(self, expression: str) -> list[dict]:
        """Labels of the samples that Prometheus has of an expression; none where it does not answer."""
        try:
            status, body = self.ask("GET", "/api/v1/query?" + urlencode({"query": expression}))
            return [one["metric"] for one in json.loads(body)["data"]["result"]] if status == 200 else []
        except (OSError, ValueError, KeyError):
            return []


def is_ready(pod: dict) -> bool:
    """Whether a pod takes requests."""
    conditions = pod.get("status", {}).get("conditions", [])
    return not pod["metadata"].get("deletionTimestamp") and any(
        one["type"] == "Ready" and one["status"] == "True" for one in conditions
    )


class Port:
    """A port of this machine that leads to a way. number: 0 takes one that is free."""

    def __init__(self, way: Way, address: str, number: int):
        self._way = way
        self._listener = socket.create_server((address, number), backlog=128)
        self.number = self._listener.getsockname()[1]

    def serve(self) -> None:
        """Takes connections, for ever."""
        while True:
            try:
                connection, _peer = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(connection,), daemon=True).start()

    def _carry(self, connection) -> None:
        with connection:
            try:
                there = self._way.connect()
            except (KubernetesError, OSError):
                return
            back = threading.Thread(target=_copy, args=(there, connection), daemon=True)
            back.start()
            _copy(connection, there)
            back.join()
            with contextlib.suppress(OSError):
                there.close()


def _copy(source, target) -> None:
    """Until one of them ends; then the other hears that nothing more comes."""
    with contextlib.suppress(OSError):
        while data := source.recv(_BUFFER):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
