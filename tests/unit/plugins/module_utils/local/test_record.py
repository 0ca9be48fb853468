# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import gateway, places, record

from .test_servers import placed

SERVERS = places.record_of(
    [{**server, "new": True} for predictor in placed()["predictors"] for server in predictor["servers"]]
)


def write(tmp_path, name, text):
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc" / name).write_text(text)


def test_what_was_written_down_is_read_back(tmp_path):
    assert record.servers(str(tmp_path)) == []
    write(tmp_path, "servers.json", json.dumps(SERVERS))
    assert record.servers(str(tmp_path)) == SERVERS and len(SERVERS) == 3
    clusters = gateway.envoy_clusters(placed(), "127.0.0.1")
    write(tmp_path, "clusters.json", json.dumps(clusters))
    ports = {end["http_port"] for end in record.gateway_endpoints(str(tmp_path))}
    assert ports == {9000, 9002, 9004}


@pytest.mark.parametrize("text", ["", "{", "{}", "7", '[7, {"name": "x"}]', '{"resources": [{}]}'])
def test_what_somebody_wrote_into_it_counts_for_nothing(tmp_path, text):
    write(tmp_path, "servers.json", text)
    write(tmp_path, "clusters.json", text)
    assert record.servers(str(tmp_path)) == [] == record.gateway_endpoints(str(tmp_path))
