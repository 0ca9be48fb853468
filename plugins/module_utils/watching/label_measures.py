# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How right the answers were, as labels tell that come later: measures, and what is said of them.

The figures themselves come from what takes the labels (roles/analytics/files/labels.py), exact over
the labels that came in a window, however late and often corrected: PromQL could not count what is
taken back. Pure functions; texts are templates as in queries.
"""

from __future__ import annotations

from .figures import figure_template

ROWS, REWARDS = "monitml_label_rows", "monitml_label_rewards"
ANSWER_AGE, LAST = "monitml_label_answer_age_seconds", "monitml_label_last_seconds"
OUTCOMES = "monitml_labels_total"
SERIES = "monitml_label.+|monitml_answers_.+"
# Of which the figures are there, asked or not: a week, for the board.
BOARD_SECONDS = 604800
# measure -> (what a sentence calls it, its unit, its series, the series of its samples)
MEASURES = {
    "prediction_mae": ("mean absolute error of the predictions", "value", "monitml_label_absolute_error", ROWS),
    "prediction_mape": (
        "mean error of the predictions as a share of the truth",
        "ratio",
        "monitml_label_percentage_error",
        ROWS,
    ),
    "prediction_bias": ("average prediction less the truth", "value", "monitml_label_bias", ROWS),
    "prediction_accuracy": ("share of right predictions", "ratio", "monitml_label_accuracy", ROWS),
    "prediction_precision": (
        "share of right ones among the predictions of a class",
        "ratio",
        "monitml_label_precision",
        "monitml_label_predicted_rows",
    ),
    "prediction_recall": (
        "share of a class that is predicted to be of it",
        "ratio",
        "monitml_label_recall",
        "monitml_label_true_rows",
    ),
    "reward_mean": ("average reward", "value", "monitml_label_reward", REWARDS),
}
_BY = "$identity,output,class"


def value(measure: str) -> str:
    """Template of a measure's value."""
    return f'max by ({_BY}) ({MEASURES[measure][2]}{{$scope,window="$label_window"}})'


def samples(measure: str) -> str:
    """Template of the number of labels behind it."""
    return f'max by ({_BY}) ({MEASURES[measure][3]}{{$scope,window="$label_window"}})'


def windows(deployment: dict) -> list[int]:
    """The windows over which figures are asked for, in seconds."""
    return sorted({m["window_seconds"] for m in deployment["monitors"] if m["measure"] in MEASURES})


def age(monitor: dict, identity: tuple[str, ...]) -> str:
    """A template of the sentence that says how old the answers are, and when the last label came."""
    matchers = ",".join(f"{label}=%q" for label in (*identity, "output"))
    values = " ".join(f"$labels.{label}" for label in (*identity, "output"))
    seconds = figure_template("seconds", "(. | first | value)")

    def of(series: str, words: str) -> str:
        which = f'{series}{{window="{monitor["window_seconds"]}s",{matchers}}}'
        return f"{{{{ with printf `{which}` {values} | query }}}}{words.format(seconds)}{{{{ end }}}}"

    return of(ANSWER_AGE, " These answers are {} old on average") + of(LAST, ", the last label came {} ago.")
