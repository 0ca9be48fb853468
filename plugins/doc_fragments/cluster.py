# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the modules that talk to a Kubernetes cluster."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - A kubeconfig on the controller.
      - E(KUBECONFIG), else C(~/.kube/config), where it is not given.
    type: path
  context:
    description: Which of its contexts; its current one where it is not given.
    type: str
requirements:
  - kubernetes (Python package on the machine that the module runs on)
"""
