# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fake AWS as a real HTTP server, and modules run against it as Ansible runs them."""

from __future__ import annotations

import functools
import importlib
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

boto3 = pytest.importorskip("boto3")
pytest.importorskip("moto")

# Every module makes its own clients; reading the services' models once is half the run's time.
loaders = importlib.import_module("botocore.loaders")
loaders.JSONFileLoader.load_file = functools.lru_cache(loaders.JSONFileLoader.load_file)
loaders.JSONFileLoader.__hash__ = lambda self: 0
loaders.JSONFileLoader.__eq__ = lambda self, other: True

HERE = Path(__file__).resolve().parent
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


@pytest.fixture(scope="session")
def server():
    command = [sys.executable, str(HERE / "fake_aws.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on "), line
            yield FakeAws(f"http://127.0.0.1:{line.split()[-1]}")
        finally:
            process.terminate()


@pytest.fixture
def alone(monkeypatch):
    """Nothing of the caller's own AWS settings shines through."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.fixture
def aws(server, alone):
    """The server without clusters; networks of other tests may be there."""
    server.without_clusters()
    return server


@pytest.fixture
def empty(server, alone):
    """The server with an empty account, which takes a second."""
    server.empty()
    return server


@pytest.fixture
def subnets(server):
    """Three subnets in three zones, for tests that need no network of their own; made once."""
    if not server.subnets:
        ec2 = server.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        server.subnets = [
            ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"10.9.{index}.0/24", AvailabilityZone=f"{REGION}{zone}"
            )["Subnet"]["SubnetId"]
            for index, zone in enumerate("abc")
        ]
        server.forget()
    return server.subnets


class ModuleFailed(Exception):
    """A module's fail_json; result holds all of it."""

    def __init__(self, result: dict) -> None:
        super().__init__(result.get("msg"))
        self.result = result


@pytest.fixture
def run(server, alone, capsys):
    """Runs a module's main() and returns its result."""
    # Only in ansible-core 2.19 and later; older ones never reach this fixture in our tests.
    testing = pytest.importorskip("ansible.module_utils.testing")

    def run_module(kind: str, /, check: bool = False, **options) -> dict:
        place = f"ansible_collections.monitml.stack.plugins.modules.{kind}"
        module = importlib.import_module(place)
        settings = {
            "region": REGION,
            "endpoint_url": server.url,
            "access_key": "testing",
            "secret_key": "testing",
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            "_ansible_remote_tmp": "/tmp",
            **options,
        }
        with testing.patch_module_args(settings), pytest.raises(SystemExit) as ended:
            module.main()
        result = json.loads(capsys.readouterr().out)
        result.pop("invocation", None)
        if ended.value.code:
            raise ModuleFailed(result)
        return result

    return run_module
