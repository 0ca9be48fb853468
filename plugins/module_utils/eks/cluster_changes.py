# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What creates the cluster itself, and what has to be called where it differs; the rules are those of changes."""

from __future__ import annotations

from .changes import Change, differs, minor, refuse_immutable, tag_changes, without_none
from .errors import EksError

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
