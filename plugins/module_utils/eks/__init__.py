# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster of EKS: what it should be, what is there, the calls between, and taking it away.

Api is the only place that calls AWS. Imports nothing of ours; used by the eks_* modules.
"""
