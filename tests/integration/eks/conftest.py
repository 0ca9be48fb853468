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
from pathlib import Path

import pytest

pytest.importorskip("moto")
from fake_client import REGION, FakeAws, ModuleFailed  # noqa: E402

HERE = Path(__file__).resolve().parent

# Every module makes its own clients; reading the services' models once is half the run's time.
loaders = importlib.import_module("botocore.loaders")
loaders.JSONFileLoader.load_file = functools.lru_cache(loaders.JSONFileLoader.load_file)
loaders.JSONFileLoader.__hash__ = lambda self: 0
loaders.JSONFileLoader.__eq__ = lambda self, other: True


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
