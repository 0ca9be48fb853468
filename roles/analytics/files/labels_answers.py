# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The answers that model servers wrote down, as they lie in their files (see serve_answers.py)."""

from __future__ import annotations

import json
import math
import os

SUFFIX = ".jsonl"
ID_LENGTH_MAX = 200
_CHUNK_BYTES = 1024 * 1024
_HEAD_BYTES = 64 * 1024


class Wrong(ValueError):
    """A label that cannot be true of its answer; a sentence."""


class Segment:
    """One file of answers. head: whose they are; owner: their deployment, predictor and version."""

    def __init__(self, path, head, head_bytes):
        self.path, self.head, self.head_bytes = path, head, head_bytes
        self.token = head["token"]
        self.owner = tuple(head[key] for key in ("deployment", "predictor", "version"))

    def answer(self, place):
        """The answer at PLACE; None where it cannot be read."""
        try:
            with open(self.path, "rb") as stream:
                stream.seek(place)
                return Answer(self.owner, self.head["outputs"], *json.loads(stream.readline()))
        except (OSError, ValueError, TypeError):
            return None


def read_head(path):
    """The Segment at PATH; None where there is none."""
    try:
        with open(path, "rb") as stream:
            line, end, _rest = stream.read(_HEAD_BYTES).partition(b"\n")
        head = json.loads(line)
        if not end or not all(isinstance(head[key], str) for key in ("token", "deployment", "predictor", "version")):
            return None
        head["outputs"][0]["name"]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None
    return Segment(path, head, len(line) + 1)


class Directory:
    """The files of answers in a directory, which need not be there."""

    def __init__(self, path):
        self._path = path
        self._heads = {}  # (name, inode) -> Segment

    def look(self):
        """[(Segment, its size)], the oldest first."""
        found, heads = [], {}
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    if not entry.name.endswith(SUFFIX):
                        continue
                    which = entry.name, entry.inode()
                    segment = self._heads.get(which) or read_head(entry.path)
                    if segment:
                        heads[which] = segment
                        found.append((segment, entry.stat().st_size))
        except FileNotFoundError:
            pass
        self._heads = heads
        return sorted(found, key=lambda one: one[0].head.get("began", 0))


def read_lines(path, place):
    """(place, line, place after it) of each whole line of a file from PLACE on. OSError."""
    with open(path, "rb") as stream:
        stream.seek(place)
        rest = b""
        while True:
            chunk = stream.read(_CHUNK_BYTES)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                after = place + len(line) + 1
                yield place, line, after
                place = after


def id_of(line):
    """The id in a LINE that holds an answer; None where it holds something else."""
    if not line.startswith(b'["') or not line.endswith(b"]"):
        return None
    end = line.find(b'"', 2)
    text = line[2:end]
    if b"\\" not in text:
        return text.decode("utf-8", "replace")
    try:
        return json.loads(line)[0]
    except (ValueError, IndexError, TypeError):
        return None


class Answer:
    """One answer: owner, id, at (seconds since the epoch), features, and predictions as rows."""

    def __init__(self, owner, outputs, name, at, features, predictions):
        self.owner, self.outputs, self.id, self.at = owner, outputs, name, at
        self.features, self.predictions = features, _table(predictions, len(outputs))

    def cells(self, truth, row=None):
        """[(row, output (dict), prediction, truth)] of a label's TRUTH, and maybe ROW. Wrong.

        A truth is one value, a dict by output, a list of one per output, or a list of these per row.
        """
        if not self.predictions:
            raise Wrong("its answer holds no number and no text that could be compared")
        if row is None and len(self.predictions) == 1:
            row = 0
            truth = truth[0] if isinstance(truth, list) and len(truth) == 1 else truth
        if row is not None:
            if not 0 <= row < len(self.predictions):
                raise Wrong("its answer has %d rows, counted from 0, and the label is of row %d" % (len(self.predictions), row))
            return self._row(row, truth)
        if not isinstance(truth, list) or len(truth) != len(self.predictions):
            raise Wrong("its answer has %d rows: say with row, counted from 0, which one the label is of" % len(self.predictions))
        return [cell for number, one in enumerate(truth) for cell in self._row(number, one)]

    def _row(self, number, truth):
        names = [output["name"] for output in self.outputs]
        if isinstance(truth, dict):
            unknown = sorted(set(truth) - set(names))
            if unknown:
                raise Wrong("the model has no output %s; it has %s" % (unknown[0], ", ".join(names)))
            given = truth
        else:
            values = truth if isinstance(truth, list) else [truth]
            if len(values) != len(names):
                raise Wrong("the model answers %s, and the label holds %d values" % (" and ".join(names), len(values)))
            given = dict(zip(names, values))
        predicted = self.predictions[number]
        if len(predicted) != len(names):
            raise Wrong("its answer has %d values and not %d" % (len(predicted), len(names)))
        return [
            (number, output, *_comparable(output, predicted[place], given[output["name"]]))
            for place, output in enumerate(self.outputs)
            if given.get(output["name"]) is not None
        ]


def _table(predictions, width):
    """Predictions as rows of values: one row of several outputs may come flat, else each is a row."""
    if not isinstance(predictions, list):
        return []
    if not any(isinstance(one, list) for one in predictions):
        return [predictions] if len(predictions) == width > 1 else [[one] for one in predictions]
    return [_flat(row) if isinstance(row, list) else [row] for row in predictions]


def _flat(row):
    return [value for one in row for value in (_flat(one) if isinstance(one, list) else [one])]


def class_name(value):
    """How a class is called, whether it came as a number or as text."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _comparable(output, predicted, truth):
    """PREDICTED and TRUTH as numbers, or as names of classes. Wrong."""
    if "classes" not in output:
        numbers = as_number(predicted), as_number(truth)
        if numbers[1] is None:
            raise Wrong("the truth of %s is %r, which is no number" % (output["name"], truth))
        if numbers[0] is None:
            raise Wrong("its answer for %s is no number" % output["name"])
        return numbers
    known = [class_name(value) for value in output["classes"]]
    name = class_name(truth)
    if known and name not in known:
        # Tables write 1.0 where a model says 1.
        number = as_number(truth)
        name = name if number is None else class_name(number)
        if name not in known:
            raise Wrong("the truth of %s is %r, no class of the model: it has %s" % (output["name"], truth, ", ".join(known)))
    return class_name(predicted), name


def as_number(value):
    """VALUE as a finite number; None where it is none."""
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None
