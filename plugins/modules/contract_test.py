#!/usr/bin/python

# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: contract_test
short_description: Test that a model keeps its contract
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Draws inputs from the features of a model's C(contract.json), sends each twice in Seldon's protocol v1, and fails
    where an answer is none of what the contract says of its targets.
  - Checked are the HTTP status, C(status.status), the number of rows and columns, their names where the answer gives any,
    types, ranges and values, that the same input brings the same answer, in every form, and that the metrics count
    every row.
  - Then it sends what the contract does not allow, a value beyond its range, an unknown category, text for a number,
    C(null) and C(NaN), a missing and an extra column, no rows, and no JSON. The model may answer or refuse that, as the
    contract says by C("outside"), but must not fail at it.
  - At last it tells the model by feedback how right it was.
  - Every violation is returned with the input that caused it.
requirements:
  - Python 3.8 or later
  - With V(grpc) in O(forms), the Python packages grpcio and seldon-core (for its messages)
  - With O(image), the Python package docker
  - The model is one that runs, by O(url), or an O(image) of one.
options:
  url:
    description:
      - Where the model takes predictions, such as C(http://127.0.0.1:9000/api/v1.0/predictions).
      - The requests count as predictions in its metrics.
    type: str
  image:
    description:
      - Image of a model, present on a Docker or Podman engine of the host that sends.
      - A container of it runs for the test, with a read-only file system but for C(/tmp), without capabilities, its
        ports 9000 (HTTP), 6000 (metrics) and 5000 (gRPC) published to 127.0.0.1 only. It is taken away again.
      - Its metrics are always checked.
    type: str
  engine_host:
    description: Address of the container engine, as E(DOCKER_HOST) has it; that variable, or Docker's own socket, by default.
    type: str
    default: ""
  environment:
    description: Environment of the O(image)'s container, on top of the image's own.
    type: dict
    default: {}
  ready_timeout:
    description: Seconds until the O(image)'s container has to be ready.
    type: float
    default: 60.0
  contract:
    description:
      - The model's contract, as the path of its C(contract.json) on the host that sends, or as what is in it.
      - The key C(outside), of a feature or of the whole contract, is V(answer) or V(refuse) where a model has to do either
        with inputs that are not allowed. Of the whole contract it is also about requests with wrong columns.
    type: raw
    required: true
  metrics_url:
    description:
      - Where the model's metrics are, in Prometheus' text format, such as C(http://127.0.0.1:9001/metrics).
      - Their counters must grow by what was sent, so nobody else may ask the model meanwhile.
      - Neither O(headers) nor O(token_file) are sent there.
    type: str
  forms:
    description:
      - How the rows are sent. V(grpc) goes to O(grpc_address), the others to O(url).
      - V(tensor) holds numbers only and is left out where a feature is text.
    type: list
    elements: str
    choices: [ndarray, tensor, grpc]
    default: [ndarray, tensor]
  grpc_address:
    description: C(HOST:PORT) of the model's gRPC, without TLS.
    type: str
  feedback:
    description: Whether feedback with the rewards 0 and 1 and a truth is sent, too.
    type: bool
    default: true
  feedback_url:
    description:
      - Where the model takes feedback.
      - By default O(url) with C(feedback) in place of C(predictions), or C(send-feedback) in place of C(predict).
    type: str
  outside:
    description: Whether inputs that the contract does not allow are sent, too.
    type: bool
    default: true
  count:
    description: Number of different inputs within the contract.
    type: int
    default: 20
    aliases: [n]
  batch_rows:
    description: Rows per request; the inputs take these sizes in turn.
    type: list
    elements: int
    default: [1, 3]
    aliases: [rows]
  seed:
    description: Seed of everything random; the same seed sends the same requests.
    type: int
    default: 0
extends_documentation_fragment:
  - monitml.stack.model_requests
attributes:
  check_mode:
    description: Checks the options and the contract, and sends nothing, as predictions would count in the metrics.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
notes:
  - A contract test changes nothing that Ansible manages, so it never reports a change.
  - After three requests in a row without an answer it gives up.
seealso:
  - module: monitml.stack.contract_from_data
  - module: monitml.stack.load_test
"""

EXAMPLES = r"""
- name: Test a model on this machine
  monitml.stack.contract_test:
    url: http://127.0.0.1:9000/api/v1.0/predictions
    metrics_url: http://127.0.0.1:9001/metrics
    contract: models/housing/contract.json

- name: Test an image before it is pushed
  monitml.stack.contract_test:
    image: example/housing:v1
    contract: models/housing/contract.json

- name: Test a model in every form, with large requests
  monitml.stack.contract_test:
    url: http://127.0.0.1:9000/api/v1.0/predictions
    grpc_address: 127.0.0.1:5000
    forms: [ndarray, tensor, grpc]
    contract: models/housing/contract.json
    batch_rows: [1, 100]
    count: 100

- name: Test a model behind a gateway, where others ask it too
  monitml.stack.contract_test:
    url: https://gateway.example.com/seldon/seldon/housing/api/v1.0/predictions
    token_file: /run/secrets/token
    feedback: false
    contract:
      outside: refuse
      features:
        - {name: sqft, dtype: INT, ftype: continuous, range: [290, 13540]}
      targets:
        - {name: price, dtype: FLOAT, ftype: continuous, range: [0, inf]}
"""

RETURN = r"""
msg:
  description: The test in a sentence; where it failed, with the first violation.
  returned: always
  type: str
  sample: The model keeps its contract in 80 requests with 160 rows, answered 11 inputs outside it and refused 22.
violations:
  description: What the model did against its contract, the first of each check before more of the same, at most 25.
  returned: when requests were sent
  type: list
  elements: dict
  contains:
    check:
      description:
        - What was broken, one of V(answer), V(status), V(json), V(failure), V(data), V(rows), V(columns), V(names), V(dtype),
          V(range), V(values), V(same), V(forms), V(metrics), V(outside) and V(feedback).
      type: str
      returned: always
      sample: range
    message:
      description: What was wrong, in a sentence.
      type: str
      returned: always
      sample: price is -3.5, below 0.
    input:
      description: The rows, or the body, that caused it, cut off where long; none where it is of no single request.
      type: raw
      returned: always
      sample: [[7, 47.5, -122.2, 1180, 0, 1955]]
    answer:
      description: The answer, cut off where long.
      type: str
      returned: always
      sample: '{"data": {"names": [], "ndarray": [-3.5]}, "meta": {}}'
violations_total:
  description: How many there were.
  returned: when requests were sent
  type: int
  sample: 1
checks:
  description: How many there were of each check.
  returned: when requests were sent
  type: dict
  sample: {range: 1}
requests:
  description: Requests within the contract.
  returned: always
  type: int
  sample: 80
rows:
  description: Rows in them.
  returned: when requests were sent
  type: int
  sample: 160
outside:
  description: What became of the inputs outside the contract.
  returned: when requests were sent
  type: dict
  sample: {answered: 11, refused: 22, failed: 0}
log:
  description: The end of the container's log.
  returned: when an image breaks its contract
  type: str
left_out:
  description: What could not be tested, and why, as sentences.
  returned: when requests were sent
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils.client.error import LoadTestError
from ..module_utils.contract.definition import ContractError
from ..module_utils.contract_test import container
from ..module_utils.contract_test.grpc import IMPORT_ERROR
from ..module_utils.contract_test.run import ContractTest
from ..module_utils.image import engine as image_engine

ARGUMENT_SPEC = {
    "url": {"type": "str"},
    "image": {"type": "str"},
    "engine_host": {"type": "str", "default": ""},
    "environment": {"type": "dict", "default": {}},
    "ready_timeout": {"type": "float", "default": 60.0},
    "contract": {"type": "raw", "required": True},
    "metrics_url": {"type": "str"},
    "forms": {
        "type": "list",
        "elements": "str",
        "choices": ["ndarray", "tensor", "grpc"],
        "default": ["ndarray", "tensor"],
    },
    "grpc_address": {"type": "str"},
    "feedback": {"type": "bool", "default": True},
    "feedback_url": {"type": "str"},
    "outside": {"type": "bool", "default": True},
    "count": {"type": "int", "default": 20, "aliases": ["n"]},
    "batch_rows": {"type": "list", "elements": "int", "default": [1, 3], "aliases": ["rows"]},
    "timeout": {"type": "float", "default": 10.0},
    "seed": {"type": "int", "default": 0},
    "headers": {"type": "dict", "default": {}},
    "token_file": {"type": "path"},
    "ca_file": {"type": "path"},
    "tls_server_name": {"type": "str"},
    "validate_certs": {"type": "bool", "default": True},
}


def at(addresses, given):
    """The options of a test of what answers at the addresses of a container."""
    return {
        **given,
        "url": "http://%s/api/v1.0/predictions" % addresses["http"],
        "metrics_url": "http://%s/metrics" % addresses["metrics"],
        "grpc_address": addresses["grpc"],
    }


def ask_model(given, check_mode):
    """Result of the test of a model that runs."""
    test = ContractTest(given)
    if check_mode:
        return {"changed": False, "requests": 0, "msg": test.describe()}
    test.run()
    return test.result()


def ask_image(given, check_mode):
    """Result of the test of an image."""
    if not 0 < given["ready_timeout"] < float("inf"):
        raise ContractError(
            "ready_timeout is %s; give a number of seconds above 0." % given["ready_timeout"]
        )
    nowhere = {what: "%s:%d" % (container.HOST, port) for what, port in container.PORTS.items()}
    # Looks at the options before a container is started for nothing.
    result = ask_model(at(nowhere, given), True)
    if check_mode:
        return result
    environment = {key: str(value) for key, value in given["environment"].items()}
    engine = image_engine.Engine(given["engine_host"])
    with container.running(
        engine, given["image"], environment, given["ready_timeout"]
    ) as running:
        result = ask_model(at(running.addresses, given), False)
        if result["violations_total"]:
            # One that falls silent may be about to end.
            ended = running.end(seconds=5 if "answer" in result["checks"] else 0)
            result["log"] = running.last_words()
            result["msg"] = " ".join(filter(None, [result["msg"], ended]))
    return result


def main():
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        supports_check_mode=True,
        required_one_of=[("url", "image")],
        mutually_exclusive=[
            ("url", "image"),
            ("metrics_url", "image"),
            ("grpc_address", "image"),
            ("feedback_url", "image"),
        ],
    )
    given = module.params
    if "grpc" in given["forms"] and IMPORT_ERROR:
        sentence = missing_required_lib("grpcio and seldon-core", reason="for grpc in forms")
        module.fail_json(msg=sentence, exception=IMPORT_ERROR)
    if given["image"] and image_engine.IMPORT_ERROR:
        sentence = missing_required_lib("docker", reason="for image")
        module.fail_json(msg=sentence, exception=image_engine.IMPORT_ERROR)
    ask = ask_image if given["image"] else ask_model
    try:
        result = ask(given, module.check_mode)
    except (ContractError, LoadTestError, image_engine.ImageError) as err:
        module.fail_json(msg=str(err))
    if result.get("violations_total"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
