# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Record says: the figures, the generator's own honesty, and the verdicts."""

from __future__ import annotations

import math

from .arrivals import expected
from .interval import share_interval
from .limits import judge, judge_split, overall, verdict

_RATIOS = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}

# The generator is called the bottleneck when its own delay is this much of what it measures, or
# when half of all requests leave so late...
_LAG_MS, _LAG_SHARE, _LAG_MEDIAN_MS = 10.0, 0.1, 1.0
# ...when it sends fewer than this of what is due...
_SENT_RATIO = 0.99
# ...or, in a closed loop of at least a second, when it leaves the processor hardly a rest.
_CPU_RATIO, _CPU_SECONDS = 0.95, 1.0


def summarise(plan, record):
    """Returns the result of the run as a dict of plain values; times in ms, instants in s since 1970."""
    errors = sum(record.errors.values())
    seconds = max((record.ended - record.started) / 1e9, 1e-9)
    answers = sum(slot.count for slot in record.slots.values())
    result = {
        "requests": record.sent,
        "answers": answers,
        "started_at": round(record.started / 1e9 + record.epoch, 6),
        "ended_at": round(record.ended / 1e9 + record.epoch, 6),
        "duration_seconds": round(seconds, 6),
        "throughput": round(answers / seconds, 3),
        "interrupted": record.interrupted,
        "errors": {
            "total": errors,
            "ratio": errors / record.sent if record.sent else 0.0,
            "by_kind": dict(record.errors),
            "by_status": dict(
                (str(status), count) for status, count in sorted(record.statuses.items())
            ),
            "details": [
                {"text": text, "count": count} for text, count in record.problems.most_common(10)
            ],
        },
        "latency_ms": latency(record.latencies),
        "service_ms": latency(record.services),
        "predictors": _predictors(plan, record, answers),
        "generator": _generator(plan, record, seconds),
    }
    result["verdicts"] = _verdicts(plan, record, result)
    result["outcome"] = overall(result["verdicts"])
    return result


def latency(samples, ratios=None):
    """Percentiles of Samples in ms."""
    ratios = ratios or _RATIOS
    summary = samples.summary(list(ratios.values()))
    result = {"count": summary["count"], "exact": summary["exact"]}
    for name in ("min", "mean", "max"):
        result[name] = _ms(summary[name])
    for name, value in zip(ratios, summary["percentiles"]):
        result[name] = _ms(value)
    return result


def _ms(nanoseconds):
    return None if nanoseconds is None else round(nanoseconds / 1e6, 6)


def _predictors(plan, record, answers):
    listed = []
    for slot in sorted(record.slots.values(), key=lambda slot: (slot.predictor, slot.version)):
        if not slot.count:
            continue
        low, high = share_interval(slot.count, answers)
        seen = slot.predictions
        times = latency(slot.latencies)
        listed.append(
            {
                "predictor": slot.predictor,
                "version": slot.version,
                "count": slot.count,
                "share": slot.count / answers,
                "share_low": low,
                "share_high": high,
                "declared": plan.expected.get(slot.predictor),
                "predictions": seen.count,
                "prediction_mean": seen.total / seen.count if seen.count else None,
                "prediction_min": seen.low,
                "prediction_max": seen.high,
                "first_answer_at": round(slot.first / 1e9 + record.epoch, 6),
                "last_answer_at": round(slot.last / 1e9 + record.epoch, 6),
                "latency_ms": {name: times[name] for name in ("mean", "p50", "p95", "p99", "max")},
            }
        )
    return listed


def _generator(plan, record, seconds):
    """How well the generator itself kept up."""
    lag = record.lags.summary([0.5, 0.99])
    planned = _planned(plan)
    # The processor's time is that of the whole run, warm-up and all.
    share = record.cpu_seconds / (seconds + plan.warm_up) / plan.processes
    report = {
        "planned": planned,
        "missed": record.missed,
        "abandoned": record.abandoned,
        "queued": record.queued,
        "connects": record.connects,
        "cpu_ratio": round(share, 4),
        "send_lag_us": {
            "p50": _us(lag["percentiles"][0]),
            "p99": _us(lag["percentiles"][1]),
            "max": _us(lag["max"]),
        },
        "timestamps": dict(record.stamps),
    }
    report["reasons"] = _reasons(plan, record, report, seconds)
    report["saturated"] = bool(report["reasons"])
    return report


def _us(nanoseconds):
    return None if nanoseconds is None else round(nanoseconds / 1e3, 3)


def _planned(plan):
    if plan.stages is None:
        return plan.count
    requests, _seconds = expected(plan.stages, plan.count)
    if plan.warm_up:
        requests -= plan.stages[0].first * plan.warm_up
    return int(round(requests))


