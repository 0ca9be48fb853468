# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What takes labels, as a process of its own on a free port, beside the answers in a directory."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import urllib.error
import urllib.request

from serving import ROOT, free_port, wait_for


class Labelling:
    """The process, until it is stopped. answers: where servers write them down."""

    def __init__(self, directory):
        self.answers, self.directory, self.port = directory / "answers", directory, free_port()
        self.answers.mkdir()
        self.start()

    def start(self):
        command = [sys.executable, str(ROOT / "roles/analytics/files/labels.py"), f"--port={self.port}"]
        command += [f"--answers={self.answers}", f"--directory={self.directory / 'labels'}"]
        with (self.directory / "labels.log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(lambda: self.get("/healthz", plain=True) == "ok\n", 20)

    def stop(self, kill=False):
        self.process.kill() if kill else self.process.terminate()
        return self.process.wait(20)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path, plain=False):
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                text = answer.read().decode()
        except OSError:
            return None
        return text if plain else json.loads(text)

    def post(self, path, body, **headers):
        """(status, answer)."""
        sent = {"Content-Type": "application/json", **headers}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, sent)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def find(self, name):
        """The answers with an id."""
        return self.get(f"/api/answers?id={name}")["answers"]

    def figures(self, window=3600):
        """{(name without monitml_label_, predictor, version): value}."""
        found = {}
        for line in self.get(f"/metrics?window={window}", plain=True).splitlines():
            if line.startswith("monitml_label_") and f'window="{window}s"' in line:
                name, _mark, rest = line.partition("{")
                own = dict(pair.split("=", 1) for pair in rest.partition("}")[0].split(","))
                who = own["predictor_name"].strip('"'), own["predictor_version"].strip('"')
                found[name.removeprefix("monitml_label_"), *who] = float(rest.rpartition(" ")[2])
        return found


def write_table(path, rows, header=("id", "truth")):
    """A CSV of rows at PATH; returns the path."""
    with open(path, "w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return str(path)
