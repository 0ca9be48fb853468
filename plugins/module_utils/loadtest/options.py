# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of load_test: their specification, and a Plan of those that make sense together."""

from __future__ import annotations

import math
import re

from ..client.error import LoadTestError
from ..client.payload import PAYLOAD_TYPES, PROTOCOLS, header_lines, parse_url
from ..watching.load_test_series import LABELS
from .limits import parse_limit

ARGUMENT_SPEC = {
    "url": {"type": "str", "required": True},
    "method": {"type": "str", "default": "POST"},
    "protocol": {"type": "str", "default": "seldon", "choices": list(PROTOCOLS)},
    "payload_type": {"type": "str", "default": "ndarray", "choices": list(PAYLOAD_TYPES)},
    "contract": {"type": "raw"},
    "data": {"type": "path"},
    "data_order": {"type": "str", "default": "replay", "choices": ["replay", "sample"]},
    "truth_column": {"type": "str"},
    "reward": {"type": "float"},
    "payload": {"type": "raw"},
    "batch_rows": {"type": "int", "default": 1},
    "count": {"type": "int", "aliases": ["n"]},
    "duration": {"type": "float"},
    "rate": {"type": "float"},
    "stages": {
        "type": "list",
        "elements": "dict",
        "options": {
            "duration": {"type": "float", "required": True},
            "rate": {"type": "float", "required": True},
            "start_rate": {"type": "float"},
        },
    },
    "arrival": {"type": "str", "default": "constant", "choices": ["constant", "poisson"]},
    "connections": {"type": "int"},
    "think_time": {"type": "float", "default": 0.0},
    "warm_up": {"type": "float", "default": 0.0},
    "timeout": {"type": "float", "default": 10.0},
    "processes": {"type": "int", "default": 1},
    "seed": {"type": "int", "default": 0},
    "headers": {"type": "dict", "default": {}},
    "token_file": {"type": "path"},
    "ca_file": {"type": "path"},
    "tls_server_name": {"type": "str"},
    "validate_certs": {"type": "bool", "default": True},
    "expected_split": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "predictor": {"type": "str", "required": True},
            "weight": {"type": "float", "required": True},
        },
    },
    "thresholds": {"type": "list", "elements": "str", "default": ["error_ratio <= 1%"]},
    "report": {"type": "path"},
    "metrics_file": {"type": "path"},
    "metrics_labels": {"type": "dict", "default": {}},
    "metrics_required": {"type": "bool", "default": True},
    "name": {"type": "str", "default": "load_test"},
    "progress": {"type": "bool", "default": True},
    "summary": {"type": "bool", "default": False},
}
CONDITIONS = {
    "mutually_exclusive": [
        ["contract", "data", "payload"],
        ["rate", "stages"],
        ["duration", "stages"],
    ],
    "required_by": {"truth_column": ["data"]},
}

# Of an open loop; more would come near the usual limit of 1024 descriptors a process.
_OPEN_CONNECTIONS = 512
_CLOSED_CONNECTIONS = 10

# Sent stamps cost a system call more; above this the time goes into keeping the rate.
_TRANSMIT_STAMPS_RATE = 5000.0


