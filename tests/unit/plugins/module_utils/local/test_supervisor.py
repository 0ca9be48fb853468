# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can go wrong in talking to supervisord; the rest is tested against a real one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socketserver
import tempfile
import threading
import xmlrpc.client
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import service_units as units
from ansible_collections.monitml.stack.plugins.module_utils.local import supervisor


class _Handler(SimpleXMLRPCRequestHandler):
    disable_nagle_algorithm = False

    def address_string(self):
        return "unix"

    def log_message(self, *unused):
        pass


class _Server(socketserver.ThreadingUnixStreamServer, SimpleXMLRPCDispatcher):
    daemon_threads = True

    def __init__(self, path):
        socketserver.ThreadingUnixStreamServer.__init__(self, path, _Handler)
        SimpleXMLRPCDispatcher.__init__(self)
        self.logRequests = False


@contextlib.contextmanager
def answering(path, **methods):
    server = _Server(path)
    for name, method in methods.items():
        server.register_function(method, "supervisor." + name)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield supervisor.Rpc(path)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def path():
    # Not below pytest's directory, whose path may be too long for a socket.
    directory = tempfile.mkdtemp(dir="/tmp")
    yield directory + "/s"
    shutil.rmtree(directory)


def fault(code):
    def method():
        raise xmlrpc.client.Fault(code, "WORDS")

    return method


def test_an_answer_and_a_fault_that_is_expected(path):
    with answering(path, getPID=lambda: 7, stopProcess=fault(70)) as rpc:
        assert rpc("getPID") == 7
        assert rpc("stopProcess", accept=[70]) is None
        with pytest.raises(units.ServiceError, match="refused stopProcess.*WORDS"):
            rpc("stopProcess", accept=[10])


def test_a_supervisord_that_shuts_down_counts_as_gone(path):
    with answering(path, getPID=fault(6)) as rpc:
        with pytest.raises(supervisor.NotThere):
            rpc("getPID")


def test_no_socket_and_a_stale_socket_count_as_gone(path):
    with pytest.raises(supervisor.NotThere):
        supervisor.Rpc(path)("getPID")
    with answering(path, getPID=lambda: 7):
        pass
    assert os.path.exists(path)
    with pytest.raises(supervisor.NotThere):
        supervisor.Rpc(path)("getPID")


def test_a_supervisord_that_does_not_answer_is_named(path, monkeypatch):
    monkeypatch.setattr(supervisor, "_ANSWER_SECONDS", 0.1)
    with socketserver.UnixStreamServer(path, socketserver.BaseRequestHandler):
        with pytest.raises(supervisor.Hangs, match="hangs or is stopped"):
            supervisor.Rpc(path)("getPID")


def test_a_new_supervisord_is_reached_with_the_old_connection(path):
    with answering(path, getPID=lambda: 7) as rpc:
        assert rpc("getPID") == 7
    os.unlink(path)
    with pytest.raises(supervisor.NotThere):
        rpc("getPID")
    with answering(path, getPID=lambda: 8):
        assert rpc("getPID") == 8


def info(name, state, pid=0):
    return {"name": name, "state": state, "pid": pid}


def make_backend(path):
    home = os.path.dirname(path)
    instance = units.Instance("m", home, "root", home + "/log", 1000, 2, "/opt/venv/bin")
    os.mkdir(instance.run_directory)
    return supervisor.Supervisor(instance, None, "python3")


def test_a_service_that_still_is_the_agent_has_not_started_yet(path, monkeypatch):
    backend = make_backend(path)
    infos = [info("a", 20, os.getpid()), info("b", 100), info("c", 10, os.getpid())]
    with answering(backend.instance.socket, getAllProcessInfo=lambda: infos):
        seen = backend.look(["a", "b", "c", "d"])
        assert seen["a"].running and seen["a"].settled and seen["a"].seconds > 0
        assert seen["b"].ended and not seen["b"].running
        assert seen["c"].running and not seen["c"].ended
        assert seen["d"] == supervisor.Seen()
        waiting = ["/opt/venv/bin/python3", "-IS", backend.instance.agent, "run", "x.json"]
        monkeypatch.setattr(supervisor.agent, "arguments", lambda pid: waiting)
        assert not backend.look(["a"])["a"].settled


def test_a_restart_is_of_one_service_and_need_not_wait(path):
    backend = make_backend(path)
    states, calls = {"a": 20, "b": 20, supervisor.units.WATCHDOG: 20}, []
    stamp = backend.own_files("a")[1]
    with open(stamp, "w", encoding="utf-8"):
        pass

    def call(name, act=lambda *unused: True):
        def method(*arguments):
            calls.append((name,) + arguments)
            return act(*arguments)

        return method

    methods = {
        "getPID": lambda: 7,
        "getAllProcessInfo": lambda: [info(*one) for one in states.items()],
        "stopProcessGroup": call("stop", lambda name, wait: states.update({name: 0}) or []),
        "reloadConfig": call("reload"),
        "removeProcessGroup": call("remove", lambda name: bool(states.pop(name) == 0)),
        "addProcessGroup": call("add"),
    }
    with answering(backend.instance.socket, **methods):
        backend.look(["a", "b"])
        backend.apply({"a": "restarted", "b": "unchanged"}, set())
    assert calls == [("stop", "a", False), ("reload",), ("remove", "a"), ("add", "a")]
    assert not os.path.exists(stamp)


def test_what_somebody_wrote_into_a_file_is_overwritten(tmp_path):
    home = str(tmp_path)
    instance = units.Instance("m", home, "root", home + "/log", 1000, 2, "/opt/venv/bin")
    os.makedirs(instance.services_directory)
    for name, text in (("a", "broken"), ("applied", "{}"), ("supervisord", "{}")):
        with open(
            "%s/%s.json" % (instance.services_directory, name), "w", encoding="utf-8"
        ) as handle:
            handle.write(text)
    backend = supervisor.Supervisor(instance, None, "python3")
    assert backend.present() == {"a": ""}
    assert "[program:a]" not in backend.files([])[instance.configuration]


def test_the_end_of_a_log_is_read_without_following_links(tmp_path):
    home = str(tmp_path)
    instance = units.Instance("m", home, "root", home, 1000, 2, "/opt/venv/bin")
    backend = supervisor.Supervisor(instance, None, "python3")
    (tmp_path / "a.log").write_text("".join("line %d\n" % number for number in range(100000)))
    assert backend.log_tail("a", 2) == "line 99998\nline 99999"
    (tmp_path / "b.log").symlink_to("/etc/passwd")
    assert "root:" not in backend.log_tail("b", 15)
    assert "No such file" in backend.log_tail("c", 15)
