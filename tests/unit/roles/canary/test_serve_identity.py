# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import flask
import pytest
import serve_identity


@pytest.fixture
def asked(monkeypatch):
    """What a server of a predictor, or of none, answers to headers."""

    def ask(predictor, **headers):
        if predictor:
            monkeypatch.setenv("PREDICTOR_ID", predictor)
            monkeypatch.setenv("PREDICTOR_LABELS", '{"version": "v1"}')
        else:
            monkeypatch.delenv("PREDICTOR_ID", raising=False)
        app = flask.Flask("model")
        serve_identity.add_identity(app, lambda text: (text, 400))
        app.add_url_rule("/", view_func=lambda: "answer")
        return app.test_client().get("/", headers=headers)

    return ask


def test_an_answer_says_who_gave_it(asked):
    answer = asked("good")
    assert (answer.status_code, answer.headers["x-monitml-predictor"]) == (200, "good")
    assert answer.headers["x-monitml-version"] == "v1"


def test_a_request_for_another_is_refused_and_one_for_this_answered(asked):
    assert asked("good", **{"x-monitml-predictor": "good"}).status_code == 200
    answer = asked("good", **{"x-monitml-predictor": "nobody"})
    assert answer.status_code == 400 and "names nobody, and no such predictor is deployed; this is good." in answer.text


def test_who_is_nobody_answers_everybody_and_says_nothing(asked):
    answer = asked("", **{"x-monitml-predictor": "anybody"})
    assert answer.status_code == 200 and "x-monitml-predictor" not in answer.headers
