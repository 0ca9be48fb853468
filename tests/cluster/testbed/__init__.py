# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real Kubernetes with Istio on this machine, in namespaces of its own, for tests.

What it is made of is built from Go modules that are locked beside this package (go/), and taken from
Debian's packages and PyPI. Tests use it through the fixture `cluster` (../conftest.py), others with
`python -m testbed up` and `python -m testbed down`.
"""
