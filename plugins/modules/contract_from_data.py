#!/usr/bin/python

# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: contract_from_data
short_description: Write a model's contract from its training data
version_added: 0.1.0
author:
  - The monitml.stack founders (@monitml)
description:
  - Writes the C(contract.json) that a table of training data keeps, each column with its type and with its range or its
    categories.
  - The ranges are those of the data. Where a model may rightly predict beyond them, write C("inf") or wider bounds into a
    contract of your own in place of this.
  - The file is replaced whole, and only where it says something else.
options:
  data:
    description:
      - File of CSV with a header, compressed by gzip where its name ends in C(.gz).
      - The file is on the host of the task.
    type: path
    required: true
  path:
    description: The contract to write. Its directory must be there.
    type: path
    required: true
  targets:
    description:
      - Columns that the model predicts, in the order of its answers.
      - One with a range gets the type FLOAT, whole numbers or not, as predictions of it are rarely whole.
    type: list
    elements: str
    required: true
  features:
    description: Columns that the model is given, in the order of its input. By default all but O(targets), as in O(data).
    type: list
    elements: str
  max_categories:
    description:
      - A column of at most so many different whole numbers is categorical; V(0) lets every column of numbers have a range.
      - A column of text always is, and may hold 1000 different ones.
    type: int
    default: 5
  reference:
    description:
      - Whether each column says in C(reference) how its values are spread, which the measures C(feature_drift) and
        C(prediction_drift) of a monitor compare with what a model server is asked and answers.
      - Of numbers these are the shares under ten quantiles; of categories the shares of the 20 most frequent ones, and of
        the rest together. A target also gets C(bins), over which its predictions are counted.
      - A feature without it is not counted by the servers.
    type: bool
    default: true
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows the contract before and after.
    support: full
seealso:
  - module: monitml.stack.contract_test
"""

EXAMPLES = r"""
- name: Write the contract of the housing model
  monitml.stack.contract_from_data:
    data: models/housing/data/kc_house_prices.csv.gz
    path: models/housing/contract.json
    targets: [price]

- name: Write a contract of chosen columns
  monitml.stack.contract_from_data:
    data: churn.csv
    path: models/churn/contract.json
    features: [plan, months, calls]
    targets: [stays]
"""

RETURN = r"""
contract:
  description: The contract.
  returned: always
  type: dict
  sample:
    features:
      - name: waterfront
        dtype: INT
        ftype: categorical
        values: [0, 1]
        reference: {rows: 21613, values: [0, 1], shares: [0.992458, 0.007542]}
    targets:
      - name: price
        dtype: FLOAT
        ftype: continuous
        range: [75000.0, 7700000.0]
        bins: [75000.0, 450000.0, 7700000.0]
        reference: {rows: 21613, shares: [0.000046, 0.499977, 0.499977, 0.0]}
path:
  description: Where it is.
  returned: always
  type: str
  sample: models/housing/contract.json
"""

import gzip
import io
import os
import zlib

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.contract.definition import ContractError
from ..module_utils.contract.from_data import contract_text, describe_data
from ..module_utils.local import files as disk

ARGUMENT_SPEC = {
    "data": {"type": "path", "required": True},
    "path": {"type": "path", "required": True},
    "targets": {"type": "list", "elements": "str", "required": True},
    "features": {"type": "list", "elements": "str"},
    "max_categories": {"type": "int", "default": 5},
    "reference": {"type": "bool", "default": True},
}
_MODE = 0o644


def read_contract(options):
    """The contract of the data. Raises ContractError."""
    path = options["data"]
    opener = gzip.open if path.endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
            return describe_data(
                lines,
                options["targets"],
                options["features"],
                options["max_categories"],
                options["reference"],
            )
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as err:
        said = getattr(err, "strerror", None) or err
        raise ContractError("data %s cannot be read (%s)." % (path, said)) from err
    except ContractError as err:
        raise ContractError("data %s: %s" % (path, err)) from err


def write(path, text, check_mode):
    """Puts the contract in place; returns (changed, text before). Raises ContractError."""
    try:
        before = disk.read(path)
        same = disk.holds(path, io.BytesIO(text.encode("utf-8")))
        if same and disk.stands(path, _MODE, -1, -1):
            return False, before
        if not check_mode:
            disk.write(path, text, _MODE, -1)
    except OSError as err:
        raise ContractError("%s cannot be written (%s)." % (path, err.strerror)) from err
    return True, before


def main():
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    path = os.path.abspath(module.params["path"])
    try:
        contract = read_contract(module.params)
        text = contract_text(contract)
        changed, before = write(path, text, module.check_mode)
    except ContractError as err:
        module.fail_json(msg=str(err))
    result = {"changed": changed, "contract": contract, "path": module.params["path"]}
    if module._diff:
        result["diff"] = disk.difference(path, before, text)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
