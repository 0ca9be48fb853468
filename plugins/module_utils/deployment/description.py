# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The description of a deployment: what a spec cannot check, and what follows from it.

Pure functions. The shape of a description is the argument spec's matter (roles/monitml); here
it is taken to be of that shape. Every problem is a sentence that names the input and the cure.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re

DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
# What may stand in a metric label, an image tag and a file name alike.
VERSION = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
IMAGE = re.compile(r"^[^\s:@]+(:\d+/[^\s:@]+)?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")
METRIC = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")
# A request may name its predictor; an answer says which one gave it.
PREDICTOR_HEADER = "x-monitml-predictor"
VERSION_HEADER = "x-monitml-version"
ALERT_NAME = re.compile(r"^[A-Z][A-Za-z0-9]*$")
# Measures of which labels tell, that come later.
OF_LABELS = (
    "prediction_mae",
    "prediction_mape",
    "prediction_bias",
    "prediction_accuracy",
    "prediction_precision",
    "prediction_recall",
    "reward_mean",
)
# Fewer hold too few answers for a label to find one.
ANSWERS_BYTES_MIN = 1_000_000
# Watched unless a monitor of the description has its measure: nothing else sees a model that hangs.
UNANSWERED = {
    "name": "RequestsUnanswered",
    "measure": "unanswered_ratio",
    "metric": None,
    "statistic": "last",
    "distance": "psi",
    "answer_within_seconds": 2,
    "window_seconds": 30,
    "min": None,
    "max": 0.1,
    "min_samples": 5,
    "for_seconds": 0,
    "severity": "critical",
    "predictors": [],
}


def problems(description: dict) -> list[str]:
    """What is wrong with a description; empty when nothing is."""
    return [
        *_name_problems(description),
        *_traffic_problems(description["predictors"]),
        *_monitor_problems(description),
        *_answers_problems(description.get("answers") or {}),
    ]


def _name_problems(description: dict) -> list[str]:
    found = []
    for key in ("name", "namespace"):
        if not DNS_LABEL.match(description[key]):
            found.append(
                f"{key} '{description[key]}' is no DNS label: use lower-case letters, digits and '-'."
            )
    predictors = description["predictors"]
    if not predictors:
        found.append("predictors is empty: describe at least one.")
    for name in _repeated(predictor["name"] for predictor in predictors):
        found.append(f"predictors has '{name}' more than once: give each its own name.")
    for predictor in predictors:
        who = f"predictor '{predictor['name']}'"
        if not DNS_LABEL.match(predictor["name"]):
            found.append(f"{who}: the name is no DNS label: use lower-case letters, digits and '-'.")
        if not VERSION.match(predictor["version"]):
            found.append(
                f"{who}: version '{predictor['version']}' has characters that a metric label and an"
                " image tag cannot share: use letters, digits, '_', '.' and '-'."
            )
        if predictor.get("image") and not IMAGE.match(predictor["image"]):
            found.append(
                f"{who}: image '{predictor['image']}' is not of the form name:tag; metrics are"
                " labelled with both."
            )
    return found


def _traffic_problems(predictors: list[dict]) -> list[str]:
    found = []
    for predictor in predictors:
        who = f"predictor '{predictor['name']}'"
        if not 0 <= predictor["traffic"] <= 100:
            found.append(f"{who}: traffic {predictor['traffic']} is not between 0 and 100 percent.")
        if predictor["replicas"] < 1:
            found.append(f"{who}: replicas is {predictor['replicas']}: at least 1 must serve.")
    live = [predictor for predictor in predictors if not predictor["shadow"]]
    shadows = len(predictors) - len(live)
    if shadows > 1:
        found.append(f"{shadows} predictors are shadows: at most one can be.")
    if shadows and not live:
        found.append("the only predictor is a shadow: a shadow needs one that answers.")
    total = sum(predictor["traffic"] for predictor in live)
    if live and total != 100 and not (len(live) == 1 and total == 0):
        shares = " + ".join(f"{predictor['traffic']} ({predictor['name']})" for predictor in live)
        found.append(f"traffic sums to {total}, not 100: {shares}. Change the predictors' traffic.")
    return found


