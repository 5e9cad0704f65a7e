# SPDX-License-Identifier: Apache-2.0
"""Lets the foundry build another release of the operator: its Go tool module and its rows.

The release's facts are already in charts/releases.toml; they are compared with the module's own.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BuildError, UsageError
from harness.foundry import operator, rows, spark, toolmodule
from harness.foundry.store import Store
from harness.foundry.toolmodule import Source, ToolModule
from harness.host.steps import Progress
from harness.matrix.path_names import require_release
from harness.matrix.release import Release
from harness.settings import PROJECT_ROOT, Settings

_MAIN = "cmd/operator"
_SHOWN = 'sources = ["upstream"]'
_UPSTREAM = r"^sources\s*=\s*\[\s*[\"']upstream[\"']\s*,?\s*\]"
_BOTH = 'sources = ["upstream", "foundry"]'


@dataclass(frozen=True, kw_only=True)
class Added:
    """What was added to the checkout. `spark_missing` is a Spark version that charts/images/spark.toml has no row
    for."""

    module: str
    spark_missing: str = ""


def add_release(
    settings: Settings, version: str, releases: Sequence[Release], say: Progress, *, root: Path = PROJECT_ROOT
) -> Added:
    """Write what the foundry needs for a release (`2.4.0`, `2.6.0-rc.1`) into the checkout at `root`.

    Everything is fetched before the first file is written. Raises UsageError for a release without a row or one that is
    there already, BuildError when the module registry refuses something or the module contradicts the row.
    """
    release = next((it for it in releases if it.version == version), None)
    if release is None:
        require_release(version, [it.version for it in releases])
        raise UsageError(
            f"charts/releases.toml has no release {version}",
            "add its row first: registry, images, CRDs and Spark version",
        )
    name = f"spark-operator-{version}"
    modules = root / "clusters" / "nodes" / "modules"
    if (modules / name).exists():
        raise UsageError(
            f"the foundry already has release {version}",
            f'build it: `harness foundry build "image operator-{version}"`',
        )
    _offered(root / "charts" / "releases.toml", version)
    store = Store.of(settings)
    known = operator.catalogue()
    log_file = settings.cache_dir / "logs" / f"add-release-{version}.log"
    say(f"requesting {known.go_module} v{version}")
    source = toolmodule.download(store, f"{known.go_module}@v{version}", log_file)
    _compare(source, release, known.chart_folder)
    with tempfile.TemporaryDirectory(prefix="soh-add-") as scratch:
        say(f"resolving {name}")
        made = toolmodule.resolve(
            store, _module(name, version, source, known.go_module), Path(scratch) / name, log_file
        )
        shutil.copytree(made, modules / name)
    newest = known.operator[-1]
    row = (
        f'[[operator]]\nversion = "{version}"\nmodule = "{name}"\nrevision = "{source.revision}"\n'
        f'kubectl_module = "{newest.kubectl_module}"\n'
    )
    rows.insert(root / "charts" / "images" / "operator.toml", "operator", row, key="version")
    _offer(root / "charts" / "releases.toml", version)
    known_spark = {it.version for it in spark.catalogue().spark}
    return Added(module=name, spark_missing="" if release.spark in known_spark else release.spark)


def _compare(source: Source, release: Release, chart_folder: str) -> None:
    """Raise BuildError if the module contradicts the release's row."""
    if not (source.folder / _MAIN).is_dir():
        raise BuildError(f"{source.folder} has no {_MAIN}", "see how that release is built, and adapt this command")
    said = operator.spark_of((source.folder / "Dockerfile").read_text())
    if said and said != release.spark:
        raise BuildError(
            f"the Dockerfile of release {release.version} has Spark {said}, but its row has {release.spark}",
            "correct `spark` in charts/releases.toml",
        )
    there = {path.name for path in (source.folder / chart_folder / "crds").glob("*.yaml")}
    wanted = {f"sparkoperator.k8s.io_{name.partition('.')[0]}.yaml" for name in release.crds}
    if there != wanted:
        raise BuildError(
            f"the chart of release {release.version} has {', '.join(sorted(there))}, which are not the CRDs in its row",
            "correct `crds` in charts/releases.toml",
        )


def _module(name: str, version: str, source: Source, go_module: str) -> ToolModule:
    commit = f"-X k8s.io/component-base/version.gitCommit={source.revision}"
    return ToolModule(
        name=name,
        packages=(f"{go_module}/{_MAIN}",),
        at=f"v{version}",
        replace=tuple(f"{path} => {target} {at}" for path, target, at in source.replaced() if at),
        godebug=source.godebug,
        build=toolmodule.build_file(
            f"The Spark Operator {version}, and with its source the chart and the CRDs of that release.",
            version,
            (
                "-X k8s.io/component-base/version.gitVersion=v{version}",
                *([commit] if source.revision else []),
                "-X k8s.io/component-base/version.gitTreeState=clean",
            ),
            rename=("operator", "spark-operator"),
        ),
    )


def _offer(file: Path, version: str) -> None:
    """Record in the release's row that the foundry builds it."""
    file.write_text(_offered(file, version))


def _offered(file: Path, version: str) -> str:
    """The file with `foundry` among the sources of the release. Raises UsageError where its row is not as is needed."""
    head, *parts = re.split(r"^(?=\[\[release\]\])", file.read_text(), flags=re.M)
    for number, text in enumerate(parts):
        if rows.value(text, "version") != version:
            continue
        if tomllib.loads(text)["release"][0].get("sources") == ["upstream", "foundry"]:
            return head + "".join(parts)
        parts[number], changed = re.subn(_UPSTREAM, _BOTH, text, flags=re.M)
        if changed:
            return head + "".join(parts)
        raise UsageError(
            f"the row of {version} in {file} has no line {_SHOWN}", "write its sources so; the command adds foundry"
        )
    raise UsageError(
        f"{file} has no row of {version}; one in a folder of catalogue_dirs is not enough",
        "move the row into that file: what the foundry builds is part of the checkout",
    )


def told(added: Added, version: str) -> Iterable[str]:
    """What was added and what to do next, in lines."""
    yield f"added clusters/nodes/modules/{added.module}, a row in charts/images/operator.toml, and its source"
    if added.spark_missing:
        yield (
            f"charts/images/spark.toml needs a row for Spark {added.spark_missing}, with the SHA-256 that the package "
            f"index lists for pyspark-{added.spark_missing}.tar.gz"
        )
    yield f"next: nox -s bootstrap e2e -- --path install-{version} --scenario spark-pi"
