# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Seldon's executor says of a model, and the document of its API."""

from __future__ import annotations

import serve_executor


def test_a_graph_of_one_model_leaves_out_what_the_executor_does():
    empty = {"name": "", "versions": [], "platform": "", "inputs": [], "outputs": [], "custom": {}}
    graph = serve_executor.graph_metadata("good", "good-model", {**empty, "name": "housing"})
    assert graph == {
        "name": "good",
        "models": {"good-model": {"name": "housing", "inputs": [], "outputs": []}},
        "graphinputs": [],
        "graphoutputs": [],
    }


def test_the_document_has_each_path_and_only_what_is_known():
    document = serve_executor.document("good")
    assert set(document["paths"]) == set(serve_executor.PATHS)
    body = document["paths"]["/predictions"]["post"]["requestBody"]["content"]["application/json"]
    assert "example" not in body
    (parameter,) = document["paths"]["/status/{model}"]["get"]["parameters"]
    assert parameter["name"] == "model"


def test_names_do_not_become_markup():
    page = serve_executor.page("a<b>", {"data": "<i>"})
    assert "<b>" not in page and "<i>" not in page and "a&lt;b&gt;" in page
