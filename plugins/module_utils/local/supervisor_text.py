# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What services look like to supervisord and to its agent. Pure: dicts of complete_service() in, text out."""

from __future__ import annotations

import json
import shlex

from .service_units import WATCHDOG

# Fixed: tasks may set the limits of their services' logs differently, and share one supervisord.
_OWN_LOG_BYTES = 10 * 1024 * 1024


def spec(instance, service):
    """Text of the JSON file from which the agent starts one service."""
    spec = dict(
        service,
        home=instance.home,
        run_directory=instance.run_directory,
        user=instance.user,
    )
    return json.dumps(spec, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def settings(instance):
    """Text of the JSON file from which the agent starts and watches supervisord."""
    settings = {
        "configuration": instance.configuration,
        "home": instance.home,
        "log": instance.log_directory + "/supervisord.log",
        "server_url": instance.server_url,
        "supervisord": instance.supervisor_path + "/supervisord",
        "user": instance.user,
    }
    return json.dumps(settings, indent=2, sort_keys=True) + "\n"


def _program(instance, name, arguments, log_max_bytes, log_backups, **options):
    """One section of supervisord.conf, which runs the agent with these arguments."""
    command = [instance.supervisor_path + "/python3", "-IS", instance.agent] + arguments
    options = dict(
        command=" ".join(shlex.quote(word) for word in command),
        autorestart="true",
        # With more than 0 supervisord waits longer after each failure, without a bound. The
        # agent holds the rate of restarts instead; retries are of a failing fork only.
        startsecs=0,
        startretries=1000000,
        redirect_stderr="true",
        stdout_logfile=instance.log(name),
        stdout_logfile_maxbytes=log_max_bytes,
        stdout_logfile_backups=log_backups,
        **options,
    )
    return "[program:%s]\n" % name + "".join("%s=%s\n" % item for item in options.items())


def program(instance, service):
    """Section of supervisord.conf of one service."""
    return _program(
        instance,
        service["name"],
        ["run", "%s/%s.json" % (instance.services_directory, service["name"])],
        service["log_max_bytes"],
        service["log_backups"],
        priority=100,
        stopsignal=service["stop_signal"],
        stopwaitsecs=service["stop_seconds"],
        stopasgroup="true",
        killasgroup="true",
    )


def watchdog(instance):
    """Section of the program that starts supervisord again; the last to start, the first to stop."""
    return _program(
        instance,
        WATCHDOG,
        ["watch", instance.settings],
        _OWN_LOG_BYTES,
        1,
        priority=999,
        stopwaitsecs=2,
    )


def base(instance):
    """What of supervisord.conf supervisord reads at its own start only."""
    return """\
# Managed by monitml.stack.local_service: changes are lost at its next run.
[supervisord]
identifier={i.name}
user={i.user}
directory={i.home}
pidfile={i.run_directory}/supervisord.pid
logfile={i.log_directory}/supervisord.log
logfile_maxbytes={bytes}
logfile_backups=3
childlogdir={i.log_directory}
nocleanup=true
umask=027

[unix_http_server]
file={i.socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl={i.server_url}
""".format(i=instance, bytes=_OWN_LOG_BYTES)


def configuration(instance, services):
    """Text of supervisord.conf for all services of the instance, whichever order they come in."""
    sections = [base(instance), watchdog(instance)]
    sections += [
        program(instance, service) for service in sorted(services, key=lambda s: s["name"])
    ]
    return "\n".join(sections)
