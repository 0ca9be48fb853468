# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model that tells of itself in all the ways that Seldon gives it."""

from __future__ import annotations

import numpy as np


class Telling:
    def __init__(self, sick=False, users=0):
        self.sick, self.users = sick, users
        self.rows = 0

    def load(self):
        # As joblib does with what an older scikit-learn has pickled.
        from sklearn.linear_model import LinearRegression

        LinearRegression().__setstate__({"_sklearn_version": "1.2.2"})

    def init_metadata(self):
        return {
            "name": "telling",
            "versions": ["telling:7"],
            "platform": "seldon",
            "inputs": [{"messagetype": "ndarray", "schema": {"names": ["rooms"], "shape": [1]}}],
            "outputs": [{"messagetype": "ndarray", "schema": {"shape": [1]}}],
            "custom": {"author": "somebody"},
        }

    def health_status(self):
        if self.sick:
            raise ValueError("the data base is gone")
        return [self.rows]

    def predict(self, X, names, meta=None):
        if isinstance(X, (str, bytes, dict)):
            return X
        self.rows = len(X)
        return np.asarray(X)[:, 0].astype(float) * 10

    def metrics(self):
        return [
            {"type": "COUNTER", "key": "rows_seen", "value": 1},
            {"type": "GAUGE", "key": "queue_length", "value": self.rows},
            {"type": "TIMER", "key": "lookup", "value": 20},
            *(
                {"type": "GAUGE", "key": "of_user", "value": 1, "tags": {"user": str(number)}}
                for number in range(self.users)
            ),
        ]
