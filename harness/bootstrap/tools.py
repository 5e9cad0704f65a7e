# SPDX-License-Identifier: Apache-2.0
"""The tools of the harness: found on PATH in a supported version, else built from a pinned Go module."""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness.errors import CommandError, HarnessError, ToolError
from harness.foundry import gobuild
from harness.foundry.store import Artifact, Store
from harness.host.steps import Progress
from harness.matrix import names as matrix_names
from harness.matrix.model import Environment
from harness.matrix.versions import numbers
from harness.process import call
from harness.settings import PROJECT_ROOT, Settings
from harness.toml_source import TomlSource

TOOLS_FILE = PROJECT_ROOT / "clusters" / "tools.toml"
KUBECTL = "kubectl"

Clusters = Mapping[str, Sequence[str]]
"""The tools that make clusters, with the Kubernetes minors of these clusters."""

# Without the options, a bootstrap builds what the default selection needs.
_NEXT_STEP = "run `nox -s bootstrap`, with the run's --cell, --env and --path after `--`: it builds them"

_VERSION_TIMEOUT = 30.0
_VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)\b")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A program that can be used. `version` is without `v`; `origin` says whether it was found or built.

    `passed_over` says what a program of another version, first on PATH, would have been; mostly it is empty.
    """

    name: str
    path: Path
    version: str
    origin: Literal["PATH", "foundry"]
    passed_over: str = ""

    def __str__(self) -> str:
        passed_over = f"; {self.passed_over}" if self.passed_over else ""
        return f"{self.version} ({self.origin}){passed_over}"


class ClusterRow(BaseModel):
    """One `on` of clusters/tools.toml; the keys are explained there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kubernetes: str
    at_least: str
    why: str


class ToolRow(BaseModel):
    """One table of clusters/tools.toml; the keys are explained there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version_argv: tuple[str, ...]
    at_least: str = ""
    below: str = ""
    path: bool = True
    program: str = ""
    module: str
    why: str
    passed_over: str = ""
    on: tuple[ClusterRow, ...] = ()

    def supports(self, version: str, minors: Sequence[str] = ()) -> bool:
        """Whether a version lies in the range for clusters of these Kubernetes minors."""
        number, oldest = numbers(version), self._oldest(minors)
        return (not oldest or number >= numbers(oldest)) and (not self.below or number < numbers(self.below))

    def range(self, minors: Sequence[str] = ()) -> str:
        """The range for clusters of these minors as people write it, `>=0.30,<0.34`; and for whom it is narrower."""
        oldest = self._oldest(minors)
        parts = [f">={oldest}" if oldest else "", f"<{self.below}" if self.below else ""]
        narrower = self.narrower(minors)
        asks = f" for Kubernetes {narrower.kubernetes} and later" if narrower else ""
        return ",".join(part for part in parts if part) + asks

    def narrower(self, minors: Sequence[str]) -> ClusterRow | None:
        """The row that asks for the newest version because of one of these minors."""
        asked = [it for it in self.on if any(numbers(minor) >= numbers(it.kubernetes) for minor in minors)]
        return max(asked, key=lambda it: numbers(it.at_least), default=None)

    def _oldest(self, minors: Sequence[str]) -> str:
        narrower = self.narrower(minors)
        return narrower.at_least if narrower else self.at_least


@functools.cache
def catalogue(file: Path = TOOLS_FILE) -> Mapping[str, ToolRow]:
    """The rows of clusters/tools.toml by name. Raises CatalogueError with file, line and key."""
    return TomlSource.read(file).tables(ToolRow)


def resolve(
    settings: Settings, names: Sequence[str], minors: Sequence[str] = (), *, clusters: Clusters = MappingProxyType({})
) -> dict[str, Tool]:
    """The tools by name, without building any.

    kubectl comes once for each Kubernetes minor, as `kubectl-1.34` (see `kubectl_for`), and as `kubectl` for the first
    of `minors`. A tool that makes clusters is one for all of its `clusters`. Raises UsageError for an unknown name, and
    ToolError that names all that are missing and why what PATH has will not do.
    """
    found: dict[str, Tool] = {}
    problems: list[str] = []
    for wanted in _expand(names, minors):
        tool, problem = _find(settings, wanted, clusters)
        if tool:
            found[wanted] = tool
        else:
            problems.append(problem)
    if problems:
        raise ToolError("\n".join(problems), _NEXT_STEP)
    return _with_plain_kubectl(found, minors)


def ensure(
    settings: Settings,
    names: Sequence[str],
    minors: Sequence[str] = (),
    progress: Progress = lambda line: None,
    *,
    clusters: Clusters = MappingProxyType({}),
) -> dict[str, Tool]:
    """As `resolve`, and what is missing is built. Raises BuildError, and ToolError when there is no Go."""
    found: dict[str, Tool] = {}
    for wanted in _expand(names, minors):
        tool, problem = _find(settings, wanted, clusters)
        if tool is None:
            progress(problem)
            name, minor = _split(wanted)
            module = module_for(name, minor)
            progress(f"building {name} {gobuild.build_file(module).version}")
            tool = _built(name, gobuild.build(Store.of(settings), module, _programs(name)), problem)
        found[wanted] = tool
    return _with_plain_kubectl(found, minors)


def on_path(name: str, minor: str = "", clusters: Sequence[str] = ()) -> tuple[Tool | None, str]:
    """The usable tool on PATH, or None and why there is none.

    `minor` matters for kubectl only, `clusters` for what makes clusters: the minors of these.
    """
    row = catalogue()[name]
    called = row.program or name
    program = shutil.which(called) if row.path else None
    if program is None:
        return None, f"{called} is not on PATH" if row.path else f"{name} is not built yet"
    version, why_not = _version_of(program, row.version_argv)
    if why_not:
        return None, why_not
    if name == KUBECTL and minor:
        if not _within_one_minor(version, minor):
            return None, f"{program} is {version}, which is more than one minor away from Kubernetes {minor}"
    elif not row.supports(version, clusters):
        return None, f"{program} is {version}, supported: {row.range(clusters)}"
    return Tool(name=name, path=Path(program), version=version, origin="PATH"), ""


def clusters_of(environments: Iterable[Environment]) -> Clusters:
    """The programs of these environments' providers, which have their names, with the minors of the environments."""
    found: dict[str, list[str]] = {}
    for it in environments:
        minors = found.setdefault(it.provider, [])
        if it.minor not in minors:
            minors.append(it.minor)
    return found


