# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A healthy canary under realistic load raises nothing; and what labels cost.

    .venv/bin/python benchmarks/labels.py [--minutes 10] [--rate 20]

Two versions of the housing model, trained on the same data, behind the real gateway are asked for
the sales that training held back, at random moments of a mean rate; nine of ten prices are told a
moment later, through feedback and in files by turns. Everything is watched: the default monitors,
and drift and labels with limits that these sales keep. Whatever is told is a false alarm.

Writing an answer of 20 features down is measured inside one process; joining labels on the way
from a file to the figures. Prints a table and writes results/labels.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests" / "integration" / "local"), str(HERE.parent / "tests")]
_AnsibleCollectionFinder(paths=[str(HERE.parent / ".collections")])._install()
# pylint: disable=wrong-import-position
import pretenders  # noqa: F401  makes the server's files importable
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.labels.service import Labels
from gateways import Gateway
from labelling import Labelling
from serve_answers import AnswerLog
from serving import ROOT, Server, deploy, find_python
from watching_stack import WatchingStack, housing_deployment

SEED, VERSIONS = 7, {"good": "v1", "bad": "v2"}
HOUSING = ROOT / "models" / "housing"
WINDOW = 60
MONITORS = [
    {"name": "FeaturesMoved", "measure": "feature_drift", "max": 0.2, "window_seconds": WINDOW},
    {"name": "PredictionsMoved", "measure": "prediction_drift", "max": 0.2, "window_seconds": WINDOW},
    {"name": "CanaryDiffers", "measure": "prediction_drift_between", "max": 0.2, "window_seconds": WINDOW},
    {"name": "ErrorTooLarge", "measure": "prediction_mae", "max": 150000, "window_seconds": WINDOW, "min_samples": 30},
    {"name": "ShareTooLarge", "measure": "prediction_mape", "max": 0.3, "window_seconds": WINDOW, "min_samples": 30},
    {"name": "Biased", "measure": "prediction_bias", "min": -100000, "max": 100000, "window_seconds": WINDOW, "min_samples": 30},
]


def held_back():
    """(names, rows, prices) of the sales that training kept away from the model."""
    spec = importlib.util.spec_from_file_location("train", HOUSING / "train.py")
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    features, prices = train.read_data(str(HOUSING / "data/kc_house_prices.csv.gz"))
    order = np.random.RandomState(SEED).permutation(len(prices))[: int(len(prices) * train.HELD_OUT_RATIO)]
    return list(train.FEATURES), features[order], prices[order]


class Stack(WatchingStack):
    """Watches real servers behind the real gateway."""

    def start(self, servers):
        for predictor in self.deployment["predictors"]:
            predictor["servers"][0]["metrics_port"] = servers[predictor["name"]].metrics_port
        self.write_configuration()
        self._start_processes()
        self.wait(lambda: len(self.values('up{job="models"} == 1')) == len(servers), "the servers to be scraped", 60)
        return self


def healthy(minutes, rate, at, files, python):
    """What was asked, and what was told meanwhile."""
    subprocess.run([python, HOUSING / "train.py", "--output", at / "artifact"], check=True)
    names, rows, prices = held_back()
    given = yaml.safe_load((ROOT / "roles/monitml/defaults/main.yml").read_text())["monitml_deployment"]["monitors"]
    deployment, labels, servers, front = housing_deployment(monitors=[*given, *MONITORS]), Labelling(at), {}, None
    stack = Stack(at, deployment)
    try:
        for name, version in VERSIONS.items():
            env = {
                "PREDICTOR_ID": name,
                "PREDICTIVE_UNIT_ID": name,
                "PREDICTOR_LABELS": json.dumps({"version": version}),
                "MONITML_ANSWERS_DIR": str(labels.answers),
                "MONITML_ARTIFACT_DIR": str(at / "artifact"),
            }
            (at / name).mkdir()
            servers[name] = Server(files, HOUSING, python, at / name, env=env, supervised=True)
        for server in servers.values():
            server.wait_ready(120)
        (at / "gateway").mkdir()
        front = Gateway(at / "gateway", deployment, servers, labels_port=labels.port)
        stack.settings.update(labels_port=labels.port, gateway_admin_port=front.admin_port)
        stack.start(servers)
        time.sleep(5)
        asked = ask(front, Labels(labels.url), names, rows, prices, minutes * 60, rate)
        told = [message["title"] for message in stack.messages()]
        firing = sorted({alert["labels"]["alertname"] for alert in stack.alerts()})
        errors = {f"{who} {version}": round(value) for (name, who, version), value in labels.figures(604800).items() if name == "absolute_error"}
        return {**asked, "minutes": minutes, "messages": told, "firing": firing, "mean_absolute_error": errors}
    finally:
        stack.stop()
        for thing in (*servers.values(), labels):
            thing.stop()
        if front:
            front.close()


