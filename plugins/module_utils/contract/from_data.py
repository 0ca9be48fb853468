# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A contract out of training data: pure functions over the lines of a CSV file with a header."""

from __future__ import annotations

import csv
import json
import math
import re
from array import array
from collections import Counter

from .definition import ContractError, shown
from .reference import of_categories, of_numbers, quantile_bounds, spread

# A column of more different texts is a name or a note, and no category.
MAX_TEXTS = 1000
_INT = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# How data frames and people write that there is no value.
_MISSING = {"", "nan", "na", "n/a", "null", "none"}


class _Scan:
    """What the cells of one column have been so far."""

    def __init__(self, name, max_categories):
        self.name = name
        self._max_categories = max_categories
        self.low, self.high = math.inf, -math.inf
        self.whole = True
        self.wholes, self.texts = Counter(), Counter()
        self.values = array("d")
        self.missing = None  # (row, cell) of the first cell without a value
        self.other = False  # whether any cell is neither a number nor without a value

    def take(self, cell, row):
        """Notes one cell. Raises ContractError for a number that no computation could use."""
        if len(self.texts) <= MAX_TEXTS or cell in self.texts:
            self.texts[cell] += 1
        value = read_number(cell)
        if value is None:
            if cell.strip().lower() not in _MISSING:
                self.other = True
            elif self.missing is None:
                self.missing = row, cell
            return
        if not math.isfinite(value):
            raise ContractError(
                "row %d, column %s: %s is beyond what numbers of 64 bits hold; correct it."
                % (row, self.name, shown(cell))
            )
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.values.append(value)
        if isinstance(value, float):
            self.whole = False
        elif len(self.wholes) <= self._max_categories or value in self.wholes:
            self.wholes[value] += 1

    def entry(self):
        """The contract's entry for this column."""
        if self.other:
            return self._categories("STRING", self.texts, MAX_TEXTS)
        if self.missing is not None:
            raise ContractError(
                "row %d, column %s: %s is no value, and a contract allows none; fill it in, or leave "
                "the row or the column out." % (self.missing[0], self.name, shown(self.missing[1]))
            )
        if self.whole and len(self.wholes) <= self._max_categories:
            return self._categories("INT", self.wholes, self._max_categories)
        dtype = "INT" if self.whole else "FLOAT"
        bounds = [self.low, self.high]
        return {"name": self.name, "dtype": dtype, "ftype": "continuous", "range": bounds}

    def with_reference(self, entry):
        """The entry of a feature with how its values are spread."""
        if entry["ftype"] == "continuous":
            return {**entry, "reference": of_numbers(self.values)}
        counts = self.texts if entry["dtype"] == "STRING" else self.wholes
        # Nothing but missing values is no spread.
        return {**entry, "reference": of_categories(counts)} if any(counts) else entry

    def with_predicted(self, entry):
        """The entry of a target with bins for what is predicted, and how the truth is spread over them."""
        if entry["dtype"] == "STRING":
            return entry
        if entry["ftype"] == "categorical":
            return {**entry, "reference": spread(self.values, entry["values"])}
        inner = quantile_bounds(sorted(self.values))
        bounds = sorted({float(self.low), *inner, float(self.high)})
        return {**entry, "bins": bounds, "reference": spread(self.values, bounds)}

    def _categories(self, dtype, values, limit):
        if len(values) > limit:
            raise ContractError(
                "column %s holds more than %d different texts, which is no category; leave it out "
                "of features." % (self.name, limit)
            )
        return {
            "name": self.name,
            "dtype": dtype,
            "ftype": "categorical",
            "values": sorted(values),
        }


def read_number(cell):
    """The number in a cell, inf where it is too large, None where it is text."""
    text = cell.strip()
    if not _FLOAT.fullmatch(text):
        return None
    value = float(text)
    return int(text) if _INT.fullmatch(text) and math.isfinite(value) else value


def describe_data(lines, targets, features=None, max_categories=5, reference=True):
    """The contract (dict) that the data keeps. ``lines`` is an iterable of lines of CSV text.

    Features are all columns but the targets, in their order, or those named. A column of at most
    ``max_categories`` different whole numbers is categorical; a target that is not has the dtype
    FLOAT. With ``reference`` each column says how its values are spread. Raises ContractError.
    """
    try:
        reader = csv.reader(lines, strict=True)
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        features = features or [name for name in header if name not in targets]
        _check_names(header, features, targets)
        scans = [_Scan(name, max_categories) for name in [*features, *targets]]
        positions = [(header.index(scan.name), scan) for scan in scans]
        row = 0
        for row, cells in enumerate((cells for cells in reader if cells), start=1):
            if len(cells) != len(header):
                sentence = "row %d has %d columns, the header has %d; correct it."
                raise ContractError(sentence % (row, len(cells), len(header)))
            for at, scan in positions:
                scan.take(cells[at], row)
    except csv.Error as err:
        raise ContractError("it is not valid CSV (%s)." % err) from err
    if not row:
        raise ContractError("it has a header and no rows.")
    entries = [scan.entry() for scan in scans]
    predicted = entries[len(features) :]
    for entry in predicted:
        # Prices may all be whole in the data; what a model says of them is not.
        entry["dtype"] = "FLOAT" if entry["ftype"] == "continuous" else entry["dtype"]
    given = entries[: len(features)]
    if reference:
        given = [scan.with_reference(entry) for scan, entry in zip(scans, given)]
        predicted = [scan.with_predicted(entry) for scan, entry in zip(scans[len(given) :], predicted)]
    return {"features": given, "targets": predicted}


def _check_header(header):
    if not header:
        raise ContractError("it is empty; the first line must name the columns.")
    if all(read_number(name) is not None for name in header):
        raise ContractError("its first line holds numbers; let it name the columns.")
    for name in header:
        if header.count(name) > 1:
            raise ContractError("it has the column %s more than once; rename one." % shown(name))


def _check_names(header, features, targets):
    if not targets:
        raise ContractError("targets is empty; name at least one column.")
    if not features:
        raise ContractError("every column is a target, so there is no feature left.")
    missing = [name for name in [*features, *targets] if name not in header]
    if missing:
        raise ContractError(
            "it lacks the columns %s; it has %s." % (", ".join(missing), ", ".join(header))
        )
    both = [name for name in targets if name in features]
    if both:
        raise ContractError("%s is named as a feature and as a target." % ", ".join(both))
    named = [*features, *targets]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ContractError("%s is named twice." % ", ".join(twice))


def contract_text(contract):
    """A contract as the text of its file, each column on a line of its own."""
    parts = []
    for key, entries in contract.items():
        rows = ",\n".join("    " + json.dumps(entry, ensure_ascii=False) for entry in entries)
        parts.append('  "%s": [\n%s\n  ]' % (key, rows))
    return "{\n%s\n}\n" % ",\n".join(parts)
