# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a run is, as a Status that adds up over processes and as a line of text."""

from __future__ import annotations

import copy
import time

from .histogram import Histogram
from .record import TIMELINE_BITS


class Status:
    """How far a run is: requests sent, errors, and latencies of the last whole interval."""

    def __init__(self, record, now):
        self.sent = record.sent
        self.errors = sum(record.errors.values())
        self.seconds = max((now - record.started) / 1e9, 1e-9)
        whole = record.intervals[-2:-1] or record.intervals[-1:]
        self.latencies = whole[0].latencies if whole else Histogram(TIMELINE_BITS)

    def merge(self, other):
        self.sent += other.sent
        self.errors += other.errors
        self.latencies = copy.deepcopy(self.latencies)
        self.latencies.merge(other.latencies)


def teller(plan, tell):
    """Turns a Status into a line of progress."""
    started = time.monotonic()
    total = plan.total_seconds

    def progress(status):
        p95 = status.latencies.percentiles([0.95])[0]
        parts = [
            "%d sent" % status.sent,
            "%.0f/s" % (status.sent / status.seconds if status.seconds > 0.1 else 0),
            "p95 %s" % ("-" if p95 is None else "%.1f ms" % (p95 / 1e6)),
            "%d errors" % status.errors,
        ]
        left = None if total is None else total + plan.warm_up - (time.monotonic() - started)
        if left is None and plan.count and status.sent:
            left = (plan.count - status.sent) * status.seconds / status.sent
        if left is not None:
            parts.append("%.0f s left" % max(0.0, left))
        tell("%s: %s" % (plan.name, ", ".join(parts)))

    return progress
