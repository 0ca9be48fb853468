# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kills one process of each kind with SIGKILL, and tells as JSON how the stack came back.

    kill.py PROCESSES.PY SETTINGS

SETTINGS is JSON: user, gateway (the URL that takes predictions), request (what to send there),
prometheus, alertmanager and inbox (URLs), and seconds (the patience with each kill, of a machine
that has nothing else to do).
"""

from __future__ import annotations

import collections
import importlib.util
import json
import os
import pwd
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

POLL_SECONDS = 0.1
# Sent after each kill, to see that each is counted once.
REQUESTS = 12
# Of each model server that is read, the series that must be there in the same scrape.
TOLD = ("monitml_prediction_count", "monitml_prediction_sum_total", "monitml_model_info")


def load(path):
    """A module from its file."""
    spec = importlib.util.spec_from_file_location("processes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Stack:
    """The running stack, as its users see it."""

    def __init__(self, processes, settings):
        self.processes, self.settings = processes, settings
        self.uid = pwd.getpwnam(settings["user"]).pw_uid

    def family(self):
        """Its processes."""
        return self.processes.processes(self.uid)

    def predict(self, predictor):
        """Asks a predictor for a prediction; OSError where it gives none."""
        request = urllib.request.Request(
            self.settings["gateway"],
            json.dumps(self.settings["request"]).encode(),
            {"Content-Type": "application/json", "x-monitml-predictor": predictor},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            json.load(answer)["data"]["ndarray"]

    def ask(self, query, **parameters):
        """What Prometheus answers to a query: [{metric, value or values}]; OSError without it."""
        path = "query_range" if parameters else "query"
        url = "%s/api/v1/%s?%s" % (
            self.settings["prometheus"],
            path,
            urllib.parse.urlencode(dict(parameters, query=query)),
        )
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]["result"]

    def number(self, query):
        """The one value of a query; OSError where it has none."""
        found = self.ask(query)
        if len(found) != 1:
            raise OSError("%s has %d values" % (query, len(found)))
        return float(found[0]["value"][1])

    def predictions(self):
        """How many predictions were counted."""
        return self.number("sum(monitml_prediction_count)")


def counts(family):
    """{kind: how many}"""
    return collections.Counter(process["kind"] for process in family)


def lacking(stack, before, victim):
    """What is not yet as before the kill, as a sentence; empty when all is."""
    family = stack.family()
    if any(process["pid"] == victim["pid"] for process in family):
        return "the killed process is still there"
    if counts(family) != counts(before):
        return "the processes are %s, not %s" % (dict(counts(family)), dict(counts(before)))
    parts = {"alertmanager": "/-/ready", "inbox": "/healthz", "prometheus": "/-/ready"}
    try:
        for predictor in ("good", "bad"):
            stack.predict(predictor)
        for part, path in parts.items():
            urllib.request.urlopen(stack.settings[part] + path, timeout=5).close()
        # Of scrapes after the kill: what was read before it says nothing.
        for job in ("models", "gateway"):
            missing = stack.ask(
                'up{job="%s"} == 0 or timestamp(up{job="%s"}) < %f' % (job, job, victim["killed_at"])
            )
            if missing or not stack.ask('up{job="%s"} == 1' % job):
                return "the metrics of %s are not read" % job
        if stack.number("count(monitml_prediction_count)") != 2:
            return "predictions of a model are not measured"
    except (OSError, ValueError, KeyError) as error:
        return str(error)
    return ""


def crowding():
    """How much longer things take because others use the machine; 1 when nobody does."""
    return max(1.0, os.getloadavg()[0] / os.cpu_count())


def kill(stack, victim, before):
    """Kills a process and says what came of it."""
    victim["killed_at"] = time.time()
    os.kill(victim["pid"], signal.SIGKILL)
    until = victim["killed_at"] + stack.settings["seconds"] * crowding()
    reason = "nothing was looked at"
    while reason and time.time() < until:
        time.sleep(POLL_SECONDS)
        reason = lacking(stack, before, victim)
    result = {
        "kind": victim["kind"],
        "seconds": round(time.time() - victim["killed_at"], 1),
        "problem": reason,
    }
    return result if reason else dict(result, problem=miscounted(stack))


def miscounted(stack):
    """Whether requests are counted otherwise than once each, as a sentence; empty when not."""
    try:
        start = settled(stack)
        for number in range(REQUESTS):
            stack.predict(("good", "bad")[number % 2])
        end = settled(stack)
    except OSError as error:
        return str(error)
    if end - start != REQUESTS:
        return "%d requests were counted as %d" % (REQUESTS, end - start)
    return ""


def settled(stack):
    """The count of predictions once it includes all that were made until now."""
    asked = time.time()
    while stack.ask('min(timestamp(monitml_prediction_count)) <= %f' % asked):
        time.sleep(POLL_SECONDS)
    return stack.predictions()


def main():
    settings = json.loads(sys.argv[2])
    stack = Stack(load(sys.argv[1]), settings)
    started = time.time()
    results = []
    for kind in sorted(counts(stack.family())):
        before = stack.family()
        victim = next(process for process in before if process["kind"] == kind)
        results.append(kill(stack, victim, before))
        if results[-1]["problem"]:
            break
    # Series that were missing while their server counted as read, at any moment of all this.
    untruths = [
        found
        for name in TOLD
        for found in stack.ask(
            'up{job="models"} == 1 unless on (instance) %s' % name,
            start=started,
            end=time.time(),
            step=0.25,
        )
    ]
    print(json.dumps({"kills": results, "untruths": untruths}))


if __name__ == "__main__":
    main()
