# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs beside supervisord so that its services behave as they would under systemd.

The local_service module puts this file on the machine as it is, so it uses the standard
library only and imports nothing of the collection. It has three verbs:

``run SPEC``
    What supervisord starts for every service: becomes the service's command. The command and
    its environment stand in a JSON file, because supervisord's own syntax cannot express every
    value (it strips quotes and cuts at `` ;``).
``watch SETTINGS``
    A program of supervisord that waits for supervisord's death and starts it again.
``start SETTINGS``
    Starts supervisord as its user, with an environment that owes nothing to the caller.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import pwd
import resource
import select
import signal
import socket
import sys
import time

PR_SET_PDEATHSIG = 1
# A service that ends is started again at most once in this time: quick enough to serve again,
# slow enough that one that cannot start does not eat the machine. As RestartSec=1 of systemd.
RESTART_SECONDS = 1.0
# How long what a dead supervisord left behind may take to end by itself.
LEFT_BEHIND_SECONDS = 1.0
# A process that survives SIGKILL this long hangs in the kernel; waiting longer does not help.
KILL_SECONDS = 5.0
# The kernel lets us read the environment of our own processes only, and of all as root.
PROCESS_DIRECTORY = "/proc"


def _read(path):
    """Content of a file as bytes, None where it is gone or not ours to read."""
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except OSError:
        return None


def pids(proc=PROCESS_DIRECTORY):
    """Ids of all processes, ascending."""
    return sorted(int(name) for name in os.listdir(proc) if name.isdigit())


def started_by(server_url, name=None, proc=PROCESS_DIRECTORY):
    """Ids of the processes that the supervisord at server_url started, and of all they started.

    supervisord marks its children's environment and the mark is inherited, so this finds what a
    process group or a session would miss. With a name, only those of that service.
    """
    marks = [("SUPERVISOR_SERVER_URL=" + server_url).encode()]
    if name is not None:
        marks.append(("SUPERVISOR_PROCESS_NAME=" + name).encode())
    found = []
    for pid in pids(proc):
        if pid == os.getpid():
            continue
        environment = (_read(os.path.join(proc, str(pid), "environ")) or b"").split(b"\0")
        if all(mark in environment for mark in marks):
            found.append(pid)
    return found


def arguments(pid, proc=PROCESS_DIRECTORY):
    """The command line of a process as a list, empty where it is gone."""
    command = _read(os.path.join(proc, str(pid), "cmdline")) or b""
    return [part.decode("utf-8", "replace") for part in command.split(b"\0")]


def daemons(configuration, proc=PROCESS_DIRECTORY):
    """Ids of the supervisord processes that were started with this configuration file."""
    found = []
    for pid in pids(proc):
        command = arguments(pid, proc)
        # supervisorctl takes the same file.
        if configuration in command and "supervisord" in map(os.path.basename, command):
            found.append(pid)
    return found


def alive(pid, proc=PROCESS_DIRECTORY):
    """Whether the process exists and is no zombie."""
    stat = _read(os.path.join(proc, str(pid), "stat"))
    return stat is not None and stat.rpartition(b")")[2].split()[0] != b"Z"


def signal_all(targets, number):
    """Sends a signal to each process that is still there."""
    for pid in targets:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass


def stop_all(find, seconds):
    """Ends the processes that find() names: politely, then, after some seconds, by force.

    Asks find() again and again, because a process that is stopped may have started another.
    Returns the ids of those that were there.
    """
    seen = set()
    deadline = time.monotonic() + seconds
    while True:
        left = [pid for pid in find() if alive(pid)]
        if not left or time.monotonic() >= deadline + KILL_SECONDS:
            return sorted(seen)
        if time.monotonic() >= deadline:
            signal_all(left, signal.SIGKILL)
        else:
            signal_all([pid for pid in left if pid not in seen], signal.SIGTERM)
        seen.update(left)
        time.sleep(0.02)


def die_with_parent(number):
    """Has the kernel send this signal to us when our parent dies; it survives exec."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        raise SystemExit("supervisord died while this service was starting")


def base_environment(user, home):
    """Environment that every service has, whoever started supervisord and from where."""
    return {
        "HOME": home,
        "LANG": "C.UTF-8",
        "LOGNAME": user,
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "USER": user,
    }


def wait_for_turn(stamp, now, sleep):
    """Sleeps where the last start, by the stamp's time of change, is not long enough ago."""
    try:
        since = now() - os.stat(stamp).st_mtime
    except OSError:
        since = RESTART_SECONDS
    if 0 <= since < RESTART_SECONDS:
        sleep(RESTART_SECONDS)
    try:
        with open(stamp, "w", encoding="utf-8"):
            pass
    except OSError:
        # A full disk is no reason not to serve.
        pass


