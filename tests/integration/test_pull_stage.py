# SPDX-License-Identifier: Apache-2.0
"""The registries of cells about pulls: images under other names, tokens for one package, limits, a cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import httpx
import pytest
from fronts import browser
from pull_storage import SPARK
from pydantic import SecretStr

from harness.images.credentials import Credentials
from harness.images.mirrors import MirrorMap
from harness.matrix import catalogue as catalogues
from harness.registries.client import RegistryClient
from harness.registries.limits import pulls_left
from harness.stories.registries import storage as stored
from harness.stories.registries import tokens
from harness.stories.registries.catalogue import How
from harness.stories.registries.own_registries import GHCR, HUB, READ, ClusterRegistries, RegistrySetup


@pytest.fixture
def stage(
    request: pytest.FixtureRequest, storage: Path, registry_binary: Path, tmp_path: Path
) -> Iterator[ClusterRegistries]:
    catalogue = catalogues.load()
    with ClusterRegistries(
        getattr(request, "param", RegistrySetup(private=True)),
        release=catalogue.release("2.5.2"),
        copy=catalogue.release("2.5.2@docker.io"),
        spark="docker.io/apache/spark:4.0.4",
        storage=storage,
        binary=registry_binary,
        gateway="127.0.0.2",
        folder=tmp_path,
        login=Credentials(username="site", password=SecretStr("the-run-s-id")),
    ) as made:
        yield made


def test_images_are_served_under_each_name_with_the_same_digest(stage: ClusterRegistries) -> None:
    stage.ghcr.issue("all", READ)
    with RegistryClient(stage.hub.mirror(), HUB) as anybody, browser(stage.ghcr, "all") as reader:
        for repository, copy in (
            ("kubeflow/spark-operator/controller", stage.copy.repository),
            ("kubeflow/spark-operator/kubectl", stage.copy.hook_repository),
        ):
            origin = reader.get(f"/v2/{repository}/manifests/2.5.2")
            there = anybody.ask("GET", copy, "manifests/2.5.2")
            assert origin.status_code == there.status_code == 200
            assert origin.content == there.content
        spark = anybody.ask("GET", SPARK, "manifests/4.0.4")
        copied = reader.get("/v2/kubeflow/spark/manifests/4.0.4")
        assert spark.headers["docker-content-digest"] == copied.headers["docker-content-digest"]
        layer = spark.json()["layers"][0]["digest"]
        assert len(anybody.ask("GET", SPARK, f"blobs/{layer}").content) == spark.json()["layers"][0]["size"]
    assert stage.spark_at(GHCR) == "ghcr.io/kubeflow/spark:4.0.4"


def test_private_packages_are_for_who_has_a_token_for_them(stage: ClusterRegistries) -> None:
    stage.ghcr.issue("driver", READ, packages=["kubeflow/spark"])
    with browser(stage.ghcr) as nobody, browser(stage.ghcr, "driver") as driver:
        assert nobody.get("/v2/kubeflow/spark/manifests/4.0.4").status_code == 401
        assert driver.get("/v2/kubeflow/spark/manifests/4.0.4").status_code == 200
        assert driver.get("/v2/kubeflow/spark-operator/controller/manifests/2.5.2").status_code == 403


@pytest.mark.parametrize("how", [it for it in get_args(How) if it not in ("wrong", "empty", "gone")])
def test_a_token_that_was_weakened_is_refused_until_it_is_issued_anew(stage: ClusterRegistries, how: How) -> None:
    stage.ghcr.issue("driver", READ)
    with browser(stage.ghcr, "driver") as driver:
        known = stage.ghcr.accounts.of("driver")
        tokens.weaken(stage.ghcr.accounts, "driver", how)
        assert stage.ghcr.accounts.of("driver").secret == known.secret
        assert driver.get("/v2/kubeflow/spark/manifests/4.0.4").status_code in (401, 403)
        stage.ghcr.issue("driver", READ, secret=known.secret)
        assert driver.get("/v2/kubeflow/spark/manifests/4.0.4").status_code == 200


def test_an_image_with_another_stamp_has_another_digest_and_the_same_layers(stage: ClusterRegistries) -> None:
    reference = stage.another(stage.spark_at(HUB), label="503")
    assert reference == "docker.io/apache/spark:4.0.4-503"
    with RegistryClient(stage.hub.mirror(), HUB, attempts=1) as anybody:
        old, new = (anybody.ask("GET", SPARK, f"manifests/{tag}") for tag in ("4.0.4", "4.0.4-503"))
        assert new.status_code == 200
        assert new.headers["docker-content-digest"] != old.headers["docker-content-digest"]
        assert new.json()["layers"] == old.json()["layers"]
        config = anybody.ask("GET", SPARK, f"blobs/{new.json()['config']['digest']}").json()
        assert config["config"]["Labels"] == {"spark-operator-harness.stamp": "503"}


def test_when_all_pulls_are_spent_a_head_still_answers_and_tells_it(stage: ClusterRegistries) -> None:
    image, mirror = stage.spark_at(HUB), stage.hub.mirror()
    assert str(pulls_left(image, mirror)) == "100 of 100 pulls left, window 6 h"
    stage.hub.spend(["127.0.0.1", "127.0.0.2"])
    with RegistryClient(stage.hub.mirror(), HUB, attempts=1) as anybody:
        refused = anybody.ask("GET", SPARK, "manifests/4.0.4")
        assert refused.status_code == 429
        assert refused.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
        assert anybody.ask("HEAD", SPARK, "manifests/4.0.4").status_code == 200
    assert str(pulls_left(image, mirror)) == "0 of 100 pulls left, window 6 h"
    stage.hub.limit(stage.hub.profile.limits)
    assert str(pulls_left(image, mirror)) == "100 of 100 pulls left, window 6 h"


def test_a_registry_without_a_limit_says_nothing_of_one(stage: ClusterRegistries) -> None:
    assert pulls_left("ghcr.io/kubeflow/spark:4.0.4", stage.ghcr.mirror("node")) is None


@pytest.mark.parametrize("stage", [RegistrySetup(cached=True)], indirect=True)
def test_a_cache_gives_what_it_had_once_when_no_pull_is_left(stage: ClusterRegistries) -> None:
    cache = stage.mirrors(MirrorMap()).mirrors[HUB].url
    fresh = stage.another(stage.spark_at(HUB), label="cold").rpartition(":")[2]
    assert httpx.get(f"{cache}/v2/{SPARK}/manifests/4.0.4", trust_env=False).status_code == 200
    stage.hub.spend(["127.0.0.1", "127.0.0.2"])
    assert httpx.get(f"{cache}/v2/{SPARK}/manifests/4.0.4", trust_env=False).status_code == 200
    assert httpx.get(f"{cache}/v2/{SPARK}/manifests/{fresh}", trust_env=False).status_code != 200


def test_the_runs_own_login_is_taken_and_is_no_secret(stage: ClusterRegistries) -> None:
    login = Credentials(username="site", password=SecretStr("the-run-s-id"))
    mirror = stage.hub.mirror().model_copy(update={"username": login.username, "password": login.password})
    assert str(pulls_left(stage.spark_at(HUB), mirror)) == "200 of 200 pulls left, window 6 h"
    token = stage.ghcr.issue("driver", READ)
    assert token.secret in stage.secrets
    assert "the-run-s-id" not in stage.secrets


def test_nodes_are_told_of_the_own_registries_and_of_the_others(stage: ClusterRegistries) -> None:
    others = MirrorMap.model_validate(
        {"mirrors": {"registry.k8s.io": {"url": "http://r:5000"}, GHCR: {"url": "http://g"}}}
    )
    mirrors = stage.mirrors(others).mirrors
    assert mirrors["registry.k8s.io"].url == "http://r:5000"
    assert mirrors[GHCR].url == f"https://127.0.0.2:{stage.ghcr.port}"
    assert mirrors[GHCR].credentials is None


def test_a_storage_is_shared_without_a_copy_of_its_blobs(storage: Path, tmp_path: Path) -> None:
    stored.share(storage / HUB, SPARK, tmp_path, "site/spark")
    assert stored.stored_repositories(tmp_path) == ["site/spark"]
    blobs = list((tmp_path / "docker/registry/v2/blobs").rglob("data"))
    assert blobs
    assert all(it.is_symlink() and it.exists() for it in blobs)
