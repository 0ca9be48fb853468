# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the answers of the first second after a deployment are seen, and how soon they are told.

    .venv/bin/python benchmarks/first_answers.py [--runs 20]

Each run takes the stack away, deploys it on the empty machine with site.yml, and sends 60 requests
with loadtest.yml at once, as one who tries it does. The delay is that of the message about the bad
model, from its first answer on; its samples are held against its answers when all have been read.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

from measured_stack import HOST, PORTS, await_true, get, measured, playbook

REQUESTS = 60
PROMETHEUS = f"http://{HOST}:{PORTS['prometheus']}"
INBOX = f"http://{HOST}:{PORTS['inbox']}"
SAMPLES = "monitml:monitor:samples%7Bmonitor=%22PredictionMeanTooLow%22,predictor_name=%22bad%22%7D"


def seen() -> float:
    """How many samples the monitor of the bad model counts."""
    found = get(f"{PROMETHEUS}/api/v1/query?query={SAMPLES}")["data"]["result"]
    return float(found[0]["value"][1])


def messages(since: float) -> list[dict]:
    return get(f"{INBOX}/api/messages?since={since}")["messages"]


def run(folder: Path) -> dict:
    """One deployment and its first requests."""
    playbook("destroy")
    playbook("site")
    playbook("loadtest", "-e", json.dumps({"n": REQUESTS, "report": str(folder)}))
    told = json.loads((folder / "load_test.json").read_text())
    bad = next(one for one in told["predictors"] if one["predictor"] == "bad")
    message = await_true(lambda: messages(told["started_at"])[0], "the message", 30)
    await_true(lambda: seen() == bad["count"], f"{bad['count']} samples", 10)
    return {
        "answers": bad["count"],
        "samples": seen(),
        "delay_seconds": message["received_at"] - bad["first_answer_at"],
    }


def main():
    def arguments(parser):
        parser.add_argument("--runs", type=int, default=20)

    with measured("first_answers", arguments, deploy=False) as (options, result):
        result["runs"] = []
        for number in range(options.runs):
            with tempfile.TemporaryDirectory() as folder:
                result["runs"].append(run(Path(folder)))
            last = result["runs"][-1]
            print(f"{number + 1}: {last['answers']} answers, told after {last['delay_seconds']:.2f} s")
        delays = sorted(one["delay_seconds"] for one in result["runs"])
        result["messages"] = len(delays)
        result["delay_p50_seconds"] = statistics.median(delays)
        result["delay_max_seconds"] = delays[-1]
        print(
            f"{len(delays)} of {options.runs} told, after {result['delay_p50_seconds']:.2f} s (median),"
            f" {delays[-1]:.2f} s at most; samples equal answers in all"
        )


if __name__ == "__main__":
    main()
