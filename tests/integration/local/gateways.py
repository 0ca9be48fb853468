# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The real gateway before real model servers, as the roles put them together."""

from __future__ import annotations

import http.client
import json
import subprocess

import jinja2
import yaml
from ansible_collections.monitml.stack.plugins.module_utils.deployment import description
from ansible_collections.monitml.stack.plugins.module_utils.local import gateway
from serving import ROOT, free_port, wait_for
from supervised import tools_bin

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 10


def two_predictors(**bad):
    """The description of good (75 %) and bad (25 %), completed; bad: what is different with bad."""
    common = {"model": "m", "image": None, "replicas": 1, "shadow": False, "parameters": {}}
    predictors = [
        {"name": "good", "version": "v1", "traffic": 75, **common},
        {"name": "bad", "version": "v2", "traffic": 25, **common, **bad},
    ]
    names = {"name": "housing", "namespace": "seldon", "monitors": []}
    return description.complete({**names, "predictors": predictors}, 9000)


class Gateway:
    """Envoy with the role's configuration before servers: {predictor: its server}, until it is closed.

    grpc_port: of the first predictor's server; those of the others follow it.
    labels_port: of what takes labels, where there is one.
    """

    def __init__(self, directory, deployment, servers, grpc_port=0, labels_port=0):
        self.deployment = deployment
        for predictor in deployment["predictors"]:
            server = servers[predictor["name"]]
            predictor["servers"][0]["http_port"] = server.http_port
            predictor["servers"][0]["metrics_port"] = server.metrics_port
            predictor["servers"][0]["grpc_port"] = grpc_port
            grpc_port += bool(grpc_port)
        self.port, self.admin_port = free_port(), free_port()
        (directory / "etc").mkdir()
        files = {
            "clusters": gateway.envoy_clusters(deployment, HOST, labels_port),
            "routes": gateway.envoy_routes(deployment, TIMEOUT_SECONDS, bool(grpc_port), labels_port),
        }
        for name, content in files.items():
            (directory / "etc" / f"{name}.json").write_text(json.dumps(content))
        defaults = yaml.safe_load((ROOT / "roles/seldon/defaults/main.yml").read_text())
        template = (ROOT / "roles/seldon/templates/envoy.yml.j2").read_text()
        config = directory / "envoy.yml"
        config.write_text(
            jinja2.Template(template).render(
                ansible_managed="",
                monitml_instance="test",
                monitml_listen_address=HOST,
                monitml_gateway_port=self.port,
                monitml_gateway_admin_port=self.admin_port,
                monitml_home=directory,
                seldon_latency_buckets_ms=defaults["seldon_latency_buckets_ms"],
            )
        )
        self.log_path = directory / "envoy.log"
        command = [f"{tools_bin()}/envoy", "--config-path", str(config), "--concurrency", "1"]
        command += ["--log-level", "warning", "--disable-hot-restart"]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(self._serves)
        except AssertionError:
            self.close()
            raise AssertionError(self.log_path.read_text()[-3000:]) from None

    def _serves(self):
        assert self.process.poll() is None, self.log_path.read_text()[-3000:]
        try:
            return self.ask("GET", "metadata")[0] == 200
        except OSError:
            return False

    def close(self):
        self.process.kill()
        self.process.wait()

    def ask(self, method, path, body=None, **headers):
        """(status, body, headers) of one request to PATH of the deployment's API; underscores become dashes."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            if body is not None:
                body, sent["Content-Type"] = json.dumps(body), "application/json"
            connection.request(method, f"/seldon/seldon/housing/api/v1.0/{path}", body, sent)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        given = {name.lower(): value for name, value in response.getheaders()}
        try:
            return response.status, json.loads(text), given
        except ValueError:
            return response.status, text, given

    def requests(self):
        """{predictor: requests that the monitoring sees}."""
        connection = http.client.HTTPConnection(HOST, self.admin_port, timeout=30)
        connection.request("GET", "/stats/prometheus?usedonly")
        text = connection.getresponse().read().decode()
        connection.close()
        found = {}
        for line in text.splitlines():
            if line.startswith("envoy_cluster_upstream_rq_total{"):
                name = line.partition('envoy_cluster_name="')[2].partition('"')[0]
                parts = name.split("/")
                assert len(parts) in (1, 4), f"the monitoring cannot read {line}"
                if len(parts) == 4:
                    found[parts[2]] = found.get(parts[2], 0) + int(line.rpartition(" ")[2])
        return found
