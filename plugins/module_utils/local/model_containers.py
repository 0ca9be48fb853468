# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Model servers that are containers, seen as services are: how they stand, and what they wrote last.

engine is what has call() as image.engine.Engine has it.
"""

from __future__ import annotations

from .service_watch import Seen


class Containers:
    """The containers of an instance, by the names of their servers."""

    def __init__(self, engine, instance):
        self._engine, self._instance = engine, instance

    def _name(self, name):
        return "%s-%s" % (self._instance, name)

    def _inspect(self, name):
        return self._engine.call("inspect_container", self._name(name)) or {}

    def look(self, names):
        """name -> Seen."""
        seen = {}
        for name in names:
            found = self._inspect(name)
            state = found.get("State", {})
            running = bool(state.get("Running")) and not state.get("Restarting")
            seen[name] = Seen(
                pid=state.get("Pid", 0) if running else 0,
                running=running,
                settled=running,
                ended=bool(found) and (not running or found.get("RestartCount", 0) > 0),
            )
        return seen

    def killed_for_memory(self, name):
        """Whether the kernel ended it because it had no memory left."""
        return bool(self._inspect(name).get("State", {}).get("OOMKilled"))

    def log(self, name):
        """Where a person reads its log, as long as it is there."""
        return "docker logs %s" % self._name(name)

    def log_tail(self, name, lines):
        """The last lines of its log."""
        log = self._engine.call("logs", self._name(name), stdout=True, stderr=True, tail=lines)
        return (log or b"").decode("utf-8", "replace").strip()