def _monitor_problems(description: dict) -> list[str]:
    found = []
    known = {predictor["name"] for predictor in description["predictors"]}
    monitors = all_monitors(description)
    for name in _repeated(monitor["name"] for monitor in monitors):
        found.append(f"monitors has '{name}' more than once: give each its own name.")
    for monitor in monitors:
        who = f"monitor '{monitor['name']}'"
        if not ALERT_NAME.match(monitor["name"]):
            found.append(f"{who}: the name must be CamelCase letters and digits, such as PriceTooLow.")
        low, high = monitor.get("min"), monitor.get("max")
        if low is None and high is None:
            found.append(f"{who} has no limit: give it min, max or both.")
        if any(limit is not None and not math.isfinite(limit) for limit in (low, high)):
            found.append(f"{who}: a limit must be a finite number.")
        elif low is not None and high is not None and low >= high:
            found.append(f"{who}: min {low:g} is not below max {high:g}.")
        if monitor["window_seconds"] < 5:
            found.append(f"{who}: window_seconds is {monitor['window_seconds']}: use 5 or more.")
        if monitor["min_samples"] < 1:
            found.append(f"{who}: min_samples is {monitor['min_samples']}: use 1 or more.")
        if monitor["for_seconds"] < 0:
            found.append(f"{who}: for_seconds is negative.")
        found.extend(f"{who} {problem}" for problem in _metric_problems(monitor, low, high))
        if monitor["measure"] in OF_LABELS and not (description.get("answers") or {"enabled": True})["enabled"]:
            found.append(f"{who} watches {monitor['measure']}, and without answers no label is joined: set answers.enabled.")
        for name in sorted(set(monitor["predictors"]) - known):
            found.append(f"{who} watches predictor '{name}', which the description does not have.")
    return found


def all_monitors(description: dict) -> list[dict]:
    """The monitors of a description, and the one that is there unless it has its own."""
    given = description["monitors"]
    own = any(monitor["measure"] == UNANSWERED["measure"] for monitor in given)
    return given if own else [*given, UNANSWERED]


def _metric_problems(monitor: dict, low: float | None, high: float | None) -> list[str]:
    """What is wrong with how a monitor names a metric of the model's own."""
    name = monitor.get("metric")
    if monitor["measure"] != "metric":
        return [f"names the metric '{name}', which measure metric takes: change its measure."] if name else []
    if not name:
        return ["has the measure metric and names none: give it metric, as the model's metrics() calls it."]
    found = []
    if not METRIC.match(name):
        found.append(f"watches the metric '{name}': write '_' for each character but letters, digits and '_'.")
    if low is not None and high is not None:
        found.append("has both min and max, and a metric's worst value is of one side: make two monitors of it.")
    return found


def _answers_problems(answers: dict) -> list[str]:
    found = []
    if answers and answers["max_bytes"] < ANSWERS_BYTES_MIN:
        found.append(f"answers: max_bytes is {answers['max_bytes']}: use {ANSWERS_BYTES_MIN} or more, or enabled: false.")
    if answers and answers["keep_days"] < 1:
        found.append(f"answers: keep_days is {answers['keep_days']}: use 1 or more, or enabled: false.")
    return found


def _repeated(names) -> list[str]:
    seen, repeated = set(), []
    for name in names:
        if name in seen and name not in repeated:
            repeated.append(name)
        seen.add(name)
    return repeated


def complete(description: dict, first_port: int) -> dict:
    """The description with everything that follows from it filled in.

    A lone predictor gets all the traffic; each replica gets a port for predictions and the next
    one for metrics, counted up from first_port, as on a machine that has nothing yet (one machine
    decides in view of what it has, see local/places.py); each monitor names the predictors it watches;
    clients send predictions to prediction_path.
    """
    names = [predictor["name"] for predictor in description["predictors"]]
    live = [predictor for predictor in description["predictors"] if not predictor["shadow"]]
    port = first_port
    predictors = []
    for predictor in description["predictors"]:
        servers = []
        for index in range(predictor["replicas"]):
            servers.append({"index": index, "http_port": port, "metrics_port": port + 1})
            port += 2
        predictors.append(
            {
                **predictor,
                "traffic": 100 if live == [predictor] else predictor["traffic"],
                "image": predictor.get("image") or default_image(predictor),
                "servers": servers,
            }
        )
    monitors = [
        {**monitor, "predictors": monitor["predictors"] or names}
        for monitor in all_monitors(description)
    ]
    return {
        **description,
        "predictors": predictors,
        "monitors": monitors,
        "prediction_path": f"{path_prefix(description)}api/v1.0/predictions",
    }


def path_prefix(description: dict) -> str:
    """What every path of a deployment begins with, as Seldon's own ingress has it."""
    return f"/seldon/{description['namespace']}/{description['name']}/"


def default_image(predictor: dict) -> str:
    """The image name of a predictor that runs from a folder: the folder's name and the version."""
    return f"{predictor['model'].rstrip('/').rsplit('/', 1)[-1]}:{predictor['version']}"


