# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Converges the services of an instance: what local_service does, the same for either backend.

A record of what each service was last started from, etc/services/applied.json, decides about
restarts. A service is taken out of it before its files change and put back when it runs, so
that after an interrupted run the next one finishes the work.
"""

from __future__ import annotations

import json
import os

from . import service_units as units
from .service_watch import await_steady, unsteady

_LOG_LINES = 15


class ServiceFailed(units.ServiceError):
    """Services do not stay up. services is what the module returns of them."""

    def __init__(self, message, services):
        super().__init__(message)
        self.services = services


class LocalServices:
    """The services of one instance. backend is a Supervisor or a Systemd, disk the module files."""

    def __init__(self, instance, backend, disk):
        self.instance = instance
        self._backend = backend
        self._disk = disk
        self._record_path = instance.services_directory + "/applied.json"

    # ------------------------------------------------------------ present

    def present(self, given, group, keep, start_seconds, account, check, clock):
        """Has the given services run. Returns what the module returns; raises ServiceError.

        keep names services of the group that may stay beside the given ones; with None all may.
        account is the pwd entry of the user, None in check mode where there is none yet;
        clock has monotonic() and sleep().
        """
        backend = self._backend
        services = [units.complete_service(one, self.instance, group) for one in given]
        units.check_names(services)
        names = [service["name"] for service in services]
        here = backend.present()
        dropped = sorted(
            name
            for name, owner in here.items()
            if keep is not None and owner == group and name not in {*names, *keep}
        )
        if not services and not here:
            return {"changed": False, "services": []}

        files = backend.files(services, dropped)
        before = {path: self._disk.read(path) for path in files}
        rewritten = [path for path in files if before[path] != files[path]]
        wanted = {service["name"]: backend.digest(service) for service in services}
        own = backend.own_digests()
        record = self._record()
        seen = backend.look(names + dropped)
        stale = {name for name, value in own.items() if record.get(name) != value}
        actions = units.plan(
            wanted,
            {} if backend.restarts_all(stale) else record,
            {name for name in names if backend.own_files(name)[0] in rewritten},
            {name for name in names if seen[name].running},
            dropped,
        )
        touched = [name for name, action in actions.items() if action != "unchanged"]
        changed = bool(touched or rewritten or stale or backend.unhealthy())
        result = {
            "changed": changed,
            "diff": [
                self._disk.difference(path, before[path], files[path])
                for path in self._shown(rewritten)
            ]
            + [self._removal(path) for name in dropped for path in backend.own_files(name)[:1]],
        }
        if changed and not check:
            backend.require()
            self._write_record(record, set(touched) | stale, account)
            self._replace(rewritten, files, dropped, account)
            backend.apply(actions, stale)
        failed = []
        if not check:
            watched = [
                name for name in names if name in touched or unsteady(seen[name], start_seconds)
            ]
            failed = await_steady(
                lambda: backend.look(names), watched, start_seconds, clock.monotonic, clock.sleep
            )
            if changed or failed:
                done = {
                    name: value
                    for name, value in {**record, **wanted, **own}.items()
                    if name not in dropped
                }
                self._write_record(done, failed, account)
            seen = backend.look(names)
        result["services"] = [
            self._report(name, action, seen, check) for name, action in actions.items()
        ]
        if failed:
            raise ServiceFailed(self._complaint(failed, start_seconds), result["services"])
        return result

    def _shown(self, paths):
        """Files that are worth a look in the diff: not the agent's source."""
        return [path for path in paths if path != self.instance.agent]

    def _removal(self, path):
        return self._disk.difference(path, self._disk.read(path), None)

    def _report(self, name, action, seen, check):
        pid = seen[name].pid if name in seen and action != "removed" else 0
        if check and action != "unchanged":
            pid = 0
        return {"name": name, "action": action, "pid": pid or None, "log": self._backend.log(name)}

    def _complaint(self, failed, start_seconds):
        parts = []
        for name in failed:
            tail = self._backend.log_tail(name, _LOG_LINES) or "(it wrote nothing)"
            parts.append(
                "The service %s of %s does not stay up for %g s; it is being tried again and again. "
                "Its last words (%s):\n%s"
                % (name, self.instance.name, start_seconds, self._backend.log(name), tail)
            )
        return "\n\n".join(parts)

    # ------------------------------------------------------------ absent

    def absent(self, check):
        """Leaves nothing of the instance but its logs. Returns what the module returns."""
        backend = self._backend
        names = sorted(backend.present())
        paths = self._all_files(names)
        changed = bool(paths) or backend.lingering()
        texts = [
            path
            for path in self._shown(paths)
            if path.endswith((".json", ".conf", ".service", ".target"))
        ]
        result = {
            "changed": changed,
            "diff": [self._removal(path) for path in texts],
            "services": [self._report(name, "removed", {}, check) for name in names],
        }
        if changed and not check:
            backend.dismantle(names)
            # Asked again: what was just starting may have written since.
            for path in sorted({*paths, *self._all_files(names)}):
                self._disk.remove(path)
            for directory in (self.instance.services_directory, self.instance.run_directory):
                self._disk.remove_empty(directory)
            self._disk.remove_empty(os.path.dirname(self.instance.services_directory))
            backend.dismantled()
        return result

    # ------------------------------------------------------------ files

    def _all_files(self, names):
        """Files of the instance that are there, its logs left out."""
        paths = [path for name in names for path in self._backend.own_files(name)]
        paths += self._backend.shared_files() + [self._record_path]
        return [path for path in paths if os.path.lexists(path)]

    def _replace(self, rewritten, files, dropped, account):
        """Brings files up to date; services that go are stopped before theirs do."""
        self._make_directories(account)
        if dropped:
            self._backend.remove(dropped)
        for path in rewritten:
            self._disk.write(
                path, files[path], 0o644 if path.endswith(".target") else 0o640, account.pw_gid
            )
        for name in dropped:
            for path in self._backend.own_files(name):
                self._disk.remove(path)

    def _make_directories(self, account):
        us, user = os.geteuid(), account.pw_uid
        for path, mode, uid, own in (
            (self.instance.home, 0o755, user, False),
            (os.path.dirname(self.instance.services_directory), 0o755, us, False),
            (self.instance.services_directory, 0o750, us, True),
            (self.instance.run_directory, 0o750, user, True),
            (self.instance.log_directory, 0o750, user, False),
        ):
            self._disk.make_directory(path, mode, uid, account.pw_gid, own)

    def _record(self):
        """name -> digest of what was last started successfully."""
        try:
            found = json.loads(self._disk.read(self._record_path) or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _write_record(self, record, without, account):
        kept = {name: value for name, value in record.items() if name not in without}
        self._make_directories(account)
        self._disk.write(
            self._record_path,
            json.dumps(kept, indent=2, sort_keys=True) + "\n",
            0o640,
            account.pw_gid,
        )
