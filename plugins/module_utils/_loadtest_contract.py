# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Random rows from a model's contract.json, with the meaning Seldon's own tester gives it.

A contract has ``features``, each with ``name``, ``ftype`` (continuous or categorical),
``dtype`` (FLOAT, INT or STRING), ``range`` (two numbers, either of which may be "inf"),
``values``, ``shape`` and ``repeat``. Source: seldon_core.microservice_tester.
"""

from __future__ import annotations

import json
import math

from ansible_collections.monitml.stack.plugins.module_utils._loadtest_error import LoadTestError

DTYPES = ("FLOAT", "INT", "STRING")


class Contract:
    """The columns of one model's input: their names and how a value of each is drawn."""

    def __init__(self, names, samplers):
        self.names = names
        self._samplers = samplers

    def row(self, rng):
        """One row, drawn with the random.Random ``rng``: a list as long as ``names``."""
        return [sample(rng) for sample in self._samplers]


def parse_contract(text, where="the contract"):
    """Returns the Contract in ``text``; ``where`` names it in errors."""
    try:
        document = json.loads(text)
    except ValueError as err:
        raise LoadTestError("%s is not valid JSON (%s); correct it or give another." % (where, err))
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or not features:
        raise LoadTestError(
            "%s describes no features; give it a list 'features' with at least one entry, "
            'for example {"name": "x", "ftype": "continuous", "range": [0, 1]}.' % where
        )
    names, samplers = [], []
    for position, feature in enumerate(features, 1):
        label = "feature %d of %s" % (position, where)
        for name, sampler in _columns(feature, label):
            names.append(name)
            samplers.append(sampler)
    return Contract(names, samplers)


def _columns(feature, label):
    """Yields (name, sampler) for each column of one feature: repeat times the first of shape."""
    if not isinstance(feature, dict):
        raise LoadTestError("%s must be a mapping with name and ftype, not %r." % (label, feature))
    name = feature.get("name", "")
    if not isinstance(name, str):
        raise LoadTestError("%s has a name that is no text (%r); give it a string." % (label, name))
    if name:
        label = "%s (%s)" % (label, name)
    scalar = _scalar_sampler(feature, label)
    shape = _positive_ints(feature.get("shape", [1]), "shape", label)
    repeat = _positive_ints([feature.get("repeat", 1)], "repeat", label)[0]
    width = shape[0]
    inner = _nested(scalar, shape[1:])
    for number in range(1, repeat + 1):
        column = "%s%d" % (name, number) if repeat > 1 else name
        for part in range(1, width + 1):
            yield ("%s_%d" % (column, part) if width > 1 else column), inner


def _positive_ints(value, key, label):
    valid = (
        isinstance(value, list)
        and value
        and all(isinstance(item, int) and not isinstance(item, bool) and item > 0 for item in value)
    )
    if not valid:
        raise LoadTestError(
            "%s: %s must be made of whole numbers above 0, not %r." % (label, key, value)
        )
    return value


def _nested(sample, shape):
    """A sampler of lists nested as ``shape`` says, around the sampler of one value."""
    if not shape:
        return sample
    inner = _nested(sample, shape[1:])
    return lambda rng: [inner(rng) for _each in range(shape[0])]


def _scalar_sampler(feature, label):
    dtype = feature.get("dtype", "FLOAT")
    if dtype not in DTYPES:
        raise LoadTestError(
            "%s: dtype must be one of %s, not %r." % (label, ", ".join(DTYPES), dtype)
        )
    ftype = feature.get("ftype")
    if ftype == "categorical":
        values = feature.get("values")
        if not isinstance(values, list) or not values:
            raise LoadTestError(
                "%s is categorical and needs a list 'values' that is not empty." % label
            )
        return lambda rng: values[int(rng.random() * len(values))]
    if ftype != "continuous":
        raise LoadTestError("%s: ftype must be continuous or categorical, not %r." % (label, ftype))
    if dtype == "STRING":
        raise LoadTestError(
            "%s: a STRING is categorical; give it ftype categorical and values." % label
        )
    draw = _continuous(*_bounds(feature.get("range", ["inf", "inf"]), label))
    if dtype == "INT":
        return lambda rng: int(math.floor(draw(rng) + 0.5))
    return lambda rng: round(draw(rng), 3)


def _bounds(bounds, label):
    """Low and high, None where there is no end."""
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise LoadTestError(
            "%s: range must be a list of two, low and high, not %r." % (label, bounds)
        )
    ends = []
    for bound in bounds:
        if bound in ("inf", "-inf"):
            ends.append(None)
        elif (
            isinstance(bound, (int, float)) and not isinstance(bound, bool) and math.isfinite(bound)
        ):
            ends.append(bound)
        else:
            raise LoadTestError(
                '%s: an end of range is a number or "inf", not %r.' % (label, bound)
            )
    if None not in ends and ends[0] > ends[1]:
        raise LoadTestError("%s: range %r runs backwards; put the low end first." % (label, bounds))
    return ends


def _continuous(low, high):
    # The tails are Seldon's: normal without ends, lognormal away from the only end.
    if low is None and high is None:
        return lambda rng: rng.gauss(0.0, 1.0)
    if low is None:
        return lambda rng: high - rng.lognormvariate(0.0, 1.0)
    if high is None:
        return lambda rng: low + rng.lognormvariate(0.0, 1.0)
    return lambda rng: low + (high - low) * rng.random()
