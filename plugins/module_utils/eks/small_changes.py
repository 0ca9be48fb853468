# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes of what lives in a cluster or beside it: add-ons, access, identity, launch templates.

The counterpart of changes for the small resources; the same rules hold.
"""

from __future__ import annotations

import json
from typing import Any

from .changes import Change, differs, refuse_immutable, tag_changes, without_none
from .errors import EksError

# -- add-on ------------------------------------------------------------------------------


def addon_request(wanted: dict) -> dict:
    """The CreateAddon request; a fresh cluster's self-managed copy is taken over."""
    return without_none(
        {
            **_addon_key(wanted),
            "addonVersion": wanted["version"],
            "serviceAccountRoleArn": wanted["service_account_role_arn"],
            "configurationValues": _configuration(wanted["configuration"]),
            "resolveConflicts": "OVERWRITE",
            "tags": wanted["tags"],
        }
    )


def _addon_key(wanted: dict) -> dict:
    return {"clusterName": wanted["cluster_name"], "addonName": wanted["name"]}


def _configuration(value: dict | None) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True)


def addon_changes(wanted: dict, current: dict) -> list[Change]:
    fields: dict[str, tuple[Any, Any]] = {}
    have = json.loads(current.get("configurationValues") or "{}")
    pairs = {
        "version": (wanted["version"], current.get("addonVersion")),
        "service_account_role_arn": (
            wanted["service_account_role_arn"],
            current.get("serviceAccountRoleArn"),
        ),
        "configuration": (wanted["configuration"], have),
    }
    for name, (want, has) in pairs.items():
        if differs(want, has):
            fields[name] = (has, want)
    changes = []
    if fields:
        # AWS resets what an update leaves out, so what is not managed is sent back as it is.
        role = wanted["service_account_role_arn"] or current.get("serviceAccountRoleArn")
        values = _configuration(wanted["configuration"]) or current.get("configurationValues")
        request = {
            **_addon_key(wanted),
            "addonVersion": wanted["version"] or current.get("addonVersion"),
            "serviceAccountRoleArn": role,
            "configurationValues": values,
            "resolveConflicts": wanted["resolve_conflicts"],
        }
        changes.append(Change("update_addon", without_none(request), fields, True))
    arn = current["addonArn"]
    return changes + tag_changes(arn, current.get("tags"), wanted["tags"], wanted["purge_tags"])


# -- access entry ------------------------------------------------------------------------


def access_entry_request(wanted: dict) -> dict:
    """The CreateAccessEntry request; policies follow, each by its own call."""
    return without_none(
        {
            **_entry_key(wanted),
            "type": wanted["type"],
            "username": wanted["username"],
            "kubernetesGroups": wanted["kubernetes_groups"],
            "tags": wanted["tags"],
        }
    )


def _entry_key(wanted: dict) -> dict:
    return {"clusterName": wanted["cluster_name"], "principalArn": wanted["principal_arn"]}


def policy_arn(name: str, principal_arn: str) -> str:
    """The ARN of an access policy given by name, in the partition of its principal."""
    if name.startswith("arn:"):
        return name
    return f"arn:{principal_arn.split(':')[1]}:eks::aws:cluster-access-policy/{name}"


def access_scopes(wanted: dict) -> dict[str, dict] | None:
    """Policy ARN to access scope, or None when policies are not managed."""
    if wanted["policies"] is None:
        return None
    scopes = {}
    for policy in wanted["policies"]:
        namespaces = sorted(policy.get("namespaces") or [])
        if policy.get("scope") == "namespace" and not namespaces:
            raise EksError(f"Policy {policy['name']} has the scope namespace but names none.")
        if policy.get("scope") != "namespace" and namespaces:
            raise EksError(f"Policy {policy['name']} names namespaces; give it the scope namespace.")
        arn = policy_arn(policy["name"], wanted["principal_arn"])
        scopes[arn] = {"type": policy.get("scope") or "cluster", "namespaces": namespaces}
    return scopes


def access_entry_changes(wanted: dict, current: dict) -> list[Change]:
    """current: the entry, with its associated policies under ``policies``."""
    refuse_immutable(
        f"access entry of {wanted['principal_arn']}",
        {"type": (wanted["type"], current.get("type"))},
    )
    key = _entry_key(wanted)
    fields, request = {}, {}
    for option, name in (("username", "username"), ("kubernetes_groups", "kubernetesGroups")):
        if differs(wanted[option], current.get(name)):
            request[name] = wanted[option]
            fields[option] = (current.get(name), wanted[option])
    changes = [Change("update_access_entry", {**key, **request}, fields)] if request else []
    changes += _policy_changes(key, access_scopes(wanted), current.get("policies") or [])
    arn = current["accessEntryArn"]
    return changes + tag_changes(arn, current.get("tags"), wanted["tags"], wanted["purge_tags"])


