# SPDX-License-Identifier: Apache-2.0
"""Spark images with the layout of the public apache/spark image, from the pyspark source distribution on PyPI.

Three layers: the Debian base system with Java and Python, which all Spark versions share; Spark itself, from the source
distribution; and what that lacks: entry point, Spark Connect scripts, and the JVM SparkPi.
"""

from __future__ import annotations

import functools
import os
import shutil
import zipfile
from pathlib import Path

from harness import process
from harness.errors import CatalogueError, ToolError
from harness.foundry import debian, pypi
from harness.foundry.assemble import ImageConfig, foreign, labels, write_image
from harness.foundry.layers import Compression, Layer, LayerWriter, Owner, extract, read_layer, write_layer
from harness.foundry.store import Artifact, Recipe, Store
from harness.images.architecture import architecture
from harness.matrix.rows import Model
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource
from harness.untrusted import tarfile

RECIPES = PROJECT_ROOT / "charts" / "images"

HOME = "opt/spark"
OWNER = Owner(uid=185, gid=185)
"""User and group of Spark in the public image."""

_DOWNLOAD_SECONDS = 1200.0
_COMPILE_SECONDS = 300.0
# Where the source distribution's folders are in the image; the public image's own Dockerfile has the same targets.
_FOLDERS = {
    "deps/bin": "bin",
    "deps/data": "data",
    "deps/examples": "examples/src/main/python",
    "deps/jars": "jars",
    "deps/licenses": "licenses",
    "deps/sbin": "sbin",
    "lib": "python/lib",
    "pyspark": "python/pyspark",
}
# Bump when this module puts the same inputs together in another way.
_LAYOUT = "1"


class SparkVersion(Model):
    """One Spark image. `sha256` is of `pyspark-<version>.tar.gz`; applications can run on a `published` one.

    One that is `on_demand` is built when a cell asks for it.
    """

    version: str
    scala: str
    sha256: str
    published: bool = False
    on_demand: bool = False


class SparkCatalogue(Model):
    """charts/images/spark.toml."""

    reference: str
    source: str
    licences: str
    base: debian.BaseSystem
    spark: tuple[SparkVersion, ...]

    def row(self, version: str) -> SparkVersion:
        """The row of a version. Raises CatalogueError that names those there are."""
        for row in self.spark:
            if row.version == version:
                return row
        raise CatalogueError(
            f"{RECIPES / 'spark.toml'} has no Spark {version}",
            f"the versions are: {', '.join(row.version for row in self.spark)}",
        )


@functools.cache
def catalogue() -> SparkCatalogue:
    """The catalogue of Spark images. Raises CatalogueError with file, line and key."""
    return read_catalogue(RECIPES / "spark.toml")


def read_catalogue(file: Path) -> SparkCatalogue:
    """The catalogue in a file. Raises CatalogueError with file, line and key."""
    source = TomlSource.read(file)
    found = source.validated(SparkCatalogue)
    source.require_unique("spark", "version", (it.version for it in found.spark))
    return found


def reference(version: str) -> str:
    """The image's full name, `docker.io/apache/spark:4.0.4`."""
    return catalogue().reference.format(version=version)


def recipe(version: str) -> Recipe:
    """What the image of a Spark version depends on."""
    spark = catalogue().row(version)
    inputs = {
        "base": debian.recipe(catalogue().base).key,
        "distribution": _distribution_recipe(spark).key,
        "additions": _additions_recipe(spark).key,
        "config": str(config(version).document()),
        "layout": _LAYOUT,
    }
    return Recipe(kind="image", name=f"spark-{version}", inputs=inputs)


def parts(version: str) -> list[Recipe]:
    """The recipes of the image's layers."""
    spark = catalogue().row(version)
    return [debian.recipe(catalogue().base), _distribution_recipe(spark), _additions_recipe(spark)]


def build(store: Store, version: str) -> Artifact:
    """The image of a Spark version as an OCI layout. Raises BuildError that names the log."""
    catalogue().row(version)

    def make(folder: Path, log_file: Path) -> None:
        write_image(folder, layers(store, version), config(version))

    return store.build(recipe(version), make)


def layers(store: Store, version: str, goarch: str = "") -> list[tuple[str, Layer]]:
    """The layers of a Spark image, built when they are not there, each with a description of its content.

    What is from the source distribution is the same for all architectures.
    """
    spark = catalogue().row(version)
    base = debian.build(store, catalogue().base, goarch)
    return [
        (f"Debian {catalogue().base.suite} by mmdebstrap", read_layer(base.folder)),
        (f"pyspark {version} from PyPI", read_layer(_build_distribution(store, spark).folder)),
        ("entry point, Spark Connect scripts and SparkPi", read_layer(_build_additions(store, spark, goarch).folder)),
    ]


def config(version: str) -> ImageConfig:
    """The runtime configuration of the image."""
    return ImageConfig(
        entrypoint=["/opt/entrypoint.sh"],
        environment={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/java/openjdk/bin",
            "JAVA_HOME": "/opt/java/openjdk",
            "SPARK_HOME": "/opt/spark",
            "LANG": "C.UTF-8",
        },
        user="spark",
        working_dir="/opt/spark/work-dir",
        labels=labels(
            title="Apache Spark, built by spark-operator-harness",
            version=version,
            source=catalogue().source,
            licences=catalogue().licences,
            built_from=f"pyspark {version} (PyPI)",
            base=f"debian:{catalogue().base.suite}",
        ),
    )


def _distribution_recipe(spark: SparkVersion) -> Recipe:
    inputs = {"version": spark.version, "sha256": spark.sha256, "folders": str(_FOLDERS), "layout": _LAYOUT}
    return Recipe(kind="layer", name=f"spark-{spark.version}", inputs=inputs)


