#!/usr/bin/python
# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: receiver_info
short_description: Find out whether messages can be sent before anything relies on it
version_added: 0.1.0
description:
  - Asks a Slack webhook, or a mail server, whether it would take messages, from the machine that is to send them.
  - A webhook is sent an empty text. A live one refuses that with V(400) and C(no_text) and posts nothing; one that is
    revoked answers V(403) or V(404), and one whose channel is archived V(410).
  - A mail server is asked to let us in, and is sent nothing.
  - Warns where the answer tells nothing, as when the network does not lead there. It never fails for an answer.
author:
  - The monitml.stack founders (@monitml)
options:
  url:
    description: URL of a webhook as Slack has them. It is a secret.
    type: str
  mail:
    description: A mail server.
    type: dict
    suboptions:
      host:
        description: Its name.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        default: 587
      security:
        description: Whether the connection begins in the clear and is then secured, is so from the start, or never.
        type: str
        choices: [starttls, tls, none]
        default: starttls
      username:
        description: Who logs in. Without it nobody does.
        type: str
        default: ""
      password:
        description: The password.
        type: str
        default: ""
  purpose:
    description: What it is, in words that a sentence can begin with.
    type: str
    default: The receiver
  timeout_seconds:
    description: How long to wait for an answer.
    type: float
    default: 10
attributes:
  platform:
    description: Runs wherever Python does.
    support: full
    platforms: posix
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
notes:
  - The proxy of the environment, C(https_proxy), is used for a webhook.
seealso:
  - module: community.general.slack
"""

EXAMPLES = r"""
- name: Ask the webhook whether it lives
  monitml.stack.receiver_info:
    url: "{{ lookup('ansible.builtin.file', 'slack_url') | trim }}"
    purpose: The Slack webhook
  register: slack
  failed_when: slack.state == 'dead'
"""

RETURN = r"""
state:
  description: V(lives) where it takes messages, V(dead) where it does not, V(unknown) where it did not say.
  returned: always
  type: str
  sample: lives
sentence:
  description: The same in a sentence, which holds no secret.
  returned: always
  type: str
  sample: "The Slack webhook at hooks.slack.com takes messages: it answers 400 no_text to an empty text, and posts nothing."
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.receivers.delivery import MailServer, Webhook

_MAIL = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 587},
    "security": {"type": "str", "choices": ["starttls", "tls", "none"], "default": "starttls"},
    "username": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
}
_ARGUMENTS = {
    "url": {"type": "str", "no_log": True},
    "mail": {"type": "dict", "options": _MAIL},
    "purpose": {"type": "str", "default": "The receiver"},
    "timeout_seconds": {"type": "float", "default": 10},
}
_VERBS = {
    "lives": "takes messages: %s.",
    "dead": "does not take messages: %s.",
    "unknown": "could not say whether it takes messages: %s.",
}


def main():
    module = AnsibleModule(
        argument_spec=_ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("url", "mail")],
        required_one_of=[("url", "mail")],
    )
    given, timeout = module.params, module.params["timeout_seconds"]
    if given["url"]:
        receiver = Webhook(given["url"], timeout)
    else:
        receiver = MailServer(**given["mail"], timeout=timeout)
    state, words = receiver.ask()
    sentence = "%s at %s %s" % (given["purpose"], receiver.host, _VERBS[state] % words)
    if state == "unknown":
        module.warn(sentence)
    module.exit_json(changed=False, state=state, sentence=sentence)


if __name__ == "__main__":
    main()
