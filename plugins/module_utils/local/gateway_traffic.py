# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moves the gateway's traffic so that no request is lost: new servers first, old ones last.

The gateway watches two files. Its own administration tells what it took of them; which requests
old servers still hold, the kernel tells.
"""

from __future__ import annotations

import http.client
import json
import urllib.parse

from .gateway import discovery
from .record import endpoints

_POLL_SECONDS = 0.02
_ANSWER_SECONDS = 5.0


class GatewayError(Exception):
    """The gateway does not do as it is told; a sentence."""


def text_of(content):
    """Text of a file that the gateway watches."""
    return json.dumps(content, indent=4, sort_keys=True) + "\n"


def resources_of(text):
    """The clusters in the text of a file; none where it is not as we write it."""
    try:
        found = json.loads(text or "null")
        endpoints(found)
    except (ValueError, KeyError, TypeError):
        return []
    return found["resources"]


def between(wanted, current):
    """The clusters while the traffic moves: the wanted ones, and current ones of other names.

    wanted: a discovery response; current: resources. Of one name there is one: its new endpoints
    take over from the old ones when the gateway has found them well.
    """
    names = {cluster["name"] for cluster in wanted["resources"]}
    others = [cluster for cluster in current if cluster["name"] not in names]
    return discovery([*wanted["resources"], *others]) if others else wanted


class Admin:
    """The gateway's administration. OSError and HTTPException become GatewayError."""

    def __init__(self, url):
        self._url = urllib.parse.urlsplit(url)

    def _get(self, path):
        connection = http.client.HTTPConnection(
            self._url.hostname, self._url.port, timeout=_ANSWER_SECONDS
        )
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise GatewayError("its administration at %s says: %s" % (self._url.netloc, error)) from error
        finally:
            connection.close()

    def routes_version(self):
        """The version of the routes that it goes by; "" where it has none."""
        for config in self._get("/config_dump?resource=dynamic_route_configs").get("configs", []):
            return config.get("version_info", "")
        return ""

    def clusters(self):
        """cluster -> {"hosts": {port: whether it is well}, "requests": how many are under way}."""
        found = {}
        for status in self._get("/clusters?format=json").get("cluster_statuses", []):
            one = found.setdefault(status["name"], {"hosts": {}, "requests": 0})
            for host in status.get("host_statuses", []):
                port = host["address"]["socket_address"]["port_value"]
                one["hosts"][port] = not host.get("health_status", {}).get("failed_active_health_check")
                one["requests"] += sum(
                    int(stat.get("value", 0))
                    for stat in host.get("stats", [])
                    if stat.get("name") == "rq_active"
                )
        return found


class Traffic:
    """The traffic of one gateway.

    directory  of clusters.json and routes.json
    admin      an Admin
    disk       the module files
    held       ports -> how many connections are open to them
    clock      has monotonic() and sleep()
    """

    def __init__(self, directory, admin, disk, held, clock):
        self._paths = {name: "%s/%s.json" % (directory, name) for name in ("clusters", "routes")}
        self._admin, self._disk, self._held, self._clock = admin, disk, held, clock

    def plan(self, clusters, routes):
        """(changes of the files as [path, before, after], ports that get no requests afterwards)."""
        wanted = {"clusters": text_of(clusters), "routes": text_of(routes)}
        changes = []
        for name, path in self._paths.items():
            before = self._disk.read(path)
            if before != wanted[name]:
                changes.append((path, before, wanted[name]))
        current = resources_of(self._disk.read(self._paths["clusters"]))
        stay = {end["http_port"] for end in endpoints(clusters)}
        return changes, _ports({"resources": current}) - stay

    def move(self, clusters, routes, take_seconds, drain_seconds, settle_seconds):
        """Has the gateway send requests as wanted. Returns whether what served before holds none.

        take_seconds: how long it may take to find servers well, and to take what it is told;
        drain_seconds: how long old servers may take to answer; settle_seconds: how long they must
        hold no request before they count as done, so that what they counted is read. GatewayError.
        """
        before = {name: self._disk.read(path) for name, path in self._paths.items()}
        changes, left = self.plan(clusters, routes)
        try:
            if changes:
                current = resources_of(before["clusters"])
                self._write("clusters", text_of(between(clusters, current)))
                fresh = _ports(clusters) - _ports({"resources": current})
                self._await(lambda: self._unlike(clusters, fresh), take_seconds)
                self._write("routes", text_of(routes))
            self._await(lambda: self._untaken(routes["version_info"]), take_seconds)
        except GatewayError as error:
            for name, text in before.items():
                if text is not None:
                    self._write(name, text)
            raise GatewayError("The gateway did not take what it was told: %s. It goes on as before." % error) from error
        names = {cluster["name"] for cluster in clusters["resources"]}
        done = True
        if {cluster["name"] for cluster in resources_of(before["clusters"])} - names:
            # First, because with a cluster go its statistics.
            done = self._quiet(lambda: self._elsewhere(names), drain_seconds, settle_seconds)
        self._write("clusters", text_of(clusters))
        if left:
            done &= self._quiet(lambda: self._held(left), drain_seconds, settle_seconds)
        return done

    def _write(self, name, text):
        if self._disk.read(self._paths[name]) != text:
            self._disk.write(self._paths[name], text, 0o644, -1)

    def _await(self, lacking, seconds):
        """Waits until lacking() is empty; what it said at last becomes a GatewayError."""
        until = self._clock.monotonic() + seconds
        while True:
            try:
                reason = lacking()
            except GatewayError as error:
                reason = str(error)
            if not reason:
                return
            if self._clock.monotonic() >= until:
                raise GatewayError("after %g s %s" % (seconds, reason))
            self._clock.sleep(_POLL_SECONDS)

    def _unlike(self, clusters, fresh):
        """What of the wanted clusters is not at work yet, "" where all is; fresh ports must be well."""
        there = self._admin.clusters()
        for end in endpoints(clusters):
            hosts = there.get(end["cluster"], {"hosts": {}})["hosts"]
            if end["http_port"] not in hosts:
                return "it does not know the server of %(cluster)s at port %(http_port)d" % end
            if end["http_port"] in fresh and not hosts[end["http_port"]]:
                return "it gets no answer from the server of %(cluster)s at port %(http_port)d" % end
        return ""

    def _untaken(self, version):
        found = self._admin.routes_version()
        return "" if found == version else "it goes by the routes %r, not %r" % (found, version)

    def _elsewhere(self, names):
        """How many requests are under way to clusters of other names."""
        try:
            found = self._admin.clusters()
        except GatewayError:
            # Without a gateway there are no requests of its own.
            return 0
        return sum(one["requests"] for name, one in found.items() if name not in names)

    def _quiet(self, busy, seconds, settle_seconds):
        """Waits until busy() has been 0 for a while; returns whether that was within the time."""
        since, until = None, self._clock.monotonic() + seconds
        while True:
            now = self._clock.monotonic()
            since = None if busy() else now if since is None else since
            if since is not None and now - since >= settle_seconds:
                return True
            if since is None and now >= until:
                return False
            self._clock.sleep(_POLL_SECONDS)


def _ports(clusters):
    return {end["http_port"] for end in endpoints(clusters)}
