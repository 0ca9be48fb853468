# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs the services of an instance on this machine, for the modules that ask it."""

from __future__ import annotations

import os
import sys

from .supervisor import Supervisor
from .systemd import Systemd


def choose_backend(wanted, systemd_runs):
    """Name of the backend to use."""
    if wanted == "auto":
        return "systemd" if systemd_runs else "supervisor"
    return wanted


def backend_name(wanted):
    """Name of the backend of this machine."""
    return choose_backend(wanted, os.path.isdir("/run/systemd/system"))


def make_backend(name, instance, module):
    """The backend of an instance; module is an AnsibleModule."""
    if name == "systemd":
        return Systemd(instance, module.run_command, module.get_bin_path)
    return Supervisor(instance, module.run_command, sys.executable)
