#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""EKS clusters and what is in them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_cluster_info
short_description: Describe Amazon EKS clusters
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Describes one cluster or all of a region, with their node groups, add-ons, access entries and
    Pod Identity associations if asked.
options:
  name:
    description:
      - Name of the cluster. All clusters without it; none of this name is an empty list.
    type: str
  contents_listed:
    description:
      - Whether node groups, add-ons, access entries and associations are described too.
    type: bool
    default: false
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - monitml.stack.eks
"""

EXAMPLES = r"""
- name: Look at a cluster and what is in it
  monitml.stack.eks_cluster_info:
    name: training-eks
    contents_listed: true
  register: found
"""

RETURN = r"""
clusters:
  description: The clusters as AWS describes them, in snake case.
  returned: success
  type: list
  elements: dict
  sample:
    - name: training-eks
      status: ACTIVE
      version: "1.35"
      nodegroups: [{nodegroup_name: worker-group-1, status: ACTIVE}]
      addons: [{addon_name: vpc-cni, status: ACTIVE}]
      access_entries: []
      pod_identity_associations: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.eks import api as eks_api
from ..module_utils.eks.errors import EksError

CONTENTS = (
    # returned as, list call, its key, describe call, its parameter, its key
    ("nodegroups", "list_nodegroups", "nodegroups", "describe_nodegroup", "nodegroupName", "nodegroup"),
    ("addons", "list_addons", "addons", "describe_addon", "addonName", "addon"),
    (
        "access_entries",
        "list_access_entries",
        "accessEntries",
        "describe_access_entry",
        "principalArn",
        "accessEntry",
    ),
)


def contents_of(api: eks_api.Api, name: str) -> dict:
    found = {}
    for returned, listing, key, describing, parameter, answer in CONTENTS:
        items = []
        for item in api.pages(listing, key, clusterName=name):
            described = api.find(describing, clusterName=name, **{parameter: item})
            if described:  # None: deleted since it was listed
                items.append(eks_api.describe(described[answer]))
        found[returned] = items
    listing = ("list_pod_identity_associations", "associations")
    associations = api.pages(*listing, clusterName=name)
    found["pod_identity_associations"] = [eks_api.describe(item) for item in associations]
    return found


def main() -> None:
    options = {"name": {"type": "str"}, "contents_listed": {"type": "bool", "default": False}}
    module = AnsibleAWSModule(argument_spec=options, supports_check_mode=True)
    api = eks_api.Api(module.client("eks", config=eks_api.RETRIES))
    clusters = []
    try:
        given = module.params["name"]
        for name in [given] if given else api.pages("list_clusters", "clusters"):
            answer = api.find("describe_cluster", name=name)
            if answer:
                contents = contents_of(api, name) if module.params["contents_listed"] else {}
                clusters.append({**eks_api.describe(answer["cluster"]), **contents})
    except EksError as error:
        eks_api.fail(module, error)
    module.exit_json(changed=False, clusters=clusters)


if __name__ == "__main__":
    main()
