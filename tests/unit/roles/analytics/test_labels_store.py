# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels are joined as a plain dictionary would, whatever the order, and whoever is restarted meanwhile."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import labels_figures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labels_answers import Answer, Wrong
from labels_store import Store, Told
from serve_answers import AnswerLog

WHO = [("good", "v1"), ("good", "v2"), ("bad", "v2")]
PRICE, CLASSES = [{"name": "price"}], [{"name": "kind", "classes": [0, 1]}]


def head(who, outputs=None):
    return {"deployment": "d", "predictor": who[0], "version": who[1], "outputs": outputs or PRICE, "features": ["a"]}


class World:
    """A store and the logs of some servers, in a directory; each can be begun anew."""

    def __init__(self, directory, max_bytes=10**8, outputs=None):
        self.directory = Path(directory)
        (self.directory / "answers").mkdir()
        self._max_bytes, self._outputs = max_bytes, outputs
        self.logs = {}
        self.open()

    def open(self):
        self.store = Store(str(self.directory / "answers"), str(self.directory / "labels.db"))

    def restart(self):
        self.store.close()
        self.open()

    def answer(self, who, name, predictions, worker=0):
        if (who, worker) not in self.logs:
            port = 9000 + WHO.index(who)
            log = AnswerLog(str(self.directory / "answers"), f"s-{port}", head(who, self._outputs), self._max_bytes, 86400)
            self.logs[who, worker] = log
        self.logs[who, worker].answer(name, [[1.0]], predictions)

    def tell(self, *told, now=1000.0, check=False):
        return self.store.add(list(told), now, check)

    def rows(self):
        """{(id, predictor, version): (prediction, truth)}."""
        found = self.store._data.execute("SELECT id, predictor, version, predicted, truth FROM labels WHERE kind <> 'reward'")
        return {tuple(row[:3]): tuple(row[3:]) for row in found}

    def figures(self, seconds=3600, now=1000.0):
        """{(name, predictor, version, class): value}."""
        return {
            (name.replace("monitml_label_", ""), own["predictor_name"], own["predictor_version"], own.get("class")): value
            for name, own, value in labels_figures.figures(self.store, seconds, now)
        }


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.store.close()


IDS = st.sampled_from(["a", "b", "c", 'quote"d', "é", "e\\f"])
TRUTHS = st.sampled_from([0.0, 1.0, 2.5, -3.0])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.sampled_from(WHO), IDS, st.integers(0, 2), TRUTHS),
        st.tuples(st.just("label"), IDS, TRUTHS, st.sampled_from([None, 10.0, 20.0])),
        st.tuples(st.just("feedback"), st.sampled_from(WHO), IDS, TRUTHS),
        st.tuples(st.just("restart")),
        st.tuples(st.just("worker"), st.sampled_from(WHO)),
        st.tuples(st.just("read")),
    ),
    max_size=30,
)


@given(STEPS, st.sampled_from([1, 10**8]))
@settings(max_examples=80)
def test_labels_are_joined_as_a_dictionary_would(steps, max_bytes):
    with tempfile.TemporaryDirectory() as directory:
        world, now = World(directory, max_bytes), 1000.0
        answers, labels, outcomes, waiting = {}, {}, {}, []

        def join(name, truth, when):
            owners = [who for (of, who) in answers if of == name]
            seen = set()
            for who in owners:
                old = labels.get((name, who))
                if old is None or (old[1] != truth and when >= old[2]):
                    labels[name, who] = (answers[name, who], truth, when)
                    seen.add("new" if old is None else "corrected")
                else:
                    seen.add("same" if old[1] == truth else "older")
            outcome = next((o for o in ("corrected", "new", "older", "same") if o in seen), "unknown")
            outcomes[outcome] = outcomes.get(outcome, 0) + 1

        def read():
            # What clients told is taken once all that was written before has been read.
            for told in waiting:
                join(*told)
            waiting.clear()

        for step in steps:
            now += 1
            if step[0] == "answer":
                _what, who, name, worker, value = step
                world.answer(who, name, [[value]], worker)
                answers[name, who] = value
            elif step[0] == "label":
                for _twice in range(2):
                    world.store.catch_up(now)
                read()
                _what, name, truth, when = step
                world.tell(Told(name, truth, when=when), now=now)
                join(name, truth, now if when is None else when)
            elif step[0] == "feedback":
                _what, who, name, truth = step
                world.answer(who, "other", [[0.0]])
                answers["other", who] = 0.0
                world.logs[who, 0].feedback(name, [[truth]], None)
                told_at = [line for path in Path(directory, "answers").iterdir() for line in path.read_text().splitlines() if line.startswith('{"feedback"')]
                waiting.append((name, truth, max(json.loads(line)["at"] for line in told_at)))
            elif step[0] == "restart":
                world.restart()
            elif step[0] == "worker":
                for key in [key for key in world.logs if key[0] == step[1]]:
                    del world.logs[key]
            else:
                for _twice in range(2):
                    world.store.catch_up(now)
                read()
        for _twice in range(2):
            world.store.catch_up(now)
        read()
        assert world.rows() == {(name, *who): cells[:2] for (name, who), cells in labels.items()}
        assert {k: v for k, v in world.store.outcomes().items() if v} == outcomes
        world.store.close()


