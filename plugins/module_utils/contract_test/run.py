# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One contract test from options to result: what is sent, and what is noted of it."""

from __future__ import annotations

import json
import math
import os
import random
import time

from ..client.payload import body
from ..contract.definition import ContractError, parse_contract, read_contract
from . import check, outside
from .grpc import GrpcModel
from .http import Endpoint

_FEEDBACK_PATHS = (("/predictions", "/feedback"), ("/predict", "/send-feedback"))
_REWARDS = (0.0, 1.0)
_MAX_VIOLATIONS = 25
_MAX_SILENT = 3
# A server with several processes may tell of an answer a moment after giving it.
_METRICS_SECONDS = 2.0


class GivenUp(Exception):
    """The model has not answered for so long that more of the same would only take time."""


def read_file(path, option):
    try:
        with open(os.path.expanduser(os.path.expandvars(str(path))), encoding="utf-8") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as err:
        said = getattr(err, "strerror", None) or err
        raise ContractError("%s %s cannot be read (%s)." % (option, path, said)) from None


def read_token(path):
    """The token in a file; None without one."""
    if not path:
        return None
    token = read_file(path, "token_file").strip()
    if not token or any(char.isspace() for char in token):
        raise ContractError("token_file %s must hold one token and nothing else." % path)
    return token


def check_options(options):
    """Raises ContractError where options make no sense."""
    if not (options["timeout"] > 0 and math.isfinite(options["timeout"])):
        raise ContractError("timeout is %s; give a number above 0." % options["timeout"])
    if options["count"] < 1 or min(options["batch_rows"], default=0) < 1:
        raise ContractError("count and batch_rows must be whole numbers of at least 1.")
    if not options["forms"]:
        raise ContractError("forms is empty; give at least one of ndarray, tensor and grpc.")
    if "grpc" in options["forms"] and not options["grpc_address"]:
        raise ContractError("forms has grpc, but nothing says where; give grpc_address.")


def find_feedback_url(options):
    """Where feedback goes, None where there is none to be sent."""
    if not options["feedback"] or options["feedback_url"]:
        return options["feedback_url"] if options["feedback"] else None
    for ending, other in _FEEDBACK_PATHS:
        if options["url"].endswith(ending):
            return options["url"][: -len(ending)] + other
    raise ContractError(
        "url %s does not end in /predictions or /predict, so where feedback goes is unknown; "
        "give feedback_url, or feedback: false." % options["url"]
    )


