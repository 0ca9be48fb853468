# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model's own metrics (COUNTER, GAUGE, TIMER) and rewards, in place of Seldon's store.

Seldon's store pickles all of a worker's metrics through a manager process at each request and
loses them with the worker. Here each worker has one file beside its slot of predictions, under
the same lock, with a record per series: counters and timers are summed over the workers, dead
ones too; of a gauge the last value written counts.
"""

from __future__ import annotations

import bisect
import json
import logging
import math
import mmap
import os
import re
import struct
import time

import monitml_metrics

LOG = logging.getLogger("monitml")

# Seldon's bounds of a TIMER, in seconds: 50 from 1 ms to 30 s, equal in ratio.
TIMER_BOUNDS = tuple(10 ** (-3 + (math.log10(30) + 3) * i / 49) for i in range(50))
# Doubles per series: a total; a value and its time; counts of the bins with +Inf, and the sum.
_CELLS = {"COUNTER": 1, "GAUGE": 2, "TIMER": len(TIMER_BOUNDS) + 2}
_TYPES = {"COUNTER": "counter", "GAUGE": "gauge", "TIMER": "histogram"}
_FILE_BYTES = 256 * 1024
_HEAD = struct.Struct("=II")  # bytes of the key, number of doubles
_START = 8  # the first 8 bytes say how many bytes are in use


class WorkerMetrics:
    """What Seldon's code calls for metrics, with the interface of its SeldonMetrics."""

    def __init__(self, recorder=monitml_metrics.RECORDER):
        self._recorder = recorder
        self._slot = self._map = None
        self._places = {}
        self._warned = set()

    def update(self, custom_metrics, method):
        """Takes metrics as Seldon's dicts (type, key, value, tags) from METHOD of a model."""
        if custom_metrics and not (method == "predict" and monitml_metrics.HERE.probe):
            self._recorder.count(self._update, custom_metrics, method)

    def update_reward(self, reward):
        """Counts one feedback, with reward 0 or negative too."""
        self._recorder.count(monitml_metrics.Slot.add_feedback, reward)

    def clear(self):
        """Nothing: what a worker counted stays counted when it ends."""

    def _update(self, slot, custom_metrics, method):
        if self._slot is not slot:
            self._open(slot)
        for metric in custom_metrics:
            kind = metric.get("type", "COUNTER")
            tags = {**(metric.get("tags") or {}), "method": method}
            place = self._place(kind, str(metric["key"]), tags)
            if place is not None:
                self._change(kind, place, metric)

    def _change(self, kind, place, metric):
        value = float(metric["value"])
        if kind == "GAUGE":
            struct.pack_into("=2d", self._map, place, value, time.monotonic())
        elif kind == "COUNTER":
            if value < 0:
                self._warn("The counter %s was given %s; a counter cannot fall.", metric, value)
            else:
                self._add(place, value)
        else:
            seconds = value / 1000
            self._add(place + 8 * bisect.bisect_left(TIMER_BOUNDS, seconds), 1)
            self._add(place + 8 * (len(TIMER_BOUNDS) + 1), seconds)

    def _add(self, place, value):
        total = struct.unpack_from("=d", self._map, place)[0] + value
        struct.pack_into("=d", self._map, place, total)

    def _warn(self, text, metric, value):
        if metric["key"] not in self._warned:
            self._warned.add(metric["key"])
            LOG.warning(text, metric["key"], value)

    def _open(self, slot):
        path = os.path.join(os.environ["MONITML_METRICS_DIR"], "custom-%03d" % slot.index)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(handle, 0, _FILE_BYTES)
            self._map = mmap.mmap(handle, _FILE_BYTES)
        finally:
            os.close(handle)
        self._slot = slot
        self._places = {key: place for key, place, _count in _records(self._map)}

    def _place(self, kind, name, tags):
        key = json.dumps([kind, name, sorted((str(k), str(v)) for k, v in tags.items())]).encode()
        place = self._places.get(key)
        if place is None and kind in _CELLS:
            place = self._append(key, _CELLS[kind])
            if place is None:
                text = "No room for more series of %s (%s); it is dropped."
                self._warn(text, {"key": name}, kind)
            else:
                self._places[key] = place
        return place

    def _append(self, key, count):
        padded = key + b" " * (-len(key) % 8)
        used = struct.unpack_from("=Q", self._map)[0]
        start = _START + used
        place = start + _HEAD.size + len(padded)
        end = place + 8 * count
        if end > _FILE_BYTES:
            return None
        _HEAD.pack_into(self._map, start, len(padded), count)
        self._map[start + _HEAD.size : place] = padded
        # Last, so that a worker killed before this leaves no half record.
        struct.pack_into("=Q", self._map, 0, end - _START)
        return place


