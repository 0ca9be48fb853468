# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Seldon's executor answers beside predictions: metadata, status and the document of its API.

In a cluster of Seldon's an executor stands before each predictor and answers under /api/v1.0;
of the model behind it, it asks /metadata and /health/status. Here one server is both: what its
model says of itself is under the model's paths as before, and under /api/v1.0 is what the
executor makes of it, a graph of one model.
"""

from __future__ import annotations

import html
import json
import os

import monitml_metrics

API = "/api/v1.0"
# Views that ask the model about itself; when one fails, the request is not to blame.
ABOUT = ("HealthStatus", "Metadata", "executor_metadata", "executor_ready", "executor_status")
# path -> (method, what it does); where {model} stands, there is one: the predictor's own.
PATHS = {
    "/predictions": ("post", "Predicts: a SeldonMessage with data (ndarray, tensor), strData, jsonData or binData."),
    "/feedback": ("post", "Tells what came of an answer: a Feedback with request, response, reward and truth."),
    "/metadata": ("get", "The predictor, its models, and what goes in and comes out."),
    "/metadata/{model}": ("get", "What the model's init_metadata() says."),
    "/status": ("get", "200 where the predictor is well, else 503."),
    "/status/{model}": ("get", "What the model's health_status() says."),
}


def graph_metadata(predictor, model, metadata):
    """The executor's description of a PREDICTOR (name) whose one MODEL (name) has METADATA (dict)."""
    # The executor leaves these out where they are empty, and nothing else.
    brief = ("name", "platform", "versions", "custom")
    shown = {key: value for key, value in metadata.items() if value or key not in brief}
    inputs, outputs = metadata.get("inputs"), metadata.get("outputs")
    return {
        "name": predictor,
        "models": {model: shown},
        "graphinputs": inputs,
        "graphoutputs": outputs,
    }


def document(predictor, example=None):
    """PATHS as a document in OpenAPI's form; example: a request that the model takes."""
    error = {"description": "A sentence in status.info says what was wrong."}
    paths = {}
    for path, (method, text) in PATHS.items():
        answers = {"200": {"description": "Done."}, "default": error}
        operation = {"summary": text, "responses": answers}
        if "{model}" in path:
            where = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
            operation["parameters"] = [where]
        if method == "post":
            body = {"schema": {"type": "object"}}
            if example and path == "/predictions":
                body["example"] = example
            content = {"application/json": body}
            operation["requestBody"] = {"required": True, "content": content}
        paths[path] = {method: operation}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Predictor %s" % predictor, "version": "1.0"},
        "servers": [{"url": ".."}],  # of where this document is
        "paths": paths,
    }


def page(predictor, example=None):
    """The same as a page that needs nothing from elsewhere."""
    rows = "".join(
        "<tr><td>%s</td><td><code>..%s</code></td><td>%s</td></tr>"
        % (method.upper(), html.escape(path), html.escape(text))
        for path, (method, text) in PATHS.items()
    )
    shown = ""
    if example:
        shown = "<p>It takes, for example:</p><pre>%s</pre>" % html.escape(json.dumps(example))
    title = "Predictor %s" % html.escape(predictor)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>%s</title></head>'
        "<body><h1>%s</h1><table>%s</table>%s"
        '<p>For programs: <a href="seldon.json">seldon.json</a></p></body></html>'
    ) % (title, title, rows, shown)


def add_paths(app, example=None):
    """Has APP, Seldon's own application, answer on the executor's paths too."""
    from flask import Response, request
    from seldon_core.flask_utils import SeldonMicroserviceException, jsonify

    predictor = monitml_metrics.identity()["predictor_name"]
    model = os.environ.get("PREDICTIVE_UNIT_ID", "0")  # as Seldon calls one without a name
    health_status, metadata = app.view_functions["HealthStatus"], app.view_functions["Metadata"]

    def of_model(name, view):
        if name != model:
            text = "Predictor %s has no model %s; it has %s." % (predictor, name, model)
            raise SeldonMicroserviceException(text, status_code=404, reason="NOT_FOUND")
        return view()

    @app.endpoint("Metadata")
    def graph():
        answer = metadata()
        if not request.path.startswith("/api/"):
            return answer
        return jsonify(graph_metadata(predictor, model, answer.get_json()))

    @app.route(API + "/metadata/<name>", endpoint="executor_metadata")
    def model_metadata(name):
        return of_model(name, metadata)

    @app.route(API + "/status/<name>", endpoint="executor_status")
    def model_status(name):
        return of_model(name, health_status)

    @app.route(API + "/status", endpoint="executor_ready")
    def ready():
        try:
            health_status()
        except Exception as error:  # pylint: disable=broad-except
            text = "The model is not well: %s" % (str(error) or type(error).__name__)
            raise SeldonMicroserviceException(text, status_code=503, reason="NOT_READY") from error
        return ""

    @app.route(API + "/doc/", strict_slashes=False)
    def doc():
        return Response(page(predictor, example), mimetype="text/html")

    @app.route(API + "/doc/seldon.json")
    def doc_json():
        return jsonify(document(predictor, example))
