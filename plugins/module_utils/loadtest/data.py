# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows from a data file: CSV with or without a header, or JSON lines."""

from __future__ import annotations

import csv
import io
import json

from ..client.error import LoadTestError


def parse_data(text, where="the data file"):
    """Returns (names, rows): the column names, empty where the file has none, and lists of values.

    JSON lines are told from CSV by the first character: each line is a list, or an object
    whose keys are the names.
    """
    first = text.lstrip("\ufeff \t\r\n")[:1]
    if not first:
        raise LoadTestError("%s is empty; give one with at least one row." % where)
    names, rows = (_json_lines if first in "[{" else _csv)(text.lstrip("\ufeff"), where)
    if not rows:
        raise LoadTestError("%s has a header and no row; give one with at least one row." % where)
    return names, rows


def take_column(names, rows, column, where="the data file"):
    """Returns (names, rows, values) with the column ``column`` taken out into ``values``."""
    if column not in names:
        raise LoadTestError(
            "%s has no column %s; its columns are %s."
            % (where, column, ", ".join(names) or "not named")
        )
    at = names.index(column)
    rest = [row[:at] + row[at + 1 :] for row in rows]
    return names[:at] + names[at + 1 :], rest, [row[at] for row in rows]


def _json_lines(text, where):
    names, rows = None, []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except ValueError as err:
            raise LoadTestError("line %d of %s is not valid JSON (%s)." % (number, where, err))
        keys = list(item) if isinstance(item, dict) else []
        if not isinstance(item, (dict, list)) or not item:
            raise LoadTestError(
                "line %d of %s must be a list or an object with values." % (number, where)
            )
        if names is None:
            names = keys
        if isinstance(item, dict):
            if sorted(keys) != sorted(names):
                raise LoadTestError(
                    "line %d of %s has other keys than the first." % (number, where)
                )
            item = [item[name] for name in names]
        elif names or (rows and len(item) != len(rows[0])):
            raise LoadTestError("line %d of %s has not the form of the first." % (number, where))
        rows.append(item)
    return names or [], rows


def _csv(text, where):
    lines = []
    try:
        reader = csv.reader(io.StringIO(text), strict=True)
        for fields in reader:
            if not fields:
                continue
            if lines and len(fields) != len(lines[0]):
                raise LoadTestError(
                    "line %d of %s has %d fields and the first has %d; make them equal."
                    % (reader.line_num, where, len(fields), len(lines[0]))
                )
            lines.append([_value(field) for field in fields])
    except csv.Error as err:
        raise LoadTestError("%s is not valid CSV (%s)." % (where, err))
    # A header is a first line of text above a line with a number, or without any number at all.
    header = all(isinstance(value, str) for value in lines[0])
    if header and len(lines) > 1 and lines[0] != lines[1]:
        return [value.strip() for value in lines[0]], lines[1:]
    return ([], []) if header and len(lines) == 1 else ([], lines)


def _value(field):
    """The number in a field, or its text."""
    text = field.strip()
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        # "nan" and "1_000" are Python's numbers, not a data file's.
        return number if "_" not in text and number - number == 0 else text
    return text
