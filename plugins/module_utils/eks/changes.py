# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be called to make an EKS resource what it should be.

Every function takes the module's options (``wanted``; None means: not managed) and AWS's
description (``current``, camelCase as botocore gives it) and returns Changes in the order in
which they have to be made. Nothing here talks to AWS. Lists that AWS treats as sets are
compared as sets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .errors import EksError


@dataclass(frozen=True)
class Change:
    """One call. fields: option to (before, after); waits: the call answers an update object."""

    method: str
    request: dict[str, Any]
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    waits: bool = False


def minor(version: str) -> int:
    """34 for "1.34"; raises EksError for anything that is not a Kubernetes version."""
    parts = str(version).split(".")
    if len(parts) != 2 or parts[0] != "1" or not parts[1].isdigit():
        raise EksError(f"{version!r} is not a Kubernetes version such as 1.35")
    return int(parts[1])


def differs(wanted: Any, current: Any) -> bool:
    """Whether a managed value differs; lists count as sets."""
    if wanted is None:
        return False
    if isinstance(wanted, list):
        return sorted(wanted) != sorted(current or [])
    return wanted != current


def refuse_immutable(what: str, pairs: dict[str, tuple[Any, Any]]) -> None:
    """Raises EksError naming every (wanted, current) pair that differs and cannot be changed."""
    wrong = [
        f"{name} is {current!r}, asked for {wanted!r}"
        for name, (wanted, current) in pairs.items()
        if differs(wanted, current)
    ]
    if wrong:
        raise EksError(
            f"AWS cannot change this on the existing {what}: {'; '.join(wrong)}."
            " Make one under another name and delete this one."
        )


def tag_changes(arn: str, current: dict, wanted: dict | None, purge: bool) -> list[Change]:
    """Calls that set wrong tags and, with purge, remove those not wanted; aws: tags are kept."""
    if wanted is None:
        return []
    current = current or {}
    wanted = {key: str(value) for key, value in wanted.items()}
    wrong = {key: value for key, value in wanted.items() if current.get(key) != value}
    extra = [key for key in current if key not in wanted and not key.startswith("aws:")]
    extra = sorted(extra) if purge else []
    changes = []
    if wrong:
        fields = {f"tags.{key}": (current.get(key), value) for key, value in wrong.items()}
        changes.append(Change("tag_resource", {"resourceArn": arn, "tags": wrong}, fields))
    if extra:
        fields = {f"tags.{key}": (current[key], None) for key in extra}
        changes.append(Change("untag_resource", {"resourceArn": arn, "tagKeys": extra}, fields))
    return changes


# -- cluster -----------------------------------------------------------------------------

AUTHENTICATION_ORDER = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"]
LOG_TYPES = ["api", "audit", "authenticator", "controllerManager", "scheduler"]


def cluster_request(wanted: dict) -> dict:
    """The CreateCluster request."""
    vpc = {
        "subnetIds": wanted["subnet_ids"],
        "securityGroupIds": wanted["security_group_ids"],
        "endpointPublicAccess": wanted["endpoint_public_access"],
        "endpointPrivateAccess": wanted["endpoint_private_access"],
        "publicAccessCidrs": wanted["public_access_cidrs"],
    }
    request = {
        "name": wanted["name"],
        "version": wanted["version"],
        "roleArn": wanted["role_arn"],
        "resourcesVpcConfig": without_none(vpc),
        "accessConfig": without_none(
            {
                "authenticationMode": wanted["authentication_mode"] or "API",
                "bootstrapClusterCreatorAdminPermissions": wanted["bootstrap_admin_enabled"],
            }
        ),
        "bootstrapSelfManagedAddons": wanted["bootstrap_addons_enabled"],
        # Only when asked for, because older SDKs do not know it and off is the default.
        "deletionProtection": wanted["deletion_protection_enabled"] or None,
        "tags": wanted["tags"],
    }
    if wanted["support_type"]:
        request["upgradePolicy"] = {"supportType": wanted["support_type"]}
    if wanted["log_types"]:
        request["logging"] = {"clusterLogging": [{"types": wanted["log_types"], "enabled": True}]}
    if wanted["service_ipv4_cidr"]:
        request["kubernetesNetworkConfig"] = {"serviceIpv4Cidr": wanted["service_ipv4_cidr"]}
    if wanted["encryption_key_arn"]:
        request["encryptionConfig"] = encryption(wanted["encryption_key_arn"])
    return without_none(request)