def limit_open_files(wanted):
    """Sets how many files the service may have open, within what the machine allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def run(path):
    """Becomes the service that the JSON file describes."""
    with open(path, encoding="utf-8") as handle:
        spec = json.load(handle)
    die_with_parent(getattr(signal, "SIG" + spec["stop_signal"]))
    marks = {key: value for key, value in os.environ.items() if key.startswith("SUPERVISOR_")}
    url, name = marks.get("SUPERVISOR_SERVER_URL"), marks.get("SUPERVISOR_PROCESS_NAME")
    if url and name:
        # Where the last run was killed, its children may live on and hold its ports.
        stop_all(lambda: started_by(url, name), 0)
    wait_for_turn(
        os.path.join(spec["run_directory"], spec["name"] + ".started"), time.time, time.sleep
    )
    if spec.get("open_files_max"):
        limit_open_files(spec["open_files_max"])
    environment = base_environment(spec["user"], spec["home"])
    environment.update(spec["environment"])
    environment.update(marks)
    try:
        os.chdir(spec["directory"])
        os.execve(spec["command"][0], spec["command"], environment)
    except OSError as error:
        raise SystemExit(
            "Cannot start %s in %s: %s" % (spec["command"][0], spec["directory"], error)
        )


def wait_for_death(pid):
    """Returns when the process has ended; without pidfd (Linux before 5.3) it looks again and again."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        while os.getppid() == pid:
            time.sleep(0.2)
        return
    select.select([descriptor], [], [])
    os.close(descriptor)


def note(settings, text):
    """Adds a line to supervisord's log: our own output went to the supervisord that died."""
    try:
        with open(settings["log"], "a", encoding="utf-8") as handle:
            handle.write(time.strftime("%Y-%m-%d %H:%M:%S") + ",000 WARN watchdog: " + text + "\n")
    except OSError:
        pass


def wake(settings):
    """Has supervisord start its programs now: by itself it first waits a second for a request."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as request:
            request.connect(settings["server_url"][len("unix://") :])
    except OSError:
        pass


def supervisord(settings):
    """Runs supervisord, which puts itself into the background. Returns its exit code."""
    return os.spawnve(
        os.P_WAIT,
        settings["supervisord"],
        [settings["supervisord"], "-c", settings["configuration"]],
        base_environment(settings["user"], settings["home"]),
    )


@contextlib.contextmanager
def starting_held(directory):
    """Holds the right to start or end supervisord: the module's and the watchdog's by turns.

    Without it each would start one, or end what the other has just started. The lock is the
    kernel's, on the directory of the services, so it goes with whoever holds it.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        # Removed: nobody starts anything from there.
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def watch(path):
    """Starts supervisord again whenever it was killed. A deliberate stop ends us first."""
    with open(path, encoding="utf-8") as handle:
        settings = json.load(handle)
    parent = os.getppid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    # Not the pid file: that may be gone while supervisord is well.
    if parent in daemons(settings["configuration"]):
        wait_for_death(parent)
    # Our output is read by nobody now, and supervisord dies of the first line it cannot write.
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    while not started_again(path, settings):
        time.sleep(RESTART_SECONDS)


def started_again(path, settings):
    """Starts a supervisord that was killed. Returns whether there is nothing more to do."""
    with starting_held(os.path.dirname(path)):
        # The settings go when the instance is removed, and with them the reason to try. The
        # processes of a supervisord that somebody else started bear the same mark: they stay.
        if not os.path.exists(path) or daemons(settings["configuration"]):
            return True
        left = stop_all(lambda: started_by(settings["server_url"]), LEFT_BEHIND_SECONDS)
        note(settings, "supervisord was killed; ended the %d processes it left behind" % len(left))
        code = supervisord(settings)
        note(settings, "started supervisord again, exit code %d" % code)
        if code == 0:
            wake(settings)
        return code == 0


def start(path):
    """Starts supervisord as its user. Exits with its exit code."""
    with open(path, encoding="utf-8") as handle:
        settings = json.load(handle)
    account = pwd.getpwnam(settings["user"])
    if os.getuid() != account.pw_uid:
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    os.chdir(settings["home"])
    raise SystemExit(supervisord(settings))


if __name__ == "__main__":
    {"run": run, "watch": watch, "start": start}[sys.argv[1]](sys.argv[2])
