# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemons of a cluster of one node: what each is told, and in which order they start."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import ssl
import subprocess
import textwrap
import urllib.request
from collections.abc import Callable
from pathlib import Path

import yaml

from . import program_images
from .certificates import Authority
from .patience import wait_until
from .programs import Programs
from .sandbox import Sandbox

NODE = "node1"
DNS_ADDRESS = "10.96.0.10"
_SERVICES, _PODS = "10.96.0.0/16", "10.244.0.0/16"
_FIRST_SERVICE = "10.96.0.1"
API_PORT = 6443


class Node:
    """Writes the configuration of everything below the directory of a sandbox, and starts it."""

    def __init__(self, sandbox: Sandbox, programs: Programs) -> None:
        self.sandbox, self.programs = sandbox, programs
        self.directory = sandbox.directory
        self.etc = self.directory / "etc"
        self.kubeconfig = self.etc / "admin.conf"
        self.registry_address = sandbox.node_address
        self.socket = self.directory / "containerd.sock"

    @property
    def authority(self) -> Authority:
        """Who signs the cluster's certificates."""
        return Authority(self.etc / "pki")

    def start_api(self) -> None:
        """Starts what waits for nothing: the API server, the registry and containerd."""
        self.etc.mkdir()
        self._start_api(self.authority)
        self._start_registry(self.authority)
        self._start_containerd()

    def wait_for_api(self) -> None:
        """Waits until the API answers."""
        wait_until(self._api_is_ready, otherwise=self.complaint("kube-apiserver"))

    def start_rest(self) -> None:
        """Starts what needs the API and the images of every node, up to one that takes pods."""
        self._start_controllers()
        self._start_proxy()
        self._configure_kubelet(self.authority)
        self.start_kubelet()
        wait_until(self._is_ready, otherwise=self.complaint("kubelet"))
        # Without, no pod is let in.
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        wait_until(lambda: self.ask(account), otherwise=self.complaint("kube-controller-manager"))

    def ask(self, path: str) -> str:
        """What the API answers to an administrator; nothing where it refuses or does not answer.

        Asking like this is far cheaper than with a program that has to be started each time.
        """
        request = urllib.request.Request(f"https://{self.sandbox.node_address}:{API_PORT}{path}")
        request.add_header("Authorization", f"Bearer {self.token}")
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        opener = urllib.request.build_opener(
            # Whatever proxy the machine has cannot reach the node.
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=context),
        )
        with contextlib.suppress(OSError), opener.open(request, timeout=10) as answer:
            return answer.read().decode()
        return ""

    def load(self, archive: Path) -> None:
        """Has the node know the images of an archive, as docker save writes it."""
        self.ctr("images", "import", archive)

    def ctr(self, *words: str | Path) -> str:
        """What containerd's own client says."""
        return self.sandbox.run(
            self.programs["ctr"], "-a", self.socket, "-n", "k8s.io", *words
        ).stdout

    def complaint(self, name: str) -> Callable[[], str]:
        """Tells the end of a daemon's log, for who waited in vain."""
        return lambda: f"{name} says:\n{self.sandbox.log(name)}"

    def write_kubeconfig(
        self, path: Path, user: dict[str, str], server: str = "", namespace: str = "default"
    ) -> Path:
        """Writes a kubeconfig for one user, as the API knows users, that needs no other file."""
        server = server or f"https://{self.sandbox.node_address}:{API_PORT}"
        cluster = {
            "server": server,
            "certificate-authority-data": _base64(self.authority.certificate),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": path.stem, "user": user}],
            "contexts": [
                {
                    "name": "test",
                    "context": {"cluster": "test", "user": path.stem, "namespace": namespace},
                }
            ],
            "current-context": "test",
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def certified(self, name: str, common_name: str, group: str = "") -> dict[str, str]:
        """A user of a kubeconfig with a certificate of its own."""
        certificate, key = self.authority.issue(name, common_name, group)
        return {
            "client-certificate-data": _base64(certificate),
            "client-key-data": _base64(key),
        }

    @property
    def token(self) -> str:
        """An administrator's token, for clients between which and the API something stands."""
        return (self.etc / "tokens.csv").read_text().split(",")[0]

    def start_kubelet(self) -> None:
        """Starts the kubelet; again, where it was ended."""
        etc = self.etc
        self.sandbox.start(
            "kubelet",
            [self.programs["kubelet"]]
            + _options(
                config=etc / "kubelet.yml",
                kubeconfig=etc / "kubelet.conf",
                hostname_override=NODE,
                node_ip=self.sandbox.node_address,
                root_dir=self.directory / "kubelet",
            ),
        )

    def _start_api(self, authority: Authority) -> None:
        address, pki = self.sandbox.node_address, authority.folder
        names = ["kubernetes.default.svc.cluster.local", "kubernetes.default.svc"]
        names += ["kubernetes.default", "kubernetes", "localhost"]
        authority.issue(
            "api", "kube-apiserver", hosts=[*names, "127.0.0.1", _FIRST_SERVICE, address]
        )
        authority.key("accounts")
        masters = "system:masters"
        authority.issue("api-to-kubelet", "kube-apiserver", masters)
        (self.etc / "tokens.csv").write_text(f"{secrets.token_hex(16)},token-admin,1,{masters}\n")
        self.write_kubeconfig(self.kubeconfig, self.certified("admin", "admin", masters))
        etcd = "http://127.0.0.1:2379"
        self.sandbox.start(
            "etcd",
            # What is in it is gone with the test anyway.
            [self.programs["etcd"], "--unsafe-no-fsync"]
            + _options(data_dir=self.directory / "etcd", log_level="error"),
        )
        self.sandbox.start(
            "kube-apiserver",
            [self.programs["kube-apiserver"]]
            + _options(
                etcd_servers=etcd,
                advertise_address=address,
                secure_port=API_PORT,
                allow_privileged="true",
                authorization_mode="Node,RBAC",
                client_ca_file=authority.certificate,
                token_auth_file=self.etc / "tokens.csv",
                tls_cert_file=pki / "api.crt",
                tls_private_key_file=pki / "api.key",
                service_account_issuer="https://kubernetes.default.svc",
                service_account_key_file=pki / "accounts.key",
                service_account_signing_key_file=pki / "accounts.key",
                service_cluster_ip_range=_SERVICES,
                kubelet_client_certificate=pki / "api-to-kubelet.crt",
                kubelet_client_key=pki / "api-to-kubelet.key",
                # Or "kubectl logs" looks up the node's name, which nobody knows.
                kubelet_preferred_address_types="InternalIP",
                profiling="false",
                # On a machine that has much else to do, a minute is soon over.
                request_timeout="5m",
            ),
        )

    def _api_is_ready(self) -> bool:
        if not self.sandbox.runs("kube-apiserver"):
            raise RuntimeError(self.complaint("kube-apiserver")())
        return self.ask("/readyz") == "ok"

    def _is_ready(self) -> bool:
        told = self.ask(f"/api/v1/nodes/{NODE}")
        conditions = json.loads(told)["status"].get("conditions", []) if told else []
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _start_controllers(self) -> None:
        pki = self.authority.folder
        self.sandbox.start(
            "kube-controller-manager",
            [self.programs["kube-controller-manager"]]
            + _options(
                kubeconfig=self.kubeconfig,
                leader_elect="false",
                use_service_account_credentials="true",
                service_account_private_key_file=pki / "accounts.key",
                root_ca_file=pki / "ca.crt",
                cluster_signing_cert_file=pki / "ca.crt",
                cluster_signing_key_file=pki / "ca.key",
                allocate_node_cidrs="true",
                cluster_cidr=_PODS,
                # A kubelet that is gone is to be seen in a test's time, a slow one on a busy machine not.
                node_monitor_period="1s",
                node_monitor_grace_period="15s",
            ),
        )
        self.sandbox.start(
            "kube-scheduler",
            [self.programs["kube-scheduler"]]
            + _options(kubeconfig=self.kubeconfig, leader_elect="false"),
        )

    def _start_proxy(self) -> None:
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(self.kubeconfig)},
            "clusterCIDR": _PODS,
            "hostnameOverride": NODE,
            "mode": "iptables",
            # The machine's own limits are not this one's to set.
            "conntrack": {"maxPerCore": 0},
        }
        path = self._write("proxy.yml", config)
        self.sandbox.start("kube-proxy", [self.programs["kube-proxy"], f"--config={path}"])

    def _configure_kubelet(self, authority: Authority) -> None:
        pki, address = authority.folder, self.sandbox.node_address
        authority.issue(
            "kubelet", f"system:node:{NODE}", "system:nodes", [NODE, "127.0.0.1", address]
        )
        user = {
            "client-certificate-data": _base64(pki / "kubelet.crt"),
            "client-key-data": _base64(pki / "kubelet.key"),
        }
        self.write_kubeconfig(self.etc / "kubelet.conf", user)
        # Pods have no way out, and need not wait for a name server that does not answer.
        (self.etc / "resolv.conf").write_text("")
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(authority.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki / "kubelet.crt"),
            "tlsPrivateKeyFile": str(pki / "kubelet.key"),
            "readOnlyPort": 0,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.sandbox.name}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [DNS_ADDRESS],
            "clusterDomain": "cluster.local",
            "resolvConf": str(self.etc / "resolv.conf"),
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "registryPullQPS": 0,
            "serializeImagePulls": False,
            "nodeStatusUpdateFrequency": "2s",
            "nodeLeaseDurationSeconds": 8,
            # A full disk is the machine's matter: nothing is to be evicted or deleted for it.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {
                "imagefs.available": "0%",
                "nodefs.available": "0%",
                "nodefs.inodesFree": "0%",
            },
        }
        self._write("kubelet.yml", config)

    def _start_registry(self, authority: Authority) -> None:
        """A registry that machine and node reach, and that both trust."""
        address = self.registry_address
        certificate, key = authority.issue("registry", "registry", hosts=[address])
        config = {
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": str(self.directory / "registry")}},
            "http": {
                # The usual port: names of images then have no second colon, which some read wrongly.
                "addr": f"{address}:443",
                "secret": "of a test",
                "tls": {"certificate": str(certificate), "key": str(key)},
            },
        }
        self.sandbox.trust.mkdir(parents=True, exist_ok=True)
        (self.sandbox.trust / "ca.crt").write_bytes(authority.certificate.read_bytes())
        path = self._write("registry.yml", config)
        # The traces that it would send somewhere else.
        words = ["env", "OTEL_TRACES_EXPORTER=none", "docker-registry", "serve", str(path)]
        self.sandbox.start("registry", words)

    def _start_containerd(self) -> None:
        network = {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "pods0",
                    "isGateway": True,
                    "ipMasq": True,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": "10.244.0.0/24"}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }
        (self.etc / "cni").mkdir()
        self._write("cni/10-pods.conflist", network)
        path = self.etc / "containerd.toml"
        path.write_text(self._containerd_config(), encoding="utf-8")
        # The newest Kubernetes wants a newer one than Debian's, which then lies beside it with its shim.
        search = f"{self.programs.kubernetes}/bin:{os.environ['PATH']}"
        program = self.programs["containerd"]
        # It knows one registry, whose CA is all that it trusts: 1.6 has no setting for it but for mirrors.
        trust = f"SSL_CERT_FILE={self.authority.certificate}"
        words = ["env", f"PATH={search}", trust, program, "--config", str(path)]
        self.sandbox.start("containerd", words)
        wait_until(self._containerd_answers, otherwise=self.complaint("containerd"), pause=0.05)

    def _containerd_config(self) -> str:
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        return textwrap.dedent(f"""\
            version = 2
            root = "{self.directory}/containerd"
            state = "{self.directory}/containerd-state"
            [grpc]
            address = "{self.socket}"
            # Else it makes a folder for it in /opt, which stays.
            [plugins."io.containerd.internal.v1.opt"]
            path = "{self.directory}/containerd-opt"
            [{cri}]
            sandbox_image = "{program_images.PAUSE}"
            # Without CAP_SYS_RESOURCE no process may lower its score, and runc dies with "can't get
            # final child's PID from pipe: EOF" where a pod asks for it.
            restrict_oom_score_adj = true
            [{cri}.cni]
            bin_dir = "/usr/lib/cni"
            conf_dir = "{self.etc}/cni"
            [{cri}.containerd.runtimes.runc]
            runtime_type = "io.containerd.runc.v2"
            """)

    def _containerd_answers(self) -> bool:
        words = self.sandbox.command(self.programs["ctr"], "-a", self.socket, "version")
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def _write(self, name: str, content: dict) -> Path:
        path = self.etc / name
        # JSON is YAML, but not the other way round, and the CNI plugins read only the former.
        text = yaml.safe_dump(content) if path.suffix == ".yml" else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return path


def _options(**values: str | int | Path) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
