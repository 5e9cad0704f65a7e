# SPDX-License-Identifier: Apache-2.0
"""What nodes have on record of their containers, and what image-digests makes of names that a node reports.

The answers are crictl 1.34.0's about containerd 2.2.9, shortened; a node stands in, since only a cluster has one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from operator_samples import RELEASE, operator, pod

from harness.checks import images
from harness.errors import EngineError
from harness.kube.cluster import Cluster
from harness.kube.models import Container
from harness.kube.node_records import NOBODY_CAN_ASK, NodeImage, NodeRecords
from harness.matrix import catalogue
from harness.process import Completed
from harness.providers import runtime
from harness.verdicts import Finding, Verdict

HUB = "docker.io/kubeflow/spark-operator"
GHCR = "ghcr.io/kubeflow/spark-operator/controller"
CONFIG, MANIFEST, INDEX, OTHER = (f"sha256:{letter * 64}" for letter in "cdef")

_CLUSTER = Cluster(
    name="c", environment=catalogue.load().environment("kind-1.34"), kubeconfig=Path("k"), nodes=("one", "two")
)


class Nodes:
    """Stands for a provider: each node answers `crictl images` and `crictl ps`."""

    guest = False
    name = "nodes"

    def __init__(self, answers: Mapping[str, Mapping[str, Any] | str]) -> None:
        self._answers = answers

    def node_exec(self, cluster: Cluster, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        answer = self._answers.get(f"{node} {argv[1]}", f"{node} is away")
        if isinstance(answer, str):
            return Completed(argv=(), returncode=1, stdout="", stderr=answer, seconds=0.0)
        return Completed(argv=(), returncode=0, stdout=json.dumps(answer), stderr="", seconds=0.0)


def _images(*names: str, id: str = CONFIG) -> dict[str, Any]:
    tags = [it for it in names if "@" not in it]
    digests = [it for it in names if "@" in it]
    return {"images": [{"id": id, "repoTags": tags, "repoDigests": digests, "size": "1", "pinned": False}]}


def _containers(**runs: str) -> dict[str, Any]:
    return {
        "containers": [
            {
                "id": name,
                "image": {"image": id, "userSpecifiedImage": f"{GHCR}:2.5.2"},
                "imageRef": id,
                "state": "CONTAINER_RUNNING",
            }
            for name, id in runs.items()
        ]
    }


def _looked(answers: Mapping[str, Mapping[str, Any] | str]) -> NodeRecords:
    return runtime.look(Nodes(answers), _CLUSTER)  # type: ignore[arg-type]


_EMPTY: dict[str, dict[str, Any] | str] = {"two images": {"images": []}, "two ps": {"containers": []}}


def test_a_container_is_known_by_its_own_record_and_its_image_by_all_names() -> None:
    records = _looked(
        {
            "one images": _images(f"{HUB}:2.5.2", f"{HUB}@{MANIFEST}"),
            "one ps": _containers(first=CONFIG),
            "two images": _images(f"{GHCR}:2.5.2", f"{GHCR}@{INDEX}"),
            "two ps": _containers(second=CONFIG, third=OTHER),
        }
    )
    assert records.trouble == ""
    both = NodeImage(id=CONFIG, tags=(f"{HUB}:2.5.2", f"{GHCR}:2.5.2"), digests=frozenset({MANIFEST, INDEX}))
    for name in ("first", "second"):
        assert records.image_of(Container(name="c", image="any", runtime_id=name)) == both
    # An image that has been removed from the node since.
    assert records.image_of(Container(name="c", image="any", runtime_id="third")) == NodeImage(id=OTHER)


@pytest.mark.parametrize(
    "fields",
    [{"imageRef": CONFIG}, {"imageRef": CONFIG, "imageId": CONFIG}, {"imageRef": f"{HUB}@{INDEX}", "imageId": CONFIG}],
)
def test_the_images_id_is_read_whichever_field_a_line_of_containerd_fills(fields: dict[str, str]) -> None:
    """The first is 2.2's and 2.3's list, the second 2.4's, the third what 2.4's own comment says would be right."""
    containers = {"containers": [{"id": "first", **fields}]}
    assert _looked({**_EMPTY, "one images": {"images": []}, "one ps": containers}).runs == {"first": CONFIG}


@pytest.mark.parametrize("reported", [f"{HUB}@{MANIFEST}", CONFIG])
def test_a_container_whose_record_is_gone_is_known_by_what_its_status_says(reported: str) -> None:
    records = _looked({**_EMPTY, "one images": _images(f"{HUB}@{MANIFEST}"), "one ps": _containers()})
    known = records.image_of(Container(name="c", image="any", image_id=reported, runtime_id="collected"))
    assert known is not None
    assert known.id == CONFIG
    assert records.image_of(Container(name="c", image="any", image_id="")) is None


def test_a_node_that_tells_nothing_is_named_and_the_others_are_heard() -> None:
    records = _looked({"two images": _images(f"{HUB}@{MANIFEST}"), "two ps": _containers(first=CONFIG)})
    assert records.trouble == "the node one does not tell what it runs: crictl images: one is away"
    assert records.runs == {"first": CONFIG}
    odd = _looked({**_EMPTY, "one images": {"images": [{"no": "id"}]}})
    assert odd.trouble.startswith("the node one does not tell what it runs: ")


def test_an_engine_that_is_away_is_told_and_nobody_is_asked_where_nobody_can() -> None:
    class Away(Nodes):
        def node_exec(self, *_: object, **__: object) -> Completed:
            raise EngineError("the engine does not answer")

    records = runtime.look(Away({}), _CLUSTER)  # type: ignore[arg-type]
    assert "the engine does not answer" in records.trouble
    assert records.askable
    assert not runtime.look(None, _CLUSTER).askable


# What a node reports of a controller that asks ghcr.io, what it has, and what ghcr.io serves for that name.
_NAMES: list[tuple[str, str, tuple[str, ...], set[str]]] = [
    ("pulled from one registry", f"{GHCR}@{INDEX}", (f"{GHCR}@{INDEX}",), {INDEX, MANIFEST, CONFIG}),
    ("both names, same digest", f"{HUB}@{MANIFEST}", (f"{HUB}@{MANIFEST}", f"{GHCR}@{MANIFEST}"), {MANIFEST, CONFIG}),
    ("index there, manifest here", f"{HUB}@{OTHER}", (f"{HUB}@{OTHER}", f"{GHCR}@{MANIFEST}"), {MANIFEST, CONFIG}),
    ("manifest there, index here", f"{HUB}@{OTHER}", (f"{HUB}@{OTHER}", f"{GHCR}@{INDEX}"), {INDEX, MANIFEST, CONFIG}),
    ("pulled, then copied under another name", f"a.example/op@{OTHER}", (f"a.example/op@{OTHER}",), {INDEX, CONFIG}),
    ("imported and never pulled", CONFIG, (), {INDEX, MANIFEST, CONFIG}),
]


def _judged(reported: str, names: Sequence[str], served: set[str], *, id: str = CONFIG, record: bool = True) -> Finding:
    records = _looked(
        {
            **_EMPTY,
            "one images": _images(*names, id=id),
            "one ps": _containers(controller=id) if record else _containers(),
        }
    )
    own = pod("controller", image=RELEASE.image, image_id=reported, runtime_id="controller")
    return images.digests(operator(pods=(own,), nodes=records), lambda _: frozenset(served))


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize(("reported", "names", "served"), [it[1:] for it in _NAMES], ids=[it[0] for it in _NAMES])
def test_the_name_that_a_node_reports_makes_no_digest_wrong(
    reported: str, names: tuple[str, ...], served: set[str], record: bool
) -> None:
    assert _judged(reported, names, served, record=record).verdict is Verdict.PASSED


def test_other_content_is_wrong_whatever_name_it_is_reported_under() -> None:
    found = _judged(f"{GHCR}@{INDEX}", (f"{GHCR}@{INDEX}",), {MANIFEST, CONFIG}, id=OTHER)
    assert found.verdict is Verdict.FAILED
    assert f"runs {INDEX}, {OTHER}, but the registry serves {CONFIG}, {MANIFEST}" in found.message


def test_the_evidence_tells_the_name_that_was_asked_for_and_all_that_the_node_has() -> None:
    found = _judged(f"{HUB}@{OTHER}", (f"{HUB}:2.5.2", f"{HUB}@{OTHER}", f"{GHCR}:2.5.2"), {CONFIG})
    (container,) = found.evidence["containers"]
    assert container["image"] == RELEASE.image
    assert container["reported"] == f"{HUB}@{OTHER}"
    assert (container["runs"], container["names"]) == (CONFIG, [f"{HUB}:2.5.2", f"{GHCR}:2.5.2"])


def test_where_nobody_can_ask_the_node_a_name_of_other_content_proves_nothing() -> None:
    own = pod("controller", image=RELEASE.image, image_id=f"{HUB}@{OTHER}")
    found = images.digests(operator(pods=(own,), nodes=NOBODY_CAN_ASK), lambda _: frozenset({CONFIG}))
    assert found.verdict is Verdict.UNAVAILABLE
    assert f"is reported as {HUB}@{OTHER}" in found.message
    assert "What it runs is not known: the nodes of this cluster cannot be asked from here" in found.message
    # What the registry serves for the name is proof enough.
    known = images.digests(operator(pods=(own,), nodes=NOBODY_CAN_ASK), lambda _: frozenset({OTHER}))
    assert known.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("records", "why"),
    [(NodeRecords(trouble="crictl: exit 1"), "crictl: exit 1"), (NodeRecords(), "has no record of it any more")],
)
def test_a_node_of_ours_that_does_not_tell_is_an_error(records: NodeRecords, why: str) -> None:
    own = pod("controller", image=RELEASE.image, image_id=f"{HUB}@{OTHER}")
    found = images.digests(operator(pods=(own,), nodes=records), lambda _: frozenset({CONFIG}))
    assert found.verdict is Verdict.ERROR
    assert why in found.message