def ask(front, labels, names, rows, prices, seconds, rate):
    rng, numbers, file = random.Random(SEED), list(range(len(prices))), []
    rng.shuffle(numbers)
    asked = failed = joined = 0
    began = due = time.monotonic()
    while time.monotonic() - began < seconds:
        due += rng.expovariate(rate)
        time.sleep(max(0.0, due - time.monotonic()))
        number = numbers[asked % len(numbers)]
        body = {"data": {"names": names, "ndarray": [rows[number].tolist()]}}
        status, answer, _headers = front.ask("POST", "predictions", body)
        asked, failed = asked + 1, failed + (status != 200)
        if rng.random() < 0.9 and status == 200:
            price, name = float(prices[number]), answer["meta"]["puid"]
            if asked % 2:
                status = front.ask("POST", "feedback", {"response": answer, "truth": {"data": {"ndarray": [[price]]}}})[0]
                failed += status != 200
                joined += 1
            else:
                file.append({"id": name, "truth": price, "row": None, "when": None, "where": name})
        if len(file) >= 50:
            joined += labels.tell(file, check=False)["new"]
            file = []
    return {"requests": asked, "failed": failed, "labels": joined}


def cost_of_writing():
    """Microseconds of CPU per answer of one row and 20 features, the write to the page cache included."""
    with tempfile.TemporaryDirectory() as directory:
        log = AnswerLog(directory, "good-9000", {"deployment": "d", "outputs": [{"name": "price"}]}, 10**9, 10**6)
        row, times = [[float(n) / 7 for n in range(20)]], 20000
        log.answer("0123456789abcdef0123456789abcdef", row, [[123456.5]])
        began = time.process_time()
        for _time in range(times):
            log.answer("0123456789abcdef0123456789abcdef", row, [[123456.5]])
        size = sum(path.stat().st_size for path in Path(directory).iterdir())
        return {"us": round((time.process_time() - began) / times * 1e6, 1), "bytes": round(size / times)}


def cost_of_joining(at, number=20000):
    """Seconds until as many labels of as many answers are figures, and memory of what takes them."""
    labels = Labelling(at)
    try:
        header = {"deployment": "d", "predictor": "p", "version": "v", "outputs": [{"name": "price"}], "features": []}
        log = AnswerLog(str(labels.answers), "p-9000", header, 10**9, 10**6)
        for one in range(number):
            log.answer("answer-%d" % one, [[1.0] * 20], [[float(one)]])
        began = time.monotonic()
        told = [{"id": "answer-%d" % one, "truth": 1.0, "row": None, "when": None, "where": ""} for one in range(number)]
        done = Labels(labels.url).tell(told, check=False)
        joined = time.monotonic() - began
        began = time.monotonic()
        labels.figures()
        with open("/proc/%d/statm" % labels.process.pid, encoding="ascii") as stream:
            resident = int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        figures = time.monotonic() - began
        return {"labels": done["new"], "join_s": round(joined, 2), "figures_s": round(figures, 3), "memory_mb": round(resident / 1e6, 1)}
    finally:
        labels.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        at = Path(temporary)
        (at / "joining").mkdir()
        result = {"load": os.getloadavg()[0], "writing": cost_of_writing(), "joining": cost_of_joining(at / "joining")}
        result["healthy"] = healthy(options.minutes, options.rate, at, deploy(at / "files"), find_python())
    result["load_after"] = os.getloadavg()[0]
    print("an answer of 20 features: %(us).1f us, %(bytes)d bytes" % result["writing"])
    print("%(labels)d labels: joined in %(join_s).2f s, figures in %(figures_s).3f s, %(memory_mb).1f MB" % result["joining"])
    print(json.dumps(result["healthy"], indent=2))
    (HERE / "results" / "labels.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
