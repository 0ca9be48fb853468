# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model takes and answers: contract.json read, held against its rules, and made of data.

Pure functions. Imports nothing of ours; used wherever rows are drawn, judged or counted.
"""
