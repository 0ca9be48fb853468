# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels, joined to the answers that they are about, in a data base of SQLite.

The answers stay in the files that the model servers write; here is only where each of them lies,
which can be made anew from the files at any time. A joined label keeps what it was compared with,
so that it goes on counting when its answer has made room for others.
"""

from __future__ import annotations

import collections
import hashlib
import json
import sqlite3

from labels_answers import ID_LENGTH_MAX, Answer, Directory, Wrong, as_number, id_of, read_lines

# Of each label one of these comes true; older: another truth is known, of a later time.
OUTCOMES = ("new", "same", "corrected", "older", "unknown", "refused")
REWARD = "reward"
LABELS_MAX = 1_000_000
KEEP_SECONDS = 366 * 86400
_PLACE_BITS = 32
_BATCH = 5000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS segments (number INTEGER PRIMARY KEY, token TEXT UNIQUE, place INTEGER);
CREATE TABLE IF NOT EXISTS answers (address INTEGER PRIMARY KEY, key INTEGER);
CREATE INDEX IF NOT EXISTS answers_key ON answers (key);
CREATE TABLE IF NOT EXISTS labels (
    id TEXT, deployment TEXT, predictor TEXT, version TEXT, row INTEGER, output TEXT, kind TEXT,
    predicted, truth, answered_at REAL, told_at REAL, received_at REAL,
    PRIMARY KEY (id, deployment, predictor, version, row, output, kind)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS labels_received ON labels (received_at);
CREATE TABLE IF NOT EXISTS outcomes (outcome TEXT PRIMARY KEY, count INTEGER);
CREATE TABLE IF NOT EXISTS waiting (line BLOB);
"""