def _reasons(plan, record, report, seconds):
    reasons = []
    if record.missed:
        reasons.append(
            "%d requests were never sent, as all %d connections were busy; raise connections"
            % (record.missed, plan.connections)
        )
    if plan.stages is None:
        if report["cpu_ratio"] >= _CPU_RATIO and seconds >= _CPU_SECONDS:
            reasons.append(
                "the generator used %.0f %% of its processor, so the throughput is its own; raise "
                "processes or lower connections" % (report["cpu_ratio"] * 100)
            )
        return reasons
    # Poisson arrivals are as many as they happen to be; four standard deviations are no chance.
    slack = 4 * math.sqrt(report["planned"]) if plan.arrival == "poisson" else 0
    if not record.interrupted and record.sent < _SENT_RATIO * report["planned"] - slack - 1:
        reasons.append(
            "only %d of %d planned requests were sent" % (record.sent, report["planned"])
        )
    half, most = ((report["send_lag_us"][name] or 0.0) / 1e3 for name in ("p50", "p99"))
    p99 = record.latencies.summary([0.99])["percentiles"][0]
    if half > _LAG_MEDIAN_MS or (most > _LAG_MS and (p99 is None or most > _LAG_SHARE * p99 / 1e6)):
        reasons.append(
            "requests left %.1f ms late (median; 99th percentile %.1f ms); give the generator a quieter "
            "machine or more processes" % (half, most)
        )
    return reasons


def _verdicts(plan, record, result):
    verdicts = []
    if not result["answers"]:
        kinds = (
            ", ".join("%s %d" % pair for pair in sorted(record.errors.items())) or "none was sent"
        )
        verdicts.append(
            verdict(
                "answers",
                "error",
                "no request was answered (%s)" % kinds,
                0,
                None,
                result["requests"],
            )
        )
    for limit in plan.limits:
        verdicts.append(judge(limit, *_observed(limit, record, result)))
    if plan.expected:
        verdicts.append(_split(plan, record))
    if result["generator"]["saturated"]:
        message = "the generator was the bottleneck: " + "; ".join(result["generator"]["reasons"])
        verdicts.append(verdict("generator", "inconclusive", message))
    if record.interrupted:
        verdicts.append(
            verdict("interrupted", "inconclusive", "the run was stopped before its end")
        )
    return verdicts


def _split(plan, record):
    counts, unnamed = {}, 0
    for slot in record.slots.values():
        if slot.predictor:
            counts[slot.predictor] = counts.get(slot.predictor, 0) + slot.count
        else:
            unnamed += slot.count
    counts = {name: count for name, count in counts.items() if count}
    unanswered = max(0, record.sent - sum(counts.values()) - unnamed)
    return judge_split(plan.expected, counts, share_interval, unnamed, unanswered)


def _observed(limit, record, result):
    """(value, samples) that a limit is about; times in ms."""
    if limit.predictor:
        return _of_predictor(limit, record, result)
    if limit.ratio is not None or limit.measure in (
        "min",
        "mean",
        "max",
        "service_mean",
        "service_max",
    ):
        samples = record.services if limit.measure.startswith("service") else record.latencies
        return _of_samples(limit, samples)
    sent = result["requests"]
    value = {
        "error_ratio": result["errors"]["ratio"],
        "errors": result["errors"]["total"],
        "requests": sent,
        "throughput": result["throughput"],
    }[limit.measure]
    return value, sent


def _of_samples(limit, samples):
    summary = samples.summary([0.5 if limit.ratio is None else limit.ratio])
    value = (
        summary["percentiles"][0]
        if limit.ratio is not None
        else summary[limit.measure.replace("service_", "")]
    )
    return _ms(value), summary["count"]


def _of_predictor(limit, record, result):
    slots = [
        slot for slot in record.slots.values() if slot.predictor == limit.predictor and slot.count
    ]
    if not slots:
        return None, 0
    count = sum(slot.count for slot in slots)
    if limit.measure in ("count", "share"):
        return (count if limit.measure == "count" else count / result["answers"]), count
    if limit.measure.startswith("prediction_"):
        seen = [slot.predictions for slot in slots if slot.predictions.count]
        predictions = sum(each.count for each in seen)
        if not predictions:
            return None, 0
        value = {
            "prediction_mean": sum(each.total for each in seen) / predictions,
            "prediction_min": min(each.low for each in seen),
            "prediction_max": max(each.high for each in seen),
        }[limit.measure]
        return value, predictions
    # Several versions of one predictor: the worst of them, as merging would change the record.
    values = [_of_samples(limit, slot.latencies) for slot in slots]
    worst = max if limit.symbol in ("<", "<=", "==") else min
    return worst(value for value, _count in values), count
