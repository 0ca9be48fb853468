# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reaching a person: a message to a webhook or a mail server, and what their answers mean.

Imports nothing of ours: the same file lies beside the inbox, which sends, and behind the module
receiver_info, which asks before anything relies on it.
"""
