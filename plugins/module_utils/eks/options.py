# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of each kind of resource, for its module and for the plan of a whole stack."""

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .cluster_changes import AUTHENTICATION_ORDER, LOG_TYPES
from .errors import EksError

STATE = {"state": {"type": "str", "default": "present", "choices": ["present", "absent"]}}
WAIT = {
    "wait": {"type": "bool", "default": True},
    "wait_timeout_seconds": {"type": "int", "default": 1800},
    "wait_delay_seconds": {"type": "int", "default": 15},
}
TAGS = {
    "tags": {"type": "dict", "aliases": ["resource_tags"]},
    "purge_tags": {"type": "bool", "default": True},
}
REPLACE = {"replace_failed": {"type": "bool", "default": False}}

TEXT = {"type": "str"}
NAME = {"type": "str", "required": True}
SWITCH = {"type": "bool"}
TEXTS = {"type": "list", "elements": "str"}
NETWORKS = {"type": "list", "elements": "str", "default": []}

CLUSTER = {
    "name": NAME,
    "version": TEXT,
    "role_arn": TEXT,
    "subnet_ids": TEXTS,
    "security_group_ids": TEXTS,
    "endpoint_public_access": SWITCH,
    "endpoint_private_access": SWITCH,
    "public_access_cidrs": TEXTS,
    "authentication_mode": {"type": "str", "choices": AUTHENTICATION_ORDER},
    "bootstrap_admin_enabled": {"type": "bool", "default": True},
    "bootstrap_addons_enabled": {"type": "bool", "default": True},
    "log_types": {"type": "list", "elements": "str", "choices": LOG_TYPES},
    "support_type": {"type": "str", "choices": ["STANDARD", "EXTENDED"]},
    "encryption_key_arn": {"type": "str", "no_log": False},
    "service_ipv4_cidr": TEXT,
    "deletion_protection_enabled": SWITCH,
    **REPLACE,
    **STATE,
    **WAIT,
    **TAGS,
}

NODEGROUP = {
    "cluster_name": NAME,
    "name": NAME,
    "node_role_arn": TEXT,
    "subnet_ids": TEXTS,
    "ami_type": TEXT,
    "instance_types": TEXTS,
    "capacity_type": {"type": "str", "choices": ["ON_DEMAND", "SPOT", "CAPACITY_BLOCK"]},
    "disk_size_gib": {"type": "int"},
    "launch_template": {
        "type": "dict",
        "options": {"id": TEXT, "name": TEXT, "version": TEXT},
        "mutually_exclusive": [["id", "name"]],
        "required_one_of": [["id", "name"]],
    },
    "labels": {"type": "dict"},
    "taints": {
        "type": "list",
        "elements": "dict",
        "options": {
            "key": {"type": "str", "required": True, "no_log": False},
            "value": TEXT,
            "effect": {
                "type": "str",
                "required": True,
                "choices": ["NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"],
            },
        },
    },
    "scaling": {
        "type": "dict",
        "options": {
            "min_size": {"type": "int"},
            "max_size": {"type": "int"},
            "desired_size": {"type": "int"},
        },
    },
    "update": {
        "type": "dict",
        "options": {
            "max_unavailable": {"type": "int"},
            "max_unavailable_percentage": {"type": "int"},
        },
        "mutually_exclusive": [["max_unavailable", "max_unavailable_percentage"]],
    },
    "node_repair_enabled": SWITCH,
    "version": TEXT,
    "release_version": TEXT,
    "force_update_enabled": {"type": "bool", "default": False},
    **REPLACE,
    **STATE,
    **WAIT,
    **TAGS,
}

ADDON = {
    "cluster_name": NAME,
    "name": NAME,
    "version": TEXT,
    "service_account_role_arn": TEXT,
    "configuration": {"type": "dict"},
    "resolve_conflicts": {
        "type": "str",
        "default": "PRESERVE",
        "choices": ["NONE", "OVERWRITE", "PRESERVE"],
    },
    "preserve": {"type": "bool", "default": False},
    **REPLACE,
    **STATE,
    **WAIT,
    **TAGS,
}

ACCESS_ENTRY = {
    "cluster_name": NAME,
    "principal_arn": NAME,
    "type": TEXT,
    "username": TEXT,
    "kubernetes_groups": TEXTS,
    "policies": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": NAME,
            "scope": {"type": "str", "default": "cluster", "choices": ["cluster", "namespace"]},
            "namespaces": TEXTS,
        },
    },
    **STATE,
    **TAGS,
}

POD_IDENTITY = {
    "cluster_name": NAME,
    "namespace": NAME,
    "service_account": NAME,
    "role_arn": TEXT,
    **STATE,
    **TAGS,
}

LAUNCH_TEMPLATE = {
    "name": NAME,
    "security_group_ids": TEXTS,
    "disk_size_gib": {"type": "int", "default": 50},
    "disk_type": {"type": "str", "default": "gp3"},
    "device_name": {"type": "str", "default": "/dev/xvda"},
    "metadata_hop_limit": {"type": "int", "default": 2},
    "key_name": {"type": "str", "no_log": False},
    "node_tags": {"type": "dict"},
    "tags": TAGS["tags"],
    **STATE,
}

NETWORK = {
    "stack": NAME,
    "name": NAME,
    "cluster_name": NAME,
    "cidr": {"type": "str", "default": "10.0.0.0/16"},
    "private_subnets": NETWORKS,
    "public_subnets": NETWORKS,
    "availability_zones": TEXTS,
    "nat_gateway_enabled": {"type": "bool", "default": True},
    "ssh_group_name": {"type": "str", "default": "worker_group_mgmt_one"},
    "ssh_cidrs": NETWORKS,
    "tags": TAGS["tags"],
    **STATE,
    **WAIT,
}


def completed(options: dict, given: dict, what: str) -> dict:
    """Given values with types and defaults of the options; raises EksError for what is wrong."""
    known = {key: value for key, value in given.items() if value is not None}
    result = ArgumentSpecValidator(options).validate(known)
    if result.error_messages:
        raise EksError(f"{what}: {'; '.join(result.error_messages)}")
    return result.validated_parameters
