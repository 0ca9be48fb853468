# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape that all EKS modules share: find, compare, create, change, wait, delete.

``Api`` is the only place that calls AWS; ``Resource`` is the life of one thing; ``run`` maps a
module's options to it. A kind of resource is a subclass that names its calls.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible.module_utils.common.dict_transformations import camel_dict_to_snake_dict

from .changes import Change
from .errors import NOT_FOUND, EksError, from_answer, issues_of, spell

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # AnsibleAWSModule says what is missing
    BotoCoreError = ClientError = None  # type: ignore[assignment, misc]

RETRIES = {"retries": {"mode": "standard", "max_attempts": 10}}
"""botocore's own retries, with back-off, on throttling and on broken connections."""

DEGRADED_PATIENCE_SECONDS = 300
"""How long DEGRADED may last while waiting: CoreDNS is, until the first node has joined."""


class Api:
    """One AWS service; raises EksError for everything that AWS or the network refuses."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def call(self, method: str, **request: Any) -> dict:
        try:
            return getattr(self.client, method)(**request)
        except ClientError as error:
            raise from_answer(error.response, method) from error
        except BotoCoreError as error:
            raise EksError(f"Cannot ask AWS to {method}: {error}") from error

    def find(self, method: str, **request: Any) -> dict | None:
        """The answer, or None when AWS says that there is no such thing."""
        try:
            return self.call(method, **request)
        except EksError as error:
            if error.code in NOT_FOUND:
                return None
            raise

    def pages(self, method: str, key: str, **request: Any) -> list:
        """All items of a paged listing; [] when the thing listed in is gone."""
        try:
            paginator = self.client.get_paginator(method)
            return [item for page in paginator.paginate(**request) for item in page.get(key, [])]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in NOT_FOUND:
                return []
            raise from_answer(error.response, method) from error
        except BotoCoreError as error:
            raise EksError(f"Cannot ask AWS to {method}: {error}") from error


@dataclass
class Waiting:
    """How to wait. timeout_seconds counts for each thing waited for; the clock is passed in."""

    enabled: bool = True
    timeout_seconds: float = 1800
    delay_seconds: float = 15
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def until(self, ask: Callable[[], Any], describe: Callable[[], str]) -> Any:
        """Asks until the answer is not None; raises EksError with describe() at the timeout."""
        deadline = self.clock() + self.timeout_seconds
        while True:
            answer = ask()
            if answer is not None:
                return answer
            if self.clock() >= deadline:
                raise EksError(f"Gave up after {self.timeout_seconds:.0f} s: {describe()}")
            self.sleep(self.delay_seconds)


@dataclass
class Result:
    """What present() and absent() did, or would do in check mode."""

    changed: bool
    description: dict | None
    before: dict = field(default_factory=dict)
    after: dict = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)


class Resource:
    """One thing in AWS. Subclasses give the class attributes and fetch()."""

    noun = "resource"
    create_method = ""
    delete_method = ""
    waits = True
    """Whether it has a status that changes by itself."""
    FAILED = ("FAILED", "CREATE_FAILED", "DELETE_FAILED")
    FINAL_FAILURES = ("FAILED", "CREATE_FAILED", "DELETE_FAILED", "UPDATE_FAILED")
    BUSY = ("PENDING", "CREATING", "UPDATING")

    def __init__(self, api: Api, wanted: dict, waiting: Waiting | None = None) -> None:
        self.api = api
        self.wanted = wanted
        self.waiting = waiting or Waiting()

    # -- given by each kind --------------------------------------------------------------

    @property
    def title(self) -> str:
        return f"{self.noun} {self.wanted['name']}"

    def fetch(self) -> dict | None:
        raise NotImplementedError

    def create_request(self) -> dict:
        raise NotImplementedError

    def delete_request(self, current: dict) -> dict:
        raise NotImplementedError

    def changes(self, current: dict) -> list[Change]:
        raise NotImplementedError

    def update_key(self) -> dict:
        """What DescribeUpdate needs beside the update's id."""
        return {"name": self.wanted.get("cluster_name") or self.wanted["name"]}

    # -- life ----------------------------------------------------------------------------

    def present(self, check: bool = False) -> Result:
        current = self.fetch()
        calls: list[str] = []
        if current and self.status(current) == "DELETING":
            if not check:
                self.wait_gone()
            current = None
        if current and self.status(current) in self.FAILED:
            self.refuse_failed(current)
            calls.append(self.delete_method)
            if not check:
                self.delete(current)
            current = None
        if current is None:
            return self.create(calls, check)
        if self.status(current) in self.BUSY and not check and self.waiting.enabled:
            current = self.wait_ready()
        return self.update(current, calls, check)

    def create(self, calls: list[str], check: bool) -> Result:
        request = self.create_request()
        calls = calls + [self.create_method]
        if check:
            return Result(True, None, {}, request, calls)
        self.api.call(self.create_method, **request)
        if self.waits and not self.waiting.enabled:
            return Result(True, self.fetch(), {}, request, calls)
        current = self.wait_ready() if self.waits else self.fetch()
        # What takes calls of its own, such as the policies of an access entry.
        rest = self.update(current, calls, check)
        return Result(True, rest.description, {}, request, rest.calls)

    def update(self, current: dict, calls: list[str], check: bool) -> Result:
        changes = self.changes(current)
        before = {name: pair[0] for change in changes for name, pair in change.fields.items()}
        after = {name: pair[1] for change in changes for name, pair in change.fields.items()}
        calls = calls + [change.method for change in changes]
        if changes and not check:
            for position, change in enumerate(changes):
                self.apply(change, last=position == len(changes) - 1)
            current = self.wait_ready() if self.waits and self.waiting.enabled else self.fetch()
        return Result(bool(changes), current, before, after, calls)

    def apply(self, change: Change, last: bool = True) -> None:
        answer = self.api.call(change.method, **change.request)
        # Without waiting, only the last update may still run: AWS takes one at a time.
        if change.waits and (self.waiting.enabled or not last):
            self.wait_update(answer["update"]["id"])

    def absent(self, check: bool = False) -> Result:
        current = self.fetch()
        if current is None:
            return Result(False, None)
        if not check:
            self.delete(current)
        return Result(True, None, {"name": self.title}, {}, [self.delete_method])

    def delete(self, current: dict) -> None:
        if self.status(current) != "DELETING":
            if self.status(current) in self.BUSY and self.waiting.enabled:
                # AWS refuses to delete what it is still making or changing.
                self.wait_settled()
            try:
                self.api.call(self.delete_method, **self.delete_request(current))
            except EksError as error:
                if error.code not in NOT_FOUND:
                    raise
        if self.waits and self.waiting.enabled:
            self.wait_gone()

    # -- waiting -------------------------------------------------------------------------

    @staticmethod
    def status(current: dict) -> str:
        return current.get("status", "ACTIVE")

    def refuse_failed(self, current: dict) -> None:
        """Raises unless a failed creation may be deleted and done again."""
        if not self.wanted.get("replace_failed"):
            issues = issues_of(current)
            raise EksError(
                f"The {self.title} is {self.status(current)}: {spell(issues)}."
                " Set replace_failed to delete it and make it again.",
                issues=issues,
            )

    def wait_ready(self) -> dict:
        """The description once it is ACTIVE; raises EksError with AWS's reason otherwise."""
        seen: dict[str, Any] = {"current": None, "degraded_since": None}

        def ask() -> dict | None:
            current = seen["current"] = self.fetch()
            if current is None:
                raise EksError(f"The {self.title} vanished while it was being made.")
            status = self.status(current)
            if status in self.FINAL_FAILURES or self._degraded_too_long(status, seen):
                issues = issues_of(current)
                raise EksError(f"The {self.title} is {status}: {spell(issues)}.", issues=issues)
            return current if status == "ACTIVE" else None

        return self.waiting.until(ask, lambda: self._explain(seen["current"]))

    def _degraded_too_long(self, status: str, seen: dict) -> bool:
        if status != "DEGRADED":
            seen["degraded_since"] = None
            return False
        now = self.waiting.clock()
        if seen["degraded_since"] is None:
            seen["degraded_since"] = now
        return now - seen["degraded_since"] >= DEGRADED_PATIENCE_SECONDS

    def wait_settled(self) -> None:
        """Waits until it is neither being made nor being changed, in whatever state it ends."""

        def ask() -> bool | None:
            current = self.fetch()
            return True if current is None or self.status(current) not in self.BUSY else None

        self.waiting.until(ask, lambda: f"the {self.title} is still busy.")

    def wait_gone(self) -> None:
        seen: dict[str, Any] = {}

        def ask() -> bool | None:
            current = seen["current"] = self.fetch()
            if current is None:
                return True
            if self.status(current) in ("DELETE_FAILED", "FAILED"):
                issues = issues_of(current)
                raise EksError(
                    f"AWS could not delete the {self.title}: {spell(issues)}.", issues=issues
                )
            return None

        self.waiting.until(ask, lambda: self._explain(seen["current"]))

    def wait_update(self, update_id: str) -> None:
        """Waits for an update object; raises EksError with the errors that AWS lists in it."""

        def ask() -> bool | None:
            request = {**self.update_key(), "updateId": update_id}
            update = self.api.call("describe_update", **request)["update"]
            if update["status"] == "Successful":
                return True
            if update["status"] in ("Failed", "Cancelled"):
                issues = [
                    {
                        "code": error.get("errorCode", "Unknown"),
                        "message": error.get("errorMessage", ""),
                        "resource_ids": error.get("resourceIds", []),
                    }
                    for error in update.get("errors", [])
                ]
                raise EksError(
                    f"The {update['type']} of {self.title} is {update['status']}: {spell(issues)}.",
                    issues=issues,
                )
            return None

        self.waiting.until(ask, lambda: f"an update of the {self.title} is still running.")

    def _explain(self, current: dict | None) -> str:
        if current is None:
            return f"the {self.title} is gone."
        return f"the {self.title} is {self.status(current)}: {spell(issues_of(current))}."


