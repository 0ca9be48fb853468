#!/usr/bin/python

# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: labels
short_description: Tell what was true, so that live answers can be judged
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Hands labels to what joins them to the answers that model servers wrote down, by the id of each answer
    (C(meta.puid) of Seldon's protocol, and the header C(Seldon-Puid)).
  - Each is joined to the predictor and version that really answered, however late it comes and whether that version is
    still deployed; where a shadow answered the same request, to both.
  - The same label twice counts once. Another truth for the same answer replaces the earlier one, unless its O(labels[].when)
    is earlier. Labels of answers that nobody knows are counted and said.
  - Where one label cannot be true of its answer, the task fails and none is taken.
options:
  labels:
    description: The labels.
    type: list
    elements: dict
    suboptions:
      id:
        description: Id of the answer.
        type: str
        required: true
      truth:
        description:
          - What was true, a number or the name of a class.
          - A list where the model has several outputs, in the order of the contract's targets, or a dictionary by their names.
        type: raw
        required: true
      when:
        description: When it was known, as ISO 8601 (UTC without a zone) or in seconds since 1970; now by default.
        type: str
      row:
        description: Which row of the answer it is about, counted from 0, where the answer has more than one.
        type: int
  src:
    description: A CSV file of labels, whose first line names the columns.
    type: path
  remote_src:
    description: Whether O(src) is on the target already; it is on the controller by default.
    type: bool
    default: false
  id_column:
    description: What the column with the ids is called.
    type: str
    default: id
  truth_column:
    description: What the column with the truth is called.
    type: str
    default: truth
  when_column:
    description: What the column is called that says when the truth was known; there need not be one.
    type: str
    default: when
  row_column:
    description: What the column is called that says which row of the answer it is about; there need not be one.
    type: str
    default: row
  url:
    description: Address of what takes the labels, on the target itself.
    type: str
    default: http://127.0.0.1:3008
attributes:
  check_mode:
    description: Can run in check mode, in which it asks what would come of the labels.
    support: full
  diff_mode:
    description: Shows how many labels are new and how many are corrected.
    support: full
  platform:
    description: Platforms it runs on.
    platforms: posix
    support: full
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
"""

EXAMPLES = r"""
- name: Tell what the houses were sold for
  monitml.stack.labels:
    src: sales.csv
    id_column: request
    truth_column: price

- name: Tell of one
  monitml.stack.labels:
    labels:
      - id: 6f0f0a9c2f7b4b0f8a54c3b7f5a7d1e2
        truth: 450000
        when: 2026-11-27T10:00:00Z
"""

RETURN = r"""
new:
  description: Labels that were not known.
  returned: success
  type: int
same:
  description: Labels that were known already.
  returned: success
  type: int
corrected:
  description: Labels that replaced an earlier one.
  returned: success
  type: int
older:
  description: Labels that were left, as one of a later time is known.
  returned: success
  type: int
unknown:
  description: Labels of answers that nobody knows.
  returned: success
  type: int
unknown_ids:
  description: The first of these ids.
  returned: success
  type: list
  elements: str
joined:
  description: To whose answers how many labels were joined.
  returned: success
  type: list
  elements: dict
  sample: [{"deployment": "housing", "predictor": "good", "version": "v1", "labels": 12}]
msg:
  description: The same in a sentence.
  returned: always
  type: str
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.labels.service import Labels, ServiceError, summary
from ..module_utils.labels.table import TableError, read_list, read_table

LABEL = {
    "id": {"type": "str", "required": True},
    "truth": {"type": "raw", "required": True},
    "when": {"type": "str"},
    "row": {"type": "int"},
}
ARGUMENT_SPEC = {
    "labels": {"type": "list", "elements": "dict", "options": LABEL},
    "src": {"type": "path"},
    "remote_src": {"type": "bool", "default": False},
    **{f"{part}_column": {"type": "str", "default": part} for part in ("id", "truth", "when", "row")},
    "url": {"type": "str", "default": "http://127.0.0.1:3008"},
}


def read(given, now):
    """The labels that are given. TableError."""
    if given["labels"] is not None:
        return read_list(given["labels"], now)
    columns = {part: given[f"{part}_column"] for part in ("id", "truth", "when", "row")}
    try:
        # Excel begins a file with a byte order mark.
        with open(given["src"], encoding="utf-8-sig", newline="") as lines:
            return read_table(lines, columns, now)
    except OSError as error:
        raise TableError("The file %s cannot be read: %s." % (given["src"], error.strerror)) from error


def main():
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        supports_check_mode=True,
        mutually_exclusive=[("labels", "src")],
        required_one_of=[("labels", "src")],
    )
    given = module.params
    try:
        done = Labels(given["url"]).tell(read(given, time.time()), module.check_mode)
    except TableError as error:
        module.fail_json(msg="These labels cannot be taken; none of them has been.\n%s" % error)
    except ServiceError as error:
        module.fail_json(msg=str(error))
    if done["unknown"]:
        module.warn("Labels that fit no answer that is known: %d." % done["unknown"])
    after = "new labels: %(new)d\ncorrected labels: %(corrected)d\n" % done
    module.exit_json(
        changed=bool(done["new"] + done["corrected"]),
        msg=summary(done),
        diff={"before": "", "after": after if done["new"] + done["corrected"] else ""},
        **done,
    )


if __name__ == "__main__":
    main()
