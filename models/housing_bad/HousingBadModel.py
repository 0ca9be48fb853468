# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model that went wrong: every house costs $100.

It answers at once, with status 200 and in the right shape, so nothing that looks at requests
alone sees a problem. It is here to show that watching the predictions does.
"""

from __future__ import annotations

import numpy as np

PRICE = 100.0


class HousingBadModel:
    """A Seldon model that takes the same requests as HousingModel."""

    def predict(self, X, names=(), meta=None):
        """PRICE for each row of X, whatever is in it; a flat list is one row, an empty one none."""
        rows = np.asarray(X)
        return np.full(rows.shape[0] if rows.ndim > 1 else min(rows.size, 1), PRICE)
