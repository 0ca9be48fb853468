# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model whose artifact is missing."""

from __future__ import annotations


class Unloadable:
    def load(self):
        raise FileNotFoundError("there is no artifact")

    def predict(self, X, names):
        return X