class ContractTest:
    """One test: what it needs is read when it is made, what it found is in ``result()``."""

    def __init__(self, options):
        check_options(options)
        self._options = options
        given = options["contract"]
        if isinstance(given, dict):
            self._contract = read_contract(given, targets=True)
        else:
            self._contract = parse_contract(read_file(given, "contract"), given, targets=True)
        self._token = read_token(options["token_file"])
        self._model = self._endpoint(options["url"])
        self._feedback = self._endpoint(find_feedback_url(options))
        self._metrics = None
        if options["metrics_url"]:
            self._metrics = Endpoint(
                options["metrics_url"], options["timeout"], {"Accept": "text/plain"}
            )
        self._rng = random.Random(options["seed"])
        self._grpc = None
        self._found, self._silent = {}, 0
        self._requests = self._rows = self._answered = 0
        self._outside = {"answered": 0, "refused": 0, "failed": 0}
        self._left_out = []
        self._forms = self._possible_forms()

    def _endpoint(self, url):
        if url is None:
            return None
        return Endpoint(url, self._options["timeout"], self._options["headers"], self._token)

    def _possible_forms(self):
        forms = list(self._options["forms"])
        texts = [one.name for one in self._contract.features if one.dtype == "STRING"]
        if texts and "tensor" in forms:
            forms.remove("tensor")
            self._left_out.append("A tensor holds no text, which the feature %s is." % texts[0])
        if not forms:
            raise ContractError(self._left_out[0][:-1] + "; add ndarray or grpc to forms.")
        return forms

    def describe(self):
        """What would be sent, for check mode."""
        sizes = "%s and %s" % (
            check.amount(len(self._contract.features), "feature"),
            check.amount(len(self._contract.targets), "target"),
        )
        return (
            "check mode: nothing was sent; the contract with %s is sound, and %d inputs "
            "of it would go to %s" % (sizes, self._options["count"], self._options["url"])
        )

    def run(self):
        """Sends everything. ContractError and LoadTestError where the model cannot be reached."""
        tls = {k: self._options[k] for k in ("ca_file", "validate_certs", "tls_server_name")}
        for endpoint in (self._model, self._metrics, self._feedback):
            if endpoint is not None:
                endpoint.reach(**tls)
        if "grpc" in self._forms:
            self._grpc = GrpcModel(
                self._options["grpc_address"],
                self._options["timeout"],
                self._options["headers"],
                self._token,
            )
        try:
            self._counting(self._predictions, "rows")
            if self._options["outside"]:
                self._send_outside()
            if self._feedback:
                self._counting(self._send_feedback, "feedbacks")
        except GivenUp:
            self._left_out.append("What was to come, as the model answered nothing any more.")
        finally:
            if self._grpc:
                self._grpc.close()

    def _note(self, fault, sent=None, answer=None):
        self._found.setdefault(fault.check, []).append(check.violation(fault, sent, answer))

    def _note_all(self, faults, sent=None, answer=None):
        for fault in faults:
            self._note(fault, sent, answer)
        if answer is not None:
            # Three silent requests in a row are enough to know, and each takes its time.
            self._silent = self._silent + 1 if answer.problem else 0
            if self._silent >= _MAX_SILENT:
                raise GivenUp()

    # -- metrics

    def _counters(self):
        return check.read_counters(self._metrics.ask("GET"))

    def _counting(self, send, what):
        """Calls ``send`` and checks that the metrics grow by what it returns, None for unknown."""
        try:
            before = self._counters() if self._metrics else None
        except check.Fault as fault:
            self._note(fault)
            before = None
        expected = send()
        if before is None or expected is None:
            return
        until = time.monotonic() + _METRICS_SECONDS
        while True:
            try:
                faults = check.count_faults(before, self._counters(), expected, what)
            except check.Fault as fault:
                faults = [fault]
            if not faults or time.monotonic() > until:
                break
            time.sleep(0.1)
        self._note_all(faults)

    # -- within the contract

    def _predictions(self):
        sizes = self._options["batch_rows"]
        for number in range(self._options["count"]):
            rows = [self._contract.row(self._rng) for _row in range(sizes[number % len(sizes)])]
            first = None
            for form in self._forms:
                got, answer = self._ask_twice(form, rows)
                if first is None or got is None:
                    first = got if first is None else first
                    continue
                at = check.differing(first, got)
                if at is not None:
                    said = "The answer to %s is another than the one to %s." % (
                        form,
                        self._forms[0],
                    )
                    self._note(check.Fault("forms", said, at), rows, answer)
        if self._answered < self._rows:
            # A request that failed may have been counted before it did.
            return None
        return check.expected_counts(self._contract.targets, self._rows)

    def _ask_twice(self, form, rows):
        """(rows of the answer, or None where it is unsound or changes, and the last Answer)."""
        answer = self._send(form, rows)
        first, faults = check.judge(answer, self._contract.targets, len(rows))
        self._note_all(faults, rows, answer)
        if first is None:
            return None, answer
        answer = self._send(form, rows)
        again, faults = check.judge(answer, self._contract.targets, len(rows))
        if again is None:
            self._note_all(faults, rows, answer)
            return first, answer
        at = check.differing(first, again)
        if at is not None:
            said = "The same input had another answer the second time (%s)." % form
            self._note(check.Fault("same", said, at), rows, answer)
            return None, answer
        return first, answer

    def _send(self, form, rows):
        names = self._contract.names
        kind = form
        if form == "grpc":
            numbers = all(one.dtype != "STRING" for one in self._contract.features)
            kind = "tensor" if numbers else "ndarray"
        text = body("seldon", rows, names, kind)
        if form == "grpc":
            answer = self._grpc.predict(json.loads(text)["data"])
        else:
            answer = self._model.ask("POST", text)
        self._requests += 1
        self._rows += len(rows)
        self._answered += len(rows) if check.is_answered(answer) else 0
        return answer

    # -- outside it, and feedback

    def _send_outside(self):
        for case in outside.outside_cases(self._contract, self._rng):
            answer = self._model.ask("POST", case.text)
            outcome, faults = outside.judge_case(case, answer, self._contract.targets)
            self._outside[outcome] += 1
            self._note_all(faults, case.sent, answer)

    def _send_feedback(self):
        accepted = True
        for reward in _REWARDS:
            rows = [self._contract.row(self._rng)]
            truth = [[target.draw(self._rng) for target in self._contract.targets]]
            text = body("feedback", rows, self._contract.names, "ndarray", truth, reward)
            answer = self._feedback.ask("POST", text)
            faults = check.judge_feedback(answer)
            accepted = accepted and not faults
            self._note_all(faults, text, answer)
        return check.expected_feedback(_REWARDS) if accepted else None

    def result(self):
        """What the module returns."""
        violations, depth = [], 0
        while len(violations) < _MAX_VIOLATIONS and any(
            len(found) > depth for found in self._found.values()
        ):
            for name in check.CHECKS:
                violations += self._found.get(name, [])[depth : depth + 1]
            depth += 1
        result = {
            "changed": False,
            "violations": violations[:_MAX_VIOLATIONS],
            "violations_total": sum(len(found) for found in self._found.values()),
            "checks": {
                name: len(self._found[name]) for name in check.CHECKS if name in self._found
            },
            "requests": self._requests,
            "rows": self._rows,
            "outside": self._outside,
            "left_out": self._left_out,
        }
        result["msg"] = self._message(violations[0]["message"] if violations else None)
        return result

    def _message(self, first):
        asked = "%d requests with %d rows" % (self._requests, self._rows)
        count = sum(len(found) for found in self._found.values())
        if count:
            amount = "1 violation" if count == 1 else "%d violations, first" % count
            return "The model breaks its contract in %s. %s: %s" % (asked, amount, first)
        if not self._options["outside"]:
            return "The model keeps its contract in %s." % asked
        return (
            "The model keeps its contract in %s, answered %d inputs outside it and refused %d."
            % (
                asked,
                self._outside["answered"],
                self._outside["refused"],
            )
        )
