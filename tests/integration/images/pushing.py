# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs image_push in this process and looks at what every run of it has to keep."""

from __future__ import annotations

import json
import secrets

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.modules import image_push

USER = "pusher"
PASSWORD = "secret-of-a-test-7f3a"


class Pusher:
    """Runs the module for one repository that nobody else uses."""

    def __init__(self, engine, registry, capsys):
        self.engine = engine
        self.registry = registry
        self.path = f"tests/{secrets.token_hex(4)}"
        self.repository = f"{registry.address}/{self.path}"
        self._capsys = capsys

    def run(self, name, check=False, leaves_tag=False, **options):
        """(whether it succeeded, result)."""
        arguments = {
            "name": name,
            "repository": self.repository,
            "engine_host": self.engine.host,
            "username": USER,
            "password": PASSWORD,
            "retries": 0,
            "ca_file": str(self.registry.ca_file) if self.registry.tls else None,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            **options,
        }
        given = {key: value for key, value in arguments.items() if value is not None}
        before = self._tags()
        with patch_module_args(given), pytest.raises(SystemExit) as caught:
            image_push.main()
        out, err = self._capsys.readouterr()
        assert PASSWORD not in out + err
        result = json.loads(out.replace("\n", " "))
        # Where another test has loaded the controller's side of Ansible, warnings are printed.
        if "[WARNING]" in err:
            result.setdefault("warnings", " ".join(err.split()))
        assert "Traceback" not in out + err, out + err
        if not leaves_tag:
            assert self._tags() == before
        return caught.value.code == 0, result

    def push(self, name, **options):
        done, result = self.run(name, **options)
        assert done, result["msg"]
        return result

    def refuse(self, name, **options):
        """The sentence that it fails with."""
        done, result = self.run(name, **options)
        assert not done, result
        assert "\n" not in result["msg"] and len(result["msg"]) < 600
        return result["msg"]

    def digest(self, tag="1"):
        return self.registry.digest(self.path, tag)

    def _tags(self):
        """{tag: Id} of the local images that are named after the repository."""
        images = self.engine.client.images()
        return {
            tag: image["Id"]
            for image in images
            for tag in image["RepoTags"] or []
            if tag.startswith(self.repository + ":")
        }
