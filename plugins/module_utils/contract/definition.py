# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model's contract.json: its typed columns, random rows of them, and what does not fit one.

A contract has ``features`` and ``targets``, each with ``name``, ``ftype`` (continuous or
categorical), ``dtype`` (FLOAT, INT or STRING), ``range`` (two numbers, either of which may be
"inf"), ``values``, ``shape`` and ``repeat``, with the meaning that Seldon's own tester gives them
(seldon_core.microservice_tester). ``outside``, of a feature or of the whole contract, is ours: it
says whether the model has to "answer" or to "refuse" inputs that the contract does not allow; and
``private``, of a feature, true where its values are not to be written down.
"""

from __future__ import annotations

import json
import math

DTYPES = ("FLOAT", "INT", "STRING")
FTYPES = ("continuous", "categorical")
OUTSIDE = ("answer", "refuse")

# More would be a mistake in repeat or shape, and fill the memory before anybody saw it.
_MAX_COLUMNS = 1000000
_MAX_NAMED = 12


class ContractError(Exception):
    """Says in a sentence what is wrong with a contract, and the cure."""


class Column:
    """One column: what its values are, how one is drawn, and what is wrong with a given one.

    ``low`` and ``high`` are None where the range is open, ``values`` is None where the column is
    continuous, ``inner`` is the shape of each of its values, () for a scalar. ``feature`` is the
    number of the entry of the contract that the column comes from.
    """

    __slots__ = ("name", "dtype", "low", "high", "values", "inner", "outside", "feature")

    def __init__(self, dtype, low=None, high=None, values=None, inner=(), outside=None):
        self.name = ""
        self.feature = 0
        self.dtype = dtype
        self.low, self.high, self.values = low, high, values
        self.inner, self.outside = tuple(inner), outside

    def named(self, name, feature):
        """This column under another name."""
        copy = Column(self.dtype, self.low, self.high, self.values, self.inner, self.outside)
        copy.name, copy.feature = name, feature
        return copy

    def draw(self, rng):
        """One value, drawn with the random.Random ``rng``; nested as ``inner`` says."""
        return self._nested(rng, self.inner)

    def fault(self, value):
        """(check, the rest of a sentence) of what is wrong with a value; None where it fits.

        The check is dtype, range or values, after what the contract says and the value breaks.
        """
        return self._nested_fault(value, self.inner)

    def _nested(self, rng, shape):
        if shape:
            return [self._nested(rng, shape[1:]) for _each in range(shape[0])]
        if self.values is not None:
            return self.values[int(rng.random() * len(self.values))]
        value = self._draw_number(rng)
        if self.dtype != "INT":
            return self._within(round(value, 3), self.low, self.high)
        low = None if self.low is None else math.ceil(self.low)
        high = None if self.high is None else math.floor(self.high)
        return self._within(int(math.floor(value + 0.5)), low, high)

    def _draw_number(self, rng):
        # The tails are Seldon's: normal without ends, lognormal away from the only end.
        low, high = self.low, self.high
        if low is None and high is None:
            return rng.gauss(0.0, 1.0)
        if low is None:
            return high - rng.lognormvariate(0.0, 1.0)
        if high is None:
            return low + rng.lognormvariate(0.0, 1.0)
        part, width = rng.random(), float(high) - float(low)
        # As far apart as floats go, their distance is no float.
        return low + width * part if math.isfinite(width) else low * (1 - part) + high * part

    @staticmethod
    def _within(value, low, high):
        """Rounding may leave the range by a little."""
        if low is not None and value < low:
            return low
        return high if high is not None and value > high else value

    def _nested_fault(self, value, shape):
        if not shape:
            return self._scalar_fault(value)
        if not isinstance(value, list) or len(value) != shape[0]:
            return "dtype", "is no list of %d" % shape[0]
        found = (self._nested_fault(item, shape[1:]) for item in value)
        return next((fault for fault in found if fault), None)

    def _scalar_fault(self, value):
        wrong = self._wrong_type(value)
        if wrong:
            return "dtype", "is %s, %s" % (shown(value), wrong)
        if self.values is not None:
            return None if value in self.values else ("values", self._no_category(value))
        if self.low is not None and value < self.low:
            return "range", "is %s, below %s" % (shown(value), shown(self.low))
        if self.high is not None and value > self.high:
            return "range", "is %s, above %s" % (shown(value), shown(self.high))
        return None

    def _wrong_type(self, value):
        if self.dtype == "STRING":
            return None if isinstance(value, str) else "no text"
        if not is_number(value):
            return "no number"
        if not is_finite(value):
            return "no finite number"
        return "no whole number" if self.dtype == "INT" and value != math.floor(value) else None

    def _no_category(self, value):
        named = ", ".join(shown(one) for one in self.values[:_MAX_NAMED])
        more = len(self.values) - _MAX_NAMED
        ending = " and %d more" % more if more > 0 else ""
        return "is %s, none of %s%s" % (shown(value), named, ending)


class Contract:
    """Lists of Columns, ``features`` and ``targets``; ``outside``: "answer", "refuse" or None."""

    def __init__(self, features, targets=(), outside=None):
        self.features = features
        self.targets = list(targets)
        self.outside = outside
        self.names = [column.name for column in features]

    def row(self, rng):
        """One row, drawn with the random.Random ``rng``: a list as long as ``names``."""
        return [column.draw(rng) for column in self.features]

    def outside_of(self, column):
        """What the model has to do with a value that the column does not allow; None for either."""
        return column.outside or self.outside


def is_number(value):
    """Whether this is a number; to JSON, true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_finite(number):
    """Whether a number is finite and, as whole numbers of JSON may be larger, fits a float."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def shown(value):
    """A value as JSON writes it, at most 60 characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def parse_contract(text, where="the contract", targets=False):
    """Returns the Contract in ``text``; ``where`` names it in errors.

    Only with ``targets`` are these read and required.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise ContractError("%s is not valid JSON (%s); correct it or give another." % (where, err))
    return read_contract(document, where, targets)


def read_contract(document, where="the contract", targets=False):
    """Returns the Contract in a parsed ``document``, as parse_contract()."""
    if not isinstance(document, dict):
        document = {}
    features = _part(document, "features", "%s%d", 1, where)
    found = _part(document, "targets", "%s:%d", 0, where) if targets else ()
    return Contract(features, found, _outside(document, where))


def _part(document, key, repeated, first, where):
    """The Columns of ``features`` or ``targets``."""
    entries = document.get(key)
    if not isinstance(entries, list) or not entries:
        raise ContractError(
            "%s describes no %s; give it a list '%s' with at least one entry, "
            'for example {"name": "x", "ftype": "continuous", "range": [0, 1]}.' % (where, key, key)
        )
    columns = []
    for position, entry in enumerate(entries, 1):
        label = "%s %d of %s" % (key[:-1], position, where)
        if not isinstance(entry, dict):
            raise ContractError(
                "%s must be a mapping with name and ftype, not %r." % (label, entry)
            )
        name = entry.get("name", "")
        if not isinstance(name, str):
            raise ContractError(
                "%s has a name that is no text (%r); give it a string." % (label, name)
            )
        if name:
            label = "%s (%s)" % (label, name)
        column = _column(entry, label)
        names = _names(entry, label, repeated, first)
        if len(columns) + len(names) > _MAX_COLUMNS:
            raise ContractError(
                "%s makes more than %d columns; correct its repeat or shape."
                % (label, _MAX_COLUMNS)
            )
        columns += [column.named(name, position) for name in names]
    return columns


def _names(entry, label, repeated, first):
    """The names of the columns that one entry stands for: repeat times the first of shape.

    Seldon counts repeated features from 1 and repeated targets from 0, which ``repeated`` (a
    format) and ``first`` say.
    """
    name = entry.get("name", "")
    width = _positive_ints(entry.get("shape", [1]), "shape", label)[0]
    repeat = _positive_ints([entry.get("repeat", 1)], "repeat", label)[0]
    if width * repeat > _MAX_COLUMNS:
        return range(width * repeat)
    names = []
    for number in range(first, first + repeat):
        column = repeated % (name, number) if repeat > 1 else name
        names += ["%s_%d" % (column, part) if width > 1 else column for part in range(1, width + 1)]
    return names


def _positive_ints(value, key, label):
    valid = (
        isinstance(value, list)
        and value
        and all(isinstance(item, int) and not isinstance(item, bool) and item > 0 for item in value)
    )
    if not valid or math.prod(value) > _MAX_COLUMNS:
        raise ContractError(
            "%s: %s must be made of whole numbers above 0, not %r." % (label, key, value)
        )
    return value


def _outside(entry, label):
    outside = entry.get("outside")
    if outside is not None and outside not in OUTSIDE:
        raise ContractError(
            "%s: outside must be one of %s, not %r." % (label, ", ".join(OUTSIDE), outside)
        )
    return outside


def _column(entry, label):
    """The Column of one entry, without its name."""
    outside = _outside(entry, label)
    ftype, values = entry.get("ftype"), entry.get("values")
    texts = isinstance(values, list) and values and all(isinstance(one, str) for one in values)
    dtype = entry.get("dtype", "STRING" if ftype == "categorical" and texts else "FLOAT")
    if dtype not in DTYPES:
        raise ContractError(
            "%s: dtype must be one of %s, not %r." % (label, ", ".join(DTYPES), dtype)
        )
    inner = _positive_ints(entry.get("shape", [1]), "shape", label)[1:]
    if ftype == "categorical":
        if not isinstance(values, list) or not values:
            raise ContractError(
                "%s is categorical and needs a list 'values' that is not empty." % label
            )
        return Column(dtype, values=values, inner=inner, outside=outside)
    if ftype != "continuous":
        raise ContractError("%s: ftype must be continuous or categorical, not %r." % (label, ftype))
    if dtype == "STRING":
        raise ContractError(
            "%s: a STRING is categorical; give it ftype categorical and values." % label
        )
    low, high = bounds(entry.get("range", ["inf", "inf"]), label)
    if dtype == "INT" and None not in (low, high) and math.ceil(low) > math.floor(high):
        raise ContractError(
            "%s: there is no whole number in the range %r; widen it." % (label, [low, high])
        )
    return Column(dtype, low, high, inner=inner, outside=outside)


def bounds(value, label="range"):
    """Low and high of a ``range``, None where there is no end; raises ContractError."""
    if not isinstance(value, list) or len(value) != 2:
        raise ContractError(
            "%s: range must be a list of two, low and high, not %r." % (label, value)
        )
    ends = []
    for bound in value:
        if bound in ("inf", "-inf"):
            ends.append(None)
        elif is_number(bound) and is_finite(bound):
            ends.append(bound)
        else:
            raise ContractError(
                '%s: an end of range is a number or "inf", not %r.' % (label, bound)
            )
    if None not in ends and ends[0] > ends[1]:
        raise ContractError("%s: range %r runs backwards; put the low end first." % (label, value))
    return ends


def entry_problems(where, entry):
    """What is wrong with an entry in which nothing may be left out, as sentences."""
    if not isinstance(entry, dict):
        return ["%s is no JSON object." % where]
    found = [
        "%s: %s is %r, not one of %s." % (where, key, entry.get(key), ", ".join(allowed))
        for key, allowed in (("dtype", DTYPES), ("ftype", tuple(sorted(FTYPES))))
        if entry.get(key) not in allowed
    ]
    if entry.get("ftype") == "categorical" and not entry.get("values"):
        found.append("%s: a categorical column needs its 'values'." % where)
    if entry.get("ftype") == "continuous" and not _is_range(entry.get("range")):
        found.append("%s: 'range' must be two numbers (or \"inf\"), the lower one first." % where)
    if not isinstance(entry.get("private", False), bool):
        found.append("%s: private is %r; write true or false." % (where, entry["private"]))
    return found


def _is_range(value):
    try:
        bounds(value)
    except ContractError:
        return False
    return True


def contract_problems(document):
    """What is wrong with a parsed contract that is to be deployed, as sentences."""
    if not isinstance(document, dict):
        return ["it is no JSON object with 'features' and 'targets'."]
    found = []
    for part in ("features", "targets"):
        entries = document.get(part)
        if not isinstance(entries, list) or not entries:
            found.append("'%s' is missing or empty: list at least one column." % part)
            continue
        for index, entry in enumerate(entries):
            found += entry_problems("%s[%d]" % (part, index), entry)
    if not found:
        try:
            read_contract(document, "it", targets=True)
        except ContractError as err:
            found.append(str(err))
    return found
