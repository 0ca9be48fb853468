# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.local import processes

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 4711 1 0 100 0 0 10 0
   1: 0100007F:0BB9 0100007F:D431 01 00000000:00000000 00:00000000 00000000   999        0 4712 1 0 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 815 1 0 100 0 0 10 0
   3: broken
"""


@pytest.mark.skipif(
    os.sys.byteorder != "little", reason="the sample was taken on a little-endian machine"
)
def test_listeners_are_those_in_state_listen():
    assert processes.parse_listeners(TCP) == [
        processes.Listener("127.0.0.1", 3001, 999, 4711),
        processes.Listener("0.0.0.0", 22, 0, 815),
    ]


@pytest.mark.skipif(os.sys.byteorder != "little", reason="as above")
def test_addresses_of_both_families():
    assert processes.decode_address("0100007F") == "127.0.0.1"
    assert processes.decode_address("00000000000000000000000001000000") == "::1"
    assert processes.decode_address("0000000000000000FFFF00000100007F") == "::ffff:127.0.0.1"


def make_process(proc, pid, name="nginx: (x) y", start=100, inodes=()):
    base = proc / str(pid)
    (base / "fd").mkdir(parents=True)
    (base / "comm").write_text(name + "\n")
    (base / "stat").write_text("%d (%s) S %s %d 0 0\n" % (pid, name, " ".join(["0"] * 18), start))
    (base / "cmdline").write_bytes(b"/opt/m/bin/x\0-c\0/opt/m/etc/x.yml\0")
    for number, inode in enumerate(inodes):
        (base / "fd" / str(number)).symlink_to("socket:[%d]" % inode)
    (base / "fd" / "9").symlink_to("/dev/null")
    (base / "cwd").symlink_to("/opt/m")


def test_the_oldest_holder_of_a_socket_counts(tmp_path):
    make_process(tmp_path, 5, start=900, inodes=[7])
    make_process(tmp_path, 50, start=300, inodes=[7, 8])
    make_process(tmp_path, 60, start=400, inodes=[8])
    (tmp_path / "60" / "fd" / "0").unlink()
    assert processes.holders({7, 8, 9}, str(tmp_path)) == {7: 50, 8: 50}


def test_a_process_and_how_long_it_is_there(tmp_path):
    make_process(tmp_path, 5, start=100 * os.sysconf("SC_CLK_TCK"))
    (tmp_path / "uptime").write_text("142.50 90.00\n")
    found = processes.process(5, str(tmp_path))
    assert (found.pid, found.name, found.uid) == (5, "nginx: (x) y", os.geteuid())
    assert found.places == ("/opt/m/bin/x", "-c", "/opt/m/etc/x.yml", "/opt/m")
    assert processes.alive_seconds(5, str(tmp_path)) == 42.5


def test_what_is_gone_is_unknown(tmp_path):
    assert processes.process(5, str(tmp_path)) is None
    assert processes.alive_seconds(5, str(tmp_path)) == 0
    assert processes.listeners(str(tmp_path)) == []
    (tmp_path / "7").mkdir()
    assert processes.holders({1}, str(tmp_path)) == {}


def test_it_finds_ourselves():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (listener,) = [one for one in processes.listeners() if one.port == port]
        assert processes.holders({listener.inode}) == {listener.inode: os.getpid()}
    assert listener.address == "127.0.0.1" and listener.uid == os.geteuid()
    assert processes.alive_seconds(os.getpid()) > 0


def test_connections_are_counted_while_both_sides_hold_them():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert processes.connections({port}) == 0
        with socket.create_connection(("127.0.0.1", port)):
            # Not accepted yet: somebody waits for an answer all the same.
            assert processes.connections({port, port + 1}) == 1
            accepted, _address = server.accept()
        with accepted:
            assert processes.connections({port}) == 0


def test_kills_for_want_of_memory_are_counted_where_the_kernel_does(tmp_path):
    assert processes.memory_kills(str(tmp_path)) == 0
    (tmp_path / "vmstat").write_text("nr_free_pages 7\noom_kill 3\n")
    assert processes.memory_kills(str(tmp_path)) == 3
