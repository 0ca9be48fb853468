# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import os
import threading
import time
from types import SimpleNamespace

import pytest
import serve_answers
from serve_answers import AnswerLog, Features, column_names, identify, output_kinds, prune, rows_of

HEADER = {"deployment": "d", "predictor": "good", "version": "v1", "outputs": [{"name": "price"}], "features": ["a"]}
CONTRACT = {
    "features": [
        {"name": "a", "ftype": "continuous", "dtype": "FLOAT"},
        {"name": "who", "ftype": "continuous", "dtype": "FLOAT", "private": True},
        {"name": "x", "ftype": "continuous", "dtype": "FLOAT", "repeat": 2},
    ],
    "targets": [
        {"name": "price", "ftype": "continuous", "dtype": "FLOAT"},
        {"name": "kind", "ftype": "categorical", "dtype": "STRING", "values": ["flat", "house"]},
    ],
}


def make(directory, header=HEADER, max_bytes=10**9, keep=86400, name="good-9000"):
    return AnswerLog(str(directory), name, header, max_bytes, keep)


def written(directory):
    """{file: [entries]} without the first lines."""
    return {
        path.name: [json.loads(line) for line in path.read_text().splitlines()[1:] if line]
        for path in sorted(directory.glob("*.jsonl"))
    }


def test_an_answer_is_written_down_with_its_id_and_time(tmp_path):
    log = make(tmp_path)
    log.answer("abc", [[1.5, None]], [[100.0]])
    log.feedback("abc", [[90]], None)
    (entries,) = written(tmp_path).values()
    assert entries[0][0] == "abc" and entries[0][2:] == [[[1.5, None]], [[100.0]]]
    assert abs(entries[0][1] - time.time()) < 5
    assert {**entries[1], "at": 0} == {"feedback": "abc", "at": 0, "truth": [[90]], "reward": None}
    assert (tmp_path / "good-9000-000001.jsonl").stat().st_mode & 0o777 == 0o640


def test_workers_and_restarts_of_one_server_share_a_file_and_others_do_not(tmp_path):
    for number in range(3):
        make(tmp_path).answer(str(number), None, [1])
    make(tmp_path, {**HEADER, "version": "v2"}).answer("new", None, [1])
    make(tmp_path, name="good-9002").answer("beside", None, [1])
    found = {name: [entry[0] for entry in entries] for name, entries in written(tmp_path).items()}
    assert found == {
        "good-9000-000001.jsonl": ["0", "1", "2"],
        "good-9000-000002.jsonl": ["new"],
        "good-9002-000001.jsonl": ["beside"],
    }


def test_a_full_file_is_followed_by_the_next_and_one_that_was_taken_by_another(tmp_path):
    log = make(tmp_path, max_bytes=1)
    for number in range(200):
        log.answer("%03d" % number, [[0.1] * 10], [1])
    found = written(tmp_path)
    assert len(found) > 2 and sum(map(len, found.values())) == 200
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 2 * log.segment_bytes
    for path in tmp_path.iterdir():
        path.unlink()
    log.answer("after", None, [1])
    assert [entry[0] for entries in written(tmp_path).values() for entry in entries] == ["after"]


def test_what_a_kill_has_torn_off_spoils_no_other_line(tmp_path):
    make(tmp_path).answer("whole", None, [1])
    path = next(tmp_path.iterdir())
    with path.open("a") as stream:
        stream.write('\n["torn",17')
    make(tmp_path).answer("next", None, [1])
    assert path.read_text().splitlines()[-1].startswith('["next",')


