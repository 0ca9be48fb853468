# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run as text for other tools: timeline and percentiles as CSV."""

from __future__ import annotations

import csv
import io

from .summary import latency

_TIMELINE = ("second", "sent", "answers", "errors", "p50_ms", "p95_ms", "p99_ms", "max_ms")

# Denser towards the top, where the interesting ones are.
PERCENTILES = [
    0.0,
    10.0,
    20.0,
    30.0,
    40.0,
    50.0,
    60.0,
    70.0,
    75.0,
    80.0,
    85.0,
    90.0,
    92.5,
    95.0,
    97.5,
    98.0,
    99.0,
    99.5,
    99.75,
    99.9,
    99.95,
    99.99,
    99.995,
    99.999,
    100.0,
]


def timeline(record):
    """Rows of the timeline: a dict per interval; ``predictors`` maps (predictor, version) to its part."""
    rows = []
    for at, interval in enumerate(record.intervals):
        p50, p95, p99 = interval.latencies.percentiles([0.5, 0.95, 0.99])
        predictors = {}
        for key, (count, predictions, total, low, high) in sorted(interval.slots.items()):
            predictors[key] = {
                "answers": count,
                "mean": total / predictions if predictions else None,
                "min": low,
                "max": high,
            }
        rows.append(
            {
                "second": at * record.width,
                "sent": interval.sent,
                "answers": sum(part["answers"] for part in predictors.values()),
                "errors": interval.errors,
                "p50_ms": _ms(p50),
                "p95_ms": _ms(p95),
                "p99_ms": _ms(p99),
                "max_ms": _ms(interval.latencies.high),
                "predictors": predictors,
            }
        )
    return rows


def _ms(nanoseconds):
    return None if nanoseconds is None else round(nanoseconds / 1e6, 3)


def timeline_csv(rows):
    """The timeline as CSV, with three columns for each predictor and version."""
    keys = sorted({key for row in rows for key in row["predictors"]})
    header = list(_TIMELINE)
    for predictor, version in keys:
        name = "%s %s" % (predictor or "(unnamed)", version)
        header += ["%s answers" % name.strip(), "%s prediction_mean" % name.strip()]
    lines = [header]
    for row in rows:
        line = [row[name] for name in _TIMELINE]
        for key in keys:
            part = row["predictors"].get(key, {"answers": 0, "mean": None})
            line += [part["answers"], part["mean"]]
        lines.append(line)
    return _csv(lines)


def percentiles_csv(record):
    """Percentiles of latency and service time as CSV, in ms."""
    columns = [percentiles(samples) for samples in (record.latencies, record.services)]
    lines = [["percentile", "latency_ms", "service_ms"]]
    lines += [[percent, first, second] for percent, first, second in zip(PERCENTILES, *columns)]
    return _csv(lines)


def percentiles(samples):
    """Values of Samples in ms at PERCENTILES."""
    ratios = {percent: percent / 100.0 for percent in PERCENTILES}
    found = latency(samples, ratios)
    return [found[percent] for percent in PERCENTILES]


def _csv(lines):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    # A predictor's name comes from a server; a spreadsheet must not take it for a formula.
    writer.writerows(
        [
            [
                "'" + cell if isinstance(cell, str) and cell[:1] in "=+-@" and cell else cell
                for cell in line
            ]
            for line in lines
        ]
    )
    return text.getvalue()
