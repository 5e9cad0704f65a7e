# SPDX-License-Identifier: Apache-2.0
"""The doctor: each prerequisite is ok, a warning or a failure, and what is not ok has a remedy.

The registries' answers are made up: a unit test asks no server outside this machine.
"""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from rich.console import Console

from harness.bootstrap import doctor, prerequisite
from harness.bootstrap.prerequisite import Prerequisite, Status
from harness.foundry import gobuild
from harness.foundry.store import Store
from harness.host import capabilities, disk, engine, packages
from harness.host.engine_mark import EngineMark
from harness.images.mirrors import Mirror, MirrorMap
from harness.settings import Settings


@pytest.fixture(autouse=True)
def registries(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What each registry says: nothing when it answers, else the problem. All answer unless a test says otherwise."""
    problems: dict[str, str] = {}

    def probe(hosts: Iterable[str], *, mirrors: MirrorMap | None = None, timeout: float = 5.0) -> dict[str, str]:
        return {host: problems.get(host, "") for host in hosts}

    monkeypatch.setattr(doctor, "probe_all", probe)
    return problems


@pytest.fixture(autouse=True)
def _javac(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Java virtual machine takes longer to start than all the rest; test_packages has what it answers."""
    monkeypatch.setattr(packages, "javac_version", lambda: 17)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache")


def named(found: list[Prerequisite], name: str) -> Prerequisite:
    return next(it for it in found if it.name == name)


def test_everything_that_is_not_ok_has_a_remedy(settings: Settings) -> None:
    found = doctor.examine(settings, ["1.34"])

    assert [it.name for it in found if it.status != Status.OK and not it.remedy] == []
    assert len({it.name for it in found}) == len(found)
    expected = {"container engine", "engine permission", "capabilities", "cgroups", "memory", "kind", "helm", "Go"}
    assert expected | {"kubectl for 1.34", "registry docker.io", "disk of the cache"} <= {it.name for it in found}


def test_how_many_are_not_met_is_summed_up() -> None:
    good, bad, worse = (
        prerequisite.ok("a", "1"),
        prerequisite.warning("b", "2", "x"),
        prerequisite.failure("c", "3", "y"),
    )

    assert prerequisite.summary([good]) == "no failures, 0 warnings"
    assert prerequisite.summary([good, bad]) == "no failures, 1 warning: only some cells need these"
    assert prerequisite.summary([worse, bad, worse]) == "2 failures, 1 warning: fix the failures before a run"


def test_nothing_is_changed(settings: Settings) -> None:
    doctor.examine(settings)

    assert not settings.cache_dir.exists()


def test_no_engine(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    found = doctor.examine(settings)

    assert named(found, "container engine").status == Status.FAILURE
    assert named(found, "engine permission").status == Status.WARNING
    assert named(found, "Go").status == Status.WARNING
    assert named(found, "helm").status == Status.FAILURE
    assert named(found, "kind").status == Status.FAILURE
    assert named(found, "registry").status == Status.WARNING
    # The default cells do not need it.
    assert named(found, "actionlint").status == Status.WARNING


def _on_path(folder: Path, name: str, answer: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{answer}'\n")
    file.chmod(0o755)


def test_what_will_not_do_for_every_environment_is_told_for_which(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    _on_path(tmp_path, "kind", "kind v0.31.0 go1.25.4 linux/amd64")

    found = doctor.examine(settings)

    assert named(found, "kind").status == Status.OK
    other = named(found, "kind for kind-1.37")
    assert other.status == Status.WARNING
    assert "is 0.31.0, supported: >=0.32,<0.34 for Kubernetes 1.37 and later" in other.found
    assert "bootstrap" in other.remedy


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on PATH")
def test_a_helm_is_told_that_is_on_path_and_not_supported(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(folder: Path, log_file: Path) -> None:
        (folder / "bin").mkdir()
        _on_path(folder / "bin", "helm", "")

    Store.of(settings).build(gobuild.recipe("helm"), make)
    _on_path(tmp_path, "helm", "v5.0.0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    helm = named(doctor.examine(settings), "helm")

    assert helm.status == Status.WARNING
    assert "is 5.0.0, supported: >=3.14,<5; results hold for Helm 3" in helm.found


def test_an_engine_without_permission(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # A refusal by a real engine would need another user.
    def refuse(settings: Settings) -> engine.Engine:
        raise engine.EngineRefusal("the container engine refuses this user", "join the group docker")

    monkeypatch.setattr(engine, "probe", refuse)

    found = doctor.examine(settings)

    assert named(found, "container engine").status == Status.OK
    assert named(found, "engine permission").status == Status.FAILURE
    assert named(found, "engine permission").remedy == "join the group docker"


def test_podman_is_named_and_no_promise_is_made_of_cells(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    podman = an_engine(product="Podman", version="4.3.1", operating_system="debian")
    monkeypatch.setattr(engine, "probe", lambda settings: podman)

    found = named(doctor.examine(settings), "container engine")

    assert (found.status, found.found) == (Status.WARNING, "Podman 4.3.1 on debian")
    assert "no cell was ever run with it" in found.remedy


def an_engine(**changes: object) -> engine.Engine:
    known: dict[str, object] = {
        "client": Path("/usr/bin/docker"),
        "version": "28.2.2",
        "data_root": Path("/"),
        "storage_driver": "overlay2",
        "cgroup_version": 2,
        "default_runtime": "runc",
        "cpus": 2,
        "memory": 8_000_000_000,
        "operating_system": "Debian",
    }
    return engine.Engine(**{**known, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("missing", "running", "expected"),
    [
        ([], an_engine(), Status.OK),
        (["CAP_SYS_RESOURCE"], an_engine(), Status.WARNING),
        (["CAP_SYS_RESOURCE"], an_engine(ours=True, default_runtime="runc-within-host"), Status.OK),
        (["CAP_SYS_ADMIN"], an_engine(), Status.FAILURE),
    ],
)
def test_capabilities(
    missing: list[str],
    running: engine.Engine,
    expected: Status,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capabilities, "missing", lambda: frozenset(missing))
    monkeypatch.setattr(engine, "probe", lambda settings: running)

    assert named(doctor.examine(settings), "capabilities").status == expected


def test_a_storage_driver_that_copies_everything(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "probe", lambda settings: an_engine(storage_driver="vfs"))

    assert named(doctor.examine(settings), "engine storage").status == Status.WARNING


@pytest.mark.parametrize(("version", "expected"), [(2, Status.OK), (1, Status.WARNING), (0, Status.FAILURE)])
def test_the_version_of_cgroups_is_judged(
    version: int, expected: Status, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capabilities, "cgroup_version", lambda: version)

    assert named(doctor.examine(settings), "cgroups").status == expected


@pytest.mark.parametrize(("free", "expected"), [(1e9, Status.FAILURE), (10e9, Status.WARNING), (100e9, Status.OK)])
def test_little_free_disk_is_a_warning_and_too_little_a_failure(
    free: float, expected: Status, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "free", lambda folder: int(free))

    assert named(doctor.examine(settings), "disk of the cache").status == expected


def test_a_registry_out_of_reach(settings: Settings, registries: dict[str, str]) -> None:
    registries["ghcr.io"] = "ghcr.io could not be reached: connection refused"

    found = doctor.examine(settings)

    assert named(found, "registry docker.io").status == Status.OK
    assert named(found, "registry ghcr.io").status == Status.WARNING
    assert "--source" in named(found, "registry ghcr.io").remedy


def test_a_mirror_takes_the_place_of_its_registry(tmp_path: Path, registries: dict[str, str]) -> None:
    registries["ghcr.io"] = "401 Unauthorized"
    mirrors = {"ghcr.io": Mirror(url="https://mirror.example.com")}

    found = doctor.examine(Settings(cache_dir=tmp_path, mirrors=mirrors))

    assert named(found, "mirror of ghcr.io").remedy == 'correct [mirrors."ghcr.io"] in harness.toml'
    assert "registry ghcr.io" not in {it.name for it in found}


def test_a_proxy_that_would_be_used_for_this_machine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", "")

    assert "NO_PROXY=127.0.0.1" in named(doctor.examine(settings), "proxy").remedy

    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")

    assert named(doctor.examine(settings), "proxy").status == Status.OK


def test_people_see_the_remedy_and_programs_get_json() -> None:
    found = [
        Prerequisite(name="Python", status=Status.OK, found="3.11.7"),
        Prerequisite(name="Go", status=Status.WARNING, found="not on PATH", remedy="install Go"),
    ]
    output = io.StringIO()

    Console(file=output, width=100).print(prerequisite.render(found))

    assert "→ install Go" in output.getvalue()
    assert json.loads(prerequisite.as_json(found))[1] == {
        "name": "Go",
        "status": "warning",
        "found": "not on PATH",
        "remedy": "install Go",
    }


VM_MARK = EngineMark(host="colima", reached="DOCKER_CONTEXT=colima")


def test_of_a_virtual_machine_its_own_memory_counts_and_no_disk_is_promised(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of colima, which gives its machine 2 GB and 2 processors unless it is told otherwise."""
    small = an_engine(mark=VM_MARK, memory=2_000_000_000, cpus=1)
    monkeypatch.setattr(engine, "probe", lambda settings: small)

    found = doctor.examine(settings)

    assert named(found, "memory").status == Status.FAILURE
    assert "2 GB on colima" in named(found, "memory").found
    assert "colima start" in named(found, "memory").remedy
    assert (named(found, "processors").status, named(found, "processors").found) == (Status.WARNING, "1")
    assert "not seen" in named(found, "disk of the engine").found


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mark": EngineMark(host="builder", reached="DOCKER_HOST=tcp://docker:2376")}, "listen on 127.0.0.1"),
        ({"mark": EngineMark(host="builder", reached="DOCKER_HOST=ssh://me@builder")}, "run the harness there"),
        ({"data_root": Path("/var/snap/docker/common/var-lib-docker")}, "snap remove docker"),
        ({"rootless": True}, "no cell was ever run with it"),
        ({"mark": EngineMark(host=platform.node(), reached="DOCKER_HOST=tcp://127.0.0.1:2375")}, ""),
        ({"mark": VM_MARK}, ""),
    ],
)
def test_an_engine_that_cells_may_not_work_with_is_told(
    changes: dict[str, object], says: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "probe", lambda settings: an_engine(**changes))
    monkeypatch.setattr(doctor, "_IN_CONTAINER", ())

    found = named(doctor.examine(settings), "container engine")

    assert says in found.remedy
    assert found.status == (Status.WARNING if says else Status.OK)


def test_the_engine_outside_of_this_container_is_told(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a devcontainer or a Jenkins agent that has the socket of its host."""
    monkeypatch.setattr(engine, "probe", lambda settings: an_engine(mark=EngineMark(host="the-host")))
    monkeypatch.setattr(doctor, "_IN_CONTAINER", (tmp_path,))

    found = named(doctor.examine(settings), "container engine")

    assert "outside of this container, on the-host" in found.found
    assert "--network host" in found.remedy


@pytest.mark.parametrize(
    ("answers", "status", "says"),
    [
        ("go1.26.8 local direct", Status.OK, "go1.26.8"),
        ("go1.24.1 auto https://proxy.example.com,direct", Status.OK, "downloads the toolchain"),
        ("go1.24.1 local https://proxy.example.com,direct", Status.WARNING, "GOTOOLCHAIN=local"),
        ("go1.24.1 auto off", Status.WARNING, "GOPROXY=off"),
        ("go1.18 auto direct", Status.WARNING, "go1.18"),
    ],
)
def test_an_older_go_suffices_only_where_it_may_download_a_newer_one(
    answers: str, status: Status, says: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "go"
    script.write_text(f"#!/bin/sh\nprintf '%s\\n' {answers}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    found = named(doctor.examine(settings), "Go")

    assert found.status == status
    assert says in found.found
    assert found.remedy.endswith("GOTOOLCHAIN=auto") == ("GOTOOLCHAIN" in says)


def test_no_apt_is_promised_where_there_is_none(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing_build_packages", lambda: ["mmdebstrap"])
    monkeypatch.setattr(shutil, "which", lambda program, **_: None)

    assert "--source upstream" in doctor._build_packages().remedy


def test_what_this_container_lacks_does_not_matter_to_an_engine_outside_of_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a job of GitLab with a `docker:dind` beside it."""
    monkeypatch.setattr(capabilities, "missing", lambda: frozenset(["CAP_SYS_ADMIN", "CAP_NET_ADMIN"]))
    monkeypatch.setattr(capabilities, "cgroup_version", lambda: 0)
    monkeypatch.setattr(engine, "probe", lambda settings: an_engine(mark=EngineMark(host="dind")))

    found = doctor.examine(settings)

    assert (named(found, "capabilities").status, named(found, "cgroups").status) == (Status.OK, Status.OK)
    assert "dind" in named(found, "capabilities").found


def test_wsl_has_another_way_to_the_second_version_of_cgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "release", lambda: "5.15.153.1-microsoft-standard-WSL2")

    assert ".wslconfig" in doctor._cgroups(an_engine(mark=EngineMark(host="other"), cgroup_version=1)).remedy
