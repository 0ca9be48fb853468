# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import time

import pytest
from ansible_collections.monitml.stack.plugins.plugin_utils import _follow


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(_follow, "_TELL_SECONDS", 0.02)
    monkeypatch.setattr(_follow, "_SILENT_SECONDS", 0.2)


def wait_for(found, count=1):
    until = time.monotonic() + 10
    while len(found) < count and time.monotonic() < until:
        time.sleep(0.01)
    return found


def test_the_newest_line_is_told_and_what_stood_there_before_is_not(quick, tmp_path):
    log, told = tmp_path / "log", []
    log.write_text("of an earlier build\n", encoding="utf-8")
    with _follow.Follow(str(log), "a:1", told.append):
        time.sleep(0.1)
        assert not told
        with log.open("a", encoding="utf-8") as stream:
            stream.write("one\ntwo\n\n")
        assert wait_for(told) == ["a:1, 0 s: two"]


def test_silence_is_told_too(quick, tmp_path):
    log, told = tmp_path / "log", []
    with _follow.Follow(str(log), "a:1", told.append):
        log.write_text("Running install.\n", encoding="utf-8")
        wait_for(told, 3)
    assert len(told) >= 3 and all(line.endswith("Running install.") for line in told)


def test_long_lines_are_cut_and_bytes_that_are_no_text_are_told(quick, tmp_path):
    log, told = tmp_path / "log", []
    with _follow.Follow(str(log), "a:1", told.append):
        log.write_bytes(b"\xff" + b"x" * 9000)
        wait_for(told)
    assert told[0].endswith("...") and len(told[0]) < 120


def test_a_log_that_is_not_there_is_no_matter(quick, tmp_path):
    told = []
    with _follow.Follow(str(tmp_path / "none"), "a:1", told.append):
        time.sleep(0.3)
    assert not told
