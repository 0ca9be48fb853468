# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which model server runs where: what stays, what is new beside it, and what goes afterwards.

A server never changes: what it is started from has a digest, and another digest is another server,
on other ports, beside the one that serves. So nobody is stopped before somebody else answers.
Pure: what the machine told is passed in.

A wanted server is a dict with predictor, version, cluster (the gateway's name of the predictor),
index (of the replica), digest and runtime. A placed one has name, http_port, metrics_port and
grpc_port (0 for none) too, and stands so in the machine's record.
"""

from __future__ import annotations

_PORT_MAX = 65535


class NoPlace(Exception):
    """There is no free port; a sentence that says what to do."""


def server_name(predictor, http_port):
    """Name of a server among the machine's services: unique, because its port is."""
    return "model-%s-%d" % (predictor, http_port)


def place(wanted, record, endpoints, listening, reserved, first):
    """Gives each wanted server a place. Returns servers, leaving and abandoned, lists of dicts.

    record     servers that an earlier run placed, as this returns them
    endpoints  what the gateway sends requests to: cluster and http_port
    listening  ports of the machine that somebody listens on
    reserved   ports that the stack wants for something else
    first      http and grpc, the first ports of each kind; no gRPC where grpc is 0

    servers are the wanted ones in their order; new says that one has not served yet, whether it was
    started by a run that came to no end or not at all. leaving are those that are not wanted and may
    still hold requests, abandoned those that never got any. Raises NoPlace.
    """
    left = list(record)
    kept = [_take(one, left) for one in wanted]
    served = {end["http_port"] for end in endpoints}
    leaving = [one for one in left if one["http_port"] in served]
    abandoned = [one for one in left if one["http_port"] not in served]
    known = {one["http_port"] for one in record}
    # Without a record they are told by the gateway alone: enough to watch them and to end them.
    leaving += [
        _unknown(end) for end in endpoints if end["http_port"] not in known and _is_predictor(end)
    ]
    used = set(reserved) | set(listening) - _ports(abandoned)
    used |= _ports(leaving) | _ports([one for one in kept if one])
    servers = []
    for one, old in zip(wanted, kept):
        found = old or _free(one["predictor"], used, first)
        used |= _ports([found])
        ports = {key: found[key] for key in ("name", "http_port", "metrics_port", "grpc_port")}
        servers.append({**one, **ports, "new": found["http_port"] not in served})
    return {"servers": servers, "leaving": leaving, "abandoned": abandoned}


def record_of(*servers):
    """What is written down of lists of placed servers."""
    return [
        {key: value for key, value in one.items() if key != "new"} for some in servers for one in some
    ]


def _take(one, left):
    """Takes the server that is the wanted one out of those that are left; None where none is.

    Replicas of a predictor are the same but for their number, which comes second, therefore.
    """
    same = [old for old in left if old["digest"] == one["digest"]]
    found = next((old for old in same if old["index"] == one["index"]), None)
    if found is None:
        return None
    left.remove(found)
    return found


def _is_predictor(end):
    """Whether a cluster has the name of a predictor; others may lead to the same servers."""
    return end["cluster"].count("/") == 3


def _unknown(end):
    _namespace, _deployment, predictor, version = end["cluster"].split("/")
    return {
        "predictor": predictor,
        "version": version,
        "cluster": end["cluster"],
        "index": 0,
        "digest": "",
        "runtime": "",
        "name": server_name(predictor, end["http_port"]),
        "http_port": end["http_port"],
        "metrics_port": end["http_port"] + 1,
        "grpc_port": 0,
    }


def _ports(servers):
    keys = ("http_port", "metrics_port", "grpc_port")
    return {one[key] for one in servers for key in keys} - {0}


def _free(predictor, used, first):
    """The lowest free place: two ports one after the other, and the gRPC port of the same number."""
    number = 0
    while True:
        http = first["http"] + 2 * number
        grpc = first["grpc"] and first["grpc"] + number
        if max(http + 1, grpc) > _PORT_MAX:
            raise NoPlace(
                "There are no free ports for a server of predictor %s from %d on: set monitml_model_port"
                " and monitml_grpc_port to lower ones. What served goes on." % (predictor, first["http"])
            )
        if not {http, http + 1, grpc} & used:
            return {
                "name": server_name(predictor, http),
                "http_port": http,
                "metrics_port": http + 1,
                "grpc_port": grpc,
            }
        number += 1
