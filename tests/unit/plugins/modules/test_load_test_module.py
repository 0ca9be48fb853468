# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.module_utils.client.error import LoadTestError
from ansible_collections.monitml.stack.plugins.modules import load_test


def run(monkeypatch, capsys, answer, **arguments):
    """Runs main(); returns (what it printed, how load_test() was called)."""
    calls = []

    def stub(options, check_mode):
        calls.append((options, check_mode))
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    monkeypatch.setattr(load_test, "load_test", stub)
    with patch_module_args({"url": "http://a/", **arguments}):
        with pytest.raises(SystemExit):
            load_test.main()
    return json.loads(capsys.readouterr().out), calls


def test_a_run_that_passes(monkeypatch, capsys):
    found, calls = run(monkeypatch, capsys, {"failed": False, "changed": False, "requests": 3}, n=3)
    assert found["requests"] == 3 and not found["changed"] and not found.get("failed")
    assert calls[0][0]["count"] == 3 and calls[0][1] is False


def test_check_mode_is_passed_on(monkeypatch, capsys):
    _found, calls = run(monkeypatch, capsys, {"changed": False}, n=3, _ansible_check_mode=True)
    assert calls[0][1] is True


def test_a_run_that_fails_keeps_its_figures(monkeypatch, capsys):
    found, _calls = run(
        monkeypatch,
        capsys,
        {"failed": True, "changed": False, "msg": "too slow", "requests": 3},
        n=3,
    )
    assert found["failed"] and found["msg"] == "too slow" and found["requests"] == 3


def test_what_is_wrong_is_said(monkeypatch, capsys):
    found, _calls = run(monkeypatch, capsys, LoadTestError("count is 0"), n=0)
    assert found["failed"] and found["msg"] == "count is 0"
