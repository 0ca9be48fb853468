# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two housing models: trained for real, served for real."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import subprocess

import pytest
from serving import ROOT, Server, deploy, find_python, total

HOUSING = ROOT / "models" / "housing"
HOUSES = [[7, 47.5112, -122.257, 1180, 0, 1955], [11, 47.61, -122.21, 4500, 1, 2001]]
PREDICT = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from HousingModel import HousingModel
model = HousingModel(sys.argv[2])
model.load()
try:
    print([p.hex() for p in model.predict(json.loads(sys.argv[3]), json.loads(sys.argv[4])).tolist()])
except Exception as error:
    print(getattr(error, "status_code", None), getattr(error, "message", error))
"""


@pytest.fixture(scope="module")
def python():
    return find_python()


def train(python, output, *arguments):
    command = [python, str(HOUSING / "train.py"), "--output", str(output), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def artifact(python, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained")
    done = train(python, output, "--seed", "7")
    assert done.returncode == 0, done.stderr
    return output


def predict(python, directory, houses, names=()):
    command = [python, "-c", PREDICT, str(HOUSING), str(directory)]
    command += [json.dumps(houses), json.dumps(names)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def serve(artifact, python, tmp_path):
    files = deploy(tmp_path / "files")
    servers = []

    def start(name):
        env = {"MONITML_ARTIFACT_DIR": str(artifact)}
        server = Server(files, ROOT / "models" / name, python, tmp_path, env=env)
        servers.append(server)
        return server.wait_ready()

    yield start
    for server in servers:
        server.stop()


def test_the_card_says_how_well_it_predicts_and_from_what(artifact):
    card = json.loads((artifact / "model_card.json").read_text())
    assert card["held_out"]["r2"] > 0.85
    assert card["held_out"]["mean_absolute_error"] < 90000
    assert card["held_out"]["rows"] == 4322 and card["data"]["rows"] == 21613
    data = (HOUSING / "data" / "kc_house_prices.csv.gz").read_bytes()
    assert card["data"]["sha256"] == hashlib.sha256(data).hexdigest()
    model = (artifact / "model.joblib").read_bytes()
    assert card["artifact_sha256"] == hashlib.sha256(model).hexdigest()
    assert card["seed"] == 7 and set(card["versions"]) >= {"python", "scikit-learn", "numpy"}
    for quantiles in [*card["reference"]["features"].values(), card["reference"]["prediction"]]:
        assert quantiles == sorted(quantiles) and len(quantiles) == 21


def test_the_same_seed_gives_the_same_predictions_to_the_bit(python, tmp_path):
    few = tmp_path / "few.csv"
    with gzip.open(HOUSING / "data" / "kc_house_prices.csv.gz") as sales:
        few.write_bytes(b"".join(itertools.islice(sales, 1500)))
    answers = []
    for number, seed in enumerate(("7", "7", "8")):
        output = tmp_path / str(number)
        done = train(python, output, "--seed", seed, "--data", str(few))
        assert done.returncode == 0, done.stderr
        answers.append(predict(python, output, HOUSES))
    assert answers[0] == answers[1] != answers[2]


def test_the_model_refuses_what_is_no_house(artifact, python):
    assert "400 A house has 6 features" in predict(python, artifact, [[1, 2]])
    assert "400 A feature is not a number" in predict(python, artifact, [["big"] * 6])
    assert "400 A feature is not a finite" in predict(python, artifact, [["nan"] * 6])
    assert "400 A house has 6 features" in predict(python, artifact, [[[1] * 6]] * 2)


def test_named_columns_may_come_in_any_order(artifact, python):
    names = ["grade", "lat", "long", "sqft_living", "waterfront", "yr_built"]
    turned = [house[::-1] for house in HOUSES]
    plain = predict(python, artifact, HOUSES)
    assert predict(python, artifact, HOUSES, names) == plain
    assert predict(python, artifact, turned, names[::-1]) == plain
    assert predict(python, artifact, HOUSES, ["", "", "", "", "", ""]) == plain


def test_bad_data_ends_training_with_a_sentence(python, tmp_path):
    (tmp_path / "mine.csv").write_text("grade,lat\n1,2\n")
    done = train(python, tmp_path / "out", "--data", str(tmp_path / "mine.csv"))
    assert done.returncode == 1
    assert "lacks the column(s) long" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_good_model_answers_prices(serve):
    server = serve("housing")
    status, answer = server.predict(HOUSES)
    assert status == 200
    cheap, dear = answer["data"]["ndarray"]
    assert 100000 < cheap < 500000 < dear
    words = [[str(cell) for cell in house] for house in HOUSES]
    assert server.predict(words)[1]["data"]["ndarray"] == [cheap, dear]
    assert server.predict([[1, 2]])[0] == 400
    samples = server.metrics()
    assert total(samples, "monitml_prediction_count", output="price") == 4
    assert total(samples, "monitml_prediction_bucket", le="500000.0") == 2
    assert total(samples, "monitml_prediction_errors_total") == 0


def test_what_the_bad_model_answers_and_reports_is_100(serve):
    server = serve("housing_bad")
    assert server.predict(HOUSES)[1]["data"]["ndarray"] == [100.0, 100.0]
    assert server.predict([["anything"]])[1]["data"]["ndarray"] == [100.0]
    assert server.predict([])[1]["data"]["ndarray"] == []
    samples = server.metrics()
    assert total(samples, "monitml_prediction_count", output="price") == 3
    assert total(samples, "monitml_prediction_sum", output="price") == 300
    assert total(samples, "monitml_prediction_max", output="price") == 100


def test_a_missing_artifact_is_named_with_the_cure(python, tmp_path):
    files = deploy(tmp_path / "files")
    env = {"MONITML_ARTIFACT_DIR": str(tmp_path)}
    with Server(files, HOUSING, python, tmp_path, env=env) as server:
        assert server.process.wait(20) != 0
        assert "there is no artifact" in server.log and "train.py --output" in server.log
        assert "Traceback" not in server.log
