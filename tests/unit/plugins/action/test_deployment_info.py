# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import gzip
import json
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.monitml.stack.plugins.action import deployment_info

CONTRACT = {
    "features": [{"name": "size", "dtype": "FLOAT", "ftype": "continuous", "range": [0, "inf"]}],
    "targets": [{"name": "price", "dtype": "FLOAT", "ftype": "continuous", "range": [0, "inf"]}],
}


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models" / "house"
    folder.mkdir(parents=True)
    (folder / "environment_rest").write_text("MODEL_NAME=House\n")
    (folder / "House.py").write_text("class House: ...\n")
    (folder / "contract.json").write_text(json.dumps(CONTRACT))
    (folder / "train.py").write_text("")
    return folder.parent


def run(models, **args):
    given = {
        "description": {
            "name": "d",
            "predictors": [{"name": "a", "version": "v1", "model": "house", "traffic": 100}],
        },
        "models_path": [str(models)],
        **args,
    }
    task = SimpleNamespace(args=given, async_val=0, check_mode=False, diff=False)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    return deployment_info.ActionModule(task, connection, None, None, None, None).run(task_vars={})


def failure(models, **args):
    with pytest.raises(AnsibleActionFail) as caught:
        run(models, **args)
    return str(caught.value)


def test_defaults_come_from_the_one_spec(models):
    (predictor,) = run(models)["deployment"]["predictors"]
    assert (predictor["replicas"], predictor["shadow"], predictor["class_name"]) == (1, False, "House")


def test_values_are_typed_as_the_spec_says(models):
    told = failure(models, description={"name": "d", "predictors": [{"name": "a"}]})
    assert "version" in told and "nothing has been changed" in told


def test_unknown_keys_are_refused(models):
    told = failure(models, description={"name": "d", "predictor": []})
    assert "predictor" in told


def test_a_reference_that_a_server_would_refuse_is_told(models):
    feature = {**CONTRACT["features"][0], "reference": {"rows": 5, "bins": [1], "shares": [0.5, 0.1]}}
    contract = {**CONTRACT, "features": [feature]}
    (models / "house" / "contract.json").write_text(json.dumps(contract))
    told = failure(models)
    assert "contract.json: feature 1 (size): the shares of its reference must sum to 1." in told
    feature["reference"] = {"rows": 5, "bins": list(range(1, 1000)), "shares": [0.001] * 1000}
    (models / "house" / "contract.json").write_text(json.dumps(contract))
    assert "its features have 1003 bins, and each is a series of every server: at most 1000" in failure(models)


def test_all_problems_are_told_at_once(models):
    told = failure(
        models,
        description={
            "name": "D",
            "predictors": [{"name": "a", "version": "v1", "model": "nowhere", "traffic": 30}],
        },
    )
    assert "DNS label" in told and "sums to 30" in told and "'nowhere'" in told and "found there: house" in told


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("environment_rest", None, "has no environment_rest"),
        ("environment_rest", "A=1", "no usable MODEL_NAME"),
        ("House.py", None, "there is no House.py"),
        ("contract.json", None, "has no contract.json"),
        ("contract.json", "{", "contract.json is no JSON"),
        ("contract.json", "{}", "'features' is missing"),
    ],
)
def test_a_folder_that_is_no_model_is_told(models, name, text, told):
    path = models / "house" / name
    path.unlink() if text is None else path.write_text(text)
    assert told in failure(models)


def test_a_model_may_be_given_by_path(models, tmp_path):
    described = {
        "name": "d",
        "predictors": [{"name": "a", "version": "v1", "model": str(models / "house"), "traffic": 100}],
    }
    assert run(models, models_path=[], description=described)["deployment"]["predictors"][0]["trains"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("data.csv", b"size\n1\n", "lacks the columns price"),
        ("data.csv", b"\xff\xfe\x00", "cannot be read"),
        ("data.csv.gz", b"no gzip", "cannot be read"),
        ("data.csv.gz", gzip.compress(b"size,price\n1,x\n", mtime=0), "column price: 'x'"),
        ("data.csv.gz", gzip.compress(b"size,price\n1,2\n", mtime=0)[:-9], "cannot be read"),
    ],
)
def test_bad_training_data_is_told(models, tmp_path, name, content, told):
    path = tmp_path / name
    path.write_bytes(content)
    assert told in failure(models, training_data=str(path))


def test_training_data_may_begin_as_excel_has_it(models, tmp_path):
    (tmp_path / "data.csv").write_bytes(b"\xef\xbb\xbfsize,price\r\n1,2\r\n")
    assert not run(models, training_data=str(tmp_path / "data.csv"))["changed"]


def test_missing_training_data_is_told(models, tmp_path):
    assert "No such file" in failure(models, training_data=str(tmp_path / "none.csv"))


def test_the_digest_follows_the_content_and_not_the_leftovers(models, tmp_path):
    def digest():
        return run(models, runtime_files=[str(runtime)])["deployment"]["predictors"][0]["digest"]

    runtime = tmp_path / "serve.py"
    runtime.write_text("1")
    first = digest()
    (models / "house" / "__pycache__").mkdir()
    (models / "house" / "__pycache__" / "House.pyc").write_bytes(b"x")
    assert digest() == first
    (models / "house" / "House.py").write_text("class House:\n    pass\n")
    second = digest()
    assert second != first
    runtime.write_text("2")
    assert digest() != second


def test_what_requirements_name_is_part_of_the_environment(models):
    def environment():
        return run(models)["deployment"]["predictors"][0]["environment"]

    folder = models / "house"
    (folder / "requirements.txt").write_text("-r base.txt\n")
    assert "requirements.txt, line 1, names base.txt, and there is no such file" in failure(models)
    (folder / "base.txt").write_text("pandas\n")
    first = environment()
    assert first["files"] == ["base.txt", "requirements.txt"] and first["requirements"]
    (folder / "House.py").write_text("class House:\n    pass\n")
    assert environment() == first
    (folder / "base.txt").write_text("pandas<3\n")
    assert environment()["digest"] != first["digest"]
    # What is installed itself is part of it, too.
    (folder / "requirements.txt").unlink()
    (folder / "setup.py").write_text("")
    first = environment()
    assert first["project"] and "House.py" in first["files"]
    (folder / "House.py").write_text("class House: ...\n")
    assert environment()["digest"] != first["digest"]


def test_what_conda_would_install_is_refused_where_there_is_none(models):
    folder = models / "house"
    (folder / "environment.yml").write_text("dependencies: [pip]\n")
    told = failure(models)
    assert "has an environment.yml" in told and "nothing has been changed" in told
    # As for source-to-image, requirements come before it.
    (folder / "requirements.txt").write_text("pandas\n")
    run(models)


def test_traffic_can_stand_in_for_the_described(models):
    assert "names predictor 'b'" in failure(models, traffic={"b": 1})
