# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import base64

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.kubernetes import (
    convergence,
    kinds,
    models,
    removal,
    routes,
)

from .described import SETTINGS, FakeApi, FakeClock, KubernetesError, served


def config(name="one", about=None, **data):
    about = kinds.labels("monitml", "analytics") if about is None else about
    return kinds.made("ConfigMap", name, "monitml", about, data=data)


def test_what_is_new_or_another_is_applied_and_told_and_a_second_run_tells_nothing():
    api = FakeApi()
    first = convergence.apply(api, [config(a="1")], "monitml")
    assert first.changed and first.applied == ["ConfigMap monitml/one"]
    assert not convergence.apply(api, [config(a="1")], "monitml").changed
    again = convergence.apply(api, [config(a="2")], "monitml")
    assert again.before["ConfigMap monitml/one"]["data"] == {"a": "1"}
    assert again.after["ConfigMap monitml/one"]["data"] == {"a": "2"}


def test_a_check_asks_the_cluster_and_changes_nothing():
    api = FakeApi(config(a="1"))
    before = dict(api.things)
    outcome = convergence.apply(api, [config(a="2")], "monitml", check=True)
    assert outcome.applied == ["ConfigMap monitml/one"]
    assert api.things == before
    assert api.calls == ["try ConfigMap monitml/one"]


def test_a_check_asks_nothing_about_a_namespace_that_is_not_there():
    space = kinds.made("Namespace", "monitml", "", kinds.labels("monitml", "gateway"))
    api = FakeApi()
    outcome = convergence.apply(api, [config(), space], "monitml", check=True)
    assert outcome.applied == ["Namespace monitml", "ConfigMap monitml/one"]
    assert api.calls == ["try Namespace monitml"]


def test_what_is_not_ours_is_refused_before_anything_is_applied():
    api = FakeApi(config("two", about={"app": "theirs"}))
    with pytest.raises(KubernetesError, match="ConfigMap monitml/two is there already"):
        convergence.apply(api, [config("one"), config("two")], "monitml")
    assert not api.calls


def test_a_namespace_of_others_is_used_and_left_alone():
    theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "seldon"}}
    api = FakeApi(theirs)
    ours = kinds.made("Namespace", "seldon", "", kinds.labels("monitml", "gateway"))
    assert not convergence.apply(api, [ours], "monitml").changed
    assert not convergence.everything(api, "monitml", [""])


def test_what_is_no_longer_described_goes_and_nothing_else():
    theirs = config("theirs", about={"monitml.stack/instance": "other"})
    of_another_group = config("routes", about=kinds.labels("monitml", "routes"))
    api = FakeApi(config("kept"), config("old"), theirs, of_another_group)
    group = ["analytics", "ConfigMap"]
    checked = convergence.prune(api, [config("kept")], group, "monitml", ["monitml"], check=True)
    assert checked.removed == ["ConfigMap monitml/old"] and not api.calls
    outcome = convergence.prune(api, [config("kept")], group, "monitml", ["monitml"])
    assert outcome.removed == ["ConfigMap monitml/old"]
    assert api.calls == ["delete ConfigMap monitml/old"]


def test_what_did_not_come_up_goes_again_and_what_serves_stays():
    given = served()
    api = FakeApi(*models.model_objects(given, SETTINGS))
    good = given["predictors"][0]["server"]
    kept = models.server_objects(given, [good], SETTINGS)
    gone = convergence.withdraw(api, models.model_objects(given, SETTINGS), kept)
    assert f"Deployment seldon/{good}" not in gone
    assert f"Deployment seldon/{given['predictors'][1]['server']}" in gone
    assert "NetworkPolicy seldon/housing-models" not in gone


def test_no_secret_is_in_a_diff():
    text = base64.b64encode(b"https://hooks.test/T0/secret").decode()
    secret = kinds.made("Secret", "one", "monitml", kinds.labels("monitml", "a"), data={"url": text})
    shown = convergence.apply(FakeApi(), [secret], "monitml").after["Secret monitml/one"]
    assert text not in str(shown)
    assert shown["data"]["url"].startswith("secret ")


def test_a_webhook_that_does_not_answer_is_named_with_its_service():
    api = FakeApi()
    api.refused["ConfigMap monitml/one"] = (
        500,
        'Internal error occurred: failed calling webhook "v1.vseldondeployment.kb.io": failed to call webhook: Post'
        ' "https://seldon-webhook-service.seldon-system.svc:443/validate?timeout=10s": no endpoints available for service'
        ' "seldon-webhook-service"',
    )
    with pytest.raises(KubernetesError) as told:
        convergence.apply(api, [config()], "monitml")
    assert "the webhook v1.vseldondeployment.kb.io, which has to allow it, does not answer (no endpoints" in str(told.value)
    assert "See that the pods of Service seldon-system/seldon-webhook-service run" in str(told.value)


def test_a_conflict_names_who_keeps_what():
    api = FakeApi(config())
    message = 'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.a'
    api.refused["ConfigMap monitml/one"] = (409, message)
    with pytest.raises(KubernetesError, match=r"ConfigMap monitml/one: \.data\.a is kept by kubectl-edit"):
        convergence.apply(api, [config(a="2")], "monitml")


def everything():
    given = served()
    gateway = {**SETTINGS, "gateway_class": "istio", "service_type": "ClusterIP", "pull_secret_data": ""}
    return [
        *routes.gateway_objects(given, gateway),
        *models.model_objects(given, SETTINGS),
        *routes.route_objects(given, SETTINGS),
    ]


def test_all_goes_in_the_opposite_order_and_it_is_looked_whether_anything_is_left():
    theirs = config("theirs", about={})
    api = FakeApi(*everything(), theirs)
    pod = {"kind": "Pod", "metadata": {"name": "p", "namespace": "seldon", "labels": kinds.labels("monitml", "models")}}
    pod["metadata"]["deletionGracePeriodSeconds"] = 68
    api.things[kinds.place_of(pod)] = pod
    outcome = removal.remove_everything(api, "monitml", [], FakeClock())
    deleted = [call.split()[1] for call in api.calls if call.startswith("delete")]
    ranks = [kind.name for kind in kinds.KINDS]
    assert [ranks.index(kind) for kind in deleted] == sorted(map(ranks.index, deleted), reverse=True)
    assert "end p in 1 s" in api.calls
    assert list(api.things) == [kinds.place_of(theirs)]
    assert len(outcome.removed) == len(everything())
    assert not removal.remove_everything(api, "monitml", [], FakeClock()).changed


def test_a_namespace_in_which_others_have_something_is_not_removed():
    guest = kinds.made("Deployment", "guest", "seldon", {}, spec={})
    api = FakeApi(*everything(), guest)
    with pytest.raises(KubernetesError, match="others have put Deployment seldon/guest there"):
        removal.remove_everything(api, "monitml", [], FakeClock())
    assert kinds.place_of(guest) in api.things


def test_what_stays_is_named():
    api = FakeApi(config("held"))
    api.delete = lambda thing: True
    with pytest.raises(KubernetesError, match="there is still ConfigMap monitml/held"):
        removal.remove_everything(api, "monitml", [], FakeClock())
