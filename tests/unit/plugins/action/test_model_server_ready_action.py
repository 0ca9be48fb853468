# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from unittest import mock

from ansible_collections.monitml.stack.plugins.action import model_server_ready

SLOW = {"name": "m", "predictor": "good", "version": "v3", "problem": "nobody answers there"}


def run(monkeypatch, *answers):
    """Result of the action, what it told, and what the module was given each time."""
    task = mock.MagicMock(async_val=0, check_mode=False, args={"servers": []}, diff=False)
    several = [mock.MagicMock() for _one in range(4)]
    action = model_server_ready.ActionModule(task, *several, None)
    module = mock.MagicMock(side_effect=[dict(answer) for answer in answers])
    monkeypatch.setattr(action, "_execute_module", module)
    tell = mock.MagicMock()
    monkeypatch.setattr(model_server_ready.display, "display", tell)
    result = action.run(task_vars={})
    told = [call.args[0] for call in tell.call_args_list]
    return result, told, [call.kwargs["module_args"] for call in module.call_args_list]


def test_what_is_ready_at_once_is_not_told_of(monkeypatch):
    result, told, given = run(monkeypatch, {"pending": [], "problems": []})
    assert result["problems"] == [] and told == [] and given == [{"servers": []}]


def test_it_tells_how_far_it_is_and_asks_again_with_what_is_known(monkeypatch):
    pending = {"pending": [SLOW], "problems": [], "seconds": 10.2, "memory": {"seconds": 10.2}}
    result, told, given = run(monkeypatch, pending, {"pending": [], "problems": [], "seconds": 14})
    assert told == ["good v3 is starting, 10 s: nobody answers there"]
    assert given[1]["memory"] == {"seconds": 10.2} and result["seconds"] == 14


def test_a_failure_ends_it(monkeypatch):
    result, told, given = run(monkeypatch, {"failed": True, "msg": "no", "pending": [SLOW]})
    assert result["failed"] and not told and len(given) == 1
