# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The housing data that ships, and what train.py says of data that it cannot use."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import re
from pathlib import Path

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.serving import prediction_metrics

HOUSING = Path(__file__).resolve().parents[3] / "models" / "housing"
DATA = HOUSING / "data" / "kc_house_prices.csv.gz"
HEADER = "grade,lat,long,sqft_living,waterfront,yr_built,price\n"
ROW = "7,47.5,-122.2,1180,0,1955,221900\n"


@pytest.fixture(scope="module")
def train():
    spec = importlib.util.spec_from_file_location("housing_train", HOUSING / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_data_is_what_its_origin_says(train):
    features, prices = train.read_data(str(DATA))
    assert features.shape == (21613, 6)
    assert prices.min() == 75000 and prices.max() == 7700000
    digest = hashlib.sha256(DATA.read_bytes()).hexdigest()
    assert digest in (HOUSING / "data" / "ORIGIN.md").read_text()


def test_the_contract_has_the_features_in_order_and_covers_the_data(train):
    contract = json.loads((HOUSING / "contract.json").read_text())
    features, _prices = train.read_data(str(DATA))
    assert [f["name"] for f in contract["features"]] == list(train.FEATURES)
    for index, feature in enumerate(contract["features"]):
        column = features[:, index]
        if "range" in feature:
            assert feature["range"] == [column.min(), column.max()]
        else:
            assert set(column) == set(feature["values"])
    other = json.loads((HOUSING.parent / "housing_bad" / "contract.json").read_text())
    assert {**contract, "training": 0} == {**other, "training": 0}


def test_the_model_class_has_the_same_features(train):
    source = (HOUSING / "HousingModel.py").read_text()
    assert re.search(r"^FEATURES = (\(.*\))$", source, re.M).group(1) == str(train.FEATURES).replace(
        "'", '"'
    )


@pytest.mark.parametrize("compressed", [False, True])
def test_a_users_csv_is_read(train, tmp_path, compressed):
    text = "\ufeffid," + HEADER + ("1,7,47.5,-122.2,1180,TRUE,1955,221900\n" * 60)
    path = tmp_path / ("mine.csv" + (".gz" if compressed else ""))
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    features, prices = train.read_data(str(path))
    assert features.shape == (60, 6) and features[0, 4] == 1 and prices[0] == 221900


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("none.csv", None, "There is no data file .*none.csv"),
        ("a.csv", b"", "lacks the column.* grade, lat"),
        ("b.csv", HEADER.replace("lat,", "").encode(), r"lacks the column\(s\) lat; it needs grade"),
        ("c.csv", HEADER.encode(), "has 0 rows; training needs 50"),
        ("d.csv", (HEADER + ROW * 3 + ROW.replace("1180", "big")).encode(), "line 5: sqft_living is 'big'"),
        ("e.csv", (HEADER + "7,47.5\n").encode(), "line 2: long is '', not a number"),
        ("f.csv", (HEADER + ROW.replace("7,", "nan,", 1)).encode(), "grade is 'nan'"),
        ("g.csv", HEADER.encode() + b"\xff\xfe", "cannot be read as CSV"),
        ("h.csv.gz", b"not gzip", "h.csv.gz cannot be read as CSV"),
        ("i.csv.gz", gzip.compress((HEADER + ROW * 5000).encode())[:120], "cannot be read as CSV"),
    ],
)
def test_data_that_cannot_be_used_is_named(train, tmp_path, name, content, sentence):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(train.DataError, match=sentence):
        train.read_data(str(path))


def test_a_directory_is_no_data(train, tmp_path):
    with pytest.raises(train.DataError, match="cannot be read"):
        train.read_data(str(tmp_path))


def test_nothing_is_written_for_data_that_cannot_be_used(train, tmp_path):
    output = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        train.main(["--data", str(tmp_path / "none.csv"), "--output", str(output)])
    assert "no data file" in str(ended.value)
    assert not output.exists()


def test_training_and_contract_know_the_same_spread_of_the_same_data(train):
    features, prices = train.read_data(str(DATA))
    contract = json.loads((HOUSING / "contract.json").read_text())
    found = train.make_reference(features, prices)
    for entry in contract["features"]:
        trained = found["features"][entry["name"]]
        assert entry["reference"] == {key: trained[key] for key in entry["reference"]}
        assert trained.get("range", entry.get("range")) == entry.get("range")
    (target,) = contract["targets"]
    assert target["reference"]["shares"] == found["targets"]["price"]["shares"]


def test_a_server_takes_what_training_writes(train, tmp_path, monkeypatch):
    features, prices = train.read_data(str(DATA))
    contract = json.loads((HOUSING / "contract.json").read_text())
    (tmp_path / "reference.json").write_text(json.dumps(train.make_reference(features * 2, prices)))
    monkeypatch.setenv("MONITML_ARTIFACT_DIR", str(tmp_path))
    layout = prediction_metrics.Layout.from_contract(contract)
    bins = {name: bins for name, bins, _column, _cell in layout.features.named}
    assert bins["sqft_living"].names[:2] == ["below 580", "580 to 2180"]
    assert layout.references["price"][2] == pytest.approx(0.001434 * 21613)
