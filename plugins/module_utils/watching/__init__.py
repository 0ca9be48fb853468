# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is measured and who is told: queries, rules, messages, scraping, the board, Grafana.

Pure functions of the completed description. May import deployment, receivers and serving; each target
configures its Prometheus, Alertmanager and board with what these return.
"""
