# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import base64
import datetime
import json
import sys

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import charts, helm, kinds, parts
from ansible_collections.monitml.stack.plugins.modules import cluster_chart
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .described import FakeApi, KubernetesError

NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc)
OURS = kinds.labels("monitml", helm.GROUP)
CERTIFICATE = {"secret": "webhook", "deployment": "operator", "days": 60}


def release(**labels):
    about = {"owner": "helm", "name": "seldon-core", "status": "deployed", "version": "1", **labels}
    return kinds.made("Secret", f"sh.helm.release.v1.seldon-core.v{about['version']}", "system", about)


def certificate(days):
    """The secret of a chart with a certificate that ends after so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - datetime.timedelta(days=300))
        .not_valid_after(NOW + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    text = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    return kinds.made("Secret", "webhook", "system", {}, data={"tls.crt": text})


class FakeHelm:
    """Knows one release, and keeps note of what it is told."""

    def __init__(self, values=None):
        self.calls, self._values = [], values or {}

    def about(self, chart):
        return "operator-1.17.1"

    def chart_of(self, *_release):
        return "operator-1.17.1"

    def values(self, *_release):
        return self._values

    def install(self, name, namespace, chart, values, labels, seconds):
        self.calls.append(f"install {name}")

    def uninstall(self, name, namespace):
        self.calls.append(f"uninstall {name}")


def wanted(values=None, certificate_=None):
    chart = helm.Chart("operator", "https://charts.test", "1.17.1")
    return charts.Release("seldon-core", "system", "monitml", chart, values or {}, certificate_ or {})


def test_a_release_is_as_it_should_be_where_chart_and_values_are():
    before, after = charts.difference(FakeApi(release(**OURS)), FakeHelm(), wanted(), NOW)
    assert before == after
    before, after = charts.difference(FakeApi(release(**OURS)), FakeHelm(), wanted({"a": 1}), NOW)
    assert (before["values"], after["values"]) == ({}, {"a": 1})
    before, _after = charts.difference(FakeApi(), FakeHelm(), wanted(), NOW)
    assert before == {}
    before, after = charts.difference(FakeApi(release(**{**OURS, "status": "failed"})), FakeHelm(), wanted(), NOW)
    assert before != after


def test_a_release_of_others_is_refused():
    with pytest.raises(KubernetesError, match="Release system/seldon-core is there already"):
        charts.difference(FakeApi(release()), FakeHelm(), wanted(), NOW)


@pytest.mark.parametrize(("days", "renewed"), [(365, False), (61, False), (59, True), (-1, True)])
def test_a_certificate_that_ends_soon_is_renewed_and_no_other(days, renewed):
    api = FakeApi(release(**OURS), certificate(days), kinds.made("Deployment", "operator", "system", {}))
    fake = FakeHelm()
    before, after = charts.difference(api, fake, wanted(certificate_=CERTIFICATE), NOW)
    assert (before != after) == renewed
    if renewed:
        charts.bring(api, fake, wanted(certificate_=CERTIFICATE), 60, NOW, True)
        assert fake.calls == ["install seldon-core"] and "patch Deployment system/operator" in api.calls


def test_what_was_cut_off_is_made_anew():
    fake = FakeHelm()
    charts.bring(FakeApi(release(**{**OURS, "status": "pending-install"})), fake, wanted(), 60, NOW, False)
    assert fake.calls == ["uninstall seldon-core", "install seldon-core"]


def test_what_others_use_is_left_to_them():
    space = kinds.made("Namespace", "system", "", OURS)
    theirs = kinds.made("SeldonDeployment", "theirs", "other", {})
    api, fake = FakeApi(release(**OURS), space, theirs), FakeHelm()
    assert charts.take_away(api, fake, wanted(), ["SeldonDeployment"], False) == (False, ["SeldonDeployment other/theirs"])
    assert not fake.calls and not [one for one in api.things.values() if kinds.is_ours(one, "monitml")]
    # Then it is no longer ours to take.
    assert charts.take_away(api, fake, wanted(), [], False) == (False, [])
    api = FakeApi(release(**OURS), kinds.made("SeldonDeployment", "own", "seldon", kinds.labels("monitml", "models")))
    assert charts.take_away(api, fake, wanted(), ["SeldonDeployment"], True) == (True, [])
    assert not fake.calls
    assert charts.take_away(api, fake, wanted(), ["SeldonDeployment"], False) == (True, [])
    assert fake.calls == ["uninstall seldon-core"]


@pytest.fixture
def program(tmp_path):
    """A helm that writes down its words and what it reads, and answers as it is told."""

    def make(answer="", code=0, complaint=""):
        path = tmp_path / "helm"
        path.write_text(
            f"#!{sys.executable}\nimport json, sys\n"
            f"open({str(tmp_path / 'said')!r}, 'a').write(json.dumps([sys.argv[1:], sys.stdin.read()]) + '\\n')\n"
            f"print({answer!r}); print({complaint!r}, file=sys.stderr); sys.exit({code})\n"
        )
        path.chmod(0o755)
        return helm.Helm(str(path), "/etc/kubeconfig", "dev")

    make.said = lambda: [json.loads(line) for line in (tmp_path / "said").read_text().splitlines()]
    return make


def test_helm_is_told_where_and_what_and_values_are_no_arguments(program, tmp_path):
    program().install("seldon-core", "system", wanted().chart, {"secret": "x"}, OURS, 60)
    ((words, given),) = program.said()
    assert words[:6] == ["upgrade", "--install", "seldon-core", "operator", "--repo", "https://charts.test"]
    assert json.loads(given) == {"secret": "x"} and "x" not in words
    assert words[-4:] == ["--kubeconfig", "/etc/kubeconfig", "--kube-context", "dev"]
    assert "--labels" in words and "--wait" in words
    assert helm.Chart("oci://charts.test/operator", "https://no.test", "1").words == ["oci://charts.test/operator", "--version", "1"]
    assert helm.Chart(str(tmp_path), "https://no.test", "1").words == [str(tmp_path)]


def test_a_name_is_no_folder_of_where_one_happens_to_be(tmp_path, monkeypatch):
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not helm.Chart("base", "https://charts.test").is_here and helm.Chart("./base").is_here


def test_what_helm_says_is_a_sentence_and_a_missing_one_has_a_cure(program):
    with pytest.raises(KubernetesError, match="helm uninstall seldon-core: no such release"):
        program(code=1, complaint="no such release").uninstall("seldon-core", "system")
    with pytest.raises(KubernetesError, match="/nowhere/helm is not on the controller.*seldon_helm"):
        helm.Helm("/nowhere/helm").values("a", "b")


def test_a_chart_elsewhere_is_what_it_is_asked_for_and_one_here_what_it_says(program, tmp_path):
    assert program().about(wanted().chart) == "operator-1.17.1"
    with pytest.raises(KubernetesError, match="There is no chart at /nowhere/chart on the controller"):
        program().about(helm.Chart("/nowhere/chart", "", "1"))
    text = "apiVersion: v2\nname: mine\nversion: 0.3\ndependencies:\n- name: other"
    assert program(text).about(helm.Chart(str(tmp_path))) == "mine-0.3"
    assert program('{"chart": "operator", "version": "1.17.1"}').chart_of("a", "b") == "operator-1.17.1"


def test_the_latest_secret_of_a_release_counts():
    api = FakeApi(release(version="2", status="superseded"), release(version="10"), release(version="9"))
    assert helm.release_of(api, "seldon-core", "system")["version"] == "10"
    assert helm.release_of(api, "other", "system") == {}


def run(monkeypatch, capsys, api, fake, check=False, **given):
    monkeypatch.setattr(cluster_chart, "Api", lambda *_where: api)
    monkeypatch.setattr(cluster_chart, "Helm", lambda *_where: fake)
    given = {"name": "seldon-core", "namespace": "system", "instance": "monitml", **given}
    with patch_module_args({**given, "_ansible_check_mode": check, "_ansible_diff": True}):
        with pytest.raises(SystemExit):
            cluster_chart.main()
    return json.loads(capsys.readouterr().out)


def test_the_module_says_what_it_does_and_does_it_only_where_it_is_no_check(monkeypatch, capsys):
    fake = FakeHelm()
    told = run(monkeypatch, capsys, FakeApi(), fake, check=True, chart="operator", version="1.17.1")
    assert told["changed"] and "operator-1.17.1" in told["diff"]["after"] and not fake.calls
    assert run(monkeypatch, capsys, FakeApi(), fake, chart="operator", version="1.17.1")["changed"]
    assert fake.calls == ["install seldon-core"]
    assert not run(monkeypatch, capsys, FakeApi(release(**OURS)), fake, chart="operator", version="1.17.1")["changed"]
    told = run(monkeypatch, capsys, FakeApi(release(**OURS)), fake, state="absent")
    assert told["removed"] == ["Release system/seldon-core"]
    assert not run(monkeypatch, capsys, FakeApi(), fake, state="absent")["changed"]
    told = run(monkeypatch, capsys, FakeApi(release()), fake, chart="operator")
    assert told["failed"] and "lacks our labels" in told["msg"] and "Nothing" not in told["msg"]
    told = run(monkeypatch, capsys, FakeApi(release()), fake, check=True, chart="operator")
    assert told["msg"].endswith("Nothing has been changed.")
    assert "missing" in run(monkeypatch, capsys, FakeApi(), fake)["msg"]
    assert "'Cake' is no kind" in run(monkeypatch, capsys, FakeApi(), fake, state="absent", used_by=["Cake"])["msg"]


RELEASES = {"istio": "istio-system/istiod", "operator": "system/seldon-core"}


def definition(**annotations):
    about = {"name": "seldondeployments.machinelearning.seldon.io", "annotations": annotations}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": about}


class WithDefinition(FakeApi):
    """A cluster that has, or has not, a definition."""

    found = None

    def find(self, kind, namespace, name):
        return self.found if kind.name == "CustomResourceDefinition" else super().find(kind, namespace, name)


def test_what_others_have_brought_is_told_from_what_is_missing_and_ours():
    api = WithDefinition()
    assert parts.standing(api, "monitml", [], RELEASES) == {
        "istio": "missing",
        "operator": "missing",
        "definition": True,
        "certificates": False,
    }
    there = kinds.made("Deployment", "istiod", "istio-system", {"app": "istiod"})
    api = WithDefinition(there, release(**OURS))
    api.found = definition(**{"meta.helm.sh/release-name": "seldon-core", "meta.helm.sh/release-namespace": "system"})
    found = parts.standing(api, "monitml", [parts.CERTIFICATES], RELEASES)
    assert found == {"istio": "there", "operator": "ours", "definition": True, "certificates": True}
    api.found = definition()
    assert not parts.standing(api, "monitml", [], RELEASES)["definition"]


def others_gateway(**spec):
    about = {"name": "shared", "namespace": "edge"}
    servers = [{"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["*"]}]
    given = {"selector": {"istio": "edge"}, "servers": servers, **spec}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": about, "spec": given}


def others_pod(**annotations):
    about = {"name": "edge-1", "namespace": "edge", "labels": {"istio": "edge"}, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": {"containers": [{"ports": []}]}}


def test_the_way_through_a_gateway_of_others_is_found():
    ports = [{"port": 80, "targetPort": 8080}]
    service = kinds.made("Service", "edge", "edge", {}, spec={"selector": {"istio": "edge"}, "ports": ports})
    pod = others_pod(**{"sidecar.istio.io/statsInclusionPrefixes": "cluster.outbound"})
    way, problems = parts.gateway_way(FakeApi(others_gateway(), pod, service), "edge/shared")
    assert (way, problems) == ({"namespace": "edge", "selector": "istio=edge", "port": 8080}, [])


@pytest.mark.parametrize(
    ("things", "name", "words"),
    [
        ([], "shared", "give it as namespace/name"),
        ([], "edge/shared", "is not there"),
        ([others_gateway(servers=[])], "edge/shared", "takes no HTTP for all hosts"),
        ([others_gateway()], "edge/shared", "selects no pods (istio=edge)"),
        ([others_gateway(), others_pod()], "edge/shared", "do not count what they send to models"),
    ],
)
def test_a_gateway_of_others_that_does_not_do_is_refused(things, name, words):
    _way, (sentence,) = parts.gateway_way(FakeApi(*things), name)
    assert words in sentence
