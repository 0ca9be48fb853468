# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters whose code is loaded when they are used."""

from __future__ import annotations

from importlib import import_module

_UTILS = "ansible_collections.monitml.stack.plugins.module_utils"


def late(module, name):
    """The function ``name`` of a file of module_utils ("package.file"), loaded when it is called.

    For the first filter of the collection in a task, Ansible loads all of its filter files, in that
    task's own process and without a cache of compiled code.
    """

    def call(*args, **options):
        return getattr(import_module(f"{_UTILS}.{module}"), name)(*args, **options)

    return call
