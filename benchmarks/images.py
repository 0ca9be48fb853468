# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What building and pushing a model's image costs: in layers, committed as source-to-image does, by
the s2i program itself, and by a plain docker build, on one engine and one registry, in one run.

The model is models/housing. "code" changes one line of its class; "unchanged" changes nothing. The
modules run in this process, so that Python's start, which every way of calling them has, is not in
the figures. The plain build gets the same builder and what a person would write: copy, install.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/integration/images")]

import conftest as _collection  # noqa: E402,F401  pylint: disable=unused-import,wrong-import-position
from ansible.module_utils.testing import patch_module_args  # noqa: E402
from base_image import BUILDER, CA_FILE, make_builder  # noqa: E402
from daemons import Dockerd, Registry  # noqa: E402
from s2i_binary import find_s2i  # noqa: E402

WAYS = ("layered", "commit", "s2i", "docker build")
LOGIN = ("pusher", "of-a-benchmark")


def call(module, **arguments):
    """(seconds, result) of a module in this process."""
    out = io.StringIO()
    began = time.monotonic()
    with patch_module_args(arguments), contextlib.redirect_stdout(out):
        try:
            module.main()
        except SystemExit:
            pass
    seconds = time.monotonic() - began
    result = json.loads(out.getvalue())
    assert not result.get("failed"), result
    return seconds, result


def plain_build(engine, folder, name):
    """Seconds of a docker build from a Dockerfile that copies the model and installs it."""
    lines = ["FROM " + BUILDER, "USER 0"]
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        archive.add(folder, "model")
        if CA_FILE:
            archive.add(os.path.realpath(CA_FILE), "ca.crt")
            lines += ["COPY ca.crt /etc/ca.crt", "ENV PIP_CERT=/etc/ca.crt"]
        lines += [
            "COPY model /microservice",
            "RUN pip install --quiet --no-cache-dir -c /s2i/constraints.txt -r requirements.txt",
            "RUN python train.py --output .",
            "USER 8888",
        ]
        text = "\n".join(lines).encode()
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    context.seek(0)
    began = time.monotonic()
    for line in engine.client.build(
        fileobj=context, custom_context=True, tag=name, rm=True, decode=True
    ):
        assert "error" not in line, line
    return time.monotonic() - began


def measure(engine, registry, way, folder, s2i):
    """Figures of one way, in seconds; s2i is the path of that program."""
    from ansible_collections.monitml.stack.plugins.modules import image_push, s2i_image

    name = f"{registry.address}/bench/{way.replace(' ', '-')}:1"

    def build():
        if way == "docker build":
            return plain_build(engine, folder, name)
        return call(
            s2i_image,
            name=name,
            source=str(folder),
            builder=BUILDER,
            method=way,
            engine_host=engine.host,
            ca_file=CA_FILE,
            s2i_path=s2i,
        )[0]

    def push():
        return call(
            image_push,
            name=name,
            engine_host=engine.host,
            username=LOGIN[0],
            password=LOGIN[1],
            ca_file=str(registry.ca_file),
        )[0]

    figures = {"full build": build(), "first push": push()}
    figures["unchanged build"], figures["unchanged push"] = build(), push()
    with (folder / "HousingModel.py").open("a", encoding="utf-8") as code:
        code.write(f"# {way}\n")
    figures["code build"], figures["code push"] = build(), push()
    figures["code"] = figures["code build"] + figures["code push"]
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", default="images", help="name of the result below results/")
    options = parser.parse_args()
    s2i, missing = find_s2i()
    ways = WAYS if s2i else tuple(way for way in WAYS if way != "s2i")
    if missing:
        print(missing, file=sys.stderr)
    load = os.getloadavg()[0]
    engine = Dockerd().start()
    registry = Registry(dict([LOGIN])).start()
    work = tempfile.mkdtemp()
    try:
        began = time.monotonic()
        assert "msg" not in make_builder(engine)
        found = {
            "engine": engine.client.version()["Version"],
            "load before": round(load, 2),
            "builder": round(time.monotonic() - began, 2),
        }
        for way in ways:
            folder = Path(shutil.copytree(ROOT / "models/housing", Path(work, way, "housing")))
            figures = measure(engine, registry, way, folder, s2i)
            found[way] = {key: round(value, 3) for key, value in figures.items()}
        sizes = {BUILDER: engine.client.inspect_image(BUILDER)["Size"]}
        found["bytes"] = sizes
        ours = found["layered"]["code"]
        found["times faster, code built and pushed"] = {
            way: round(found[way]["code"] / ours, 1) for way in ways[1:]
        }
    finally:
        registry.remove()
        engine.stop()
        shutil.rmtree(work)
    found["load after"] = round(os.getloadavg()[0], 2)
    text = json.dumps(found, indent=2) + "\n"
    (ROOT / "benchmarks/results" / f"{options.save}.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
