# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part of a model server that answers predictions: Seldon's own application, started by
serve.py and ended with it. REST under gunicorn, or gRPC.

What differs from seldon-core-microservice: it binds the address that is asked for; a worker that
hangs is ended after a time; metrics do not go through a manager process; unknown paths and wrong
methods get 404 and 405, requests that cannot be read 400; feedback and looks at its health do not
count the metrics() of the last prediction again; and it answers what Seldon's executor does. Problems with the model end it with one sentence.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import signal
import sys
import types
import warnings

import monitml_metrics
import serve_answers
import serve_encoding
import serve_executor
import serve_identity
import serve_warnings
from serve import (
    PROBLEM,
    add_child_arguments,
    argument_parser,
    die_with_parent,
    read_contract,
    set_up_log,
)
from serve_metrics import WorkerMetrics
from serve_status import sample_request

LOG = logging.getLogger("monitml")
# What Seldon's reading of a request raises for one that it cannot use.
UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError)


class Problem(Exception):
    """Something that the one who deploys the model can put right; a sentence."""


def describe(error, directory):
    """ERROR of a model's code as one sentence, with the line of the model that it came from."""
    text = (str(error).strip() or "no message").splitlines()[0]
    where, trace = "", error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if os.path.abspath(path).startswith(os.path.abspath(directory) + os.sep):
            where = " (%s, line %d)" % (os.path.relpath(path, directory), trace.tb_lineno)
        trace = trace.tb_next
    return "%s: %s%s" % (type(error).__name__, text, where)


def make_model(directory, name):
    """The model object: class NAME ("Class" or "module.Class") of DIRECTORY, watched."""
    from seldon_core.microservice import parse_parameters

    module_name, _dot, class_name = name.rpartition(".")
    sys.path.insert(0, directory)
    os.chdir(directory)
    try:
        parameters = json.loads(os.environ.get("PREDICTIVE_UNIT_PARAMETERS") or "[]")
        arguments = parse_parameters(parameters)
    except Exception as error:
        text = getattr(error, "message", None) or str(error)
        raise Problem("PREDICTIVE_UNIT_PARAMETERS is not as Seldon has it: %s." % text) from error
    try:
        module = importlib.import_module(module_name or class_name)
    except Exception as error:
        sentence = "The model's module %s cannot be imported: %s."
        raise Problem(sentence % (module_name or class_name, describe(error, directory))) from error
    model_class = getattr(module, class_name, None)
    if not isinstance(model_class, type):
        raise Problem("%s has no class %s." % (module.__file__, class_name))
    try:
        return monitml_metrics.watch(model_class)(**arguments)
    except Exception as error:
        sentence = "The constructor of %s failed: %s."
        raise Problem(sentence % (class_name, describe(error, directory))) from error


def load_model(model, directory):
    """Calls the model's load() as Seldon does."""
    try:
        with serve_warnings.kept():
            model.load()
    except NotImplementedError:
        pass
    except Exception as error:
        if isinstance(error, AttributeError) and not hasattr(model, "load"):
            return
        raise Problem("load() of the model failed: %s." % describe(error, directory)) from error


def keep_predictions_apart():
    """Stops Seldon from adding a model's metrics() again with each feedback and look at its health."""
    from seldon_core import seldon_methods

    original = seldon_methods.client_custom_metrics
    others = (seldon_methods.FEEDBACK_METRIC_METHOD_TAG, seldon_methods.HEALTH_METRIC_METHOD_TAG)

    def client_custom_metrics(user_model, seldon_metrics, method, runtime_metrics=()):
        if method in others:
            user_model = None  # it has no metrics(); those that the feedback returned count
        return original(user_model, seldon_metrics, method, list(runtime_metrics))

    seldon_methods.client_custom_metrics = client_custom_metrics


def write_answers_down(options):
    """Has each answer written down with its id, where there is a directory for that."""
    from seldon_core import seldon_methods

    settings = serve_answers.Settings(os.environ)
    if settings.directory:
        contract = read_contract(options.model_dir)
        serve_answers.Answers(settings, contract, options.http_port).join(seldon_methods)


