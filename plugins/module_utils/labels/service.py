# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What takes labels on a machine: the only place that talks to its HTTP API."""

from __future__ import annotations

import json
from urllib.error import HTTPError

from ansible.module_utils.urls import open_url

from .table import refuse

OUTCOMES = ("new", "same", "corrected", "older", "unknown")
_AT_ONCE = 5000
_SECONDS = 120
_SHOWN_IDS = 10


class ServiceError(Exception):
    """What a person can put right; a sentence."""


class Labels:
    """One that takes labels, by its address, such as http://127.0.0.1:3008."""

    def __init__(self, url):
        self._url = url.rstrip("/")

    def tell(self, labels, check):
        """Hands over labels of table's form; with CHECK only asks what would come of it.

        Returns {outcome: number}, with unknown_ids, the first of them, and joined, [{deployment,
        predictor, version, labels}]. TableError where one cannot be true; then none was taken.
        """
        done = self._all(labels, True)
        return done if check else self._all(labels, False)

    def _all(self, labels, check):
        total, sentences, unknown, joined = dict.fromkeys(OUTCOMES, 0), [], [], {}
        for start in range(0, len(labels), _AT_ONCE):
            part = labels[start : start + _AT_ONCE]
            answer = self._post(part, check)
            sentences += ["%s: %s" % (part[one["place"]]["where"], one["sentence"]) for one in answer["reasons"]]
            unknown += answer["unknown_ids"]
            for name in OUTCOMES:
                total[name] += answer[name]
            for one in answer["joined"]:
                owner = tuple(one[key] for key in ("deployment", "predictor", "version"))
                joined[owner] = joined.get(owner, 0) + one["labels"]
        refuse(sentences)
        owners = [dict(zip(("deployment", "predictor", "version"), owner), labels=n) for owner, n in sorted(joined.items())]
        return {**total, "unknown_ids": unknown[:_SHOWN_IDS], "joined": owners}

    def _post(self, labels, check):
        sent = [{key: label[key] for key in ("id", "truth", "row", "when")} for label in labels]
        body = json.dumps({"labels": sent, "check": check}).encode()
        try:
            with open_url(
                self._url + "/api/labels",
                data=body,
                method="POST",
                headers={"Content-Type": "application/json"},
                timeout=_SECONDS,
                use_proxy=False,
            ) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise ServiceError("What takes labels at %s refuses them: %s" % (self._url, _reason(error))) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ServiceError(
                "What takes labels at %s does not answer: %s. It runs where site.yml has deployed with answers.enabled."
                % (self._url, reason)
            ) from error


def _reason(error):
    try:
        return json.load(error)["status"]["info"]
    except (ValueError, KeyError, TypeError):
        return "%s %s." % (error.code, error.reason)


def summary(done):
    """What came of labels, in a sentence; done: as Labels.tell() returns it."""
    words = {
        "new": "new",
        "corrected": "correct an earlier one",
        "same": "were known",
        "older": "are older than what is known",
        "unknown": "fit no answer",
    }
    parts = ["%d %s" % (done[name], text) for name, text in words.items() if done[name] or name == "new"]
    text = "Of %d labels %s." % (sum(done[name] for name in OUTCOMES), ", ".join(parts))
    if done["joined"]:
        who = ", ".join("%(labels)d to %(predictor)s %(version)s" % one for one in done["joined"])
        text += " They are joined: %s." % who
    if done["unknown_ids"]:
        text += " Nobody knows, for example, the answer %s." % done["unknown_ids"][0]
    return text
