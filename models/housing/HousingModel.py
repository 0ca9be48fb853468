# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The price of a house in King County, from six features, as trained by train.py."""

from __future__ import annotations

import os

import joblib
import numpy as np
from seldon_core.flask_utils import SeldonMicroserviceException

# Here, before the workers are forked, they share its 60 MB; joblib would load it in each.
from sklearn.ensemble import GradientBoostingRegressor

FEATURES = ("grade", "lat", "long", "sqft_living", "waterfront", "yr_built")
ARTIFACT = "model.joblib"


class HousingModel:
    """A Seldon model.

    artifact_dir: where train.py put its artifact; MONITML_ARTIFACT_DIR or this file's folder by
    default.
    """

    def __init__(self, artifact_dir=None):
        directory = artifact_dir or os.environ.get("MONITML_ARTIFACT_DIR")
        self._path = os.path.join(directory or os.path.dirname(os.path.abspath(__file__)), ARTIFACT)
        self._model = None

    def load(self):
        """Reads the artifact, once per worker. FileNotFoundError says how to make one."""
        if not os.path.isfile(self._path):
            text = "there is no artifact %s; train.py --output %s makes it"
            raise FileNotFoundError(text % (self._path, os.path.dirname(self._path)))
        model = joblib.load(self._path)
        if not isinstance(model, GradientBoostingRegressor):
            raise ValueError("%s does not hold the model that train.py makes" % self._path)
        self._model = model

    def predict(self, X, names=(), meta=None):
        """Prices in dollars, one per row of X (rows by FEATURES, numbers or their text).

        Columns that are named in another order are put into this one. A request that does not
        fit is refused with status 400.
        """
        try:
            rows = np.asarray(X).astype(np.float64)
        except (TypeError, ValueError) as error:
            raise SeldonMicroserviceException("A feature is not a number: %s." % error) from None
        if rows.ndim == 1:
            rows = rows.reshape(1, -1)
        if rows.ndim != 2 or rows.shape[1] != len(FEATURES):
            sentence = "A house has %d features (%s), but %d came."
            count = rows.shape[-1]
            raise SeldonMicroserviceException(sentence % (len(FEATURES), ", ".join(FEATURES), count))
        if not np.isfinite(rows).all():
            raise SeldonMicroserviceException("A feature is not a finite number.")
        given = list(names) if names is not None else []
        if given != list(FEATURES) and sorted(map(str, given)) == sorted(FEATURES):
            rows = rows[:, [given.index(name) for name in FEATURES]]
        return self._model.predict(rows)
