# SPDX-License-Identifier: Apache-2.0
"""What containerd says of each row of clusters/pulls.toml, in a node's containerd without a cluster.

The kubelet passes these words on in its event `Failed`, and the diagnosis reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from bare_node import BareNode

from harness.images.mirrors import MirrorMap
from harness.images.references import ImageReference
from harness.kube import pull_messages
from harness.matrix import catalogue as catalogues
from harness.registries.limits import pulls_left
from harness.registries.tokens import Accounts
from harness.stories.registries import catalogue, private_packages, pull_limit, tokens
from harness.stories.registries.catalogue import FaultRow, TokenRow
from harness.stories.registries.own_registries import GHCR, HUB, NODE_USER, READ, ClusterRegistries, RegistrySetup
from harness.stories.registries.secrets import PullSecret
from harness.verdicts import Verdict
from harness.waiting import until

_ROWS = catalogue.load()
_USER = "driver"


@pytest.fixture
def stage(
    request: pytest.FixtureRequest, storage: Path, registry_binary: Path, node: BareNode, tmp_path: Path
) -> Iterator[ClusterRegistries]:
    catalogue = catalogues.load()
    with ClusterRegistries(
        getattr(request, "param", RegistrySetup(private=True)),
        release=catalogue.release("2.5.2"),
        copy=catalogue.release("2.5.2@docker.io"),
        spark="docker.io/apache/spark:4.0.4",
        storage=storage,
        binary=registry_binary,
        gateway=node.gateway,
        folder=tmp_path,
    ) as made:
        node.lead(made.mirrors(MirrorMap()).mirrors)
        for home in (GHCR, HUB):
            node.forget(made.spark_at(home))
        yield made


def event(image: str, said: str) -> str:
    """The kubelet's event, made of containerd's words."""
    return f'Failed to pull image "{image}": {said}'


@pytest.mark.parametrize("row", _ROWS.token, ids=lambda row: row.name)
def test_a_token_that_is_no_good(row: TokenRow, stage: ClusterRegistries, node: BareNode) -> None:
    image = stage.spark_at(GHCR)
    token = stage.ghcr.issue(_USER, READ).secret
    login: tuple[str, str] | None = (_USER, token)
    assert node.pull(image, login=login) == ""
    node.forget(image)
    if row.how == "wrong":
        login = _USER, Accounts(stage.ghcr.profile.personal_prefix).issue(_USER, READ).secret
    elif row.how in ("empty", "gone"):
        login = None
    else:
        tokens.weaken(stage.ghcr.accounts, _USER, row.how)
    asked = len(stage.ghcr.requests())
    said = node.pull(image, login=login)
    assert re.search(row.says, said), said
    assert pull_messages.read(event(image, said)).words == row.cause
    assert token not in said
    spoiled = stage.ghcr.requests()[asked:]
    assert node.pull(image, login=(_USER, stage.ghcr.issue(_USER, READ).secret)) == ""
    mended = stage.ghcr.requests()[asked + len(spoiled) :]
    found = private_packages.login_used("login", "the pod", of_pod(stage), spoiled=spoiled, mended=mended)
    assert found.verdict is Verdict.PASSED, found.message


@pytest.mark.parametrize("stage", [RegistrySetup(private=True, node_login=True)], indirect=True)
@pytest.mark.parametrize("row", [it for it in _ROWS.token if it.node], ids=lambda row: row.name)
def test_a_login_of_the_node_that_is_no_good(row: TokenRow, stage: ClusterRegistries, node: BareNode) -> None:
    image, known = stage.spark_at(GHCR), stage.ghcr.accounts.of(NODE_USER)
    assert node.pull(image) == ""
    node.forget(image)
    tokens.weaken(stage.ghcr.accounts, NODE_USER, row.how)
    said = node.pull(image)
    assert re.search(row.node, said), said
    stage.ghcr.issue(NODE_USER, READ, secret=known.secret)
    assert node.pull(image) == ""


def of_pod(stage: ClusterRegistries) -> PullSecret:
    """A good secret of a pod's own; there is no pod and no Secret here, only their login."""
    repository = ImageReference.parse(stage.spark_at(GHCR)).repository
    return PullSecret(name="pull", namespace="it", user=_USER, repository=repository)


@pytest.mark.parametrize("stage", [RegistrySetup(private=True, node_login=True)], indirect=True)
def test_the_login_of_a_node_is_tried_before_that_of_a_pod(stage: ClusterRegistries, node: BareNode) -> None:
    login = _USER, stage.ghcr.issue(_USER, READ).secret
    assert node.pull(stage.spark_at(GHCR), login=login) == ""
    found = private_packages.node_login_first(stage.ghcr.requests(), NODE_USER, [of_pod(stage)])
    assert found.verdict is Verdict.PASSED, found.message


