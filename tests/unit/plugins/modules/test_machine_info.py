# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import os
import pwd
import socket

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.modules import machine_info

OWN = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def look(capsys):
    def run(**options):
        options = dict({"user": "nobody-has-this-name", "home": "/opt/not-here"}, **options)
        with patch_module_args(options), pytest.raises(SystemExit) as caught:
            machine_info.main()
        assert caught.value.code == 0
        result = json.loads(capsys.readouterr().out)
        assert not result["changed"]
        return result

    return run


@pytest.fixture
def busy():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {"port": server.getsockname()[1], "purpose": "the board", "variable": "board_port"}


def free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return {"port": server.getsockname()[1], "purpose": "nothing", "variable": "nothing_port"}


def test_free_ports_are_no_conflict(look):
    result = look(ports=[free()], _ansible_check_mode=True)
    assert result["conflicts"] == []
    assert result["ports"][0]["listening"] is False and result["ports"][0]["pid"] is None


def test_a_taken_port_is_told_in_a_sentence(look, busy):
    result = look(ports=[free(), busy])
    (sentence,) = result["conflicts"]
    assert sentence.startswith(
        "Port %d for the board is taken: the process %d (" % (busy["port"], os.getpid())
    )
    assert "of the user %s listens" % OWN in sentence and "board_port" in sentence
    report = result["ports"][1]
    assert (report["listening"], report["own"], report["pid"]) == (True, False, os.getpid())


def test_the_stack_itself_may_have_its_ports(look, busy):
    assert look(ports=[busy], user=OWN, home=os.getcwd() + "/")["conflicts"] == []
    result = look(ports=[busy], user=OWN)
    assert len(result["conflicts"]) == 1 and not result["ports"][0]["own"]


def test_a_listener_elsewhere_is_in_nobodys_way(look, busy):
    assert look(ports=[busy], listen_address="127.0.0.2")["conflicts"] == []
    assert len(look(ports=[busy], listen_address="0.0.0.0")["conflicts"]) == 1


def test_one_port_for_two_purposes_is_a_conflict(look):
    wanted = free()
    result = look(ports=[wanted, dict(wanted, purpose="more", variable="more_port")])
    (sentence,) = result["conflicts"]
    assert "nothing and more" in sentence and "nothing_port and more_port" in sentence


def test_files_are_found_where_they_can_be_and_no_deeper(look, tmp_path):
    for name in ("etc/routes.json", "releases/1/.complete", "releases/1/model/.complete", "etc/other"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    wanted = ["etc", "etc/routes.json", "releases/1/.complete"]
    for home in (str(tmp_path), str(tmp_path) + "/"):
        found = look(home=home, files=[".complete", "routes.json", "etc"])["files"]
        assert found == [home + "/" + name for name in wanted]
    assert look(files=[".complete"])["files"] == []


def test_the_names_of_patterns_are_names(look, tmp_path):
    odd = tmp_path / "[ab]*"
    odd.mkdir()
    (odd / "etc").mkdir()
    (tmp_path / "a").mkdir()
    assert look(home=str(odd), files=["etc"])["files"] == [str(odd / "etc")]


def test_who_tasks_run_as_and_for(look, monkeypatch):
    monkeypatch.delenv("SUDO_USER", raising=False)
    result = look(user=OWN)
    assert result["effective_user"] == {"id": os.geteuid(), "name": OWN}
    assert result["invoking_user"] == "root"
    known = pwd.getpwnam(OWN)
    assert result["account"] == {"home": known.pw_dir, "shell": known.pw_shell}
    assert look()["account"] is None
    monkeypatch.setenv("SUDO_USER", "maria")
    assert look()["invoking_user"] == "maria"


@pytest.mark.parametrize(
    ("name", "release", "said"),
    [
        ("Debian", "12.5", "Debian 12"),
        ("Ubuntu", "24.04", "Ubuntu 24.04"),
        ("Alpine", None, "Alpine"),
    ],
)
def test_distributions_are_named_as_people_name_them(monkeypatch, name, release, said):
    monkeypatch.setattr(machine_info.sys_info, "get_distribution", lambda: name)
    monkeypatch.setattr(machine_info.sys_info, "get_distribution_version", lambda: release)
    assert machine_info.distribution() == said


def test_packages_are_those_that_are_installed(look, tmp_path, monkeypatch):
    program = tmp_path / "dpkg-query"
    program.write_text("#!/bin/sh\nprintf 'ii one\\nrc gone\\nii  two\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert look()["packages"] == ["one", "two"]


def test_unknown_ids_are_shown_as_numbers():
    assert machine_info.user_name(2**31 - 7) == str(2**31 - 7)
