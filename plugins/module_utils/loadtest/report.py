# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of a run as one HTML file that opens anywhere, offline, without script."""

from __future__ import annotations

import time
from html import escape

from . import charts
from .output import PERCENTILES, percentiles

_STYLE = (
    """
:root{--bg:#f6f7f9;--card:#fff;--ink:#1c2330;--soft:#5b6678;--line:#d9dee6;--c0:#2563c9;--c1:#d9480f;--c2:#2b8a3e;
--c3:#9c36b5;--c4:#0c8599;--c5:#a87400;--ok:#2b8a3e;--bad:#c92a2a;--dim:#a87400}
@media(prefers-color-scheme:dark){:root{--bg:#12161d;--card:#1b212b;--ink:#e6eaf0;--soft:#9aa6b8;--line:#303947;--c0:#74a7ff;
--c1:#ff9361;--c2:#69db7c;--c3:#da77f2;--c4:#3bc9db;--c5:#ffd43b;--ok:#69db7c;--bad:#ff8787;--dim:#ffd43b}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
main{max-width:1360px;margin:0 auto;padding:24px}h1{font-size:24px;margin:0 0 4px}h2{font-size:16px;margin:0 0 8px}
.soft{color:var(--soft);margin:0 0 16px;overflow-wrap:anywhere}.grid2{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:16px}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px;margin-bottom:16px;min-width:0}
.grid2 section{margin:0}.grid2{margin-bottom:16px}.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px}
.tiles div{min-width:0}.tiles b{display:block;font-size:21px;font-variant-numeric:tabular-nums}.tiles span{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px 5px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:500}.num{text-align:right;white-space:nowrap}tr:last-child td{border-bottom:0}
.out{font-weight:600}.pass{color:var(--ok)}.fail,.error{color:var(--bad)}.inconclusive{color:var(--dim)}
svg{width:100%;height:auto;display:block}svg text{font:12px system-ui,sans-serif;fill:var(--soft)}
.end{text-anchor:end}.mid{text-anchor:middle}line.grid{stroke:var(--line)}.axis{stroke:var(--ink);stroke-width:1.5}
.mark{stroke:var(--bad);stroke-width:3}.legend{margin:0 0 4px;color:var(--soft);font-size:13px}.legend span{margin-right:14px;white-space:nowrap}
.legend i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:5px;vertical-align:-1px}
.bmark{background:var(--bad)}.baxis{background:var(--ink)}.none{color:var(--soft)}
"""
    + "".join(
        "polyline.l%d{fill:none;stroke:var(--c%d);stroke-width:2}.f%d{fill:var(--c%d)}.a%d{fill:var(--c%d);fill-opacity:.65}"
        ".b%d{background:var(--c%d)}" % ((number,) * 8)
        for number in range(charts.COLOURS)
    )
    + "\n"
)

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def report_html(result, rows, record, expected):
    """The page: ``result`` as returned to the user, the timeline's ``rows``, the Record, declared shares."""
    title = "%s: %s" % (result["name"], result["outcome"])
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width,initial-scale=1'>",
        "<meta http-equiv='Content-Security-Policy' content=\"%s\">" % _POLICY,
        "<title>%s</title><style>%s</style></head><body><main>" % (escape(title), _STYLE),
        "<h1>Load test %s: <span class='%s'>%s</span></h1>"
        % (escape(result["name"]), result["outcome"], result["outcome"]),
        "<p class='soft'>%s<br>%s to %s</p>"
        % (escape(result["url"]), _instant(result["started_at"]), _instant(result["ended_at"])),
        "<section>%s</section>" % _tiles(result),
        "<section><h2>Verdicts</h2>%s</section>" % _verdicts(result),
        "<div class='grid2'>%s</div>"
        % "".join(
            "<section><h2>%s</h2>%s</section>" % section
            for section in _pictures(result, rows, record, expected)
        ),
        "<section><h2>Predictors</h2>%s</section>" % _predictors(result),
        "<section><h2>Latency</h2>%s</section>" % _latencies(result),
        "<section><h2>Errors</h2>%s</section>" % _errors(result),
        "<section><h2>The generator itself</h2>%s</section>" % _generator(result),
        "</main></body></html>\n",
    ]
    return "\n".join(parts)


