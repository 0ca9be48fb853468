# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    """What every module that builds images is lent and told."""

    DOCUMENTATION = r"""
options:
  engine_host:
    description:
      - Address of the container engine, Docker or Podman, as E(DOCKER_HOST) has it.
      - By default that variable, or V(unix:///var/run/docker.sock).
    type: str
    default: ""
  ca_file:
    description:
      - CA bundle that pip trusts during the build, beside what this machine trusts, for a company's own index or a proxy
        that ends TLS.
      - Lent to the build, and never in the image. The engine must see the same file system.
    type: path
    default: ""
  pip_config:
    description:
      - A C(pip.conf) for the build, with another index and its password, say.
      - Lent to the build, and never in the image. The engine must see the same file system.
    type: path
    default: ""
  network:
    description: Network of the engine that the build may use.
    type: str
    default: bridge
  memory_bytes:
    description: How much memory the build may use; V(0) is as much as the engine has. The C(s2i) program cannot limit it.
    type: int
    default: 0
  timeout_seconds:
    description: How long one step of the build may say nothing.
    type: int
    default: 900
  log_path:
    description:
      - File that what the build says is written to while it runs, so that C(tail -f) shows its progress.
      - It is begun anew at each build.
    type: path
    default: ""
requirements:
  - docker (the Docker SDK for Python), 5.0.0 or newer
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows which files of the image change.
    support: full
  platform:
    description: Where a container engine runs.
    support: full
    platforms: posix
"""
