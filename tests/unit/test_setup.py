# SPDX-License-Identifier: Apache-2.0
"""What a run needs before it makes anything: a request that makes sense, and a host that can.

`docker` is a stand-in that answers as an engine does; whether this machine has one must not matter here.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from user_samples import CONNECT, written
from user_samples import PI as ETL

from harness.errors import DiskError, EngineError, SettingsError, ToolError, UsageError
from harness.foundry import gobuild
from harness.host import access
from harness.host.engine_mark import EngineMark
from harness.matrix.select import Selection
from harness.options import RunOptions
from harness.providers import PROVIDERS
from harness.registries.source_choice import Choice
from harness.report.model import HostResult
from harness.run import run_host, setup
from harness.settings import Settings

PI = Selection(cells=("kind-1.34/install-2.5.2/spark-pi",))


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HARNESS_SOURCE", "HARNESS_JOBS", "HARNESS_APP_SLOTS", "HARNESS_MIN_DISK_GB", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All of PATH: docker, and tools in supported versions."""
    folder = tmp_path / "bin"
    folder.mkdir()
    info = {"ServerVersion": "20.10.24", "DockerRootDir": "/d", "CgroupVersion": "1", "NCPU": 2, "MemTotal": 1}
    answers = {"docker": json.dumps(info), "kind": "kind v0.33.0 go1.26", "helm": "v3.18.0", "kubectl": "v1.35.0"}
    for name, answer in answers.items():
        (folder / name).write_text(f"#!/bin/sh\n/bin/cat <<'E'\n{answer}\nE\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize("selection", [Selection(), Selection(tags=("upgrade-default",))])
@pytest.mark.parametrize(
    ("source", "rehearsed", "first"),
    [
        ("foundry", "false", "2.2.1@docker.io"),
        ("upstream", "false", "2.1.1"),
        # A rehearsal has no more than the foundry builds.
        ("upstream", "true", "2.2.1@docker.io"),
    ],
)
def test_from_upstream_the_usual_upgrades_begin_with_what_upstream_published(
    tmp_path: Path, selection: Selection, source: str, rehearsed: str, first: str
) -> None:
    (tmp_path / "harness.toml").write_text(f'source = "{source}"\nrehearsed = {rehearsed}\n')
    asked = setup.request(RunOptions(selection=selection))
    upgrades = [it for it in asked.cells if it.path.kind == "upgrade"]
    assert upgrades
    assert {it.path.releases[0] for it in upgrades} == {first}
    assert all("upgrade-default" in it.tags and ("relocated" in it.tags) is ("@" in first) for it in upgrades)
    assert asked.source is not None
    assert asked.source.kind == source


def test_a_copy_that_was_asked_for_by_name_stays() -> None:
    asked = setup.request(
        RunOptions(selection=Selection(paths=("upgrade-2.2.1@docker.io-2.5.2+crds=apply",)), source="upstream")
    )
    assert {it.path.releases[0] for it in asked.cells} == {"2.2.1@docker.io"}
    assert asked.source is None


def test_a_request_knows_its_cells_releases_and_values(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("image: {tag: mine}\n")
    asked = setup.request(RunOptions(selection=PI, values=(Path("mine.yaml"),), jobs=3, source="foundry"))

    assert [cell.id for cell in asked.cells] == list(PI.cells)
    assert [release.version for release in asked.releases] == ["2.5.2"]
    assert asked.values[-1] == {"image": {"tag": "mine"}}
    assert (asked.settings.jobs, asked.settings.source) == (3, "foundry")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("spark: {jobNamespaces: etl}", "which is not a list of names (mine.yaml, line 1)"),
        ("spark: []", "the values set spark to '[]', which is not a mapping (mine.yaml, line 1)"),
        ('image: {registry: "https://harbor.corp.example"}', "image of the values: 'https://harbor.corp.example/"),
        ('image: {registry: "${REGISTRY}"}', "image of the values: '${REGISTRY}/"),
        ("image:\n  tag: 2.5.2\n  registry: https://a.io", "it starts with a URL scheme (mine.yaml, line 3)"),
        ("image: {tag: 20240115}", "controller:2.0240115e+07'"),
        ("hook: {upgradeCrd: true, image: {repository: A/b}}", "hook.image of the values: 'ghcr.io/A/b"),
        ('controller: {sidecars: [{image: "${LOGS}"}]}', "the sidecar ${LOGS} of the values"),
    ],
)
def test_values_that_name_no_image_or_namespaces_are_wrong_usage(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UsageError) as told:
        setup.request(RunOptions(selection=PI, values=(Path("mine.yaml"),)))
    assert said in told.value.message
    assert told.value.next_step


