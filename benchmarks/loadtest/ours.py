# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs load_test's engine alone, as one process, for the benchmarks: ours.py '{"url": ..., ...}'."""

from __future__ import annotations

import json
import resource
import sys
import types
from pathlib import Path

# The engine needs nothing of Ansible, whose start would count as ours.
package = types.ModuleType("ansible_collections")
package.__path__ = [str(Path(__file__).resolve().parents[2] / ".collections/ansible_collections")]
sys.modules["ansible_collections"] = package

# pylint: disable=wrong-import-position
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.options import (  # noqa: E402
    ARGUMENT_SPEC,
)
from ansible_collections.monitml.stack.plugins.module_utils.loadtest.run import (  # noqa: E402
    load_test,
)


def main():
    options = {name: option.get("default") for name, option in ARGUMENT_SPEC.items()}
    result = load_test({**options, **json.loads(sys.argv[1])})
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