def test_processes_and_threads_write_whole_lines(tmp_path):
    def write(which):
        log = make(tmp_path, max_bytes=20 * 20000)
        for number in range(300):
            log.answer("%s-%d" % (which, number), [[1.0] * 20], [2.0])

    children = []
    for which in range(3):
        pid = os.fork()
        if not pid:
            write("p%d" % which)
            os._exit(0)
        children.append(pid)
    threads = [threading.Thread(target=write, args=["t%d" % n]) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    names = [entry[0] for entries in written(tmp_path).values() for entry in entries]
    assert len(names) == len(set(names)) == 5 * 300


def test_a_disk_that_takes_nothing_is_told_once_and_harms_nobody(tmp_path, caplog):
    log = make(tmp_path / "nowhere")
    for _time in range(3):
        log.answer("a", None, [1])
    assert [record.message for record in caplog.records if "no label finds it" in record.message] == [
        caplog.records[0].message
    ]


def test_what_is_old_or_too_much_goes_the_oldest_first(tmp_path):
    now = 10**6
    for number in range(10):
        path = tmp_path / ("s-%06d.jsonl" % number)
        path.write_bytes(b"x" * 1000)
        os.utime(path, (now - 100 + number, now - 100 + number))
    (tmp_path / "mine.txt").write_bytes(b"x" * 10**5)
    prune(str(tmp_path), 10**6, 1000, now)
    assert len(list(tmp_path.glob("*.jsonl"))) == 10
    prune(str(tmp_path), 5000, 1000, now)
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["s-%06d.jsonl" % n for n in (6, 7, 8, 9)]
    prune(str(tmp_path), 5000, 92.5, now)
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["s-000008.jsonl", "s-000009.jsonl"]
    assert (tmp_path / "mine.txt").exists()


def test_columns_and_outputs_are_as_the_contract_has_them():
    assert column_names(CONTRACT) == [("a", False), ("who", True), ("x1", False), ("x2", False)]
    assert output_kinds(CONTRACT) == [{"name": "price"}, {"name": "kind", "classes": ["flat", "house"]}]
    assert output_kinds({}) == [{"name": "prediction"}]


@pytest.mark.parametrize(
    ("what", "names", "rows", "kept"),
    [
        ("public", None, [[1, 2, 3, 4]], [[1, None, 3, 4]]),
        ("public", ["who", "x2", "x1", "a"], [[2, 4, 3, 1]], [[1, None, 3, 4]]),
        ("public", ["other", "x2", "x1", "a"], [[2, 4, 3, 1]], None),
        ("public", None, [[1, 2, 3]], None),
        ("public", None, [1, 2, 3, 4], None),
        ("all", None, [[1, 2, 3, 4]], [[1, 2, 3, 4]]),
        ("all", ["other"], [[1]], [[1]]),
        ("none", None, [[1, 2, 3, 4]], None),
        ("public", None, None, None),
    ],
)
def test_private_features_are_left_out_and_so_is_what_may_be_one(what, names, rows, kept):
    assert Features(CONTRACT, what).of(rows, names) == kept


@pytest.mark.parametrize(
    ("message", "rows"),
    [
        ({"data": {"ndarray": [[1, 2]]}}, [[1, 2]]),
        ({"data": {"tensor": {"shape": [2, 2], "values": [1, 2, 3, 4]}}}, [[1, 2], [3, 4]]),
        ({"data": {"tensor": {"shape": [2], "values": [1, 2]}}}, [1, 2]),
        ({"strData": "flat"}, None),
        ({"jsonData": {"a": 1}}, None),
        ([1], None),
        (b"x", None),
    ],
)
def test_values_are_found_in_a_message(message, rows):
    assert rows_of(message) == rows
    assert rows_of({"strData": "flat"}, text=True) == ["flat"]


def test_an_id_of_the_clients_is_kept_and_missing_ones_are_made():
    assert identify({"meta": {"puid": "mine"}}, "header") == "mine"
    assert identify({"meta": None}, "header") == "header"
    assert len({identify({}) for _time in range(10)}) == 10


def test_answers_get_ids_and_looks_at_the_models_health_are_not_written_down(tmp_path):
    settings = serve_answers.Settings({"MONITML_ANSWERS_DIR": str(tmp_path)})
    here = SimpleNamespace(probe=False)
    methods = SimpleNamespace(
        predict=lambda _model, request, _metrics: {"data": {"ndarray": [[7, "flat"]]}, "meta": {"tags": request["meta"].get("tags", {})}},
        send_feedback=None,
    )
    serve_answers.Answers(settings, CONTRACT, 9000).join(methods, here)
    request = {"data": {"ndarray": [[1, 2, 3, 4]]}, "meta": {"puid": "mine"}}
    assert methods.predict(None, request, None)["meta"]["puid"] == "mine"
    made = methods.predict(None, {"data": {"ndarray": [[1, 2, 3, 4]]}}, None)["meta"]["puid"]
    here.probe = True
    methods.predict(None, request, None)
    (entries,) = written(tmp_path).values()
    assert [entry[0] for entry in entries] == ["mine", made]
    assert entries[0][2:] == [[[1, None, 3, 4]], [[7, "flat"]]]


def test_writing_an_answer_down_takes_microseconds(tmp_path):
    log = make(tmp_path)
    row = [[float(n) / 7 for n in range(20)]]
    began = time.process_time()
    for _time in range(2000):
        log.answer("0123456789abcdef0123456789abcdef", row, [[123456.5]])
    # Some 20 on a machine that is not busy.
    assert (time.process_time() - began) / 2000 < 200e-6
