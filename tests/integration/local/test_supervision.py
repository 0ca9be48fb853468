# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""local_service against a real supervisord: what a person expects of services that must stay up."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from supervised import (
    ROOT,
    Instance,
    ask,
    free_port,
    throwaway_user,
    tools_bin,
    until,
)

AWKWARD = {
    "JSON": '{"a": "b; c #d", "e": \'f\'}',
    "QUOTES": "\"both' \\ kinds\\",
    "EXPANDED": "%(here)s %s $HOME ${HOME} `id`",
    "COMMENT": "a ; b # c",
    "EMPTY": "",
    "SPACES": "  a\tb  ",
}


def cpu_seconds():
    """CPU time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def user():
    name, temporary = throwaway_user(tools_bin())
    yield name
    if temporary:
        subprocess.run(["userdel", name], check=True)


@pytest.fixture
def instance(user):
    made = Instance(user)
    yield made
    made.close()


def actions(result):
    assert "services" in result, result.get("msg")
    return {one["name"]: one["action"] for one in result["services"]}


def test_an_empty_machine_is_told_the_truth_and_left_alone(instance):
    os.rename(instance.home, instance.home + ".away")
    try:
        result = instance.converge(
            [instance.service("a", 1)],
            check=True,
            user="nobody-has-this-name",
            supervisor_path="/nowhere/bin",
        )
        assert result["changed"] and actions(result) == {"a": "started"}
        assert instance.home + "/etc/services/a.json" in [
            one["after_header"] for one in result["diff"]
        ]
        assert not os.path.exists(instance.home)
    finally:
        os.rename(instance.home + ".away", instance.home)


def test_services_start_once_and_restart_when_what_they_read_changes(instance):
    ports = free_port(), free_port()

    def services(digest):
        return [
            instance.service("a", ports[0], restart_digest=digest, environment={"DIGEST": "1"}),
            instance.service("b", ports[1]),
        ]

    assert actions(instance.converge(services("1"))) == {"a": "started", "b": "started"}
    first = [ask(port)["pid"] for port in ports]

    again = instance.converge(services("1"))
    assert not again["changed"] and set(actions(again).values()) == {"unchanged"}
    assert [one["pid"] for one in again["services"]] == first

    told = instance.converge(services("2"), check=True)
    assert told["changed"] and actions(told) == {"a": "restarted", "b": "unchanged"}
    assert [ask(port)["pid"] for port in ports] == first

    assert actions(instance.converge(services("2"))) == {"a": "restarted", "b": "unchanged"}
    assert ask(ports[0])["pid"] != first[0] and ask(ports[1])["pid"] == first[1]
    assert not instance.converge(services("2"), check=True)["changed"]


def test_every_value_arrives_as_it_was_given(instance):
    port = free_port()
    words = list(AWKWARD.values())
    instance.converge([instance.service("a", port, arguments=words, environment=AWKWARD)])
    told = ask(port)
    assert told["arguments"][2:] == words
    assert {key: told["environment"][key] for key in AWKWARD} == AWKWARD
    assert told["cwd"] == instance.home and told["environment"]["USER"] == instance.user


def test_services_run_as_the_user(instance):
    port = free_port()
    instance.converge([instance.service("a", port)])
    owners = {os.stat("/proc/%d" % pid).st_uid for pid in instance.processes()}
    assert owners == {os.stat("/proc/%d" % ask(port)["pid"]).st_uid}
    assert os.stat(instance.home + "/run/supervisor.sock").st_mode & 0o777 == 0o700


def test_a_killed_service_serves_again_and_leaves_no_child(instance):
    port = free_port()
    instance.converge([instance.service("a", port, environment={"CHILD": "31415"})])
    (child,) = until(lambda: instance.pids("sleep 31415"))
    first = ask(port)["pid"]
    os.kill(first, signal.SIGKILL)
    until(lambda: (ask(port) or {"pid": first})["pid"] != first)
    until(lambda: len(instance.pids("sleep 31415")) == 1)
    assert instance.pids("sleep 31415") != [child]


def test_a_killed_supervisord_comes_back_without_duplicates(instance):
    ports = free_port(), free_port()
    services = [
        instance.service("a", ports[0], environment={"CHILD": "31416"}),
        instance.service("b", ports[1]),
    ]
    instance.converge(services)
    before = instance.processes()
    os.kill(instance.supervisord(), signal.SIGKILL)
    for port, service in zip(ports, services):
        until(lambda port=port: (ask(port) or {"pid": None})["pid"] not in {None, *before})
    until(lambda: instance.pids("sleep 31416") and len(instance.processes()) == len(before))
    assert not set(instance.processes()) & set(before)
    instance.watchdog()
    assert not instance.converge(services)["changed"]


def test_a_killed_watchdog_is_started_again_and_does_its_work(instance):
    port = free_port()
    instance.converge([instance.service("a", port)])
    first, served = instance.watchdog(), ask(port)["pid"]
    os.kill(first, signal.SIGKILL)
    until(lambda: instance.pids("agent.py watch") not in ([], [first]))
    assert ask(port)["pid"] == served
    os.kill(instance.supervisord(), signal.SIGKILL)
    until(lambda: (ask(port) or {"pid": served})["pid"] != served)


def test_a_supervisord_that_was_told_to_stop_stays_stopped(instance):
    instance.converge([instance.service("a", free_port())])
    os.kill(instance.supervisord(), signal.SIGTERM)
    until(lambda: not instance.processes())
    time.sleep(1.5)
    assert not instance.processes()


def test_supervisord_and_watchdog_killed_together_take_the_services_along(instance):
    port = free_port()
    services = [instance.service("a", port)]
    instance.converge(services)
    supervisord, watchdog = instance.supervisord(), instance.watchdog()
    # Stopped first, so that neither has a moment to start the other.
    os.kill(supervisord, signal.SIGSTOP)
    for pid in (watchdog, supervisord):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not instance.processes())
    assert actions(instance.converge(services)) == {"a": "started"}
    assert ask(port)


def test_absent_leaves_nothing_but_logs(instance):
    port = free_port()
    services = [instance.service("a", port, environment={"CHILD": "31417"})]
    instance.converge(services)
    told = instance.converge(state="absent", check=True)
    assert told["changed"] and actions(told) == {"a": "removed"} and ask(port)
    assert actions(instance.converge(state="absent")) == {"a": "removed"}
    assert not instance.processes() and ask(port) is None
    assert sorted(os.listdir(instance.home)) == ["log", "server.py"]
    assert not instance.converge(state="absent")["changed"]
    time.sleep(1.2)
    assert not instance.processes()


def test_absent_works_while_the_watchdog_is_at_work(instance):
    instance.converge([instance.service("a", free_port())])
    os.kill(instance.supervisord(), signal.SIGKILL)
    assert instance.converge(state="absent")["changed"]
    time.sleep(2)
    assert not instance.processes()
    assert sorted(os.listdir(instance.home)) == ["log", "server.py"]


def test_purge_keeps_to_its_group(instance):
    ports = [free_port() for unused in range(3)]
    instance.converge([instance.service("other", ports[2])], group="others")
    listed = [instance.service("a", ports[0]), instance.service("b", ports[1])]
    instance.converge(listed, group="models", purge=True)
    other = ask(ports[2])["pid"]
    told = instance.converge(listed[:1], group="models")
    assert not told["changed"] and ask(ports[1])
    result = instance.converge(listed[:1], group="models", purge=True)
    assert actions(result) == {"a": "unchanged", "b": "removed"}
    assert ask(ports[1]) is None and ask(ports[2])["pid"] == other
    assert not os.path.exists(instance.home + "/etc/services/b.json")
    assert not instance.converge(listed[:1], group="models", purge=True)["changed"]


def test_a_service_that_does_not_stay_up_fails_with_its_last_words(instance):
    port = free_port()
    good = instance.service("good", port)
    bad = {
        "name": "bad",
        "command": ["/bin/sh", "-c", "for i in $(seq 30); do echo line $i; done; exit 3"],
    }
    for unused in range(2):
        result = instance.converge([good, bad])
        assert (
            result["failed"]
            and "The service bad of %s does not stay up" % instance.name in result["msg"]
        )
        assert "line 30" in result["msg"] and "line 15\n" not in result["msg"]
        assert actions(result)["good"] in ("started", "unchanged") and ask(port)
    fixed = dict(bad, command=["/bin/sleep", "1000"])
    assert actions(instance.converge([good, fixed])) == {"good": "unchanged", "bad": "restarted"}


def test_a_program_that_is_not_there_is_named(instance):
    result = instance.converge([{"name": "lost", "command": ["/nowhere/program"]}])
    assert result["failed"] and "Cannot start /nowhere/program" in result["msg"]


def test_a_service_that_began_to_fail_later_is_not_called_well(instance):
    flag = Path(instance.home, "fails")
    script = "test ! -e %s && exec sleep 1000; echo flag is there; exit 1" % flag
    service = {"name": "a", "command": ["/bin/sh", "-c", script]}
    instance.converge([service])
    flag.touch()
    os.kill(instance.pids("sleep 1000")[0], signal.SIGKILL)
    time.sleep(1.5)
    result = instance.converge([service], start_seconds=1)
    assert result.get("failed") and "flag is there" in result["msg"]
    flag.unlink()
    assert "failed" not in instance.converge([service])
    assert not instance.converge([service])["changed"]


def test_a_service_is_tried_again_about_once_a_second(instance):
    stamps = Path(instance.home, "log", "stamps")
    service = {"name": "a", "command": ["/bin/sh", "-c", "date >> %s; exit 1" % stamps]}
    # supervisord looks at its programs whenever one of them writes something.
    chatty = {"name": "b", "command": ["/bin/sh", "-c", "while sleep 0.02; do echo x; done"]}
    instance.converge([service, chatty])
    before = len(stamps.read_text(encoding="utf-8").splitlines())
    time.sleep(4)
    assert 2 <= len(stamps.read_text(encoding="utf-8").splitlines()) - before <= 5


def test_services_may_finish_when_supervisord_is_killed(instance):
    done = Path(instance.home, "log", "done")
    script = "trap 'sleep 0.5; echo > %s; exit' TERM; while sleep 0.05; do :; done" % done
    instance.converge([{"name": "a", "command": ["/bin/sh", "-c", script]}])
    os.kill(instance.supervisord(), signal.SIGKILL)
    until(done.exists)


def test_logs_roll_over(instance):
    noisy = {
        "name": "a",
        "command": ["/bin/sh", "-c", "yes 0123456789 | head -c 400000; sleep 1000"],
    }
    instance.converge([noisy], log_max_bytes=100000, log_backups=2)
    logs = Path(instance.home, "log")
    until(lambda: {"a.log", "a.log.1", "a.log.2"} <= set(os.listdir(logs)))
    time.sleep(0.5)
    sizes = {path.name: path.stat().st_size for path in logs.glob("a.log*")}
    assert set(sizes) == {"a.log", "a.log.1", "a.log.2"} and max(sizes.values()) < 200000


@pytest.mark.parametrize("seconds", [0.15, 0.25, 0.35, 0.6])
def test_an_interrupted_run_is_finished_by_the_next(instance, seconds):
    ports = free_port(), free_port()

    def services(version):
        environment = {"VERSION": version}
        return [
            instance.service(name, port, environment=environment) for name, port in zip("ab", ports)
        ]

    instance.converge(services("1"))
    process = instance.popen(services("2"))
    time.sleep(seconds)
    process.kill()
    process.wait()
    instance.converge(services("2"))
    assert [ask(port)["environment"]["VERSION"] for port in ports] == ["2", "2"]
    assert not instance.converge(services("2"))["changed"]
    assert len(instance.processes()) == 4


def test_a_supervisord_whose_socket_is_gone_is_replaced(instance):
    port = free_port()
    services = [instance.service("a", port)]
    instance.converge(services)
    first = instance.supervisord()
    os.unlink(instance.home + "/run/supervisor.sock")
    assert actions(instance.converge(services)) == {"a": "started"}
    assert instance.supervisord() != first and ask(port)
    assert len(instance.processes()) == 3


@pytest.mark.parametrize(
    "options, words",
    [
        ({"user": "nobody-has-this-name"}, "The user nobody-has-this-name does not exist"),
        (
            {"supervisor_path": "/nowhere/bin"},
            "supervisord was not found at /nowhere/bin/supervisord",
        ),
        ({"home": "/tmp/" + "x" * 100}, "home is too long"),
        ({"services": [{"name": "a", "command": ["sleep"]}]}, "absolute path of a program"),
    ],
)
def test_bad_input_gets_a_sentence(instance, options, words):
    result = instance.converge(**dict({"services": [instance.service("a", 1)]}, **options))
    assert result["failed"] and words in result["msg"]
    assert not instance.processes()


def test_a_converged_call_costs_little_more_than_a_module_that_does_nothing(instance):
    services = [instance.service("s%d" % number, free_port()) for number in range(8)]
    instance.converge(services)
    time.sleep(0.4)
    # CPU time, and against another module at the same time: the tests share the machine.
    ping = [sys.executable, "-m", "ansible.modules.ping"]
    ours, nothing = [], []
    for unused in range(4):
        before = cpu_seconds()
        assert not instance.converge(services)["changed"]
        ours.append(cpu_seconds() - before)
        before = cpu_seconds()
        subprocess.run(ping, input=b'{"ANSIBLE_MODULE_ARGS": {}}', check=True, capture_output=True)
        nothing.append(cpu_seconds() - before)
    assert min(ours) < 2 * min(nothing), (ours, nothing)


def test_it_works_as_ansible_ships_it(instance, tmp_path):
    """In Ansible's zip file, under the machine's own Python, with the agent read from the zip."""
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("ansible")),
        "localhost",
        "-i",
        "localhost,",
        "-c",
        "local",
    ]
    command += [
        "-e",
        "ansible_python_interpreter=/usr/bin/python3",
        "-m",
        "monitml.stack.local_service",
    ]
    command += ["-a", json.dumps(instance.arguments([instance.service("a", port)]))]
    environment = dict(
        os.environ, ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".collections"), ANSIBLE_HOME=str(tmp_path)
    )
    for word in ("CHANGED", "SUCCESS"):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and word in done.stdout, done.stdout + done.stderr
    assert ask(port)
