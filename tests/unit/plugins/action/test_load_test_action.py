# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from unittest import mock

import pytest
from ansible_collections.monitml.stack.plugins.action import load_test
from ansible_collections.monitml.stack.plugins.module_utils.client.error import LoadTestError
from ansible_collections.monitml.stack.plugins.module_utils.loadtest import run as loadtest_run


def run(
    monkeypatch,
    arguments,
    transport="local",
    become=False,
    async_val=0,
    check_mode=False,
    answer=None,
    terminal=False,
    no_log=False,
    module_answer=None,
):
    """Runs the action; returns (its result, the calls of load_test(), the calls of the module)."""
    task = mock.MagicMock(
        async_val=async_val,
        check_mode=check_mode,
        no_log=no_log,
        args={"url": "http://a/", **arguments},
        diff=False,
    )
    connection = mock.MagicMock(transport=transport)
    action = load_test.ActionModule(
        task, connection, mock.MagicMock(become=become), mock.MagicMock(), mock.MagicMock(), None
    )
    module = mock.MagicMock(return_value={"from": "module", **(module_answer or {})})
    monkeypatch.setattr(action, "_execute_module", module)
    monkeypatch.setattr(load_test, "stdout_is_terminal", lambda: terminal)
    engine = mock.MagicMock(
        side_effect=answer if isinstance(answer, Exception) else None, return_value=answer
    )
    monkeypatch.setattr(loadtest_run, "load_test", engine)
    return action.run(task_vars={"inventory_hostname": "here"}), engine.call_args_list, module.call_args_list


def test_a_local_task_runs_in_this_process(monkeypatch):
    result, engine, module = run(monkeypatch, {"n": 3}, answer={"requests": 3}, check_mode=True)
    assert result["requests"] == 3 and not module
    options, check_mode, tell = engine[0].args
    assert (
        options["count"] == 3 and options["timeout"] == 10.0 and check_mode is True and tell is None
    )


@pytest.mark.parametrize("given", [{"transport": "ssh"}, {"become": True}, {"async_val": 30}])
def test_another_host_or_user_runs_the_module(monkeypatch, given):
    result, engine, module = run(monkeypatch, {"n": 3}, **given)
    assert result["from"] == "module" and len(module) == 1 and not engine


def test_progress_is_for_terminals_only(monkeypatch):
    for arguments, terminal, shown in (
        ({}, True, True),
        ({}, False, False),
        ({"progress": False}, True, False),
    ):
        _result, engine, _module = run(
            monkeypatch, {"n": 3, **arguments}, answer={}, terminal=terminal
        )
        assert (engine[0].args[2] is not None) == shown


PASSED = {"msg": "60 requests. pass", "failed": False}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"answer": PASSED}, True),
        ({"answer": PASSED, "check_mode": True}, True),
        ({"become": True, "module_answer": PASSED}, True),
        # What fails is shown by Ansible itself.
        ({"answer": {"msg": "too slow", "failed": True}}, False),
        ({"become": True, "module_answer": {"msg": "too slow", "failed": True}}, False),
        ({"answer": PASSED, "no_log": True}, False),
        # A job in the background has nothing to tell yet.
        ({"async_val": 30}, False),
    ],
)
def test_a_summary_is_shown_once_and_to_people(monkeypatch, given, shown):
    lines = mock.MagicMock()
    monkeypatch.setattr(load_test.display, "display", lines)
    run(monkeypatch, {"n": 3, "summary": True}, **given)
    assert lines.call_args_list == (
        [mock.call("here: 60 requests. pass", stderr=True)] if shown else []
    )
    lines.reset_mock()
    run(monkeypatch, {"n": 3}, **given)
    assert not lines.call_args_list


def test_what_is_wrong_is_said(monkeypatch):
    result, _engine, _module = run(monkeypatch, {"n": 0}, answer=LoadTestError("count is 0"))
    assert result["failed"] and result["msg"] == "count is 0" and result["changed"] is False
