# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a request is lost, or goes the wrong way, while the weights move.

    .venv/bin/python benchmarks/traffic_moves.py [--requests 10000] [--moves 20] [--keep]

Eight clients send requests one after the other without a pause while the weights move, by the
role's own rename. Every request counts as answered or failed. For the split count those that were
sent after the gateway had said that it took the new weights and answered before the next move;
the number that the bad model answered is held against the sum of the binomials of all stretches,
and each stretch against its own.
"""

from __future__ import annotations

import http.client
import math
import random
import threading
import time

from measured_stack import Client, await_true, measured, move_traffic, routes_version

# After measured_stack, which makes the collection importable.
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.interval import (
    CONFIDENCE,
    share_interval,
)

CLIENTS = 8
# Half the width of CONFIDENCE under the normal distribution, which sums of thousands follow.
DEVIATIONS = 3.2905


class Sender(threading.Thread):
    """Sends as long as there are requests left; answers are (sent, received, status, predictor)."""

    def __init__(self, places):
        super().__init__(daemon=True)
        self.places, self.answers = places, []

    def run(self):
        client = Client()
        for _place in iter(lambda: next(self.places, None), None):
            sent = time.monotonic()
            try:
                status, predictor = client.predict()
            except (OSError, http.client.HTTPException) as error:
                status, predictor = repr(error), ""
            self.answers.append((sent, time.monotonic(), status, predictor))


def move_through(shares: list[int], answered, per_stretch: int) -> list[tuple[float, float, int]]:
    """Moves the weights, each time after so many answers; stretches are (from, to, bad's share)."""
    stretches = []
    for share in shares:
        version = move_traffic(good=100 - share, bad=share)
        await_true(lambda version=version: routes_version() == version, "the weights", 10, 0.002)
        start, goal = time.monotonic(), answered() + per_stretch
        await_true(lambda goal=goal: answered() >= goal, "answers", 60, 0.002)
        stretches.append((start, time.monotonic(), share))
    return stretches


def split(stretches, answers) -> dict:
    """How the answers within each stretch were split, and what was to be expected."""
    rows, expected, variance = [], 0.0, 0.0
    for start, end, share in stretches:
        within = [answer for answer in answers if start <= answer[0] and answer[1] <= end]
        bad = sum(answer[3] == "bad" for answer in within)
        low, high = share_interval(bad, len(within))
        ratio = share / 100
        rows.append(
            {"share": share, "requests": len(within), "bad": bad, "within": low <= ratio <= high}
        )
        expected += len(within) * ratio
        variance += len(within) * ratio * (1 - ratio)
    bad = sum(row["bad"] for row in rows)
    return {
        "stretches": rows,
        "requests": sum(row["requests"] for row in rows),
        "bad": bad,
        "bad_expected": expected,
        "bad_bound": DEVIATIONS * math.sqrt(variance),
        "stretches_outside": sum(not row["within"] for row in rows),
    }


def main():
    def arguments(parser):
        parser.add_argument("--requests", type=int, default=10000)
        parser.add_argument("--moves", type=int, default=20)
        parser.add_argument("--seed", type=int, default=1)

    with measured("traffic_moves", arguments) as (options, result):
        chance = random.Random(options.seed)
        shares = [25] + [chance.randrange(5, 96) for _move in range(options.moves)]
        places = _Places(options.requests)
        senders = [Sender(places) for _client in range(CLIENTS)]
        start = time.monotonic()
        for sender in senders:
            sender.start()
        # The last stretch ends before the requests do, so that none of them waits for answers.
        per_stretch = int(options.requests / len(shares) * 0.85)
        stretches = move_through(shares, lambda: sum(len(s.answers) for s in senders), per_stretch)
        for sender in senders:
            sender.join()
        answers = [answer for sender in senders for answer in sender.answers]
        result.update(
            requests=len(answers),
            seconds=time.monotonic() - start,
            moves=options.moves,
            failed=[answer[2] for answer in answers if answer[2] != 200],
            confidence=CONFIDENCE,
            split=split(stretches, answers),
        )
        move_traffic(good=75, bad=25)
        show(result)


class _Places:
    """An iterator over so many places that threads may share."""

    def __init__(self, count: int):
        self.left, self.lock = count, threading.Lock()

    def __iter__(self):
        return self

    def __next__(self):
        with self.lock:
            if self.left == 0:
                raise StopIteration
            self.left -= 1
            return self.left


def show(result):
    found = result["split"]
    low, high = (found["bad_expected"] + sign * found["bad_bound"] for sign in (-1, 1))
    for text, value in (
        ("requests", f"{result['requests']:,} in {result['seconds']:.1f} s"),
        ("moves of the weights meanwhile", str(result["moves"])),
        ("failed", f"{len(result['failed'])} {result['failed'][:3] or ''}"),
        ("requests that certain weights applied to", f"{found['requests']:,}"),
        ("  answered by bad", f"{found['bad']:,}"),
        ("  expected, 99.9 % bounds", f"{found['bad_expected']:,.0f}, {low:,.0f} to {high:,.0f}"),
        ("  ratio to the expected", f"{found['bad'] / found['bad_expected']:.3f}"),
        (
            "stretches outside their own 99.9 %",
            f"{found['stretches_outside']} of {len(found['stretches'])}",
        ),
    ):
        print(f"{text:44} {value}")


if __name__ == "__main__":
    main()
