# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes what takes labels, and what writes down the answers, importable by the names they have on a host."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.monitml.stack.plugins.module_utils.serving import prediction_features, prediction_metrics

sys.modules.setdefault("monitml_metrics", prediction_metrics)
sys.modules.setdefault("monitml_features", prediction_features)
for role in ("analytics", "canary"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "roles" / role / "files"))