@given(st.lists(st.tuples(st.sampled_from(WHO), st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=40))
@settings(max_examples=30)
def test_figures_of_numbers_are_those_of_arithmetic(rows):
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory)
        for number, (who, predicted, _truth) in enumerate(rows):
            world.answer(who, f"n{number}", [[float(predicted)]])
        world.tell(*(Told(f"n{number}", float(truth)) for number, (_who, _p, truth) in enumerate(rows)))
        found = world.figures()
        for who in WHO:
            own = [(p, t) for of, p, t in rows if of == who]
            if not own:
                assert not [key for key in found if key[1:3] == who]
                continue
            assert found[("rows", *who, None)] == len(own)
            assert found[("absolute_error", *who, None)] == pytest.approx(sum(abs(p - t) for p, t in own) / len(own))
            assert found[("bias", *who, None)] == pytest.approx(sum(p - t for p, t in own) / len(own))
            shares = [abs((p - t) / t) for p, t in own if t]
            assert found.get(("percentage_error", *who, None)) == (pytest.approx(sum(shares) / len(shares)) if shares else None)
        world.store.close()


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30))
@settings(max_examples=30)
def test_figures_of_classes_are_those_of_counting(rows):
    with tempfile.TemporaryDirectory() as directory:
        world, who = World(directory, outputs=CLASSES), WHO[0]
        for number, (predicted, _truth) in enumerate(rows):
            world.answer(who, f"n{number}", [[float(predicted)]])
        world.tell(*(Told(f"n{number}", truth) for number, (_p, truth) in enumerate(rows)))
        found = world.figures()
        assert found["accuracy", *who, None] == pytest.approx(sum(p == t for p, t in rows) / len(rows))
        for name in (0, 1):
            predicted, true = [t for p, t in rows if p == name], [p for p, t in rows if t == name]
            assert found.get(("precision", *who, str(name))) == (pytest.approx(predicted.count(name) / len(predicted)) if predicted else None)
            assert found.get(("recall", *who, str(name))) == (pytest.approx(true.count(name) / len(true)) if true else None)
            assert found.get(("true_rows", *who, str(name))) == (len(true) or None)
        world.store.close()


def test_a_shadow_gets_the_label_too_as_both_answered(world):
    world.answer(WHO[0], "a", [[10.0]])
    world.answer(WHO[2], "a", [[30.0]])
    counts, _reasons, _unknown, joined = world.tell(Told("a", 20))
    assert counts["new"] == 1 and joined == {("d", "good", "v1"): 1, ("d", "bad", "v2"): 1}
    assert world.rows() == {("a", "good", "v1"): (10.0, 20.0), ("a", "bad", "v2"): (30.0, 20.0)}


def test_a_label_goes_on_counting_and_is_corrected_when_its_answer_has_made_room(world):
    world.answer(WHO[0], "a", [[10.0]])
    world.tell(Told("a", 20))
    for path in (world.directory / "answers").iterdir():
        path.unlink()
    assert world.tell(Told("a", 25), Told("b", 1), now=1001)[0] == {
        "new": 0, "same": 0, "corrected": 1, "older": 0, "unknown": 1, "refused": 0
    }
    assert world.rows() == {("a", "good", "v1"): (10.0, 25.0)} and world.store.answers() == 0


def test_nothing_is_joined_where_one_label_is_refused_or_it_is_only_asked(world):
    world.answer(WHO[0], "a", [[10.0]])
    world.answer(WHO[0], "b", [[10.0]])
    counts, reasons, _unknown, _joined = world.tell(Told("a", 1), Told("b", "dear"))
    assert (counts["new"], counts["refused"], world.rows()) == (1, 1, {})
    assert reasons == [(1, "The label of b cannot be: the truth of price is 'dear', which is no number.")]
    assert world.tell(Told("a", 1), check=True)[0]["new"] == 1 and world.rows() == {}
    assert sum(world.store.outcomes().values()) == 0
    assert world.tell(Told("a", 1))[0]["new"] == 1 and len(world.rows()) == 1


