# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs load_test's engine alone, as one process, for the benchmarks: ours.py '{"url": ..., ...}'."""

from __future__ import annotations

import importlib
import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
importlib.import_module("conftest")  # makes the checkout importable
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator  # noqa: E402

from ansible_collections.monitml.stack.plugins.module_utils._loadtest_options import (
    ARGUMENT_SPEC,
)  # noqa: E402
from ansible_collections.monitml.stack.plugins.module_utils._loadtest_run import (
    load_test,
)  # noqa: E402


def main():
    options = (
        ArgumentSpecValidator(ARGUMENT_SPEC).validate(json.loads(sys.argv[1])).validated_parameters
    )
    result = load_test(options)
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
