# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one process of a load test is to do."""

from __future__ import annotations

import socket


class Work:
    """What one process is to do.

    ``family`` and ``address`` of the target, ``requests`` (bytes, sent in turn), ``connections``,
    ``timeout``, ``think`` and ``warm_up`` in ns, ``protocol``. An open loop has ``due``, an iterator of
    send times in ns from the start; a closed loop has ``count`` and/or ``duration`` (ns).
    """

    def __init__(self, **fields):
        self.family = socket.AF_INET
        self.context = None
        self.server_name = None
        self.protocol = "seldon"
        self.connections = 1
        self.timeout = 10 * 1000000000
        self.think = 0
        self.warm_up = 0
        self.due = None
        self.count = None
        self.duration = None
        self.transmit = False
        self.begin = None  # when to start, on the monotonic clock
        self.lead = 0  # this process begins with the request of this number
        self.stride = 1  # and goes on in steps of this
        self.__dict__.update(fields)