def _instant(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _table(header, rows):
    """A table; columns whose header ends in a blank hold numbers."""
    classes = [" class='num'" if name.endswith(" ") else "" for name in header]
    lines = [
        "<tr>%s</tr>"
        % "".join("<th%s>%s</th>" % pair for pair in zip(classes, map(escape, header)))
    ]
    for row in rows:
        lines.append("<tr>%s</tr>" % "".join("<td%s>%s</td>" % pair for pair in zip(classes, row)))
    return "<div class='wide'><table>%s</table></div>" % "".join(lines)


def _number(value, digits=2):
    if value is None:
        return "-"
    return "{:,}".format(value) if isinstance(value, int) else "{:,.{}f}".format(value, digits)


def _tiles(result):
    tiles = [
        (_number(result["requests"]), "requests"),
        (_number(result["throughput"], 1), "answers per second"),
        ("%s %%" % _number(100.0 * result["errors"]["ratio"], 3), "errors"),
    ]
    tiles += [
        ("%s ms" % _number(result["latency_ms"][name]), "latency %s" % name.replace("_", "."))
        for name in ("p50", "p95", "p99", "max")
    ]
    tiles.append(("%s s" % _number(result["duration_seconds"], 1), "duration"))
    return "<div class='tiles'>%s</div>" % "".join(
        "<div><b>%s</b><span>%s</span></div>" % tile for tile in tiles
    )


def _verdicts(result):
    rows = [
        (
            "<span class='out %s'>%s</span>" % (item["outcome"], item["outcome"]),
            escape(item["message"]),
            _number(item["samples"]),
        )
        for item in result["verdicts"]
    ]
    return (
        _table(("outcome", "why", "samples "), rows)
        if rows
        else "<p class='none'>There were no thresholds.</p>"
    )


def _name(predictor, version):
    return ("%s %s" % (predictor or "(unnamed)", version)).strip()


def _pictures(result, rows, record, expected):
    """(title, chart) of every picture."""
    times = [
        (name, [(row["second"], row[key]) for row in rows])
        for name, key in (
            ("p50", "p50_ms"),
            ("p95", "p95_ms"),
            ("p99", "p99_ms"),
            ("max", "max_ms"),
        )
    ]
    width = record.width
    # The last interval is shorter than the others; as a rate it would look like a breakdown.
    last = max((record.ended - record.started) / 1e9 - (len(rows) - 1) * width, 1e-3)
    widths = [width] * (len(rows) - 1) + [min(width, last)]
    rates = [
        (name, [(row["second"], row[key] / seconds) for row, seconds in zip(rows, widths)])
        for name, key in (("sent", "sent"), ("answered", "answers"), ("errors", "errors"))
    ]
    curves = [
        (name, list(zip(PERCENTILES, percentiles(samples))))
        for name, samples in (
            ("latency, from when it was due", record.latencies),
            ("service, from when it was sent", record.services),
        )
    ]
    slots = [slot for _key, slot in sorted(record.slots.items()) if slot.count]
    means = [
        (
            _name(slot.predictor, slot.version),
            [
                (
                    row["second"],
                    row["predictors"].get((slot.predictor, slot.version), {}).get("mean"),
                )
                for row in rows
            ],
        )
        for slot in slots
    ]
    shares = [
        (
            _name(item["predictor"], item["version"]),
            item["share"],
            item["share_low"],
            item["share_high"],
            item["declared"],
        )
        for item in result["predictors"]
    ]
    answering = {item["predictor"] for item in result["predictors"]}
    # One that should have answered and never did is what the picture is for.
    shares += [
        (name, 0.0, 0.0, 0.0, share)
        for name, share in sorted(expected.items())
        if share and name not in answering
    ]
    return [
        ("Latency over time", charts.lines(times, "seconds", "ms", log=True)),
        ("Latency by percentile", charts.nines(curves, "ms", record.latencies.count)),
        ("Requests over time", charts.lines(rates, "seconds", "per second", whole=True)),
        ("Split", charts.split(shares)),
        (
            "Predictions",
            charts.distribution(
                [(_name(slot.predictor, slot.version), slot.predictions.sample) for slot in slots],
                "predicted value",
            ),
        ),
        (
            "Mean prediction over time",
            charts.lines(means, "seconds", "predicted value", whole=True),
        ),
    ]


def _predictors(result):
    rows = []
    for item in result["predictors"]:
        declared = "-" if item["declared"] is None else "%.1f %%" % (100 * item["declared"])
        rows.append(
            (
                escape(item["predictor"] or "(unnamed)"),
                escape(item["version"]),
                _number(item["count"]),
                "%.2f %% (%.2f to %.2f)"
                % tuple(100 * item[name] for name in ("share", "share_low", "share_high")),
                declared,
                _number(item["prediction_mean"]),
                _number(item["prediction_min"]),
                _number(item["prediction_max"]),
                _number(item["latency_ms"]["p95"]),
            )
        )
    return _table(
        (
            "predictor",
            "version",
            "answers ",
            "share (99.9 % bounds) ",
            "declared ",
            "prediction mean ",
            "min ",
            "max ",
            "p95 ms ",
        ),
        rows,
    )


def _latencies(result):
    names = ("count", "min", "mean", "p50", "p90", "p95", "p99", "p99_9", "max")
    rows = [
        [text] + [_number(result[key][name], 3) for name in names]
        for text, key in (
            ("latency, from when it was due", "latency_ms"),
            ("service, from when it was sent", "service_ms"),
        )
    ]
    exact = "Exact." if result["latency_ms"]["exact"] else "From a histogram, at most 0.1 % off."
    return (
        _table(["ms"] + [name.replace("_", ".") + " " for name in names], rows)
        + "<p class='legend'>%s</p>" % exact
    )


def _errors(result):
    errors = result["errors"]
    rows = [(escape(kind), _number(count)) for kind, count in sorted(errors["by_kind"].items())]
    rows += [
        ("status %s" % escape(status), _number(count))
        for status, count in errors["by_status"].items()
    ]
    rows += [(escape(item["text"]), _number(item["count"])) for item in errors["details"]]
    return _table(("error", "count "), rows) if rows else "<p class='none'>None.</p>"


def _generator(result):
    own = result["generator"]
    lag = own["send_lag_us"]
    rows = [
        ("bottleneck of this run", "; ".join(own["reasons"]) or "no"),
        ("requests planned", _number(own["planned"])),
        (
            "never sent, sent late for want of a connection, cut off",
            "%d, %d, %d" % (own["missed"], own["queued"], own["abandoned"]),
        ),
        (
            "sent after they were due, in microseconds: p50, p99, max",
            ", ".join(_number(lag[name], 1) for name in ("p50", "p99", "max")),
        ),
        ("processor, of one", "%.1f %%" % (100 * own["cpu_ratio"])),
        (
            "times from the kernel: received, sent; from the clock",
            "%d, %d; %d"
            % tuple(own["timestamps"][name] for name in ("receive", "transmit", "clock")),
        ),
    ]
    return _table(("what", "how much"), [(escape(name), escape(value)) for name, value in rows])
