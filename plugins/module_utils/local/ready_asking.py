# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks model servers whether they are ready, each in a thread of its own: one may take long to say."""

from __future__ import annotations

import http.client
import json
import threading

from .readiness import Answer

# Longer than a server waits for its own model.
_ANSWER_SECONDS = 10.0
_PAUSE_SECONDS = 0.3


def ask(address, port):
    """The Answer of the server whose metrics are at this port."""
    connection = http.client.HTTPConnection(address, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/ready")
        response = connection.getresponse()
        told = json.loads(response.read())
        # Who listens there need not be one of ours.
        ready = response.status == 200 and told.get("ready") is True
        warnings = tuple(map(str, told.get("warnings", ())))
        return Answer(ready, str(told.get("problem", "")), told.get("answered") is True, warnings)
    except (OSError, http.client.HTTPException, ValueError, AttributeError, TypeError) as error:
        return Answer(problem="nobody answers at port %d (%s)" % (port, error))
    finally:
        connection.close()


class Asker(threading.Thread):
    """Asks one server until it is ready; the threads end with the module, whatever they wait for."""

    def __init__(self, address, port):
        super().__init__(daemon=True)
        self._place = address, port
        self._answers = []
        self._ended = threading.Event()
        self.start()

    def run(self):
        while not self._ended.is_set():
            answer = ask(*self._place)
            self._answers.append(answer)
            if answer.ready:
                return
            self._ended.wait(_PAUSE_SECONDS)

    def answers(self):
        """Those since the last call, oldest first."""
        found = []
        while self._answers:
            found.append(self._answers.pop(0))
        return found

    def stop(self):
        self._ended.set()
