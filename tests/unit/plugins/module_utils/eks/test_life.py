# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The life of a resource: what is asked, what is waited for, and when it is given up.

botocore's Stubber checks every request against the service's own model and gives the answers.
"""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.eks import api, options
from ansible_collections.monitml.stack.plugins.module_utils.eks.errors import EksError
from ansible_collections.monitml.stack.plugins.module_utils.eks.resources import (
    Addon,
    Cluster,
    Nodegroup,
)

boto3 = pytest.importorskip("boto3")
stub = pytest.importorskip("botocore.stub")

GROUP = {"clusterName": "c", "nodegroupName": "workers"}
ARN = "arn:aws:eks:us-east-2:123456789012:nodegroup/c/workers/1"
NO_SUBNETS = {"code": "Ec2SubnetInvalidConfiguration", "message": "No addresses are left."}


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self):
        self.now = 0.0
        self.sleeps = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.sleeps.append(seconds)


@pytest.fixture
def aws():
    client = boto3.client(
        "eks", region_name="us-east-2", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with contextlib.closing(client), stub.Stubber(client) as stubber:
        stubber.clock = Clock()
        yield stubber
        stubber.assert_no_pending_responses()


def waiting(aws, **over):
    settings = {"timeout_seconds": 60, "delay_seconds": 15, "clock": aws.clock, **over}
    return api.Waiting(sleep=aws.clock.sleep, **settings)


def group(aws, waits=True, **wanted):
    settings = {"cluster_name": "c", "name": "workers", "node_role_arn": "arn:role/node"}
    wanted = {**settings, "subnet_ids": ["subnet-a", "subnet-b"], **wanted}
    completed = options.completed(options.NODEGROUP, wanted, "node group")
    return Nodegroup(api.Api(aws.client), completed, waiting(aws, enabled=waits))


def described(aws, status, issues=(), **over):
    answer = {
        "nodegroupName": "workers",
        "nodegroupArn": ARN,
        "clusterName": "c",
        "nodeRole": "arn:role/node",
        "subnets": ["subnet-b", "subnet-a"],
        "status": status,
        "health": {"issues": list(issues)},
        **over,
    }
    aws.add_response("describe_nodegroup", {"nodegroup": answer}, GROUP)


def missing(aws):
    aws.add_client_error(
        "describe_nodegroup", "ResourceNotFoundException", "none", 404, expected_params=GROUP
    )


def created(aws):
    aws.add_response("create_nodegroup", {"nodegroup": {}})


def deleted(aws):
    aws.add_response("delete_nodegroup", {"nodegroup": {}}, GROUP)


def test_creating_waits_until_it_is_active(aws):
    missing(aws)
    created(aws)
    described(aws, "CREATING")
    described(aws, "CREATING")
    described(aws, "ACTIVE")
    result = group(aws).present()
    assert result.changed
    assert result.calls == ["create_nodegroup"]
    assert aws.clock.sleeps == [15, 15]


def test_a_failed_creation_ends_the_wait_at_once_with_the_reason_of_aws(aws):
    missing(aws)
    created(aws)
    described(aws, "CREATING")
    described(aws, "CREATE_FAILED", [NO_SUBNETS])
    with pytest.raises(EksError, match="CREATE_FAILED: No addresses are left") as error:
        group(aws).present()
    assert error.value.issues[0]["code"] == "Ec2SubnetInvalidConfiguration"
    assert aws.clock.sleeps == [15]


def test_what_failed_before_is_refused_with_its_reason(aws):
    described(aws, "CREATE_FAILED", [NO_SUBNETS])
    with pytest.raises(EksError, match="Set replace_failed"):
        group(aws).present()


def test_what_failed_before_is_made_again_when_that_is_allowed(aws):
    described(aws, "CREATE_FAILED", [NO_SUBNETS])
    deleted(aws)
    described(aws, "DELETING")
    missing(aws)
    created(aws)
    described(aws, "ACTIVE")
    result = group(aws, replace_failed=True).present()
    assert result.calls == ["delete_nodegroup", "create_nodegroup"]


def test_a_creation_that_was_interrupted_is_waited_for_and_is_no_change(aws):
    described(aws, "CREATING")
    described(aws, "CREATING")
    described(aws, "ACTIVE")
    result = group(aws).present()
    assert not result.changed
    assert result.description["status"] == "ACTIVE"


def test_what_is_being_deleted_is_made_again_afterwards(aws):
    described(aws, "DELETING")
    described(aws, "DELETING")
    missing(aws)
    created(aws)
    described(aws, "ACTIVE")
    assert group(aws).present().calls == ["create_nodegroup"]


def test_check_mode_neither_writes_nor_waits(aws):
    described(aws, "DELETING")
    result = group(aws).present(check=True)
    assert result.changed
    assert aws.clock.sleeps == []


def test_waiting_ends_with_the_last_state_seen(aws):
    missing(aws)
    created(aws)
    for _attempt in range(5):
        described(aws, "CREATING")
    with pytest.raises(EksError, match="Gave up after 60 s.*is CREATING"):
        group(aws).present()


def test_degraded_is_given_five_minutes(aws):
    missing(aws)
    created(aws)
    for _attempt in range(21):
        described(aws, "DEGRADED", [NO_SUBNETS])
    slow = group(aws)
    slow.waiting.timeout_seconds = 3600
    with pytest.raises(EksError, match="DEGRADED: No addresses"):
        slow.present()
    assert aws.clock.now == 300


def test_without_waiting_the_call_is_all(aws):
    missing(aws)
    created(aws)
    described(aws, "CREATING")
    assert group(aws, waits=False).present().description["status"] == "CREATING"


def test_a_failed_update_tells_the_errors_of_the_update(aws):
    described(aws, "ACTIVE", labels={})
    update = {"id": "u-1", "status": "InProgress", "type": "ConfigUpdate"}
    aws.add_response("update_nodegroup_config", {"update": update})
    failed = {
        **update,
        "status": "Failed",
        "errors": [{"errorCode": "PodEvictionFailure", "errorMessage": "A budget forbids it."}],
    }
    asked = {"name": "c", "nodegroupName": "workers", "updateId": "u-1"}
    aws.add_response("describe_update", {"update": update}, asked)
    aws.add_response("describe_update", {"update": failed}, asked)
    with pytest.raises(EksError, match=r"A budget forbids it \(PodEvictionFailure\)"):
        group(aws, labels={"a": "1"}).present()


def test_a_failed_deletion_ends_the_wait_with_the_reason(aws):
    described(aws, "ACTIVE")
    deleted(aws)
    described(aws, "DELETING")
    described(aws, "DELETE_FAILED", [{"code": "Ec2SecurityGroupDeletionFailure", "message": "In use."}])
    with pytest.raises(EksError, match="could not delete.*In use"):
        group(aws).absent()


def test_a_deletion_that_failed_is_tried_again(aws):
    described(aws, "DELETE_FAILED")
    deleted(aws)
    missing(aws)
    assert group(aws).absent().changed


def test_a_deletion_that_was_interrupted_is_waited_for_without_another_call(aws):
    described(aws, "DELETING")
    described(aws, "DELETING")
    missing(aws)
    assert group(aws).absent().changed


def test_what_is_still_being_made_is_deleted_once_aws_lets_it(aws):
    described(aws, "CREATING")
    described(aws, "CREATING")
    described(aws, "ACTIVE")
    deleted(aws)
    missing(aws)
    assert group(aws).absent().changed


def test_absent_twice_is_no_change_and_a_lost_race_is_none_either(aws):
    missing(aws)
    assert not group(aws).absent().changed
    described(aws, "ACTIVE")
    aws.add_client_error("delete_nodegroup", "ResourceNotFoundException", "gone", 404)
    missing(aws)
    assert group(aws).absent().changed


def test_credentials_that_have_expired_come_with_advice(aws):
    aws.add_client_error("describe_nodegroup", "ExpiredTokenException", "old", 403)
    with pytest.raises(EksError, match="credentials have expired; renew") as error:
        group(aws).present()
    assert error.value.code == "ExpiredTokenException"


def test_a_cluster_without_what_it_takes_is_refused_before_it_is_made(aws):
    aws.add_client_error("describe_cluster", "ResourceNotFoundException", "none", 404)
    wanted = options.completed(options.CLUSTER, {"name": "c"}, "cluster")
    with pytest.raises(EksError, match="role_arn and subnet_ids"):
        Cluster(api.Api(aws.client), wanted, waiting(aws)).present()


def test_updates_of_a_cluster_run_one_after_the_other(aws):
    current = {
        "name": "c",
        "arn": "arn:aws:eks:us-east-2:123456789012:cluster/c",
        "version": "1.33",
        "status": "ACTIVE",
    }
    aws.add_response("describe_cluster", {"cluster": current})
    for version in ("1.34", "1.35"):
        update = {"id": f"u-{version}", "status": "InProgress", "type": "VersionUpdate"}
        asked = {"name": "c", "version": version}
        aws.add_response("update_cluster_version", {"update": update}, asked)
        done = {**update, "status": "Successful"}
        aws.add_response("describe_update", {"update": done}, {"name": "c", "updateId": update["id"]})
    aws.add_response("describe_cluster", {"cluster": {**current, "version": "1.35"}})
    wanted = options.completed(options.CLUSTER, {"name": "c", "version": "1.35"}, "cluster")
    result = Cluster(api.Api(aws.client), wanted, waiting(aws)).present()
    assert (result.before, result.after) == ({"version": "1.33"}, {"version": "1.35"})


def test_an_addon_can_leave_its_software_behind(aws):
    addon = {"addonName": "vpc-cni", "addonArn": "arn", "status": "ACTIVE"}
    aws.add_response("describe_addon", {"addon": addon})
    asked = {"clusterName": "c", "addonName": "vpc-cni", "preserve": True}
    aws.add_response("delete_addon", {"addon": addon}, asked)
    aws.add_client_error("describe_addon", "ResourceNotFoundException", "none", 404)
    wanted = {"cluster_name": "c", "name": "vpc-cni", "preserve": True}
    wanted = options.completed(options.ADDON, wanted, "add-on")
    assert Addon(api.Api(aws.client), wanted, waiting(aws)).absent().changed
