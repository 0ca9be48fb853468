# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far each generator's percentiles are from the server's own times, at a steady rate.

python benchmarks/loadtest/accuracy.py [--seconds 10] [--rounds 3] [--busy 0|2] [--sigma 0.5]
Rounds are interleaved in random order. A tool's error is compared with the truth of its own run.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile

import bench
import peers

RATE = 300


def measure(name, peer, folder, seconds, hogs):
    with bench.truth_server(folder) as (port, times), bench.busy(bench.CLIENT_CORE, hogs):
        url = "http://127.0.0.1:%d/" % port
        if peer is None:
            output, cpu, _wall = bench.run(peers.ours(url=url, rate=RATE, duration=seconds))
            found, result = peers.read_ours(output)
            lag = result["generator"]["send_lag_us"]
        else:
            command, read, paced = peer
            # As many connections as the paced tools need, and as give the others about the same rate.
            output, cpu, _wall = bench.run(command(url, RATE, 20 if paced else 2, seconds, folder))
            found, lag = read(output, folder), None
    truth = sorted(took for _came, took in times)
    errors = {}
    for q, value in found.items():
        true = bench.rank(truth, q / 100) / 1000
        errors["%g" % q] = {
            "error_us": round(abs(value - true), 1),
            "truth_us": round(true, 1),
            "told_us": round(value, 1),
        }
    return {
        "tool": name,
        "requests": len(truth),
        "cpu_seconds": round(cpu, 2),
        "percentiles": errors,
        "send_lag_us": lag,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=0, help="endless loops on the client's core")
    parser.add_argument("--only", nargs="*", help="names of tools")
    parser.add_argument("--save", help="name of the result")
    arguments = parser.parse_args()
    tools = {"ours": None, **peers.available()}
    if arguments.only:
        tools = {name: peer for name, peer in tools.items() if name in arguments.only}
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            for name in random.sample(sorted(tools), len(tools)):
                try:
                    runs.append(
                        {
                            "round": number,
                            **measure(name, tools[name], folder, arguments.seconds, arguments.busy),
                        }
                    )
                except Exception as err:  # a peer that breaks is a result as well
                    print(name, "failed:", repr(err)[:200])
    report(runs, tools)
    if arguments.save:
        bench.save(
            arguments.save,
            {
                "rate": RATE,
                "seconds": arguments.seconds,
                "busy_loops": arguments.busy,
                "summary": summary(runs, tools),
                "runs": runs,
            },
        )


def summary(runs, tools):
    found = {}
    for name in tools:
        mine = [run["percentiles"] for run in runs if run["tool"] == name]
        found[name] = {
            q: {
                "median_error_us": statistics.median(
                    run[q]["error_us"] for run in mine if q in run
                ),
                "worst_error_us": max(run[q]["error_us"] for run in mine if q in run),
                "median_truth_us": statistics.median(
                    run[q]["truth_us"] for run in mine if q in run
                ),
            }
            for q in ("50", "90", "99", "99.9")
            if any(q in run for run in mine)
        }
    return found


def report(runs, tools):
    print("|error| in microseconds, median of rounds (worst)")
    for name, row in sorted(
        summary(runs, tools).items(),
        key=lambda pair: pair[1].get("99", {}).get("median_error_us", 1e9),
    ):
        print(
            "%-11s" % name,
            "   ".join(
                "p%s %8.1f (%.1f)" % (q, row[q]["median_error_us"], row[q]["worst_error_us"])
                for q in row
            ),
        )


if __name__ == "__main__":
    main()
