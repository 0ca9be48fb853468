# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How well our schedule is kept: the highest rates on one core, the lag of each send, and Poisson arrivals.

python benchmarks/loadtest/schedule.py [--seconds 4] [--realtime]
Arrivals are those the server's kernel stamped, compared with an even or exponential spread.
"""

from __future__ import annotations

import argparse
import math
import tempfile

import bench
import peers


def ceiling(port, rate, seconds):
    output, cpu, _wall = bench.run(
        peers.ours(
            url="http://127.0.0.1:%d/different" % port,
            rate=rate,
            duration=seconds,
            warm_up=1,
            connections=512,
        )
    )
    _found, result = peers.read_ours(output)
    own = result["generator"]
    return {
        "rate": rate,
        "sent": result["requests"],
        "planned": own["planned"],
        "errors": result["errors"]["total"],
        # Of the measured part: when the last request went out, against when it was due.
        "rate_error": abs(
            result["requests"] / own["planned"] * seconds / result["duration_seconds"] - 1
        ),
        "cpu_ratio": own["cpu_ratio"],
        "send_lag_us": own["send_lag_us"],
        "saturated": own["saturated"],
        "cpu_seconds": round(cpu, 2),
    }


def poisson(folder, rate, seconds):
    with bench.truth_server(folder, 1000, 0) as (port, times):
        output, _cpu, _wall = bench.run(
            peers.ours(
                url="http://127.0.0.1:%d/" % port,
                rate=rate,
                duration=seconds,
                arrival="poisson",
                seed=1,
            )
        )
    _found, result = peers.read_ours(output)
    came = sorted(came for came, _took in times)
    gaps = sorted((after - before) / 1e9 for before, after in zip(came, came[1:]))
    count = len(gaps)
    distance = max(
        max(
            (at + 1) / count - (1 - math.exp(-rate * gap)), (1 - math.exp(-rate * gap)) - at / count
        )
        for at, gap in enumerate(gaps)
    )
    return {
        "rate": rate,
        "arrivals": len(came),
        "ks_distance": round(distance, 5),
        "critical_5_percent": round(1.358 / math.sqrt(count), 5),
        "send_lag_us": result["generator"]["send_lag_us"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument(
        "--rates", type=int, nargs="*", default=[1000, 3000, 6000, 10000, 15000, 20000]
    )
    parser.add_argument(
        "--realtime", action="store_true", help="stand in for a quiet machine; needs root"
    )
    parser.add_argument("--save")
    arguments = parser.parse_args()
    bench.REALTIME = arguments.realtime
    found = {
        "realtime": arguments.realtime,
        "seconds": arguments.seconds,
        "ceiling": [],
        "poisson": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        with bench.nginx(folder) as port:
            for rate in arguments.rates:
                found["ceiling"].append(ceiling(port, rate, arguments.seconds))
                print(found["ceiling"][-1])
        for _each in range(3):
            found["poisson"].append(poisson(folder, 500, 8))
            print(found["poisson"][-1])
    if arguments.save:
        bench.save(arguments.save, found)


if __name__ == "__main__":
    main()
