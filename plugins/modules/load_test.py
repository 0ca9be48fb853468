#!/usr/bin/python

# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: load_test
short_description: Send requests to a model and judge the answers
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Sends prediction requests over HTTP/1.1 and measures what comes back, as a whole and per predictor and
    version, which is how a canary is judged.
  - With O(rate) or O(stages) it is an open loop. Requests leave on schedule whether or not answers have come, and
    latency runs from the time a request was due, so that a server that stalls cannot hide it.
  - Without them it is a closed loop of O(connections) users who wait for their answers.
  - The kernel stamps packets as they come and go, so waiting of the generator for a processor does not count as
    latency of the server. How often that failed is in RV(generator.timestamps).
  - Percentiles are exact up to 262144 answers; beyond, they come from a histogram and are at most 0.1 % off.
  - A run in which the generator was the bottleneck is called inconclusive, not passed.
  - On a local connection it runs in the process of ansible-playbook, otherwise on the host of the task.
requirements:
  - Linux
  - Python 3.8 or later
options:
  url:
    description: Where to send the requests, C(http://) or C(https://).
    type: str
    required: true
  method:
    description: HTTP method of the requests.
    type: str
    default: POST
  protocol:
    description:
      - What requests and answers look like.
      - V(seldon) is C(/api/v1.0/predictions) of Seldon Core v1, V(feedback) its C(/api/v1.0/feedback).
      - V(v2) is the REST of the Open Inference Protocol.
      - V(raw) takes any answer with a status of 2xx, without looking into its body.
    type: str
    choices: [seldon, feedback, v2, raw]
    default: seldon
  payload_type:
    description: How Seldon's protocol carries the rows.
    type: str
    choices: [ndarray, tensor]
    default: ndarray
  contract:
    description:
      - A model's contract, as the path of its C(contract.json) or as what is in it. Rows are drawn from its features
        at random.
      - The file is on the host that sends. This holds for every path here.
    type: raw
  data:
    description: A file of rows, CSV with or without a header, or JSON lines of lists or objects.
    type: path
  data_order:
    description: Whether the rows of O(data) are sent in their order, again and again, or drawn at random.
    type: str
    choices: [replay, sample]
    default: replay
  truth_column:
    description: Column of O(data) that is not sent as input, but as truth with O(protocol=feedback).
    type: str
  reward:
    description: Reward that is sent with O(protocol=feedback).
    type: float
  payload:
    description: The body to send as it is, text or a structure that becomes JSON.
    type: raw
  batch_rows:
    description: Rows per request.
    type: int
    default: 1
  count:
    description: Number of requests. With O(duration) whichever ends first.
    type: int
    aliases: [n]
  duration:
    description: Seconds during which requests are sent.
    type: float
  rate:
    description: Requests per second, sent on schedule.
    type: float
  stages:
    description: A schedule of rates, one after the other.
    type: list
    elements: dict
    suboptions:
      duration:
        description: Seconds the stage lasts.
        type: float
        required: true
      rate:
        description: Requests per second at its end.
        type: float
        required: true
      start_rate:
        description:
          - Requests per second at its beginning.
          - By default the rate at which the stage before ended, so a stage is a ramp; for the first, O(stages[].rate).
        type: float
  arrival:
    description: Whether requests of the open loop are due at even distances, or as chance brings independent users.
    type: str
    choices: [constant, poisson]
    default: constant
  connections:
    description:
      - Users of the closed loop (10 by default), or the most connections of the open loop (512 by default).
      - They are opened when needed, as a server may keep a worker waiting on each.
    type: int
  think_time:
    description: Seconds a user of the closed loop waits between an answer and the next request.
    type: float
    default: 0.0
  warm_up:
    description: Seconds of requests before those that are measured.
    type: float
    default: 0.0
  processes:
    description: Number of processes that share the work, where one processor is not enough.
    type: int
    default: 1
  seed:
    description: Seed of everything random; the same seed sends the same requests at the same times.
    type: int
    default: 0
  expected_split:
    description:
      - The declared split of the requests.
      - It is judged by exact binomial bounds, which call a right split wrong once in a thousand runs.
    type: list
    elements: dict
    default: []
    suboptions:
      predictor:
        description: Name of the predictor.
        type: str
        required: true
      weight:
        description: Its weight. The weights need not sum to 100.
        type: float
        required: true
  thresholds:
    description:
      - Limits that fail the task where they do not hold, as C(MEASURE OPERATOR VALUE[UNIT]).
      - Measures of time are C(p95) (any percentile), C(min), C(mean), C(max), and with C(service_) before
        them the same without waiting in the generator. Units are C(us), C(ms) (the default) and C(s).
      - Others are C(error_ratio) (with C(%)), C(errors), C(requests) and C(throughput).
      - Of one predictor, named in brackets, are C(p95), C(min), C(mean), C(max), C(count), C(share), C(prediction_mean),
        C(prediction_min) and C(prediction_max).
      - A percentile with too few samples is inconclusive, a predictor without answers an error; neither passes.
    type: list
    elements: str
    default: ["error_ratio <= 1%"]
  report:
    description: Directory for C(load_test.json), C(timeline.csv), C(percentiles.csv) and C(load_test.html).
    type: path
  metrics_file:
    description:
      - File, ending in C(.prom), that says in Prometheus' text format when the run began and ended and what it measured.
      - Put it into the directory of node_exporter's textfile collector, and boards can show the run.
      - It is written as the run begins and as it ends, each time as a whole, and everybody may read it.
    type: path
  metrics_labels:
    description: Labels of the series in O(metrics_file), besides C(name) and C(url), which they always have.
    type: dict
    default: {}
  metrics_required:
    description:
      - Whether a run fails whose O(metrics_file) cannot be written.
      - Otherwise it goes on, with a warning, or without where there is no directory to write into.
    type: bool
    default: true
  name:
    description: Name of the run in progress lines, the report and metrics.
    type: str
    default: load_test
  progress:
    description: Whether a line a second tells how far the run is, where it runs on the controller in a terminal.
    type: bool
    default: true
  summary:
    description:
      - Whether RV(msg) of a run that passes is shown also without C(-v). That of one that fails is shown in any case.
      - The controller writes it to its standard error, for people, and not if the task has C(no_log).
    type: bool
    default: false
extends_documentation_fragment:
  - monitml.stack.model_requests
attributes:
  check_mode:
    description: Checks everything, reads the files, and sends nothing.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
notes:
  - A load test changes nothing that Ansible manages, so it never reports a change.
  - The latencies take in requests that timed out, at the time they had waited. Answers with an error status, which may be fast
    because they are errors, are counted and left out.
"""

EXAMPLES = r"""
- name: Send sixty requests and check the canary's split
  monitml.stack.load_test:
    url: http://127.0.0.1:8004/seldon/seldon/housing/api/v1.0/predictions
    contract: models/housing/contract.json
    count: 60
    expected_split:
      - {predictor: good, weight: 75}
      - {predictor: bad, weight: 25}

- name: Hold 300 requests a second for a minute, as independent users send them
  monitml.stack.load_test:
    url: https://gateway.example.com/seldon/seldon/housing/api/v1.0/predictions
    token_file: /run/secrets/token
    data: houses.csv
    data_order: sample
    rate: 300
    arrival: poisson
    duration: 60
    warm_up: 5
    thresholds:
      - p95 < 300ms
      - error_ratio < 0.1%
      - prediction_mean(good) >= 100000
    report: reports/housing

- name: Ramp up, hold, ramp down
  monitml.stack.load_test:
    url: http://127.0.0.1:9000/v2/models/housing/infer
    protocol: v2
    contract: models/housing/contract.json
    stages:
      - {duration: 30, rate: 200, start_rate: 10}
      - {duration: 60, rate: 200}
      - {duration: 30, rate: 0}
"""

RETURN = r"""
msg:
  description: The run in a sentence.
  returned: always
  type: str
  sample: "60 requests, 60 answers (bad 14, good 46), 0 errors, p95 9.31 ms. pass"
outcome:
  description: The worst of the verdicts, V(pass), V(inconclusive), V(fail) or V(error). Only V(pass) lets the task pass.
  returned: when requests were sent
  type: str
  sample: pass
verdicts:
  description: One judgement per threshold and of the split, each with its value, limit, number of samples and a sentence.
  returned: when requests were sent
  type: list
  elements: dict
  sample: [{name: "p95 < 300ms", outcome: pass, value: 9.31, limit: 300.0, samples: 60, message: "p95 < 300ms: measured 9.31 ms of 60 samples"}]
requests:
  description: Requests sent, without those of the warm-up.
  returned: always
  type: int
  sample: 60
answers:
  description: Good answers.
  returned: when requests were sent
  type: int
  sample: 60
errors:
  description: Requests without a good answer, in total, as a ratio, by kind, by HTTP status, and what the most frequent were.
  returned: when requests were sent
  type: dict
  sample: {total: 1, ratio: 0.016, by_kind: {http_5xx: 1}, by_status: {"503": 1}, details: []}
predictors:
  description: What each predictor and version answered; shares with 99.9 % bounds, instants in seconds since 1970.
  returned: when requests were sent
  type: list
  elements: dict
  sample:
    - predictor: good
      version: v1
      count: 46
      share: 0.767
      share_low: 0.552
      share_high: 0.914
      declared: 0.75
      predictions: 46
      prediction_mean: 512345.6
      prediction_min: 201000.0
      prediction_max: 1400000.0
      first_answer_at: 1790000000.1
      last_answer_at: 1790000000.9
      latency_ms: {mean: 6.1, p50: 5.9, p95: 9.3, p99: 11.0, max: 11.0}
latency_ms:
  description: From the time a request was due to its whole answer.
  returned: when requests were sent
  type: dict
  sample: {count: 60, exact: true, min: 4.0, mean: 6.0, max: 11.0, p50: 5.9, p90: 8.8, p95: 9.3, p99: 11.0, p99_9: 11.0}
service_ms:
  description: From the time a request was sent to its whole answer, good answers only.
  returned: when requests were sent
  type: dict
  sample: {count: 60, exact: true, min: 4.0, mean: 6.0, max: 11.0, p50: 5.9, p90: 8.8, p95: 9.3, p99: 11.0, p99_9: 11.0}
throughput:
  description: Good answers per second.
  returned: when requests were sent
  type: float
  sample: 155.2
started_at:
  description: When the measured part began, in seconds since 1970.
  returned: when requests were sent
  type: float
  sample: 1790000000.0
ended_at:
  description: When it ended.
  returned: when requests were sent
  type: float
  sample: 1790000001.0
duration_seconds:
  description: Its length.
  returned: when requests were sent
  type: float
  sample: 1.0
interrupted:
  description: Whether a signal ended the run before its time.
  returned: when requests were sent
  type: bool
  sample: false
generator:
  description: How well the generator itself kept up.
  returned: when requests were sent
  type: dict
  contains:
    planned:
      description: Requests that the schedule or O(count) came to.
      type: int
      returned: always
      sample: 60
    missed:
      description: Requests that never left, as every connection was busy for longer than O(timeout).
      type: int
      returned: always
      sample: 0
    queued:
      description: Requests that had to wait for a connection.
      type: int
      returned: always
      sample: 0
    abandoned:
      description: Requests that were under way when a signal ended the run.
      type: int
      returned: always
      sample: 0
    connects:
      description: Connections opened.
      type: int
      returned: always
      sample: 10
    cpu_ratio:
      description: Share of one processor that each process used.
      type: float
      returned: always
      sample: 0.05
    send_lag_us:
      description: How long after they were due requests left, in microseconds; of the open loop only.
      type: dict
      returned: always
      sample: {p50: 2.1, p99: 9.0, max: 30.0}
    timestamps:
      description: How many times came from the kernel's stamps of packets received and sent, and how many of receipt from the clock.
      type: dict
      returned: always
      sample: {receive: 60, transmit: 60, clock: 0}
    saturated:
      description: Whether the generator was the bottleneck of the run.
      type: bool
      returned: always
      sample: false
    reasons:
      description: Why it was.
      type: list
      elements: str
      returned: always
      sample: []
url:
  description: Where the requests went.
  returned: when requests were sent
  type: str
  sample: http://127.0.0.1:8004/seldon/seldon/housing/api/v1.0/predictions
name:
  description: Name of the run.
  returned: when requests were sent
  type: str
  sample: load_test
report:
  description: The report to open in a browser.
  returned: when O(report) is given
  type: str
  sample: reports/housing/load_test.html
"""

# Nearly all of this file is documentation: what it does is in module_utils/loadtest.
from ansible.module_utils.basic import AnsibleModule

from ..module_utils.client.error import LoadTestError
from ..module_utils.loadtest.options import ARGUMENT_SPEC, CONDITIONS
from ..module_utils.loadtest.run import load_test


def main():
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True, **CONDITIONS)
    try:
        result = load_test(module.params, module.check_mode)
    except LoadTestError as err:
        module.fail_json(msg=str(err))
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
