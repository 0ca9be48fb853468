# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""moto behind a recorder, as an HTTP server on loopback.

Every call is written down as {service, action, region, write, status}. Tests steer it through
paths that no AWS service has:

GET  /_fake/calls     the calls since the last reset, in order
POST /_fake/reset     forgets calls, faults and scripts; with {"state": "all"} moto's state too,
                      with {"state": "eks"} only clusters and launch templates, which is quick
POST /_fake/fault     {"action", "status", "code", "count"}: the next calls of this action fail
POST /_fake/stop      {"after_writes": n}: every call fails once n more writes were answered
POST /_fake/script    {resource: [answers]}, see moto_shim

Run as ``python fake_aws.py PORT``; prints one line when it listens.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from urllib.parse import parse_qs

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # nobody asks for one, and they take a second

import moto_shim  # noqa: E402
from moto.core.base_backend import BackendDict  # noqa: E402
from moto.core.request import Request  # noqa: E402
from moto.core.routing import get_service_router  # noqa: E402
from moto.moto_server.werkzeug_app import (  # noqa: E402
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server  # noqa: E402

READS = ("Describe", "List", "Get", "Search", "Simulate")


def action_of(service: str, environ: dict, body: bytes) -> str:
    """The name of the call, from wherever the service's protocol puts it."""
    if "HTTP_X_AMZ_TARGET" in environ:
        return environ["HTTP_X_AMZ_TARGET"].split(".")[-1]
    named = parse_qs(body.decode("latin-1")).get("Action")
    if named:
        return named[0]
    try:
        copy = {**environ, "wsgi.input": io.BytesIO(body)}
        return get_service_router(service).match(Request(copy))[0].name
    except Exception as error:  # an unknown call is the test's finding, not the recorder's
        return f"unknown ({error})"


class Recorder:
    """WSGI application in front of moto."""

    def __init__(self, application) -> None:
        self.application = application
        self.lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self.calls: list[dict] = []
        self.faults: list[dict] = []
        self.writes_left: int | None = None
        moto_shim.SCRIPTS.clear()

    def __call__(self, environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        environ["wsgi.input"] = io.BytesIO(body)
        path = environ["PATH_INFO"]
        if path.startswith("/_fake/"):
            return self.steer(path.rsplit("/", 1)[1], body, environ, start_response)
        if path.startswith("/moto-api"):
            return self.application(environ, start_response)
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
        region, service = scope[2:4] if len(scope) >= 5 else ("", "")
        action = action_of(service, environ, body)
        call = {"service": service, "action": action, "region": region}
        call["write"] = not action.startswith(READS)
        with self.lock:
            fault = self.fault_for(call)
            self.calls.append(call)
        if fault:
            call["status"] = fault["status"]
            return refuse(fault, environ, start_response)

        def note(status, headers, exc_info=None):
            call["status"] = int(status.split()[0])
            return start_response(status, headers, exc_info)

        return self.application(environ, note)

    def fault_for(self, call: dict) -> dict | None:
        if self.writes_left is not None:
            if self.writes_left == 0:
                return {"status": 400, "code": "InterruptedByTest"}
            self.writes_left -= call["write"]
        for fault in self.faults:
            if fault["action"] in (call["action"], "*") and fault["count"] > 0:
                fault["count"] -= 1
                return fault
        return None

    def steer(self, verb, body, environ, start_response):
        given = json.loads(body) if body else {}
        answer: object = {}
        if verb == "calls":
            answer = self.calls
        elif verb == "reset":
            self.forget()
            if given.get("state") == "all":
                BackendDict.reset()
            elif given.get("state") == "eks":
                moto_shim.forget_clusters()
        elif verb == "fault":
            self.faults.append({"status": 400, "count": 1, **given})
        elif verb == "stop":
            self.writes_left = given["after_writes"]
        elif verb == "script":
            moto_shim.SCRIPTS.update(given)
        payload = json.dumps(answer).encode()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [payload]


def refuse(fault, environ, start_response):
    """An error as AWS words it, in XML for the query protocols and in JSON for the others."""
    code, message = fault["code"], fault.get("message", f"{fault['code']} (asked for by a test)")
    query = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    if query:
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        text = f"<Response><Errors>{error}</Errors>{error}<RequestID>test</RequestID></Response>"
        headers = [("Content-Type", "text/xml")]
    else:
        text = json.dumps({"__type": code, "message": message})
        headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)]
    start_response(f"{fault['status']} Refused", headers)
    return [text.encode()]


class QuietHandler(MotoRequestHandler):
    def log_request(self, *args, **kwargs) -> None:
        """The recorder keeps the calls; a line on stderr for each would only hide errors."""


def main(port: int) -> None:
    moto_shim.install()
    recorder = Recorder(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", port, recorder, True, request_handler=QuietHandler)
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