def test_of_two_truths_the_one_of_the_later_time_stands_whenever_it_comes(world):
    world.answer(WHO[0], "a", [[10.0]])
    assert world.tell(Told("a", 20, when=50.0))[0]["new"] == 1
    assert world.tell(Told("a", 30, when=40.0))[0]["older"] == 1
    assert world.rows() == {("a", "good", "v1"): (10.0, 20.0)}
    assert world.tell(Told("a", 30, when=60.0))[0]["corrected"] == 1
    assert world.rows() == {("a", "good", "v1"): (10.0, 30.0)}


def test_rewards_of_nothing_count(world):
    for name, reward in (("a", 0.0), ("b", 1.0), ("c", -1.0), ("d", 0.0)):
        world.answer(WHO[0], name, [[1.0]])
        world.logs[WHO[0], 0].feedback(name, None, reward)
    world.store.catch_up(1000)
    world.store.catch_up(1000)
    found = world.figures()
    assert (found["rewards", *WHO[0], None], found["reward", *WHO[0], None]) == (4, 0.0)


def test_a_window_holds_what_came_in_it_and_tells_how_old_the_answers_are(world):
    world.answer(WHO[0], "a", [[1.0]])
    world.answer(WHO[0], "b", [[1.0]])
    (answer,) = world.store.find("a") or (world.store.catch_up(1) or world.store.find("a"))
    began = answer.at
    world.tell(Told("a", 2), now=began + 100)
    world.tell(Told("b", 4), now=began + 300)
    assert world.figures(50, began + 310)["absolute_error", *WHO[0], None] == 3
    both = world.figures(500, began + 310)
    assert both["absolute_error", *WHO[0], None] == 2 and both["rows", *WHO[0], None] == 2
    assert both["answer_age_seconds", *WHO[0], None] == pytest.approx(310, abs=1)
    assert both["last_seconds", *WHO[0], None] == pytest.approx(10)
    assert world.figures(50, began + 1000) == {}


def test_labels_that_are_too_many_or_too_old_are_forgotten(world, monkeypatch):
    for number in range(6):
        world.answer(WHO[0], str(number), [[1.0]])
        world.tell(Told(str(number), 1), now=1000 + number)
    monkeypatch.setattr("labels_store.LABELS_MAX", 3)
    world.store.prune(2000)
    assert sorted(key[0] for key in world.rows()) == ["3", "4", "5"]
    world.store.prune(1004 + 366 * 86400 + 0.5)
    assert sorted(key[0] for key in world.rows()) == ["5"]


TWO = [{"name": "price"}, {"name": "kind", "classes": ["flat", "house"]}]


@pytest.mark.parametrize(
    ("outputs", "predictions", "truth", "row", "cells"),
    [
        (PRICE, [[10]], "12.5", None, [(0, "price", 10.0, 12.5)]),
        (PRICE, [10], [[12]], None, [(0, "price", 10.0, 12.0)]),
        (PRICE, [1, 2], [[3], [4]], None, [(0, "price", 1.0, 3.0), (1, "price", 2.0, 4.0)]),
        (PRICE, [[1], [2]], 5, 1, [(1, "price", 2.0, 5.0)]),
        (TWO, [7, "flat"], {"kind": "house"}, None, [(0, "kind", "flat", "house")]),
        (TWO, [[7, "flat"]], [8, "flat"], None, [(0, "price", 7.0, 8.0), (0, "kind", "flat", "flat")]),
        (CLASSES, [[1.0]], "1.0", None, [(0, "kind", "1", "1")]),
        (CLASSES, [1], 0, None, [(0, "kind", "1", "0")]),
        ([{"name": "kind", "classes": ["a"]}], ["b"], "a", None, [(0, "kind", "b", "a")]),
    ],
)
def test_a_truth_is_held_against_its_value(outputs, predictions, truth, row, cells):
    found = Answer(("d", "p", "v"), outputs, "x", 0, None, predictions).cells(truth, row)
    assert [(number, output["name"], p, t) for number, output, p, t in found] == cells


@pytest.mark.parametrize(
    ("outputs", "predictions", "truth", "row", "words"),
    [
        (PRICE, [[10]], "n/a", None, "is 'n/a', which is no number"),
        (PRICE, [[10]], "nan", None, "no number"),
        (PRICE, [1, 2], 3, None, "has 2 rows: say with row, counted from 0"),
        (PRICE, [1, 2], 3, 2, "of row 2"),
        (PRICE, None, 3, None, "no number and no text"),
        (TWO, [7, "flat"], 8, None, "answers price and kind, and the label holds 1 values"),
        (TWO, [7, "flat"], {"king": 8}, None, "no output king; it has price, kind"),
        (CLASSES, [1], "2", None, "no class of the model: it has 0, 1"),
    ],
)
def test_a_truth_that_cannot_be_is_refused_in_words(outputs, predictions, truth, row, words):
    with pytest.raises(Wrong, match=words):
        Answer(("d", "p", "v"), outputs, "x", 0, None, predictions).cells(truth, row)
