# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules on drift: what is recorded for it, when a limit is broken, and what the message says of it.

Pure functions of the completed description.
"""

from __future__ import annotations

from . import drift, queries
from .figures import promql_number
from .model_metrics import measure_of

# Of the features that moved, so many are named.
NAMED = 5


def recorded(deployment: dict, target: str) -> list[dict]:
    """Recording rules of every comparison over each of the windows that are asked for."""
    scope = queries.Scope(queries.Scope.of(deployment).deployment)
    rules = []
    predictor = drift.stable(deployment)
    if predictor:
        labels = {
            "namespace": deployment["namespace"],
            "deployment_name": deployment["name"],
            "predictor_name": predictor["name"],
            "predictor_version": predictor["version"],
        }
        rules.append({"record": drift.STABLE, "expr": "vector(1)", "labels": labels})
    for record, template, labels in drift.recorded(deployment):
        rule = {"record": record, "expr": queries.filled(template, target, scope)}
        rules.append({**rule, "labels": dict(labels)} if labels else rule)
    return rules


def unless_by_chance(monitor: dict, target: str, scope: queries.Scope) -> str:
    """PromQL to be added to a broken limit: it is broken beyond what chance alone reaches."""
    subject, _record, apart = drift.MEASURES[monitor["measure"]]
    on = ",".join([*queries.IDENTITY, *([subject.label] if apart else [])])
    names = {"drift_window": f"{monitor['window_seconds']}s", "distance": measure_of(monitor).distance}
    beyond = queries.filled(drift.beyond_chance(monitor["measure"]), target, scope, names)
    return f"and on ({on}) {beyond} > {promql_number(monitor['max'])}"


def moved(monitor: dict) -> str:
    """A template of the sentence that says which features moved, and how, or which way predictions did."""
    subject, record, apart = drift.MEASURES[monitor["measure"]]
    window, distance = f"{monitor['window_seconds']}s", measure_of(monitor).distance
    labels = [*queries.IDENTITY, *([subject.label] if apart else [])]
    which = ",".join(f"{label}=%q" for label in labels)
    values = " ".join(f"$labels.{label}" for label in labels)
    found = f'monitml:{record}:{distance}{{window="{window}",{which}}}'
    limit = f" > {promql_number(monitor['max'])}" if monitor.get("max") is not None else ""
    # One after the other: the value, then the bin that gained most, then its shares.
    each = f"sort_desc(topk({NAMED}, {found}{limit}))"
    own = f'{which},{subject.label}=%q' if not apart else which
    given = f"{values} $name" if not apart else values
    live = f'monitml:{subject.record}_rows:share{{window="{window}",{own}}}'
    if monitor["measure"] == "prediction_drift_between":
        other, others = _of_stable(subject, window)
        of = "of the stable predictor's"
    else:
        other, others = f"monitml:{subject.record}_reference:share{{{own}}}", given
        of = "of the training data"
    most = f"topk(1, {live} - on (bin) {other})"
    share = '{{ humanizePercentage (. | first | value) | reReplaceAll "%" " %" }}'
    of_bin = _narrowed(live, "bin=%q"), _narrowed(other, "bin=%q")
    return (
        f"{{{{ range printf `{each}` {values} | query }}}}"
        f'{{{{ $name := label "{subject.label}" . }}}} {{{{ $name }}}} moved by {{{{ printf "%.3g" (value .) }}}}'
        f"{{{{ with printf `{most}` {given} {others} | query }}}}"
        '{{ $bin := label "bin" (first .) }}: '
        f"{{{{ with printf `{of_bin[0]}` {given} $bin | query }}}}{share}{{{{ end }}}} lie in {{{{ $bin }}}}, "
        f"{{{{ with printf `{of_bin[1]}` {others} $bin | query }}}}{share}{{{{ end }}}} {of}"
        "{{ end }}.{{ end }}"
    )


def _of_stable(subject: drift.Subject, window: str) -> tuple[str, str]:
    """The stable predictor's share, and the labels that its template wants."""
    which = f"namespace=%q,deployment_name=%q,{subject.label}=%q"
    share = f'monitml:{subject.record}_rows:share{{window="{window}",{which}}}'
    return (
        f"({share} and on ({','.join(queries.IDENTITY)}) {drift.STABLE})",
        f"$labels.namespace $labels.deployment_name $labels.{subject.label}",
    )


def _narrowed(query: str, matcher: str) -> str:
    """A query for one bin only; it holds one selector that ends with its labels."""
    place = query.index("}")
    return f"{query[:place]},{matcher}{query[place:]}"
