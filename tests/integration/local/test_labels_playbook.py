# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""playbooks/labels.yml as a person runs it, with what takes labels and answers that were written down."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pretenders  # noqa: F401  makes the server's files importable
import pytest
from labelling import Labelling, write_table
from run_module import run_module
from serve_answers import AnswerLog
from serving import ROOT

HEADER = {
    "deployment": "housing",
    "predictor": "good",
    "version": "v1",
    "outputs": [{"name": "price"}, {"name": "kind", "classes": ["flat", "house"]}],
    "features": [],
}


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    labels = Labelling(tmp_path_factory.mktemp("labels"))
    one = AnswerLog(str(labels.answers), "good-9000", {**HEADER, "outputs": HEADER["outputs"][:1]}, 10**6, 86400)
    for number in range(5):
        one.answer(f"n{number}", None, [[100.0]])
    AnswerLog(str(labels.answers), "two-9002", {**HEADER, "predictor": "two"}, 10**6, 86400).answer("two", None, [[7, "flat"]])
    yield labels
    labels.stop()


def play(labels, *arguments, cwd=ROOT):
    """(status, what it printed) of the playbook."""
    interpreter = f"ansible_python_interpreter={sys.executable}"
    command = ["ansible-playbook", "-i", str(ROOT / "inventories/local"), str(ROOT / "playbooks/labels.yml"), "-e", interpreter]
    command += ["-e", f"monitml_labels_port={labels.port}", *arguments]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "PATH": "%s:%s" % (Path(sys.executable).parent, os.environ["PATH"]),
    }
    done = subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, check=False, timeout=120)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def changed(printed):
    return int(re.search(r"changed=(\d+)", printed).group(1))


def test_it_tells_what_came_of_a_file_and_changes_nothing_the_second_time(labels, tmp_path):
    path = write_table(tmp_path / "truth.csv", [("n0", 90), ("n1", "110"), ("unknown", 1)])
    status, printed = play(labels, "-e", f"file={path}", "--check", "--diff")
    assert (status, changed(printed)) == (0, 1) and "+new labels: 2" in printed
    status, printed = play(labels, "-e", "file=truth.csv", cwd=tmp_path)
    assert (status, changed(printed)) == (0, 1), printed
    said = "Of 3 labels 2 new, 1 fit no answer. They are joined: 2 to good v1. Nobody knows, for example, the answer unknown."
    assert said in re.sub(r"\s+", " ", printed)
    status, printed = play(labels, "-e", f"file={path}")
    assert (status, changed(printed)) == (0, 0) and "2 were known" in printed
    assert labels.figures()["absolute_error", "good", "v1"] == 10


def test_columns_may_have_other_names(labels, tmp_path):
    header = ("request", "price", "sold")
    path = write_table(tmp_path / "sales.csv", [("n2", 100, "2026-11-01T10:00:00Z")], header)
    names = ["-e", "id_column=request", "-e", "truth_column=price", "-e", "when_column=sold"]
    status, printed = play(labels, "-e", f"file={path}", *names)
    assert status == 0 and "Of 1 labels 1 new." in printed, printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give the CSV of labels with -e file=truth.csv"),
        (["-e", "file=nowhere.csv"], "cannot be read on the controller: there is no such file. Nothing has been changed."),
        (["-e", "file=/"], "it is no file that can be read"),
        (["-e", "file=x", "-e", "monitml_target=kubernetes"], "monitml_target is 'kubernetes', where answers are not written"),
    ],
)
def test_what_is_missing_is_said(labels, arguments, words):
    status, printed = play(labels, *arguments)
    assert status == 2 and words in re.sub(r"\s+", " ", printed), printed


def test_bad_rows_are_said_by_their_lines(labels, tmp_path):
    path = write_table(tmp_path / "bad.csv", [("n3", 1), ("two", "7"), ("n4", "none")])
    status, printed = play(labels, "-e", f"file={path}")
    said = re.sub(r"\s+", " ", printed.replace("\\n", " "))
    assert status == 2 and "none of them has been." in said
    assert "line 3: The label of two cannot be: the model answers price and kind, and the label holds 1 values." in said
    assert "line 4: The label of n4 cannot be: the truth of price is 'none', which is no number." in said


def test_classes_and_several_outputs_are_told_by_the_module(labels):
    done = run_module("labels", labels=[{"id": "two", "truth": {"price": 8, "kind": "castle"}}], url=labels.url)
    assert "label 1: The label of two cannot be: the truth of kind is 'castle', no class of the model: it has flat, house." in done["msg"]
    done = run_module("labels", labels=[{"id": "two", "truth": {"price": 8, "kind": "house"}}], url=labels.url)
    assert (done["new"], done["changed"]) == (1, True)
    text = labels.get("/metrics?window=3600", plain=True)
    own = 'predictor_name="two",predictor_version="v1",output="kind",window="3600s",class="house"} '
    for name, value in (("recall", 0), ("true_rows", 1)):
        assert f'monitml_label_{name}{{deployment_name="housing",{own}{value}\n' in text


def test_what_is_no_label_is_refused_in_words(labels):
    for body, words in (
        (b"{", "The body is no JSON."),
        ([], "labels must be a list"),
        ({"labels": [{"id": 5, "truth": 1}]}, "A label needs an id and a truth"),
        ({"labels": [{"id": "a", "truth": 1, "row": "x"}]}, "row is a whole number and when are seconds"),
    ):
        status, answer = labels.post("/api/labels", body)
        assert status == 400 and words in answer["status"]["info"]
    # A page that somebody opens in a browser.
    status, answer = labels.post("/api/labels", {"labels": []}, Origin="http://evil.example")
    assert status == 403 and "other sites" in answer["status"]["info"]
    assert labels.post("/api/else", {})[0] == 404
