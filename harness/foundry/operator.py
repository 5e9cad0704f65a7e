# SPDX-License-Identifier: Apache-2.0
"""Builds operator images, images of the chart's CRD hook, and charts, all from the Go module of a release.

The operator's image is the release's own binary on our Spark image, assembled as in the release's Dockerfile; the
hook's image holds kubectl and the chart's CRDs and nothing else, where upstream's has Alpine below them.
"""

from __future__ import annotations

import functools
import gzip
import re
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

from harness.errors import CatalogueError
from harness.foundry import gobuild, spark
from harness.foundry.assemble import ImageConfig, foreign, labels, write_image
from harness.foundry.layers import LayerWriter, read_layer, write_layer
from harness.foundry.store import Artifact, Recipe, Store
from harness.matrix.release import Release
from harness.matrix.rows import Model
from harness.toml_source import TomlSource

_FILE = spark.RECIPES / "operator.toml"
ENTRYPOINT = spark.RECIPES / "operator" / "entrypoint.sh"
"""What starts the operator in images of the foundry."""

_CERTIFICATES = "etc/k8s-webhook-server"
# What .helmignore of the chart keeps out of a package; Helm itself would ask for nothing else.
_NOT_PACKAGED = {"ci", "tests", ".helmignore", "README.md.gotmpl"}
# Bump when this module puts the same inputs together in another way.
_LAYOUT = "1"


class OperatorVersion(Model):
    """One release that the foundry can build. `revision` is the commit of its tag."""

    version: str
    module: str
    revision: str
    kubectl_module: str


class OperatorCatalogue(Model):
    """charts/images/operator.toml."""

    source: str
    licences: str
    go_module: str
    chart_folder: str
    operator: tuple[OperatorVersion, ...]

    def row(self, version: str) -> OperatorVersion:
        """The row of a release. Raises CatalogueError that names those there are."""
        for row in self.operator:
            if row.version == version:
                return row
        raise CatalogueError(
            f"the foundry cannot build Spark Operator {version}: {_FILE} has no row for it",
            f"it can build: {', '.join(row.version for row in self.operator)}",
        )


@functools.cache
def catalogue() -> OperatorCatalogue:
    """The catalogue of operator images. Raises CatalogueError with file, line and key."""
    return read_catalogue(_FILE)


def read_catalogue(file: Path) -> OperatorCatalogue:
    """The catalogue in a file. Raises CatalogueError with file, line and key."""
    source = TomlSource.read(file)
    found = source.validated(OperatorCatalogue)
    source.require_unique("operator", "version", (it.version for it in found.operator))
    return found


_ARGUMENT = re.compile(r"^[ \t]*ARG[ \t]+(\w+)=(\"[^\"\n]*\"|'[^'\n]*'|\S+)", re.M | re.I)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
"""An argument with its default, and the use of one (docs.docker.com/reference/dockerfile)."""


def spark_of(dockerfile: str) -> str:
    """The Spark version in the image that the operator's Dockerfile starts from; empty where it does not say.

    2.5.2 names the image by a tag and its digest, older ones by the tag alone; forks put it together from arguments.
    """
    given: dict[str, str] = {}
    for name, text in _ARGUMENT.findall(dockerfile):
        value = text.strip("\"'")
        given[name] = _VARIABLE.sub(lambda it: given.get(it[1] or it[3], it[2] or ""), value)
    said = re.match(r"[^@\s]*?:v?(\d+\.\d+\.\d+)", given.get("SPARK_IMAGE", ""))
    return said[1] if said else ""


def recipe(release: Release, goarch: str = "") -> Recipe:
    """What the operator's image of a release depends on; it is for this machine, or for another architecture."""
    inputs = {
        "spark": spark.recipe(release.spark).key,
        "layer": _layer_recipe(release, goarch).key,
        "config": str(_config(release).document()),
        "layout": _LAYOUT,
        **foreign(goarch),
    }
    return Recipe(kind="image", name=f"operator-{release.version}", inputs=inputs)


def parts(release: Release) -> list[Recipe]:
    """The recipes of the image's layers and of the binary."""
    row = catalogue().row(release.version)
    return [*spark.parts(release.spark), _layer_recipe(release), gobuild.recipe(row.module)]


def build(store: Store, release: Release, goarch: str = "") -> Artifact:
    """The operator's image of a release as an OCI layout. Raises BuildError that names the log."""
    row = catalogue().row(release.version)

    def make(folder: Path, log_file: Path) -> None:
        layer = read_layer(_build_layer(store, release, goarch).folder)
        what = f"{catalogue().go_module} v{row.version}"
        write_image(folder, [*spark.layers(store, release.spark, goarch), (what, layer)], _config(release), goarch)

    return store.build(recipe(release, goarch), make)


def hook_recipe(release: Release, goarch: str = "") -> Recipe:
    """What the hook's image of a release depends on."""
    row = catalogue().row(release.version)
    inputs = {
        "module": gobuild.recipe(row.module).key,
        "kubectl": gobuild.recipe(row.kubectl_module).key,
        "config": str(_hook_config(row).document()),
        "layout": _LAYOUT,
        **foreign(goarch),
    }
    return Recipe(kind="image", name=f"hook-{release.version}", inputs=inputs)


def hook_parts(release: Release) -> list[Recipe]:
    """The recipes of kubectl: with its whole Kubernetes, or built alone."""
    module = catalogue().row(release.version).kubectl_module
    return [gobuild.recipe(module), gobuild.recipe(module, ["kubectl"])]


