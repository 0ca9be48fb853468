# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What benchmarks conclude from what they saw."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
# pylint: disable=wrong-import-position
import alert_delay
import convergence
import measured_stack
import traffic_moves


def test_only_answers_between_two_moves_count_for_the_split():
    inside = [(1.0, 1.1, 200, "bad")] * 30 + [(1.0, 1.1, 200, "good")] * 70
    across = [(0.9, 1.1, 200, "bad"), (1.9, 2.1, 200, "bad")] * 50
    found = traffic_moves.split([(1.0, 2.0, 30)], inside + across)
    assert (found["requests"], found["bad"], found["stretches_outside"]) == (100, 30, 0)
    assert found["bad_expected"] == 30 and found["bad_bound"] == pytest.approx(15.08, abs=0.01)


def test_a_split_that_is_not_the_declared_one_is_outside():
    answers = [(1.0, 1.1, 200, "bad")] * 60 + [(1.0, 1.1, 200, "good")] * 40
    found = traffic_moves.split([(1.0, 2.0, 30)], answers)
    assert found["stretches_outside"] == 1
    assert found["bad"] - found["bad_expected"] > found["bad_bound"]


def test_the_slowest_tasks_are_read_from_the_profile():
    output = """TASKS RECAP ****
Monday 23 November 2026  16:10:27 +0000 (0:00:00.704)       0:00:28.402 *******
=====================
monitml.stack.seldon : Run the gateway ---------------------------------- 2.26s
monitml.stack.canary : Wait for a real prediction and readable metrics of each --- 1.43s
"""
    assert convergence.profile(output) == [
        ("monitml.stack.seldon : Run the gateway", 2.26),
        ("monitml.stack.canary : Wait for a real prediction and readable metrics of each", 1.43),
    ]


def test_delays_are_summed_up_by_order():
    found = alert_delay.summary([float(n) for n in range(20, 0, -1)])
    assert found == {"n": 20, "p50": 10.0, "p95": 19.0, "max": 20.0}


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("/usr/bin/python3 -IS /opt/m/etc/services/agent.py watch x", "watchdog"),
        ("/opt/m/bin/python /opt/m/bin/supervisord -c x", "supervisor"),
        ("/usr/bin/prometheus --config.file=x", "Prometheus"),
        ("/usr/bin/prometheus-alertmanager --config.file=x", "Alertmanager"),
        ("python /opt/m/runtime/serve_app.py --http-port=1", "model, server"),
        ("/bin/other", "/bin/other"),
    ],
)
def test_processes_are_told_apart_by_their_command(command, kind):
    assert measured_stack.kind(command) == kind
