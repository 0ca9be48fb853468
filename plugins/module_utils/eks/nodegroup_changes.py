# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What creates a node group, and what has to be called where it differs; the rules are those of changes."""

from __future__ import annotations

from .changes import Change, differs, minor, refuse_immutable, tag_changes, without_none
from .errors import EksError


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
