# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a running model keeps its contract: what it is asked, and what is made of its answers.

May import contract, client, serving, for the series that the model reports, and image, which
starts a model to be tested. Used by the module contract_test.
"""
