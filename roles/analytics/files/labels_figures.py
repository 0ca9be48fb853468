# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How right the answers were: figures over the labels that came in a window, as Prometheus reads them.

A window is of when a label came, not of when its answer was given: so what is wrong is told as
soon as it can be known, and for as long as the window says. Figures are of all labels of the
window at once and exact, however late they are or often corrected, which no counter could be.
"""

from __future__ import annotations

import math

from labels_store import REWARD

# name -> help; each of an owner, an output and a window.
FIGURES = {
    "monitml_label_rows": "Rows whose truth came in the window.",
    "monitml_label_absolute_error": "Their mean absolute error (MAE).",
    "monitml_label_percentage_error": "Their mean absolute error as a share of the truth (MAPE), where that is not 0.",
    "monitml_label_bias": "The mean of prediction less truth.",
    "monitml_label_accuracy": "The share of them that were predicted right.",
    "monitml_label_precision": "Of those predicted to be of a class, the share that is.",
    "monitml_label_recall": "Of those that are of a class, the share predicted to be.",
    "monitml_label_predicted_rows": "Of them, those predicted to be of a class.",
    "monitml_label_true_rows": "Of them, those that are of a class.",
    "monitml_label_rewards": "Rewards that came in the window.",
    "monitml_label_reward": "Their mean.",
    "monitml_label_answer_age_seconds": "How long ago these answers were given, on average.",
    "monitml_label_last_seconds": "How long ago the last of them came.",
}
OUTCOMES = "monitml_labels_total"
ANSWERS, BYTES = "monitml_answers_logged", "monitml_answers_logged_bytes"
# Asked for or not; of a week, for the board.
WINDOWS = (604800,)
WINDOWS_MAX = 20
CLASSES_MAX = 50


def figures(store, seconds, now):
    """[(name, labels, value)] of the labels that came in the last SECONDS."""
    found, window = [], "%ds" % seconds
    for *owner, output, kind, count, mae, bias, mape, mean, answered, last in store.numbers(now - seconds):
        labels = _labels(owner, output, window)
        if kind == REWARD:
            found += [("monitml_label_rewards", labels, count), ("monitml_label_reward", labels, mean)]
            continue
        found += [
            ("monitml_label_rows", labels, count),
            ("monitml_label_absolute_error", labels, mae),
            ("monitml_label_bias", labels, bias),
            *([("monitml_label_percentage_error", labels, mape)] if mape is not None else []),
            *_ages(labels, answered, last, now),
        ]
    tables = {}
    for *owner, output, predicted, truth, count, answered, last in store.classes(now - seconds):
        tables.setdefault((*owner, output), []).append((predicted, truth, count, answered, last))
    for (*owner, output), cells in tables.items():
        found += _of_classes(_labels(owner, output, window), cells, now)
    return found


def _labels(owner, output, window):
    names = ("deployment_name", "predictor_name", "predictor_version")
    return {**dict(zip(names, owner)), **({"output": output} if output else {}), "window": window}


def _ages(labels, answered, last, now):
    return [
        ("monitml_label_answer_age_seconds", labels, max(0.0, now - answered)),
        ("monitml_label_last_seconds", labels, max(0.0, now - last)),
    ]


def _of_classes(labels, cells, now):
    total = sum(count for _p, _t, count, _a, _l in cells)
    right = {truth: count for predicted, truth, count, _a, _l in cells if predicted == truth}
    found = [
        ("monitml_label_rows", labels, total),
        ("monitml_label_accuracy", labels, sum(right.values()) / total),
        *_ages(labels, sum(cell[3] for cell in cells) / total, max(cell[4] for cell in cells), now),
    ]
    by_prediction, by_truth = {}, {}
    for predicted, truth, count, _answered, _last in cells:
        by_prediction[predicted] = by_prediction.get(predicted, 0) + count
        by_truth[truth] = by_truth.get(truth, 0) + count
    names = sorted(by_prediction.keys() | by_truth.keys())
    for name in names if len(names) <= CLASSES_MAX else ():
        own = {**labels, "class": name}
        for total_of, count, share in (
            (by_prediction, "monitml_label_predicted_rows", "monitml_label_precision"),
            (by_truth, "monitml_label_true_rows", "monitml_label_recall"),
        ):
            if name in total_of:
                found += [(count, own, total_of[name]), (share, own, right.get(name, 0) / total_of[name])]
    return found


def render(samples, outcomes, answers, size):
    """Prometheus text. samples: what figures() found; outcomes: {outcome: count}."""
    families = [(name, "gauge", text, [s for s in samples if s[0] == name]) for name, text in FIGURES.items()]
    families += [
        (OUTCOMES, "counter", "Labels that came, by what came of them.", [(OUTCOMES, {"outcome": o}, n) for o, n in outcomes.items()]),
        (ANSWERS, "gauge", "Answers that a label finds.", [(ANSWERS, {}, answers)]),
        (BYTES, "gauge", "Size of their files.", [(BYTES, {}, size)]),
    ]
    lines = []
    for name, kind, text, own in families:
        if own:
            lines += ["# HELP %s %s" % (name, text), "# TYPE %s %s" % (name, kind)]
            lines += ["%s%s %s" % (name, _shown(labels), _number(value)) for _name, labels, value in own]
    return "".join(line + "\n" for line in lines)


def _shown(labels):
    if not labels:
        return ""
    pairs = (
        '%s="%s"' % (name, str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for name, value in labels.items()
    )
    return "{%s}" % ",".join(pairs)


def _number(value):
    value = float(value)
    return repr(int(value)) if math.isfinite(value) and value == int(value) and abs(value) < 2**53 else repr(value)
