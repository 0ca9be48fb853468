# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Replaces what packages of this environment require by what a serving.toml says they do.

Run by the environment's own interpreter. The file is replaced and not written into: an installer
may have linked it to its cache.
"""

from __future__ import annotations

import os
import sys
import tomllib
from importlib.metadata import distribution


def loosened(metadata: str, requires: list[str]) -> str:
    """The text of a METADATA file with other requirements."""
    head, _empty, body = metadata.partition("\n\n")
    kept = [line for line in head.split("\n") if not line.startswith("Requires-Dist:")]
    return "\n".join([*kept, *(f"Requires-Dist: {one}" for one in requires)]) + "\n\n" + body


def main(path: str) -> None:
    with open(path, "rb") as stream:
        packages = tomllib.load(stream)["dependency-metadata"]
    for package in packages:
        found = distribution(package["name"])
        if found.version != package["version"]:
            sys.exit(f"{path} is of {package['name']} {package['version']}, and {found.version} is installed.")
        place = next(one for one in found.files if one.name == "METADATA").locate()
        text = loosened(place.read_text(encoding="utf-8"), package["requires-dist"])
        new = place.with_name("METADATA.new")
        new.write_text(text, encoding="utf-8")
        os.replace(new, place)


if __name__ == "__main__":
    main(sys.argv[1])