def encryption(key_arn: str) -> list[dict]:
    return [{"resources": ["secrets"], "provider": {"keyArn": key_arn}}]


def without_none(values: dict) -> dict:
    return {key: value for key, value in values.items() if value is not None}


def enabled_log_types(current: dict) -> list[str]:
    entries = (current.get("logging") or {}).get("clusterLogging") or []
    return sorted(kind for entry in entries if entry.get("enabled") for kind in entry["types"])


def cluster_changes(wanted: dict, current: dict) -> list[Change]:
    network = current.get("kubernetesNetworkConfig") or {}
    refuse_immutable(
        f"cluster {wanted['name']}",
        {
            "role_arn": (wanted["role_arn"], current.get("roleArn")),
            "service_ipv4_cidr": (wanted["service_ipv4_cidr"], network.get("serviceIpv4Cidr")),
        },
    )
    config = _cluster_config_changes(wanted, current)
    # Versions first: AWS refuses standard support for a version that has left it.
    return (
        _version_steps(wanted, current)
        + [
            Change("update_cluster_config", {"name": wanted["name"], **request}, fields, True)
            for request, fields in config
        ]
        + _encryption_changes(wanted, current)
        + tag_changes(current["arn"], current.get("tags"), wanted["tags"], wanted["purge_tags"])
    )


def _version_steps(wanted: dict, current: dict) -> list[Change]:
    """One call per minor version, because AWS upgrades by one at a time."""
    if wanted["version"] is None:
        return []
    have, want = minor(current["version"]), minor(wanted["version"])
    if want < have:
        raise EksError(
            f"Cluster {wanted['name']} runs {current['version']};"
            f" EKS cannot go back to {wanted['version']}."
        )
    return [
        Change(
            "update_cluster_version",
            {"name": wanted["name"], "version": f"1.{number}"},
            {"version": (current["version"], f"1.{want}")},
            True,
        )
        for number in range(have + 1, want + 1)
    ]


def _cluster_config_changes(wanted: dict, current: dict) -> list[tuple[dict, dict]]:
    """(request, fields) per kind of change: UpdateClusterConfig takes one kind per call."""
    vpc = current.get("resourcesVpcConfig") or {}
    changes = []
    options = {
        "endpointPublicAccess": "endpoint_public_access",
        "endpointPrivateAccess": "endpoint_private_access",
        "publicAccessCidrs": "public_access_cidrs",
    }
    for group in (options, {"subnetIds": "subnet_ids", "securityGroupIds": "security_group_ids"}):
        wrong = {key: name for key, name in group.items() if differs(wanted[name], vpc.get(key))}
        if wrong:
            request = {key: wanted[name] for key, name in wrong.items()}
            fields = {name: (vpc.get(key), wanted[name]) for key, name in wrong.items()}
            changes.append(({"resourcesVpcConfig": request}, fields))
    mode = (current.get("accessConfig") or {}).get("authenticationMode", "CONFIG_MAP")
    if differs(wanted["authentication_mode"], mode):
        order = AUTHENTICATION_ORDER.index
        if order(wanted["authentication_mode"]) < order(mode):
            raise EksError(
                f"Cluster {wanted['name']} authenticates by {mode};"
                f" EKS cannot go back to {wanted['authentication_mode']}."
            )
        # AWS allows one step forward at a time.
        for step in AUTHENTICATION_ORDER[order(mode) + 1 : order(wanted["authentication_mode"]) + 1]:
            fields = {"authentication_mode": (mode, wanted["authentication_mode"])}
            changes.append(({"accessConfig": {"authenticationMode": step}}, fields))
    have_logs = enabled_log_types(current)
    if differs(wanted["log_types"], have_logs):
        on = sorted(set(wanted["log_types"]) - set(have_logs))
        off = sorted(set(have_logs) - set(wanted["log_types"]))
        sets = [(on, True), (off, False)]
        logging = [{"types": types, "enabled": enabled} for types, enabled in sets if types]
        fields = {"log_types": (have_logs, sorted(wanted["log_types"]))}
        changes.append(({"logging": {"clusterLogging": logging}}, fields))
    support = (current.get("upgradePolicy") or {}).get("supportType")
    if differs(wanted["support_type"], support):
        fields = {"support_type": (support, wanted["support_type"])}
        changes.append(({"upgradePolicy": {"supportType": wanted["support_type"]}}, fields))
    protected = bool(current.get("deletionProtection"))
    if differs(wanted["deletion_protection_enabled"], protected):
        fields = {"deletion_protection_enabled": (protected, not protected)}
        changes.append(({"deletionProtection": not protected}, fields))
    return changes


