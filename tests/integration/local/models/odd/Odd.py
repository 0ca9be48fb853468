# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A model that does what the first cell of a request says, for the tests of the server."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
from seldon_core.user_model import SeldonResponse


class Odd:
    def __init__(self, scale=1.0):
        self.scale = scale
        self.requests = 0
        self.loaded_in = None

    def load(self):
        self.loaded_in = os.getpid()

    def metrics(self):
        return [{"type": "GAUGE", "key": "odd_requests", "value": self.requests}]

    def predict(self, X, names, meta=None):
        assert self.loaded_in == os.getpid(), "load() is called in each worker"
        if isinstance(X, (str, bytes, dict)):
            return X
        what = str(np.asarray(X).ravel()[0])
        if what == "fail":
            raise RuntimeError("this one is cursed\nsecond line")
        if what == "type":
            raise TypeError("not of this type")
        if what == "nan":
            return np.full(len(X), np.nan)
        if what == "shape":
            return np.ones(len(X) + 1)
        if what == "none":
            return None
        if what == "hang":
            time.sleep(60)
        if what == "words":
            return np.array(["cat"] * len(X))
        if what == "spawn":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            return np.ones(len(X))
        self.requests += 1
        values = np.asarray(X)[:, 0].astype(float) * self.scale
        return SeldonResponse(
            values,
            metrics=[
                {"type": "COUNTER", "key": "odd_rows", "value": len(X), "tags": {"kind": "a"}},
                {"type": "TIMER", "key": "odd_step", "value": 20},
            ],
        )

    def send_feedback(self, features, names, reward, truth, routing=None):
        return SeldonResponse(
            np.array([]), metrics=[{"type": "COUNTER", "key": "odd_feedback", "value": 1}]
        )
