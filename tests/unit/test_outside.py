# SPDX-License-Identifier: Apache-2.0
"""Whether nodes refuse what no mirror is named for; the words are containerd 2.2.9's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import EngineError
from harness.images.mirrors import BLOCKED
from harness.kube.cluster import Cluster
from harness.matrix import catalogue
from harness.process import Completed
from harness.providers import outside

_CLUSTER = Cluster(
    name="c", environment=catalogue.load().environment("kind-1.34"), kubeconfig=Path("k"), nodes=("one", "two")
)
_REFUSED = (
    f'failed to resolve image: failed to do request: Head "{BLOCKED}/v2/nothing/manifests/none'
    '?ns=no-host-of-the-mirror-map.invalid": dial tcp 127.0.0.1:1: connect: connection refused'
)
_ASKED = "failed to do request: dial tcp: lookup no-host-of-the-mirror-map.invalid on 172.18.0.1:53: no such host"


class Nodes:
    """Stands for a provider, whose nodes only a cluster has; `says` is what a node answers, by its name."""

    def __init__(self, says: Callable[[str], str]) -> None:
        self.asked: list[str] = []
        self._says = says

    def node_exec(self, cluster: Cluster, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        self.asked.append(f"{node} {' '.join(argv)}")
        return Completed(argv=(), returncode=1, stdout="", stderr=self._says(node), seconds=0.0)


def test_all_nodes_are_asked_for_what_nobody_has() -> None:
    nodes = Nodes(lambda node: _REFUSED)

    assert outside.way_out(nodes, _CLUSTER) == ""  # type: ignore[arg-type]
    assert nodes.asked == [f"{node} crictl pull {outside.NOBODYS}" for node in ("one", "two")]


def test_a_node_that_asked_somebody_is_named_with_its_words() -> None:
    nodes = Nodes(lambda node: _REFUSED if node == "one" else _ASKED)

    told = outside.way_out(nodes, _CLUSTER, timeout=0.3)  # type: ignore[arg-type]

    assert told.startswith(f"the node two does not lead hosts without a mirror to {BLOCKED}; it says: ")
    assert "no such host" in told


def test_a_node_that_is_busy_is_asked_again() -> None:
    answers = iter(["context deadline exceeded", _REFUSED, _REFUSED])

    assert outside.way_out(Nodes(lambda node: next(answers)), _CLUSTER, timeout=5) == ""  # type: ignore[arg-type]


def test_a_node_that_cannot_be_asked_has_proved_nothing() -> None:
    def away(node: str) -> str:
        raise EngineError("the engine does not answer")

    told = outside.way_out(Nodes(away), _CLUSTER, timeout=0.3)  # type: ignore[arg-type]

    assert (
        told == "the node one could not be asked whether it refuses hosts without a mirror: the engine does not answer"
    )


def test_a_k3s_that_cannot_be_kept_from_the_public_registries_is_not_asked() -> None:
    nodes = Nodes(lambda node: _ASKED)
    for name, asked in (("k3d-1.25", False), ("k3d-1.26", True)):
        cluster = dataclasses.replace(_CLUSTER, environment=catalogue.load().environment(name))
        assert bool(outside.way_out(nodes, cluster, timeout=0.3)) == asked  # type: ignore[arg-type]