def _policy_changes(key: dict, wanted: dict | None, current: list[dict]) -> list[Change]:
    if wanted is None:
        return []
    have = {
        policy["policyArn"]: {
            "type": policy["accessScope"]["type"],
            "namespaces": sorted(policy["accessScope"].get("namespaces") or []),
        }
        for policy in current
    }
    changes = []
    for arn, scope in wanted.items():
        if have.get(arn) != scope:
            request = {**key, "policyArn": arn, "accessScope": scope}
            fields = {f"policies.{arn.split('/')[-1]}": (have.get(arn), scope)}
            changes.append(Change("associate_access_policy", request, fields))
    for arn in sorted(set(have) - set(wanted)):
        fields = {f"policies.{arn.split('/')[-1]}": (have[arn], None)}
        changes.append(Change("disassociate_access_policy", {**key, "policyArn": arn}, fields))
    return changes


# -- Pod Identity association ------------------------------------------------------------


def pod_identity_request(wanted: dict) -> dict:
    """The CreatePodIdentityAssociation request."""
    return without_none(
        {
            "clusterName": wanted["cluster_name"],
            "namespace": wanted["namespace"],
            "serviceAccount": wanted["service_account"],
            "roleArn": wanted["role_arn"],
            "tags": wanted["tags"],
        }
    )


def pod_identity_changes(wanted: dict, current: dict) -> list[Change]:
    changes = []
    if differs(wanted["role_arn"], current.get("roleArn")):
        request = {
            "clusterName": wanted["cluster_name"],
            "associationId": current["associationId"],
            "roleArn": wanted["role_arn"],
        }
        fields = {"role_arn": (current.get("roleArn"), wanted["role_arn"])}
        changes.append(Change("update_pod_identity_association", request, fields))
    arn = current["associationArn"]
    return changes + tag_changes(arn, current.get("tags"), wanted["tags"], wanted["purge_tags"])


# -- launch template ---------------------------------------------------------------------


def tag_list(tags: dict | None) -> list[dict]:
    return [{"Key": key, "Value": str(value)} for key, value in sorted((tags or {}).items())]


def template_data(wanted: dict) -> dict:
    """The LaunchTemplateData of a node: metadata by token only, an encrypted disk, tags."""
    data = {
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": wanted["metadata_hop_limit"],
        },
        "BlockDeviceMappings": [
            {
                "DeviceName": wanted["device_name"],
                "Ebs": {
                    "VolumeSize": wanted["disk_size_gib"],
                    "VolumeType": wanted["disk_type"],
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
    }
    if wanted["security_group_ids"]:
        data["SecurityGroupIds"] = sorted(wanted["security_group_ids"])
    if wanted["key_name"]:
        data["KeyName"] = wanted["key_name"]
    if wanted["node_tags"]:
        tags = tag_list(wanted["node_tags"])
        kinds = ("instance", "volume")
        data["TagSpecifications"] = [{"ResourceType": kind, "Tags": tags} for kind in kinds]
    return data


def launch_template_request(wanted: dict) -> dict:
    """The CreateLaunchTemplate request, tagged in the same call."""
    request = {"LaunchTemplateName": wanted["name"], "LaunchTemplateData": template_data(wanted)}
    if wanted["tags"]:
        specification = {"ResourceType": "launch-template", "Tags": tag_list(wanted["tags"])}
        request["TagSpecifications"] = [specification]
    return request


def _comparable(value: Any) -> Any:
    """A value in which the order of sets and keys does not count."""
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return sorted((_comparable(item) for item in value), key=json.dumps)
    return value


def template_data_fields(wanted: dict, current_data: dict) -> dict[str, tuple[Any, Any]]:
    """The keys whose values differ. Defaults that AWS adds beside ours do not count."""
    fields = {}
    for key, value in template_data(wanted).items():
        have = current_data.get(key)
        if isinstance(value, dict):
            have = {name: (have or {}).get(name) for name in value}
        if _comparable(value) != _comparable(have):
            fields[key] = (have, value)
    for key in ("SecurityGroupIds", "KeyName", "TagSpecifications"):
        if current_data.get(key) and key not in template_data(wanted):
            fields[key] = (current_data[key], None)
    return fields


def launch_template_changes(wanted: dict, current: dict) -> list[Change]:
    """current: the template, with the data of its latest version under ``data``."""
    template_id, latest = current["LaunchTemplateId"], current["LatestVersionNumber"]
    fields = template_data_fields(wanted, current["data"])
    changes, default = [], latest
    if fields:
        default = latest + 1
        request = {"LaunchTemplateId": template_id, "LaunchTemplateData": template_data(wanted)}
        changes.append(Change("create_launch_template_version", request, fields))
    if current["DefaultVersionNumber"] != default:
        # Also after an interruption between the two calls, when only the default is behind.
        request = {"LaunchTemplateId": template_id, "DefaultVersion": str(default)}
        fields = {"default_version": (current["DefaultVersionNumber"], default)}
        changes.append(Change("modify_launch_template", request, fields))
    return changes + ec2_tag_changes(template_id, current.get("Tags"), wanted["tags"])


def ec2_tag_changes(resource_id: str, current: list[dict] | None, wanted: dict | None) -> list[Change]:
    """One CreateTags call for tags that are missing or wrong; others are left alone."""
    have = {tag["Key"]: tag["Value"] for tag in current or []}
    wrong = {key: str(value) for key, value in (wanted or {}).items() if have.get(key) != str(value)}
    if not wrong:
        return []
    fields = {f"tags.{key}": (have.get(key), value) for key, value in wrong.items()}
    return [Change("create_tags", {"Resources": [resource_id], "Tags": tag_list(wrong)}, fields)]
