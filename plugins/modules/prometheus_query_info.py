#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: prometheus_query_info
short_description: Ask Prometheus, and wait until it knows what it should
version_added: 0.1.0
description:
  - Sends an instant query and returns its samples.
  - With O(expected) it asks again until there is a sample with each of these sets of labels, or until
    O(timeout_seconds) have passed. So a playbook goes on when what it depends on has been read, and not
    some seconds later.
author:
  - The monitml.stack founders (@monitml)
options:
  url:
    description: Address of Prometheus, such as V(http://127.0.0.1:3001).
    type: str
    required: true
  query:
    description: The query, in PromQL. Its result has to be a vector.
    type: str
    required: true
  expected:
    description: Sets of labels. Each has to be part of the labels of some sample.
    type: list
    elements: dict
    default: []
  timeout_seconds:
    description: How long to wait for what is expected, in seconds.
    type: float
    default: 30.0
attributes:
  check_mode:
    description: Can run in check mode, in which it asks as it always does.
    support: full
"""

EXAMPLES = r"""
- name: Wait until both model servers have been read
  monitml.stack.prometheus_query_info:
    url: http://127.0.0.1:3001
    query: monitml_model_info
    expected:
      - {predictor_name: good, predictor_version: v1}
      - {predictor_name: bad, predictor_version: v2}
"""

RETURN = r"""
samples:
  description: The samples of the last answer.
  returned: success
  type: list
  elements: dict
  sample: [{"labels": {"predictor_name": "good"}, "value": 1.0}]
missing:
  description: Those of O(expected) that no sample had.
  returned: where it waited in vain
  type: list
  elements: dict
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.watching.prometheus import Prometheus, PrometheusError, missing

ARGUMENT_SPEC = {
    "url": {"type": "str", "required": True},
    "query": {"type": "str", "required": True},
    "expected": {"type": "list", "elements": "dict", "default": []},
    "timeout_seconds": {"type": "float", "default": 30.0},
}
_PAUSE_SECONDS = 0.1


def wait(prometheus, query, expected, seconds, clock=time):
    """(samples, what is missing at the end). Raises PrometheusError where it never answered."""
    # Labels are text; YAML may have made a number of a version.
    expected = [{name: str(value) for name, value in labels.items()} for labels in expected]
    until = clock.monotonic() + seconds
    while True:
        late = clock.monotonic() >= until
        try:
            samples = prometheus.query(query)
        except PrometheusError as error:
            if late or not expected or not error.passing:
                raise
        else:
            left = missing(expected, samples)
            if late or not left:
                return samples, left
        clock.sleep(_PAUSE_SECONDS)


def main():
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    given = module.params
    try:
        samples, left = wait(
            Prometheus(given["url"]), given["query"], given["expected"], given["timeout_seconds"]
        )
    except PrometheusError as error:
        module.fail_json(msg=str(error))
    if left:
        who = "; ".join(
            " ".join(f"{name}={value}" for name, value in labels.items()) for labels in left
        )
        module.fail_json(
            msg="Prometheus at %s does not know within %g s of: %s. Asked was: %s"
            % (given["url"], given["timeout_seconds"], who, given["query"]),
            missing=left,
        )
    module.exit_json(changed=False, samples=samples)


if __name__ == "__main__":
    main()
