# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Trains the housing model from a CSV file and writes its artifact, its card and its reference.

    train.py --data data/kc_house_prices.csv.gz --output DIR --seed 7

Beside the artifact it writes reference.json: how its data and its predictions are spread, against
which the model's server counts what it is asked and what it answers.
Data that cannot be used ends it with one sentence, and nothing is written.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import os
import platform
import sys

FEATURES = ("grade", "lat", "long", "sqft_living", "waterfront", "yr_built")
TARGET = "price"
HELD_OUT_RATIO = 0.2
QUANTILES = tuple(i / 20 for i in range(21))
REFERENCE_QUANTILES = 10
TREES, DEPTH = 150, 4


# Said there, where it is known before anything is trained.
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "contract.json"), encoding="utf-8") as _contract:
    CONTRACT = json.load(_contract)
MIN_ROWS = CONTRACT["training"]["min_rows"]


class DataError(Exception):
    """The data cannot be trained on; a sentence that names the input and the cure."""


def read_data(path):
    """(features, prices) of the CSV file at PATH, gzip or not: float64 of rows by FEATURES, rows."""
    import numpy as np

    columns = FEATURES + (TARGET,)
    opener = gzip.open if path.endswith(".gz") else open
    rows = []
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                text = "%s lacks the column(s) %s; it needs %s."
                raise DataError(text % (path, ", ".join(missing), ", ".join(columns)))
            for record in reader:
                rows.append([_number(record[name], name, path, reader.line_num) for name in columns])
    except FileNotFoundError:
        raise DataError("There is no data file %s." % path) from None
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError("%s cannot be read as CSV: %s." % (path, error)) from error
    if len(rows) < MIN_ROWS:
        raise DataError("%s has %d rows; training needs %d." % (path, len(rows), MIN_ROWS))
    data = np.array(rows, dtype=np.float64)
    return data[:, :-1], data[:, -1]


def _number(text, name, path, line):
    text = (text or "").strip()
    try:
        # What data frames write for a truth value.
        value = float({"true": "1", "false": "0"}.get(text.lower(), text))
    except ValueError:
        value = float("nan")
    if value - value != 0:
        raise DataError("%s, line %d: %s is '%s', not a number." % (path, line, name, text))
    return value


def train(features, prices, seed):
    """(model, held-out rows, their prices) after training on the other rows."""
    import numpy as np
    from sklearn.ensemble import GradientBoostingRegressor

    order = np.random.RandomState(seed).permutation(len(prices))
    held_out, kept = np.split(order, [max(1, int(len(order) * HELD_OUT_RATIO))])
    model = GradientBoostingRegressor(n_estimators=TREES, max_depth=DEPTH, random_state=seed)
    model.fit(features[kept], prices[kept])
    return model, features[held_out], prices[held_out]


def make_card(model, features, prices, held_out, seed, path):
    """What a person and a drift check need to know of the model, as a dict for JSON."""
    import joblib
    import numpy as np
    import sklearn
    from sklearn.metrics import mean_absolute_error, r2_score

    def quantiles(values):
        return [round(float(q), 6) for q in np.quantile(values, QUANTILES)]

    predicted = model.predict(held_out[0])
    with open(path, "rb") as stream:
        digest = hashlib.sha256(stream.read()).hexdigest()
    return {
        "model": "GradientBoostingRegressor",
        "parameters": {"n_estimators": TREES, "max_depth": DEPTH},
        "seed": seed,
        "features": list(FEATURES),
        "target": TARGET,
        "data": {"file": os.path.basename(path), "sha256": digest, "rows": len(prices)},
        "held_out": {
            "rows": len(held_out[1]),
            "r2": round(float(r2_score(held_out[1], predicted)), 6),
            "mean_absolute_error": round(float(mean_absolute_error(held_out[1], predicted)), 2),
        },
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "joblib": joblib.__version__,
        },
        "reference": {
            "quantiles": list(QUANTILES),
            "features": {n: quantiles(features[:, i]) for i, n in enumerate(FEATURES)},
            "prediction": quantiles(predicted),
        },
    }


def make_reference(features, predicted):
    """How the rows of FEATURES and the values PREDICTED for unknown houses are spread: for reference.json."""
    return {
        "features": {
            column["name"]: (_shares if "values" in column else _spread)(features[:, i], column.get("values"))
            for i, column in enumerate(CONTRACT["features"])
        },
        "targets": {TARGET: _spread(predicted, CONTRACT["targets"][0]["bins"])},
    }


def _shares(values, categories):
    """Shares of each of the CATEGORIES among VALUES, and of what is none of them."""
    shares = [round(float((values == category).mean()), 6) for category in categories]
    found = {"rows": len(values), "values": categories, "shares": shares}
    other = round(1 - sum(shares), 6)
    return {**found, "other": other} if other > 0 else found


def _spread(values, bounds=None):
    """Shares of VALUES up to each of the BOUNDS, and above.

    BOUNDS are quantiles where none are given; the largest value is none of them.
    """
    import numpy as np

    ordered, rows = np.sort(values), len(values)
    if bounds is None:
        parts = range(1, REFERENCE_QUANTILES)
        found = {float(ordered[-(-rows * i // REFERENCE_QUANTILES) - 1]) for i in parts}
        bounds = sorted(found - {float(ordered[-1])}) or [float(ordered[0])]
    places = np.searchsorted(bounds, ordered, side="left")
    counts = np.bincount(places, minlength=len(bounds) + 1)
    shares = [round(float(count) / rows, 6) for count in counts]
    ends = [float(ordered[0]), float(ordered[-1])]
    return {"rows": rows, "range": ends, "bins": bounds, "shares": shares}


def write(model, card, reference, directory):
    """Writes model.joblib, model_card.json and reference.json into DIRECTORY; each appears whole or not at all."""
    import joblib

    os.makedirs(directory, exist_ok=True)
    artifact = os.path.join(directory, "model.joblib")
    joblib.dump(model, artifact + ".new", compress=3)
    os.replace(artifact + ".new", artifact)
    with open(artifact, "rb") as stream:
        card["artifact_sha256"] = hashlib.sha256(stream.read()).hexdigest()
    for name, content in (("reference.json", reference), ("model_card.json", card)):
        path = os.path.join(directory, name)
        with open(path + ".new", "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=2)
            stream.write("\n")
        os.replace(path + ".new", path)


def main(arguments=None):
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=os.path.join(here, "data", "kc_house_prices.csv.gz"))
    parser.add_argument("--output", default=here, help="directory for the artifact and the card")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    try:
        features, prices = read_data(options.data)
        model, *held_out = train(features, prices, options.seed)
        card = make_card(model, features, prices, held_out, options.seed, options.data)
        write(model, card, make_reference(features, model.predict(held_out[0])), options.output)
    except DataError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit("%s cannot be written: %s." % (options.output, error.strerror))
    text = "Trained on %d rows; on %d held out: R2 %.3f, mean absolute error $%.0f."
    scores = card["held_out"]
    count = len(prices) - scores["rows"]
    print(text % (count, scores["rows"], scores["r2"], scores["mean_absolute_error"]))


if __name__ == "__main__":
    main()