def _additions_recipe(spark: SparkVersion, goarch: str = "") -> Recipe:
    texts = {file.name: file.read_text() for file in sorted((RECIPES / "spark").iterdir())}
    inputs = {**texts, "distribution": _distribution_recipe(spark).key, "scala": spark.scala, "layout": _LAYOUT}
    inputs |= foreign(goarch)
    return Recipe(kind="layer", name=f"spark-{spark.version}-additions", inputs=inputs)


def _build_distribution(store: Store, spark: SparkVersion) -> Artifact:
    def make(folder: Path, log_file: Path) -> None:
        work = folder / "source"
        archive = download(spark, work, log_file)
        with tarfile.open(archive) as source:
            source.extractall(work, filter="data")
        archive.unlink()
        root = work / f"pyspark-{spark.version}"
        # Jars, nearly all of the layer, are compressed already.
        write_layer(folder, "layer", lambda layer: _fill(layer, root, spark), compression=Compression.NONE)
        shutil.rmtree(work)

    return store.build(_distribution_recipe(spark), make)


def _fill(layer: LayerWriter, root: Path, spark: SparkVersion) -> None:
    for folder in ("", "/conf", "/examples", "/examples/src", "/examples/src/main", "/python"):
        layer.folder(f"{HOME}{folder}", owner=OWNER)
    for source, target in _FOLDERS.items():
        layer.tree(f"{HOME}/{target}", root / source, owner=OWNER)
    layer.folder(f"{HOME}/work-dir", mode=0o775, owner=OWNER)
    release = f"Spark {spark.version}, from the pyspark source distribution, laid out by spark-operator-harness\n"
    layer.text(f"{HOME}/RELEASE", release, owner=OWNER)


def download(spark: SparkVersion, folder: Path, log_file: Path) -> Path:
    """Fetch the source distribution with pip, which asks the index that the user has configured.

    Raises ToolError without pip, BuildError when pip fails or the file is not the one that the catalogue names.
    """
    return pypi.source("pyspark", spark.version, spark.sha256, folder, log_file, timeout=_DOWNLOAD_SECONDS)


def python_part(store: Store, version: str, sha256: str, folder: Path) -> bool:
    """Put the package pyspark of a stored source distribution into a folder; False where none has that hash."""
    row = next((it for it in catalogue().spark if (it.version, it.sha256) == (version, sha256)), None)
    stored = store.get(_distribution_recipe(row)) if row else None
    if stored is None:
        return False
    above = f"{HOME}/python/"
    with tarfile.open(read_layer(stored.folder).file) as layer:
        members = [it for it in layer if it.name.startswith(f"{above}pyspark/")]
        for member in members:
            member.name = member.name.removeprefix(above)
        layer.extractall(folder, members, filter="data")
    return True


def _build_additions(store: Store, spark: SparkVersion, goarch: str = "") -> Artifact:
    def make(folder: Path, log_file: Path) -> None:
        distribution = read_layer(_build_distribution(store, spark).folder)
        work = folder / "source"
        jar = _compile_examples(
            work,
            [
                *extract(distribution, f"{HOME}/jars/spark-", ".jar", work / "jars"),
                *extract(distribution, f"{HOME}/jars/scala-library", ".jar", work / "jars"),
            ],
            log_file,
        )
        write_layer(folder, "layer", lambda layer: _fill_additions(layer, jar, spark, goarch))
        shutil.rmtree(work)

    return store.build(_additions_recipe(spark, goarch), make)


def _fill_additions(layer: LayerWriter, jar: Path, spark: SparkVersion, goarch: str) -> None:
    recipes_folder = RECIPES / "spark"
    for folder in ("", "/examples", "/examples/src", "/examples/src/main", "/sbin"):
        layer.folder(f"{HOME}{folder}", owner=OWNER)
    layer.folder("home/spark", owner=OWNER)
    layer.link("opt/java/openjdk", f"/usr/lib/jvm/java-17-openjdk-{goarch or architecture()}")
    layer.file("opt/decom.sh", recipes_folder / "decom.sh", mode=0o755)
    layer.file("opt/entrypoint.sh", recipes_folder / "entrypoint.sh", mode=0o755)
    name = f"spark-examples_{spark.scala}-{spark.version}.jar"
    layer.folder(f"{HOME}/examples/jars", owner=OWNER)
    layer.file(f"{HOME}/examples/jars/{name}", jar, owner=OWNER)
    layer.link(f"{HOME}/examples/jars/spark-examples.jar", name, owner=OWNER)
    layer.file(f"{HOME}/examples/src/main/java/SparkPi.java", recipes_folder / "SparkPi.java", owner=OWNER)
    for script in ("start-connect-server.sh", "stop-connect-server.sh"):
        layer.file(f"{HOME}/sbin/{script}", recipes_folder / script, mode=0o755, owner=OWNER)


def _compile_examples(work: Path, class_path: list[Path], log_file: Path) -> Path:
    if shutil.which("javac") is None:
        raise ToolError(
            "javac was not found; it is needed to compile SparkPi", "apt-get install openjdk-17-jdk-headless"
        )
    classes = work / "classes"
    process.call(
        [
            "javac",
            "--release",
            "17",
            "-proc:none",
            "-classpath",
            os.pathsep.join(map(str, class_path)),
            "-d",
            classes,
            RECIPES / "spark" / "SparkPi.java",
        ],
        timeout=_COMPILE_SECONDS,
        log_file=log_file,
    )
    jar = work / "spark-examples.jar"
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF"), "Manifest-Version: 1.0\n\n")
        for file in sorted(classes.rglob("*.class")):
            archive.writestr(zipfile.ZipInfo(str(file.relative_to(classes))), file.read_bytes())
    return jar
