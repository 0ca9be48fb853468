# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import time

from ansible_collections.monitml.stack.plugins.module_utils.local import readiness
from ansible_collections.monitml.stack.plugins.module_utils.local.readiness import Answer, Watch
from ansible_collections.monitml.stack.plugins.module_utils.local.service_watch import Seen

WRONG = Answer(problem="The model predicted nan.", wrong=True)
SILENT = Answer(problem="The model does not answer.")
READY = Answer(ready=True)


class World:
    """A clock, and services that behave by a script: name -> when -> what."""

    def __init__(self, answers=None, pids=None, ended=None):
        self.time, self.told = 0.0, {}
        self.script = answers or {}
        self.pids, self.ended = pids or {}, ended or {}

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds

    def look(self, names):
        return {
            name: Seen(
                pid=self.pids.get(name, lambda _t: 7)(self.time),
                running=True,
                settled=True,
                ended=self.ended.get(name, lambda _t: False)(self.time),
            )
            for name in names
        }

    def answers(self, name):
        return [self.script.get(name, lambda _t: SILENT)(self.time)]

    def wait(self, *names, start=60.0, slice_seconds=1000.0, memory=None):
        watch = Watch(names, memory)
        watch.wait(self.look, self.answers, start, slice_seconds, self.now, self.sleep)
        return watch


def ready_at(seconds):
    return lambda now: READY if now >= seconds else SILENT


def test_a_slow_one_is_waited_for_and_the_quick_one_no_longer():
    world = World({"slow": ready_at(75), "quick": ready_at(1)})
    watch = world.wait("slow", "quick", start=180)
    assert watch.done and not watch.verdicts and 75 <= world.time < 76


def test_one_that_ended_by_itself_is_at_fault_at_once():
    assert World(ended={"a": lambda now: now > 3}).wait("a").verdicts["a"].ended
    # Also where another process is there already.
    world = World(pids={"a": lambda now: 7 if now < 3 else 8})
    assert world.wait("a").verdicts["a"].ended and world.time < 4
    # Or none yet.
    world = World(pids={"a": lambda now: 7 if now < 3 else 0})
    assert world.wait("a").verdicts["a"].ended and world.time < 4


def test_one_that_never_appears_is_given_up():
    world = World(pids={"a": lambda _now: 0})
    assert world.wait("a").verdicts["a"].ended and 10 < world.time < 11


def test_a_wrong_answer_counts_when_it_is_repeated():
    world = World({"a": lambda _now: WRONG})
    assert world.wait("a").verdicts["a"].problem == "The model predicted nan."
    assert world.time < 1
    # One that loads something first answers wrongly once.
    world = World({"a": lambda now: WRONG if now < 0.15 else SILENT if now < 5 else READY})
    assert not world.wait("a").verdicts


def test_time_is_over_at_last():
    watch = World().wait("a", start=5)
    assert watch.verdicts["a"].problem == "It is not ready after 5 s: The model does not answer."


def test_others_are_waited_for_a_while_so_that_all_faults_are_told_at_once():
    world = World(ended={"a": lambda now: now > 2, "b": lambda now: now > 5})
    watch = world.wait("a", "b", "c")
    assert set(watch.verdicts) == {"a", "b"} and watch.pending == ["c"] and watch.done
    assert world.time < 2 + readiness.GRACE_SECONDS + 1


def test_slices_make_up_a_whole():
    world = World({"a": ready_at(25)}, pids={"b": lambda now: 7 if now < 33 else 8})
    memory, slices, watch = None, 0, None
    while watch is None or not watch.done:
        watch = world.wait(*(watch.pending if watch else ("a", "b")), slice_seconds=10, memory=memory)
        memory, slices = watch.memory(), slices + 1
        world.sleep(0.0)
    assert slices == 4 and list(watch.verdicts) == ["b"]


def stamped(seconds, level, message):
    return time.strftime("%Y-%m-%d %H:%M:%S,123 ", time.localtime(seconds)) + f"{level} {message}"


def test_the_cause_is_the_first_error_since_the_start():
    log = "\n".join(
        [
            stamped(1000, "ERROR", "of an earlier one"),
            stamped(2000, "INFO", "Serving X on port 9000."),
            "Traceback (most recent call last):",
            stamped(2001, "ERROR", "The model's module X cannot be imported."),
            stamped(2001, "ERROR", "The REST server ended with status 2."),
        ]
    )
    assert readiness.cause_in(log, 1999.9) == "The model's module X cannot be imported."
    assert readiness.cause_in(log, 3000) == log.splitlines()[-1]


def test_without_an_error_it_is_the_last_line_and_without_a_line_it_says_so():
    assert readiness.cause_in("Traceback:\nImportError: no\n\n", 0) == "ImportError: no"
    assert readiness.cause_in("", 0) == "it ended without a word"
    assert readiness.cause_in("no date here ERROR x", 0) == "no date here ERROR x"


def test_the_message_names_all_faults_first_and_replicas_once():
    one = {"predictor": "good", "version": "v3", "cause": "no.", "log": "/l/1", "tail": "no."}
    lines = readiness.complaint([one, {**one, "log": "/l/2"}, {**one, "predictor": "bad", "tail": ""}])
    assert lines.splitlines()[:3] == ["Predictor good v3: no.", "Predictor bad v3: no.", ""]
    assert "The log of good v3 (/l/2) ends with:\nno." in lines and "ends with:\n(nothing)" in lines
