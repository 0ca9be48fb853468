# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The description of a deployment: what is wrong with it, and what follows from it.

Pure functions. Imports nothing of ours; everything that acts on a description starts here.
"""
