#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: s2i_image
short_description: Build the image of a model, by the contract of source-to-image
version_added: 0.1.0
description:
  - Builds an image from a model's folder and a builder image, as C(s2i build) does, and only where the content is
    not what the image of that name was built from.
  - What counts as content are the files and whether they can be executed, the environment, the labels and the
    builder. Their digest is kept in the image as the label C(io.monitml.content). Times of files never count.
author:
  - The monitml.stack founders (@monitml)
options:
  name:
    description: Name and tag of the image.
    type: str
    required: true
  source:
    description:
      - Folder of the model in s2i layout. A C(.s2iignore) in it leaves files out.
    type: path
    required: true
  builder:
    description: Builder image, present on the engine. M(monitml.stack.s2i_builder) makes the project's own.
    type: str
    required: true
  method:
    description:
      - V(layered) makes layers for what the model requires, for what its C(train.py) makes, and for its code, and keeps
        the first two. A change of the code alone takes a moment, and the same content gives the same image.
        It asks the builder's C(assemble) to install the requirements, and puts the code into the builder's
        working directory itself.
      - V(commit) runs the builder's C(assemble) on everything and commits the container, as source-to-image does.
      - V(s2i) calls the C(s2i) program.
    type: str
    choices: [layered, commit, s2i]
    default: layered
  environment_file:
    description: File of NAME=VALUE lines; C(environment_rest) or C(.s2i/environment) of the folder by default.
    type: path
    default: ""
  environment:
    description: What stands above that file. It ends up in the image, so no secrets.
    type: dict
    default: {}
  labels:
    description: Labels of the image.
    type: dict
    default: {}
  training_data:
    description: A CSV file that C(train.py) learns from in place of the data of the folder; with V(layered) only.
    type: path
    default: ""
  s2i_path:
    description: The C(s2i) program, for O(method=s2i).
    type: path
    default: s2i
extends_documentation_fragment:
  - monitml.stack.image_build
seealso:
  - module: monitml.stack.s2i_builder
  - module: monitml.stack.image_push
  - module: monitml.stack.contract_test
"""

EXAMPLES = r"""
- name: Build the image of the housing model
  monitml.stack.s2i_image:
    name: example/housing:v1
    source: models/housing
    builder: monitml/s2i-builder:1.17.1

- name: Build it from a private index, which the image does not get to know
  monitml.stack.s2i_image:
    name: example/housing:v1
    source: models/housing
    builder: monitml/s2i-builder:1.17.1
    pip_config: /etc/monitml/pip.conf
    log_path: /tmp/housing-build.log
"""

RETURN = r"""
id:
  description: Id of the image; empty in check mode where it is still to be built.
  returned: success
  type: str
  sample: sha256:403de4d09e86df264378a1d91f062037cb51050703dd55c8893d4773c9104f07
content:
  description: Digest of what it is built from; empty in check mode where the builder is still to be made.
  returned: success
  type: str
size_bytes:
  description: Size of the image with all its layers.
  returned: success
  type: int
model_class:
  description: Class of the model.
  returned: success
  type: str
  sample: HousingModel
"""

import contextlib
import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.image import building as image_build
from ..module_utils.image import engine as image_engine
from ..module_utils.image import s2i, s2i_program
from ..module_utils.image import s2i_source as sources
from ..module_utils.image.errors import ImageError
from ..module_utils.image.lent import Lent
from ..module_utils.image.workshop import Workshop

_ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "source": {"type": "path", "required": True},
    "builder": {"type": "str", "required": True},
    "method": {"type": "str", "choices": ["layered", "commit", "s2i"], "default": "layered"},
    "environment_file": {"type": "path", "default": ""},
    "environment": {"type": "dict", "default": {}},
    "labels": {"type": "dict", "default": {}},
    "training_data": {"type": "path", "default": ""},
    "s2i_path": {"type": "path", "default": "s2i"},
}


def read_data(path, method):
    """(name, content) of training data, None where none is given."""
    if not path:
        return None
    if method != "layered":
        raise ImageError(
            "training_data is taken with method layered only: drop it, or change method."
        )
    try:
        with open(path, "rb") as stream:
            return os.path.basename(path), stream.read()
    except OSError as error:
        raise ImageError("training_data %s cannot be read: %s." % (path, error.strerror)) from error


def call_s2i(module, engine, settings, source, name, model):
    """Builds with the s2i program. Its exit code says little, so the image itself is looked at."""
    given = module.params
    path = module.get_bin_path(given["s2i_path"])
    if not path:
        raise ImageError(
            "The program s2i was not found at '%s': install it, or use method layered or commit, which need none."
            % given["s2i_path"]
        )
    if settings.memory_bytes:
        raise ImageError(
            "s2i cannot limit the memory of a build: drop memory_bytes, or use method layered or commit."
        )
    before = engine.image(name)
    program = s2i_program.S2i(path, engine.host, given["timeout_seconds"])
    with Lent(settings) as lent:
        code, said = program.build(
            source, given["builder"], name, settings.network, lent.binds, settings.log
        )
    made = engine.image(name)
    if code or not made or (before and before["Id"] == made["Id"]):
        raise ImageError(
            "s2i made no image %s (exit code %d). Its last words:\n%s" % (name, code, said)
        )
    model.label(Workshop(engine, settings), made, name)
    # What it made has lost its name to the same with labels.
    if not (engine.image(made["Id"]) or {"RepoTags": [name]}).get("RepoTags"):
        # An engine that built on it keeps it.
        with contextlib.suppress(ImageError):
            engine.call("remove_image", made["Id"])


def run(module):
    """Result of the module. Raises ImageError."""
    given = module.params
    name = image_build.tagged(given["name"]).text
    environment = {key: str(value) for key, value in given["environment"].items()}
    source = sources.read_source(given["source"], given["environment_file"], environment)
    data = read_data(given["training_data"], given["method"])
    engine = image_engine.Engine(given["engine_host"], given["timeout_seconds"])
    builder = engine.image(given["builder"])
    if not builder and module.check_mode:
        # Still to be made itself, so that whatever is on it is to be made as well.
        return {
            "changed": True,
            "content": "",
            "model_class": source.model_class,
            "id": "",
            "size_bytes": 0,
        }
    if not builder:
        raise ImageError(
            "The builder %s is not on the engine at %s: make it with s2i_builder, or pull it first."
            % (given["builder"], engine.host)
        )
    model = s2i.ModelImage(
        source, builder, given["builder"], given["method"], data, given["labels"]
    )

    def make(settings):
        if given["method"] == "s2i":
            call_s2i(module, engine, settings, source, name, model)
        else:
            model.build(Workshop(engine, settings), name)

    result = image_build.build(module, engine, name, model.content, model.listing(), make)
    return dict(result, content=model.content, model_class=source.model_class)


def main():
    module = AnsibleModule(
        argument_spec={**image_build.ARGUMENTS, **_ARGUMENTS}, supports_check_mode=True
    )
    image_build.finish(module, run)


if __name__ == "__main__":
    main()
