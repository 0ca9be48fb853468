# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Made-up series of a deployment, and promtool to run its rules over them.

A case says which series there are, and when which alerts must fire; at each such moment every
other alert of the file must be silent. All series have one sample a second.
"""

from __future__ import annotations

import subprocess

import numpy as np
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.watching import rules
from watching_stack import housing_deployment

ID = 'namespace="seldon",deployment_name="housing",predictor_name="{0}",predictor_version="{1}"'
GOOD, BAD = ID.format("good", "v1"), ID.format("bad", "v2")
UP_GATEWAY = 'up{job="gateway",instance="gw"}'
SECONDS = 700
MONITOR = {
    "name": "Watched",
    "window_seconds": 30,
    "min": None,
    "max": None,
    "min_samples": 5,
    "for_seconds": 0,
    "severity": "critical",
    "predictors": [],
}


def steps(*parts: tuple[float, int]) -> str:
    """A counter that grows by a rate for some seconds, then by the next, from zero on."""
    text, value = [], 0.0
    for rate, seconds in parts:
        text.append(f"{value!r}+{rate!r}x{seconds - 1}")
        value += rate * seconds
    return " ".join(text)


def flat(value: float | str, seconds: int = SECONDS) -> str:
    return " ".join([value] * seconds) if isinstance(value, str) else f"{value!r}+0x{seconds}"


def model(
    who: str, value: float = 500_000, rate: str | None = None, sums: str | None = None, **more
) -> dict:
    """The series of a model server that answers one prediction a second, always the same value."""
    count = rate or steps((1, SECONDS))
    labels = f'{{{who},output="price"}}'
    sign, other = ("positive", "negative") if value >= 0 else ("negative", "positive")
    instance = f'instance="{more.get("instance", who[-3:-1])}:1"'
    total = sums or steps(*((abs(value) * r, s) for r, s in more.get("parts", ((1, SECONDS),))))
    target = f'{{job="models",{instance},{who}}}'
    families = {
        f"up{target}": flat(1),
        f'monitml_model_info{{job="models",{instance},{who}}}': flat(1),
        f'monitml_prediction_count{{job="models",{instance},{labels[1:]}': count,
        f'monitml_prediction_sum_total{{{who},output="price",sign="{sign}"}}': total,
        f'monitml_prediction_sum_total{{{who},output="price",sign="{other}"}}': flat(0),
        f"monitml_prediction_min{labels}": flat(value),
        f"monitml_prediction_max{labels}": flat(value),
        f'monitml_prediction_errors_total{{{who},reason="exception"}}': flat(0),
        f"monitml_prediction_non_numeric_total{{{who}}}": flat(0),
    }
    return {**families, **gateway(who, more.get("parts", ((1, SECONDS),)))}


def gateway(who: str, parts, code: str = "2", milliseconds: int = 10) -> dict:
    """The gateway's series of one predictor's requests, all answered alike."""
    counts = steps(*parts)
    time = "envoy_cluster_upstream_rq_time"
    bounds = {str(bound): counts if bound >= milliseconds else flat(0) for bound in (10, 100, 1000)}
    return {
        f'envoy_cluster_upstream_rq_xx{{{who},envoy_response_code_class="{code}"}}': counts,
        **{f'{time}_bucket{{{who},le="{bound}"}}': text for bound, text in bounds.items()},
        f'{time}_bucket{{{who},le="+Inf"}}': counts,
        f"{time}_count{{{who}}}": counts,
    }


def spread(who: str, of: str, rates: dict[str, float], reference: dict[str, float] | None = None) -> dict:
    """The series of a server's rows by bin, each with its rows a second; of: feature="x" or output="x"."""
    subject = "feature" if of.startswith("feature") else "prediction"
    own = f'instance="a:1",{who},{of}'
    return {
        **{
            f'monitml_{subject}_rows_total{{{own},bin="{name}"}}': steps((rate, SECONDS))
            for name, rate in rates.items()
        },
        **{
            f'monitml_{subject}_reference_rows{{{own},bin="{name}"}}': flat(rows)
            for name, rows in (reference or {}).items()
        },
    }


def labelled(who: str, series: str, value: float, rows: str = "monitml_label_rows", number: float | str = 20, **own) -> dict:
    """The series of labels that came within 30 s: a figure over a number of rows; own: more labels."""
    text = "".join(f',{name.rstrip("_")}="{label}"' for name, label in own.items())
    labels = f'{{job="labels",{who},window="30s"{text}}}'
    ages = {name: labels for name in ("monitml_label_answer_age_seconds", "monitml_label_last_seconds")}
    return {
        f"{series}{labels}": flat(value),
        f"{rows}{labels}": number if isinstance(number, str) else flat(number),
        **{name + own: flat(value) for (name, own), value in zip(ages.items(), (7200, 60))},
    }


