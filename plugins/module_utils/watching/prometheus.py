# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Prometheus that is asked: the only place that talks to its HTTP API."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.parse import urlencode

from ansible.module_utils.urls import open_url

_SECONDS = 10


class PrometheusError(Exception):
    """What a person can put right; a sentence. passing: whether asking again may help."""

    def __init__(self, message: str, passing: bool = False):
        super().__init__(message)
        self.passing = passing


class Prometheus:
    """One server by its address, such as http://127.0.0.1:3001."""

    def __init__(self, url: str):
        self._url = url.rstrip("/")

    def query(self, expression: str) -> list[dict]:
        """The samples of an instant query that gives a vector: [{"labels": {...}, "value": float}]."""
        query = urlencode({"query": expression})
        try:
            with open_url(f"{self._url}/api/v1/query?{query}", timeout=_SECONDS) as answer:
                content = json.load(answer)
        except HTTPError as error:
            raise _refused(self._url, error) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise PrometheusError(
                f"Prometheus at {self._url} does not answer: {reason}.", passing=True
            ) from error
        data = content.get("data", {})
        if data.get("resultType") != "vector":
            raise PrometheusError(f"The query gives a {data.get('resultType')}, not a vector: {expression}")
        return [
            {"labels": sample["metric"], "value": float(sample["value"][1])}
            for sample in data["result"]
        ]


def _refused(url: str, error: HTTPError) -> PrometheusError:
    try:
        reason = json.load(error)["error"]
    except (ValueError, KeyError, TypeError):
        reason = f"{error.code} {error.reason}"
    # One that is just reading its disk says so with 503.
    return PrometheusError(f"Prometheus at {url} refuses: {reason}.", passing=error.code == 503)


def missing(expected: list[dict], samples: list[dict]) -> list[dict]:
    """Which of the expected sets of labels no sample has, in the order given."""
    return [
        labels
        for labels in expected
        if not any(labels.items() <= sample["labels"].items() for sample in samples)
    ]
