# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What watches, in a cluster: one pod of Prometheus, Alertmanager and the inbox, and what it needs.

Together they are small, and none is of use without the others; so they share a disk and an address,
and are configured as on one machine. Pure functions.
"""

from __future__ import annotations

import hashlib
import json

from . import kinds
from .models import (
    DEPLOYMENT_LABEL,
    HTTP_PORT,
    PREDICTIONS_PORT,
    PREDICTOR_LABEL,
    SERVER_LABEL,
    VERSION_ANNOTATION,
    restricted,
)
from .models import GROUP as MODELS
from .seldon import METRICS_PATH

GROUP = "analytics"
GROUP_KINDS = (
    "NetworkPolicy",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "Secret",
    "ConfigMap",
    "PersistentVolumeClaim",
    "Service",
    "Deployment",
)
PORTS = {"prometheus": 9090, "alertmanager": 9093, "inbox": 3006, "pods": 3008}
# Of those, what others ask.
_SERVED = ("prometheus", "alertmanager", "inbox")
# A recorded series that says which configuration Prometheus has read.
CONFIGURATION = "monitml:configuration:info"
# Nobody, as in the images that Prometheus' makers publish.
_USER = 65534
_ETC, _SECRETS = "/etc/monitml", "/etc/monitml-secrets"
SECRETS_DIRECTORY = _SECRETS


def prometheus_settings(deployment: dict, settings: dict) -> dict:
    """What the configuration of Prometheus has to know of the pods, beside how often it asks.

    settings: instance, scrape_interval, stack_scrape_interval, evaluation_interval; gateway, {namespace,
    selector} of its pods; engine, which says at which port and path its model servers are.
    """
    own = ("scrape_interval", "stack_scrape_interval", "evaluation_interval")
    return {
        **{name: settings[name] for name in own},
        "listen_address": "127.0.0.1",
        "prometheus_port": PORTS["prometheus"],
        "alertmanager_port": PORTS["alertmanager"],
        "inbox_port": PORTS["inbox"],
        "pods_port": PORTS["pods"],
        "gateway_admin_port": 0,
        "node_exporter_port": 0,
        "labels_port": 0,
        "rule_files": [f"{_ETC}/rules.yml"],
        "model_pods": {
            "namespace": deployment["namespace"],
            # Whoever made them.
            "selector": f"{kinds.INSTANCE_LABEL}={settings['instance']},{kinds.GROUP_LABEL}={MODELS}",
        },
        "gateway_pods": {name: settings["gateway"][name] for name in ("namespace", "selector")},
        "predictions_port": HTTP_PORT if settings["engine"] == "seldon" else PREDICTIONS_PORT,
        "metrics_path": METRICS_PATH if settings["engine"] == "seldon" else "/metrics",
        "labels": {
            "namespace": "__meta_kubernetes_namespace",
            "deployment_name": _meta("label", DEPLOYMENT_LABEL),
            "predictor_name": _meta("label", PREDICTOR_LABEL),
            "predictor_version": _meta("annotation", VERSION_ANNOTATION),
            "server": _meta("label", SERVER_LABEL),
        },
    }


def _meta(what: str, name: str) -> str:
    return f"__meta_kubernetes_pod_{what}_" + "".join(one if one.isalnum() else "_" for one in name)


def marked(rules: dict, texts: list[str]) -> tuple[dict, str]:
    """The rules with one that says which configuration this is, and what it says."""
    digest = hashlib.sha256(json.dumps([rules, *texts], sort_keys=True).encode()).hexdigest()[:16]
    rule = {"record": CONFIGURATION, "expr": "vector(1)", "labels": {"digest": digest}}
    return {"groups": [*rules["groups"], {"name": "monitml/configuration", "rules": [rule]}]}, digest


def analytics_objects(deployment: dict, files: dict, settings: dict) -> list[dict]:
    """Everything that watches.

    files: configuration, board, inbox (with pods.py) and secrets, each {name: text}.
    settings: instance, stack_namespace, storage_class ("" for none), storage_size, images
    {prometheus, alertmanager, python}, retention_time, retention_size, prometheus_url,
    alertmanager_url, pull_secret.
    """
    spaces = [deployment["namespace"], settings["gateway"]["namespace"], settings["stack_namespace"]]
    about = kinds.labels(settings["instance"], GROUP)
    name = f"{settings['instance']}-analytics"
    return [
        *_looking_for_pods(name, settings["stack_namespace"], spaces, about),
        *_pod_and_what_it_needs(deployment, files, ("configuration", "board", "inbox"), settings, {}),
    ]


def inbox_objects(deployment: dict, files: dict, settings: dict) -> list[dict]:
    """The inbox and what tells of pods, beside a Prometheus and an Alertmanager of others in settings' watched_by.

    files: configuration with receivers.json, inbox and secrets.
    """
    others = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": settings["watched_by"]}}}
    about = kinds.labels(settings["instance"], GROUP)
    name = f"{settings['instance']}-analytics"
    return [
        *_looking_for_pods(name, settings["stack_namespace"], [deployment["namespace"]], about),
        *_pod_and_what_it_needs(deployment, files, ("configuration", "inbox"), settings, others),
    ]


def _pod_and_what_it_needs(
    deployment: dict, files: dict, parts: tuple[str, ...], settings: dict, others: dict
) -> list[dict]:
    """others: who asks it beside its own namespace, as a NetworkPolicy has it."""
    name, namespace = f"{settings['instance']}-analytics", settings["stack_namespace"]
    about = kinds.labels(settings["instance"], GROUP)
    texts = {part: dict(files[part]) for part in parts}
    maps = [
        kinds.made("ConfigMap", f"{name}-{part}", namespace, about, data=content) for part, content in texts.items()
    ]
    # Written, as the API would write it: else each run would find another.
    secret = kinds.made("Secret", name, namespace, about, type="Opaque", data=dict(files["secrets"]))
    claims = []
    if settings["storage_class"]:
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": settings["storage_class"],
            "resources": {"requests": {"storage": settings["storage_size"]}},
        }
        claims = [kinds.made("PersistentVolumeClaim", name, namespace, about, spec=spec)]
    return [
        kinds.made("ServiceAccount", name, namespace, about),
        secret,
        *maps,
        *claims,
        _service(name, namespace, about, _SERVED if "board" in texts else ("inbox",)),
        _network_policy(name, namespace, about, others),
        _deployment(name, namespace, about, texts, {**settings, "models_namespace": deployment["namespace"]}),
    ]


def _looking_for_pods(name: str, own: str, namespaces: list[str], about: dict) -> list[dict]:
    """The right to find pods, and no other, in the namespaces that have some of ours."""
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    who = [{"kind": "ServiceAccount", "name": name, "namespace": own}]
    what = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    found = []
    for namespace in dict.fromkeys(namespaces):
        found.append(kinds.made("Role", name, namespace, about, rules=rules))
        found.append(kinds.made("RoleBinding", name, namespace, about, roleRef=what, subjects=who))
    return found


def _selector(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name}


def _service(name: str, namespace: str, about: dict, parts: tuple[str, ...]) -> dict:
    ports = [
        {"name": f"http-{part}", "port": PORTS[part], "targetPort": part, "protocol": "TCP"} for part in parts
    ]
    return kinds.made("Service", name, namespace, about, spec={"selector": _selector(name), "ports": ports})


def _network_policy(name: str, namespace: str, about: dict, others: dict) -> dict:
    """From its own namespace alone, where a Grafana may be; forwarded ports come from the node."""
    return kinds.made(
        "NetworkPolicy",
        name,
        namespace,
        about,
        spec={
            "podSelector": {"matchLabels": _selector(name)},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {}}, *([others] if others else [])]}],
        },
    )


def _deployment(name: str, namespace: str, about: dict, texts: dict, settings: dict) -> dict:
    disk = {"persistentVolumeClaim": {"claimName": name}} if settings["storage_class"] else {"emptyDir": {}}
    volumes = [
        {"name": "data", **disk},
        {"name": "secrets", "secret": {"secretName": name}},
        *({"name": part, "configMap": {"name": f"{name}-{part}"}} for part in texts),
    ]
    makers = [*([_prometheus, _alertmanager] if "board" in texts else []), _inbox, _pods]
    # What these read only at their start.
    read_once = [texts["inbox"], texts["configuration"].get("receivers.json", "")]
    digest = hashlib.sha256(json.dumps(read_once, sort_keys=True).encode()).hexdigest()[:16]
    pod = {
        "metadata": {
            "labels": {**about, **_selector(name)},
            "annotations": {"monitml.stack/inbox": digest},
        },
        "spec": {
            "serviceAccountName": name,
            "enableServiceLinks": False,
            "securityContext": restricted(_USER),
            "containers": [make(settings) for make in makers],
            "terminationGracePeriodSeconds": 30,
            "volumes": volumes,
            **({"imagePullSecrets": [{"name": settings["pull_secret"]}]} if settings["pull_secret"] else {}),
        },
    }
    return kinds.made(
        "Deployment",
        name,
        namespace,
        about,
        spec={
            "replicas": 1,
            # One disk cannot have two writers.
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": _selector(name)},
            "template": pod,
        },
    )


def _container(part: str, image: str, path: str, memory: tuple[str, str], mounts: dict, **more) -> dict:
    return {
        "name": part,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": part, "containerPort": PORTS[part], "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": path, "port": part}, "periodSeconds": 1, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "10m", "memory": memory[0]}, "limits": {"memory": memory[1]}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/data", "subPath": part},
            *({"name": volume, "mountPath": where} for volume, where in mounts.items()),
        ],
        **more,
    }


def _prometheus(settings: dict) -> dict:
    args = [
        f"--config.file={_ETC}/prometheus.yml",
        "--storage.tsdb.path=/data",
        f"--storage.tsdb.retention.time={settings['retention_time']}",
        f"--storage.tsdb.retention.size={settings['retention_size']}",
        f"--web.listen-address=:{PORTS['prometheus']}",
        f"--web.external-url={settings['prometheus_url']}/",
        "--web.user-assets=/board",
        "--web.enable-lifecycle",
        # An Alertmanager that was killed knows nothing, and must hear soon of what fires.
        "--rules.alert.resend-delay=10s",
        "--log.level=warn",
    ]
    mounts = {"configuration": _ETC, "board": "/board"}
    image = settings["images"]["prometheus"]
    # The collector gives memory back sooner, for a little CPU.
    environment = [{"name": "GOGC", "value": "50"}]
    return _container("prometheus", image, "/-/ready", ("96Mi", "512Mi"), mounts, args=args, env=environment)


def _alertmanager(settings: dict) -> dict:
    args = [
        f"--config.file={_ETC}/alertmanager.yml",
        "--storage.path=/data",
        f"--web.listen-address=:{PORTS['alertmanager']}",
        f"--web.external-url={settings['alertmanager_url']}/",
        # One Alertmanager has nobody to gossip with.
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    image = settings["images"]["alertmanager"]
    return _container("alertmanager", image, "/-/ready", ("32Mi", "128Mi"), {"configuration": _ETC}, args=args)


def _inbox(settings: dict) -> dict:
    command = ["python3", "/inbox/inbox.py", "--listen", "0.0.0.0", "--port", str(PORTS["inbox"])]
    command += ["--directory", "/data", "--receivers", f"{_ETC}/receivers.json"]
    mounts = {"configuration": _ETC, "inbox": "/inbox", "secrets": _SECRETS}
    image = settings["images"]["python"]
    return _container("inbox", image, "/healthz", ("32Mi", "128Mi"), mounts, command=command)


def _pods(settings: dict) -> dict:
    selector = f"{kinds.INSTANCE_LABEL}={settings['instance']},{kinds.GROUP_LABEL}={MODELS}"
    command = ["python3", "/inbox/pods.py", "--namespace", settings["models_namespace"], "--selector", selector]
    command += ["--port", str(PORTS["pods"])]
    image = settings["images"]["python"]
    return _container("pods", image, "/healthz", ("24Mi", "96Mi"), {"inbox": "/inbox"}, command=command)
