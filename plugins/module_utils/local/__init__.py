# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One machine as a target: its model servers and gateway, services, files, ports, processes.

Servers and texts are pure; Supervisor and Systemd are the only places that talk to those. May
import deployment; used by the modules local_service, machine_info and file_set and by the roles.
"""