class Plan:
    """What to do, checked: the options as attributes, and

    ``target``, ``stages`` (None in a closed loop), ``limits`` (thresholds), ``expected`` ({predictor: share}),
    ``connections`` and ``transmit`` (whether the kernel stamps what is sent).
    """

    def __init__(self, options):
        self.__dict__.update(options)
        self.target = parse_url(self.url)
        # Only to refuse bad ones before anything else happens.
        header_lines(self.target, self.headers)
        self._check_numbers()
        self._check_labels()
        self.stages = self._stages()
        self.limits = [parse_limit(text) for text in self.thresholds]
        self.expected = _shares(self.expected_split)
        usual = _CLOSED_CONNECTIONS if self.stages is None else _OPEN_CONNECTIONS
        self.connections = usual if self.connections is None else self.connections
        fastest = max(
            (max(stage.first, stage.last) for stage in self.stages or []), default=math.inf
        )
        self.transmit = fastest / self.processes <= _TRANSMIT_STAMPS_RATE
        if self.processes > self.connections:
            raise LoadTestError(
                "processes is %d and connections only %d; each process needs at least one."
                % (self.processes, self.connections)
            )

    @property
    def total_seconds(self):
        """How long the sending takes, or None where only the answers tell."""
        if self.stages is None:
            return self.duration
        rates = [stage.seconds for stage in self.stages]
        seconds = sum(rates)
        if self.count is not None and self.rate:
            seconds = min(seconds, self.count / self.rate)
        return seconds

    def _check_numbers(self):
        for name in ("count", "batch_rows", "connections", "processes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise LoadTestError("%s is %d; give a whole number of at least 1." % (name, value))
        for name in ("rate", "duration", "timeout"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise LoadTestError("%s is %s; give a number above 0." % (name, value))
        for name in ("think_time", "warm_up"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise LoadTestError(
                    "%s is %s; give a number of seconds, 0 or more." % (name, value)
                )
        if self.count is None and self.duration is None and not self.stages:
            raise LoadTestError(
                "nothing says how long to send; give count (n), duration or stages."
            )
        if self.stages is not None and not self.stages:
            raise LoadTestError("stages is empty; give at least one stage with duration and rate.")
        if self.think_time and (self.rate or self.stages):
            raise LoadTestError(
                "think_time is of users who wait for answers; leave it out, or rate and stages."
            )
        if self.arrival == "poisson" and not (self.rate or self.stages):
            raise LoadTestError("arrival: poisson needs a rate or stages.")
        if self.warm_up and self.count is not None and not (self.rate or self.stages):
            raise LoadTestError("warm_up is in seconds; give duration in place of count.")
        if self.token_file and any(name.lower() == "authorization" for name in self.headers):
            raise LoadTestError(
                "token_file and the header Authorization say the same; leave one out."
            )

    def _check_labels(self):
        for name in self.metrics_labels:
            if not re.fullmatch(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", str(name)) or name in LABELS:
                raise LoadTestError(
                    "metrics_labels has '%s', which is no name for a label; use letters, digits and '_', and "
                    "neither %s." % (name, " nor ".join(LABELS))
                )

    def _stages(self):
        """The stages of an open loop; warm-up is time before the first, at its rate."""
        if not self.rate and not self.stages:
            return None
        # Loaded only where it is needed, for the reason that run gives.
        from .arrivals import stages_of

        if self.rate:
            rates = [((self.duration or math.inf) + self.warm_up, self.rate, None)]
        else:
            rates = [
                (stage["duration"], stage["rate"], stage.get("start_rate")) for stage in self.stages
            ]
            for seconds, rate, first in rates:
                numbers = (seconds, rate, 0.0 if first is None else first)
                if (
                    not all(math.isfinite(number) and number >= 0 for number in numbers)
                    or not seconds
                ):
                    raise LoadTestError(
                        "a stage needs a duration above 0 and rates of 0 or more, not %s s and %s/s."
                        % (seconds, rate)
                    )
            if self.warm_up:
                first = rates[0][1] if rates[0][2] is None else rates[0][2]
                rates = [(self.warm_up, first, first), (rates[0][0], rates[0][1], first)] + rates[
                    1:
                ]
            if not any(rate or first for _seconds, rate, first in rates):
                raise LoadTestError("every stage has the rate 0; give one above.")
        return stages_of(rates)


def _shares(weights):
    """{predictor: share} out of weights that need not sum to 100."""
    shares = {}
    for item in weights:
        name, weight = item["predictor"], item["weight"]
        if name in shares:
            raise LoadTestError("expected_split names %s twice; give each predictor once." % name)
        if not (weight >= 0 and math.isfinite(weight)):
            raise LoadTestError(
                "expected_split gives %s the weight %s; give 0 or more." % (name, weight)
            )
        shares[name] = weight
    total = sum(shares.values())
    if shares and not total:
        raise LoadTestError("every weight of expected_split is 0; give at least one above.")
    return {name: weight / total for name, weight in shares.items()}
