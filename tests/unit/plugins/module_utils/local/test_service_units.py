# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import service_units as units
from hypothesis import given
from hypothesis import strategies as st

INSTANCE = units.Instance(
    "monitml", "/opt/monitml", "monitml", "/opt/monitml/log", 1000, 2, "/opt/venv/bin"
)
GIVEN = {"name": "a", "command": ["/bin/true"], "stop_signal": "TERM", "stop_seconds": 10}


def complete(**options):
    return units.complete_service(dict(GIVEN, **options), INSTANCE, "models")


def test_a_service_gets_its_defaults():
    service = complete()
    assert service["directory"] == "/opt/monitml"
    assert service["environment"] == {} and service["restart_digest"] == ""
    assert (service["group"], service["log_max_bytes"], service["log_backups"]) == (
        "models",
        1000,
        2,
    )
    assert service["open_files_max"] is None and service["memory_max_bytes"] is None


def test_numbers_and_booleans_become_text():
    assert complete(environment={"A": 1, "B": True, "C": 0.5, "D": "x"})["environment"] == {
        "A": "1",
        "B": "true",
        "C": "0.5",
        "D": "x",
    }


@pytest.mark.parametrize(
    "options, words",
    [
        ({"name": "a b"}, "service name 'a b'"),
        ({"name": ""}, "service name ''"),
        ({"name": "-a"}, "service name '-a'"),
        ({"name": "supervisor-watchdog"}, "taken by the supervision"),
        ({"name": "supervisord"}, "taken by the supervision"),
        ({"name": "applied"}, "taken by the supervision"),
        ({"command": []}, "absolute path of a program"),
        ({"command": ["true"]}, "absolute path of a program"),
        ({"command": ["/bin/a b"]}, "absolute path of a program"),
        ({"command": ["/bin/true", "a\nb"]}, "The command of the service a holds a newline"),
        ({"command": ["/bin/true", "a\0b"]}, "control character"),
        ({"directory": "var"}, "directory of the service a"),
        ({"restart_digest": "a\n"}, "The restart_digest of the service a"),
        ({"environment": {"A-B": "x"}}, "bad name 'A-B'"),
        (
            {"environment": {"A": "x\ny"}},
            "The environment variable A of the service a holds a newline",
        ),
        ({"environment": {"A": "\ud800"}}, "control character"),
        ({"environment": {"A": ["x"]}}, "to_json"),
        ({"environment": {"A": None}}, "is no text"),
    ],
)
def test_what_cannot_be_expressed_is_refused_with_a_sentence(options, words):
    with pytest.raises(units.ServiceError, match=".") as caught:
        complete(**options)
    assert words in str(caught.value)


def test_a_name_can_be_listed_once():
    units.check_names([complete(), complete(name="b")])
    with pytest.raises(units.ServiceError, match="a is listed more than once"):
        units.check_names([complete(), complete()])


@pytest.mark.parametrize(
    "options, group, words",
    [
        ({"name": "a b"}, "g", "instance is 'a b'"),
        ({"user": "x;y"}, "g", "user is 'x;y'"),
        ({}, "g h", "group is 'g h'"),
        ({"home": "opt"}, "g", "home is 'opt'"),
        ({"home": "/opt/a b"}, "g", "home is '/opt/a b'"),
        ({"log_directory": "/opt/%h"}, "g", "log_directory is '/opt/%h'"),
    ],
)
def test_an_instance_has_plain_names_and_paths(options, group, words):
    instance = replace(INSTANCE, **options)
    with pytest.raises(units.ServiceError) as caught:
        units.check_instance(instance, group)
    assert words in str(caught.value)


def test_supervisord_needs_a_path_and_a_short_home():
    units.check_instance(INSTANCE, "default")
    units.check_supervisor(INSTANCE)
    with pytest.raises(units.ServiceError, match="supervisor_path is ''"):
        units.check_supervisor(replace(INSTANCE, supervisor_path=""))
    with pytest.raises(units.ServiceError, match="home is too long"):
        units.check_supervisor(replace(INSTANCE, home="/" + "x" * 90))


NAMES = st.sampled_from("abcdef")


@given(
    wanted=st.dictionaries(NAMES, st.sampled_from("12")),
    applied=st.dictionaries(NAMES, st.sampled_from("12")),
    rewritten=st.sets(NAMES),
    running=st.sets(NAMES),
    present=st.sets(NAMES),
)
def test_a_service_is_touched_exactly_when_it_must_be(wanted, applied, rewritten, running, present):
    actions = units.plan(wanted, applied, rewritten, running, present - set(wanted))
    assert set(actions) == set(wanted) | present
    for name, action in actions.items():
        fresh = applied.get(name) == wanted.get(name) and name not in rewritten
        expected = "removed" if name not in wanted else "started"
        if name in wanted and name in running:
            expected = "unchanged" if fresh else "restarted"
        assert action == expected


@given(st.lists(st.text()), st.lists(st.text()))
def test_digests_tell_texts_apart(one, other):
    clean = [[text.replace("\0", "") for text in texts] for texts in (one, other)]
    if len(one) == len(other):
        assert (units.digest(*clean[0]) == units.digest(*clean[1])) == (clean[0] == clean[1])
