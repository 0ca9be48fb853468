# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import socket

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.modules import model_server_info

GOOD = {
    "predictor": "good",
    "version": "v1",
    "cluster": "seldon/housing/good/v1",
    "index": 0,
    "digest": "a",
    "runtime": "process",
}


def run(capsys, home, **options):
    given = {"home": str(home), "wanted": [GOOD], "first_port": 9000, **options}
    with patch_module_args(given), pytest.raises(SystemExit) as caught:
        model_server_info.main()
    return caught.value.code, json.loads(capsys.readouterr().out)


def test_ports_that_somebody_listens_on_are_passed_by(capsys, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, told = run(capsys, tmp_path, first_port=port - 1, _ansible_check_mode=True)
        assert code == 0 and told["servers"][0]["http_port"] > port
    assert not told["changed"] and told["servers"][0]["new"] and told["looked_at"] > 1e9


def test_its_record_makes_it_stay(capsys, tmp_path):
    _code, told = run(capsys, tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/servers.json").write_text(json.dumps(told["record"]))
    with_gateway = {
        "name": GOOD["cluster"],
        "load_assignment": {
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"port_value": port}}}}]}
                for port in [told["servers"][0]["http_port"]]
            ]
        },
    }
    (tmp_path / "etc/clusters.json").write_text(json.dumps({"resources": [with_gateway]}))
    _code, again = run(capsys, tmp_path)
    assert again["servers"] == [{**told["servers"][0], "new": False}]
    assert again["record"] == told["record"] and again["noted"] and not told["noted"]


def test_without_a_free_port_there_is_a_sentence(capsys, tmp_path):
    code, told = run(capsys, tmp_path, first_port=65535)
    assert code == 1 and "There are no free ports for a server of predictor good" in told["msg"]
