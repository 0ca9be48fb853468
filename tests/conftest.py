# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the checkout importable as ansible_collections.monitml.stack in every test."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[1]

# Ansible's own finder, not sys.path: the ansible package in site-packages is a regular
# package called ansible_collections, which would hide ours.
_AnsibleCollectionFinder(paths=[str(ROOT / ".collections")])._install()

# A busy machine is no fault of the code; and CI judges a change by the same examples each time,
# while people's runs go on looking for new ones.
hypothesis.settings.register_profile("people", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "people")
