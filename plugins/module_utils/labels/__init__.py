# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was true: a table of labels, and handing it to what joins labels to answers.

Imports nothing of ours. Used by the module labels. What joins them is roles/analytics/files/labels.py.
"""
