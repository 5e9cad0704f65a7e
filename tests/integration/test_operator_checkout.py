# SPDX-License-Identifier: Apache-2.0
"""A checkout of the operator is built by the real Go command, once for the same files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.errors import BuildError
from harness.foundry.store import Store
from harness.releases.charts import from_path
from harness.under_test import build, tree

CHART = "charts/spark-operator-chart"
FILES = {
    "go.mod": "module github.com/kubeflow/spark-operator/v2\n\ngo 1.24\n",
    "go.sum": "",
    "cmd/operator/main.go": "package main\n\nfunc main() {}\n",
    "Dockerfile": "ARG SPARK_IMAGE=docker.io/apache/spark:4.0.4\n",
    "entrypoint.sh": "#!/bin/bash\nexec /usr/bin/spark-operator\n",
    f"{CHART}/Chart.yaml": "{apiVersion: v2, name: spark-operator, version: 2.5.2}\n",
    f"{CHART}/values.yaml": "{}\n",
    f"{CHART}/tests/some_test.yaml": "{}\n",
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    for name, text in FILES.items():
        file = tmp_path / "spark-operator" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "spark-operator"


@pytest.fixture
def own_store(tmp_path: Path, go_build_cache: Path) -> Store:
    work = tmp_path / "cache" / "work"
    work.mkdir(parents=True)
    (work / "go-build").symlink_to(go_build_cache)
    return Store(tmp_path / "cache" / "artifacts", tmp_path / "cache" / "logs")


def test_the_same_files_are_built_once_wherever_they_lie(checkout: Path, own_store: Store, tmp_path: Path) -> None:
    built = build.build(own_store, tree.read(checkout))

    assert built.fresh
    assert (built.folder / "bin" / "spark-operator").stat().st_mode & 0o100
    assert (built.folder / "entrypoint.sh").read_text() == FILES["entrypoint.sh"]
    packed = from_path(build.chart(built))
    assert (packed.name, packed.version) == ("spark-operator", "2.5.2")
    assert packed.sha256 != from_path(checkout / CHART).sha256, "tests of the chart are not packed"

    again = build.build(own_store, tree.read(Path(shutil.copytree(checkout, tmp_path / "elsewhere"))))
    assert (again.key, again.fresh) == (built.key, False)
    (checkout / CHART / "values.yaml").write_text("{a: 1}\n")
    assert build.build(own_store, tree.read(checkout)).fresh


def test_code_that_does_not_compile_is_told_by_its_line(checkout: Path, own_store: Store) -> None:
    (checkout / "cmd/operator/main.go").write_text("package main\n\nfunc main() { forgotten() }\n")
    with pytest.raises(BuildError, match=r"cmd/operator/main\.go:3:15: undefined: forgotten") as failed:
        build.build(own_store, tree.read(checkout))
    assert "go build ./cmd/operator" in failed.value.next_step
    assert "\n" not in failed.value.message
