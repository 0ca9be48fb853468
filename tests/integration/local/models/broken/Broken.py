# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model whose constructor fails."""

from __future__ import annotations


class Broken:
    def __init__(self):
        raise OSError("the disk of the model is missing")