def _encryption_changes(wanted: dict, current: dict) -> list[Change]:
    if wanted["encryption_key_arn"] is None:
        return []
    keys = [entry["provider"]["keyArn"] for entry in current.get("encryptionConfig") or []]
    if keys:
        refuse_immutable(
            f"cluster {wanted['name']}",
            {"encryption_key_arn": (wanted["encryption_key_arn"], keys[0])},
        )
        return []
    request = {
        "clusterName": wanted["name"],
        "encryptionConfig": encryption(wanted["encryption_key_arn"]),
    }
    fields = {"encryption_key_arn": (None, wanted["encryption_key_arn"])}
    return [Change("associate_encryption_config", request, fields, True)]


# -- node group --------------------------------------------------------------------------


def nodegroup_request(wanted: dict) -> dict:
    """The CreateNodegroup request."""
    request = {
        **_nodegroup_key(wanted),
        "nodeRole": wanted["node_role_arn"],
        "subnets": wanted["subnet_ids"],
        "amiType": wanted["ami_type"],
        "instanceTypes": wanted["instance_types"],
        "capacityType": wanted["capacity_type"],
        "diskSize": wanted["disk_size_gib"],
        "launchTemplate": launch_template(wanted),
        "labels": wanted["labels"],
        "taints": [without_none(taint) for taint in wanted["taints"] or []],
        "scalingConfig": scaling(wanted),
        "updateConfig": update_config(wanted),
        "version": wanted["version"],
        "releaseVersion": wanted["release_version"],
        "tags": wanted["tags"],
    }
    if wanted["node_repair_enabled"] is not None:
        request["nodeRepairConfig"] = {"enabled": wanted["node_repair_enabled"]}
    return without_none(request)


def _nodegroup_key(wanted: dict) -> dict:
    return {"clusterName": wanted["cluster_name"], "nodegroupName": wanted["name"]}


def launch_template(wanted: dict) -> dict | None:
    template = wanted["launch_template"]
    return without_none({key: template.get(key) for key in ("id", "name", "version")}) if template else None


def scaling(wanted: dict) -> dict | None:
    sizes = wanted["scaling"]
    if not sizes:
        return None
    names = {"minSize": "min_size", "maxSize": "max_size", "desiredSize": "desired_size"}
    return without_none({key: sizes.get(name) for key, name in names.items()})


def update_config(wanted: dict) -> dict | None:
    update = wanted["update"]
    if not update:
        return None
    percentage = update.get("max_unavailable_percentage")
    if percentage is not None:
        return {"maxUnavailablePercentage": percentage}
    return {"maxUnavailable": update.get("max_unavailable") or 1}


