# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is told of an alert, when and in which words: what Alertmanager and the inbox are given.

Alertmanager groups, repeats and words the messages, and hands them to the inbox, which keeps them
and passes them on at the pace that a receiver bears. Pure functions. The syntax is what Alertmanager
0.23 to 0.28 have in common.
"""

from __future__ import annotations

import re

# Good enough to tell a name from an address; whether it exists only its server knows.
_ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+[^@\s<>,.]")
_HOST = re.compile(r"[A-Za-z0-9.:_-]+")
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

    settings: inbox_url, the address that takes messages as Slack does; group_wait, group_interval,
    repeat_interval, as Prometheus writes durations; severities, the list of those that are told. The
    others are on the board only.
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
                    "receiver": "inbox",
                    "matchers": [f'severity=~"{"|".join(settings["severities"])}"'],
                }
            ],
        },
        "receivers": [
            # Tells nobody: the board reads alerts from Prometheus itself.
            {"name": "board"},
            {"name": "inbox", "slack_configs": [_slack(settings["inbox_url"])]},
        ],
    }


def inbox_receivers(settings: dict) -> dict:
    """Whom the inbox passes messages on to: Slack, and others while Slack takes none.

    settings: slack_url_file and fallback_url_file, absolute paths of files with a webhook's URL, ""
    for none; fallback_mail, a dict of host, port, security, username, password_file, from and to, {}
    for none; fallback_after_seconds, how long Slack has to take none.
    """
    after = {"after_seconds": int(settings["fallback_after_seconds"])}
    receivers = []
    if settings["slack_url_file"]:
        receivers.append(
            {"name": "Slack", "kind": "webhook", "url_file": settings["slack_url_file"]}
        )
    if settings["fallback_url_file"]:
        url = {"kind": "webhook", "url_file": settings["fallback_url_file"]}
        receivers.append({"name": "Fallback webhook", **url, **after})
    if settings["fallback_mail"]:
        mail = {**settings["fallback_mail"], "port": int(settings["fallback_mail"]["port"])}
        receivers.append({"name": "Fallback e-mail", "kind": "mail", **mail, **after})
    return {"receivers": receivers}


def receiver_problems(settings: dict) -> list[str]:
    """What is wrong with the settings of inbox_receivers, in sentences; empty when nothing is."""
    found, mail = [], settings["fallback_mail"]
    if (settings["fallback_url_file"] or mail) and not settings["slack_url_file"]:
        found.append(
            "A fallback is told what Slack does not take, but analytics_slack_url_file is empty: set"
            " it, or leave analytics_fallback_url_file and analytics_fallback_email_to empty."
        )
    if int(settings["fallback_after_seconds"]) < 0:
        found.append("analytics_fallback_after_seconds must not be less than 0.")
    return found + (_mail_problems(mail) if mail else [])


def _mail_problems(mail: dict) -> list[str]:
    found = [
        f"{variable} has '{address}', which is no e-mail address."
        for variable, addresses in (
            ("analytics_fallback_email_to", mail["to"]),
            ("analytics_fallback_email_from", [mail["from"]]),
        )
        for address in addresses
        if not _ADDRESS.fullmatch(address)
    ]
    if not _HOST.fullmatch(mail["host"]):
        found.append(
            f"analytics_fallback_smtp_host is '{mail['host']}'; an e-mail needs the name of a mail server."
        )
    if not 0 < int(mail["port"]) < 65536:
        found.append(f"analytics_fallback_smtp_port is {mail['port']}, which is no port.")
    if bool(mail["username"]) != bool(mail["password_file"]):
        found.append(
            "analytics_fallback_smtp_username and analytics_fallback_smtp_password_file go together:"
            " set both, or none."
        )
    if mail["username"] and mail["security"] == "none":
        found.append(
            "analytics_fallback_smtp_security is none, which would show the password to the network:"
            " set it to starttls or tls, or log in nowhere."
        )
    return found


def _slack(url: str) -> dict:
    return {
        "api_url": url,
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
