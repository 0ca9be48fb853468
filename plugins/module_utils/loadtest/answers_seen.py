# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What answers mean, kept for those that come again, as most do: reading one anew costs more than
all else that is done for a request."""

from __future__ import annotations

from .answer import is_only_number, number_between, read_outcome, split_number

# Bounded, as servers need not repeat themselves.
_MAX_HEADS = 512
_MAX_BODIES = 1024


class AnswersSeen:
    """The answers of one run. heads: the bytes of a head, without its empty line -> Head."""

    def __init__(self, protocol, record):
        self._protocol, self._record = protocol, record
        self.heads = {}

    def keep(self, head, data):
        """Remembers a head that came in one piece with its body, to know it at once the next time."""
        at = data.find(b"\r\n\r\n")
        if (
            at > 0
            and len(data) == at + 4 + head.length
            and data.startswith(b"HTTP/1.1 %d " % head.status)
        ):
            if len(self.heads) >= _MAX_HEADS:
                self.heads.clear()
            self.heads[data[:at]] = head

    def meaning(self, head, body):
        """(slot, values) of an answer, or (None, why it is an error)."""
        # An answer that differs from one already read in its only prediction needs no JSON parser.
        if head.template is not None:
            before, after, slot = head.template
            value = number_between(body, before, after)
            if value is not None:
                return slot, (value,)
        found = split_number(body) if 200 <= head.status < 300 else None
        if found:
            slot = head.templates.get(found[0])
            if slot is not None:
                before, _mark, after = found[0].partition(b"\0")
                head.template = before, after, slot
                return slot, (found[1],)
        outcome = read_outcome(self._protocol, head.headers, body)
        meaning = None, outcome.problem
        if 200 <= head.status < 300 and outcome.problem is None:
            meaning = self._record.slot(outcome.predictor, outcome.version), outcome.values
            if found and len(head.templates) < _MAX_BODIES and is_only_number(*found, outcome):
                head.templates[found[0]] = meaning[0]
        if len(head.bodies) < _MAX_BODIES:
            head.bodies[body] = meaning
        return meaning
