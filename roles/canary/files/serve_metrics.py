# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model's own metrics (COUNTER, GAUGE, TIMER) and rewards, in place of Seldon's store.

Seldon's store pickles all of a worker's metrics through a manager process at each request and
loses them with the worker. Here each worker has one file beside its slot of predictions, under
the same lock, with a record per series: counters and timers are summed over the workers, dead
ones too; of a gauge the last value written counts.

Whatever a model calls its metrics, what is shown stays sound: names and labels are made valid and
kept apart from those of the watching itself, and there is a limit, because a tag that differs with
each request would make series without end. Each series says in two labels what it is of, so that
rules and board find those of a model without knowing their names.
"""

from __future__ import annotations

import bisect
import functools
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
# And of each, as the last, how often the model gave it.
_CELLS = {"COUNTER": 2, "GAUGE": 3, "TIMER": len(TIMER_BOUNDS) + 3}
_TYPES = {"COUNTER": "counter", "GAUGE": "gauge", "TIMER": "histogram"}
# What Prometheus gets of one record.
_SERIES = {"COUNTER": 1, "GAUGE": 1, "TIMER": len(TIMER_BOUNDS) + 3}
_FILE_BYTES = 256 * 1024
_HEAD = struct.Struct("=II")  # bytes of the key, number of doubles
# The first 16 bytes say how many bytes are in use, and how many series found no room.
_START = 16
_REFUSED_MAX = 10000
# Labels that Prometheus, or a target of it, gives the series itself.
_TARGET_LABELS = ("namespace", "replica", "job", "instance", "pod", "container", "service", "le")


class WorkerMetrics:
    """What Seldon's code calls for metrics, with the interface of its SeldonMetrics."""

    def __init__(self, recorder=monitml_metrics.RECORDER):
        self._recorder = recorder
        self._slot = self._map = None
        self._places = {}
        self._refused = set()
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
        if kind == "COUNTER" and value < 0:
            self._warn("The counter %s was given %s; a counter cannot fall.", metric, value)
            return
        self._add(place + 8 * (_CELLS[kind] - 1), 1)
        if kind == "GAUGE":
            struct.pack_into("=2d", self._map, place, value, time.monotonic())
        elif kind == "COUNTER":
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
                if len(self._refused) < _REFUSED_MAX:
                    self._refused.add(hash(key))
                struct.pack_into("=Q", self._map, 8, len(self._refused))
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


@functools.lru_cache(maxsize=4096)
def _series(key):
    """(kind, name, tags) of a record's KEY; None where it is torn."""
    try:
        kind, metric, tags = json.loads(key)
    except ValueError:
        return None
    return kind, metric, tuple(tuple(tag) for tag in tags)


def _gather(directory):
    """{(kind, name, tags): doubles} over all workers, and how many series found no room."""
    found, refused = {}, 0
    for name in sorted(os.listdir(directory)):
        if not name.startswith("custom-"):
            continue
        with open(os.path.join(directory, name), "rb") as stream:
            data = stream.read()
        if len(data) >= _START:
            refused = max(refused, struct.unpack_from("=Q", data, 8)[0])
        for key, place, count in _records(data):
            series = _series(key)
            if series and count == _CELLS.get(series[0]):
                values = struct.unpack_from("=%dd" % count, data, place)
                found[series] = _merge(series[0], found.get(series), values)
    return found, refused


def _merge(kind, old, new):
    if old is None:
        return new
    if kind == "GAUGE":
        last = max(old, new, key=lambda cells: cells[1])
        return last[:2] + (old[2] + new[2],)
    return tuple(a + b for a, b in zip(old, new))


@functools.lru_cache(maxsize=4096)
def _shown_name(kind, name):
    """The name of a family of KIND as it is shown: valid, and none that the watching uses itself."""
    name = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    if name.startswith(("monitml_", "process_", "seldon_api_", "scrape_", "ALERTS")) or name == "up":
        name = "model_" + name
    if not re.match("[a-zA-Z]", name):
        name = "_" + name.lstrip("_")
    return name + "_total" if kind == "COUNTER" and not name.endswith("_total") else name


@functools.lru_cache(maxsize=4096)
def _shown_tags(tags):
    """Labels (pairs of strings) for a model's TAGS; what has another meaning here gets a prefix."""
    labels = {}
    for name, value in tags:
        name = re.sub(r"[^a-zA-Z0-9_]", "_", name)
        if name in _TARGET_LABELS or not re.match("[a-zA-Z]", name) or name.startswith("monitml_"):
            name = "tag_" + name
        labels[name] = value.encode(errors="replace").decode()
    return tuple(labels.items())


def _parts(kind, name):
    """The names of samples that a family has."""
    return [name] + [name + part for part in ("_bucket", "_sum", "_count") if kind == "TIMER"]


class ModelMetrics:
    """What the server's parent shows of the models' own metrics in DIRECTORY.

    Of more than SERIES_MAX series, as Prometheus counts them, those that came first stay.
    """

    def __init__(self, directory, series_max):
        self._directory, self.series_max = directory, series_max
        self._taken = {}  # (kind, name, tags) -> series
        self._room = series_max
        self._kinds = {}  # name of a sample -> the family that has it
        self.dropped = 0

    def _take(self, series):
        """Whether SERIES is shown: there is room, and its name means one thing."""
        if series in self._taken:
            return True
        kind, name = series[0], _shown_name(*series[:2])
        size = _SERIES[kind]
        parts = _parts(kind, name)
        if size > self._room or any(self._kinds.get(p, (kind, name)) != (kind, name) for p in parts):
            return False
        self._kinds.update((part, (kind, name)) for part in parts)
        self._taken[series] = size
        self._room -= size
        return True

    def render(self, labels=None):
        """Prometheus text, without a label for the worker. OSError: unreadable."""
        labels = monitml_metrics.identity() if labels is None else labels
        gathered, refused = _gather(self._directory)
        shown = {series: cells for series, cells in gathered.items() if self._take(series)}
        self.dropped = len(gathered) - len(shown) + refused
        families, updates = {}, {}
        for (kind, name, tags), cells in sorted(shown.items()):
            name = _shown_name(kind, name)
            what = {monitml_metrics.METRIC_LABEL: name, monitml_metrics.KIND_LABEL: kind.lower()}
            own = tuple(sorted({**dict(_shown_tags(tags)), **labels, **what}.items()))
            families.setdefault((name, kind), {})[own] = cells
            key = (("metric", name), ("kind", kind.lower()))
            updates[key] = updates.get(key, 0) + cells[-1]
        lines = []
        for (name, kind), members in families.items():
            lines.append("# TYPE %s %s" % (name, _TYPES[kind]))
            for own, cells in members.items():
                lines.extend(_lines(name, kind, dict(own), cells))
        text = "".join(line + "\n" for line in lines)
        given = [("", dict(key), value) for key, value in updates.items()]
        text += monitml_metrics.exposition(monitml_metrics.MODEL_METRIC_UPDATES, given, labels)
        dropped = [("", {}, self.dropped)]
        return text + monitml_metrics.exposition(monitml_metrics.MODEL_METRIC_DROPPED, dropped, labels)


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
    yield "%s_sum%s %s" % (name, show(labels), number(cells[-2]))
    yield "%s_count%s %s" % (name, show(labels), number(running))