def build_hook(store: Store, release: Release, goarch: str = "") -> Artifact:
    """The image of the chart's CRD hook as an OCI layout. Raises BuildError that names the log."""
    row = catalogue().row(release.version)

    def make(folder: Path, log_file: Path) -> None:
        kubectl = gobuild.build(store, row.kubectl_module, ["kubectl"], goarch).folder / "bin" / "kubectl"
        crds = _chart_folder(store, row, log_file) / "crds"

        layer = write_layer(folder, "layer", lambda layer: fill_hook(layer, kubectl, crds))
        write_image(folder, [(f"kubectl and CRDs of {row.version}", layer)], _hook_config(row), goarch)
        for name in ("layer.tar.gz", "layer.json"):
            (folder / name).unlink()

    return store.build(hook_recipe(release, goarch), make)


def chart_recipe(version: str) -> Recipe:
    """What the packaged chart of a release depends on."""
    row = catalogue().row(version)
    inputs = {"module": gobuild.recipe(row.module).key, "folder": catalogue().chart_folder, "layout": _LAYOUT}
    return Recipe(kind="chart", name=f"spark-operator-{version}", inputs=inputs)


def chart(store: Store, version: str) -> Path:
    """The chart of a release, `spark-operator-<version>.tgz`, as its Go module holds it.

    Raises CatalogueError for a release that the foundry does not know, BuildError that names the log.
    """
    row = catalogue().row(version)
    name = f"spark-operator-{version}.tgz"

    def make(folder: Path, log_file: Path) -> None:
        pack_chart(_chart_folder(store, row, log_file), folder / name)

    return store.build(chart_recipe(version), make).folder / name


def pack_chart(source: Path, target: Path) -> None:
    """Pack the folder of the operator's chart as `helm package` would; the same files give the same archive."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed,
        tarfile.open(fileobj=cast(IO[bytes], packed), mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        layer = LayerWriter(archive)
        files = (path for path in sorted(source.rglob("*")) if path.is_file())
        for path in files:
            inside = path.relative_to(source)
            if inside.parts[0] not in _NOT_PACKAGED:
                layer.file(f"spark-operator/{inside}", path, mode=0o644)


def _config(release: Release) -> ImageConfig:
    row = catalogue().row(release.version)
    return replace(
        spark.config(release.spark),
        entrypoint=["/usr/bin/entrypoint.sh"],
        user="185:185",
        labels=labels(
            title="Kubeflow Spark Operator, built by spark-operator-harness",
            version=release.version,
            source=catalogue().source,
            revision=row.revision,
            licences=catalogue().licences,
            built_from=f"{catalogue().go_module} v{release.version} (Go module)",
            base=spark.reference(release.spark),
        ),
    )


def _hook_config(row: OperatorVersion) -> ImageConfig:
    kubectl = gobuild.build_file(row.kubectl_module).version
    return ImageConfig(
        entrypoint=["/usr/bin/kubectl"],
        environment={"PATH": "/usr/bin"},
        labels=labels(
            title=f"kubectl {kubectl} with the CRDs of Spark Operator {row.version}, built by spark-operator-harness",
            version=row.version,
            source=catalogue().source,
            revision=row.revision,
            licences=catalogue().licences,
            built_from=f"k8s.io/kubernetes v{kubectl}, {catalogue().go_module} v{row.version} (Go modules)",
        ),
    )


def _layer_recipe(release: Release, goarch: str = "") -> Recipe:
    row = catalogue().row(release.version)
    inputs = {
        "module": gobuild.recipe(row.module).key,
        "entrypoint": ENTRYPOINT.read_text(),
        "layout": _LAYOUT,
        **foreign(goarch),
    }
    return Recipe(kind="layer", name=f"operator-{release.version}", inputs=inputs)


def _build_layer(store: Store, release: Release, goarch: str = "") -> Artifact:
    row = catalogue().row(release.version)

    def make(folder: Path, log_file: Path) -> None:
        binary = gobuild.build(store, row.module, goarch=goarch).folder / "bin" / "spark-operator"

        write_layer(folder, "layer", lambda layer: fill_operator(layer, binary, ENTRYPOINT))

    return store.build(_layer_recipe(release, goarch), make)


def fill_operator(layer: LayerWriter, binary: Path, entrypoint: Path) -> None:
    """What the operator's image has above Spark, as the Dockerfile of the releases has it."""
    layer.folder(f"{_CERTIFICATES}/serving-certs", mode=0o775, owner=spark.OWNER)
    layer.file("usr/bin/entrypoint.sh", entrypoint, mode=0o755)
    layer.file("usr/bin/spark-operator", binary, mode=0o755)


def fill_hook(layer: LayerWriter, kubectl: Path, crds: Path) -> None:
    """All that is in the hook's image: kubectl, and the chart's CRDs where the chart's Job looks for them."""
    # kubectl keeps what it has learnt about the API below $HOME, and copes when it cannot.
    layer.folder("tmp", mode=0o1777)
    layer.text("etc/passwd", "root:x:0:0:root:/:/usr/bin/kubectl\nnobody:x:65534:65534:nobody:/:/usr/bin/kubectl\n")
    layer.tree("etc/spark-operator/crds", crds)
    layer.file("usr/bin/kubectl", kubectl, mode=0o755)


def _chart_folder(store: Store, row: OperatorVersion, log_file: Path) -> Path:
    return gobuild.module_folder(store, row.module, catalogue().go_module, log_file) / catalogue().chart_folder
