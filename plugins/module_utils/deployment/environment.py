# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model server is told of itself, on every target: the environment of its process.

Pure functions of the completed description (see the module deployment_info).
"""

from __future__ import annotations

import json

# What the stock Seldon wrapper calls the types of a constructor's arguments; bool before int,
# because it is a subclass of it.
PARAMETER_TYPES = ((bool, "BOOL"), (int, "INT"), (float, "FLOAT"), (str, "STRING"))


def server_environment(deployment: dict, predictor: dict, series_max: int) -> dict[str, str]:
    """Variables that do not depend on where it runs; the names that Seldon has are Seldon's."""
    return {
        "MONITML_MODEL_DIGEST": predictor["digest"],
        "MONITML_SERIES_MAX": str(series_max),
        "PREDICTIVE_UNIT_ID": predictor["name"],
        "PREDICTIVE_UNIT_IMAGE": predictor["image"],
        "PREDICTIVE_UNIT_PARAMETERS": json.dumps(_parameters(predictor), sort_keys=True),
        "PREDICTOR_ID": predictor["name"],
        "PREDICTOR_LABELS": json.dumps({"version": predictor["version"]}),
        "SELDON_DEPLOYMENT_ID": deployment["name"],
        # One core's worth of threads per worker: numeric libraries otherwise start one per core
        # in each process, which costs memory and slows small predictions.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def answers_environment(deployment: dict, directory: str) -> dict[str, str]:
    """Variables of the log of answers in a directory; none where there is to be no log."""
    answers = deployment.get("answers") or {"enabled": False}
    if not answers["enabled"]:
        return {}
    return {
        "MONITML_ANSWERS_DIR": directory,
        "MONITML_ANSWERS_MAX_BYTES": str(answers["max_bytes"]),
        "MONITML_ANSWERS_KEEP_DAYS": str(answers["keep_days"]),
        "MONITML_ANSWERS_FEATURES": answers["features"],
    }


def _parameters(predictor: dict) -> list[dict]:
    return [
        {
            "name": name,
            "type": next(kind for type_, kind in PARAMETER_TYPES if isinstance(value, type_)),
            "value": str(value),
        }
        for name, value in sorted(predictor["parameters"].items())
    ]
