# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Defaults and specs of every role agree on keys, values and types."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROLES = Path(__file__).resolve().parents[3] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir())


def load(role, name):
    return yaml.safe_load((ROLES / role / name).read_text(encoding="utf-8")) or {}


def options(role):
    return load(role, "meta/argument_specs.yml")["argument_specs"]["main"].get("options", {})


def stripped(option):
    kept = {key: value for key, value in option.items() if key not in ("description", "default")}
    if "options" in kept:
        kept["options"] = {name: stripped(sub) for name, sub in kept["options"].items()}
    return kept


def is_template(value):
    return "{{" in str(value)


@pytest.mark.parametrize("role", NAMES)
def test_every_option_is_typed_and_described(role):
    def check(found):
        for name, option in found.items():
            assert option.get("type") and option.get("description"), f"{role}: {name}"
            check(option.get("options", {}))

    check(options(role))


@pytest.mark.parametrize("role", NAMES)
def test_defaults_and_spec_have_the_same_keys(role):
    assert set(load(role, "defaults/main.yml")) == set(options(role))


@pytest.mark.parametrize("role", NAMES)
def test_defaults_and_spec_have_the_same_values(role):
    defaults = load(role, "defaults/main.yml")
    for name, option in options(role).items():
        if "default" in option:
            assert defaults[name] == option["default"], f"{role}: {name}"
        else:
            assert option.get("required"), f"{role}: {name} has neither a default nor required"


@pytest.mark.parametrize("role", NAMES)
def test_defaults_pass_their_own_spec(role):
    defaults = load(role, "defaults/main.yml")
    plain = {name: value for name, value in defaults.items() if not is_template(value)}
    spec = {name: stripped(option) for name, option in options(role).items() if name in plain}
    assert not ArgumentSpecValidator(spec).validate(plain).error_messages


@pytest.mark.parametrize("role", NAMES)
def test_variables_carry_the_name_of_their_role(role):
    for name in load(role, "defaults/main.yml"):
        assert name.startswith(f"{role}_"), name
    if (ROLES / role / "vars/main.yml").exists():
        for name in load(role, "vars/main.yml"):
            assert name.startswith(f"__{role}_"), name
