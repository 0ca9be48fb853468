# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model server reports of the rows that it is given, for drift to be seen.

This file stands on its own, as monitml_features.py beside monitml_metrics.py, which imports it
where it is there. It is a file apart because a model can be watched without it, and because what
it does is another thing: here values are put into bins, there cells are kept through the deaths
of workers. Its cells are part of monitml_metrics' slots, so they are kept as predictions are.

A feature of a contract is counted where it has a ``reference``, which says how the training data
is spread: ``rows``, their number; ``missing``, the share of those without a value; and for a
continuous feature ``bins``, ascending upper bounds within its ``range`` (the feature's, where the
reference has none), and ``shares``, one more than bins; for a categorical one ``values``, their ``shares``, and ``other``, the share of all
values of the contract that are not listed. A target's reference has ``rows`` and the ``shares``
of its bins. Shares of a feature sum to 1. What training wrote in reference.json, {"features":
{name: reference}, "targets": {name: reference}}, stands above the contract, since a model may
have learned from other data. Beyond the bins of the reference each continuous feature has one
for what is below its range, above it, and missing; each categorical one for values that the
contract does not have, and missing.
"""

from __future__ import annotations

import bisect
import json
import math
import os
import sys
from collections import Counter

FEATURE_ROWS = "monitml_feature_rows_total"
FEATURE_REFERENCE = "monitml_feature_reference_rows"
FEATURE_UNMATCHED = "monitml_feature_rows_unmatched_total"
PREDICTION_ROWS = "monitml_prediction_rows_total"
PREDICTION_REFERENCE = "monitml_prediction_reference_rows"
# name -> (type, labels besides the identity, help)
FAMILIES = {
    FEATURE_ROWS: ("counter", ("feature", "bin"), "Rows that came, by the bin of each feature."),
    FEATURE_REFERENCE: ("gauge", ("feature", "bin"), "Rows of the training data in each bin."),
    FEATURE_UNMATCHED: ("counter", (), "Rows that came in columns which the contract does not have."),
    PREDICTION_ROWS: ("counter", ("output", "bin"), "Predictions, by the bin that each lies in."),
    PREDICTION_REFERENCE: ("gauge", ("output", "bin"), "Rows of the reference in each bin."),
}
REFERENCE_FILE = "reference.json"
# Counted and compared at each scrape, per server: 20 features of 13 bins, and much room.
SERIES_MAX = 1000
# Fewer are put into bins one by one faster than numpy can be asked.
_FEW_ROWS = 16
_MISSING, _UNSEEN, _OTHER = "missing", "unseen", "other"


def _shown(number):
    """A number by which no two that differ look alike."""
    return repr(int(number)) if number == math.floor(number) and abs(number) < 1e15 else repr(float(number))


def bin_names(bounds):
    """What the bins under ascending upper BOUNDS and the one above them are called."""
    named = [_shown(bound) for bound in bounds]
    between = ["%s to %s" % pair for pair in zip(named, named[1:])]
    return ["up to " + named[0], *between, "above " + named[-1]]


def _numbers(reference, key, count, where):
    """The list KEY of a REFERENCE; ValueError where it is no list of COUNT numbers (None: any)."""
    found = reference.get(key)
    good = isinstance(found, list) and all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in found
    )
    if not good or count not in (None, len(found)):
        wanted = "numbers" if count is None else "%d numbers" % count
        raise ValueError("%s: '%s' of its reference must be a list of %s" % (where, key, wanted))
    return found


def _rows(reference, shares, where):
    """Rows of the training data by SHARES; ValueError where they cannot be shares."""
    rows = reference.get("rows")
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise ValueError("%s: 'rows' of its reference must be a whole number above 0" % where)
    if min(shares) < 0 or abs(sum(shares) - 1) > 0.001:
        raise ValueError("%s: the shares of its reference must sum to 1" % where)
    return [rows * share for share in shares]


class Continuous:
    """The bins of one continuous feature: below, those of the reference, above, missing."""

    def __init__(self, entry, reference, where):
        # An open end has a bin, too, which stays empty: so all have the same ones.
        ends = reference.get("range") or entry.get("range") or ("inf", "inf")
        low, high = (_end(end) for end in ends)
        self._low = -math.inf if low is None else low
        inner = _numbers(reference, "bins", None, where)
        self._bounds = [*inner, math.inf if high is None else high]
        if not inner or inner != sorted(set(inner)):
            raise ValueError("%s: 'bins' of its reference must ascend" % where)
        if not self._low <= inner[0] or not inner[-1] <= self._bounds[-1]:
            raise ValueError("%s: 'bins' of its reference must lie within its range" % where)
        shares = _numbers(reference, "shares", len(inner) + 1, where)
        missing = reference.get("missing", 0)
        self.rows = _rows(reference, [0, *shares, 0, missing], where)
        named = bin_names(inner)
        if low is not None:
            named[0] = "%s to %s" % (_shown(low), _shown(inner[0]))
        if high is not None:
            # Of data that are all the same nothing lies between the two.
            named[-1] = "none" if inner[-1] == high else "%s to %s" % (_shown(inner[-1]), _shown(high))
        below, above = ("none" if end is None else _shown(end) for end in (low, high))
        self.names = ["below " + below, *named, "beyond " + above, _MISSING]

    def place(self, value):
        """The number of the bin of one VALUE, whatever it is."""
        try:
            value = float(value)
        except (TypeError, ValueError, OverflowError):
            return len(self.names) - 1
        if value < self._low:
            return 0
        if math.isnan(value):
            return len(self.names) - 1
        return 1 + bisect.bisect_left(self._bounds, value)

    def counts(self, column):
        """{bin: number of values} of a COLUMN, an array of numpy."""
        np = sys.modules["numpy"]
        try:
            values = column.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            return Counter(map(self.place, column.tolist()))
        places = np.searchsorted(self._bounds, values, side="left") + 1
        places[values < self._low] = 0
        places[np.isnan(values)] = len(self.names) - 1
        found = np.bincount(places)
        return {place: int(found[place]) for place in np.flatnonzero(found).tolist()}


class Categorical:
    """The bins of one categorical feature: its values, the other ones, unseen ones, missing."""

    def __init__(self, entry, reference, where):
        listed = reference.get("values")
        known = entry.get("values") or ()
        if not isinstance(listed, list) or not listed or any(v not in known for v in listed):
            raise ValueError("%s: 'values' of its reference must be some of its values" % where)
        shares = _numbers(reference, "shares", len(listed), where)
        more = [reference.get("other", 0), 0, reference.get("missing", 0)]
        self.rows = _rows(reference, [*shares, *more], where)
        # Quoted, so that no value of a model's can be taken for one of our words.
        self.names = [json.dumps(value, ensure_ascii=False) for value in listed]
        self.names += [_OTHER, _UNSEEN, _MISSING]
        self._places = {}
        for value in known:
            place = listed.index(value) if value in listed else len(listed)
            # Numbers that come beside text come as text, and whole ones beside fractions as floats.
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            for form in (value, str(value), *((str(float(value)),) if number else ())):
                self._places.setdefault(form, place)
        for nothing in (None, ""):
            self._places.setdefault(nothing, len(self.names) - 1)

    def place(self, value):
        """The number of the bin of one VALUE, whatever it is."""
        try:
            place = self._places.get(value)
        except TypeError:
            place = None  # lists and such are no value of any
        if place is None:
            missing = isinstance(value, float) and math.isnan(value)
            return len(self.names) - (1 if missing else 2)
        return place

    def counts(self, column):
        """{bin: number of values} of a COLUMN, an array of numpy."""
        found = Counter()
        try:
            for value, times in Counter(column.tolist()).items():
                found[self.place(value)] += times
        except TypeError:
            return Counter(map(self.place, column.tolist()))
        return found


def _end(end):
    try:
        end = float(end)
    except (TypeError, ValueError):
        return None
    return end if math.isfinite(end) else None


def _as_rows(data):
    """DATA of a request as rows: an array of two dimensions or a list of lists; None for neither."""
    if hasattr(data, "ndim"):
        if data.ndim == 1:
            return data.reshape(1, -1)
        return data if data.ndim == 2 else None
    if not isinstance(data, list):
        return None
    return data if data and all(isinstance(row, list) for row in data) else [data]


def _examples(rows):
    """Of an array one row, as all are as long; of a list all."""
    return rows[:1] if hasattr(rows, "ndim") else rows


class Features:
    """The features of a contract that are counted, and where in a request and in a slot each is."""

    def __init__(self, contract):
        self.named = []  # (name, its bins, column, first cell)
        self.columns, self.cells = [], 1  # the first cell: rows that do not match
        for number, entry in enumerate(contract.get("features") or (), 1):
            name = str(entry.get("name", ""))
            repeat = int(entry.get("repeat") or 1)
            width = repeat * int((entry.get("shape") or [1])[0])
            reference = entry.get("reference")
            if reference is not None:
                where = "feature %d (%s)" % (number, name)
                if not isinstance(reference, dict):
                    raise ValueError("%s: its reference must be a mapping" % where)
                if width != 1 or len(entry.get("shape") or [1]) > 1:
                    raise ValueError("%s: a reference is of one column, not of %d" % (where, width))
                kind = Categorical if entry.get("ftype") == "categorical" else Continuous
                bins = kind(entry, reference, where)
                self.named.append((name, bins, len(self.columns), self.cells))
                self.cells += len(bins.names)
            self.columns += [name] * width
        self._order = None  # the names that came last, and the column of each feature by them
        series = self.cells - 1
        if series > SERIES_MAX:
            raise ValueError(
                "its features have %d bins, and each is a series of every server: at most %d can be"
                " counted; leave the reference of some out" % (series, SERIES_MAX)
            )

    def identity(self):
        """What tells these cells from others', as JSON has it."""
        return [[name, bins.names] for name, bins, _column, _cell in self.named]

    def _places(self, names):
        """The column of each feature: by NAMES where they are the contract's in another order."""
        names = list(names) if names is not None else []
        if self._order is None or self._order[0] != names:
            columns = [column for _name, _bins, column, _cell in self.named]
            if names != self.columns and sorted(map(str, names)) == sorted(self.columns):
                columns = [names.index(name) for name, _bins, _column, _cell in self.named]
            self._order = names, columns
        return self._order[1]

    def count(self, cells, start, rows, names):
        """Counts the ROWS of a request, a list or an array of numpy, in CELLS from START on."""
        given = _as_rows(rows)
        if given is None or any(len(row) != len(self.columns) for row in _examples(given)):
            cells[start] += 1 if given is None else len(given)
            return
        columns = self._places(names)
        if len(given) > _FEW_ROWS and hasattr(given, "ndim"):
            for (_name, bins, _own, cell), column in zip(self.named, columns):
                for place, times in bins.counts(given[:, column]).items():
                    cells[start + cell + place] += times
            return
        for row in given:
            values = row.tolist() if hasattr(row, "tolist") else row
            for (_name, bins, _own, cell), column in zip(self.named, columns):
                cells[start + cell + bins.place(values[column])] += 1

    def samples(self, counts):
        """{family: samples} of COUNTS, the cells of these features summed over all slots."""
        found = {FEATURE_ROWS: [], FEATURE_REFERENCE: [], FEATURE_UNMATCHED: [("", {}, counts[0])]}
        for name, bins, _column, cell in self.named:
            for place, bin_name in enumerate(bins.names):
                own = {"feature": name, "bin": bin_name}
                found[FEATURE_ROWS].append(("", own, counts[cell + place]))
                found[FEATURE_REFERENCE].append(("", own, bins.rows[place]))
        return found