def key_of(name):
    """64 bits of an id, as SQLite has them."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


class Told:
    """One label. truth: see Answer.cells(); reward: a number, or None; when: seconds, or None for now."""

    def __init__(self, name, truth=None, row=None, when=None, reward=None):
        self.id = str(name)[:ID_LENGTH_MAX]
        self.truth, self.row, self.when, self.reward = truth, row, when, reward


class Store:
    """The data base DATA of the answers in DIRECTORY. Not safe for threads: callers hold a lock.

    OSError, sqlite3.Error where it cannot be had.
    """

    def __init__(self, directory, data):
        self._directory = Directory(directory)
        self._data = sqlite3.connect(data, isolation_level=None, check_same_thread=False)
        # One that was cut off by a power failure is whole, if maybe without its last second.
        self._data.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-4096;" + _SCHEMA)
        self._segments = {}  # number -> Segment
        self.bytes = self.changes = 0

    def close(self):
        """Gives the file free."""
        self._data.close()

    # -- answers

    def catch_up(self, now):
        """Takes note of what servers wrote since the last time, answers and what clients told of them."""
        looked = self._directory.look()
        self.bytes = sum(size for _segment, size in looked)
        known = {token: (number, place) for number, token, place in self._data.execute("SELECT * FROM segments")}
        gone = known.keys() - {segment.token for segment, _size in looked}
        fresh = [one for one in looked if one[0].token not in known or known[one[0].token][1] < one[1]]
        self._segments = {known[s.token][0]: s for s, _size in looked if s.token in known}
        waiting = self._data.execute("SELECT line FROM waiting").fetchall()
        if not (gone or fresh or waiting):
            return
        self._data.execute("BEGIN IMMEDIATE")
        try:
            self._data.execute("DELETE FROM waiting")
            for token in gone:
                self._forget(known[token][0])
            for segment, _size in fresh:
                number, place = known.get(segment.token) or self._new(segment)
                self._read(number, segment, place)
            # An answer was written before anybody told of it, but maybe where was read already: so
            # what is told now waits until all has been read once more.
            told = [one for (line,) in waiting for one in _feedback(line)]
            self._count([outcome for outcome, _reason, _owners in self._take(told, now)])
            self._data.execute("COMMIT")
        except BaseException:
            self._data.execute("ROLLBACK")
            raise

    def _forget(self, number):
        self._data.execute("DELETE FROM segments WHERE number = ?", [number])
        first = number << _PLACE_BITS
        self._data.execute("DELETE FROM answers WHERE address BETWEEN ? AND ?", [first, first + (1 << _PLACE_BITS) - 1])

    def _new(self, segment):
        number = self._data.execute("SELECT COALESCE(MAX(number), 0) + 1 FROM segments").fetchone()[0]
        self._data.execute("INSERT INTO segments VALUES (?, ?, ?)", [number, segment.token, segment.head_bytes])
        self._segments[number] = segment
        return number, segment.head_bytes

    def _read(self, number, segment, place):
        """Notes the new part of a segment."""
        found, waiting = [], []
        try:
            for start, line, place in read_lines(segment.path, place):
                name = id_of(line)
                if name is not None:
                    found.append((number << _PLACE_BITS | start, key_of(name)))
                elif line.startswith(b"{"):
                    waiting.append((line,))
                if len(found) >= _BATCH:
                    self._data.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", found)
                    found = []
        except FileNotFoundError:
            pass  # the next look forgets it
        self._data.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", found)
        self._data.executemany("INSERT INTO waiting VALUES (?)", waiting)
        self._data.execute("UPDATE segments SET place = ? WHERE number = ?", [place, number])

    def find(self, name):
        """The answers with an id: of each predictor and version that gave one, its last."""
        name, latest = str(name)[:ID_LENGTH_MAX], {}
        for (address,) in self._data.execute("SELECT address FROM answers WHERE key = ?", [key_of(name)]):
            segment = self._segments.get(address >> _PLACE_BITS)
            answer = segment and segment.answer(address & ((1 << _PLACE_BITS) - 1))
            if answer and answer.id == name:
                other = latest.get(answer.owner)
                if other is None or answer.at >= other.at:
                    latest[answer.owner] = answer
        return list(latest.values()) or self._remembered(name)

    def _remembered(self, name):
        """What is known of answers that have made room since they got their label."""
        found = {}
        for *owner, row, output, kind, predicted, at in self._data.execute(
            "SELECT deployment, predictor, version, row, output, kind, predicted, answered_at FROM labels"
            " WHERE id = ? AND kind <> ? ORDER BY row, output",
            [name, REWARD],
        ):
            answer = found.setdefault(tuple(owner), Answer(tuple(owner), [], name, at, None, []))
            if output not in [one["name"] for one in answer.outputs]:
                answer.outputs.append({"name": output, **({"classes": []} if kind == "class" else {})})
            answer.predictions += [[] for _gap in range(row + 1 - len(answer.predictions))]
            answer.predictions[row].append(predicted)
        return list(found.values())

    # -- labels

    def add(self, told, now, check=False):
        """Joins labels, all of them or, where one is refused, or CHECK, none.

        Returns {outcome: number}, [(number in the list, sentence)] of those that were refused, the
        unknown ids, and {(deployment, predictor, version): labels joined to their answers}.
        """
        self.catch_up(now)
        self._data.execute("BEGIN IMMEDIATE")
        outcomes = self._take(told, now)
        reasons = [(place, reason) for place, (outcome, reason, _o) in enumerate(outcomes) if outcome == "refused"]
        unknown = [one.id for one, (outcome, _reason, _o) in zip(told, outcomes) if outcome == "unknown"]
        counts = {name: sum(outcome == name for outcome, _reason, _o in outcomes) for name in OUTCOMES}
        joined = collections.Counter(owner for _outcome, _reason, owners in outcomes for owner in owners)
        if check or reasons:
            self._data.execute("ROLLBACK")
            self.changes += 1
        else:
            self._count([outcome for outcome, _reason, _owners in outcomes])
            self._data.execute("COMMIT")
        return counts, reasons, unknown, dict(joined)

    def _take(self, told, now):
        found = []
        for one in told:
            try:
                outcome, owners = self._join(one, now)
                found.append((outcome, "", owners))
            except Wrong as error:
                found.append(("refused", "The label of %s cannot be: %s." % (one.id, error), []))
        self.changes += bool(found)
        return found

    def _join(self, one, now):
        answers = self.find(one.id)
        if not answers:
            return "unknown", []
        entries = []
        if one.reward is not None and as_number(one.reward) is None:
            raise Wrong("its reward is %r, which is no number" % (one.reward,))
        for answer in answers:
            if one.truth is not None:
                entries += [(answer, row, o["name"], _kind(o), p, t) for row, o, p, t in answer.cells(one.truth, one.row)]
            if one.reward is not None:
                entries.append((answer, 0, "", REWARD, None, float(one.reward)))
        outcomes = {self._put(one, *entry, now) for entry in entries}
        # Of a label of several values the one that says most.
        outcome = next((name for name in ("corrected", "new", "older", "same") if name in outcomes), "same")
        return outcome, [answer.owner for answer in answers]

    def _put(self, one, answer, row, output, kind, predicted, truth, now):
        place = [one.id, *answer.owner, row, output, kind]
        told_at = now if one.when is None else one.when
        which = "id = ? AND deployment = ? AND predictor = ? AND version = ? AND row = ? AND output = ? AND kind = ?"
        old = self._data.execute("SELECT truth, told_at FROM labels WHERE " + which, place).fetchone()
        if old and old[0] == truth:
            return "same"
        if old and told_at < old[1]:
            return "older"
        values = [predicted, truth, answer.at, told_at, now]
        self._data.execute("INSERT OR REPLACE INTO labels VALUES (%s)" % ",".join("?" * 12), place + values)
        return "corrected" if old else "new"

    def _count(self, outcomes):
        for name in set(outcomes):
            self._data.execute(
                "INSERT INTO outcomes VALUES (?, ?) ON CONFLICT (outcome) DO UPDATE SET count = count + excluded.count",
                [name, outcomes.count(name)],
            )

    def prune(self, now):
        """Forgets labels that are too many or too old."""
        self._data.execute("DELETE FROM labels WHERE received_at < ?", [now - KEEP_SECONDS])
        last = self._data.execute(
            "SELECT received_at FROM labels ORDER BY received_at DESC LIMIT 1 OFFSET ?", [LABELS_MAX]
        ).fetchone()
        if last:
            self._data.execute("DELETE FROM labels WHERE received_at <= ?", last)

    # -- what there is

    def outcomes(self):
        """{outcome: how often}."""
        return {**dict.fromkeys(OUTCOMES, 0), **dict(self._data.execute("SELECT * FROM outcomes"))}

    def answers(self):
        """How many answers can be found."""
        return self._data.execute("SELECT COUNT(*) FROM answers").fetchone()[0]

    def numbers(self, since):
        """Rows on numeric outputs and rewards of labels since then: owner, output, kind, and sums."""
        return self._data.execute(
            "SELECT deployment, predictor, version, output, kind, COUNT(*), AVG(ABS(predicted - truth)),"
            " AVG(predicted - truth), AVG(CASE WHEN truth <> 0 THEN ABS((predicted - truth) / truth) END),"
            " AVG(truth), AVG(answered_at), MAX(received_at) FROM labels"
            " WHERE received_at > ? AND kind <> 'class' GROUP BY 1, 2, 3, 4, 5",
            [since],
        ).fetchall()

    def classes(self, since):
        """Rows on categorical outputs of labels since then: owner, output, predicted, truth, number, times."""
        return self._data.execute(
            "SELECT deployment, predictor, version, output, predicted, truth, COUNT(*), SUM(answered_at),"
            " MAX(received_at) FROM labels WHERE received_at > ? AND kind = 'class' GROUP BY 1, 2, 3, 4, 5, 6",
            [since],
        ).fetchall()


def _kind(output):
    return "class" if "classes" in output else "number"


def _feedback(line):
    """The label in a LINE that a client's feedback left, as a list of one; empty where it is torn."""
    try:
        told = json.loads(line)
        return [Told(told["feedback"], told.get("truth"), when=float(told["at"]), reward=told.get("reward"))]
    except (ValueError, KeyError, TypeError):
        return []
