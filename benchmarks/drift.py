# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How well drift is told from chance, and what counting the features costs.

    .venv/bin/python benchmarks/drift.py

Windows are drawn, seeded, from the housing sales as the population: so is the reference, anew for
every ten windows, as training data is a sample, too. A window is a false alarm where any of the six
features of an untouched window is told. Without the guard, a limit of 0.2 is a limit of 0.2; with
it, what chance reaches once in ten thousand windows is not told. Then a fault is put into each
window, and it is counted how many windows pass until it is told, the one that tells included.

Counting is measured inside one process, a model of 20 features against the same without reference,
and memory on real servers. Prints tables and writes results/drift.json. Takes about two minutes.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "integration" / "local"))
_AnsibleCollectionFinder(paths=[str(HERE.parent / ".collections")])._install()
# pylint: disable=wrong-import-position
from ansible_collections.monitml.stack.plugins.module_utils.serving.prediction_features import Features
from ansible_collections.monitml.stack.plugins.module_utils.serving.prediction_metrics import target_bins
from instrumentation import ours, settle
from rule_cases import chance, psi
from serving import ROOT, deploy, find_python

SEED, WINDOWS, SIZES, LIMIT = 7, 1000, (100, 1000, 10_000), 0.2
FAULT_WINDOWS = 200
HOUSING = ROOT / "models" / "housing"
GRADE, LAT, LONG, AREA, WATER, YEAR = range(6)


def shifted(rows, rng):
    rows[:, AREA] += rows[:, AREA].std() / 2


def swapped(rows, rng):
    rows[:, [LAT, LONG]] = rows[:, [LONG, LAT]]


def in_metres(rows, rng):
    rows[:, AREA] *= 0.0929


def unseen(rows, rng):
    rows[rng.random(len(rows)) < 0.05, WATER] = 2


def missing(rows, rng):
    rows[rng.random(len(rows)) < 0.05, GRADE] = np.nan


FAULTS = {
    "half a standard deviation more area": shifted,
    "latitude and longitude swapped": swapped,
    "area in square metres": in_metres,
    "5 % of a category never seen": unseen,
    "5 % of the grades missing": missing,
}

COST = """
import json, os, sys, tempfile, time
import numpy as np
import monitml_metrics

rows = int(sys.argv[1])
found = {}
for counted in (False, True):
    folder = tempfile.mkdtemp()
    reference = {"rows": 1000, "bins": list(range(10, 100, 10)), "shares": [0.1] * 10}
    feature = {"ftype": "continuous", "range": [0, 100], **({"reference": reference} if counted else {})}
    contract = {"features": [dict(feature, name="f%d" % n) for n in range(20)], "targets": [{"name": "y", "range": [0, 1]}]}
    json.dump(contract, open(folder + "/contract.json", "w"))
    os.environ.update(MONITML_METRICS_DIR=folder, MONITML_CONTRACT=folder + "/contract.json")
    monitml_metrics.RECORDER = monitml_metrics.Recorder()

    class Model:
        def predict(self, X, names, meta=None):
            return np.full(len(X), 0.5)

    model, X, names = monitml_metrics.watch(Model)(), np.random.rand(rows, 20) * 100, ["f%d" % n for n in range(20)]
    model.predict(X, names, meta={})
    best = 1e9
    for _round in range(5):
        start = time.process_time()
        for _time in range(4000 // rows + 20):
            model.predict(X, names, meta={})
        best = min(best, (time.process_time() - start) / (4000 // rows + 20) * 1e6)
    found["with" if counted else "without"] = best
print(json.dumps(found))
"""


