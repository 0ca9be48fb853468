# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run as series for Prometheus: their names, and the text that shows them."""

from __future__ import annotations

PREFIX = "monitml_load_test_"
RUNNING = PREFIX + "running"
START = PREFIX + "start_timestamp_seconds"
END = PREFIX + "end_timestamp_seconds"
REQUESTS = PREFIX + "requests"
ERRORS = PREFIX + "errors"
THROUGHPUT = PREFIX + "throughput"
LATENCY_P95 = PREFIX + "latency_p95_seconds"
PASSED = PREFIX + "passed"

FAMILIES = {
    RUNNING: "Whether the load test is running.",
    START: "When the run began, with its warm-up.",
    END: "When the run ended; not there while it runs.",
    REQUESTS: "Requests sent.",
    ERRORS: "Requests without a good answer.",
    THROUGHPUT: "Good answers per second.",
    LATENCY_P95: "95th percentile of the latency.",
    PASSED: "Whether every threshold held.",
}
# Labels that every run has, besides those that the option metrics_labels adds.
LABELS = ("name", "url")


def metrics(labels, started_at, ended_at=None, result=None):
    """A run in Prometheus' text format, all gauges.

    Times are in seconds since 1970. Without ``ended_at`` it still runs; without ``result`` it came to none.
    """
    values = {RUNNING: int(ended_at is None), START: started_at, END: ended_at}
    if result is not None:
        p95 = result["latency_ms"]["p95"]
        values[REQUESTS] = result["requests"]
        values[ERRORS] = result["errors"]["total"]
        values[THROUGHPUT] = result["throughput"]
        values[LATENCY_P95] = None if p95 is None else p95 / 1e3
        values[PASSED] = int(result["outcome"] == "pass")
    shown = ",".join('%s="%s"' % (name, _escape(labels[name])) for name in sorted(labels))
    lines = []
    for name, value in values.items():
        if value is not None:
            lines += [
                "# HELP %s %s" % (name, FAMILIES[name]),
                "# TYPE %s gauge" % name,
                "%s{%s} %s" % (name, shown, value),
            ]
    return "\n".join(lines) + "\n"


def _escape(text):
    return str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
