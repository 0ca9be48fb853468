# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The test's side of the fake AWS: names, clients that do not go through our code, and steering."""

from __future__ import annotations

import json
import urllib.request

import pytest

boto3 = pytest.importorskip("boto3")

REGION = "us-east-2"
ACCOUNT = "123456789012"
STACK = "training-eks"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role"
SERVICES = ("ec2", "eks", "iam", "elb", "elbv2", "logs", "autoscaling")


class FakeAws:
    """The server, and clients that do not go through our code."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.made: dict = {}
        self.subnets: list[str] = []

    def client(self, service: str, region: str = REGION):
        key = (service, region)
        if key not in self.made:
            self.made[key] = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.url,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )
        return self.made[key]

    def ask(self, verb: str, payload: dict | None = None):
        data = None if payload is None else json.dumps(payload).encode()
        with urllib.request.urlopen(f"{self.url}/_fake/{verb}", data=data, timeout=30) as answer:
            return json.load(answer)

    def forget(self) -> None:
        """Calls, faults and scripts are gone; what was made stays."""
        self.ask("reset", {})

    def empty(self) -> None:
        """An account without anything but what AWS gives everybody."""
        self.ask("reset", {"state": "all"})
        self.subnets = []

    def without_clusters(self) -> None:
        """The account as it was, but for clusters and launch templates."""
        self.ask("reset", {"state": "eks"})

    def calls(self) -> list[dict]:
        return self.ask("calls")

    def writes(self) -> list[str]:
        """Names of the writing calls since the last reset, in order."""
        return [call["action"] for call in self.calls() if call["write"]]

    def fault(self, **fault) -> None:
        self.ask("fault", fault)

    def script(self, **scripts) -> None:
        self.ask("script", {key.replace("__", "/"): value for key, value in scripts.items()})

    def stop_after(self, writes: int) -> None:
        self.ask("stop", {"after_writes": writes})


class ModuleFailed(Exception):
    """A module's fail_json; result holds all of it."""

    def __init__(self, result: dict) -> None:
        super().__init__(result.get("msg"))
        self.result = result
