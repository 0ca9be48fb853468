# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import ports as conflicts
from ansible_collections.monitml.stack.plugins.module_utils.local.processes import Process

WANTED = {"port": 3001, "purpose": "Prometheus", "variable": "monitml_prometheus_port"}


@pytest.mark.parametrize(
    "address, wanted, expected",
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::", "127.0.0.1", True),
        ("10.0.0.1", "127.0.0.1", False),
        ("::1", "127.0.0.1", False),
        ("10.0.0.1", "0.0.0.0", True),
    ],
)
def test_which_addresses_are_in_the_way(address, wanted, expected):
    assert conflicts.overlaps(address, wanted) is expected


@pytest.mark.parametrize(
    "process, listener_uid, uid, home, expected",
    [
        (Process(1, "x", 999, ()), 999, 999, None, True),
        (Process(1, "x", 999, ()), 999, None, None, False),
        (Process(1, "x", 0, ("/opt/m",)), 0, 999, "/opt/m", False),
        (Process(1, "x", 0, ("-c", "/opt/m/x")), 0, 0, "/opt/m", True),
        (Process(1, "x", 0, ("/opt/m",)), 0, 0, "/opt/m", True),
        (Process(1, "x", 0, ("/opt/mm/x",)), 0, 0, "/opt/m", False),
        (None, 999, 999, "/opt/m", True),
        (None, 0, 999, "/opt/m", False),
    ],
)
def test_whose_a_listener_is(process, listener_uid, uid, home, expected):
    assert conflicts.is_own(process, listener_uid, uid, home) is expected


def test_a_conflict_names_the_port_the_process_and_the_cure():
    holder = Process(42, "grafana", 1000, ())
    assert conflicts.conflict(WANTED, "0.0.0.0", holder, "alice") == (
        "Port 3001 for Prometheus is taken: the process 42 (grafana) of the user alice listens on 0.0.0.0:3001. "
        "Stop it, or set monitml_prometheus_port to a free port."
    )
    unseen = conflicts.conflict(WANTED, "::", None, "root")
    assert "a process of the user root that cannot be seen from here listens on [::]:3001" in unseen


def test_a_port_is_given_once():
    other = {"port": 3005, "purpose": "Alertmanager", "variable": "monitml_alertmanager_port"}
    assert conflicts.duplicates([WANTED, other]) == []
    assert conflicts.duplicates([WANTED, other, dict(other, port=3001)]) == [
        "Port 3001 is given to Prometheus and Alertmanager; "
        "set monitml_prometheus_port and monitml_alertmanager_port to different ports."
    ]
