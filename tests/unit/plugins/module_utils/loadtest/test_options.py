# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.monitml.stack.plugins.module_utils.client.error import LoadTestError
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.options import (
    ARGUMENT_SPEC,
    CONDITIONS,
    Plan,
)


def plan(**options):
    result = ArgumentSpecValidator(ARGUMENT_SPEC, **CONDITIONS).validate(
        {"url": "http://a/", **options}
    )
    assert not result.error_messages, result.error_messages
    return Plan(result.validated_parameters)


def test_a_closed_loop():
    found = plan(n=60)
    assert (found.count, found.stages, found.connections, found.transmit) == (60, None, 10, False)
    assert [limit.text for limit in found.limits] == ["error_ratio <= 1%"] and found.expected == {}
    assert plan(duration=3).total_seconds == 3 and found.total_seconds is None


def test_an_open_loop():
    found = plan(rate=300, duration=10)
    assert (found.stages[0].seconds, found.stages[0].last, found.connections, found.transmit) == (
        10,
        300,
        512,
        True,
    )
    assert (
        not plan(rate=20000, duration=1).transmit
        and plan(rate=20000, duration=1, processes=4).transmit
    )
    assert plan(rate=10, count=50).total_seconds == 5


def test_warm_up_comes_before_the_first_stage_at_its_rate():
    found = plan(
        stages=[{"duration": 2, "rate": 9, "start_rate": 1}, {"duration": 3, "rate": 5}], warm_up=4
    )
    assert [(stage.seconds, stage.first, stage.last) for stage in found.stages] == [
        (4, 1, 1),
        (2, 1, 9),
        (3, 9, 5),
    ]
    assert plan(rate=5, duration=2, warm_up=1).stages[0].seconds == 3


def test_weights_need_not_sum_to_a_hundred():
    found = plan(
        n=1, expected_split=[{"predictor": "a", "weight": 3}, {"predictor": "b", "weight": 1}]
    )
    assert found.expected == {"a": 0.75, "b": 0.25}


@pytest.mark.parametrize(
    "options, says",
    [
        ({}, "give count \\(n\\), duration or stages"),
        ({"n": 0}, "count is 0"),
        ({"n": -3}, "count is -3"),
        ({"n": 1, "rate": 0}, "rate is 0"),
        ({"n": 1, "rate": -1}, "rate is -1"),
        ({"n": 1, "rate": "inf"}, "rate is inf"),
        ({"n": 1, "rate": "nan"}, "rate is nan"),
        ({"duration": 0}, "duration is 0"),
        ({"duration": -1}, "duration is -1"),
        ({"n": 1, "timeout": 0}, "timeout is 0"),
        ({"n": 1, "connections": 0}, "connections is 0"),
        ({"n": 1, "processes": 0}, "processes is 0"),
        ({"n": 1, "processes": 11}, "each process needs at least one"),
        ({"n": 1, "batch_rows": 0}, "batch_rows is 0"),
        ({"n": 1, "think_time": -1}, "think_time is -1"),
        ({"n": 1, "rate": 1, "think_time": 1}, "think_time is of users who wait"),
        ({"n": 1, "arrival": "poisson"}, "poisson needs a rate"),
        ({"n": 1, "warm_up": 1}, "give duration in place of count"),
        ({"stages": []}, "nothing says how long|stages is empty"),
        ({"stages": [{"duration": 0, "rate": 1}]}, "a stage needs a duration above 0"),
        ({"stages": [{"duration": 1, "rate": -1}]}, "a stage needs a duration above 0"),
        ({"stages": [{"duration": 1, "rate": 0}]}, "every stage has the rate 0"),
        ({"n": 1, "metrics_labels": {"a-b": "c"}}, "'a-b', which is no name"),
        ({"n": 1, "metrics_labels": {"__a": "c"}}, "'__a', which is no name"),
        ({"n": 1, "metrics_labels": {"url": "c"}}, "neither name nor url"),
        ({"n": 1, "url": ""}, "url is empty"),
        ({"n": 1, "headers": {"a b": "c"}}, "does not allow"),
        ({"n": 1, "thresholds": ["p95"]}, "cannot be read"),
        ({"n": 1, "token_file": "x", "headers": {"authorization": "y"}}, "leave one out"),
        ({"n": 1, "expected_split": [{"predictor": "a", "weight": -1}]}, "give 0 or more"),
        ({"n": 1, "expected_split": [{"predictor": "a", "weight": 0}]}, "every weight"),
        ({"n": 1, "expected_split": [{"predictor": "a", "weight": 1}] * 2}, "names a twice"),
    ],
)
def test_options_that_make_no_sense(options, says):
    with pytest.raises(LoadTestError, match=says):
        plan(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"contract": "a", "data": "b"},
        {"rate": 1, "stages": []},
        {"truth_column": "x"},
        {"protocol": "grpc"},
    ],
)
def test_options_that_the_specification_refuses(options):
    assert (
        ArgumentSpecValidator(ARGUMENT_SPEC, **CONDITIONS)
        .validate({"url": "x", **options})
        .error_messages
    )
