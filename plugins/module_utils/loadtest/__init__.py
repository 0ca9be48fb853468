# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load tests: a schedule, an engine on one epoll loop, what it records, verdicts and reports.

May import contract, client, and watching, which names the series of a run. Used by the module
load_test and its action plugin.
"""
