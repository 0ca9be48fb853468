# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services as programs of one supervisord per instance. The only place that talks to supervisord.

It speaks XML-RPC over supervisord's Unix socket, with the standard library alone, because the
module runs under the machine's own Python and not in supervisord's virtual environment.
"""

from __future__ import annotations

import glob
import http.client
import json
import os
import signal
import socket
import time
import xmlrpc.client

from . import processes
from . import service_agent as agent
from . import service_units as units
from . import supervisor_text as text
from .service_watch import Seen

# https://supervisord.org/subprocess.html#process-states and supervisor/xmlrpc.py, class Faults
_STARTING, _RUNNING, _BACKOFF, _STOPPING, _EXITED, _FATAL = 10, 20, 30, 40, 100, 200
_SHUTDOWN_STATE, _BAD_NAME, _NOT_RUNNING, _STILL_RUNNING = 6, 10, 70, 91
_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.02


class NotThere(Exception):
    """No supervisord answers at the socket, or it is shutting down."""


class Hangs(units.ServiceError):
    """supervisord takes connections and does not answer."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path):
        super().__init__()
        self._path = path

    def make_connection(self, host):
        if self._connection[1] is None:
            self._connection = host, _UnixConnection(self._path)
        return self._connection[1]


class Rpc:
    """supervisord's own calls. Raises NotThere, ServiceError or, for what it refuses, Fault."""

    def __init__(self, path):
        self._path = path
        self._proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(path))

    def __call__(self, method, *arguments, **options):
        """Result of a method of its supervisor namespace; accept lists faults that answer None."""
        try:
            return getattr(self._proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == _SHUTDOWN_STATE:
                raise NotThere() from fault
            if fault.faultCode in options.get("accept", ()):
                return None
            raise units.ServiceError(
                "supervisord refused %s%r: %s" % (method, arguments, fault.faultString)
            ) from fault
        except (FileNotFoundError, ConnectionError, http.client.HTTPException) as error:
            raise NotThere() from error
        except PermissionError as error:
            raise units.ServiceError(
                "The socket %s of supervisord belongs to another user; become that user or root."
                % self._path
            ) from error
        except socket.timeout as error:
            raise Hangs(
                "supervisord at %s takes connections but did not answer for %d s; it hangs or is stopped."
                % (self._path, _ANSWER_SECONDS)
            ) from error


class Supervisor:
    """The services of one instance.

    run    AnsibleModule.run_command or alike
    python path of the Python that may run the agent as root
    """

    def __init__(self, instance, run, python):
        self.instance = instance
        self._run = run
        self._python = python
        self._rpc = Rpc(instance.socket)
        self._infos = None

    # ------------------------------------------------------------ what is there

    def _specs(self):
        """name -> service of all services of the instance, of whichever group."""
        found = {}
        for path in glob.glob(self.instance.services_directory + "/*.json"):
            name = os.path.basename(path)[: -len(".json")]
            if name in units.RESERVED:
                continue
            try:
                with open(path, encoding="utf-8") as handle:
                    found[name] = json.load(handle)
            except ValueError:
                # Files are replaced whole, so somebody wrote into it: rewritten or removed below.
                found[name] = {"name": name, "group": ""}
        return found

    def present(self):
        """name -> group of the services whose files are here."""
        return {name: spec.get("group", "") for name, spec in self._specs().items()}

    def files(self, services, dropped=()):
        """path -> text of the files that the services need; dropped names services that go."""
        instance = self.instance
        wanted = {
            "%s/%s.json"
            % (instance.services_directory, service["name"]): text.spec(instance, service)
            for service in services
        }
        names = {service["name"] for service in services} | set(dropped)
        others = [s for name, s in self._specs().items() if name not in names and "command" in s]
        wanted[instance.agent] = _agent_source()
        wanted[instance.settings] = text.settings(instance)
        wanted[instance.configuration] = text.configuration(instance, list(services) + others)
        return wanted

    def own_files(self, name):
        """Files that belong to one service alone."""
        return ["%s/%s.json" % (self.instance.services_directory, name), self._stamp(name)]

    def shared_files(self):
        """Files that go when the instance goes."""
        instance = self.instance
        names = [instance.agent, instance.settings, instance.configuration, instance.socket]
        # One that was killed while it started has left its socket under its first name.
        names += glob.glob(instance.socket + ".*") + glob.glob(self._stamp("*"))
        return names + [instance.run_directory + "/supervisord.pid"]

    def _stamp(self, name):
        return "%s/%s.started" % (self.instance.run_directory, name)

    def digest(self, service):
        """Digest of what the service is started from."""
        return units.digest(
            text.spec(self.instance, service),
            text.program(self.instance, service),
        )

    def own_digests(self):
        """name -> digest of what supervisord, called supervisord, and its watchdog are started from."""
        return {
            "supervisord": units.digest(text.base(self.instance), text.settings(self.instance)),
            units.WATCHDOG: units.digest(text.watchdog(self.instance), _agent_source()),
        }

    def restarts_all(self, stale):
        """Whether every service has to start again because of these stale parts of the supervision."""
        return "supervisord" in stale and self._infos is not None

    def look(self, names):
        """name -> Seen."""
        try:
            self._infos = {info["name"]: info for info in self._rpc("getAllProcessInfo")}
        except NotThere:
            self._infos = None
        seen = {}
        for name in names:
            info = (self._infos or {}).get(name, {})
            pid, state = info.get("pid", 0), info.get("state")
            seen[name] = Seen(
                pid=pid,
                running=state in (_STARTING, _RUNNING) and pid > 0,
                settled=pid > 0 and self.instance.agent not in agent.arguments(pid),
                ended=state in (_BACKOFF, _EXITED, _FATAL),
                seconds=processes.alive_seconds(pid) if pid else 0.0,
            )
        return seen

    def unhealthy(self):
        """Whether the supervision itself needs work; after look()."""
        return self._infos is None or self._infos.get(units.WATCHDOG, {}).get("state") != _RUNNING

    # ------------------------------------------------------------ what is done

    def remove(self, names):
        """Stops services; their files are still there and go next."""
        try:
            self._stop(names)
        except NotThere:
            pass
        for name in names:
            self._sweep(name)

    def require(self):
        """Raises ServiceError where services could not be started, before anything changes."""
        program = self.instance.supervisor_path + "/supervisord"
        if not os.access(program, os.X_OK):
            raise units.ServiceError(
                "supervisord was not found at %s; install the package supervisor into a virtual environment "
                "and give its bin directory as supervisor_path." % program
            )

    def apply(self, actions, stale):
        """Has supervisord read the files, which are in place, and starts what has to be started.

        actions name -> what plan() says; stale names of own_digests() that are not up to date
        """
        with agent.starting_held(self.instance.services_directory):
            if "supervisord" in stale:
                self._shut_down()
            try:
                self._reload(actions, stale)
            except NotThere:
                self._start()

    def _reload(self, actions, stale):
        """Has a supervisord that runs do what changed. Raises NotThere where none does."""
        self._rpc("getPID")
        touched = [name for name, action in actions.items() if action != "unchanged"]
        if units.WATCHDOG in stale or self.unhealthy():
            touched.append(units.WATCHDOG)
        self._stop(touched)
        self._rpc("reloadConfig")
        for name in touched:
            self._forget(name)
            if name != units.WATCHDOG:
                self._sweep(name)
            if actions.get(name) != "removed":
                # Nobody should wait for a start that a person asked for.
                _unlink(self._stamp(name))
                self._rpc("addProcessGroup", name)

    def lingering(self):
        """Whether a process of the instance is left."""
        return bool(self._daemons() or agent.started_by(self.instance.server_url))

    def dismantle(self, names):
        """Ends supervisord and whatever it or an earlier one left, whether it knows the names or not."""
        with agent.starting_held(self.instance.services_directory):
            self._shut_down()

    def dismantled(self):
        """After the files are gone: nothing has to be told."""

    def log(self, name):
        """Where a person reads the service's log."""
        return self.instance.log(name)

    def log_tail(self, name, lines):
        """The last lines of a service's log."""
        try:
            # The log's directory is the service's: do not follow a link out of it.
            descriptor = os.open(self.instance.log(name), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            return str(error)
        with open(descriptor, "rb") as handle:
            handle.seek(max(0, os.fstat(descriptor).st_size - 65536))
            return "\n".join(handle.read().decode("utf-8", "replace").splitlines()[-lines:])

    def _answers(self):
        try:
            self._rpc("getPID")
            return True
        except NotThere:
            return False

    def _stop(self, names):
        """Stops programs, all at once, and waits until they have stopped.

        supervisord itself kills what does not stop in its time, so this ends.
        """
        while True:
            states = {
                info["name"]: info["state"]
                for info in self._rpc("getAllProcessInfo")
                if info["name"] in names
            }
            # Asked again each time: one that had just ended by itself is started again meanwhile.
            for name in [
                name for name in names if states.get(name) in (_STARTING, _RUNNING, _BACKOFF)
            ]:
                self._rpc("stopProcessGroup", name, False, accept=[_BAD_NAME, _NOT_RUNNING])
            if not set(states.values()) & {_STARTING, _RUNNING, _BACKOFF, _STOPPING}:
                return
            time.sleep(_POLL_SECONDS)

    def _forget(self, name):
        """Removes a stopped program from what supervisord runs."""
        while any(info["name"] == name for info in self._rpc("getAllProcessInfo")):
            if self._rpc("removeProcessGroup", name, accept=[_BAD_NAME, _STILL_RUNNING]):
                return
            self._stop([name])

    def _sweep(self, name=None):
        agent.stop_all(
            lambda: agent.started_by(self.instance.server_url, name), agent.LEFT_BEHIND_SECONDS
        )

    def _shut_down(self):
        """Ends supervisord in order, and by force what of it does not answer."""
        try:
            # The watchdog is among them and goes first, or it would see a death to undo. Stopped
            # together rather than one after the other, as supervisord does by itself.
            self._stop([units.WATCHDOG])
            self._stop([info["name"] for info in self._rpc("getAllProcessInfo")])
            self._rpc("shutdown")
        except (NotThere, Hangs):
            # Its socket may be gone while it is well: it hears this all the same.
            agent.signal_all(self._daemons(), signal.SIGTERM)
        deadline = time.monotonic() + _ANSWER_SECONDS
        while self._daemons() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        self._sweep()
        agent.stop_all(self._daemons, agent.LEFT_BEHIND_SECONDS)

    def _daemons(self):
        return [pid for pid in agent.daemons(self.instance.configuration) if agent.alive(pid)]

    def _start(self):
        """Starts supervisord, with all its programs, and waits until it answers."""
        instance = self.instance
        self._shut_down()
        for path in glob.glob(self._stamp("*")):
            _unlink(path)
        code, out, error = self._run(
            [self._python, "-IS", instance.agent, "start", instance.settings]
        )
        if not self._await_answer(_ANSWER_SECONDS):
            raise units.ServiceError(
                "supervisord did not start (exit code %d): %s"
                % (code, error.strip() or out.strip() or "see its log")
            )

    def _await_answer(self, seconds):
        deadline = time.monotonic() + seconds
        while not self._answers():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def _agent_source():
    """Text of the agent. From the loader, because on the target it lies in Ansible's zip file."""
    return agent.__spec__.loader.get_data(agent.__file__).decode("utf-8")


def _unlink(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
