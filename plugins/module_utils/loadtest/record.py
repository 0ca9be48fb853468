# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run records, in a form that several processes can be merged from.

Times are nanoseconds on the monotonic clock unless a name says otherwise.
"""

from __future__ import annotations

import random
from collections import Counter

from .histogram import Histogram, Samples, together

# The timeline never has more intervals than this; then two become one of twice the length.
MAX_INTERVALS = 240

# 6 bits: percentiles of an interval are at most 0.8 % off, and hours of them fit in a few MB.
TIMELINE_BITS = 6

# Predictions kept per predictor for the picture of their distribution.
RESERVOIR = 2000

# Answers can claim any name; beyond this many they are one.
MAX_SLOTS = 64


class Predictions:
    """Number, sum, ends and a fair sample of predicted values."""

    def __init__(self):
        self.count = 0
        self.total = 0.0
        self.low = None
        self.high = None
        self.sample = []
        self._random = random.Random(0)

    def add(self, values):
        if not values:
            return
        low, high = min(values), max(values)
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
        self.total += sum(values)
        room = RESERVOIR - len(self.sample)
        self.sample.extend(values[: max(0, room)])
        kept = min(len(values), max(0, room))
        for at in range(kept, len(values)):
            place = int(self._random.random() * (self.count + at + 1))
            if place < RESERVOIR:
                self.sample[place] = values[at]
        self.count += len(values)

    def merge(self, other):
        if not other.count:
            return
        both = self.count + other.count
        if len(self.sample) + len(other.sample) <= RESERVOIR:
            self.sample = self.sample + other.sample
        else:
            mine = round(RESERVOIR * self.count / both)
            self.sample = self._random.sample(
                self.sample, min(mine, len(self.sample))
            ) + self._random.sample(other.sample, min(RESERVOIR - mine, len(other.sample)))
        self.low = other.low if self.low is None else min(self.low, other.low)
        self.high = other.high if self.high is None else max(self.high, other.high)
        self.total += other.total
        self.count = both


class Slot:
    """Answers of one predictor and version; the engine appends to the four lists.

    ``latency`` is from when a request was due, ``service`` from when it was sent. A closed loop
    sends when it is due: what is both goes to ``took`` and is kept once.
    """

    def __init__(self, predictor, version):
        self.predictor = predictor
        self.version = version
        self.latency = []
        self.service = []
        self.took = []
        self.values = []
        self.first = None
        self.last = None
        self.count = 0
        self.late = Samples()  # latencies of which the service time is another
        self.times = Samples()  # of which it is the same
        self.predictions = Predictions()

    @property
    def latencies(self):
        return together((self.times, self.late))

    def merge(self, other):
        self.count += other.count
        self.late.merge(other.late)
        self.times.merge(other.times)
        self.predictions.merge(other.predictions)
        firsts = [slot.first for slot in (self, other) if slot.first is not None]
        lasts = [slot.last for slot in (self, other) if slot.last is not None]
        self.first, self.last = min(firsts, default=None), max(lasts, default=None)


class Interval:
    """One stretch of the timeline."""

    def __init__(self):
        self.latencies = Histogram(TIMELINE_BITS)
        self.errors = 0
        self.sent = 0
        self.slots = {}  # (predictor, version): [count, predictions, sum, min, max]

    def merge(self, other):
        self.latencies.merge(other.latencies)
        self.errors += other.errors
        self.sent += other.sent
        for key, seen in other.slots.items():
            self.note(key, *seen)

    def note(self, key, count, predictions, total, low, high):
        have = self.slots.get(key)
        if have is None:
            self.slots[key] = [count, predictions, total, low, high]
            return
        have[0] += count
        have[1] += predictions
        have[2] += total
        if low is not None:
            have[3] = low if have[3] is None else min(have[3], low)
            have[4] = high if have[4] is None else max(have[4], high)


class Record:
    """Everything one process saw between ``started`` and ``ended``."""

    def __init__(self, started):
        self.started = started
        self.ended = started
        self.epoch = 0.0  # seconds since 1970 at the monotonic clock's zero
        self.slots = {}
        self.errors = Counter()
        self.statuses = Counter()
        self.problems = Counter()
        self.own_services = Samples()  # service times that are no latencies
        self.given_up = Samples()  # what a request had waited for at its timeout
        self.lags = Samples()
        self.lag = []  # the engine appends; send time less due time
        self.waited = []  # latencies of requests given up at their timeout
        self.sent = 0
        self.missed = 0
        self.abandoned = 0
        self.queued = 0
        self.connects = 0
        self.stamps = {"receive": 0, "transmit": 0, "clock": 0}
        self.cpu_seconds = 0.0
        self.interrupted = False
        self.width = 1.0  # seconds per interval
        self.intervals = []
        self._seen = (0, 0)

    @property
    def latencies(self):
        """Of all answers, and of the requests given up."""
        parts = [self.given_up]
        for slot in self.slots.values():
            parts += slot.times, slot.late
        return together(parts)

    @property
    def services(self):
        """Of all answers."""
        return together([self.own_services, *(slot.times for slot in self.slots.values())])

    def slot(self, predictor, version):
        """The Slot of a predictor and version; one for all of them once there are too many."""
        key = (predictor, version)
        found = self.slots.get(key)
        if found is None:
            if len(self.slots) >= MAX_SLOTS:
                key = ("(others)", "")
                found = self.slots.get(key)
            if found is None:
                found = self.slots[key] = Slot(*key)
        return found

    def flush(self, now):
        """Moves what the engine appended since the last flush to its place."""
        # What came since the last flush belongs where that ended, or a last, short interval would
        # get the answers of a whole tick.
        interval = self._interval(self.ended)
        for key, slot in self.slots.items():
            latency, took, values = slot.latency, slot.took, slot.values
            count = len(latency) + len(took)
            if not count:
                continue
            slot.late.add(latency)
            slot.times.add(took)
            self.own_services.add(slot.service)
            slot.predictions.add(values)
            slot.count += count
            interval.latencies.add(latency)
            interval.latencies.add(took)
            interval.note(
                key,
                count,
                len(values),
                sum(values),
                min(values, default=None),
                max(values, default=None),
            )
            slot.latency, slot.service, slot.took, slot.values = [], [], [], []
        if self.waited:
            self.given_up.add(self.waited)
            interval.latencies.add(self.waited)
            self.waited = []
        self.lags.add(self.lag)
        self.lag = []
        errors = sum(self.errors.values())
        interval.errors += errors - self._seen[0]
        interval.sent += self.sent - self._seen[1]
        self._seen = (errors, self.sent)
        self.ended = now

    def _interval(self, now):
        at = int((now - self.started) / 1e9 / self.width)
        while at >= MAX_INTERVALS:
            self._halve()
            at //= 2
        while len(self.intervals) <= at:
            self.intervals.append(Interval())
        return self.intervals[at]

    def _halve(self):
        """Makes one interval of each two."""
        for left, right in zip(self.intervals[::2], self.intervals[1::2]):
            left.merge(right)
        self.intervals = self.intervals[::2]
        self.width *= 2

    def merge(self, other):
        """Adds what another process recorded in the same run."""
        for key, slot in other.slots.items():
            mine = self.slot(*key)
            mine.merge(slot)
        for mine, theirs in (
            (self.errors, other.errors),
            (self.statuses, other.statuses),
            (self.problems, other.problems),
        ):
            mine.update(theirs)
        for name in ("own_services", "given_up", "lags"):
            getattr(self, name).merge(getattr(other, name))
        for name in ("sent", "missed", "abandoned", "queued", "connects", "cpu_seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, count in other.stamps.items():
            self.stamps[name] += count
        self.interrupted = self.interrupted or other.interrupted
        self.started = min(self.started, other.started)
        self.ended = max(self.ended, other.ended)
        while self.width < other.width:
            self._halve()
        while other.width < self.width:
            other._halve()
        while len(self.intervals) < len(other.intervals):
            self.intervals.append(Interval())
        for mine, theirs in zip(self.intervals, other.intervals):
            mine.merge(theirs)