def make_app(model, metrics, directory):
    """Seldon's Flask application with its executor's paths and proper answers to bad requests."""
    from flask import g, request
    from seldon_core.flask_utils import SeldonMicroserviceException, jsonify
    from seldon_core.wrapper import get_rest_microservice
    from werkzeug.exceptions import HTTPException, MethodNotAllowed

    try:
        app = get_rest_microservice(model, metrics)
    except Exception as error:
        sentence = "init_metadata() of the model failed: %s."
        raise Problem(sentence % describe(error, directory)) from error
    serve_executor.add_paths(app, sample_request(read_contract(directory)))
    internal = app.error_handler_spec[None][None][Exception]

    def answer(status, reason, text):
        error = SeldonMicroserviceException(text, status_code=status, reason=reason)
        response = jsonify(error.to_dict())
        response.status_code = status
        return response

    serve_identity.add_identity(app, lambda text: answer(400, "MICROSERVICE_BAD_DATA", text))

    @app.before_request
    def start_request():
        monitml_metrics.HERE.ran = request.endpoint in serve_executor.ABOUT
        serve_encoding.unpack(request.environ)
        if request.endpoint == "static":
            # Seldon's route for files takes every GET, also of the paths that want a POST.
            for rule in app.url_map.iter_rules():
                if rule.rule == request.path:
                    raise MethodNotAllowed(valid_methods=sorted(rule.methods))

    @app.after_request
    def tell_id(response):
        # By which the truth about this answer finds it.
        if "monitml_puid" in g:
            response.headers["Seldon-Puid"] = g.monitml_puid
        return response

    @app.errorhandler(HTTPException)
    def handle_http(error):
        text = {
            404: "There is nothing at %s." % request.path,
            405: "%s does not take %s." % (request.path, request.method),
        }.get(error.code, error.description)
        response = answer(error.code, error.name.upper().replace(" ", "_"), text)
        if getattr(error, "valid_methods", None):
            response.headers["Allow"] = ", ".join(error.valid_methods)
        return response

    @app.errorhandler(serve_encoding.Refused)
    def handle_refused(error):
        response = answer(error.status, "MICROSERVICE_BAD_DATA", str(error))
        if error.status == 415:
            response.headers["Accept-Encoding"] = "gzip"
        return response

    @app.errorhandler(Exception)
    def handle_other(error):
        # Before the model ran, it was the request that could not be read.
        if isinstance(error, UNREADABLE) and not monitml_metrics.HERE.ran:
            text = "The request is not as Seldon's protocol has it (%s: %s)."
            text = text % (type(error).__name__, error)
            LOG.warning("%s", text)
            return answer(400, "MICROSERVICE_BAD_DATA", text)
        return internal(error)

    return app


def serve_rest(options, model, metrics):
    """Runs gunicorn until it is told to stop."""
    from seldon_core import gunicorn_utils, microservice

    rest_timeout = microservice.load_annotations().get(microservice.ANNOTATION_REST_TIMEOUT)
    timeout = max(1, int(rest_timeout) // 1000) if rest_timeout else options.timeout
    arbiter = os.getpid()

    class Application(gunicorn_utils.UserModelApplication):
        """Seldon's, whose load() is called in each worker."""

        def load(self):
            try:
                load_model(self.user_object, options.model_dir)
            except Problem as problem:
                LOG.error("%s", problem)
                LOG.debug("Its traceback:", exc_info=problem)
                sys.exit(4)  # gunicorn's code for an application that cannot be loaded
            # Seldon's does the rest, which is tracing; not load() a second time.
            self.user_object = None
            return super().load()

    def before_fork(_server, _worker):
        # What is there by now is shared by the workers; the collector must not write to it.
        gc.collect()
        gc.freeze()

    def after_fork(_server, _worker):
        die_with_parent(arbiter)

    Application(
        make_app(model, metrics, options.model_dir),
        model,
        int(os.environ.get("TRACING", "0")),
        [],
        options.model_class,
        options={
            # The parent's, which knows by it who waits.
            "bind": "fd://%d" % options.socket,
            "worker_class": "serve_worker.Worker",
            "workers": options.workers,
            # Seldon's wrapper is not safe with more.
            "threads": 1,
            "timeout": timeout,
            "graceful_timeout": 1,
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,
            "max_requests": int(os.environ.get("GUNICORN_MAX_REQUESTS", "0")),
            "max_requests_jitter": int(os.environ.get("GUNICORN_MAX_REQUESTS_JITTER", "0")),
            "accesslog": "-" if options.access_log else None,
            "loglevel": "warning",
            "pre_fork": before_fork,
            "post_fork": after_fork,
            "post_worker_init": gunicorn_utils.post_worker_init,
        },
    ).run()


def serve_grpc(options, model, metrics):
    """Runs the gRPC server until it is told to stop."""
    import serve_worker
    from seldon_core import microservice, wrapper

    load_model(model, options.model_dir)
    # Its threads are ours, which tell what waits for them.
    wrapper.futures = types.SimpleNamespace(ThreadPoolExecutor=serve_worker.Pool)
    server = wrapper.get_grpc_server(model, metrics, annotations=microservice.load_annotations())
    address = "%s:%d" % (options.listen, options.grpc_port)
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError:
        bound = 0
    if not bound:
        raise Problem("gRPC cannot listen on %s." % address)
    server.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop(1).wait()


def main():
    options = add_child_arguments(argument_parser()).parse_args()
    die_with_parent(options.parent)
    os.setpgid(0, 0)
    set_up_log()
    # gunicorn 20 imports pkg_resources, which warns at each start that it will go.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    stops = {signal.SIGTERM, signal.SIGINT}
    # serve.py waits for signals with all of them blocked; gRPC's sigwait needs its two to stay so.
    signal.pthread_sigmask(signal.SIG_SETMASK, stops if options.kind == "grpc" else set())
    # gunicorn asks for it by its name, when the model's own folder comes first.
    importlib.import_module("serve_worker")
    try:
        for name in ("gunicorn.error", "werkzeug", "seldon_core"):
            logging.getLogger(name).setLevel(logging.WARNING)
        with serve_warnings.kept():
            model = make_model(options.model_dir, options.model_class)
        keep_predictions_apart()
        write_answers_down(options)
        serve = serve_grpc if options.kind == "grpc" else serve_rest
        serve(options, model, WorkerMetrics())
    except Problem as problem:
        LOG.error("%s", problem)
        LOG.debug("Its traceback:", exc_info=problem)
        sys.exit(PROBLEM)


if __name__ == "__main__":
    main()
