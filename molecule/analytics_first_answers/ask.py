# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes something, asks at once, and tells as JSON whether each answer of the bad model was seen.

    ask.py SETTINGS

SETTINGS is JSON: playbook (the command that runs one, without its name), playbooks (their folder),
prometheus (URL), home (of the stack) and reports (an empty folder).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request

# So short that nothing is left of one case in the next.
WINDOW_SECONDS = 8
REQUESTS = 60
SEEN_SECONDS = 20
BAD = 'predictor_name="bad"'
TOO_LOW = 'monitml:monitor:samples{monitor="TooLow",%s}' % BAD


def description(**bad):
    """The housing canary with one monitor, and with changes of its bad predictor."""
    return {
        "name": "housing",
        "namespace": "seldon",
        "predictors": [
            {"name": "good", "version": "v1", "model": "housing", "traffic": 75},
            {"name": "bad", "version": "v2", "model": "housing_bad", "traffic": 25, **bad},
        ],
        "monitors": [
            {
                "name": "TooLow",
                "measure": "prediction_mean",
                "min": 100000,
                "window_seconds": WINDOW_SECONDS,
                "severity": "critical",
            }
        ],
    }


V3, TWO = {"version": "v3"}, {"version": "v3", "replicas": 2}
# What is changed, and the playbooks that do it; {} of a description are changes of its bad predictor.
CASES = [
    ("another version", V3, ["site"]),
    ("one replica more", TWO, ["site"]),
    ("traffic from nothing", TWO, ["nothing", "traffic"]),
    ("a Prometheus that was killed", TWO, ["kill"]),
    ("a Prometheus that lost its disk", TWO, ["wipe"]),
]


class Stack:
    """The running stack, changed and asked as its users do."""

    def __init__(self, settings):
        self.settings = settings

    def play(self, name, bad, **variables):
        """Runs a playbook; its output where it fails."""
        variables["monitml_deployment"] = description(**bad)
        command = [*self.settings["playbook"], "--extra-vars", json.dumps(variables)]
        path = os.path.join(self.settings["playbooks"], name + ".yml")
        done = subprocess.run([*command, path], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit("%s.yml failed:\n%s%s" % (name, done.stdout[-3000:], done.stderr[-500:]))

    def samples(self, query):
        """The values of a query; none while nobody answers."""
        url = "%s/api/v1/query?%s" % (
            self.settings["prometheus"],
            urllib.parse.urlencode({"query": query}),
        )
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return [float(one["value"][1]) for one in json.load(answer)["data"]["result"]]
        except OSError:
            return []

    def wait(self, condition):
        """Whether a condition came true in time."""
        until = time.monotonic() + SEEN_SECONDS
        while time.monotonic() < until:
            if condition():
                return True
            time.sleep(0.2)
        return False

    def change(self, how, bad):
        """Does one of the things that a case consists of."""
        if how == "nothing":
            self.play("traffic", bad, canary_traffic={"good": 100, "bad": 0})
        elif how in ("kill", "wipe"):
            self.kill("--config.file=%s/etc/prometheus.yml" % self.settings["home"])
            if how == "wipe":
                shutil.rmtree(self.settings["home"] + "/var/prometheus", ignore_errors=True)
        else:
            self.play(how, bad)

    @staticmethod
    def kill(argument):
        """Ends the process with this argument, as the kernel does that runs out of memory."""
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % name, "rb") as stream:
                    if argument.encode() in stream.read().split(b"\0"):
                        os.kill(int(name), signal.SIGKILL)
            except OSError:
                pass

    def ask(self, number, name, bad, changes):
        """One case; what was answered and what was seen of it."""
        self.wait(lambda: sum(self.samples(TOO_LOW)) == 0)
        for how in changes:
            self.change(how, bad)
        report = os.path.join(self.settings["reports"], str(number))
        self.play("loadtest", bad, n=REQUESTS, report=report)
        with open(report + "/load_test.json", encoding="utf-8") as stream:
            answers = json.load(stream)["predictors"]
        truth = sum(one["count"] for one in answers if one["predictor"] == "bad")
        firing = 'ALERTS{alertname="TooLow",alertstate="firing",%s}' % BAD
        seen = []

        def all_seen():
            seen[:] = self.samples(TOO_LOW)
            return sum(seen) == truth and self.samples(firing)

        return {"case": name, "answers": truth, "told": bool(self.wait(all_seen)), "seen": seen}


def main():
    stack = Stack(json.loads(sys.argv[1]))
    stack.play("site", {})
    found = [stack.ask(number, *case) for number, case in enumerate(CASES)]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
