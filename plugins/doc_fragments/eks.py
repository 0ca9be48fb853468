# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options and attributes that the EKS modules share."""

from __future__ import annotations


class ModuleDocFragment:
    # What every EKS module of this collection is, beside amazon.aws's own fragments.
    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/monitml.stack.eks) in C(module_defaults) to set options of all EKS modules and of amazon.aws at once.
    support: full
    membership:
      - monitml.stack.eks
  check_mode:
    description: Can run in check mode, asking AWS but changing nothing.
    support: full
  diff_mode:
    description: Shows what is changed, option by option.
    support: full
"""

    # The options of modules whose resource is made and deleted.
    STATE = r"""
options:
  state:
    description:
      - Whether the resource has to be there.
    type: str
    choices: [present, absent]
    default: present
"""

    # The options of modules whose resource takes time.
    WAIT = r"""
options:
  wait:
    description:
      - Whether to wait until the resource is active, or gone.
      - A failure state ends the wait at once, with the reason that AWS gives.
    type: bool
    default: true
  wait_timeout_seconds:
    description:
      - How long to wait at most, for each thing that is waited for.
    type: int
    default: 1800
  wait_delay_seconds:
    description:
      - Time between two questions while waiting.
    type: int
    default: 15
"""

    # Tags as the EKS API has them.
    TAGS = r"""
options:
  tags:
    description:
      - Tags of the resource. Left alone when not given.
    type: dict
    aliases: [resource_tags]
  purge_tags:
    description:
      - Whether tags that O(tags) does not list are removed. Tags of AWS itself (C(aws:)) stay.
    type: bool
    default: true
"""
