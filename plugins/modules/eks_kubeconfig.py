#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kubeconfig of an EKS cluster, in a file of its own."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_kubeconfig
short_description: Write the kubeconfig of an Amazon EKS cluster
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Writes a kubeconfig that means the same as what C(aws eks update-kubeconfig) writes, to a file
    of its own with mode V(0600).
  - The file holds no secret. The AWS CLI makes a token each time one is needed.
  - The user's own C(~/.kube/config) is never written; it is refused as O(path).
options:
  cluster_name:
    description:
      - Name of the cluster. It must exist when O(state=present).
    type: str
    required: true
  path:
    description:
      - The file to write or remove.
    type: path
    required: true
  alias:
    description:
      - Name of the context. The ARN of the cluster by default.
    type: str
  user_alias:
    description:
      - Name of the user. The ARN of the cluster by default.
    type: str
  role_arn:
    description:
      - IAM role that the AWS CLI takes for a token.
    type: str
  token_profile:
    description:
      - Profile that the AWS CLI uses for a token. O(profile) by default.
    type: str
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - monitml.stack.eks
  - monitml.stack.eks.state
"""

EXAMPLES = r"""
- name: Write the kubeconfig
  monitml.stack.eks_kubeconfig:
    cluster_name: training-eks
    path: ~/.kube/training-eks.yml
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /home/founder/.kube/training-eks.yml
endpoint:
  description: Address of the Kubernetes API.
  returned: when O(state=present)
  type: str
  sample: https://EXAMPLE.gr7.us-east-2.eks.amazonaws.com
context:
  description: Name of the context in it.
  returned: when O(state=present)
  type: str
  sample: arn:aws:eks:us-east-2:123456789012:cluster/training-eks
"""

import os
import tempfile

from ansible.module_utils.common.validation import check_type_path
from ansible.module_utils.common.yaml import yaml_dump, yaml_load
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.eks import api as eks_api
from ..module_utils.eks.errors import EksError
from ..module_utils.eks.kubeconfig import kubeconfig
from ..module_utils.eks.options import NAME, STATE

MODE = 0o600


def written(path: str) -> tuple:
    """(text, mode) of the file, or (None, None) when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(), os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        return None, None


def meaning(text: str | None) -> object:
    try:
        return yaml_load(text) if text else None
    except Exception:  # not YAML, so not ours to keep
        return None


def write(module: AnsibleAWSModule, path: str, text: str) -> None:
    """Puts the file in place at once, never readable by others, not even for a moment."""
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    module.atomic_move(temporary, path)
    os.chmod(path, MODE)


def present(module: AnsibleAWSModule, path: str) -> dict:
    api = eks_api.Api(module.client("eks", config=eks_api.RETRIES))
    cluster = api.call("describe_cluster", name=module.params["cluster_name"])["cluster"]
    if cluster["status"] not in ("ACTIVE", "UPDATING"):
        raise EksError(f"Cluster {cluster['name']} is {cluster['status']}; wait until it is ACTIVE.")
    names = {key: module.params[key] for key in ("alias", "user_alias", "role_arn")}
    profile = module.params["token_profile"] or module.params["profile"]
    wanted = kubeconfig(cluster, profile=profile, **names)
    before, mode = written(path)
    changed = meaning(before) != wanted or mode != MODE
    text = yaml_dump(wanted, sort_keys=False)
    if changed and not module.check_mode:
        write(module, path, text)
    after = text if meaning(before) != wanted else before
    diff = {
        "before": before or "",
        "after": after,
        "before_header": f"{path} ({mode and oct(mode)})",
        "after_header": f"{path} ({oct(MODE)})",
    }
    return {
        "changed": changed,
        "context": wanted["current-context"],
        "endpoint": cluster["endpoint"],
        "diff": diff,
    }


def absent(module: AnsibleAWSModule, path: str) -> dict:
    """Removes the file only when it is this cluster's."""
    before, _mode = written(path)
    if before is None:
        return {"changed": False}
    content = meaning(before)
    clusters = content.get("clusters", []) if isinstance(content, dict) else []
    ending = f":cluster/{module.params['cluster_name']}"
    if len(clusters) != 1 or not str(clusters[0].get("name")).endswith(ending):
        raise EksError(f"{path} is not the kubeconfig of {module.params['cluster_name']} alone; it stays.")
    if not module.check_mode:
        os.unlink(path)
    return {"changed": True, "diff": {"before": before, "after": ""}}


def main() -> None:
    options = {
        "cluster_name": NAME,
        "path": {"type": "path", "required": True},
        "alias": {"type": "str"},
        "user_alias": {"type": "str"},
        "role_arn": {"type": "str"},
        "token_profile": {"type": "str", "no_log": False},
        **STATE,
    }
    module = AnsibleAWSModule(argument_spec=options, supports_check_mode=True)
    path = os.path.abspath(module.params["path"])
    if os.path.realpath(path) == os.path.realpath(check_type_path("~/.kube/config")):
        module.fail_json(msg=f"{path} is the user's own kubeconfig; choose a file of its own.")
    act = present if module.params["state"] == "present" else absent
    try:
        result = act(module, path)
    except EksError as error:
        eks_api.fail(module, error)
    module.exit_json(path=path, **result)


if __name__ == "__main__":
    main()
