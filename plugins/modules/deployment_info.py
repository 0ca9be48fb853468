#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin deployment_info, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_info
short_description: Check and complete the description of a deployment
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Holds the description of a deployment against its argument spec and against what no spec can
    say, such as traffic that sums to 100, folders that are models and contracts that can be read.
  - Fails with a sentence for each problem, all of them at once, each naming the input and the cure.
  - Returns the description with all that follows from it, such as defaults, ports and the digest
    of each model's content.
  - Runs on the controller, where the model folders are, and changes nothing.
options:
  description:
    description:
      - The deployment, as the argument spec of the role C(monitml.stack.monitml) types it.
    type: dict
    required: true
  traffic:
    description:
      - Shares of the traffic by predictor that stand in for those of the description.
    type: dict
    default: {}
  models_path:
    description:
      - Directories in which a model is looked for by name, first hit first.
    type: list
    elements: path
    default: []
  training_data:
    description:
      - A CSV file that models with a C(train.py) learn from in place of the data they ship.
      - Its header must name the features and targets of their contracts.
    type: path
  first_port:
    description:
      - First of the ports given to the model servers. M(monitml.stack.model_server_info) gives them those that they have.
    type: int
    default: 9000
  environment_files:
    description:
      - Files whose content, besides a model's C(requirements.txt), makes up the environment it runs in.
    type: list
    elements: path
    default: []
  runtime_files:
    description:
      - Files whose content is part of what serves a model.
    type: list
    elements: path
    default: []
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Check the description of the deployment
  monitml.stack.deployment_info:
    description:
      name: housing
      predictors:
        - name: good
          version: v1
          model: housing
          traffic: 75
        - name: bad
          version: v2
          model: housing_bad
          traffic: 25
    models_path:
      - models
  register: checked

- name: Show where each predictor will listen
  ansible.builtin.debug:
    msg: "{{ item.name }} on {{ item.servers | map(attribute='http_port') | join(', ') }}"
  loop: "{{ checked.deployment.predictors }}"
"""

RETURN = r"""
deployment:
  description: The description with everything that follows from it.
  type: dict
  returned: success
  contains:
    predictors:
      description:
        - As described, and with C(image); C(servers) (C(index), C(http_port) and C(metrics_port) of
          each replica); C(class_name); C(path) of the model's folder; C(digest) of all that makes up
          what serves it; C(environment) with C(digest) and C(requirements) of its Python environment;
          C(trains), whether it has a C(train.py); C(training_data) and C(files).
      type: list
      elements: dict
      returned: always
    monitors:
      description: As described, each with the names of the predictors it watches.
      type: list
      elements: dict
      returned: always
    prediction_path:
      description: Path that clients send predictions to, as the ingress of Seldon Core has it.
      type: str
      returned: always
"""
