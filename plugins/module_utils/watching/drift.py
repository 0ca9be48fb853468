# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far what is asked and answered has moved: from the training data, and between versions.

Servers count rows by bin, and say how many rows of the training data lie in each. From shares p of
the n rows of a window and shares q of the m rows they are held against, bin by bin, follow

- PSI, the population stability index: the sum of (p - q) ln(p / q). An empty bin counts as half a
  row, or as the other side's share where that is less, as then nothing was to be expected there.
- Jensen-Shannon: the distance of that name to base 2, between 0 and 1, which needs no such rule.

Without any drift PSI is about (B - 1)(1/n + 1/m) over B bins, as PSI / (1/n + 1/m) is distributed
like chi-square with B - 1 degrees of freedom. So next to each PSI stands the one that chance
reaches once in ten thousand windows, and what is not beyond that is no drift, however few or many
rows there are: a limit needs no minimum of samples.

Comparing takes several steps over many bins, so each step is recorded, in a group of rules of its
own that is evaluated less often. Pure functions; texts are templates as in queries.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..serving import prediction_features as series
from .counting import Count, counted_once_known

# The predictor that the others are compared with.
STABLE = "monitml:traffic_stable:info"
# Recorded whether a monitor asks for it or not, for the board.
BOARD_SECONDS = 300
INTERVAL_SECONDS = 2
# Of the normal distribution: one in ten thousand lies above.
CHANCE_DEVIATIONS = 3.72
DISTANCES = ("psi", "jensen_shannon")
# An empty bin counts as so much of a row.
EMPTY_ROWS = 0.5
_DEPLOYMENT = "namespace,deployment_name"


@dataclass(frozen=True)
class Subject:
    """What is compared: features or outputs, by the label that tells one from another."""

    label: str
    rows: str
    reference: str
    record: str

    @property
    def count(self) -> Count:
        """Rows of the window by bin."""
        labels = (self.label, "bin")
        return Count(counted_once_known(f"{self.rows}{{$scope}}", *labels), labels)


FEATURES = Subject("feature", series.FEATURE_ROWS, series.FEATURE_REFERENCE, "feature")
OUTPUTS = Subject("output", series.PREDICTION_ROWS, series.PREDICTION_REFERENCE, "prediction")
# measure -> (what it compares, the name of its records, whether each of its subjects is told apart)
MEASURES = {
    "feature_drift": (FEATURES, "feature_drift", False),
    "prediction_drift": (OUTPUTS, "prediction_drift", True),
    "prediction_drift_between": (OUTPUTS, "prediction_between", True),
}


def value(measure: str) -> str:
    """Template of a measure's value, over the recorded comparisons; $distance is one of DISTANCES."""
    subject, record, apart = MEASURES[measure]
    by = f"$identity,{subject.label}" if apart else "$identity"
    return f'max by ({by}) (monitml:{record}:$distance{{$scope,window="$drift_window"}})'


def samples(measure: str) -> str:
    """Template of the number of rows that are compared."""
    subject, _record, apart = MEASURES[measure]
    by = f"$identity,{subject.label}" if apart else "$identity"
    rows = f"sum by ($identity,{subject.label}) ({_counted(subject, '$drift_window')})"
    return f"max by ({by}) ({rows})"


def beyond_chance(measure: str) -> str:
    """Template of the same value, of what chance alone does not explain."""
    subject, record, apart = MEASURES[measure]
    by = f"$identity,{subject.label}" if apart else "$identity"
    which = '{$scope,window="$drift_window"}'
    on = f"on ($identity,{subject.label})"
    chance = f"monitml:{record}:psi{which} > {on} monitml:{record}:chance{which}"
    return f"max by ({by}) (monitml:{record}:$distance{which} and {on} ({chance}))"


def _counted(subject: Subject, window: str, scope: str = "$scope") -> str:
    return f'monitml:{subject.record}_rows:counted{{{scope},window="{window}"}}'


def _share(subject: Subject, window: str) -> str:
    return f'monitml:{subject.record}_rows:share{{$scope,window="{window}"}}'


def windows(deployment: dict) -> list[int]:
    """The windows over which something is compared, in seconds."""
    asked = {m["window_seconds"] for m in deployment["monitors"] if m["measure"] in MEASURES}
    return sorted(asked | {BOARD_SECONDS})


def stable(deployment: dict) -> dict | None:
    """The predictor that others are held against: most of the traffic, the first of several."""
    live = [predictor for predictor in deployment["predictors"] if not predictor["shadow"]]
    return max(live, key=lambda predictor: predictor["traffic"], default=None)


def recorded(deployment: dict) -> list[tuple[str, str, dict]]:
    """(record, template, labels) of each step, in the order in which they build on each other."""
    found = [(_reference(s), _reference_share(s), {}) for s in (FEATURES, OUTPUTS)]
    distances = {
        (m["window_seconds"], m["measure"]): m["distance"]
        for m in deployment["monitors"]
        if m["measure"] in MEASURES and m.get("distance", "psi") != "psi"
    }
    for seconds in windows(deployment):
        window, steps = f"{seconds}s", []
        for subject in (FEATURES, OUTPUTS):
            steps.append((f"{subject.record}_rows:counted", subject.count.expr))
            steps.append((f"{subject.record}_rows:share", _live_share(subject, window)))
        steps.append(("prediction_between:share", _share_of_stable(OUTPUTS, window)))
        steps.append(("prediction_between:rows", _rows_of_stable(OUTPUTS, window)))
        for measure, (_subject, record, _apart) in MEASURES.items():
            comparison = Comparison.of(measure, window)
            steps.append((f"{record}:psi", comparison.psi()))
            steps.append((f"{record}:chance", comparison.chance()))
            if (seconds, measure) in distances:
                steps.append((f"{record}:jensen_shannon", comparison.jensen_shannon()))
        labels = {"window": window}
        found += [
            (f"monitml:{name}", template.replace("$window", window), labels) for name, template in steps
        ]
    return found


