# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server that stands still for one second in ten: who sees it?

python benchmarks/loadtest/omission.py [--seconds 20]
200 requests/s against answers of 10 ms. The truth is the server's own: from the kernel's stamp of each
request's arrival to its answer, for the requests that were due, as ours leave on schedule.
"""

from __future__ import annotations

import argparse
import tempfile

import bench
import peers

RATE = 200


def measure(name, peer, folder, seconds):
    with bench.truth_server(folder, 10000, 0, 1000, 10000) as (port, times):
        url = "http://127.0.0.1:%d/" % port
        if peer is None:
            output, _cpu, _wall = bench.run(peers.ours(url=url, rate=RATE, duration=seconds))
            found, result = peers.read_ours(output, "latency_ms")
            extra = {"missed": result["generator"]["missed"], "errors": result["errors"]["total"]}
        else:
            command, read, paced = peer
            output, _cpu, _wall = bench.run(command(url, RATE, 20 if paced else 2, seconds, folder))
            found, extra = read(output, folder), {}
    truth = sorted(took for _came, took in times)
    return {
        "tool": name,
        "requests": len(truth),
        "planned": RATE * seconds,
        **extra,
        "percentiles_ms": {
            "%g"
            % q: {
                "told": round(value / 1000, 2),
                "of_its_own_requests": round(bench.rank(truth, q / 100) / 1e6, 2),
            }
            for q, value in found.items()
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--save")
    arguments = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for name, peer in {"ours": None, **peers.available()}.items():
            if arguments.only and name not in arguments.only:
                continue
            try:
                runs.append(measure(name, peer, folder, arguments.seconds))
            except Exception as err:  # a peer that breaks is a result as well
                print(name, "failed:", repr(err)[:200])
                continue
            print(
                "%-11s %5d of %d requests " % (name, runs[-1]["requests"], runs[-1]["planned"]),
                "  ".join(
                    "p%s %.1f ms" % (q, row["told"])
                    for q, row in runs[-1]["percentiles_ms"].items()
                ),
            )
    ours = next((run for run in runs if run["tool"] == "ours"), None)
    if ours:
        # What an even schedule meets is known from the server, whoever asked: ours is that schedule.
        for q in ("95", "99"):
            row = ours["percentiles_ms"][q]
            print(
                "ours p%s: told %.2f ms, server %.2f ms, %.2f %% off"
                % (
                    q,
                    row["told"],
                    row["of_its_own_requests"],
                    100 * abs(row["told"] / row["of_its_own_requests"] - 1),
                )
            )
    if arguments.save:
        bench.save(arguments.save, {"rate": RATE, "seconds": arguments.seconds, "runs": runs})


if __name__ == "__main__":
    main()