def nodegroup_changes(wanted: dict, current: dict) -> list[Change]:
    template = current.get("launchTemplate") or {}
    asked = wanted["launch_template"] or {}
    refuse_immutable(
        f"node group {wanted['name']}",
        {
            "node_role_arn": (wanted["node_role_arn"], current.get("nodeRole")),
            "subnet_ids": (wanted["subnet_ids"], current.get("subnets")),
            "ami_type": (wanted["ami_type"], current.get("amiType")),
            "instance_types": (wanted["instance_types"], current.get("instanceTypes")),
            "capacity_type": (wanted["capacity_type"], current.get("capacityType")),
            "disk_size_gib": (wanted["disk_size_gib"], current.get("diskSize")),
            "launch_template.name": (asked.get("name"), template.get("name")),
            "launch_template.id": (asked.get("id"), template.get("id")),
        },
    )
    return (
        _nodegroup_version_changes(wanted, current)
        + _nodegroup_config_changes(wanted, current)
        + tag_changes(
            current["nodegroupArn"], current.get("tags"), wanted["tags"], wanted["purge_tags"]
        )
    )


def _nodegroup_version_changes(wanted: dict, current: dict) -> list[Change]:
    request, fields = {}, {}
    if differs(wanted["version"], current.get("version")):
        if minor(wanted["version"]) < minor(current["version"]):
            raise EksError(
                f"Node group {wanted['name']} runs {current['version']};"
                f" EKS cannot go back to {wanted['version']}."
            )
        request["version"] = wanted["version"]
        fields["version"] = (current.get("version"), wanted["version"])
    if differs(wanted["release_version"], current.get("releaseVersion")):
        request["releaseVersion"] = wanted["release_version"]
        fields["release_version"] = (current.get("releaseVersion"), wanted["release_version"])
    template = launch_template(wanted) or {}
    have = str((current.get("launchTemplate") or {}).get("version", ""))
    if template.get("version") and str(template["version"]) != have:
        request["launchTemplate"] = template
        fields["launch_template.version"] = (have, template["version"])
    if not request:
        return []
    request = {**_nodegroup_key(wanted), **request}
    if wanted["force_update_enabled"]:
        request["force"] = True
    return [Change("update_nodegroup_version", request, fields, True)]


def _nodegroup_config_changes(wanted: dict, current: dict) -> list[Change]:
    request, fields = {}, {}
    labels = _label_payload(wanted["labels"], current.get("labels") or {})
    if labels:
        request["labels"] = labels
        fields["labels"] = (current.get("labels") or {}, wanted["labels"])
    taints = _taint_payload(wanted["taints"], current.get("taints") or [])
    if taints:
        request["taints"] = taints
        fields["taints"] = (current.get("taints") or [], wanted["taints"])
    for key, option, value in (
        ("scalingConfig", "scaling", scaling(wanted)),
        ("updateConfig", "update", update_config(wanted)),
    ):
        have = current.get(key) or {}
        if value and any(have.get(name) != number for name, number in value.items()):
            request[key] = value
            fields[option] = (have, value)
    repair = bool((current.get("nodeRepairConfig") or {}).get("enabled"))
    if differs(wanted["node_repair_enabled"], repair):
        request["nodeRepairConfig"] = {"enabled": not repair}
        fields["node_repair_enabled"] = (repair, not repair)
    if not request:
        return []
    request = {**_nodegroup_key(wanted), **request}
    return [Change("update_nodegroup_config", request, fields, True)]


def _label_payload(wanted: dict | None, current: dict) -> dict:
    if wanted is None:
        return {}
    wanted = {key: str(value) for key, value in wanted.items()}
    wrong = {key: value for key, value in wanted.items() if current.get(key) != value}
    extra = sorted(set(current) - set(wanted))
    payload = {"addOrUpdateLabels": wrong, "removeLabels": extra}
    return {key: value for key, value in payload.items() if value}


def _taint_payload(wanted: list[dict] | None, current: list[dict]) -> dict:
    """A taint is known by key and effect; its value may change."""
    if wanted is None:
        return {}

    def by_identity(taints):
        return {(taint["key"], taint["effect"]): without_none(taint) for taint in taints}

    want, have = by_identity(wanted), by_identity(current)
    wrong = [
        taint
        for key, taint in want.items()
        if key not in have or (taint.get("value") or "") != (have[key].get("value") or "")
    ]
    extra = [taint for key, taint in have.items() if key not in want]
    payload = {"addOrUpdateTaints": wrong, "removeTaints": extra}
    return {key: value for key, value in payload.items() if value}
