#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: image_push
short_description: Push an image to a registry and tell its digest
version_added: 0.1.0
description:
  - Pushes an image that Docker or Podman has on the target to a tag of Docker Hub or of any other registry.
  - The registry is asked what the tag holds, before and after. Nothing is pushed where that is the very image, and
    C(changed) is whether the tag holds another one afterwards, or is new, whichever layers were there before.
  - A tag that the engine needs for the push is taken away again, or put back to the image that it named before.
author:
  - The monitml.stack founders (@monitml)
options:
  name:
    description:
      - The image on the target, by its name and tag, or by its Id.
      - An image without any tag keeps the one that it is pushed as, because it would go with it.
    type: str
    required: true
  repository:
    description:
      - Where it goes, as V(registry.example.org:5000/team/app). Without a registry that is Docker Hub.
      - The default is what O(name) says. Needed where that is an Id.
    type: str
    default: ""
  tag:
    description:
      - Tag that it gets in the registry. The default is that of O(name).
      - Needed where O(name) is an Id or has a digest only.
    type: str
    default: ""
  on_existing:
    description:
      - What to do where the tag already holds another image.
      - V(replace) moves the tag.
      - V(keep) leaves it and succeeds, with RV(digest) being that of the other image.
      - V(fail) fails, which suits tags that are never to be moved.
    type: str
    choices: [replace, keep, fail]
    default: replace
  username:
    description:
      - Account at the registry. O(password) or O(password_file) go with it.
      - Without it, what a login left in O(config_path) is used, for example that of C(community.docker.docker_login).
    type: str
  password:
    description: Password or access token of O(username).
    type: str
  password_file:
    description: File on the target that holds nothing but the password.
    type: path
  config_path:
    description:
      - Docker's configuration on the target, with C(auths), C(credsStore) or C(credHelpers).
      - The default is C(config.json) in the directory that the variable E(DOCKER_CONFIG) names, else in C(~/.docker).
    type: path
  ca_file:
    description:
      - CA certificates that this module trusts for the registry, beside those of the system and those that the engine
        trusts for it, in C(/etc/docker/certs.d) and C(/etc/containers/certs.d).
      - The engine, which does the push, has to trust the registry by itself.
    type: path
  plain_http:
    description:
      - Whether the registry is asked without TLS. One on this machine is asked both ways in any case.
      - The engine has to list it as insecure as well.
    type: bool
    default: false
  engine_host:
    description:
      - Address of Docker's or Podman's API. The default is the variable E(DOCKER_HOST), else
        V(unix:///var/run/docker.sock).
    type: str
    default: ""
  retries:
    description:
      - Further tries after a lost connection, and where the registry is overloaded or limits how often one may ask.
      - Each waits twice as long as the one before, from one second on, or as long as the registry says.
    type: int
    default: 3
  timeout:
    description: How many seconds the registry or the engine may be silent.
    type: int
    default: 120
attributes:
  platform:
    description: Needs what Docker or Podman needs.
    support: full
    platforms: linux
  check_mode:
    description: Asks the registry and pushes nothing. The digest of what would be pushed is not known then.
    support: full
  diff_mode:
    description: Shows the digest of the tag before and after.
    support: full
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
requirements:
  - docker, the Docker SDK for Python
notes:
  - The account has to be allowed to pull as well, because the registry is asked what it holds.
  - A tag that other machines push to at the same time may hold theirs in the end, which is warned of.
seealso:
  - module: community.docker.docker_login
  - module: community.docker.docker_image_pull
  - module: community.docker.docker_image_tag
"""

EXAMPLES = r"""
- name: Push a model to Docker Hub
  monitml.stack.image_push:
    name: housing:1.2.0
    repository: example/housing
    username: example
    password: "{{ docker_hub_token }}"

- name: Push it to a private registry, to a tag that is never moved
  monitml.stack.image_push:
    name: housing:1.2.0
    repository: registry.example.org:5000/models/housing
    config_path: /etc/monitml/docker/config.json
    ca_file: /etc/monitml/ca.crt
    on_existing: fail
  register: pushed

- name: Show what a deployment names
  ansible.builtin.debug:
    var: pushed.reference
"""

RETURN = r"""
action:
  description: What was done, V(push), or V(unchanged), or V(keep) where another image was left in its place.
  returned: success
  type: str
  sample: push
image:
  description: Name and tag in the registry.
  returned: success
  type: str
  sample: registry.example.org:5000/models/housing:1.2.0
image_id:
  description: Id that the engine has for the local image.
  returned: success
  type: str
  sample: sha256:8d1c...
digest:
  description: Digest that the tag has in the registry. Empty in check mode where something would be pushed.
  returned: success
  type: str
  sample: sha256:3c7f...
digest_before:
  description: Digest that the tag had before. Empty where there was no such tag.
  returned: success
  type: str
  sample: sha256:91aa...
reference:
  description: Name with the digest, by which a deployment gets just this image. Empty where RV(digest) is.
  returned: success
  type: str
  sample: registry.example.org:5000/models/housing@sha256:3c7f...
layers_pushed:
  description: How many layers were sent.
  returned: success
  type: int
  sample: 1
layers_existing:
  description: How many layers the registry already had. Known for those of a push only.
  returned: success
  type: int
  sample: 4
"""

import time

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils.image import name as names
from ..module_utils.image import push as decide
from ..module_utils.image import registry_credentials as credentials
from ..module_utils.image import registry_protocol as protocol
from ..module_utils.image.engine import IMPORT_ERROR, Engine, ImageError
from ..module_utils.image.registry import Registry

_ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "repository": {"type": "str", "default": ""},
    "tag": {"type": "str", "default": ""},
    "on_existing": {"type": "str", "choices": ["replace", "keep", "fail"], "default": "replace"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "password_file": {"type": "path", "no_log": False},
    "config_path": {"type": "path"},
    "ca_file": {"type": "path"},
    "plain_http": {"type": "bool", "default": False},
    "engine_host": {"type": "str", "default": ""},
    "retries": {"type": "int", "default": 3},
    "timeout": {"type": "int", "default": 120},
}


class ImagePush:
    """Brings a tag of a registry to hold an image of the engine."""

    def __init__(self, module, clock):
        given = module.params
        self._module = module
        self._clock = clock
        self._target = names.target(given["name"], given["repository"], given["tag"])
        self._credentials = self._find_credentials()
        self._registry = Registry(
            self._target,
            self._credentials,
            given["ca_file"],
            given["plain_http"],
            given["retries"],
            given["timeout"],
            clock,
        )
        self._engine = Engine(given["engine_host"], given["timeout"])
        self._image = self._engine.image(given["name"])
        if not self._image:
            raise ImageError(
                "The engine at %s has no image %s: build or pull it first, or correct its name."
                % (self._engine.host, given["name"])
            )

    def run(self):
        """Result of the module. Raises ImageError."""
        before = self._registry.digest(self._target.tag)
        action = decide.action(self._is_held(before), before, self._module.params["on_existing"])
        if action == "fail":
            raise ImageError(
                "%s already holds another image, %s: choose a new tag, or set on_existing to "
                "replace or keep." % (self._target.text, before)
            )
        after, messages = before, []
        if action == "push":
            after = ""
            if not self._module.check_mode:
                after, messages = self._push()
        return self._result(action, before, after, decide.layers(messages))

    def _find_credentials(self):
        given = self._module.params
        found = credentials.given(given["username"], given["password"], given["password_file"])
        found = found or credentials.configured(self._target, given["config_path"])
        self._module.no_log_values.update(filter(None, (found.password, found.identity_token)))
        return found

    def _is_held(self, digest):
        """Whether the image is the one of this digest in the registry."""
        if not digest or digest in decide.digests(self._image, self._target):
            return bool(digest)
        # Pushed from elsewhere, or the engine forgot: the manifest tells in the older store.
        return self._registry.config_digest(digest) == self._image["Id"]

    def _push(self):
        """(digest of the tag afterwards, messages of the engine)."""
        local = self._engine.image(self._target.text) or {}
        had = local.get("Id") or ""
        try:
            if had != self._image["Id"]:
                self._tag(self._image["Id"])
            messages = self._send()
        finally:
            self._put_tag_back(had)
        told, after = decide.pushed_digest(messages), self._registry.digest(self._target.tag)
        if not after:
            raise ImageError(
                "%s is not there after a push without an error: see the registry's log, and what "
                "cleans it up." % self._target.text
            )
        if told and told != after:
            self._module.warn(
                "%s holds %s and not what was pushed, %s: somebody else pushed at the same time."
                % (self._target.text, after, told)
            )
        return told or after, messages

    def _send(self):
        """Messages of the push that succeeded."""
        retries = self._module.params["retries"]
        for attempt in range(retries + 1):
            self._module.log("Pushing %s, try %d" % (self._target.text, attempt + 1))
            try:
                lines = self._engine.call(
                    "push",
                    self._target.place,
                    tag=self._target.tag,
                    stream=True,
                    auth_config=self._authentication(),
                )
                if lines is None:
                    raise ImageError(
                        "The engine lost %s while it was pushed: see what removes images there."
                        % self._target.text
                    )
                return self._engine.stream(lines)
            except ImageError as error:
                if attempt == retries or not error.passing:
                    raise
                self._module.log("Will try again: %s" % error)
                self._clock.sleep(protocol.wait_seconds(attempt, "", self._clock.time()))
        raise AssertionError("retries is negative")

    def _authentication(self):
        """What the engine gets; never None, for which the SDK would look for a login of its own."""
        known = self._credentials
        if known.identity_token:
            return {"identitytoken": known.identity_token, "serveraddress": self._target.key}
        if not known.username:
            return {}
        return {
            "username": known.username,
            "password": known.password,
            "serveraddress": self._target.key,
        }

    def _tag(self, identifier):
        self._engine.call("tag", identifier, self._target.place, self._target.tag)

    def _put_tag_back(self, had):
        after = decide.tag_after(self._image, self._target, had)
        try:
            if after == "restore":
                self._tag(had)
            elif after == "remove":
                self._engine.call("remove_image", self._target.text, noprune=True)
        except ImageError as error:
            # It must not hide how the push ended.
            self._module.warn("The local tag %s was left behind: %s" % (self._target.text, error))

    def _result(self, action, before, after, layers):
        image = self._target._replace(tag="", digest=after)
        result = {
            # What would be pushed has no digest yet in check mode.
            "changed": after != before or (action == "push" and self._module.check_mode),
            "action": action,
            "image": self._target.text,
            "image_id": self._image["Id"],
            "digest": after,
            "digest_before": before,
            "reference": image.text if after else "",
            "layers_pushed": layers[0],
            "layers_existing": layers[1],
        }
        if self._module._diff:
            known = after or "(known after the push)"
            result["diff"] = {
                "before_header": self._target.text,
                "after_header": self._target.text,
                "before": before + "\n" if before else "",
                "after": known + "\n",
            }
        return result


def check(given):
    """Raises ImageError for options that do not make sense together."""
    if given["retries"] < 0 or given["timeout"] <= 0:
        raise ImageError("retries must be 0 or more, and timeout more than 0.")
    if given["username"] and not (given["password"] or given["password_file"]):
        raise ImageError("username comes without a password: give password or password_file.")


def main():
    module = AnsibleModule(
        argument_spec=_ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("password", "password_file")],
        required_by={"password": ["username"], "password_file": ["username"]},
    )
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=IMPORT_ERROR)
    try:
        check(module.params)
        module.exit_json(**ImagePush(module, time).run())
    except ImageError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
