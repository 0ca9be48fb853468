# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""supervisord's configuration, read back as supervisord's own parser does."""

from __future__ import annotations

import configparser
import json
import shlex
from dataclasses import replace

from ansible_collections.monitml.stack.plugins.module_utils.local import service_units as units
from ansible_collections.monitml.stack.plugins.module_utils.local import supervisor_text as text
from hypothesis import given
from hypothesis import strategies as st

INSTANCE = units.Instance("m", "/opt/m", "m", "/opt/m/log", 1000, 2, "/opt/m/venv/bin")
VALUES = st.text(st.characters(blacklist_categories=("Cs", "Cc")) | st.just("\t"), max_size=20)


def service(name="a", **options):
    given_ = {"name": name, "command": ["/bin/true"], "stop_signal": "TERM", "stop_seconds": 10}
    return units.complete_service(dict(given_, **options), INSTANCE, "models")


def parse(configuration):
    # As UnhosedConfigParser of supervisor/options.py, which then expands %(...)s.
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(configuration)
    return parser


@given(st.lists(VALUES, max_size=4), st.dictionaries(st.sampled_from("ABC"), VALUES), VALUES)
def test_no_value_of_a_task_has_to_be_quoted_for_supervisord(arguments, environment, digest):
    made = service(
        command=["/bin/true"] + arguments, environment=environment, restart_digest=digest
    )
    spec = json.loads(text.spec(INSTANCE, made))
    assert spec["command"] == ["/bin/true"] + arguments
    assert spec["environment"] == environment and spec["restart_digest"] == digest
    plain = text.configuration(INSTANCE, [service()])
    assert text.configuration(INSTANCE, [made]) == plain and "%" not in plain


def test_every_program_is_tried_for_ever_and_stopped_with_its_group():
    parser = parse(
        text.configuration(INSTANCE, [service("b", stop_signal="INT", stop_seconds=7), service()])
    )
    assert [one for one in parser.sections() if one.startswith("program:")] == [
        "program:supervisor-watchdog",
        "program:a",
        "program:b",
    ]
    program = parser["program:b"]
    assert shlex.split(program["command"]) == [
        "/opt/m/venv/bin/python3",
        "-IS",
        "/opt/m/etc/services/agent.py",
        "run",
        "/opt/m/etc/services/b.json",
    ]
    expected = {
        "autorestart": "true",
        "startsecs": "0",
        "stopsignal": "INT",
        "stopwaitsecs": "7",
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": "/opt/m/log/b.log",
        "stdout_logfile_maxbytes": "1000",
        "stdout_logfile_backups": "2",
    }
    assert {key: program[key] for key in expected} == expected


def test_the_watchdog_starts_last_and_stops_first():
    parser = parse(text.configuration(INSTANCE, [service()]))
    own = int(parser["program:supervisor-watchdog"]["priority"])
    assert own > int(parser["program:a"]["priority"])


def test_supervisord_is_the_users_and_speaks_through_a_private_socket():
    parser = parse(text.configuration(INSTANCE, []))
    assert parser["supervisord"]["user"] == "m"
    assert dict(parser["unix_http_server"]) == {
        "file": "/opt/m/run/supervisor.sock",
        "chmod": "0700",
    }
    assert "inet_http_server" not in parser


def test_tasks_with_different_log_limits_share_one_supervisord():
    other = replace(INSTANCE, log_max_bytes=5, log_backups=9)
    assert text.base(INSTANCE) == text.base(other) and text.watchdog(INSTANCE) == text.watchdog(
        other
    )
    assert text.program(other, service()) == text.program(INSTANCE, service())


def test_the_settings_of_the_agent():
    assert json.loads(text.settings(INSTANCE)) == {
        "configuration": "/opt/m/etc/services/supervisord.conf",
        "home": "/opt/m",
        "log": "/opt/m/log/supervisord.log",
        "server_url": "unix:///opt/m/run/supervisor.sock",
        "supervisord": "/opt/m/venv/bin/supervisord",
        "user": "m",
    }