def output_references(contract, outputs):
    """{output: rows of its reference by bin}; outputs: (name, bounds) of each, as they are counted."""
    found, places = {}, iter(outputs)
    for number, target in enumerate(contract.get("targets") or (), 1):
        reference = target.get("reference")
        for name, bounds in [next(places) for _each in range(int(target.get("repeat") or 1))]:
            if reference is not None:
                where = "target %d (%s)" % (number, target.get("name"))
                shares = _numbers(reference, "shares", len(bounds) + 1, where)
                found[name] = _rows(reference, shares, where)
    return found


def output_samples(outputs, counts, references):
    """{family: samples} of predictions by bin. counts: a list per output; see output_references()."""
    found = {PREDICTION_ROWS: [], PREDICTION_REFERENCE: []}
    for (name, bounds), counted in zip(outputs, counts):
        for place, bin_name in enumerate(bin_names(bounds)):
            own = {"output": name, "bin": bin_name}
            found[PREDICTION_ROWS].append(("", own, counted[place]))
            if name in references:
                found[PREDICTION_REFERENCE].append(("", own, references[name][place]))
    return found


def with_trained(contract, folder):
    """CONTRACT (dict) with the references that training left in FOLDER, if it did.

    OSError, ValueError: there is a file, and it cannot be used.
    """
    path = os.path.join(folder, REFERENCE_FILE)
    if not os.path.isfile(path):
        return contract
    with open(path, encoding="utf-8") as stream:
        trained = json.load(stream)
    changed = dict(contract)
    for part in ("features", "targets"):
        known = trained.get(part) or {}
        changed[part] = [
            {**entry, "reference": known[entry["name"]]} if entry.get("name") in known else entry
            for entry in contract.get(part) or ()
        ]
    return changed
