# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alertmanager's configuration on one machine: who is told of an alert, when and in which words.

Pure functions. The syntax is what Alertmanager 0.23 to 0.28 have in common.
"""

from __future__ import annotations

GROUP_BY = (
    "alertname",
    "namespace",
    "deployment_name",
    "predictor_name",
    "predictor_version",
)
# One message is about one alert of one predictor; the alerts in it differ in output or server.
_FIRST = "(index .Alerts 0)"
_STATE = '{{ if eq .Status "resolved" }}Resolved: {{ end }}'
_TITLE = (
    _STATE + "{{ .CommonLabels.alertname }}"
    "{{ with .CommonLabels.deployment_name }} in {{ . }}{{ end }}"
    "{{ with .CommonLabels.predictor_name }}/{{ . }}{{ end }}"
    "{{ with .CommonLabels.predictor_version }} {{ . }}{{ end }}"
)
_TEXT = (
    '{{ if eq .Status "resolved" }}This is no longer so. It was: {{ end }}'
    "{{ range $index, $alert := .Alerts }}{{ if $index }}\n{{ end }}"
    "{{ $alert.Annotations.description }}{{ end }}\n"
    f"<{{{{ {_FIRST}.Annotations.link }}}}|Open the board>"
)
_COLOR = (
    '{{ if eq .Status "resolved" }}good{{ else if eq .CommonLabels.severity "critical" }}danger'
    "{{ else }}warning{{ end }}"
)
# Slack shows nothing for a field without a value, so every value has a stand-in.
_FIELDS = {
    "Deployment": '{{ or .CommonLabels.deployment_name "-" }}',
    "Predictor": '{{ or .CommonLabels.predictor_name "-" }}',
    "Version": '{{ or .CommonLabels.predictor_version "-" }}',
    "Severity": '{{ or .CommonLabels.severity "-" }}',
    "Value": f'{{{{ or {_FIRST}.Annotations.value "-" }}}}',
    "Limit": f'{{{{ or {_FIRST}.Annotations.limit "-" }}}}',
    "Samples": f'{{{{ or {_FIRST}.Annotations.samples "-" }}}}',
}


def alertmanager_config(settings: dict) -> dict:
    """The content of alertmanager.yml.

    settings: slack_url_file, the absolute path of a file that holds the webhook's URL, be it
    Slack's or the inbox's; group_wait, group_interval, repeat_interval, as Prometheus writes
    durations; severities, the list of those that are told. The others are on the board only.
    """
    return {
        "route": {
            "receiver": "board",
            "group_by": list(GROUP_BY),
            "group_wait": settings["group_wait"],
            "group_interval": settings["group_interval"],
            "repeat_interval": settings["repeat_interval"],
            "routes": [
                {
                    "receiver": "slack",
                    "matchers": [f'severity=~"{"|".join(settings["severities"])}"'],
                }
            ],
        },
        "receivers": [
            # Tells nobody: the board reads alerts from Prometheus itself.
            {"name": "board"},
            {"name": "slack", "slack_configs": [_slack(settings["slack_url_file"])]},
        ],
    }


def _slack(url_file: str) -> dict:
    return {
        # A file, so that the URL, which is a secret, stands in no configuration.
        "api_url_file": url_file,
        "send_resolved": True,
        "username": "MonitML",
        "color": _COLOR,
        "title": _TITLE,
        "title_link": f"{{{{ {_FIRST}.Annotations.link }}}}",
        "text": _TEXT,
        "fallback": f"{_STATE}{{{{ {_FIRST}.Annotations.summary }}}}",
        "mrkdwn_in": ["text"],
        "fields": [
            {"title": title, "value": value, "short": True} for title, value in _FIELDS.items()
        ],
        "footer": "",
    }
