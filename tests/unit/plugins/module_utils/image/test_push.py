# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.monitml.stack.plugins.module_utils.image import name as names
from ansible_collections.monitml.stack.plugins.module_utils.image import push as decide
from hypothesis import given
from hypothesis import strategies as st

ONE, TWO, THREE = ("sha256:" + mark * 64 for mark in "123")
PLACE = names.parse("h:5000/app:1")


def test_only_digests_of_the_same_repository_count():
    image = {"Id": ONE, "RepoDigests": [f"h:5000/app@{TWO}", f"h:5000/other@{THREE}"]}
    assert decide.digests(image, PLACE) == {ONE, TWO}
    assert decide.digests({"Id": ONE, "RepoDigests": None}, PLACE) == {ONE}


def test_docker_hub_has_two_names():
    image = {"Id": ONE, "RepoDigests": [f"ubuntu@{TWO}"]}
    assert decide.digests(image, names.parse("docker.io/library/ubuntu")) == {ONE, TWO}


@pytest.mark.parametrize(
    ("same", "before", "on_existing", "expected"),
    [
        (False, "", "replace", "push"),
        (False, "", "keep", "push"),
        (False, "", "fail", "push"),
        (True, ONE, "replace", "unchanged"),
        (True, ONE, "keep", "unchanged"),
        (True, ONE, "fail", "unchanged"),
        (False, ONE, "replace", "push"),
        (False, ONE, "keep", "keep"),
        (False, ONE, "fail", "fail"),
    ],
)
def test_action(same, before, on_existing, expected):
    assert decide.action(same, before, on_existing) == expected


@given(st.booleans(), st.sampled_from(["replace", "keep", "fail"]))
def test_a_tag_that_is_not_there_is_never_unchanged(same, on_existing):
    assert decide.action(same, "", on_existing) == "push"


DOCKER = [
    {"status": "The push refers to repository [h:5000/app]"},
    {"status": "Preparing", "progressDetail": {}, "id": "a"},
    {"status": "Preparing", "progressDetail": {}, "id": "b"},
    {"status": "Layer already exists", "progressDetail": {}, "id": "b"},
    {"status": "Preparing", "id": "c"},
    {"status": "Mounted from other", "id": "c"},
    {"status": "Pushing", "progressDetail": {"current": 1, "total": 2}, "id": "a"},
    {"status": "Pushed", "progressDetail": {}, "id": "a"},
    {"status": f"1: digest: {TWO} size: 523"},
    {"progressDetail": {}, "aux": {"Tag": "1", "Digest": TWO, "Size": 523}},
]


def test_what_a_push_told():
    assert decide.layers(DOCKER) == (1, 2) and decide.pushed_digest(DOCKER) == TWO
    assert decide.pushed_digest(DOCKER[:-1]) == TWO
    assert decide.layers([]) == (0, 0) and decide.pushed_digest([]) == ""


@pytest.mark.parametrize(
    ("tags", "before", "expected"),
    [
        (["app:1"], "", "remove"),
        (["app:1", "h:5000/app:1"], "", "remove"),
        ([], "", "keep"),
        (["h:5000/app:1"], "", "keep"),
        (["app:1"], ONE, "keep"),
        (["app:1"], TWO, "restore"),
        ([], TWO, "restore"),
    ],
)
def test_what_becomes_of_the_local_tag(tags, before, expected):
    assert decide.tag_after({"Id": ONE, "RepoTags": tags}, PLACE, before) == expected
