# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes that answer requests, and tell the server's parent what they are at.

One request at a time under gunicorn; under gRPC a pool of threads, whose queue is told as well.
"""

from __future__ import annotations

import concurrent.futures
import os

from gunicorn.workers.sync import SyncWorker
from serve_requests import PROBE_HEADER, AtWork


class Worker(SyncWorker):
    """gunicorn's plain worker, which writes down when it takes a request and when it is done."""

    def init_process(self):
        self.at_work = AtWork(os.environ["MONITML_METRICS_DIR"], accepts=True)
        self.place = None
        super().init_process()

    def handle(self, listener, client, addr):
        self.place = self.at_work.begin()
        super().handle(listener, client, addr)
        # Not where that was ended, as a worker that hangs is: then nobody was answered.
        self.at_work.end(self.place)

    def handle_request(self, listener, req, client, addr):
        token = os.environ.get("MONITML_PROBE_TOKEN")
        own = token and (PROBE_HEADER, token) in req.headers
        # As the gateway counts: what is only read of a model is no request to it.
        if req.method == "POST" and not own:
            self.at_work.mark_prediction(self.place)
        return super().handle_request(listener, req, client, addr)


class Pool(concurrent.futures.ThreadPoolExecutor):
    """The threads of a gRPC server, whose calls wait here until one is free."""

    def __init__(self, max_workers):
        super().__init__(max_workers)
        self._at_work = AtWork(os.environ["MONITML_METRICS_DIR"], accepts=False)

    def submit(self, fn, /, *args, **kwargs):
        place = self._at_work.begin()
        methods = [arg.call_details.method for arg in args if hasattr(arg, "call_details")]
        if any(method.endswith((b"/Predict", b"/SendFeedback")) for method in methods):
            self._at_work.mark_prediction(place)

        def run():
            try:
                return fn(*args, **kwargs)
            finally:
                self._at_work.end(place)

        return super().submit(run)
