#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_configuration
short_description: Has what watches in a Kubernetes cluster take up its configuration
version_added: 0.1.0
description:
  - Files of a ConfigMap reach a pod up to some minutes after they were applied. This has the node bring them at once,
    has Prometheus and Alertmanager read them, and waits until Prometheus works by them.
  - Then it waits until Prometheus has read what it is expected to.
author:
  - The monitml.stack founders (@monitml)
extends_documentation_fragment:
  - monitml.stack.cluster
options:
  namespace:
    description: Namespace of what watches.
    type: str
    required: true
  selector:
    description: Labels of its pod, as V(name=value).
    type: str
    required: true
  digest:
    description: What the configuration says of itself, in the label C(digest) of O(series).
    type: str
    required: true
  series:
    description: The recorded series that says which configuration is read.
    type: str
    required: true
  expected:
    description: Sets of labels of C(monitml_model_info), each of which some sample has to have.
    type: list
    elements: dict
    default: []
  timeout_seconds:
    description: How long to wait for each.
    type: int
    default: 90
  reload:
    description: Whether it is ours to have it read anew; else it is only waited for whoever does that.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode, in which it only says whether the configuration is read.
    support: full
"""

EXAMPLES = r"""
- name: Take up the configuration
  monitml.stack.cluster_configuration:
    namespace: monitml
    selector: app.kubernetes.io/name=monitml-analytics
    digest: 0123456789abcdef
    series: monitml:configuration:info
"""

RETURN = r""" # """

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.kubernetes import kinds
from ..module_utils.kubernetes.analytics import PORTS
from ..module_utils.kubernetes.api import Api
from ..module_utils.kubernetes.errors import KubernetesError
from ..module_utils.kubernetes.tunnel import Way

ARGUMENT_SPEC = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "namespace": {"type": "str", "required": True},
    "selector": {"type": "str", "required": True},
    "digest": {"type": "str", "required": True},
    "series": {"type": "str", "required": True},
    "expected": {"type": "list", "elements": "dict", "default": []},
    "timeout_seconds": {"type": "int", "default": 90},
    "reload": {"type": "bool", "default": True},
}
_PAUSE_SECONDS = 0.3
# An annotation that nobody reads; that it is another has the node look at the pod.
_NUDGE = "monitml.stack/configuration"


class Watching:
    """The pod that watches."""

    def __init__(self, api, given):
        self._api, self._given = api, given
        where = (api, given["namespace"], given["selector"])
        self._prometheus, self._alertmanager = (Way(*where, PORTS[name]) for name in ("prometheus", "alertmanager"))

    def is_there(self):
        """Whether there is one that takes requests."""
        return bool(self._prometheus.pods())

    def is_current(self):
        """Whether Prometheus works by the configuration."""
        found = self._prometheus.query(self._given["series"])
        return [one.get("digest") for one in found] == [self._given["digest"]]

    def take_up(self):
        """Has it read the configuration; raises KubernetesError where it does not."""
        for pod in self._prometheus.pods() if self._given["reload"] else []:
            annotations = {"metadata": {"annotations": {_NUDGE: self._given["digest"]}}}
            self._api.patch(kinds.POD, self._given["namespace"], pod, annotations)
        refused = ""
        until = time.monotonic() + self._given["timeout_seconds"]
        while not self.is_current():
            if time.monotonic() >= until:
                raise KubernetesError(
                    "Prometheus did not take up its configuration." + (f" It says: {refused}" if refused else "")
                )
            try:
                if self._given["reload"]:
                    status, body = self._prometheus.ask("POST", "/-/reload")
                    refused = body.decode("utf-8", "replace").strip() if status != 200 else ""
            except OSError as error:
                refused = str(error)
            time.sleep(_PAUSE_SECONDS)
        if not self._given["reload"]:
            return
        # The files come in one piece, and it may have come while Prometheus had read all but the rules.
        for way in (self._prometheus, self._alertmanager):
            way.ask("POST", "/-/reload")

    def missing(self):
        """What is expected and not read yet."""
        found = self._prometheus.query("monitml_model_info")
        wanted = [{name: str(value) for name, value in one.items()} for one in self._given["expected"]]
        return [one for one in wanted if not any(one.items() <= labels.items() for labels in found)]

    def wait_for_models(self):
        """Waits until every model server has been read."""
        until = time.monotonic() + self._given["timeout_seconds"]
        while missing := self.missing():
            if time.monotonic() >= until:
                raise KubernetesError(f"Prometheus has not read, within {self._given['timeout_seconds']} s: {missing}.")
            time.sleep(_PAUSE_SECONDS)


def main():
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    given = module.params
    try:
        watching = Watching(Api(given["kubeconfig"] or "", given["context"] or ""), given)
        current = watching.is_there() and watching.is_current()
        if not module.check_mode:
            if not current:
                watching.take_up()
            watching.wait_for_models()
    except (KubernetesError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=not current)


if __name__ == "__main__":
    main()