@pytest.mark.parametrize("stage", [RegistrySetup(private=True, node_login=True)], indirect=True)
@pytest.mark.parametrize("row", [it for it in _ROWS.token if it.node], ids=lambda row: row.name)
def test_a_good_secret_beside_a_login_of_the_node_that_is_no_good(
    row: TokenRow, stage: ClusterRegistries, node: BareNode
) -> None:
    login = _USER, stage.ghcr.issue(_USER, READ).secret
    tokens.weaken(stage.ghcr.accounts, NODE_USER, row.how)
    said = node.pull(stage.spark_at(GHCR), login=login)
    seen = private_packages.used(stage.ghcr.requests(), of_pod(stage).repository)
    if row.beside == "answers":
        assert (said, set(seen.users)) == ("", {_USER})
    else:
        assert re.search(row.node, said), said
        assert not seen.users


@pytest.mark.parametrize("row", _ROWS.fault, ids=lambda row: row.name)
def test_a_registry_that_fails(row: FaultRow, stage: ClusterRegistries, node: BareNode) -> None:
    node.pull(stage.spark_at(HUB))
    image = stage.another(stage.spark_at(HUB), label=row.name)
    stage.hub.fault(row.fault)
    said = node.pull(image)
    if row.outcome == "held":
        assert said == ""
        assert [it for it in stage.hub.requests() if it.fault]
        return
    assert re.search(row.says, said), said
    assert row.cause in pull_messages.read(event(image, said)).words
    stage.hub.mend()
    # containerd's garbage collector removes what a wrong digest left a moment later; until then a pull finds it again.
    until(lambda: node.pull(image) == "", what=f"a pull of {image}", timeout=20)


def test_a_limit_that_is_reached(stage: ClusterRegistries, node: BareNode) -> None:
    image = stage.another(stage.spark_at(HUB), label="limit")
    stage.hub.spend(["127.0.0.1", node.gateway, *node.addresses])
    said = node.pull(image)
    assert re.search(pull_limit.SAYS, said, re.S), said
    assert pull_messages.read(event(image, said)).with_limit(pulls_left(image, stage.hub.mirror())) == pull_limit.CAUSE
    stage.hub.limit(stage.hub.profile.limits)
    assert node.pull(image) == ""


def test_an_image_that_the_node_has_needs_no_pull(stage: ClusterRegistries, node: BareNode) -> None:
    assert node.pull(stage.spark_at(HUB)) == ""
    stage.hub.spend(["127.0.0.1", node.gateway, *node.addresses])
    asked = len(stage.hub.requests())
    assert node.pull(stage.spark_at(HUB)) == ""
    methods = {it.method for it in stage.hub.requests()[asked:] if "/manifests/" in it.path}
    assert methods == {"HEAD"}


def test_nor_does_one_that_the_node_has_by_another_name(stage: ClusterRegistries, node: BareNode) -> None:
    login = _USER, stage.ghcr.issue(_USER, READ).secret
    assert node.pull(stage.spark_at(GHCR), login=login) == ""
    stage.hub.spend(["127.0.0.1", node.gateway, *node.addresses])
    assert node.pull(stage.spark_at(HUB)) == ""
    assert {it.method for it in stage.hub.requests() if "/manifests/" in it.path} == {"HEAD"}
    node.forget(stage.spark_at(GHCR))
    assert re.search(pull_limit.SAYS, node.pull(stage.spark_at(HUB)), re.S)


def test_a_private_image_that_is_there_is_asked_for_again_without_a_login(
    stage: ClusterRegistries, node: BareNode
) -> None:
    """What the kubelet does from Kubernetes 1.35 on, for a pod without the secret with which it pulled."""
    row = _ROWS.held_by("pulled", "1.35.0")
    image = stage.another(stage.spark_at(GHCR), label="pulled")
    assert node.pull(image, login=(_USER, stage.ghcr.issue(_USER, READ).secret)) == ""
    said = node.pull(image)
    assert re.search(row.says, said), said
    assert pull_messages.read(event(image, said)).words == row.cause


def test_a_private_name_can_be_put_into_a_node(stage: ClusterRegistries, node: BareNode) -> None:
    public = stage.another(stage.spark_at(HUB), label="preloaded")
    assert node.pull(public) == ""
    private = f"{stage.spark_at(GHCR)}-preloaded"
    node.add_name(public, private)
    assert not [it for it in stage.ghcr.requests() if it.path.startswith("/v2/")]


@pytest.mark.parametrize("stage", [RegistrySetup(cached=True)], indirect=True)
def test_a_cache_helps_a_node_that_lost_its_image(stage: ClusterRegistries, node: BareNode) -> None:
    image = stage.spark_at(HUB)
    assert node.pull(image) == ""
    node.forget(image)
    stage.hub.spend(["127.0.0.1", node.gateway, *node.addresses])
    assert node.pull(image) == ""
    assert node.pull(stage.another(image, label="cold")) != ""