def kubectl_for(tools: Mapping[str, Tool], minor: str) -> Tool:
    """The kubectl for a Kubernetes minor, out of what `resolve` or `ensure` gave for it."""
    try:
        return tools[f"{KUBECTL}-{minor}"]
    except KeyError:
        raise ToolError(f"no kubectl was resolved for Kubernetes {minor}", "pass that minor to tools.resolve") from None


def module_for(name: str, minor: str = "") -> str:
    """The Go tool module that builds a tool, for a Kubernetes minor where its version must fit.

    Where no module is within one minor, it is the nearest: old clusters come from public images only, and on them the
    harness just reads with kubectl, which works beyond the skew that upstream supports.
    """
    module = catalogue()[name].module
    if not module.endswith("-"):
        return module
    versions = [it.removeprefix(module) for it in gobuild.modules() if it.startswith(module)]
    modules = [f"{module}{version}" for version in sorted(versions, key=numbers)]
    if not minor:
        return modules[-1]
    same = [it for it in modules if it.startswith(f"{module}{minor}.")]
    near = [it for it in modules if _within_one_minor(it.removeprefix(module), minor)]
    wanted = numbers(minor)[1]
    return (same or near or [min(modules, key=lambda it: abs(numbers(it.removeprefix(module))[1] - wanted))])[-1]


@functools.cache
def _version_of(program: str, argv: tuple[str, ...]) -> tuple[str, str]:
    """The version that a program reports, or why there is none.

    A program for another architecture cannot be run, and the shim of a version manager whose project asks for none of
    its versions fails, and lists them.
    """
    try:
        answer = call([program, *argv], timeout=_VERSION_TIMEOUT, check=False)
    except (CommandError, ToolError) as broken:
        why = broken.message if program in broken.message else f"{program} cannot be run: {broken.message}"
        return "", why.replace("was not found", "cannot be run: what its first line names was not found")
    match = _VERSION.search(answer.stdout + answer.stderr)
    if answer.returncode or not match:
        status = f": it ends with status {answer.returncode}" if answer.returncode else ""
        return "", f"{program} does not report its version{status}"
    return ".".join(match.groups()), ""


def _find(settings: Settings, wanted: str, clusters: Clusters) -> tuple[Tool | None, str]:
    name, minor = _split(wanted)
    tool, problem = on_path(name, minor, clusters.get(name, ()))
    if tool:
        return tool, ""
    try:
        module = module_for(name, minor)
        for programs in (None, _programs(name)):
            artifact = Store.of(settings).get(gobuild.recipe(module, programs))
            if artifact:
                return _built(name, artifact, problem), ""
    except ToolError as error:
        return None, f"{problem}; {error.message}"
    return None, problem


def _built(name: str, artifact: Artifact, instead_of: str) -> Tool:
    """The built tool; `instead_of` is why there is none on PATH, which matters where results depend on it."""
    version, row = gobuild.build_file(artifact.name).version, catalogue()[name]
    path = artifact.folder / "bin" / (row.program or name)
    if not path.is_file():
        raise HarnessError(f"the artefact {artifact.folder} has no bin/{path.name}", "run `harness foundry prune`")
    told = f"{instead_of}; {row.passed_over}" if row.passed_over and shutil.which(name) else ""
    return Tool(name=name, path=path, version=version, origin="foundry", passed_over=told)


def _programs(name: str) -> list[str] | None:
    # A whole Kubernetes takes minutes; its kubectl alone takes one.
    return [KUBECTL] if name == KUBECTL else None


def _expand(names: Sequence[str], minors: Sequence[str]) -> list[str]:
    unknown = next((name for name in names if name not in catalogue()), None)
    if unknown is not None:
        raise matrix_names.unknown("tool", unknown, list(catalogue()))
    wanted: list[str] = []
    for name in names:
        wanted += [f"{KUBECTL}-{minor}" for minor in _unique(minors)] if name == KUBECTL and minors else [name]
    return wanted


def _with_plain_kubectl(found: dict[str, Tool], minors: Sequence[str]) -> dict[str, Tool]:
    first = found.get(f"{KUBECTL}-{minors[0]}") if minors else None
    return {**found, KUBECTL: first} if first else found


def _split(wanted: str) -> tuple[str, str]:
    name, _, minor = wanted.partition("-")
    return name, minor


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _within_one_minor(version: str, minor: str) -> bool:
    mine, other = numbers(version)[:2], numbers(minor)[:2]
    return mine[0] == other[0] and abs(mine[1] - other[1]) <= 1