def test_the_profile_of_the_checkout_comes_before_the_users_values(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("a: 1\n")
    alone = setup.request(RunOptions(selection=PI))
    asked = setup.request(RunOptions(selection=PI, values=(Path("mine.yaml"),)))

    assert asked.values == (*alone.values, {"a": 1})


def test_what_the_user_says_of_resources_is_not_mixed_with_what_a_run_asks_for(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("webhook: {resources: {limits: {memory: 48Mi, cpu: 100m}}}\n")
    own, mine = setup.request(RunOptions(selection=PI, values=(Path("mine.yaml"),))).values
    assert "resources" not in own["webhook"], "a request of ours may be above a limit of theirs"
    assert own["controller"]["resources"]["requests"]
    assert mine == {"webhook": {"resources": {"limits": {"memory": "48Mi", "cpu": "100m"}}}}


def test_profiles_are_asked_for_by_name_and_merged_in_the_order_of_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, text in (("a", "{controller: {replicas: 3}}"), ("b", "{controller: {workers: 4}}")):
        (tmp_path / folder / "values").mkdir(parents=True)
        (tmp_path / folder / "values" / "ha.yaml").write_text(text)
    (tmp_path / "a" / "values" / "prod.yaml").write_text("{image: {tag: prod}}")
    (tmp_path / "umbrella.yaml").write_text("{spark-operator: {image: {tag: mine}}}")
    (tmp_path / "harness.toml").write_text('catalogue_dirs = ["a", "b"]\n')
    given = (Path("profile:prod"), Path("umbrella.yaml"), Path("profile:ha"))
    asked = setup.request(
        RunOptions(selection=PI, values=given, values_key="spark-operator", config=tmp_path / "harness.toml")
    )

    prod, mine, ha = asked.users
    assert (prod, mine) == ({"image": {"tag": "prod"}}, {"image": {"tag": "mine"}})
    # Of the project, and over it that of each folder.
    assert (ha["webhook"]["replicas"], ha["controller"]["replicas"], ha["controller"]["workers"]) == (2, 3, 4)


def test_a_key_of_values_needs_a_file_that_has_it() -> None:
    with pytest.raises(UsageError, match="--values-key needs --values"):
        setup.request(RunOptions(selection=PI, values=(Path("profile:ha"),), values_key="spark-operator"))


def test_nothing_asked_is_the_default_selection() -> None:
    asked = setup.request(RunOptions())

    assert {cell.environment.name for cell in asked.cells} == {"kind-1.34", "k3d-1.34"}
    assert {it.name for it in asked.releases} == {"2.5.2", "2.2.1@docker.io"}


def test_the_default_selection_needs_one_kubernetes_and_has_every_provider_and_an_upgrade() -> None:
    asked = setup.request(RunOptions())

    # Each Kubernetes version is minutes of compiling where images are built here.
    assert len({cell.environment.kubernetes for cell in asked.cells}) == 1
    assert {cell.environment.provider for cell in asked.cells} == {
        name for name, it in PROVIDERS.items() if not it.guest
    }
    assert any(cell.path.moves for cell in asked.cells)


@pytest.mark.parametrize("repeat", [0, -1])
def test_no_number_of_times_is_refused(repeat: int) -> None:
    with pytest.raises(UsageError, match=f"--repeat {repeat} is not a valid number of repetitions"):
        setup.request(RunOptions(repeat=repeat))


def test_a_request_that_makes_no_sense_is_refused_before_the_host_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no environment named"):
        setup.request(RunOptions(selection=Selection(environments=("nope",))))
    with pytest.raises(SettingsError, match="key jobs"):
        setup.request(RunOptions(jobs=0))
    (tmp_path / "bad.yaml").write_text("- a\n")
    with pytest.raises(UsageError, match=r"bad\.yaml"):
        setup.request(RunOptions(values=(Path("bad.yaml"),)))


@pytest.mark.parametrize("name", ["none", "none.tgz", "empty"])
def test_a_chart_that_is_none_is_refused_before_the_host_is_looked_at(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=rf"{name} (?:does not exist|has no Chart\.yaml)") as told:
        setup.request(RunOptions(chart=str(tmp_path / name)))
    assert told.value.exit_status == 2


def test_a_host_is_described_with_its_tools_and_source(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Images come from the public registries by request, so that no registry server needs to be built.
    monkeypatch.setenv("HARNESS_IMAGE_CACHE_GB", "0")
    found = run_host.host(setup.request(RunOptions(selection=PI, source="upstream")))

    assert found.choice.kind == "upstream"
    assert found.choice.why == "requested with --source upstream"
    assert {name: tool.version for name, tool in found.tools.items()} == {
        "kind": "0.33.0",
        "helm": "3.18.0",
        "kubectl": "1.35.0",
        "kubectl-1.34": "1.35.0",
    }
    assert found.result.engine == "Docker 20.10.24"
    assert found.result.cgroup == "v1"
    assert found.result.cpus > 0
    assert found.result.memory_mib > 100


def test_a_host_is_looked_at_while_there_is_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def host(asked: setup.Request) -> Any:
        begun.set()
        assert goes_on.wait(20)
        return asked

    monkeypatch.setattr(run_host, "host", host)
    asked = setup.request(RunOptions(selection=PI, source="foundry"))
    found = run_host.ahead(asked)
    assert begun.wait(20)
    goes_on.set()

    assert found() is asked  # type: ignore[comparison-overlap]
    assert found() is asked  # type: ignore[comparison-overlap]


def test_what_was_found_ahead_of_its_use_is_told_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def host(asked: setup.Request) -> Any:
        raise EngineError("there is no container engine")

    monkeypatch.setattr(run_host, "host", host)
    found = run_host.ahead(setup.request(RunOptions(selection=PI, source="foundry")))

    with pytest.raises(EngineError, match="there is no container engine"):
        found()


def test_tools_that_are_missing_are_all_named_with_the_remedy(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gobuild, "_go_version", lambda: "go1.26.0")
    for name in ("kind", "helm"):
        (programs / name).unlink()
    with pytest.raises(ToolError) as raised:
        run_host.host(setup.request(RunOptions(selection=PI, source="foundry")))

    for name in ("kind is not on PATH", "helm is not on PATH", "registry is not built yet"):
        assert name in raised.value.message
    assert "nox -s bootstrap" in raised.value.next_step


def test_a_disk_that_is_nearly_full_is_refused(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_MIN_DISK_GB", "100000000")

    with pytest.raises(DiskError, match=r"a run needs 100000000\.0 GB"):
        run_host.host(setup.request(RunOptions(selection=PI, source="foundry")))


def test_an_engine_that_refuses_this_user_is_told(programs: Path) -> None:
    (programs / "docker").write_text("#!/bin/sh\necho 'permission denied while trying to connect' >&2\nexit 1\n")

    with pytest.raises(EngineError, match="denies access to this user") as raised:
        run_host.host(setup.request(RunOptions(selection=PI, source="foundry")))
    # Which words these are depends on the user and on the socket of this host.
    assert raised.value.next_step == access.how_to_get_access("permission denied while trying to connect")


def test_job_namespaces_of_the_users_are_welcome_and_what_is_no_list_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("spark: {jobNamespaces: [production]}\n")
    assert setup.request(RunOptions(selection=PI, values=(Path("mine.yaml"),))).values[-1]["spark"]
    (tmp_path / "mine.yaml").write_text("spark: {jobNamespaces: production}\n")
    with pytest.raises(UsageError, match="jobNamespaces to 'production', which is not a list of names"):
        setup.request(RunOptions(selection=PI, values=(Path("mine.yaml"),)))


def apps(tmp_path: Path, text: str = ETL) -> Path:
    return written(tmp_path / "apps", etl=text)


def test_apps_alone_ask_for_their_scenario_on_the_default_release(tmp_path: Path) -> None:
    asked = setup.request(RunOptions(apps=apps(tmp_path)))

    assert [cell.id for cell in asked.cells] == ["kind-1.34/install-2.5.2/user-apps"]
    assert asked.cells[0].scenario.images == ("docker.io/apache/spark:4.0.4",)
    assert [it.name for it in asked.given.apps] == ["etl"]


def test_apps_join_the_scenarios_of_a_path(tmp_path: Path) -> None:
    selection = Selection(paths=("upgrade-2.2.1@docker.io-2.5.2+crds=apply",))

    with_them = setup.request(RunOptions(apps=apps(tmp_path), selection=selection))
    without = setup.request(RunOptions(selection=selection))

    names = {cell.scenario.name for cell in with_them.cells}
    assert names - {cell.scenario.name for cell in without.cells} == {"user-apps"}


def test_apps_that_no_cell_runs_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none of the 1 chosen cells runs the applications of --apps"):
        setup.request(RunOptions(apps=apps(tmp_path), selection=PI))


@pytest.mark.parametrize(
    "selection",
    [Selection(scenarios=("user-apps",)), Selection(cells=("kind-1.34/install-2.5.2/user-apps",))],
)
def test_their_scenario_without_apps_is_wrong_usage(selection: Selection) -> None:
    with pytest.raises(UsageError, match="runs your own applications, and none were given") as error:
        setup.request(RunOptions(selection=selection))
    assert "--apps DIR" in error.value.next_step


def test_a_kind_that_a_release_of_the_path_lacks_is_wrong_usage(tmp_path: Path) -> None:
    cell = "kind-1.34/upgrade-2.2.1@docker.io-2.5.2+crds=apply/user-apps"
    with pytest.raises(UsageError, match=r"release 2.2.1 has no CRD sparkconnects\S+, which user-apps needs"):
        setup.request(RunOptions(apps=apps(tmp_path, CONNECT), selection=Selection(cells=(cell,))))


@pytest.mark.parametrize(
    ("asked", "engine", "reached", "processors"),
    [
        ({}, 0, "", 4.0),
        ({}, 2, "", 2.0),
        ({}, 64, "", 4.0),
        ({}, 64, "DOCKER_HOST=tcp://elsewhere:2376", 64.0),
        ({}, 64, "DOCKER_HOST=unix:///run/user/1000/docker.sock", 4.0),
        ({"processors": 3}, 64, "", 3.0),
        ({"processors": 3}, 2, "DOCKER_HOST=ssh://elsewhere", 3.0),
    ],
)
def test_runs_keep_no_more_processors_busy_than_both_this_process_and_the_engine_have(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, float], engine: int, reached: str, processors: float
) -> None:
    monkeypatch.setattr("harness.processors._allowed", lambda: 4)
    monkeypatch.setattr("harness.processors._quotas", lambda proc: iter(()))
    result = HostResult(os="Debian 12", kernel="6", cpus=4, memory_mib=1, engine="Docker 20", cgroup="v2")
    found = run_host.Host(
        result=result,
        choice=Choice(kind="foundry", why="a test"),
        tools={},
        engine=EngineMark(reached=reached),
        engine_cpus=engine,
    )

    assert found.processors(Settings.model_validate(asked)) == processors
