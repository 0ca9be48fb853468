#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: s2i_builder
short_description: Make the project's own s2i builder image
version_added: 0.1.0
description:
  - Makes the image that M(monitml.stack.s2i_image) builds models on, from a base image with Python 3.11 to 3.13 and its
    venv module; Seldon Core 1.17.1 and all it needs come from a lock with hashes.
  - What runs from it is not root, user 8888, and listens on 9000 for predictions and 6000 for metrics.
  - The same content gives the same image; where the image of that name has it, nothing is done.
author:
  - The monitml.stack founders (@monitml)
options:
  name:
    description: Name and tag of the builder.
    type: str
    required: true
  base:
    description:
      - Image to start from, present on the engine.
      - Name it with its digest to have it pinned, such as C(python:3.11-slim-bookworm@sha256:...).
    type: str
    required: true
  files:
    description:
      - What goes into C(/s2i) of the builder; C(bin/assemble), C(bin/run) and C(install) must be among it.
    type: list
    elements: dict
    required: true
    suboptions:
      src:
        description: The file where the module runs.
        type: path
        required: true
      path:
        description: Where it goes, below C(/s2i).
        type: str
        required: true
extends_documentation_fragment:
  - monitml.stack.image_build
seealso:
  - module: monitml.stack.s2i_image
"""

EXAMPLES = r"""
- name: Make the builder
  monitml.stack.s2i_builder:
    name: monitml/s2i-builder:1.17.1
    base: python:3.11-slim-bookworm
    files:
      - {src: files/builder/install, path: install}
      - {src: files/builder/assemble, path: bin/assemble}
      - {src: files/builder/run, path: bin/run}
      - {src: roles/seldon/files/serving.txt, path: serving.txt}
      - {src: roles/seldon/files/serving.in, path: serving.in}
      - {src: roles/seldon/files/serving.toml, path: serving.toml}
      - {src: roles/seldon/files/loosen.py, path: loosen.py}
      - {src: roles/canary/files/serve.py, path: runtime/serve.py}
"""

RETURN = r"""
id:
  description: Id of the image; empty in check mode where it is still to be made.
  returned: success
  type: str
size_bytes:
  description: Size of the image with all its layers.
  returned: success
  type: int
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.image import building as image_build
from ..module_utils.image import engine as image_engine
from ..module_utils.image import s2i
from ..module_utils.image.errors import ImageError
from ..module_utils.image.workshop import Workshop

_FILE = {"src": {"type": "path", "required": True}, "path": {"type": "str", "required": True}}
_ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "base": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "dict", "required": True, "options": _FILE},
}
_NEEDED = {"install", "bin/assemble", "bin/run"}


def read(given):
    """path -> (mode, content) of the files. Raises ImageError."""
    found = {}
    for one in given:
        try:
            with open(one["src"], "rb") as stream:
                found[one["path"].strip("/")] = (
                    os.fstat(stream.fileno()).st_mode & 0o777,
                    stream.read(),
                )
        except OSError as error:
            raise ImageError("%s cannot be read: %s." % (one["src"], error.strerror)) from error
    missing = sorted(_NEEDED - set(found))
    if missing:
        raise ImageError("A builder needs %s: add them to files." % ", ".join(missing))
    return found


def run(module):
    """Result of the module. Raises ImageError."""
    given = module.params
    name = image_build.tagged(given["name"]).text
    files = read(given["files"])
    engine = image_engine.Engine(given["engine_host"], given["timeout_seconds"])
    base = engine.image(given["base"])
    if not base and module.check_mode:
        # Still to be pulled itself.
        return {"changed": True, "id": "", "size_bytes": 0}
    if not base:
        raise ImageError(
            "The base image %s is not on the engine at %s: pull it first, or name another as base."
            % (given["base"], engine.host)
        )

    def make(settings):
        s2i.make_builder(Workshop(engine, settings), base, files, name)

    content = s2i.builder_content(base, files)
    return image_build.build(module, engine, name, content, s2i.listing(files), make)


def main():
    module = AnsibleModule(
        argument_spec={**image_build.ARGUMENTS, **_ARGUMENTS}, supports_check_mode=True
    )
    image_build.finish(module, run)


if __name__ == "__main__":
    main()