def read_sales():
    with gzip.open(HOUSING / "data/kc_house_prices.csv.gz", "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    names = ("grade", "lat", "long", "sqft_living", "waterfront", "yr_built")
    return np.array([[float(row[n]) for n in names] for row in rows]), np.array([float(row["price"]) for row in rows])


def placed(features, rows):
    """The bin of each value: an array of rows by features."""
    columns = []
    for _name, bins, column, _cell in features.named:
        known, place = np.unique(rows[:, column], return_inverse=True)
        columns.append(np.array([bins.place(value) for value in known.tolist()])[place])
    return np.array(columns).T


def spread(bins, sizes):
    return [np.bincount(bins[:, i], minlength=size) for i, size in enumerate(sizes)]


def judge(counts, references, limit=LIMIT, guarded=True):
    """Whether a window is told."""
    return any(
        psi(c, d) > max(limit, chance(c, d) if guarded else 0) for c, d in zip(counts, references)
    )


def false_alarms(population, sizes, rng):
    found = {}
    for n in SIZES:
        with_guard = without = guard = 0
        worst = []
        for window in range(WINDOWS):
            if window % 10 == 0:
                drawn = rng.integers(0, len(population), len(population))
                references = spread(population[drawn], sizes)
            counts = spread(population[rng.integers(0, len(population), n)], sizes)
            with_guard += judge(counts, references)
            without += judge(counts, references, guarded=False)
            guard += judge(counts, references, limit=0)
            worst.append(max(psi(c, d) for c, d in zip(counts, references)))
        found[str(n)] = {
            "told": with_guard / WINDOWS,
            "told_without_guard": without / WINDOWS,
            "told_by_guard_alone": guard / WINDOWS,
            "largest_psi_median": float(np.median(worst)),
        }
    return found


def false_alarms_between(prices, rng):
    """Predictions of two versions that are the same: windows of a canary, and three times as many rows."""
    bounds = target_bins(json.loads((HOUSING / "contract.json").read_text())["targets"][0])
    bins = np.searchsorted(bounds, prices, side="left")
    found = {}
    for n in SIZES:
        told = without = guard = 0
        for _window in range(WINDOWS):
            c, d = (
                np.bincount(bins[rng.integers(0, len(bins), size)], minlength=len(bounds) + 1)
                for size in (n, 3 * n)
            )
            value = psi(c, d)
            told += value > max(LIMIT, chance(c, d, (c + d) > 0))
            without += value > LIMIT
            guard += value > chance(c, d, (c + d) > 0)
        found[str(n)] = {
            "told": told / WINDOWS,
            "told_without_guard": without / WINDOWS,
            "told_by_guard_alone": guard / WINDOWS,
        }
    return found


def detection(features, sales, references, sizes, rng):
    found = {}
    for name, fault in FAULTS.items():
        for n in SIZES:
            told = []
            for _window in range(FAULT_WINDOWS):
                rows = sales[rng.integers(0, len(sales), n)].copy()
                fault(rows, rng)
                told.append(judge(spread(placed(features, rows), sizes), references))
            share = float(np.mean(told))
            found.setdefault(name, {})[str(n)] = {
                "told": share,
                "windows_mean": round(1 / share, 2) if share else None,
            }
    return found


def costs(python, directory):
    env = {**os.environ, "PYTHONPATH": str(directory)}
    found = {}
    for rows in (1, 1000):
        run = subprocess.run(
            [python, "-c", COST, str(rows)], env=env, stdout=subprocess.PIPE, check=True, text=True
        )
        found[str(rows)] = {key: round(value, 1) for key, value in json.loads(run.stdout).items()}
    return found


def memory(python, directory):
    """Of real servers of the housing_bad model, with the references of its contract and without."""
    found = {}
    for name in ("without", "with"):
        model = directory / name
        model.mkdir()
        for path in (ROOT / "models" / "housing_bad").iterdir():
            if path.is_file():
                (model / path.name).write_bytes(path.read_bytes())
        if name == "without":
            contract = json.loads((model / "contract.json").read_text())
            for entry in [*contract["features"], *contract["targets"]]:
                entry.pop("reference")
            (model / "contract.json").write_text(json.dumps(contract))
        with ours(python, directory, model, "HousingBadModel", 1) as server:
            found[name] = round(settle(server, 1), 2)
    return found


def main():
    rng = np.random.default_rng(SEED)
    sales, prices = read_sales()
    features = Features(json.loads((HOUSING / "contract.json").read_text()))
    sizes = [len(bins.names) for _name, bins, _column, _cell in features.named]
    population = placed(features, sales)
    references = spread(population, sizes)
    python = find_python()
    with tempfile.TemporaryDirectory() as temporary:
        directory = deploy(Path(temporary))
        result = {
            "limit": LIMIT,
            "windows": WINDOWS,
            "load": os.getloadavg()[0],
            "cost_us": costs(python, directory),
            "memory_mb": memory(python, directory),
            "false_alarms": false_alarms(population, sizes, rng),
            "false_alarms_between": false_alarms_between(prices, rng),
            "detection": detection(features, sales, references, sizes, rng),
        }
    show(result)
    (HERE / "results" / "drift.json").write_text(json.dumps(result, indent=2) + "\n")


def show(result):
    print("%-40s" % "rows of a window", *("%18s" % f"{n:,}" for n in SIZES))
    for key, what in (("false_alarms", "six features"), ("false_alarms_between", "predictions of two versions")):
        print(f"false alarms, {what}:")
        for part, how in (
            ("told_without_guard", "by a limit of 0.2"),
            ("told_by_guard_alone", "by chance's bound"),
            ("told", "by both, as it is"),
        ):
            print("%-40s" % f"  {how}", *("%17.1f%%" % (result[key][str(n)][part] * 100) for n in SIZES))
    for name, found in result["detection"].items():
        told = (found[str(n)] for n in SIZES)
        print("%-40s" % name, *("%18s" % ("never" if not t["told"] else "%.1f windows" % t["windows_mean"]) for t in told))
    for rows, cost in result["cost_us"].items():
        print("a request of %s rows and 20 features: %.1f us, %.1f us counted" % (rows, cost["without"], cost["with"]))
    print("memory of a server: %(without).1f MB, %(with).1f MB counted" % result["memory_mb"])


if __name__ == "__main__":
    main()
