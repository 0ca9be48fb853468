# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster reached by a kubeconfig: asked, described in its objects, converged, and left.

Imports: watching, serving, deployment. Used by the modules cluster_..., by filters of the target
kubernetes, and by the roles' tasks/kubernetes.
"""
