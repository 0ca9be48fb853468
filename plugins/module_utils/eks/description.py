# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the inputs of the role eks to the options of the modules that carry them out."""

from __future__ import annotations

from typing import Any

from .errors import EksError
from .network_parts import STACK_TAG

EBS_DRIVER = "aws-ebs-csi-driver"
EBS_SERVICE_ACCOUNT = "ebs-csi-controller-sa"
SUFFIXES = {"cluster": "cluster", "node": "node", "ebs": "ebs-csi"}


def given(value: Any) -> Any:
    """None for what a person left empty."""
    return None if value in ("", [], {}) else value


def describe(inputs: dict) -> dict[str, Any]:
    """The description of a whole stack. inputs: the role's variables without their prefix.

    Raises EksError when an input is missing.
    """
    try:
        return _describe(inputs)
    except KeyError as error:
        raise EksError(f"The description lacks {error.args[0]}.") from error


def _describe(inputs: dict) -> dict[str, Any]:
    name = inputs["cluster_name"]
    roles = {key: f"{name}-{suffix}" for key, suffix in SUFFIXES.items()}
    tags = {key: str(value) for key, value in inputs["tags"].items()}
    owned = {**tags, STACK_TAG: inputs["stack"]}
    addons = [_addon(item, owned) for item in inputs["addons"]]
    with_ebs = any(addon["name"] == EBS_DRIVER for addon in addons)
    log_types = inputs["log_types"]
    return {
        "stack": inputs["stack"],
        "tags": tags,
        "network": _network(inputs),
        "roles": _roles(inputs, roles, with_ebs),
        "log_group": {
            "name": f"/aws/eks/{name}/cluster",
            "retention_days": inputs["log_retention_days"],
            "tags": owned,
        }
        if log_types
        else None,
        "cluster": _cluster(inputs, roles["cluster"], owned),
        "nodegroups": [_nodegroup(inputs, group, roles["node"], owned) for group in inputs["node_groups"]],
        "addons": addons,
        "access_entries": _access_entries(inputs, owned),
        "pod_identities": [
            {
                "namespace": "kube-system",
                "service_account": EBS_SERVICE_ACCOUNT,
                "role": roles["ebs"],
                "tags": owned,
            }
        ]
        if with_ebs
        else [],
    }


def _network(inputs: dict) -> dict:
    keys = ("stack", "cluster_name", "private_subnets", "public_subnets", "nat_gateway_enabled")
    return {
        **{key: inputs[key] for key in keys},
        "name": inputs["vpc_name"],
        "cidr": inputs["vpc_cidr"],
        "availability_zones": given(inputs["availability_zones"]),
        "ssh_group_name": inputs["ssh_group_name"],
        "ssh_cidrs": inputs["ssh_cidrs"],
        "tags": inputs["tags"],
    }


def _roles(inputs: dict, names: dict, with_ebs: bool) -> list[dict]:
    roles = [
        {
            "name": names["cluster"],
            "service": "eks.amazonaws.com",
            "policies": ["AmazonEKSClusterPolicy"],
        },
        {
            "name": names["node"],
            "service": "ec2.amazonaws.com",
            "policies": inputs["node_policies"],
        },
    ]
    if with_ebs:
        policies = [inputs["ebs_policy"]]
        roles.append(
            {"name": names["ebs"], "service": "pods.eks.amazonaws.com", "policies": policies}
        )
    return roles


def _cluster(inputs: dict, role: str, tags: dict) -> dict:
    kept = (
        "endpoint_public_access",
        "endpoint_private_access",
        "public_access_cidrs",
        "authentication_mode",
        "log_types",
        "support_type",
        "deletion_protection_enabled",
    )
    cluster = {key: inputs[key] for key in kept}
    if not inputs["endpoint_public_access"]:
        # AWS keeps the list of a closed endpoint, but it means nothing.
        cluster["public_access_cidrs"] = None
    return {
        **cluster,
        "name": inputs["cluster_name"],
        "version": inputs["kubernetes_version"],
        "role": role,
        "encryption_key_arn": given(inputs["encryption_key_arn"]),
        "service_ipv4_cidr": given(inputs["service_cidr"]),
        "bootstrap_addons_enabled": False,
        "replace_failed": True,
        "tags": tags,
    }


def _nodegroup(inputs: dict, group: dict, role: str, tags: dict) -> dict:
    scaling = {key: group.get(key) for key in ("min_size", "max_size", "desired_size")}
    unavailable = group.get("max_unavailable")
    return {
        "name": group["name"],
        "role": role,
        "ami_type": group.get("ami_type") or "AL2023_x86_64_STANDARD",
        "instance_types": group["instance_types"],
        "capacity_type": group.get("capacity_type") or "ON_DEMAND",
        "labels": group.get("labels") or {},
        "taints": group.get("taints") or [],
        "scaling": {key: value for key, value in scaling.items() if value is not None},
        "update": {"max_unavailable": unavailable or 1},
        "version": group.get("version") or inputs["kubernetes_version"],
        "replace_failed": True,
        "tags": tags,
        "launch_template_data": {
            "name": f"{inputs['cluster_name']}-{group['name']}",
            "disk_size_gib": group.get("disk_size_gib") or 50,
            "key_name": group.get("key_name"),
            "node_tags": {**tags, "Name": group["name"]},
            "tags": tags,
        },
    }


def _addon(item: dict, tags: dict) -> dict:
    configuration = item.get("configuration")
    if item["name"] == EBS_DRIVER and configuration is None:
        # Disks of pods carry the stack's tag, so that a teardown finds them.
        configuration = {"controller": {"extraVolumeTags": tags}}
    return {
        "name": item["name"],
        "version": item.get("version"),
        "configuration": configuration,
        "before_nodes": bool(item.get("before_nodes")),
        "replace_failed": True,
        "tags": tags,
    }


def _access_entries(inputs: dict, tags: dict) -> list[dict]:
    admins = [
        {
            "principal_arn": arn,
            "kubernetes_groups": [],
            "policies": [{"name": "AmazonEKSClusterAdminPolicy", "scope": "cluster"}],
            "tags": tags,
        }
        for arn in inputs["admin_arns"]
    ]
    return admins + [{"tags": tags, **entry} for entry in inputs["access_entries"]]