def _records(data):
    """(key, place of its doubles, their number) of each series in DATA; ends where it is torn."""
    size = len(data)
    end = min(_START + struct.unpack_from("=Q", data)[0], size) if size >= _START else 0
    start = _START
    while start + _HEAD.size <= end:
        length, count = _HEAD.unpack_from(data, start)
        place = start + _HEAD.size + length
        if not length or place + 8 * count > end:
            return
        yield bytes(data[start + _HEAD.size : place]).rstrip(), place, count
        start = place + 8 * count


def _gather(directory):
    """{(kind, name, tags): doubles} over all workers."""
    found = {}
    for name in sorted(os.listdir(directory)):
        if not name.startswith("custom-"):
            continue
        with open(os.path.join(directory, name), "rb") as stream:
            data = stream.read()
        for key, place, count in _records(data):
            try:
                kind, metric, tags = json.loads(key)
            except ValueError:
                continue
            if count != _CELLS.get(kind):
                continue
            series = (kind, metric, tuple(tuple(tag) for tag in tags))
            values = struct.unpack_from("=%dd" % count, data, place)
            found[series] = _merge(kind, found.get(series), values)
    return found


def _merge(kind, old, new):
    if old is None:
        return new
    if kind == "GAUGE":
        return max(old, new, key=lambda cells: cells[1])
    return tuple(a + b for a, b in zip(old, new))


def render(directory, labels=None):
    """Prometheus text of the models' own metrics in DIRECTORY, without a label for the worker."""
    labels = monitml_metrics.identity() if labels is None else labels
    families = {}
    for (kind, name, tags), cells in sorted(_gather(directory).items()):
        name = re.sub(r"[^a-zA-Z0-9_:]", "_", name)
        if kind == "COUNTER" and not name.endswith("_total"):
            name += "_total"
        # One name has one type, and ours are not for others to change.
        if name in monitml_metrics.FAMILIES or families.setdefault(name, (kind, {}))[0] != kind:
            continue
        own = {re.sub(r"[^a-zA-Z0-9_]", "_", key): value for key, value in tags}
        families[name][1][tuple(sorted({**own, **labels}.items()))] = cells
    lines = []
    for name, (kind, series) in families.items():
        lines.append("# TYPE %s %s" % (name, _TYPES[kind]))
        for own, cells in series.items():
            lines.extend(_lines(name, kind, dict(own), cells))
    return "".join(line + "\n" for line in lines)


def _lines(name, kind, labels, cells):
    show, number = monitml_metrics.format_labels, monitml_metrics.format_number
    if kind != "TIMER":
        yield "%s%s %s" % (name, show(labels), number(cells[0]))
        return
    running = 0.0
    for bound, count in zip(TIMER_BOUNDS + (math.inf,), cells):
        running += count
        le = "+Inf" if bound == math.inf else repr(bound)
        yield "%s_bucket%s %s" % (name, show({**labels, "le": le}), number(running))
    yield "%s_sum%s %s" % (name, show(labels), number(cells[-1]))
    yield "%s_count%s %s" % (name, show(labels), number(running))
