# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How soon the stack serves and measures again after kill -9 of any of its processes.

    .venv/bin/python benchmarks/recovery.py [--rounds 1] [--keep]

Every process of the stack is killed in turn, one of each kind and service, under 20 requests a
second. It serves again when both predictors answer through the gateway, every part answers at its
port, all of it runs as often as before, and Prometheus has scraped models and gateway with success
since the kill. Meanwhile no server may be up in Prometheus' eyes without the series of its model.
What then runs that did not before, or more often than before, is an orphan. Takes some minutes.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import time
import urllib.parse
import urllib.request
from collections import Counter

from measured_stack import (
    HOST,
    PORTS,
    Client,
    Traffic,
    await_true,
    deployment,
    get,
    kind,
    measured,
    processes,
)

TARGET_SECONDS = 10
LONGEST_SECONDS = 60
RATE = 20
SETTLE_SECONDS = 3
# What is up, as Prometheus sees it, without the series of its model.
HOLLOW = 'up{job="models"} == 1 unless on (instance) monitml_prediction_count'


def service(command: str) -> str:
    """A kind of process, and the predictor where there is one for each."""
    port = re.search(r"--http-port[= ](\d+)", command)
    places = {
        str(server["http_port"]): predictor["name"]
        for predictor in deployment()["predictors"]
        for server in predictor["servers"]
    }
    return kind(command) + (f" of {places[port[1]]}" if port else "")


def census() -> Counter:
    return Counter(service(command) for command in processes().values())


def victims() -> dict[str, int]:
    """pid by name, one for each service and place in its tree, the parent before its children."""
    found, seen = {}, Counter()
    for pid, command in sorted(processes().items()):
        name = service(command)
        seen[name] += 1
        found[f"{name}, {seen[name]}." if seen[name] > 1 else name] = pid
    return found


def query(expression: str) -> list[dict]:
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    return get(f"http://{HOST}:{PORTS['prometheus']}{path}")["data"]["result"]


def answers(url: str) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    return False


def serves() -> bool:
    """Whether every predictor answers and every part does at its own port."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        predictors = deployment()["predictors"]
        for predictor in predictors:
            if Client().predict(**{"x-monitml-predictor": predictor["name"]})[0] != 200:
                return False
        ports = [server["metrics_port"] for p in predictors for server in p["servers"]]
        urls = [f"http://{HOST}:{port}/ready" for port in ports]
        for part, path in (
            ("prometheus", "-/ready"),
            ("alertmanager", "-/ready"),
            ("inbox", "healthz"),
            ("node_exporter", "metrics"),
            ("gateway_admin", "ready"),
        ):
            urls.append(f"http://{HOST}:{PORTS[part]}/{path}")
        return all(answers(url) for url in urls)
    return False


def measures(since: float) -> bool:
    """Whether Prometheus has scraped every model and the gateway with success since a moment."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        which = 'up{job=~"models|gateway"}'
        fresh = query(f"({which} == 1) and (timestamp({which}) > {since:.3f})")
        return len(fresh) == 1 + sum(len(p["servers"]) for p in deployment()["predictors"])
    return False


def recover(pid: int, before: Counter) -> dict:
    """Kills a process and waits: seconds, orphans, and whether metrics were hollow meanwhile."""
    killed, hollow = time.time(), False
    os.kill(pid, signal.SIGKILL)
    end = killed + LONGEST_SECONDS
    while time.time() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            hollow = hollow or bool(query(HOLLOW))
        if pid not in processes() and not before - census() and serves() and measures(killed + 0.5):
            break
        time.sleep(0.05)
    seconds = time.time() - killed
    time.sleep(SETTLE_SECONDS)
    left = census() - before
    return {
        "seconds": seconds if seconds < LONGEST_SECONDS else None,
        "orphans": sum(left.values()),
        "hollow": hollow,
    }


def main():
    def arguments(parser):
        parser.add_argument("--rounds", type=int, default=1)

    with measured("recovery", arguments) as (options, result):
        await_true(lambda: serves() and measures(time.time() - 2), "the stack", 60)
        failed = Counter()
        current = [""]

        def seen(_when, predictor):
            failed[current[0]] += not predictor

        traffic = Traffic(RATE, seen)
        traffic.start()
        result["kills"] = {}
        for _round in range(options.rounds):
            for name in sorted(victims()):
                current[0] = name
                row = recover(victims()[name], census())
                result["kills"].setdefault(name, []).append(row)
                row["failed"] = failed.pop(name, 0)
                tell(name, row)
        traffic.stop()
        show(result)


def tell(name: str, row: dict):
    seconds = "never" if row["seconds"] is None else f"{row['seconds']:.1f} s"
    print(f"{name:28} {seconds:>8} {row['failed']:4} failed {row['orphans']:3} orphans"
          f" {'HOLLOW' if row['hollow'] else ''}", flush=True)  # fmt: skip


def show(result):
    rows = [row for kills in result["kills"].values() for row in kills]
    slowest = max(row["seconds"] or LONGEST_SECONDS for row in rows)
    result["slowest_seconds"] = slowest
    print(
        f"slowest of {len(rows)}: {slowest:.1f} s, {slowest / TARGET_SECONDS:.2f} of {TARGET_SECONDS} s;"
        f" orphans {sum(row['orphans'] for row in rows)},"
        f" up without series {sum(row['hollow'] for row in rows)} times"
    )


if __name__ == "__main__":
    main()
