# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services as systemd units. The only place that runs systemctl and journalctl."""

from __future__ import annotations

import glob
import os

from . import processes
from . import service_units as units
from . import systemd_text as text
from .service_watch import Seen

_PROPERTIES = "Id,ActiveState,SubState,MainPID,UnitFileState,NeedDaemonReload"


class Systemd:
    """The services of one instance.

    run   AnsibleModule.run_command or alike
    find  name of a program -> its path, None where it is not there
    """

    def __init__(self, instance, run, find):
        self.instance = instance
        self._run = run
        self._find = find
        self._shown = {}

    def require(self):
        """Raises ServiceError where services could not be started, before anything changes."""
        self._path_of("systemctl")

    def _path_of(self, program):
        path = self._find(program)
        if path is None:
            raise units.ServiceError(
                "%s was not found, so this machine does not run systemd; set backend to supervisor."
                % program
            )
        return path

    def _call(self, program, *arguments):
        path = self._path_of(program)
        code, out, error = self._run([path] + list(arguments))
        if code != 0:
            raise units.ServiceError(
                "%s %s failed: %s"
                % (
                    program,
                    " ".join(arguments),
                    error.strip() or out.strip() or "exit code %d" % code,
                )
            )
        return out

    def _path(self, unit):
        return "%s/%s" % (self.instance.systemd_directory, unit)

    # ------------------------------------------------------------ what is there

    def present(self):
        """name -> group of the services whose unit files this module wrote for the instance."""
        prefix, suffix = self.instance.name + "-", ".service"
        found = {}
        for path in glob.glob(self._path(prefix + "*" + suffix)):
            with open(path, encoding="utf-8", errors="replace") as handle:
                owner = text.owner(handle.readline())
            # The prefix alone would also take the units of an instance called <name>-other.
            if owner and owner[0] == self.instance.name:
                found[os.path.basename(path)[len(prefix) : -len(suffix)]] = owner[1]
        return found

    def files(self, services, dropped=()):
        """path -> text of the files that the services need."""
        wanted = {
            self._path(self.instance.unit(s["name"])): text.unit(self.instance, s) for s in services
        }
        wanted[self._path(self.instance.target)] = text.target(self.instance)
        return wanted

    def own_files(self, name):
        """Files that belong to one service alone."""
        return [self._path(self.instance.unit(name))]

    def shared_files(self):
        """Files that go when the instance goes."""
        return [self._path(self.instance.target)]

    def digest(self, service):
        """Digest of what the service is started from."""
        return units.digest(text.unit(self.instance, service))

    def own_digests(self):
        """systemd itself is nothing of ours that would have to be started again."""
        return {}

    def restarts_all(self, stale):
        """So it never takes the services with it."""
        return False

    def lingering(self):
        """systemd leaves no process of a stopped unit."""
        return False

    def look(self, names):
        """name -> Seen."""
        self._show(names)
        seen = {}
        for name in names:
            shown = self._shown.get(self.instance.unit(name), {})
            pid = int(shown.get("MainPID", 0))
            active = shown.get("ActiveState")
            seen[name] = Seen(
                pid=pid,
                running=active in ("active", "reloading") and pid > 0,
                settled=active != "activating",
                ended=shown.get("SubState") == "auto-restart" or active == "failed",
                seconds=processes.alive_seconds(pid) if pid else 0.0,
            )
        return seen

    def _show(self, names):
        self._shown = {}
        if not self._find("systemctl") or not names:
            return
        listed = [self.instance.unit(name) for name in names] + [self.instance.target]
        for block in self._call("systemctl", "show", "--property=" + _PROPERTIES, *listed).split(
            "\n\n"
        ):
            shown = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            self._shown[shown.get("Id")] = shown

    def unhealthy(self):
        """Whether the supervision itself needs work; after look()."""
        target = self._shown.get(self.instance.target, {})
        return bool(self._shown) and not (
            all(self._enabled(unit) for unit in self._shown)
            and target.get("ActiveState") == "active"
        )

    def _enabled(self, unit):
        shown = self._shown.get(unit, {})
        return shown.get("UnitFileState") == "enabled" and shown.get("NeedDaemonReload") != "yes"

    # ------------------------------------------------------------ what is done

    def remove(self, names):
        """Stops services; their files are still there and go next."""
        loaded = [self.instance.unit(name) for name in names]
        if loaded:
            self._call("systemctl", "disable", "--now", *loaded)

    def apply(self, actions, stale):
        """Has systemd read the files, which are in place, and starts what has to be started."""
        self._call("systemctl", "daemon-reload")
        kept = [name for name, action in actions.items() if action != "removed"]
        chosen = [self.instance.unit(name) for name in kept] + [self.instance.target]
        self._show(kept)
        asleep = [unit for unit in chosen if not self._enabled(unit)]
        if asleep:
            self._call("systemctl", "enable", *asleep)
        touched = [
            self.instance.unit(name) for name in kept if actions[name] in ("started", "restarted")
        ]
        if touched:
            self._call("systemctl", "restart", *touched)
        # Last, because it starts what it wants, and would start the others twice.
        self._call("systemctl", "start", self.instance.target)

    def dismantle(self, names):
        """Stops the named services, which are all of the instance, and their target."""
        self.remove(names)
        if os.path.exists(self._path(self.instance.target)):
            self._call("systemctl", "disable", "--now", self.instance.target)

    def dismantled(self):
        """After the files are gone: has systemd forget them."""
        self._call("systemctl", "daemon-reload")

    def log(self, name):
        """Where a person reads the service's log."""
        return "journalctl --unit=%s" % self.instance.unit(name)

    def log_tail(self, name, lines):
        """The last lines of a service's log."""
        try:
            unit = "--unit=" + self.instance.unit(name)
            return self._call(
                "journalctl", unit, "--lines=%d" % lines, "--output=cat", "--no-pager"
            ).strip()
        except units.ServiceError as error:
            return str(error)
