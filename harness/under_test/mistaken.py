# SPDX-License-Identifier: Apache-2.0
"""What was given as an operator and is none: what it is instead, and what to give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from harness import libyaml
from harness.errors import UsageError
from harness.foundry import operator
from harness.releases import chart_files
from harness.releases.charts import CHART_NAME
from harness.untrusted import check_yaml
from harness.wording import did_you_mean, nearest

_AT_GIT = re.compile(
    r"(?:ssh|git)://.+|git@.+|.+\.git|(?:https?://)?(?:www\.)?(?:github|gitlab|bitbucket)\.(?:com|org)/.+"
)
_TRANSPORT = re.compile(r"(docker|docker-daemon|containers-storage|docker-archive|oci-archive|oci):(?:/*)(.+)")
"""How Skopeo and Podman write where an image is (containers-transports(5))."""
_DEPTH = 4
_MAY_HOLD_NO_CHART = frozenset({".git", "vendor", "node_modules", "testdata"})


def require_image(wanted: str, chart: str) -> None:
    """Raise UsageError for a name that cannot be an image's, and says what else it is."""
    given = Path(wanted)
    if given.is_file():
        _require_archive(given, chart)
        return
    if _AT_GIT.fullmatch(wanted):
        raise UsageError(
            f"--operator {wanted} is an address of a repository, which is not fetched here",
            "clone it, and give the folder: git clone ADDRESS DIR, then --operator DIR",
        )
    transport = _TRANSPORT.fullmatch(wanted)
    if transport:
        kind, rest = transport[1], transport[2]
        layout = kind == "oci"
        name = rest if kind in ("docker", "docker-daemon", "containers-storage") else rest.partition(":")[0]
        raise UsageError(
            f"--operator {wanted}: {kind}: is how Skopeo writes where an image is",
            of_layout(Path(name)) if layout else f"leave it out: --operator {name}",
        )
    if wanted.startswith((".", "/", "~")) or wanted.endswith(("/", ".tar", ".tar.gz", ".tgz")):
        _missing(given)


def _missing(given: Path) -> None:
    """Raise UsageError for a path where nothing is, with the nearest name that is there."""
    there = [it.name for it in given.parent.iterdir()] if given.parent.is_dir() else []
    near = nearest(given.name, there)
    raise UsageError(
        f"--operator {given}: there is no such folder or file{did_you_mean(near and str(given.parent / near))}",
        "give the folder of a checkout, an image archive, or the name of an image",
    )


def of_layout(folder: Path) -> str:
    """What to do with an OCI layout that is a folder."""
    return f"pack the OCI layout: tar -C {folder} -cf operator.tar . ; then --operator operator.tar --chart DIR"


def of_folder(folder: Path) -> str:
    """What to give in place of a folder without a go.mod; empty where nothing is known of it."""
    if (folder / "oci-layout").is_file() or (folder / "index.json").is_file():
        return of_layout(folder)
    above = next((it for it in folder.resolve().parents if (it / "go.mod").is_file()), None)
    if above and (above / "charts").is_dir():
        return f"give the folder in which go.mod is: --operator {above}"
    if (folder / "Chart.yaml").is_file():
        return f"a chart goes with an image: --operator IMAGE --chart {folder}"
    below = next((it.parent for it in sorted(folder.glob("*/go.mod")) if (it.parent / "charts").is_dir()), None)
    return f"give the folder in which go.mod is: --operator {below}" if below else ""


def of_chart(folder: Path) -> tuple[str, str]:
    """Why a checkout has no chart where upstream has it, and what to do; empty where it has none anywhere."""
    usual = folder / operator.catalogue().chart_folder
    if (folder / ".gitmodules").is_file() and usual.is_dir() and not any(usual.iterdir()):
        return "the submodule is empty", "fetch it: git submodule update --init"
    for file in _charts(folder):
        where = file.parent.relative_to(folder)
        return (
            f"its chart is in {where}",
            f"move it back, or give the image that you built: --operator IMAGE --chart {file.parent}",
        )
    return "", ""


def _charts(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Charts of the operator's name below a folder."""
    if depth and folder.is_dir():
        file = folder / "Chart.yaml"
        if file.is_file() and _name(file) == CHART_NAME:
            yield file
        for below in sorted(it for it in folder.iterdir() if it.is_dir() and not it.is_symlink()):
            if below.name not in _MAY_HOLD_NO_CHART:
                yield from _charts(below, depth - 1)


def _name(chart: Path) -> str:
    try:
        found = yaml.load(check_yaml(chart.read_text(errors="replace")), Loader=libyaml.Loader)  # noqa: S506 - a safe loader
    except (OSError, yaml.YAMLError):
        return ""
    return str(found.get("name") or "") if isinstance(found, dict) else ""


def _require_archive(file: Path, chart: str) -> None:
    """Raise UsageError for a file that holds no image: a file of a checkout, or a chart."""
    if file.name in ("go.mod", "Dockerfile", "Makefile"):
        raise UsageError(f"--operator {file} is a file of a checkout", f"give its folder: --operator {file.parent}")
    if _is_chart(file):
        given = f" {chart}" if chart else " IMAGE"
        raise UsageError(
            f"--operator {file} is a chart, which goes with an image", f"write --operator{given} --chart {file}"
        )


def _is_chart(file: Path) -> bool:
    try:
        return chart_files.text(file, "Chart.yaml") is not None
    except UsageError:
        return False
