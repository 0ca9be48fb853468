# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands beside a model and counts what it predicts, shipped to where the model runs.

Its files run without Ansible and without the collection, so they import nothing of ours. The
names of the series are defined here, and watching takes them from here.
"""
