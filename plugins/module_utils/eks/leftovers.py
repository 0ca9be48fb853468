# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Deletes what the controllers of a deleted cluster left behind: load balancers, disks, interfaces."""

from __future__ import annotations

from typing import Any

from .api import Waiting
from .belongings import Belongings
from .errors import EksError
from .network_parts import group_rules, permission_of

HELD = ("DependencyViolation", "ResourceInUse", "VolumeInUse")
LEFT_KINDS = ("volume", "network interface", "security group")


class Leftovers:
    """actions: what was or would be deleted, in order, each {title, call}."""

    def __init__(self, belongings: Belongings, waiting: Waiting, check: bool = False) -> None:
        self.belongings = belongings
        self.waiting = waiting
        self.check = check
        self.actions: list[dict] = []

    def remove(self) -> None:
        """Raises EksError while the cluster lives, because its controllers would make them anew."""
        name = self.belongings.cluster_name
        if self.belongings.api_of("eks").find("describe_cluster", name=name):
            raise EksError(f"Cluster {name} still exists; delete it before what it leaves behind.")
        balancers = self.belongings.balancers()
        # A target group can only go once no load balancer uses it.
        for entry in sorted(balancers, key=lambda entry: entry["type"]):
            if entry["service"] == "elb":
                request = {"LoadBalancerName": entry["id"]}
                self.drop(entry, "delete_load_balancer", request)
            elif entry["type"] == "load balancer":
                self.drop(entry, "delete_load_balancer", {"LoadBalancerArn": entry["id"]})
            else:
                self.drop(entry, "delete_target_group", {"TargetGroupArn": entry["id"]})
        left = self.belongings.ec2(LEFT_KINDS)
        for entry in left:
            if entry["type"] == "network interface" and entry["state"] == "available":
                self.drop(entry, "delete_network_interface", {"NetworkInterfaceId": entry["id"]})
        for entry in left:
            if entry["type"] == "volume" and entry["state"] in ("available", "error"):
                self.drop(entry, "delete_volume", {"VolumeId": entry["id"]})
        # Groups that are part of the network go with it.
        groups = [entry for entry in left if entry["type"] == "security group" and not entry["part"]]
        for entry in groups:
            self.cut_ties(entry)
        for entry in groups:
            self.drop(entry, "delete_security_group", {"GroupId": entry["id"]})

    def cut_ties(self, entry: dict) -> None:
        """Takes away rules that name other groups; two that name each other never go."""
        answer = self.belongings.api_of("ec2").find("describe_security_groups", GroupIds=[entry["id"]])
        groups = answer["SecurityGroups"] if answer else []
        rules = [rule for group in groups for rule in group_rules(group) if rule[3].startswith("sg-")]
        if rules:
            permissions = [permission_of(rule) for rule in sorted(rules, key=str)]
            request = {"GroupId": entry["id"], "IpPermissions": permissions}
            self.drop(entry, "revoke_security_group_ingress", request)

    def drop(self, entry: dict, method: str, request: dict[str, Any]) -> None:
        title = f"{method.replace('_', ' ')} {entry['id']} ({entry['mark']})"
        self.actions.append({"title": title, "call": method})
        if self.check:
            return
        why: dict[str, str] = {}

        def ask() -> bool | None:
            try:
                self.belongings.api_of(entry["service"]).call(method, **request)
            except EksError as error:
                code = error.code or ""
                if code in HELD:
                    why["message"] = error.message
                    return None
                if not code.endswith("NotFound"):
                    raise
            return True

        self.waiting.until(ask, lambda: why["message"])
