# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""python -m testbed build | up | down [--name NAME] [--facts FILE] [--no-istio]"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from . import machine, sharing
from .programs import build


def main() -> int:
    """Builds the programs, makes a cluster that stays, or ends it."""
    parser = argparse.ArgumentParser(prog="testbed", description=__doc__)
    parser.add_argument("what", choices=["build", "up", "down"])
    parser.add_argument("--name", default=sharing.name_here("kept"), help="which cluster")
    parser.add_argument(
        "--facts", type=Path, help="JSON file for what a playbook has to know of it"
    )
    option = argparse.BooleanOptionalAction
    parser.add_argument("--istio", default=True, action=option, help="or only Kubernetes, sooner")
    given = parser.parse_args()
    if given.what == "down":
        print("ended" if sharing.end(given.name) else "there was none")
        if given.facts:
            given.facts.unlink(missing_ok=True)
        return 0
    missing = machine.what_is_missing()
    if missing:
        print(missing, file=sys.stderr)
        # What tests need no cluster for is not to be kept from running.
        return 0 if given.what == "build" else 1
    build(lambda line: print(line, flush=True))
    if given.what == "up":
        start = time.monotonic()
        cluster = sharing.keep(given.name, given.istio)
        if given.facts:
            given.facts.parent.mkdir(parents=True, exist_ok=True)
            given.facts.write_text(json.dumps(cluster.facts), encoding="utf-8")
        print(f"up in {time.monotonic() - start:.1f} s: export KUBECONFIG={cluster.kubeconfig}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
