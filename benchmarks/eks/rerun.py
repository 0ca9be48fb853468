# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an unchanged run costs: the role eks against the stock modules, on one fake AWS.

    .venv/bin/python benchmarks/eks/rerun.py

Makes a cluster each way, runs each way again and again without a change, takes turns so that
both see the same machine (MONITML_BENCHMARK_ROUNDS of them), and prints the medians and where the time of ours goes. Ours compares
more: add-ons, access entries, Pod Identity and the kubeconfig, which the stock modules lack.
Writes ../results/eks_rerun.json. Takes about five minutes. Exits with 1 above the limit.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
LIMIT_SECONDS = 12.0
ROUNDS = int(os.environ.get("MONITML_BENCHMARK_ROUNDS", "3"))


def play(arguments: list[str], url: str, home: str) -> dict:
    """Wall and CPU seconds of one run, its tasks by time, and the writing calls it made."""
    urllib.request.urlopen(f"{url}/_fake/reset", data=b"{}").read()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    environment.update(
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
        AWS_EC2_METADATA_DISABLED="true",
        ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
        ANSIBLE_HOME=home,
        ANSIBLE_CALLBACKS_ENABLED="ansible.posix.profile_tasks",
        ANSIBLE_NOCOLOR="true",
    )
    command = [str(BIN / "ansible-playbook"), *arguments]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    with urllib.request.urlopen(f"{url}/_fake/calls") as answer:
        calls = json.load(answer)
    changed = re.search(r"changed=(\d+)", done.stdout)
    tasks = re.findall(r"^(.+?) -{3,} +([\d.]+)s$", done.stdout, re.M)
    return {
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2
        ),
        "changed": int(changed.group(1)),
        "calls": len(calls),
        "writes": sum(call["write"] for call in calls),
        "tasks": [[name, float(seconds)] for name, seconds in tasks],
    }


def main() -> int:
    with tempfile.TemporaryDirectory() as home:
        server = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/integration/eks/fake_aws.py"), "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            url = f"http://127.0.0.1:{server.stdout.readline().split()[-1]}"
            given = {
                "eks_endpoint_url": url,
                "eks_allowed_account_ids": ["123456789012"],
                "eks_cost_confirmed": True,
                "eks_kubeconfig_path": f"{home}/kubeconfig",
                "eks_iam_settle_seconds": 0,
                "eks_wait_delay_seconds": 1,
            }
            ways = {
                "ours": ["-i", "inventories/eks", "playbooks/eks.yml", "-e", json.dumps(given)],
                "stock": ["-i", "localhost,", "-c", "local", "benchmarks/eks/stock.yml"]
                + ["-e", f"endpoint_url={url}"],
            }
            runs = {name: [play(arguments, url, home)] for name, arguments in ways.items()}
            for _round in range(ROUNDS):
                for name, arguments in ways.items():
                    runs[name].append(play(arguments, url, home))
        finally:
            server.terminate()
            server.wait()
    return report(runs)


def report(runs: dict) -> int:
    print(f"{'':22} {'ours':>10} {'stock':>10}")
    result = {"first_run": {name: found[0] for name, found in runs.items()}, "unchanged_run": {}}
    for name, found in runs.items():
        keys = ("wall_seconds", "cpu_seconds", "changed", "calls", "writes")
        result["unchanged_run"][name] = {
            key: statistics.median(run[key] for run in found[1:]) for key in keys
        }
    first = [runs[name][0]["wall_seconds"] for name in ("ours", "stock")]
    print(f"{'first run, s':22} {first[0]:10.1f} {first[1]:10.1f}")
    for key in ("wall_seconds", "cpu_seconds", "calls", "writes", "changed"):
        pair = [result["unchanged_run"][name][key] for name in ("ours", "stock")]
        print(f"{'unchanged ' + key.replace('_seconds', ', s'):22} {pair[0]:10.1f} {pair[1]:10.1f}")
    print("where the time of an unchanged run of ours goes:")
    for task, seconds in runs["ours"][-1]["tasks"][:4]:
        print(f"  {seconds:6.2f} s  {task}")
    print("and of stock:")
    for task, seconds in runs["stock"][-1]["tasks"][:6]:
        print(f"  {seconds:6.2f} s  {task}")
    target = HERE.parent / "results" / "eks_rerun.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    wall = result["unchanged_run"]["ours"]["wall_seconds"]
    if wall > LIMIT_SECONDS:
        print(f"FAILED: {wall} s is more than {LIMIT_SECONDS} s")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
