#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_chart
short_description: Has a release of a Helm chart in a Kubernetes cluster
version_added: 0.1.0
description:
  - Installs a chart with the program C(helm) of the controller, or brings its release to other values or another version,
    and waits until what it brings is up.
  - A release is as it should be where chart, version and values are. What a chart makes up each time that it is
    rendered, such as a certificate, is no difference; one that ends soon is renewed.
  - Only releases that this module has made are changed or taken away, and not one that others have come to use.
author:
  - The monitml.stack founders (@monitml)
extends_documentation_fragment:
  - monitml.stack.cluster
options:
  name:
    description: Name of the release.
    type: str
    required: true
  namespace:
    description: Its namespace, which has to be there.
    type: str
    required: true
  instance:
    description: Name of the stack in the cluster, which is the release's label.
    type: str
    required: true
  state:
    description: Whether the release is to be there.
    type: str
    choices: [present, absent]
    default: present
  chart:
    description: A folder or package on the controller, an C(oci://) address, or a name in O(repository).
    type: str
  repository:
    description: Address of the repository of a chart that is a name.
    type: str
    default: ""
  version:
    description: Version of a chart that is not on the controller.
    type: str
    default: ""
  values:
    description: Values for the chart.
    type: dict
    default: {}
  certificate:
    description: Of a chart that signs a certificate itself - where that is, and how long before its end it is renewed.
    type: dict
    suboptions:
      secret:
        description: Name of the secret with C(tls.crt).
        type: str
        required: true
      deployment:
        description: Name of the Deployment that is to take up a renewed one.
        type: str
        required: true
      days:
        description: How many days before its end it is renewed.
        type: int
        default: 60
  used_by:
    description: Kinds of which objects of others keep the release from being taken away.
    type: list
    elements: str
    default: []
  wait_seconds:
    description: How long what it brings may take to be up.
    type: int
    default: 300
  helm:
    description: The program.
    type: str
    default: helm
attributes:
  check_mode:
    description: Can run in check mode, in which it says what it would do.
    support: full
  diff_mode:
    description: Shows chart, status and values.
    support: full
requirements:
  - kubernetes (Python package on the machine that the module runs on)
  - cryptography (Python package there, for O(certificate))
  - helm 3.13 or newer, where there is something to do
"""

EXAMPLES = r"""
- name: Have Istio's control plane
  monitml.stack.cluster_chart:
    name: istiod
    namespace: istio-system
    instance: monitml
    chart: istiod
    repository: https://istio-release.storage.googleapis.com/charts
    version: 1.27.3
"""

RETURN = r"""
removed:
  description: The release that was taken away, in words.
  returned: success
  type: list
  elements: str
kept_for:
  description: What others have that needs the release, which was therefore left to them.
  returned: success
  type: list
  elements: str
"""

import datetime

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.yaml import yaml_dump

from ..module_utils.kubernetes import charts, kinds
from ..module_utils.kubernetes.api import Api
from ..module_utils.kubernetes.errors import KubernetesError
from ..module_utils.kubernetes.helm import Chart, Helm

ARGUMENT_SPEC = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "instance": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "chart": {"type": "str"},
    "repository": {"type": "str", "default": ""},
    "version": {"type": "str", "default": ""},
    "values": {"type": "dict", "default": {}},
    "certificate": {
        "type": "dict",
        "options": {
            "secret": {"type": "str", "required": True, "no_log": False},
            "deployment": {"type": "str", "required": True},
            "days": {"type": "int", "default": 60},
        },
    },
    "used_by": {"type": "list", "elements": "str", "default": []},
    "wait_seconds": {"type": "int", "default": 300},
    "helm": {"type": "str", "default": "helm"},
}


def present(api, helm, wanted, seconds, check):
    """What the module says of a release that is to be there; raises KubernetesError."""
    now = datetime.datetime.now(datetime.timezone.utc)
    before, after = charts.difference(api, helm, wanted, now)
    if before != after and not check:
        charts.bring(api, helm, wanted, seconds, now, after.get("certificate") == "renewed")
    diff = {"before": _text(wanted, before), "after": _text(wanted, after)}
    return {"changed": before != after, "removed": [], "kept_for": [], "diff": diff}


def absent(api, helm, wanted, used_by, check):
    """What it says of one that is to go; raises KubernetesError."""
    gone, others = charts.take_away(api, helm, wanted, used_by, check)
    removed = [wanted.words] if gone else []
    diff = {"before": "".join(f"{words}\n" for words in removed), "after": ""}
    return {"changed": gone or bool(others), "removed": removed, "kept_for": others, "diff": diff}


def _text(wanted, what):
    return yaml_dump({wanted.words: what}, sort_keys=True) if what else ""


def main():
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        required_if=[("state", "present", ["chart"])],
        supports_check_mode=True,
    )
    given = module.params
    try:
        for kind in given["used_by"]:
            kinds.named(kind)
        where = (given["kubeconfig"] or "", given["context"] or "")
        api, helm = Api(*where), Helm(given["helm"], *where)
        chart = Chart(given["chart"] or "", given["repository"], given["version"])
        wanted = charts.Release(
            given["name"], given["namespace"], given["instance"], chart, given["values"], given["certificate"] or {}
        )
        if given["state"] == "present":
            result = present(api, helm, wanted, given["wait_seconds"], module.check_mode)
        else:
            result = absent(api, helm, wanted, given["used_by"], module.check_mode)
    except KubernetesError as error:
        module.fail_json(msg=f"{error}{' Nothing has been changed.' if module.check_mode else ''}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
