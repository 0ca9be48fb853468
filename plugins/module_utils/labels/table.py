# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels as people have them, a CSV or a list of dicts, and what is wrong with them.

Pure functions. A label is {"id", "truth", "row" (None for an answer of one row), "when" (seconds
since the epoch, None for now), "where" (how a sentence calls it)}. Whether its truth can be one,
only those know who have the answer.
"""

from __future__ import annotations

import csv
import datetime
import math

_SHOWN = 20
# Who writes milliseconds, or a date as a number, does not mean these.
_EARLIEST, _AHEAD_SECONDS = 0, 86400
COLUMNS = {"id": "id", "truth": "truth", "when": "when", "row": "row"}


class TableError(Exception):
    """Says in sentences what is wrong, and the cure."""


def refuse(sentences):
    """Raises TableError of SENTENCES, where there are any; of many, the first."""
    if sentences:
        more = len(sentences) - _SHOWN
        told = sentences[:_SHOWN] + (["And %d more." % more] if more > 0 else [])
        raise TableError("\n".join(told))


def read_table(lines, columns, now, where="the file"):
    """The labels in LINES of a CSV. columns: how those of COLUMNS are called there. TableError."""
    reader = csv.reader(lines)
    try:
        header = [name.strip() for name in next(reader, [])]
        rows = [(reader.line_num, row) for row in reader if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError("%s is no CSV in UTF-8: %s." % (where, error)) from error
    if not header:
        raise TableError("%s is empty: its first line must name the columns, such as id,truth." % where)
    _check_header(header, columns, where)
    if not rows:
        raise TableError("%s has a header and no rows: there is nothing to tell." % where)
    places = {part: header.index(name) for part, name in columns.items() if name in header}
    found, sentences = [], []
    for number, row in rows:
        if len(row) != len(header):
            sentences.append("line %d has %d columns, and the header has %d." % (number, len(row), len(header)))
            continue
        cells = {part: row[place].strip() for part, place in places.items()}
        found.append({**cells, "where": "line %d" % number})
    refuse(sentences)
    return _checked(found, now)


def _check_header(header, columns, where):
    missing = [columns[part] for part in ("id", "truth") if columns[part] not in header]
    # Those that were named are meant to be there.
    missing += [name for part, name in columns.items() if name != COLUMNS[part] and name not in header + missing]
    if not missing:
        return
    if len(header) == 1 and ";" in header[0]:
        raise TableError("%s is separated by semicolons: save it as CSV that is separated by commas." % where)
    raise TableError(
        "%s lacks the column %s; it has %s. Say with id_column, truth_column, when_column and row_column what they"
        " are called." % (where, " and ".join(missing), ", ".join(header))
    )


def read_list(labels, now):
    """The labels in a list of dicts. TableError."""
    if not labels:
        raise TableError("labels is empty: there is nothing to tell.")
    return _checked([{**label, "where": "label %d" % number} for number, label in enumerate(labels, 1)], now)


def _checked(labels, now):
    sentences, known = [], {}
    found = []
    for label in labels:
        try:
            found.append(_label(label, now))
        except ValueError as error:
            sentences.append("%s: %s." % (label["where"], error))
            continue
        one = found[-1]
        other = known.setdefault((one["id"], one["row"]), one)
        if other["truth"] != one["truth"] and other["when"] == one["when"]:
            sentences.append(
                "%s and %s give the id %s different truths, %s and %s: keep the right one, or give each its time in %s."
                % (other["where"], one["where"], one["id"], other["truth"], one["truth"], "when")
            )
    refuse(sentences)
    return found


def _label(label, now):
    """ValueError: what is wrong with it."""
    name, truth = str(label.get("id") or "").strip(), label.get("truth")
    if not name:
        raise ValueError("there is no id")
    if truth is None or truth == "":
        raise ValueError("the id %s has no truth" % name)
    return {
        "id": name,
        "truth": truth,
        "row": _row(label.get("row")),
        "when": parse_when(label.get("when"), now),
        "where": label["where"],
    }


def _row(value):
    if value is None or value == "":
        return None
    try:
        row = int(str(value))
    except ValueError:
        row = -1
    if row < 0:
        raise ValueError("row is %r, no whole number from 0 on" % (value,))
    return row


def parse_when(value, now):
    """Seconds since the epoch of a time as ISO 8601 or these seconds; None for none. ValueError.

    Without a zone it is UTC.
    """
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = _iso_seconds(str(value))
    if seconds is None or not math.isfinite(seconds) or seconds < _EARLIEST:
        raise ValueError("when is %r, no date: write 2026-12-31T10:00:00Z, or seconds since 1970" % (value,))
    if seconds > now + _AHEAD_SECONDS:
        raise ValueError("when is %r, which is to come: write seconds since 1970, or 2026-12-31T10:00:00Z" % (value,))
    return seconds


def _iso_seconds(text):
    if text[-1:] in ("Z", "z"):
        text = text[:-1] + "+00:00"
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()