def psi(counts, reference) -> float:
    """The population stability index as the documentation has it, of two lists of rows by bin."""
    c, d = np.array(counts, dtype=float), np.array(reference, dtype=float)
    p, q = c / c.sum(), d / d.sum()
    filled = np.where(p > 0, p, np.minimum(0.5 / c.sum(), q))
    other = np.where(q > 0, q, np.minimum(0.5 / d.sum(), p))
    used = (p > 0) | (q > 0)
    filled, other = filled[used], other[used]
    return float(((filled - other) * np.log(filled / other)).sum())


def chance(counts, reference, used=None) -> float:
    """The PSI that chance reaches once in ten thousand windows, over the bins that are used."""
    used = np.array(reference) > 0 if used is None else used
    freedom = max(1, int(np.sum(used)) - 1)
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + 3.72 * part**0.5) ** 3 * (1 / np.sum(counts) + 1 / np.sum(reference)))


def jensen_shannon(counts, reference) -> float:
    """The distance of that name to base 2."""
    p, q = (np.array(n, dtype=float) / sum(n) for n in (counts, reference))
    middle = (p + q) / 2
    halves = [np.where(x > 0, x * np.log2(np.where(x > 0, x, 1) / np.where(middle > 0, middle, 1)), 0) for x in (p, q)]
    return float(np.sqrt(max(0.0, sum(half.sum() for half in halves) / 2)))


def stack() -> dict:
    return {
        UP_GATEWAY: flat(1),
        'up{job="node",instance="n"}': flat(1),
        'node_filesystem_avail_bytes{instance="n",device="/dev/a",mountpoint="/"}': flat(50),
        'node_filesystem_size_bytes{instance="n",device="/dev/a",mountpoint="/"}': flat(100),
        'alertmanager_notifications_failed_total{integration="slack"}': flat(0),
    }


def healthy() -> dict:
    """Split as declared: three requests a second to good, one to bad; both predict prices."""
    three = ((3, SECONDS),)
    return {
        **model(GOOD, rate=steps(*three), parts=three, sums=steps((1_500_000, SECONDS))),
        **model(BAD),
        **stack(),
    }


def deployment_with(*monitors: dict) -> dict:
    return housing_deployment(monitors=[{**MONITOR, **monitor} for monitor in monitors])


def run(tmp_path, series: dict, expected: dict[int, set[str]], deployment=None, expressions=()):
    """Holds a case: at each second exactly the expected (alert, predictor or "") are firing.

    expressions: (second, PromQL, {labels as text: value}).
    """
    deployment = deployment or housing_deployment()
    content = rules.alert_rules(deployment)
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(content, width=10000))
    tests = [
        {
            "expr": expr,
            "eval_time": f"{at}s",
            "exp_samples": [
                {"labels": labels, "value": value} for labels, value in samples.items()
            ],
        }
        for at, expr, samples in expressions
    ]
    for at, alerts in expected.items():
        query = 'max by (alertname,predictor_name) (ALERTS{alertstate="firing"})'
        labels = [
            {k: v for k, v in (("alertname", name), ("predictor_name", who)) if v}
            for name, who in (alert.split("/") if "/" in alert else (alert, "") for alert in alerts)
        ]
        texts = ["{" + ",".join(f'{k}="{v}"' for k, v in one.items()) + "}" for one in labels]
        tests.append(
            {
                "expr": query,
                "eval_time": f"{at}s",
                "exp_samples": [{"labels": t, "value": 1} for t in texts],
            }
        )
    promtool(tmp_path, series, promql_expr_test=tests)


def promtool(tmp_path, series: dict[str, str], **tests: list[dict]):
    """Holds the tests, by promtool's names for their kinds, over the rules.yml that is there."""
    case = {
        "rule_files": [path.name for path in tmp_path.glob("rules.yml")],
        "evaluation_interval": "1s",
        "tests": [
            {
                "interval": "1s",
                "input_series": [{"series": name, "values": text} for name, text in series.items()],
                **tests,
            }
        ],
    }
    (tmp_path / "case.yml").write_text(yaml.safe_dump(case, width=10000))
    command = ["promtool", "test", "rules", "case.yml"]
    result = subprocess.run(
        command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
