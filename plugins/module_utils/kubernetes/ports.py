# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports of this machine that lead into a cluster, for as long as somebody needs them."""

from __future__ import annotations

import json
import os
import threading
import time

from .api import Api
from .errors import KubernetesError
from .tunnel import Port, Way

_LOOK_SECONDS = 0.5


def open_ports(api, given):
    """{name: Port} that listen; raises KubernetesError. given: the options of the module cluster_ports."""
    found = {}
    for one in given["ports"]:
        way = Way(api, one["namespace"], one["selector"], one["port"])
        # Nobody is to connect to what is not there.
        way.connect().close()
        try:
            found[one["name"]] = Port(way, given["address"], one["local_port"])
        except OSError as error:
            raise KubernetesError(
                f"Port {one['local_port']} of {given['address']}, for {one['name']}, cannot be opened:"
                f" {error.strerror}. End what holds it, or choose another port."
            ) from error
    return found


def serve(ports, owner):
    """Carries connections until the owner is gone; for ever without one."""
    for port in ports.values():
        threading.Thread(target=port.serve, daemon=True).start()
    while not owner or os.path.exists(f"/proc/{owner}"):
        time.sleep(_LOOK_SECONDS)


def opened(given):
    """(ports, None), or (None, a sentence) where they cannot be opened."""
    try:
        return open_ports(Api(given["kubeconfig"] or "", given["context"] or ""), given), None
    except (KubernetesError, OSError) as error:
        return None, str(error)


def serve_apart(given):
    """What a process of its own tells of its ports, which goes on serving when this one has ended.

    It opens them itself: the client's files with certificates end with the process that made them.
    """
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        with os.fdopen(ours, encoding="utf-8") as stream:
            return json.load(stream)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.close(ours)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.chdir("/")
    ports, problem = opened(given)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        json.dump({"problem": problem, "numbers": {name: port.number for name, port in (ports or {}).items()}}, stream)
    if ports:
        serve(ports, given["owner"])
    raise SystemExit(0)
