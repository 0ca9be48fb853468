# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the checkout importable as ansible_collections.monitml.stack in every test."""

from __future__ import annotations

from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[1]

# Ansible's own finder, not sys.path: the ansible package in site-packages is a regular
# package called ansible_collections, which would hide ours.
_AnsibleCollectionFinder(paths=[str(ROOT / ".collections")])._install()
