# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster's API: the only place that talks to it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import urlencode

from . import kinds
from .errors import KubernetesError, of_status, unreachable
from .kinds import Kind, kind_of, place_of, words_of

# Who we are among those who keep fields of objects.
FIELD_MANAGER = "monitml.stack"
_SECONDS = 30
_PAUSE_SECONDS = 0.5
# Nobody's fault, and over soon: too many requests, a server that starts or ends.
_PASSING = (429, 502, 503, 504)
# Such may be its word for what is wrong with an object, or a moment without a leader.
_PERHAPS_PASSING, _PERHAPS_SECONDS = 500, 3


def configuration(kubeconfig: str, context: str):
    """The client's configuration for a kubeconfig; raises KubernetesError."""
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise KubernetesError(
            f"The Python package {error.name} is missing on the controller: pip install kubernetes."
        ) from error
    found = client.Configuration()
    path = Path(kubeconfig).expanduser() if kubeconfig else None
    if path and not path.is_file():
        raise KubernetesError(
            f"monitml_kubernetes_kubeconfig is {kubeconfig}, and there is no such file on the controller. Correct it."
        )
    where = kubeconfig or "The usual kubeconfig (KUBECONFIG, else ~/.kube/config)"
    try:
        config.load_kube_config(
            config_file=str(path) if path else None, context=context or None, client_configuration=found
        )
    # A file that is no YAML, or no kubeconfig, fails in as many ways as there are.
    except Exception as error:  # pylint: disable=broad-exception-caught
        text = (str(error).splitlines() or [type(error).__name__])[0]
        raise KubernetesError(
            f"{where} cannot be used{f' with the context {context}' if context else ''}: {text.rstrip('.')}."
            " Name a kubeconfig with monitml_kubernetes_kubeconfig, and one of its contexts with"
            " monitml_kubernetes_context."
        ) from error
    return found


class Api:
    """One cluster. patience: how many seconds it may be away before that is an error."""

    def __init__(self, kubeconfig: str = "", context: str = "", patience: float = 60, clock=time):
        self.configuration = configuration(kubeconfig, context)
        from kubernetes.client import rest

        self._pool = rest.RESTClientObject(self.configuration).pool_manager
        self._patience, self._clock = patience, clock

    @property
    def server(self) -> str:
        """Its address."""
        return self.configuration.host

    def headers(self) -> dict[str, str]:
        """What lets us in; a token may be renewed meanwhile."""
        token = self.configuration.auth_settings().get("BearerToken")
        return {"authorization": token["value"]} if token and token["value"] else {}

    def request(
        self, method: str, path: str, body=None, query: dict | None = None, who: str = "", kind: str = "json"
    ) -> dict:
        """The answer to a request; raises KubernetesError. who: what a sentence is about."""
        url = self.server + path + (f"?{urlencode(query)}" if query else "")
        headers = {**self.headers(), "Accept": "application/json", "Content-Type": f"application/{kind}"}
        data = json.dumps(body) if body is not None else None
        answer = self._patiently(method, url, data, headers)
        content = _json(answer.data)
        if answer.status >= 400:
            raise of_status(who or path, self.server, answer.status, content)
        return content

    def text(self, path: str, query: dict | None = None) -> str:
        """An answer that is text, such as a log; "" where there is none."""
        url = self.server + path + (f"?{urlencode(query)}" if query else "")
        answer = self._patiently("GET", url, None, self.headers())
        return answer.data.decode("utf-8", "replace") if answer.status < 400 else ""

    def _patiently(self, method: str, url: str, data, headers: dict):
        """Everything that is asked here can be asked twice."""
        import urllib3

        start = self._clock.monotonic()
        until = start + self._patience
        while True:
            error = None
            try:
                answer = self._pool.request(
                    method, url, body=data, headers=headers, timeout=_SECONDS, retries=False
                )
                limit = until if answer.status in _PASSING else start
                if answer.status == _PERHAPS_PASSING:
                    limit = min(until, start + _PERHAPS_SECONDS)
                if self._clock.monotonic() >= limit:
                    return answer
            except (urllib3.exceptions.HTTPError, OSError) as failure:
                error = failure
            if error and (self._clock.monotonic() >= until or "CERTIFICATE" in str(error)):
                raise unreachable(self.server, error) from error
            self._clock.sleep(_PAUSE_SECONDS)

    # -- objects ----------------------------------------------------------------------------------

    def get(self, thing: dict) -> dict | None:
        """What the cluster has of an object, by its kind, namespace and name."""
        _kind, namespace, name = place_of(thing)
        return self._found(kind_of(thing).path(namespace, name), words_of(thing))

    def find(self, kind: Kind, namespace: str, name: str) -> dict | None:
        """The same of a kind."""
        return self._found(kind.path(namespace, name), f"{kind.name} {namespace}/{name}")

    def _found(self, path: str, who: str) -> dict | None:
        try:
            return self.request("GET", path, who=who)
        except KubernetesError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind: Kind, namespace: str = "", selector: str = "") -> list[dict]:
        """Objects of a kind; none where the cluster does not know the kind."""
        query = {"labelSelector": selector} if selector else None
        try:
            content = self.request("GET", kind.path(namespace), query=query, who=kind.plural)
        except KubernetesError as error:
            if error.code == 404:
                return []
            raise
        about = {"apiVersion": kind.api_version, "kind": kind.name}
        return [{**about, **item} for item in content["items"]]

    def apply(self, thing: dict, dry: bool = False) -> dict:
        """What an object is once our fields are as given, by server-side apply; dry: would be."""
        _kind, namespace, name = place_of(thing)
        query = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry else {})}
        path = kind_of(thing).path(namespace, name)
        return self.request("PATCH", path, thing, query, words_of(thing), "apply-patch+yaml")

    def patch(self, kind: Kind, namespace: str, name: str, body: dict) -> dict:
        """Merges something into an object that others made."""
        who = f"{kind.name} {namespace}/{name}"
        return self.request("PATCH", kind.path(namespace, name), body, who=who, kind="merge-patch+json")

    def delete(self, thing: dict) -> bool:
        """Has an object go, and what it owns; False where it was gone."""
        _kind, namespace, name = place_of(thing)
        body = {"propagationPolicy": "Background"}
        try:
            self.request("DELETE", kind_of(thing).path(namespace, name), body, who=words_of(thing))
        except KubernetesError as error:
            if error.code == 404:
                return False
            raise
        return True

    def end_pod(self, pod: dict, grace_seconds: int) -> None:
        """Has a pod end within so many seconds, whatever it holds."""
        about = pod["metadata"]
        path = kinds.POD.path(about["namespace"], about["name"])
        try:
            self.request("DELETE", path, {"gracePeriodSeconds": grace_seconds}, who=f"Pod {about['name']}")
        except KubernetesError as error:
            if error.code != 404:
                raise

    def may(self, verb: str, kind: Kind, namespace: str, subresource: str = "") -> bool:
        """Whether this account may do something with a kind in a namespace."""
        wanted = {"verb": verb, "group": kind.group, "resource": kind.plural}
        if kind.namespaced and namespace:
            wanted["namespace"] = namespace
        if subresource:
            wanted["subresource"] = subresource
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": wanted},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(self.request("POST", path, review, who="The rights of this account")["status"].get("allowed"))


def _json(data: bytes) -> dict:
    try:
        found = json.loads(data) if data else {}
    except ValueError:
        found = {"message": data[:200].decode("utf-8", "replace")}
    return found if isinstance(found, dict) else {"message": str(found)}
