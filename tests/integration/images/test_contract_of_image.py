# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""contract_test on images: containers that are locked up, that end, and that never are ready."""

from __future__ import annotations

import json
import time

import pytest
from base_image import BUILDER, run_module

CONTRACT = {
    "features": [{"name": "x", "dtype": "INT", "ftype": "continuous", "range": [0, 9]}],
    "targets": [{"name": "y", "dtype": "INT", "ftype": "continuous", "values": [1]}],
}
# Answers 1 where it is locked up as it should be, and 0 where it is not.
LOCKED_UP = """
import os

def writable(directory):
    try:
        with open(os.path.join(directory, "test"), "w"):
            return True
    except OSError:
        return False

class Probe:
    def predict(self, X, names, meta=None):
        with open("/proc/self/status") as stream:
            status = dict(line.split(":", 1) for line in stream)
        powers = int(status["CapEff"], 16) or int(status["CapBnd"], 16)
        alone = status["NoNewPrivs"].strip() == "1" and os.getuid() == 8888
        closed = not writable("/microservice") and not writable("/var/tmp") and writable("/tmp")
        return [[int(alone and closed and not powers and os.environ["GIVEN"] == "7")]] * len(X)
"""
ENDS = """
import os
import signal
import sys

class Probe:
    asked = 0

    def predict(self, X, names, meta=None):
        Probe.asked += 1
        if Probe.asked > 5:
            sys.stderr.write("the last straw\\n")
            sys.stderr.flush()
            os.kill(1, signal.SIGTERM)
        return [[1]] * len(X)
"""
NEVER_READY = """
class Probe:
    def predict(self, X, names, meta=None):
        raise ValueError("no data file yet")
"""


@pytest.fixture
def image(dockerd, builder, tmp_path):
    """Makes images of a model of one file; they go with the test."""
    names = []

    def make(code):
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "Probe.py").write_text(code, encoding="utf-8")
        (folder / "contract.json").write_text(json.dumps(CONTRACT), encoding="utf-8")
        (folder / "environment_rest").write_text("MODEL_NAME=Probe\nSERVICE_TYPE=MODEL\n")
        names.append(f"monitml-test/probe-{len(names)}:{tmp_path.name[-20:].strip('_')}")
        result = run_module(
            "s2i_image",
            name=names[-1],
            source=str(folder),
            builder=BUILDER,
            engine_host=dockerd.host,
        )
        assert "msg" not in result, result["msg"]
        return names[-1]

    yield make
    for name in names:
        dockerd.client.remove_image(name, force=True)


@pytest.fixture
def ask(dockerd):
    """Tests an image; no container of it may be left."""

    def run(name, **given):
        given = {"contract": CONTRACT, "engine_host": dockerd.host, **given}
        result = run_module("contract_test", image=name, **given)
        left = dockerd.client.containers(all=True, filters={"label": f"io.monitml.tested={name}"})
        assert not left
        return result

    return run


def test_an_image_is_tested_locked_up(image, ask):
    result = ask(image(LOCKED_UP), environment={"GIVEN": 7})
    assert result["violations_total"] == 0, result
    assert result["requests"] == 80


def test_a_container_that_ends_is_told_with_its_last_words(image, ask):
    result = ask(image(ENDS))
    assert result["failed"]
    assert "The container ended" in result["msg"] and "the last straw" in result["msg"]
    assert "the last straw" in result["log"]


def test_a_container_that_cannot_start_is_told_with_its_last_words(image, ask):
    result = ask(image(LOCKED_UP), environment={"MODEL_NAME": "Nobody", "GIVEN": 7})
    assert result["failed"]
    assert "could not be asked" in result["msg"] and "Nobody" in result["msg"]


def test_a_model_that_is_never_ready_is_not_waited_for_for_ever(image, ask):
    name = image(NEVER_READY)
    began = time.monotonic()
    result = ask(name, ready_timeout=3)
    assert time.monotonic() - began < 15
    assert "was not ready within 3 s" in result["msg"]


def test_what_cannot_be_tested_is_said_before_anything_starts(ask, dockerd):
    assert "is not on the engine" in ask("monitml-test/none:1")["msg"]
    assert "No container engine answers" in ask("a:1", engine_host="unix:///nowhere/s")["msg"]
    for number in (0, -1, "nan", "inf"):
        assert "seconds above 0" in ask("monitml-test/none:1", ready_timeout=number)["msg"]
    result = run_module("contract_test", contract=CONTRACT)
    assert "one of the following is required: url, image" in result["msg"]
    result = run_module("contract_test", contract=CONTRACT, image="a:1", url="http://127.0.0.1:1/x")
    assert "mutually exclusive" in result["msg"]
