# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Figures as a person reads them: 484,713.5 and 100, 12.5 %, 250 ms.

Each unit is written twice, once for figures known now and once as a template that Prometheus
fills in; a test holds the two against each other. Pure functions.
"""

from __future__ import annotations

# Prometheus' templates have no thousands separator: each pass sets one, from the right.
_COMMA = ' | reReplaceAll "^(-?[0-9]+)([0-9]{3})(,|[.]|$)" "$1,$2$3"'
_GROUPED = (
    '{{ if and (lt $value 1000.0) (gt $value -1000.0) }}{{ printf "%.4g" $value }}'
    '{{ else }}{{ printf "%.1f" $value' + _COMMA * 4 + ' | reReplaceAll "[.]0$" "" }}{{ end }}'
)
_TEMPLATES = {
    "value": _GROUPED,
    "count": '{{ printf "%.0f" $value' + _COMMA * 4 + " }}",
    "ratio": '{{ humanizePercentage $value | reReplaceAll "%" " %" }}',
    "seconds": '{{ humanizeDuration $value | reReplaceAll "([0-9])([a-z])" "$1 $2" }}',
    "per_second": '{{ printf "%.3g" $value }}/s',
    "bytes": "{{ humanize1024 $value }}B",
}


def figure(value: float, unit: str) -> str:
    """A figure in words and digits; unit as in queries.Measure."""
    if unit == "value":
        return f"{value:.4g}" if -1000 < value < 1000 else _without_zero(f"{value:,.1f}")
    if unit == "count":
        return f"{value:,.0f}"
    if unit == "ratio":
        return f"{value * 100:.4g} %"
    if unit == "per_second":
        return f"{value:.3g}/s"
    if unit == "seconds":
        return f"{value * 1000:.4g} ms" if 0 < abs(value) < 1 else f"{value:.4g} s"
    raise ValueError(f"no figure is written in the unit {unit}")


def figure_template(unit: str, variable: str = "$value") -> str:
    """The same as a template of Prometheus' annotations, for a number it holds in a variable."""
    return _TEMPLATES[unit].replace("$value", variable)


def limits(low: float | None, high: float | None, unit: str) -> str:
    """What a monitor allows: at least 100,000; at most 1 %; 10 to 20."""
    if low is None:
        return f"at most {figure(high, unit)}"
    if high is None:
        return f"at least {figure(low, unit)}"
    return f"{figure(low, unit)} to {figure(high, unit)}"


def promql_number(value: float) -> str:
    """A finite number as PromQL reads it, without loss."""
    return (
        repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
    )


def _without_zero(text: str) -> str:
    return text[:-2] if text.endswith(".0") else text
