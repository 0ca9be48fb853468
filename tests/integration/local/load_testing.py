# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of load_test share: the stub of a model, and a run without Ansible around it."""

from __future__ import annotations

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.options import (
    ARGUMENT_SPEC,
    CONDITIONS,
)
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.run import load_test
from stub_model import Stub

CONTRACT = {"features": [{"name": "x", "ftype": "continuous", "range": [0, 9]}]}


def run(url, check_mode=False, progress=None, **options):
    options = {"url": url, "contract": CONTRACT, "timeout": 2, **options}
    if {"data", "payload"} & set(options):
        del options["contract"]
    if not {"duration", "stages"} & set(options):
        options.setdefault("count", 20)
    result = ArgumentSpecValidator(ARGUMENT_SPEC, **CONDITIONS).validate(options)
    assert not result.error_messages
    return load_test(result.validated_parameters, check_mode, progress)


@pytest.fixture(scope="module")
def stub():
    with Stub() as server:
        yield server