def waiting_of(params: dict) -> Waiting:
    return Waiting(params["wait"], params["wait_timeout_seconds"], params["wait_delay_seconds"])


def describe(value: Any) -> Any:
    """An AWS description as modules return it: snake_case, but keys of users stay as they are."""
    if not value:
        return value
    kept = ("tags", "Tags", "labels")
    plain = camel_dict_to_snake_dict(value, ignore_list=kept)
    plain.pop("response_metadata", None)
    if isinstance(plain.get("tags"), list):
        plain["tags"] = {tag["Key"]: tag["Value"] for tag in plain["tags"]}
    return plain


def fail(module: Any, error: EksError) -> None:
    """Ends the module with the error's sentence, AWS's code and AWS's reasons."""
    module.fail_json(msg=error.message, code=error.code, issues=error.issues)


def run(module: Any, kind: type[Resource], returned: str, service: str = "eks") -> None:
    """Makes the resource what the module's options say and ends the module."""
    waiting = waiting_of(module.params) if "wait" in module.params else Waiting()
    resource = kind(Api(module.client(service, config=RETRIES)), module.params, waiting)
    try:
        act = resource.present if module.params["state"] == "present" else resource.absent
        result = act(check=module.check_mode)
    except EksError as error:
        fail(module, error)
    else:
        diff = {"before": describe(result.before), "after": describe(result.after)}
        module.exit_json(
            changed=result.changed,
            calls=result.calls,
            diff=diff,
            **{returned: describe(result.description) or {}},
        )
