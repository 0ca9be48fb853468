# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packages of module_utils import downwards only, in the order that CONTRIBUTING.md gives."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
PACKAGES = ROOT / "plugins" / "module_utils"
FILES = sorted(PACKAGES.rglob("*.py"))


def order():
    """The packages, from the top one down, out of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE)


def imported(path):
    """The dotted names below module_utils that a file imports, also where it does so late."""
    package = path.relative_to(PACKAGES).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        module = node.module or ""
        if not node.level:
            # Another way to say the same would be one that no tool follows.
            assert "monitml.stack" not in module, f"{path}:{node.lineno}: use a relative import"
            continue
        base = [*package[: len(package) - node.level + 1], *filter(None, module.split("."))]
        for alias in node.names:
            yield ".".join([*base, alias.name])


def test_the_order_names_every_package_once():
    there = {path.name for path in PACKAGES.iterdir() if (path / "__init__.py").is_file()}
    assert sorted(order()) == sorted(there)


def test_every_file_lies_in_a_package():
    assert [path for path in FILES if path.parent == PACKAGES] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGES)))
def test_imports_lead_downwards(path):
    ranks = {name: rank for rank, name in enumerate(order())}
    own = path.relative_to(PACKAGES).parts[0]
    for name in imported(path):
        package = name.partition(".")[0]
        assert package in ranks, f"{name} is in no package"
        assert package == own or ranks[package] > ranks[own], f"{own} must not import {name}"


@pytest.mark.parametrize("package", order())
def test_the_files_of_a_package_import_each_other_without_circles(package):
    edges = {
        path.stem: {
            name.split(".")[1] for name in imported(path) if name.split(".")[0] == package
        }
        for path in FILES
        if path.parent.name == package and path.stem != "__init__"
    }
    while edges:
        free = {name for name, needs in edges.items() if not needs & set(edges)}
        assert free, f"a circle among {sorted(edges)}"
        edges = {name: needs for name, needs in edges.items() if name not in free}
