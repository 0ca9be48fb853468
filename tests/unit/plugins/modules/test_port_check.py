# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import os
import pwd
import socket

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.modules import port_check


def run(capsys, **options):
    with patch_module_args(options), pytest.raises(SystemExit) as caught:
        port_check.main()
    return caught.value.code, json.loads(capsys.readouterr().out)


@pytest.fixture
def busy():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {"port": server.getsockname()[1], "purpose": "the board", "variable": "board_port"}


def free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return {"port": server.getsockname()[1], "purpose": "nothing", "variable": "nothing_port"}


def test_free_ports_pass(capsys):
    wanted = free()
    code, result = run(capsys, ports=[wanted], _ansible_check_mode=True)
    assert code == 0 and not result["changed"] and result["conflicts"] == []
    assert result["ports"][0]["listening"] is False and result["ports"][0]["pid"] is None


def test_a_taken_port_fails_with_a_sentence(capsys, busy):
    code, result = run(capsys, ports=[free(), busy], user="nobody-has-this-name")
    own = pwd.getpwuid(os.geteuid()).pw_name
    assert code == 1 and "Traceback" not in result["msg"]
    assert result["msg"].startswith(
        "Port %d for the board is taken: the process %d (" % (busy["port"], os.getpid())
    )
    assert "of the user %s listens" % own in result["msg"] and "board_port" in result["msg"]
    report = result["ports"][1]
    assert (report["listening"], report["own"], report["pid"]) == (True, False, os.getpid())


def test_the_stack_itself_may_have_its_ports(capsys, busy):
    own = pwd.getpwuid(os.geteuid()).pw_name
    assert run(capsys, ports=[busy], user=own)[0] == 0
    assert run(capsys, ports=[busy], user=own, home=os.getcwd() + "/")[0] == 0
    code, result = run(capsys, ports=[busy], user=own, home="/opt/not-here")
    assert code == 1 and not result["ports"][0]["own"]


def test_a_listener_elsewhere_is_in_nobodys_way(capsys, busy):
    assert run(capsys, ports=[busy], listen_address="127.0.0.2")[0] == 0
    assert run(capsys, ports=[busy], listen_address="0.0.0.0")[0] == 1


def test_one_port_for_two_purposes_fails(capsys):
    wanted = free()
    code, result = run(capsys, ports=[wanted, dict(wanted, purpose="more", variable="more_port")])
    assert (
        code == 1
        and "nothing and more" in result["msg"]
        and "nothing_port and more_port" in result["msg"]
    )


def test_unknown_ids_are_shown_as_numbers():
    assert port_check.user_name(2**31 - 7) == str(2**31 - 7)
    assert port_check.user_id(None) is None
