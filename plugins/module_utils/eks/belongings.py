# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything in an account that belongs to a stack or to its cluster, service by service."""

from __future__ import annotations

from typing import Any, Callable, Iterable

from .api import Api
from .network_parts import PART_TAG, STACK_TAG, tags_of

EC2_LISTINGS = (
    # what, method, key of the answer, id, states that no longer count
    ("instance", "describe_instances", "Reservations", "InstanceId", ("terminated",)),
    ("volume", "describe_volumes", "Volumes", "VolumeId", ("deleting", "deleted")),
    ("snapshot", "describe_snapshots", "Snapshots", "SnapshotId", ()),
    ("network interface", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", ()),
    ("launch template", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId", ()),
    ("NAT gateway", "describe_nat_gateways", "NatGateways", "NatGatewayId", ("deleted", "failed")),
    ("address", "describe_addresses", "Addresses", "AllocationId", ()),
    ("security group", "describe_security_groups", "SecurityGroups", "GroupId", ()),
    ("internet gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId", ()),
    ("route table", "describe_route_tables", "RouteTables", "RouteTableId", ()),
    ("subnet", "describe_subnets", "Subnets", "SubnetId", ()),
    ("VPC", "describe_vpcs", "Vpcs", "VpcId", ()),
)
TAGS_PER_CALL = 20


def marks(stack: str, cluster_name: str) -> dict[str, str]:
    """Tags that make something the stack's, or its cluster's controllers'."""
    return {
        STACK_TAG: stack,
        f"kubernetes.io/cluster/{cluster_name}": "owned",
        "elbv2.k8s.aws/cluster": cluster_name,
        "eks:cluster-name": cluster_name,
    }


def marked(tags: dict[str, str], wanted: dict[str, str]) -> str | None:
    """The first mark that these tags bear, as key=value."""
    for key, value in wanted.items():
        if tags.get(key) == value:
            return f"{key}={value}"
    return None


def chunks(items: list, size: int) -> Iterable[list]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


class Belongings:
    """Lists what bears a stack's marks. apis: one Api per service, made on first use."""

    def __init__(self, api_of: Callable[[str], Api], stack: str, cluster_name: str) -> None:
        self.api_of = api_of
        self.stack = stack
        self.cluster_name = cluster_name
        self.marks = marks(stack, cluster_name)

    def all(self) -> list[dict[str, Any]]:
        """[{service, type, id, name, mark, line}]; empty when nothing is left."""
        found = [
            *self.eks(),
            *self.balancers(),
            *self.autoscaling(),
            *self.ec2(),
            *self.iam(),
            *self.logs(),
        ]
        for entry in found:
            words = (entry["service"], entry["type"], entry["id"], entry["name"])
            entry["line"] = " ".join(word for word in words if word)
        return found

    def entry(self, service: str, kind: str, identity: str, tags: dict, mark: str) -> dict:
        name = tags.get("Name", "")
        return {"service": service, "type": kind, "id": identity, "name": name, "mark": mark}

    def eks(self) -> list[dict]:
        api = self.api_of("eks")
        answer = api.find("describe_cluster", name=self.cluster_name)
        if not answer:
            return []
        cluster = answer["cluster"]
        mark = marked(cluster.get("tags") or {}, self.marks) or f"named {self.cluster_name}"
        found = [self.entry("eks", "cluster", cluster["arn"], {}, mark)]
        groups = api.pages("list_nodegroups", "nodegroups", clusterName=self.cluster_name)
        return found + [self.entry("eks", "node group", name, {}, mark) for name in groups]

    def ec2(self, kinds: tuple[str, ...] | None = None) -> list[dict]:
        api, found = self.api_of("ec2"), {}
        for kind, method, key, identity, dead in EC2_LISTINGS:
            if kinds is not None and kind not in kinds:
                continue
            for mark, value in self.marks.items():
                items = self._filtered(api, method, key, mark, value)
                for item in items:
                    state = item.get("State")
                    state = state.get("Name") if isinstance(state, dict) else state
                    if state in dead:
                        continue
                    entry = self.entry("ec2", kind, item[identity], tags_of(item), f"{mark}={value}")
                    entry["name"] = item.get("LaunchTemplateName") or entry["name"]
                    found.setdefault(item[identity], {**entry, "state": state or item.get("Status")})
                    found[item[identity]]["part"] = tags_of(item).get(PART_TAG)
        return list(found.values())

    @staticmethod
    def _filtered(api: Api, method: str, key: str, mark: str, value: str) -> list[dict]:
        name = "Filter" if method == "describe_nat_gateways" else "Filters"
        request: dict[str, Any] = {name: [{"Name": f"tag:{mark}", "Values": [value]}]}
        if method == "describe_addresses":
            return api.call(method, **request)[key]
        if method == "describe_snapshots":
            request["OwnerIds"] = ["self"]
        items = api.pages(method, key, **request)
        if key == "Reservations":
            return [instance for item in items for instance in item["Instances"]]
        return items

    def balancers(self) -> list[dict]:
        """Load balancers and target groups; they are found by their tags, 20 at a time."""
        found = []
        new = self.api_of("elbv2")
        for kind, method, key, identity in (
            ("load balancer", "describe_load_balancers", "LoadBalancers", "LoadBalancerArn"),
            ("target group", "describe_target_groups", "TargetGroups", "TargetGroupArn"),
        ):
            arns = [item[identity] for item in new.pages(method, key)]
            for some in chunks(arns, TAGS_PER_CALL):
                for item in new.call("describe_tags", ResourceArns=some)["TagDescriptions"]:
                    mark = marked(tags_of(item), self.marks)
                    if mark:
                        arn = item["ResourceArn"]
                        found.append(self.entry("elbv2", kind, arn, tags_of(item), mark))
        old = self.api_of("elb")
        names = old.pages("describe_load_balancers", "LoadBalancerDescriptions")
        for some in chunks([item["LoadBalancerName"] for item in names], TAGS_PER_CALL):
            for item in old.call("describe_tags", LoadBalancerNames=some)["TagDescriptions"]:
                mark = marked(tags_of(item), self.marks)
                if mark:
                    name = item["LoadBalancerName"]
                    found.append(self.entry("elb", "load balancer", name, tags_of(item), mark))
        return found

    def autoscaling(self) -> list[dict]:
        api, found = self.api_of("autoscaling"), []
        for group in api.pages("describe_auto_scaling_groups", "AutoScalingGroups"):
            mark = marked(tags_of(group), self.marks)
            if mark:
                name = group["AutoScalingGroupName"]
                found.append(self.entry("autoscaling", "group", name, tags_of(group), mark))
        return found

    def iam(self) -> list[dict]:
        """Roles whose names start like the stack's and that carry its tag."""
        api, found = self.api_of("iam"), []
        for role in api.pages("list_roles", "Roles"):
            if role["RoleName"].startswith(self.stack):
                tags = tags_of({"Tags": api.pages("list_role_tags", "Tags", RoleName=role["RoleName"])})
                mark = marked(tags, self.marks)
                if mark:
                    found.append(self.entry("iam", "role", role["RoleName"], tags, mark))
        return found

    def logs(self) -> list[dict]:
        """Log groups of the control plane; without tags where EKS made them by itself."""
        prefix = f"/aws/eks/{self.cluster_name}/"
        api, found = self.api_of("logs"), []
        for group in api.pages("describe_log_groups", "logGroups", logGroupNamePrefix=prefix):
            arn = group["arn"].removesuffix(":*")
            tags = api.call("list_tags_for_resource", resourceArn=arn)["tags"]
            mark = marked(tags, self.marks) or f"named {prefix}"
            found.append(self.entry("logs", "log group", group["logGroupName"], tags, mark))
        return found
