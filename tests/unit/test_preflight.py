# SPDX-License-Identifier: Apache-2.0
"""What is asked of mirrors before a cluster is made: everything that cells need, once each, by HEAD alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from registry_fakes import Answer, FakeServer, Request, answering
from run_fakes import CATALOGUE, IMAGE, attempt
from user_samples import PI, apps_of

from harness import stories
from harness.apps import samples
from harness.apps.places import places
from harness.errors import SettingsError
from harness.images.mirrors import Mirror, MirrorMap
from harness.matrix import expand
from harness.matrix.model import Cell, ClusterNeeds, Environment
from harness.options import RunOptions
from harness.providers import PROVIDERS
from harness.registries.sources import Foundry, Mirrored, Source
from harness.releases.values import merge
from harness.run.preflight import ABSENT_CHECK, CHECK, REACHABLE_CHECK, VALUES_CHECK, Preflight
from harness.stories.protocol import Given
from harness.stories.user_apps import story
from harness.verdicts import Verdict

RELEASE = CATALOGUE.release("2.5.2")
TYPE = "application/vnd.oci.image.manifest.v1+json"


def server(*missing: str) -> Callable[[Request], Answer]:
    """A registry that has everything but manifests whose path holds one of these words."""

    def answer(request: Request) -> Answer:
        if any(word in request.path for word in missing):
            return Answer(404, '{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}')
        return Answer(200, "", {"Docker-Content-Digest": "sha256:" + "ab" * 32, "Content-Type": TYPE})

    return answer


def mirrored(fake: FakeServer, *hosts: str) -> Mirrored:
    mirror = Mirror(url=f"http://{fake.address}")
    return Mirrored(MirrorMap(mirrors=dict.fromkeys(hosts or ("ghcr.io", "docker.io"), mirror)))


def preflight(source: Source, said: list[str] | None = None, **more: object) -> Preflight:
    def engine_images(environment: Environment) -> list[str]:
        return [environment.node_image]

    values = merge(*cast(tuple[Any, ...], more.pop("values", ())))
    asked = {"values": lambda path: values, "engine_images": engine_images, **more}
    return Preflight(source, CATALOGUE, say=(said if said is not None else []).append, **asked)  # type: ignore[arg-type]


def cell(path: str = "install-2.5.2", environment: str = "kind-1.34") -> Cell:
    made = attempt("spark-pi", environment).cell
    return made.model_copy(update={"path": expand.find_path(CATALOGUE, path)})


def heads(fake: FakeServer) -> list[str]:
    assert {it.method for it in fake.requests} == {"HEAD"}
    return sorted(it.path.removeprefix("/v2/") for it in fake.requests)


def test_every_image_and_chart_is_asked_for_once_for_all_cells_and_all_calls() -> None:
    with answering(server()) as fake, mirrored(fake) as source:
        asking = preflight(source)
        cells = [cell(), cell(environment="k3d-1.34"), attempt("ttl").cell]
        assert asking.refusals(cells) == {}
        assert asking.refusals(cells) == {}

    asked = heads(fake)
    assert len(asked) == len(set(asked))
    for part in (
        "kubeflow/spark-operator/controller/manifests/2.5.2",
        "apache/spark/manifests/4.0.4",
        "kindest/node/manifests/sha256:",
        "rancher/k3s/manifests/",
        f"{RELEASE.chart_oci.removeprefix('oci://ghcr.io/')}/manifests/2.5.2",
    ):
        assert [path for path in asked if path.startswith(part)], (part, asked)


def test_what_is_missing_is_named_with_its_mirror_and_only_its_cells_are_refused() -> None:
    said: list[str] = []
    with answering(server("rancher/k3s", "apache/spark")) as fake, mirrored(fake) as source:
        without = attempt("plain", "kind-1.34").cell
        without = without.model_copy(update={"scenario": without.scenario.model_copy(update={"images": ()})})
        refusals = preflight(source, said).refusals([cell(environment="k3d-1.34"), cell(), without])
        for _ in range(2):
            with pytest.raises(Exception, match="answered 404"):
                source.resolve(IMAGE)

    assert set(refusals) == {cell(environment="k3d-1.34").id, cell().id}
    finding = refusals[cell(environment="k3d-1.34").id]
    assert (finding.check, finding.verdict) == (CHECK, Verdict.UNAVAILABLE)
    assert f"{IMAGE} is not available: the mirror http://{fake.address} of docker.io answered 404" in finding.message
    assert "rancher/k3s" in finding.message
    assert "rancher/k3s" not in refusals[cell().id].message
    assert f"copy {IMAGE} to the mirror" in finding.message
    assert [line for line in said if "3 of 5 images and charts" in line], said
    assert [line for line in said if line.startswith(f"not available: {IMAGE}")]
    # Asked for once. A GET tells it apart from a manifest without HEAD, and one for a digest that nothing has shows
    # that the mirror's 404 can be believed.
    spark = [(it.method, "sha256:" in it.path) for it in fake.requests if "apache/spark/manifests" in it.path]
    assert spark == [("HEAD", False), ("GET", False), ("GET", True)]


@pytest.mark.parametrize(
    ("status", "verdict"), [(404, Verdict.UNAVAILABLE), (503, Verdict.ERROR), (429, Verdict.ERROR)]
)
def test_a_mirror_that_fails_says_nothing_of_its_images(status: int, verdict: Verdict) -> None:
    retry = {"Retry-After": "60"}
    with answering(lambda request: Answer(status, "", retry)) as fake, mirrored(fake, "ghcr.io", "docker.io") as source:
        (finding,) = preflight(source).refusals([cell()]).values()
    assert (finding.check, finding.verdict) == (CHECK, verdict)
    assert f"answered {status} for " in finding.message


def test_a_host_without_a_mirror_is_named_without_asking_anybody() -> None:
    with answering(server()) as fake, mirrored(fake, "ghcr.io") as source:
        (finding,) = preflight(source, engine_images=lambda environment: []).refusals([cell()]).values()

    assert "there is no mirror for docker.io: the mirror map has ghcr.io" in finding.message
    assert not [it for it in fake.requests if "apache" in it.path]


def test_an_upgrade_needs_the_images_of_all_its_releases_and_of_its_applications() -> None:
    with answering(server()) as fake, mirrored(fake) as source:
        assert preflight(source).refusals([cell("upgrade-2.5.1-2.5.2+crds=hook")]) == {}

    asked = heads(fake)
    assert "kubeflow/spark-operator/controller/manifests/2.5.1" in asked
    assert "kubeflow/spark-operator/kubectl/manifests/2.5.2" in asked
    spark = samples.chart_values().spark.image
    assert spark.removeprefix("docker.io/").replace(":", "/manifests/") in asked


def test_values_and_an_own_chart_say_what_is_needed() -> None:
    values = ({"image": {"registry": "docker.io", "repository": "us/operator", "tag": "7"}},)
    with answering(server()) as fake, mirrored(fake) as source:
        asking = preflight(
            source, values=values, options=RunOptions(chart="./chart"), engine_images=lambda environment: []
        )
        assert asking.refusals([cell()]) == {}

    assert heads(fake) == ["apache/spark/manifests/4.0.4", "us/operator/manifests/7"]


@pytest.mark.parametrize("lacks", ["/2.2.1", "elsewhere"])
def test_the_foundry_is_asked_for_the_operators_images_which_may_not_be_built_yet(lacks: str) -> None:
    mine, other = cell("upgrade-2.2.1-2.5.2+crds=hook"), cell()
    said: list[str] = []
    with answering(server(lacks)) as fake:
        hosts = {"ghcr.io": Mirror(url=f"http://{fake.address}")}
        with Foundry(MirrorMap(mirrors=hosts)) as source:
            found = preflight(source, said).refusals([mine, other])
        paths = sorted(it.path for it in fake.requests if it.method == "HEAD")

    asked = [path.removeprefix("/v2/kubeflow/spark-operator/") for path in paths]
    assert asked == ["controller/manifests/2.2.1", "controller/manifests/2.5.2", "kubectl/manifests/2.5.2"]
    if lacks == "elsewhere":
        assert (found, said) == ({}, [])
        return
    assert list(found) == [mine.id]
    assert found[mine.id].verdict is Verdict.UNAVAILABLE
    assert "controller:2.2.1" in found[mine.id].message
    assert "nox -s bootstrap" in found[mine.id].message


@pytest.mark.parametrize("host", ["ghcr.io", "harbor.corp"])
def test_an_image_of_the_users_values_that_nobody_has_is_told_and_the_cell_tries_it(host: str, tmp_path: Path) -> None:
    said: list[str] = []
    file = tmp_path / "prod.yaml"
    file.write_text(f"image:\n  registry: {host}\n  tag: 9.9.9\n")
    values = ({"image": {"registry": host, "tag": "9.9.9"}},)
    with (
        answering(server("spark-operator")) as fake,
        Foundry(MirrorMap(mirrors={"ghcr.io": Mirror(url=f"http://{fake.address}")})) as source,
    ):
        found = preflight(source, said, values=values, options=RunOptions(values=(file,))).refusals([cell()])
    assert found == {}
    assert len(said) == 1
    assert said[0].startswith("not available: ")
    assert f": image.tag asks for it ({file}, line 3)" in said[0]
    assert host in said[0]
    assert "the cells try it all the same" in said[0]


def test_cells_without_a_release_need_none() -> None:
    bare = cell()
    nothing = ClusterNeeds(installed="nothing")
    bare = bare.model_copy(update={"scenario": bare.scenario.model_copy(update={"needs": nothing})})
    with answering(server("")) as fake:
        with Foundry(MirrorMap(mirrors={"ghcr.io": Mirror(url=f"http://{fake.address}")})) as source:
            assert preflight(source).refusals([bare]) == {}
        assert fake.requests == []


def test_a_ca_that_cannot_be_read_is_one_error(tmp_path: object) -> None:
    mirror = Mirror.model_validate({"url": "https://127.0.0.1:1", "ca": f"{tmp_path}/none.pem"})
    with Mirrored(MirrorMap(mirrors={"ghcr.io": mirror})) as source, pytest.raises(SettingsError, match="CA file"):
        preflight(source).refusals([replace(attempt("spark-pi")).cell])


def test_every_environment_has_a_provider_that_is_there() -> None:
    assert {it.provider for it in CATALOGUE.environments} <= set(PROVIDERS)


@pytest.mark.parametrize("lacks", ["apache/spark", "elsewhere"])
def test_images_of_a_users_applications_are_asked_of_any_source(tmp_path: Path, lacks: str) -> None:
    scenario = story.scenario(apps_of(tmp_path, etl=PI)).model_copy(update={"story": "user-apps"})
    theirs = cell().model_copy(update={"scenario": scenario})
    with answering(server(lacks)) as fake:
        hosts = dict.fromkeys(("docker.io", "ghcr.io"), Mirror(url=f"http://{fake.address}"))
        with Foundry(MirrorMap(mirrors=hosts)) as source:
            found = preflight(source).refusals([cell(), theirs])
        asked = {it.path.removeprefix("/v2/") for it in fake.requests if it.method == "HEAD"}

    assert asked == {"apache/spark/manifests/4.0.4", "kubeflow/spark-operator/controller/manifests/2.5.2"}
    if lacks == "elsewhere":
        assert found == {}
        return
    (finding,) = found.values()
    assert list(found) == [theirs.id]
    assert (finding.check, finding.verdict) == (REACHABLE_CHECK, Verdict.UNAVAILABLE)
    assert "docker.io/apache/spark:4.0.4" in finding.message


SIDECAR = PI.replace("name: etl", "name: proxied").replace(
    "driver: {cores: 1,", "driver: {sidecars: [{name: proxy, image: gcr.io/sql/proxy:2}], cores: 1,"
)


def test_applications_that_have_their_images_run_without_those_that_lack_some(tmp_path: Path) -> None:
    apps = apps_of(tmp_path, etl=PI, proxied=SIDECAR)
    scenario = story.scenario(apps).model_copy(update={"story": "user-apps"})
    theirs = cell().model_copy(update={"scenario": scenario})
    with answering(server()) as fake:
        hosts = dict.fromkeys(("docker.io", "ghcr.io"), Mirror(url=f"http://{fake.address}"))
        with Foundry(MirrorMap(mirrors=hosts)) as source:
            asking = preflight(source)
            assert asking.refusals([theirs]) == {}
            assert asking.without_absent(theirs).scenario.images == ("docker.io/apache/spark:4.0.4",)
            given = Given(apps=apps).where_there_is(asking.absent(), 0)
            only = theirs.model_copy(update={"scenario": scenario.model_copy(update={"parts": scenario.parts[1:]})})
            assert list(asking.refusals([only])) == [only.id], "nothing of it could run"

    (place,) = places(given.apps)
    told = {it.name: place.lacking(it) for it in place.applications}
    assert told["etl"] == ""
    assert told["proxied"].startswith(
        "has an image that cannot be had here: the foundry has no image gcr.io/sql/proxy:2"
    )


def test_what_one_application_lacks_is_not_why_all_of_them_cannot_run(tmp_path: Path) -> None:
    scenario = story.scenario(apps_of(tmp_path, etl=PI, proxied=SIDECAR)).model_copy(update={"story": "user-apps"})
    theirs = cell().model_copy(update={"scenario": scenario})
    with answering(server("spark-operator/controller")) as fake:
        hosts = dict.fromkeys(("docker.io", "ghcr.io"), Mirror(url=f"http://{fake.address}"))
        with Foundry(MirrorMap(mirrors=hosts)) as source:
            (finding,) = preflight(source).refusals([theirs]).values()
    assert finding.evidence["missing"] == [RELEASE.image]
    assert "gcr.io" not in finding.message


def test_a_network_that_fails_for_an_image_of_one_application_is_told_of_all(tmp_path: Path) -> None:
    scenario = story.scenario(apps_of(tmp_path, etl=PI, proxied=SIDECAR)).model_copy(update={"story": "user-apps"})
    theirs = cell().model_copy(update={"scenario": scenario})
    with answering(server()) as fake:
        hosts = dict.fromkeys(("docker.io", "ghcr.io"), Mirror(url=f"http://{fake.address}"))
        away = {"gcr.io": Mirror(url="http://127.0.0.1:1")}
        with Mirrored(MirrorMap(mirrors=hosts | away)) as source:
            (finding,) = preflight(source).refusals([theirs]).values()
    assert (finding.check, finding.verdict) == (CHECK, Verdict.ERROR)


PINNED = "upgrade-2.2.1@docker.io-2.5.2+crds=apply+values=pinned-registry"


@pytest.mark.parametrize("copied", [True, False])
def test_a_path_that_relies_on_a_missing_copy_is_not_gone_where_there_is_one(copied: bool) -> None:
    pinned = cell(PINNED)
    with answering(server() if copied else server("kubeflow/spark-operator/manifests/2.5.2")) as fake:
        hosts = dict.fromkeys(("docker.io", "ghcr.io"), Mirror(url=f"http://{fake.address}"))
        with Foundry(MirrorMap(mirrors=hosts)) as source:
            found = preflight(source).refusals([cell(), pinned])
    assert list(found) == ([pinned.id] if copied else [])
    for finding in found.values():
        assert (finding.check, finding.verdict) == (ABSENT_CHECK, Verdict.UNAVAILABLE)
        assert "docker.io/kubeflow/spark-operator:2.5.2" in finding.message


def test_a_release_that_the_foundry_does_not_build_is_not_asked_for_here() -> None:
    with (
        answering(server("spark-operator")) as fake,
        Foundry(MirrorMap(mirrors={"docker.io": Mirror(url=f"http://{fake.address}")})) as source,
    ):
        found = preflight(source).refusals([cell("install-2.1.1")])
    assert found == {}
    assert not fake.requests


def test_a_cell_whose_scenario_the_values_leave_no_room_for_is_told_before_there_is_a_cluster() -> None:
    with answering(server()) as fake:
        config_map = cell().model_copy(update={"scenario": stories.scenarios()["config-map"]})
        refusals = preflight(mirrored(fake), values=({"webhook": {"enable": False}},)).refusals([cell(), config_map])
    (finding,) = [it for name, it in refusals.items() if name == config_map.id]
    assert (finding.check, finding.verdict) == (VALUES_CHECK, Verdict.UNAVAILABLE)
    assert "the scenario config-map cannot be run" in finding.message
    assert cell().id not in refusals


def test_a_hook_that_the_values_ask_for_needs_its_image() -> None:
    with answering(server()) as fake:
        preflight(mirrored(fake), values=({"hook": {"upgradeCrd": True}},)).refusals([cell()])
        assert any("spark-operator/kubectl/manifests/2.5.2" in it.path for it in fake.requests)


def test_an_image_beside_the_operators_is_looked_for_before_a_cluster_is_made() -> None:
    values = {"controller": {"sidecars": [{"name": "logs", "image": "docker.io/fluent/fluent-bit:3.1"}]}}
    with answering(server("fluent-bit")) as fake, mirrored(fake) as source:
        found = preflight(source, values=(values,)).refusals([cell()])[cell().id]
    assert found.verdict is Verdict.UNAVAILABLE
    assert "fluent/fluent-bit:3.1" in found.message