def _of_all(subject: Subject, bins: str, function: str = "sum") -> str:
    return f"{function} by ($identity,{subject.label}) ({bins})"


def _divided(subject: Subject, bins: str) -> str:
    """Each bin's share of all rows; nothing where there are none."""
    whole = f"({_of_all(subject, bins)} > 0)"
    return f"{bins} / on ($identity,{subject.label}) group_left () {whole}"


def _live_share(subject: Subject, window: str) -> str:
    return _divided(subject, f"sum by ($identity,{subject.label},bin) ({_counted(subject, window)})")


def _reference_rows(subject: Subject) -> str:
    # Each replica says the same.
    return f"max by ($identity,{subject.label},bin) ({subject.reference}{{$scope}})"


def _reference(subject: Subject) -> str:
    return f"monitml:{subject.record}_reference:share"


def _reference_share(subject: Subject) -> str:
    return _divided(subject, _reference_rows(subject))


def _share_of_stable(subject: Subject, window: str) -> str:
    """The stable predictor's shares, beside those of each predictor that counts in the same bins."""
    others = f"{_DEPLOYMENT},{subject.label}"
    own = f"sum by ($identity,{subject.label},bin) ({_share(subject, window)})"
    theirs = _share(subject, window).replace("$scope", "$deployment")
    beside = (
        f"0 * {own} + on ({others},bin) group_left ()"
        f" sum by ({others},bin) ({theirs} and on ($identity) {STABLE})"
    )
    # Of versions that count in other bins nothing can be said.
    same = f"{_of_all(subject, beside, 'count')} == {_of_all(subject, own, 'count')}"
    return f"({beside}) and on ($identity,{subject.label}) ({same})"


def _rows_of_stable(subject: Subject, window: str) -> str:
    """The number of its rows, beside each predictor that is compared with it."""
    others = f"{_DEPLOYMENT},{subject.label}"
    theirs = _counted(subject, window, "$deployment")
    compared = f'monitml:{subject.record}_between:share{{$scope,window="{window}"}}'
    return (
        f"0 * {_of_all(subject, compared)} + on ({others}) group_left ()"
        f" (sum by ({others}) ({theirs} and on ($identity) {STABLE}) > 0)"
    )


@dataclass(frozen=True)
class Comparison:
    """PromQL of two spreads over the same bins: shares p of n rows, q of m rows."""

    label: str
    p: str
    n: str
    q: str
    m: str
    against_reference: bool

    @classmethod
    def of(cls, measure: str, window: str) -> Comparison:
        """Of a measure over a window: against the training data, or against the stable predictor."""
        subject, record, _apart = MEASURES[measure]
        bins = f"$identity,{subject.label},bin"
        p = f"sum by ({bins}) ({_share(subject, window)})"
        n = f"({_of_all(subject, _counted(subject, window))} > 0)"
        between = record == "prediction_between"
        other = f'monitml:{record}:share{{$scope,window="{window}"}}' if between else f"{_reference(subject)}{{$scope}}"
        rows = (
            f'sum by ($identity,{subject.label}) (monitml:{record}:rows{{$scope,window="{window}"}})'
            if between
            else _of_all(subject, _reference_rows(subject))
        )
        return cls(subject.label, p, n, f"sum by ({bins}) ({other})", rows, not between)

    @property
    def _on(self) -> str:
        return f"on ($identity,{self.label})"

    def _filled(self, own: str, rows: str, other: str) -> str:
        """Shares without empty bins, unless both are."""
        empty = f"{self._on} group_left () ({EMPTY_ROWS} / {rows})"
        return f"(({own} > 0 or {other} < {empty} or 0 * {other} + {empty}) > 0)"

    def psi(self) -> str:
        """The population stability index."""
        p, q = self._filled(self.p, self.n, self.q), self._filled(self.q, self.m, self.p)
        return f"sum by ($identity,{self.label}) (({p} - {q}) * ln({p} / {q}))"

    def chance(self) -> str:
        """The PSI that is reached once in ten thousand windows without drift, by Wilson and Hilferty."""
        # Two windows may lack each other's bins; what the training data lacks is no chance.
        there = self.q if self.against_reference else f"({self.p} + {self.q})"
        filled = f"count by ($identity,{self.label}) ({there} > 0)"
        freedom = f"clamp_min({filled} - 1, 1)"
        part = f"2 / (9 * {freedom})"
        cube = f"(1 - {part} + {CHANCE_DEVIATIONS} * sqrt({part})) ^ 3"
        return f"{freedom} * {cube} * (1 / {self.n} + 1 / {self.m})"

    def jensen_shannon(self) -> str:
        """The Jensen-Shannon distance to base 2."""
        halves = " + ".join(
            f"sum by ($identity,{self.label}) (({one} > 0) * log2(2 * {one} / ({self.p} + {self.q})))"
            for one in (self.p, self.q)
        )
        # Of equal spreads rounding may leave a little less than nothing.
        return f"sqrt(clamp_min(({halves}) / 2, 0))"
