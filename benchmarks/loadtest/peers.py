# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The other load generators: how each is started and what it says.

Each entry gives ``command(url, rate, connections, seconds, folder)`` and ``read(output, folder)``, which returns
percentiles in microseconds, {50: ..., 90: ..., 99: ...}, as far as the tool tells them. ``paced`` tools
hold a rate, the others send as fast as answers come. A rate of None asks for as many as go.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

from bench import BODY, HERE

QUANTILES = (50, 90, 95, 99, 99.9)


def _wrk(url, _rate, connections, seconds, folder):
    script = Path(folder, "post.lua")
    script.write_text(
        'wrk.method="POST"\nwrk.body=\'%s\'\nwrk.headers["Content-Type"]="application/json"\n'
        'done=function(s,l,r) for _,p in ipairs({50,90,95,99,99.9}) do print("Q",p,l:percentile(p)) end end\n'
        % BODY
    )
    return ["wrk", "-t1", "-c%d" % connections, "-d%d" % seconds, "-s", script, url]


def _read_wrk(output, _folder):
    return {float(p): float(v) for p, v in re.findall(r"Q\s+([\d.]+)\s+([\d.]+)", output)}


def _ab(url, _rate, connections, seconds, folder):
    Path(folder, "body.json").write_text(BODY)
    return [
        "ab",
        "-k",
        "-q",
        "-c",
        connections,
        "-t",
        seconds,
        "-n",
        100000000,
        "-p",
        Path(folder, "body.json"),
        "-T",
        "application/json",
        "-e",
        Path(folder, "ab.csv"),
        url,
    ]


def _read_ab(_output, folder):
    rows = [line.split(",") for line in Path(folder, "ab.csv").read_text().splitlines()[1:]]
    return {float(p): float(ms) * 1000 for p, ms in rows if float(p) in QUANTILES}


def _h2load(url, rate, connections, seconds, folder):
    Path(folder, "body.json").write_text(BODY)
    pace = ["--rps=%g" % (rate / connections)] if rate else []
    return [
        "h2load",
        "--h1",
        "-c",
        connections,
        "-t1",
        "-D",
        seconds,
        *pace,
        "-d",
        Path(folder, "body.json"),
        "--log-file=%s" % Path(folder, "h2load.log"),
        url,
    ]


def _read_h2load(_output, folder):
    # It prints no percentiles, but logs each request: start, status, microseconds.
    path = Path(folder, "h2load.log")
    times = sorted(int(line.split("\t")[2]) for line in path.read_text().splitlines() if line)
    path.unlink()
    return {q: times[min(len(times) - 1, int(q / 100 * len(times)))] for q in QUANTILES}


def _hey(url, rate, connections, seconds, _folder):
    pace = ["-q", "%g" % (rate / connections)] if rate else []
    return [
        "hey",
        "-c",
        connections,
        "-z",
        "%ds" % seconds,
        *pace,
        "-m",
        "POST",
        "-d",
        BODY,
        "-T",
        "application/json",
        url,
    ]


def _read_hey(output, _folder):
    return {
        float(p): float(s) * 1e6
        for p, s in re.findall(r"([\d.]+)%+ in ([\d.]+) secs", output)
        if float(p) in QUANTILES
    }


def _autocannon(url, rate, connections, seconds, _folder):
    pace = ["-R", rate] if rate else []
    return [
        "autocannon",
        "-c",
        connections,
        "-d",
        seconds,
        *pace,
        "-m",
        "POST",
        "-b",
        BODY,
        "--json",
        url,
    ]


def _read_autocannon(output, _folder):
    latency = json.loads(output[output.index("{") : output.rindex("}") + 1])["latency"]
    return {
        q: latency[key] * 1000
        for q, key in ((50, "p50"), (90, "p90"), (99, "p99"), (99.9, "p99_9"))
    }


def _locust(url, rate, connections, seconds, folder):
    script = Path(folder, "locustfile.py")
    base, _slash, path = url[7:].partition("/")
    pace = "wait_time = constant_throughput(%g)" % (rate / connections) if rate else ""
    script.write_text(
        "from locust import FastHttpUser, task, constant_throughput\n"
        "class U(FastHttpUser):\n    host = 'http://%s'\n    %s\n    @task\n    def t(self):\n"
        "        self.client.post('/%s', data='%s', headers={'Content-Type': 'application/json'})\n"
        % (base, pace, path, BODY)
    )
    return [
        "locust",
        "-f",
        script,
        "--headless",
        "-u",
        connections,
        "-r",
        connections,
        "-t",
        "%ds" % seconds,
        "--only-summary",
        "--csv",
        Path(folder, "locust"),
    ]


def _read_locust(_output, folder):
    header, row = [
        line.split(",") for line in Path(folder, "locust_stats.csv").read_text().splitlines()[:2]
    ]
    return {q: float(row[header.index("%g%%" % q)]) * 1000 for q in QUANTILES}


def _k9(url, rate, connections, seconds, folder):
    if rate:
        how = (
            "executor: constant-arrival-rate\n      rate: %d\n      timeUnit: 1s\n      duration: %ds\n"
            "      preAllocatedVUs: 300\n" % (rate, seconds)
        )
    else:
        how = "executor: constant-vus\n      vus: %d\n      duration: %ds\n" % (
            connections,
            seconds,
        )
    plan = Path(folder, "plan.yaml")
    plan.write_text(
        "options:\n  scenarios:\n    all:\n      %sflows:\n  default:\n    - request:\n        method: POST\n"
        "        url: '%s'\n        body: '%s'\n" % (how, url, BODY)
    )
    return [
        "k9",
        "run",
        "-q",
        "--summary-export",
        Path(folder, "k9.json"),
        "--summary-trend-stats",
        "avg,med,p(50),p(90),p(95),p(99),p(99.9)",
        plan,
    ]


def _read_k9(_output, folder):
    document = json.loads(Path(folder, "k9.json").read_text())
    values = document["metrics"]["http_req_duration"]
    values = values.get("values", values)
    return {q: values["p(%g)" % q] * 1000 for q in QUANTILES if "p(%g)" % q in values}


PEERS = {
    "wrk": (_wrk, _read_wrk, False),
    "ab": (_ab, _read_ab, False),
    "h2load": (_h2load, _read_h2load, True),
    "hey": (_hey, _read_hey, True),
    "autocannon": (_autocannon, _read_autocannon, True),
    "locust": (_locust, _read_locust, True),
    "k9-load": (_k9, _read_k9, True),
}
_PROGRAMS = {"k9-load": "k9"}


def available():
    """The peers found on PATH; says which are missing."""
    found = {name: peer for name, peer in PEERS.items() if shutil.which(_PROGRAMS.get(name, name))}
    missing = sorted(set(PEERS) - set(found))
    if missing:
        print("not installed, left out:", ", ".join(missing))
    return found


def ours(**options):
    """The command that runs our own engine with these options of load_test."""
    return [
        sys.executable,
        HERE / "ours.py",
        json.dumps({"payload": BODY, "thresholds": [], **options}),
    ]


def read_ours(output, key="service_ms"):
    result = json.loads(output.splitlines()[-1])
    latency = result[key]
    return {q: latency["p%s" % str(q).replace(".", "_")] * 1000 for q in QUANTILES}, result
