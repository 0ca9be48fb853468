# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the modules that ask a model over HTTP."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  timeout:
    description: Seconds until a request without a whole answer is given up.
    type: float
    default: 10.0
  headers:
    description: Headers added to every request.
    type: dict
    default: {}
  token_file:
    description: File with a bearer token for every request.
    type: path
  ca_file:
    description: File of PEM certificates that the server's is checked against, in place of the system's.
    type: path
  tls_server_name:
    description: Name expected in the server's certificate, where it is not the one in O(url), as through a port-forward.
    type: str
  validate_certs:
    description: Whether the server's certificate is checked.
    type: bool
    default: true
"""
