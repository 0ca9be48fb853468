# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be done to make a whole stack what its description says, without doing any of it.

The plan asks the same classes that the modules run, in check mode, so that a step that the plan
leaves out is one whose module would change nothing.
"""

from __future__ import annotations

from typing import Any, Callable

from . import options
from . import resources as kinds
from .api import Api, Resource, Waiting
from .errors import EksError, issues_of, spell
from .network import Network
from .network_parts import STACK_TAG, tags_of
from .roles import completed_role, read_role, role_differences

STEPS = (
    "network",
    "nat",
    "iam",
    "logs",
    "cluster",
    "access_entries",
    "pod_identities",
    "early_addons",
    "launch_templates",
    "nodegroups",
    "addons",
)
NEW = "made by this run"
"""Stands for an id that does not exist yet."""


class Planner:
    """description: see the role eks. api_of: an Api by the name of its service."""

    def __init__(self, api_of: Callable[[str], Api], description: dict, identity: dict) -> None:
        self.api_of = api_of
        self.description = description
        self.partition = identity["partition"]
        self.account_id = identity["account_id"]
        self.tags = {**description["tags"], STACK_TAG: description["stack"]}
        self.items: list[dict] = []
        self.conflicts: list[str] = []
        self.warnings: list[str] = []
        self.billable: list[str] = []
        self.roles: list[dict] = []
        self.network: dict[str, Any] = {}
        self.cluster: dict | None = None

    def plan(self) -> dict[str, Any]:
        for part in (self.plan_network, self.plan_roles, self.plan_logs, self.plan_cluster):
            self.attempt(part)
        alive = self.cluster is not None
        for part in (
            self.plan_access_entries,
            self.plan_pod_identities,
            self.plan_launch_templates,
            self.plan_nodegroups,
            self.plan_addons,
        ):
            self.attempt(lambda part=part: part(alive))
        self.items.sort(key=lambda item: STEPS.index(item["step"]))
        steps = {
            step: [item["name"] for item in self.items if item["step"] == step] for step in STEPS
        }
        return {
            "plan": self.items,
            "steps": steps,
            "conflicts": self.conflicts,
            "health": self.warnings,
            "billable": self.billable,
            "roles": self.roles,
            "network": self.network,
        }

    def attempt(self, part: Callable[[], None]) -> None:
        """What is refused becomes a conflict, so that a person sees all of them at once."""
        try:
            part()
        except EksError as error:
            if error.code is not None:
                raise  # AWS could not answer; a plan without it would be a guess
            self.conflicts.append(error.message)

    def add(self, step: str, name: str, title: str, changes: dict | None = None) -> None:
        shown = {key: {"before": old, "after": new} for key, (old, new) in (changes or {}).items()}
        self.items.append({"step": step, "name": name, "title": title, "changes": shown})

    # -- the parts -----------------------------------------------------------------------

    def plan_network(self) -> None:
        wanted = options.completed(options.NETWORK, self.description["network"], "network")
        network = Network(self.api_of("ec2"), wanted, Waiting(), check=True)
        self.network = network.converge()
        for action in network.actions:
            self.add(action["step"], wanted["name"], action["title"])
            if action["call"] == "create_nat_gateway":
                self.billable.append("a NAT gateway")

    def plan_roles(self) -> None:
        for given in self.description["roles"]:
            role = completed_role(given, self.partition, self.account_id, self.tags)
            self.roles.append(role)
            current = read_role(self.api_of("iam"), role["name"])
            title = f"role {role['name']}"
            if current is None:
                self.add("iam", role["name"], f"Make {title}")
                continue
            if not self.is_ours(title, tags_of(current)):
                continue
            differences = role_differences(role, current)
            if differences:
                self.add("iam", role["name"], f"Correct {title}", differences)

    def is_ours(self, title: str, tags: dict[str, str]) -> bool:
        if tags.get(STACK_TAG) == self.description["stack"]:
            return True
        self.conflicts.append(
            f"The {title} exists but does not carry the tag {STACK_TAG}="
            f"{self.description['stack']}, so it is not this stack's. Choose another name."
        )
        return False

    def plan_logs(self) -> None:
        wanted = self.description["log_group"]
        if not wanted:
            return
        name, api = wanted["name"], self.api_of("logs")
        request = {"logGroupNamePrefix": name}
        found = api.pages("describe_log_groups", "logGroups", **request)
        group = next((one for one in found if one["logGroupName"] == name), None)
        if group is None:
            self.add("logs", name, f"Make log group {name}")
            return
        differences: dict[str, tuple[Any, Any]] = {}
        if group.get("retentionInDays") != wanted["retention_days"]:
            differences["retention_days"] = (group.get("retentionInDays"), wanted["retention_days"])
        arn = group["arn"].removesuffix(":*")
        have = api.call("list_tags_for_resource", resourceArn=arn)["tags"]
        for key, value in self.tags.items():
            if have.get(key) != str(value):
                differences[f"tags.{key}"] = (have.get(key), value)
        if differences:
            self.add("logs", name, f"Correct log group {name}", differences)

    def resource(self, step: str, kind: type[Resource], name: str, wanted: dict) -> Resource:
        """Adds what the resource's module would do; returns the resource."""
        resource = kind(self.api_of("ec2" if kind is kinds.LaunchTemplate else "eks"), wanted)
        current = resource.fetch()
        result = resource.present(check=True)
        pairs = {key: (result.before.get(key), value) for key, value in result.after.items()}
        title = resource.title
        if not current:
            self.add(step, name, f"Make {title}")
            self.bill(kind, wanted, None)
            return resource
        status = resource.status(current)
        if result.changed and result.before == {} and resource.create_method in result.calls:
            reason = spell(issues_of(current))
            verb = "Make again" if status == "DELETING" else "Replace"
            self.add(step, name, f"{verb} {title}, which is {status} ({reason})")
        elif result.changed:
            self.add(step, name, f"Change {title}", pairs)
            self.bill(kind, wanted, current)
        elif status in Resource.BUSY:
            self.add(step, name, f"Wait for {title}, which is {status}")
        elif status not in ("ACTIVE", "UPDATING"):
            self.warnings.append(f"The {title} is {status}: {spell(issues_of(current))}.")
        return resource

    def bill(self, kind: type[Resource], wanted: dict, current: dict | None) -> None:
        """Notes what makes the bill larger."""
        if kind is kinds.Cluster and current is None:
            self.billable.append(f"the control plane of {wanted['name']}")
        if kind is kinds.Nodegroup:
            want = (wanted["scaling"] or {}).get("desired_size") or 0
            have = ((current or {}).get("scalingConfig") or {}).get("desiredSize") or 0
            if current is None or want > have:
                self.billable.append(f"{want - have} nodes in {wanted['name']}")

    def role_arn(self, name: str) -> str | None:
        return next((role["arn"] for role in self.roles if role["name"] == name), None)

    def plan_cluster(self) -> None:
        given = dict(self.description["cluster"])
        given["role_arn"] = self.role_arn(given.pop("role"))
        given["subnet_ids"] = self.network.get("private_subnet_ids") or [NEW]
        wanted = options.completed(options.CLUSTER, given, "cluster")
        current = kinds.Cluster(self.api_of("eks"), wanted).fetch()
        if current and not self.is_ours(f"cluster {wanted['name']}", current.get("tags") or {}):
            return
        self.resource("cluster", kinds.Cluster, wanted["name"], wanted)
        # One that is on its way out, or is made again, takes what is in it along.
        failed = current and current["status"] in ("DELETING", *Resource.FAILED)
        self.cluster = None if failed else current

    def in_cluster(self, step: str, kind, spec: dict, name: str, given: dict, alive: bool) -> None:
        given = {"cluster_name": self.description["cluster"]["name"], **given}
        wanted = options.completed(spec, given, f"{kind.noun} {name}")
        if alive:
            self.resource(step, kind, name, wanted)
        else:
            self.add(step, name, f"Make {kind(None, wanted).title}")
            self.bill(kind, wanted, None)

    def plan_access_entries(self, alive: bool) -> None:
        for given in self.description["access_entries"]:
            name, spec = given["principal_arn"], options.ACCESS_ENTRY
            self.in_cluster("access_entries", kinds.AccessEntry, spec, name, given, alive)

    def plan_pod_identities(self, alive: bool) -> None:
        for item in self.description["pod_identities"]:
            given = {key: value for key, value in item.items() if key != "role"}
            given["role_arn"] = self.role_arn(item["role"])
            name, spec = item["service_account"], options.POD_IDENTITY
            self.in_cluster("pod_identities", kinds.PodIdentityAssociation, spec, name, given, alive)

    def plan_launch_templates(self, alive: bool) -> None:
        for group in self.description["nodegroups"]:
            given = {**group["launch_template_data"]}
            network = self.network.get("ssh_security_group_id")
            cluster = ((self.cluster or {}).get("resourcesVpcConfig") or {}).get("clusterSecurityGroupId")
            given["security_group_ids"] = [identity or NEW for identity in (cluster, network)]
            wanted = options.completed(options.LAUNCH_TEMPLATE, given, f"node group {group['name']}")
            current = kinds.LaunchTemplate(self.api_of("ec2"), wanted).fetch()
            title = f"launch template {wanted['name']}"
            if current is None or self.is_ours(title, tags_of(current)):
                self.resource("launch_templates", kinds.LaunchTemplate, group["name"], wanted)

    def plan_nodegroups(self, alive: bool) -> None:
        renewed = {item["name"] for item in self.items if item["step"] == "launch_templates"}
        for group in self.description["nodegroups"]:
            given = {key: value for key, value in group.items() if not key.startswith("launch_template")}
            name = group["launch_template_data"]["name"]
            template = kinds.LaunchTemplate(self.api_of("ec2"), {"name": name}).fetch()
            version = str(template["DefaultVersionNumber"]) if template else NEW
            if template and group["name"] in renewed:
                version = str(template["LatestVersionNumber"] + 1)
            given["launch_template"] = {"name": name, "version": version}
            group["launch_template_version"] = version
            given["node_role_arn"] = self.role_arn(given.pop("role"))
            given["subnet_ids"] = self.network.get("private_subnet_ids") or [NEW]
            args = ("nodegroups", kinds.Nodegroup, options.NODEGROUP, group["name"], given, alive)
            self.in_cluster(*args)

    def plan_addons(self, alive: bool) -> None:
        for item in self.description["addons"]:
            given = {key: value for key, value in item.items() if key != "before_nodes"}
            step = "early_addons" if item["before_nodes"] else "addons"
            self.in_cluster(step, kinds.Addon, options.ADDON, item["name"], given, alive)
