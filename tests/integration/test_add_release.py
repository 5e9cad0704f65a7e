# SPDX-License-Identifier: Apache-2.0
"""Letting the foundry build another release, with the real Go command and a module registry made of files."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
from module_registry import ENVIRONMENT, publish

from harness.errors import BuildError, UsageError
from harness.foundry import add_release, gobuild, operator
from harness.foundry.store import Store
from harness.matrix import catalogue
from harness.matrix.release import Release
from harness.settings import PROJECT_ROOT, Settings

VERSION = "2.9.0"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
_MODULE = operator.catalogue().go_module
_CRDS = operator.catalogue().chart_folder + "/crds/sparkoperator.k8s.io_sparkapplications.yaml"
_FILES = {
    "cmd/operator/main.go": 'package main\n\nimport _ "k8s.io/other"\n\nfunc main() {}\n',
    "Dockerfile": "ARG SPARK_IMAGE=docker.io/library/spark:4.0.4\n",
    _CRDS: "kind: CustomResourceDefinition\n",
}
_GO_MOD = "go 1.25\n\nrequire k8s.io/other v0.1.0\n\nreplace k8s.io/other => k8s.io/other v0.2.0\n"


def release(**changes: object) -> Release:
    row = {"version": VERSION, "spark": "4.0.4", "crds": ("sparkapplications.sparkoperator.k8s.io",), **changes}
    return catalogue.load().release("2.5.2").model_copy(update=row)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "registry"
    publish(folder, _MODULE, f"v{VERSION}", _GO_MOD, _FILES, commit=COMMIT)
    for version in ("v0.1.0", "v0.2.0"):
        publish(folder, "k8s.io/other", version, "go 1.25\n", {"other.go": "package other\n"})
    for name, value in {**ENVIRONMENT, "GOPROXY": folder.as_uri()}.items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The rows of this checkout, and a release of which the foundry knows nothing."""
    root = tmp_path / "checkout"
    (root / "clusters" / "nodes" / "modules").mkdir(parents=True)
    (root / "charts" / "images").mkdir(parents=True)
    shutil.copy(PROJECT_ROOT / "charts" / "images" / "operator.toml", root / "charts" / "images")
    text = (PROJECT_ROOT / "charts" / "releases.toml").read_text()
    row = text[text.index('[[release]]\nversion = "2.0.2"') :].partition("\n\n")[0]
    (root / "charts" / "releases.toml").write_text(f"{text}\n{row.replace('2.0.2', VERSION)}\n")
    return root


@pytest.fixture
def settings(tmp_path: Path, go_build_cache: Path) -> Settings:
    work = tmp_path / "cache" / "work"
    work.mkdir(parents=True)
    (work / "go-build").symlink_to(go_build_cache)
    return Settings(cache_dir=tmp_path / "cache")


def add(checkout: Path, settings: Settings, row: Release | None = None) -> add_release.Added:
    wanted = row or release()
    return add_release.add_release(settings, wanted.version, [wanted], lambda line: None, root=checkout)


def files(checkout: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in checkout.rglob("*") if path.is_file()}


