# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import gzip
import json
import os

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.modules import contract_from_data

DATA = "grade,lat,water,price\n7,47.5,0,221900\n6,47.7,1,538000\n1,47.6,0,180000\n" + "".join(
    "%d,47.6,0,%d\n" % (grade, grade * 100000) for grade in range(2, 6)
)
TEXT = """{
  "features": [
    {"name": "grade", "dtype": "INT", "ftype": "continuous", "range": [1, 7]},
    {"name": "lat", "dtype": "FLOAT", "ftype": "continuous", "range": [47.5, 47.7]},
    {"name": "water", "dtype": "INT", "ftype": "categorical", "values": [0, 1]}
  ],
  "targets": [
    {"name": "price", "dtype": "FLOAT", "ftype": "continuous", "range": [180000, 538000]}
  ]
}
"""


@pytest.fixture
def run(capsys, tmp_path):
    """Runs main() with data.csv; returns (exit status, result)."""
    (tmp_path / "data.csv").write_text(DATA)

    def call(**options):
        arguments = {
            "data": str(tmp_path / "data.csv"),
            "path": str(tmp_path / "contract.json"),
            "targets": ["price"],
            "reference": False,
            **options,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit) as caught:
            contract_from_data.main()
        return caught.value.code, json.loads(capsys.readouterr().out)

    return call


def test_a_contract_says_how_the_data_is_spread_unless_told_otherwise(run, tmp_path):
    contract = run(reference=True)[1]["contract"]
    grade, _lat, water = (entry["reference"] for entry in contract["features"])
    assert grade == {"rows": 7, "bins": [1, 2, 3, 4, 5, 6], "shares": [0.142857] * 7}
    assert water == {"rows": 7, "values": [0, 1], "shares": [0.857143, 0.142857]}
    assert contract["targets"][0]["bins"][0] == 180000 and contract["targets"][0]["reference"]["rows"] == 7
    assert contract_from_data.ARGUMENT_SPEC["reference"]["default"] is True
    assert json.loads((tmp_path / "contract.json").read_text()) == contract


def test_a_contract_is_written_once(run, tmp_path):
    code, result = run()
    path = tmp_path / "contract.json"
    assert (code, result["changed"], path.read_text()) == (0, True, TEXT)
    assert result["contract"] == json.loads(TEXT) and os.stat(path).st_mode & 0o777 == 0o644
    before = os.stat(path)
    assert run()[1]["changed"] is False
    assert (os.stat(path).st_ino, os.stat(path).st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    path.chmod(0o600)
    assert run()[1]["changed"] and os.stat(path).st_mode & 0o777 == 0o644
    assert run(max_categories=9)[1]["changed"] and '"values": [1, 2' in path.read_text()
    assert sorted(os.listdir(tmp_path)) == ["contract.json", "data.csv"]


def test_check_mode_shows_and_writes_nothing(run, tmp_path):
    _code, result = run(_ansible_check_mode=True, _ansible_diff=True)
    assert result["changed"] and result["diff"]["before"] == "" and result["diff"]["after"] == TEXT
    assert not (tmp_path / "contract.json").exists()
    run()
    assert run(_ansible_check_mode=True)[1]["changed"] is False


def test_compressed_data_and_a_byte_order_mark_are_read(run, tmp_path):
    (tmp_path / "data.csv.gz").write_bytes(gzip.compress(("\ufeff" + DATA).encode()))
    assert run(data=str(tmp_path / "data.csv.gz"))[1]["contract"] == json.loads(TEXT)


@pytest.mark.parametrize(
    "content, options, says",
    [
        (None, {}, "data.csv cannot be read (No such file"),
        (b"a,price\n\xff,1\n", {}, "data.csv cannot be read ("),
        (b"", {}, "data.csv: it is empty"),
        (b"a,price\n,1\n", {}, 'data.csv: row 1, column a: "" is no value'),
        (DATA.encode(), {"targets": ["cost"]}, "lacks the columns cost; it has grade, lat"),
        (
            DATA.encode(),
            {"path": "/nowhere/contract.json"},
            "contract.json cannot be written (No such",
        ),
        (DATA.encode(), {"path": "/"}, "/ cannot be written (Is a directory)"),
    ],
)
def test_what_is_wrong_is_one_sentence(run, tmp_path, content, options, says):
    (tmp_path / "data.csv").unlink()
    if content is not None:
        (tmp_path / "data.csv").write_bytes(content)
    code, result = run(**options)
    assert code == 1 and says in result["msg"] and "exception" not in result
    assert not (tmp_path / "contract.json").exists()


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(DATA.encode(), mtime=0)[:40]])
def test_broken_gzip_is_told(run, tmp_path, content):
    (tmp_path / "data.csv.gz").write_bytes(content)
    code, result = run(data=str(tmp_path / "data.csv.gz"))
    assert code == 1 and "data.csv.gz cannot be read (" in result["msg"]


def test_the_documentation_is_the_specification():
    documented = yaml.safe_load(contract_from_data.DOCUMENTATION)["options"]
    keys = ("type", "default", "required", "elements")
    assert {name: {k: one[k] for k in keys if k in one} for name, one in documented.items()} == (
        contract_from_data.ARGUMENT_SPEC
    )