def image_record(images: list[dict], built: list[dict], pushed: list[dict]) -> dict:
    """What is written down of the images of predictors, for take_images(), by the predictors' names.

    images: name and completed predictor of each; built and pushed: what the modules said of each,
    pushed being empty, or without digests, where nothing was pushed.
    """
    digests = [one.get("digest", "") for one in pushed] or [""] * len(images)
    return {
        one["predictor"]["name"]: {
            "image": one["name"],
            "digest": digest,
            "id": result["id"],
            "version": one["predictor"]["version"],
            "model_digest": one["predictor"]["digest"],
        }
        for one, result, digest in zip(images, built, digests)
    }


def take_images(predictors: list[dict], images: dict) -> list[str]:
    """Has completed predictors run from images, by their names; returns what is wrong with those.

    An image is named by its digest in its repository, or by its Id where it was not pushed.
    """
    found = []
    cure = "run images.yml, which builds it and writes it down as monitml_images"
    for predictor in predictors:
        record = images.get(predictor["name"])
        who = f"predictor '{predictor['name']}'"
        if not isinstance(record, dict) or not record.get("image"):
            found.append(f"{who} has no image to run as a container: {cure}.")
        elif record.get("model_digest") != predictor["digest"]:
            found.append(f"{who}: the image {record['image']} was built from another model than is there: {cure}.")
        else:
            predictor["image"] = record["image"]
            place = record["image"].rpartition(":")[0]
            digest = record.get("digest")
            predictor["container_image"] = f"{place}@{digest}" if digest else record.get("id", "")
    return found


def with_traffic(description: dict, traffic: dict) -> tuple[dict, list[str]]:
    """The description with other shares of the traffic, and what is wrong with those."""
    known = {predictor["name"] for predictor in description["predictors"]}
    found, shares = [], {}
    for name, share in traffic.items():
        if name not in known:
            found.append(f"canary_traffic names predictor '{name}', which the description does not have.")
        elif not re.fullmatch(r"\d{1,3}", str(share)):
            found.append(f"canary_traffic gives '{name}' {share!r}: use a whole number of percent.")
        else:
            shares[name] = int(share)
    predictors = [
        {**predictor, "traffic": shares.get(predictor["name"], predictor["traffic"])}
        for predictor in description["predictors"]
    ]
    return {**description, "predictors": predictors}, found


def parse_environment(text: str) -> dict[str, str]:
    """An s2i environment file: NAME=VALUE lines; blank lines and those after # or // are skipped."""
    pairs = {}
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith(("#", "//")) or "=" not in line:
            continue
        name, value = line.split("=", 1)
        pairs[name.strip()] = value.strip()
    return pairs


def data_problems(lines, contract: dict) -> list[str]:
    """What is wrong with training data: an iterable of CSV lines, held against a contract.

    The header must name every feature and target, continuous columns must hold numbers, and there
    must be as many rows as the contract says that training needs, in training.min_rows.
    """
    needed = {
        column["name"]: column["ftype"]
        for part in ("features", "targets")
        for column in contract[part]
        if column.get("name")
    }
    reader = csv.reader(lines)
    header = [name.strip() for name in next(reader, [])]
    if not header:
        return ["it is empty: the first line must name the columns."]
    missing = [name for name in needed if name not in header]
    if missing and len(header) == 1 and all(name in _semicolons(header[0]) for name in needed):
        return ["it is separated by semicolons: save it as CSV that is separated by commas."]
    if missing:
        return [f"it lacks the columns {', '.join(missing)}; it has {', '.join(header)}."]
    positions = [(name, header.index(name)) for name, kind in needed.items() if kind == "continuous"]
    rows = 0
    for rows, row in enumerate(reader, start=1):
        if len(row) != len(header):
            return [f"row {rows} has {len(row)} columns, the header has {len(header)}."]
        for name, position in positions:
            try:
                finite = math.isfinite(float(row[position]))
            except ValueError:
                finite = False
            if not finite:
                return [f"row {rows}, column {name}: {row[position]!r} is no number."]
    wanted = contract.get("training", {}).get("min_rows", 1)
    if rows < wanted and rows:
        return [f"it has {rows} {'row' if rows == 1 else 'rows'}; training this model needs {wanted}: give more."]
    return [] if rows else ["it has a header and no rows."]


def _semicolons(line: str) -> list[str]:
    return [name.strip().strip('"') for name in line.split(";")]


def digest(files: dict[str, bytes]) -> str:
    """What identifies a set of files: SHA-256 over their names and contents, 16 hex digits of it."""
    total = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            total.update(len(part).to_bytes(8, "big"))
            total.update(part)
    return total.hexdigest()[:16]