def test_a_release_brings_its_module_and_its_rows(
    registry: Path, checkout: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = add(checkout, settings)

    assert added == add_release.Added(module=f"spark-operator-{VERSION}")
    rows = tomllib.loads((checkout / "charts" / "images" / "operator.toml").read_text())["operator"]
    assert rows[-1] == {
        "version": VERSION,
        "module": f"spark-operator-{VERSION}",
        "revision": COMMIT,
        "kubectl_module": operator.catalogue().operator[-1].kubectl_module,
    }
    known = {it.version: it for it in catalogue.read_releases(checkout / "charts" / "releases.toml")}
    assert known[VERSION].sources == ("upstream", "foundry")
    assert known["2.0.2"].sources == ("upstream",)
    monkeypatch.setattr(gobuild, "MODULES", checkout / "clusters" / "nodes" / "modules")
    build_file = gobuild.build_file(added.module)
    assert f"-X k8s.io/component-base/version.gitCommit={COMMIT}" in build_file.ldflags
    assert "k8s.io/other => k8s.io/other v0.2.0" in (gobuild.MODULES / added.module / "go.mod").read_text()
    built = gobuild.build(Store.of(settings), added.module)
    assert [file.name for file in (built.folder / "bin").iterdir()] == ["spark-operator"]


def test_a_pre_release_stands_before_its_release(registry: Path, checkout: Path, settings: Settings) -> None:
    """Its Dockerfile names the image by tag and digest, as that of 2.5.2 does."""
    early = f"{VERSION}-rc.1"
    file = checkout / "charts" / "releases.toml"
    text = file.read_text()
    row = text[text.index(f'[[release]]\nversion = "{VERSION}"') :]
    file.write_text(f"{text}\n{row.replace(VERSION, early)}")
    dockerfile = {"Dockerfile": f"ARG SPARK_IMAGE=docker.io/apache/spark:4.0.4@sha256:{'ab' * 32}\n"}
    publish(registry, _MODULE, f"v{early}", _GO_MOD, {**_FILES, **dockerfile}, commit=COMMIT)
    add(checkout, settings)
    add(checkout, settings, release(version=early))

    rows = tomllib.loads((checkout / "charts" / "images" / "operator.toml").read_text())["operator"]
    assert [row["version"] for row in rows[-2:]] == [early, VERSION]
    known = {it.version: it for it in catalogue.read_releases(file)}
    assert known[early].sources == ("upstream", "foundry")
    assert (checkout / "clusters" / "nodes" / "modules" / f"spark-operator-{early}" / "go.sum").is_file()


def test_a_spark_version_that_nobody_builds_is_named(registry: Path, checkout: Path, settings: Settings) -> None:
    dockerfile = {"Dockerfile": "ARG SPARK_IMAGE=docker.io/library/spark:9.9.9\n"}
    publish(registry, _MODULE, f"v{VERSION}", _GO_MOD, {**_FILES, **dockerfile}, commit=COMMIT)

    added = add(checkout, settings, release(spark="9.9.9"))

    assert added.spark_missing == "9.9.9"
    assert any("needs a row for Spark 9.9.9" in line for line in add_release.told(added, VERSION))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (release(spark="4.0.1"), r"the Dockerfile of release 2\.9\.0 has Spark 4\.0\.4, but its row has 4\.0\.1"),
        (release(crds=("sparkconnects.sparkoperator.k8s.io",)), "which are not the CRDs in its row"),
    ],
)
def test_a_row_that_the_module_contradicts_is_refused(
    registry: Path, checkout: Path, settings: Settings, row: Release, says: str
) -> None:
    before = files(checkout)

    with pytest.raises(BuildError, match=says):
        add(checkout, settings, row)

    assert files(checkout) == before


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("sources = [ 'upstream' ]  # no image of it here yet", ""),
        ('sources = ["upstream","foundry"]', ""),
        ('sources = [\n    "upstream",\n]', ""),
        ('sources = ["foundry"]', r'has no line sources = \["upstream"\]'),
        (None, r"has no row of 2\.9\.0; one in a folder of catalogue_dirs is not enough"),
    ],
)
def test_a_row_is_offered_however_it_is_written(
    written: str | None, says: str, registry: Path, checkout: Path, settings: Settings
) -> None:
    file = checkout / "charts" / "releases.toml"
    head, mark, row = file.read_text().partition(f'[[release]]\nversion = "{VERSION}"')
    file.write_text(head + mark + row.replace('sources = ["upstream"]', written) if written else head)
    before = files(checkout)
    if says:
        with pytest.raises(UsageError, match=says):
            add(checkout, settings)
        assert files(checkout) == before
        return
    add(checkout, settings)
    known = {it.version: it for it in catalogue.read_releases(file)}
    assert known[VERSION].sources == ("upstream", "foundry")


def test_what_cannot_be_added_is_told_and_nothing_is_written(
    registry: Path, checkout: Path, settings: Settings
) -> None:
    before = files(checkout)

    with pytest.raises(UsageError, match=r"has no release 2\.8\.0"):
        add_release.add_release(settings, "2.8.0", [release()], print, root=checkout)
    with pytest.raises(UsageError, match="is not a release name") as refused:
        add_release.add_release(settings, f"v{VERSION}", [release()], print, root=checkout)
    assert refused.value.next_step == f"give {VERSION}: versions are written without a v"
    shutil.rmtree(registry / "github.com")
    with pytest.raises(BuildError, match=r"does not provide github.com/kubeflow/spark-operator/v2@v2\.9\.0"):
        add(checkout, settings)
    assert files(checkout) == before


def test_a_release_that_is_there_is_refused(registry: Path, checkout: Path, settings: Settings) -> None:
    add(checkout, settings)

    with pytest.raises(UsageError, match=r"already has release 2\.9\.0"):
        add(checkout, settings)
