# SPDX-License-Identifier: Apache-2.0
"""Builds a checkout of the operator: its binary by its own go.mod and go.sum, its images and its chart, once a tree."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness import process
from harness.errors import BuildError, CommandError
from harness.foundry import gobuild, operator, spark
from harness.foundry.assemble import ImageConfig, labels, write_image
from harness.foundry.layers import write_layer
from harness.foundry.store import Artifact, Recipe, Store
from harness.releases import chart_files
from harness.releases.charts import Chart
from harness.under_test.tree import ENTRYPOINT, MAIN, Tree

_BUILD_SECONDS = 3600.0
_SHOWN = 12
_CHART = "chart.tgz"
_NAME = "operator-under-test"
# Bump when this module puts the same inputs together in another way.
_LAYOUT = "1"


def recipe(tree: Tree) -> Recipe:
    """What the program and the chart of a checkout depend on: its files, whatever they are called and committed as."""
    inputs = {"tree": f"tree {tree.sha256}", "go": gobuild.go_version(), "layout": _LAYOUT}
    return Recipe(kind="go", name=_NAME, inputs=inputs)


def build(store: Store, tree: Tree) -> Artifact:
    """The program of a checkout as `bin/spark-operator`, its entrypoint, and its packed chart.

    Raises BuildError with Go's words, UsageError when the checkout has changed since it was read.
    """

    def make(folder: Path, log_file: Path) -> None:
        source = folder / "source"
        tree.copy(source)
        (folder / "bin").mkdir()
        version = f"-X k8s.io/component-base/version.gitVersion=v0.0.0+tree.{tree.sha256[:_SHOWN]}"
        argv = ["go", "build", "-trimpath", "-gcflags=all=-dwarf=false", f"-ldflags=-s -w {version}"]
        try:
            process.call(
                [*argv, "-o", str(folder / "bin" / "spark-operator"), f"./{MAIN}"],
                cwd=source,
                env={**environment(tree, gobuild.environment(store)), "CGO_ENABLED": "0"},
                timeout=_BUILD_SECONDS,
                log_file=log_file,
            )
        except CommandError as failed:
            raise BuildError(
                f"go build of {tree.folder} failed: {_first_problem(failed.stdout) or failed.message}",
                f"correct it there: go build ./{MAIN}; see {log_file}",
            ) from failed
        operator.pack_chart(source / operator.catalogue().chart_folder, folder / _CHART)
        entrypoint = source / ENTRYPOINT
        shutil.copyfile(entrypoint if entrypoint.is_file() else operator.ENTRYPOINT, folder / ENTRYPOINT)
        shutil.rmtree(source)

    return store.build(recipe(tree), make)


def environment(tree: Tree, usual: Mapping[str, str]) -> dict[str, str]:
    """The variables of a Go command in a checkout: one with its modules in vendor/ is built from these, as Go does by
    itself (go.dev/ref/mod, Vendoring).
    """
    if "vendor/modules.txt" not in tree.files:
        return dict(usual)
    return {**usual, "GOFLAGS": usual.get("GOFLAGS", "").replace("-mod=readonly", "-mod=vendor")}


def _first_problem(said: str) -> str:
    """The first line with a place in it, as the compiler has it; else the last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith(("+ ", "#"))]
    return next((line for line in lines if ".go:" in line), lines[-1] if lines else "")


def chart(artifact: Artifact) -> Path:
    """The packed chart of a built checkout."""
    return artifact.folder / _CHART


def build_image(store: Store, tree: Tree, built: Artifact) -> Artifact:
    """The operator's image of a checkout, on the Spark that its Dockerfile names. Raises BuildError."""
    inputs = {"spark": spark.recipe(tree.spark).key, "program": built.key, "layout": _LAYOUT}

    def make(folder: Path, log_file: Path) -> None:
        binary, entrypoint = built.folder / "bin" / "spark-operator", built.folder / ENTRYPOINT
        layer = write_layer(folder, "layer", lambda layer: operator.fill_operator(layer, binary, entrypoint))
        what = f"the operator of tree {tree.sha256[:_SHOWN]}"
        write_image(folder, [*spark.layers(store, tree.spark), (what, layer)], _config(tree))
        _drop_layer(folder)

    return store.build(Recipe(kind="image", name=_NAME, inputs=inputs), make)


def build_hook(store: Store, chart: Chart) -> Artifact:
    """The image of the chart's CRD hook, with the kubectl of the newest release's. Raises BuildError."""
    module = operator.catalogue().operator[-1].kubectl_module
    inputs = {"chart": f"chart {chart.sha256}", "kubectl": gobuild.recipe(module).key, "layout": _LAYOUT}

    def make(folder: Path, log_file: Path) -> None:
        kubectl = gobuild.build(store, module, ["kubectl"]).folder / "bin" / "kubectl"
        crds = folder / "crds"
        crds.mkdir()
        for name, content in chart_files.files(chart.path):
            if name.startswith("crds/"):
                (crds / Path(name).name).write_bytes(content)
        layer = write_layer(folder, "layer", lambda layer: operator.fill_hook(layer, kubectl, crds))
        write_image(folder, [("kubectl and the CRDs of the chart under test", layer)], _hook_config(module, chart))
        shutil.rmtree(crds)
        _drop_layer(folder)

    return store.build(Recipe(kind="image", name=f"{_NAME}-hook", inputs=inputs), make)


def _drop_layer(folder: Path) -> None:
    """The layer is among the blobs of the image, too."""
    for name in ("layer.tar.gz", "layer.json"):
        (folder / name).unlink()


def _config(tree: Tree) -> ImageConfig:
    return replace(
        spark.config(tree.spark),
        entrypoint=[f"/usr/bin/{ENTRYPOINT}"],
        user="185:185",
        labels=_labels(
            "Kubeflow Spark Operator under test, built by spark-operator-harness",
            f"tree.{tree.sha256[:_SHOWN]}",
            f"the checkout with the SHA-256 {tree.sha256}",
            base=spark.reference(tree.spark),
        ),
    )


def _hook_config(module: str, chart: Chart) -> ImageConfig:
    kubectl = gobuild.build_file(module).version
    return ImageConfig(
        entrypoint=["/usr/bin/kubectl"],
        environment={"PATH": "/usr/bin"},
        labels=_labels(
            f"kubectl {kubectl} with the CRDs of a chart under test, built by spark-operator-harness",
            f"chart.{chart.sha256[:_SHOWN]}",
            f"k8s.io/kubernetes v{kubectl} (Go module), the chart with the SHA-256 {chart.sha256}",
        ),
    )


def _labels(title: str, version: str, built_from: str, *, base: str = "") -> dict[str, str]:
    known = operator.catalogue()
    return labels(
        title=title, version=version, source=known.source, licences=known.licences, built_from=built_from, base=base
    )
