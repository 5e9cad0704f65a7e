# SPDX-License-Identifier: Apache-2.0
"""Checkouts and images as people have them: what of a checkout is built, and what to give in the place of others."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import operator_trees
import pytest

from harness.errors import UsageError
from harness.foundry.operator import spark_of
from harness.matrix import catalogue as catalogues
from harness.matrix.select import Selection
from harness.settings import Settings
from harness.under_test import build, image, operator, tree
from harness.under_test.operator import UnderTest

REAL = catalogues.load()
MODULE = "module github.com/acme/operator\n\ngo 1.24\n\n"


@pytest.fixture(autouse=True)
def _without_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing here is about what an engine has.
    monkeypatch.setattr(image, "_id_in_engine", lambda _name: "")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return operator_trees.written(tmp_path / "spark-operator")


def of(given: object, *paths: str, chart: object = "") -> UnderTest:
    return operator.of(str(given), str(chart), Selection(paths=paths), REAL, Settings(cache_dir=Path("nowhere")))


def git(folder: Path, *words: str) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *name, "-C", str(folder), *words], check=True, capture_output=True)


def committed(folder: Path) -> None:
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")


def test_a_chart_in_a_submodule_is_part_of_the_checkout(checkout: Path, tmp_path: Path) -> None:
    chart, elsewhere = checkout / operator_trees.CHART, tmp_path / "chart"
    shutil.copytree(chart, elsewhere)
    shutil.rmtree(chart)
    committed(elsewhere)
    git(checkout, "init", "--quiet")
    git(checkout, "submodule", "--quiet", "add", str(elsewhere), operator_trees.CHART)
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "first")
    before = tree.read(checkout)
    assert f"{operator_trees.CHART}/values.yaml" in before.files
    (chart / "values.yaml").write_text("image: {}\n")
    after = tree.read(checkout)
    assert before.sha256 != after.sha256
    assert after.git
    assert after.git.changed == (operator_trees.CHART,)
    (chart / "values.yaml").write_text("hook: {}\n")
    again = tree.read(checkout)
    assert again.git
    assert again.git.diff != after.git.diff
    shutil.rmtree(chart)
    chart.mkdir()
    with pytest.raises(UsageError, match="the submodule is empty") as refused:
        tree.read(checkout)
    assert refused.value.next_step == "fetch it: git submodule update --init"


def test_a_repository_in_the_checkout_is_none_of_its_files(checkout: Path) -> None:
    committed(checkout)
    before = tree.read(checkout)
    committed(operator_trees.written(checkout / ".worktrees" / "other"))
    assert tree.read(checkout).files == before.files


def test_a_link_to_a_folder_is_kept_without_git(checkout: Path) -> None:
    (checkout / "api").symlink_to("cmd")
    assert "api" in tree.read(checkout).files


def test_pipes_are_no_part_of_it_and_what_cannot_be_read_is_told(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(checkout / "debug.pipe")
    assert "debug.pipe" not in tree.read(checkout).files

    def closed(*_: object) -> str:
        raise PermissionError(13, "Permission denied", "secret.go")

    # Root, which runs these tests in CI, may read everything.
    monkeypatch.setattr(tree, "sha256_of", closed)
    with pytest.raises(UsageError, match=r"secret\.go cannot be read: Permission denied"):
        tree.read(checkout)


def test_modules_in_the_checkout_are_those_it_is_built_from(checkout: Path) -> None:
    usual = {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
    assert build.environment(tree.read(checkout), usual) == usual
    (checkout / "vendor").mkdir()
    (checkout / "vendor" / "modules.txt").write_text("# k8s.io/api v0.33.0\n")
    assert build.environment(tree.read(checkout), usual) == {**usual, "GOFLAGS": "-mod=vendor -buildvcs=false"}


@pytest.mark.parametrize(
    ("dockerfile", "version"),
    [
        ("ARG SPARK_IMAGE=docker.io/apache/spark:4.0.4@sha256:94ad730f\n", "4.0.4"),
        ('ARG SPARK_IMAGE="apache/spark:4.0.4-java17"\r\n', "4.0.4"),
        ("ARG  SPARK_IMAGE=localhost:5000/spark:v4.0.4\n", "4.0.4"),
        ("arg SPARK_IMAGE=spark:4.0.4\n", "4.0.4"),
        ("ARG SPARK_VERSION=4.0.4\nARG SPARK_IMAGE=docker.io/apache/spark:${SPARK_VERSION}\n", "4.0.4"),
        ("ARG TAG=4.0.4-java17\nARG SPARK_IMAGE=acme/spark:$TAG\n", "4.0.4"),
        ("ARG SPARK_IMAGE=acme/spark:${TAG:-4.0.4}\n", "4.0.4"),
        ("ARG SPARK_IMAGE=acme/spark:${TAG}\n", ""),
        ("ARG SPARK_IMAGE=spark:4.0\n", ""),
        ("# ARG SPARK_IMAGE=spark:4.0.4\n", ""),
    ],
)
def test_the_spark_of_a_dockerfile_may_come_from_its_arguments(dockerfile: str, version: str) -> None:
    assert spark_of(dockerfile) == version


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("go.mod", f"{MODULE}replace github.com/acme/api => ../api\n", "replaces github.com/acme/api by ../api, which"),
        (
            "go.mod",
            f"{MODULE}replace (\n\tk8s.io/api v0.3.0 => /home/me/api // mine\n)\n",
            "k8s.io/api by /home/me/api",
        ),
        ("go.mod", f"{MODULE}replace (\n\tk8s.io/api => k8s.io/api v0.3.0\n\tacme/b => ./b\n)\n// a => ../b\n", ""),
        ("entrypoint.sh", "#!/bin/sh\r\nexec\r\n", "entrypoint.sh has line ends of Windows"),
        ("entrypoint.sh", "#!/bin/sh\nexec\n", ""),
    ],
)
def test_what_could_not_be_built_or_started_is_told_before(checkout: Path, name: str, text: str, says: str) -> None:
    (checkout / name).write_bytes(text.encode())
    if not says:
        assert tree.read(checkout)
        return
    with pytest.raises(UsageError, match=re.escape(says)):
        tree.read(checkout)


def test_a_file_that_git_ignores_is_not_built(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("*.sum\n")
    committed(checkout)
    with pytest.raises(UsageError, match=r"git ignores its go\.sum") as refused:
        tree.read(checkout)
    assert refused.value.next_step == "take it into git: git add --force go.sum"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("spark-operator/charts/spark-operator-chart", "--operator {top}/spark-operator"),
        ("spark-operator/cmd/operator", "--operator {top}/spark-operator"),
        ("spark-operator/go.mod", "--operator spark-operator"),
        ("", "--operator spark-operator"),
        ("layout", "tar -C layout -cf operator.tar . "),
        ("oci:layout:mine", "tar -C layout -cf operator.tar . "),
        ("chart.tgz", "write --operator image.tar --chart chart.tgz"),
        ("docker://ghcr.io/me/operator:1", "--operator ghcr.io/me/operator:1"),
        ("docker-archive:image.tar", "--operator image.tar"),
        ("https://github.com/kubeflow/spark-operator", "git clone ADDRESS DIR, then --operator DIR"),
        ("git@example.com:spark/operator.git", "git clone ADDRESS DIR, then --operator DIR"),
        ("github.com/kubeflow/spark-operator", "git clone ADDRESS DIR, then --operator DIR"),
    ],
)
def test_what_is_no_operator_says_what_to_give(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout" / "oci-layout").write_text("{}")
    (tmp_path / "image.tar").write_bytes(b"an image")
    with tarfile.open(tmp_path / "chart.tgz", "w:gz") as archive:
        archive.add(checkout / operator_trees.CHART, "spark-operator")
    with pytest.raises(UsageError) as refused:
        of(given or ".", chart="image.tar")
    assert says.format(top=tmp_path) in refused.value.next_step


@pytest.mark.parametrize(
    ("chart", "says"),
    [
        ("spark-operator", "give the folder of the chart: spark-operator/charts/spark-operator-chart"),
        (f"spark-operator/{operator_trees.CHART}/Chart.yaml", f"spark-operator/{operator_trees.CHART}"),
    ],
)
def test_a_wrong_chart_is_told_before_any_registry_is_asked(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chart: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refused:
        of("registry.invalid/operator:1", chart=chart)
    assert refused.value.next_step.endswith(says)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("../spark-operater", "there is no such folder or file; did you mean ../spark-operator?"),
        ("nothing/", "--operator nothing: there is no such folder or file"),
        ("spark", "is an image, which has no chart (there is no folder and no file of that name)"),
    ],
)
def test_a_folder_that_is_not_there_is_told_as_one(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, given: str, says: str
) -> None:
    monkeypatch.chdir(checkout)
    with pytest.raises(UsageError, match=re.escape(says)):
        of(given)


def test_a_chart_that_was_moved_is_found(checkout: Path) -> None:
    (checkout / operator_trees.CHART).rename(checkout / "charts" / "acme")
    with pytest.raises(UsageError, match="its chart is in charts/acme") as refused:
        tree.read(checkout)
    assert refused.value.next_step.endswith(f"--operator IMAGE --chart {checkout}/charts/acme")


@pytest.mark.parametrize(
    ("version", "path", "says"),
    [
        ("latest", "install-2.6.0-rc.1", "does not belong to 2.6.0-rc.1: its version is latest"),
        ("0.1.0", "install-0.1.0-dev.1", "0.1.0-dev.1 is older than every release that is known"),
    ],
)
def test_a_version_of_which_nothing_is_known_is_refused(tmp_path: Path, version: str, path: str, says: str) -> None:
    chart = f"{{apiVersion: v2, name: spark-operator, version: {version}}}\n"
    with pytest.raises(UsageError, match=re.escape(says)) as refused:
        of(operator_trees.written(tmp_path, Chart_yaml=chart), path)
    assert "dev" in refused.value.next_step


def test_a_fork_that_counts_from_the_beginning_is_no_older_line(tmp_path: Path) -> None:
    chart = "{apiVersion: v2, name: spark-operator, version: 0.1.0}\n"
    told = of(operator_trees.written(tmp_path, Chart_yaml=chart)).told
    assert not any("to be judged as of then" in it for it in told)
