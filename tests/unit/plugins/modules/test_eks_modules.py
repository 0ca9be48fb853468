# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the EKS modules have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("eks_*.py"))


def group():
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    return runtime["action_groups"]["eks"]


def test_the_action_group_has_every_module_and_those_of_amazon_aws():
    names = [entry for entry in group() if isinstance(entry, str)]
    assert names == MODULES
    (metadata,) = [entry["metadata"] for entry in group() if isinstance(entry, dict)]
    assert metadata == {"extend_group": ["amazon.aws.aws"]}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_takes_credentials_and_has_no_secret_in_the_open(name):
    text = (ROOT / f"plugins/modules/{name}.py").read_text(encoding="utf-8")
    documentation = yaml.safe_load(text.split('DOCUMENTATION = r"""')[1].split('"""')[0])
    fragments = documentation["extends_documentation_fragment"]
    assert {"amazon.aws.common.modules", "amazon.aws.region.modules", "monitml.stack.eks"} <= set(fragments)
    assert "supports_check_mode=True" in text
