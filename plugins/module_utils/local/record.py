# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a machine keeps of its model servers and its gateway: the two files that tell who serves."""

from __future__ import annotations

import json

from . import files

_TEXTS = ("predictor", "version", "cluster", "digest", "runtime", "name")
_NUMBERS = ("index", "http_port", "metrics_port", "grpc_port")


def servers(home):
    """The servers that an earlier run wrote down; none where the file is gone or not as we wrote it."""
    found = _read(home + "/etc/servers.json")
    if not isinstance(found, list):
        return []
    return [
        one
        for one in found
        if isinstance(one, dict)
        and all(isinstance(one.get(key), str) for key in _TEXTS)
        and all(isinstance(one.get(key), int) for key in _NUMBERS)
    ]


def endpoints(clusters):
    """Where the clusters of a discovery response send requests: [{cluster, http_port}]."""
    return [
        {
            "cluster": cluster["name"],
            "http_port": end["endpoint"]["address"]["socket_address"]["port_value"],
        }
        for cluster in clusters["resources"]
        for place in cluster["load_assignment"]["endpoints"]
        for end in place["lb_endpoints"]
    ]


def gateway_endpoints(home):
    """The endpoints() that the gateway of the machine was told last; none where it was told nothing."""
    try:
        return endpoints(_read(home + "/etc/clusters.json"))
    except (KeyError, TypeError):
        return []


def _read(path):
    try:
        return json.loads(files.read(path) or "null")
    except ValueError:
        return None
