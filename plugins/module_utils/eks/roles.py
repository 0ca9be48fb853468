# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IAM roles of a stack: what they should be, and where one that exists differs."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from .api import Api
from .network_parts import tags_of


def trust_policy(service: str) -> dict:
    """Who may take the role. Pod Identity also passes the pod's names as session tags."""
    actions = ["sts:AssumeRole"]
    if service == "pods.eks.amazonaws.com":
        actions.append("sts:TagSession")
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions}
    return {"Version": "2012-10-17", "Statement": [statement]}


def policy_arn(name: str, partition: str) -> str:
    """The ARN of one of AWS's own policies given by name, or the ARN itself."""
    return name if name.startswith("arn:") else f"arn:{partition}:iam::aws:policy/{name}"


def completed_role(role: dict, partition: str, account_id: str, tags: dict) -> dict:
    """A role with all that iam_role needs: name, arn, trust, policy ARNs, tags."""
    return {
        "name": role["name"],
        "arn": f"arn:{partition}:iam::{account_id}:role/{role['name']}",
        "trust": trust_policy(role["service"]),
        "policies": [policy_arn(name, partition) for name in role["policies"]],
        "tags": {**tags, "Name": role["name"]},
    }


def comparable_trust(document: Any) -> Any:
    """A policy document in which one action and a list of one are the same."""
    if isinstance(document, str):
        document = json.loads(unquote(document))
    statements = document.get("Statement", [])
    statements = statements if isinstance(statements, list) else [statements]
    plain = []
    for statement in statements:
        actions = statement.get("Action", [])
        actions = sorted(actions if isinstance(actions, list) else [actions])
        plain.append(json.dumps({**statement, "Action": actions}, sort_keys=True))
    return sorted(plain)


def read_role(api: Api, name: str) -> dict | None:
    """The role with its attached policies under ``policies``, or None."""
    answer = api.find("get_role", RoleName=name)
    if not answer:
        return None
    listing = ("list_attached_role_policies", "AttachedPolicies")
    attached = [policy["PolicyArn"] for policy in api.pages(*listing, RoleName=name)]
    return {**answer["Role"], "policies": attached}


def role_differences(wanted: dict, current: dict) -> dict[str, tuple[Any, Any]]:
    """Option to (before, after). Policies and tags beyond the wanted ones are left alone."""
    found: dict[str, tuple[Any, Any]] = {}
    document = current["AssumeRolePolicyDocument"]
    if comparable_trust(document) != comparable_trust(wanted["trust"]):
        found["trust"] = (document, wanted["trust"])
    missing = sorted(set(wanted["policies"]) - set(current["policies"]))
    if missing:
        found["policies"] = (sorted(current["policies"]), sorted(wanted["policies"]))
    have = tags_of(current)
    for key, value in wanted["tags"].items():
        if have.get(key) != str(value):
            found[f"tags.{key}"] = (have.get(key), str(value))
    return found
