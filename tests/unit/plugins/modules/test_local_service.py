# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import os
import pwd

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.modules import local_service

OWN = pwd.getpwuid(os.geteuid()).pw_name


def run(capsys, tmp_path, **options):
    given = {
        "instance": "m",
        "home": str(tmp_path / "home"),
        "user": OWN,
        "backend": "systemd",
        "systemd_directory": str(tmp_path),
        "services": [{"name": "a", "command": ["/bin/true"]}],
    }
    with patch_module_args(dict(given, **options)), pytest.raises(SystemExit) as caught:
        local_service.main()
    return caught.value.code, json.loads(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def no_systemctl(monkeypatch, tmp_path):
    """Nothing of this machine's own systemd gets touched."""
    monkeypatch.setattr(local_service.AnsibleModule, "get_bin_path", lambda *unused, **also: None)


def test_check_mode_tells_what_would_be_done(capsys, tmp_path):
    code, result = run(
        capsys, tmp_path, _ansible_check_mode=True, _ansible_diff=True, user="nobody-has-this-name"
    )
    assert code == 0 and result["changed"] and result["backend"] == "systemd"
    assert result["services"] == [
        {"name": "a", "action": "started", "pid": None, "log": "journalctl --unit=m-a.service"}
    ]
    assert [one["after_header"] for one in result["diff"]] == [
        str(tmp_path / "m-a.service"),
        str(tmp_path / "m.target"),
    ]
    assert os.listdir(tmp_path) == []


def test_without_diff_no_file_is_returned(capsys, tmp_path):
    assert "diff" not in run(capsys, tmp_path, _ansible_check_mode=True)[1]


@pytest.mark.parametrize(
    "options, words",
    [
        (
            {"user": "nobody-has-this-name"},
            "The user nobody-has-this-name does not exist on this machine",
        ),
        ({"instance": "a b"}, "instance is 'a b'"),
        ({"backend": "supervisor"}, "supervisor_path is ''"),
        ({}, "systemctl was not found"),
        ({"services": [{"name": "a", "command": ["/bin/true"]}] * 2}, "listed more than once"),
    ],
)
def test_failures_are_sentences(capsys, tmp_path, options, words):
    code, result = run(capsys, tmp_path, **options)
    assert code == 1 and words in result["msg"] and "exception" not in result
    assert os.listdir(tmp_path) == []


def test_absent_on_an_empty_machine_is_no_change(capsys, tmp_path):
    for backend in ("systemd", "supervisor"):
        code, result = run(
            capsys, tmp_path, state="absent", backend=backend, user="nobody-has-this-name"
        )
        assert code == 0 and not result["changed"] and result["services"] == []


def test_a_disk_that_fails_is_a_sentence_too(capsys, tmp_path, monkeypatch):
    def full(*unused):
        raise OSError(28, "No space left on device", "/x")

    monkeypatch.setattr(local_service.LocalServices, "present", full)
    code, result = run(capsys, tmp_path)
    assert code == 1 and "services of m: [Errno 28] No space left on device" in result["msg"]


def test_another_user_has_to_become_root(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    # A socket's path has to be short, which pytest's directories are not everywhere.
    code, result = run(capsys, tmp_path, backend="supervisor", supervisor_path="/x", home="/nowhere")
    assert code == 1 and "Become root or %s" % OWN in result["msg"]
