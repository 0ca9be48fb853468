# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a model is asked over HTTP: what is sent, over which socket, and how an answer is read.

Shared by load tests and contract tests; imports nothing of ours.
"""
