# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model that breaks its contract in the way that it is told to, for the contract test."""

from __future__ import annotations

import random
import time

import numpy as np
from seldon_core.flask_utils import SeldonMicroserviceException


class Breaking:
    def __init__(self, way="none"):
        self.way = way

    def class_names(self):
        return ["wrong", "y"] if self.way == "names" else ["y", "kind"]

    def predict(self, X, names, meta=None):
        rows = np.asarray(X)
        if self.way == "outside_fails":
            rows = rows.astype(float)  # of text an exception of Python, which becomes a 500
        try:
            rows = rows.astype(float)
        except (TypeError, ValueError):
            raise SeldonMicroserviceException("no numbers") from None
        sound = rows.ndim == 2 and rows.shape[1] == 2 and np.isfinite(rows).all()
        if not sound or (self.way != "careless" and (rows < 0).any()):
            if self.way == "outside_hangs" and rows.ndim == 2:
                time.sleep(30)
            raise SeldonMicroserviceException("not what the contract allows")
        answer = np.stack([rows[:, 0] * 10, rows[:, 1]], axis=1)
        if self.way == "range":
            answer[:, 0] -= 1000
        if self.way == "kind":
            answer[:, 1] = -5
        if self.way == "random":
            answer[:, 0] = [random.random() for _row in rows]
        if self.way == "columns" and rows[0, 0] > 0.5:  # not of the server's own probe
            answer = answer[:, :1]
        return answer

    def send_feedback(self, features, names, reward, truth, routing=None):
        if self.way == "feedback":
            raise SeldonMicroserviceException("no feedback, please", status_code=503)
