# SPDX-License-Identifier: Apache-2.0
"""charts/way-results.toml: what became of an upgrade in each way and each CRD mode, each proved by a run.

`python -m harness.stories.page` writes its tables into docs/ways.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UsageError
from harness.matrix import expand, path_names, path_outcomes
from harness.matrix.catalogue import Catalogue
from harness.matrix.crd_modes import EDGES
from harness.matrix.model import CrdMode, Path
from harness.matrix.outcomes import WORDS, Outcome
from harness.matrix.path_outcomes import PathOutcomes
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

FILE = PROJECT_ROOT / "charts" / "way-results.toml"

WAYS = (
    ("Helm 3", "helm3"),
    ("Helm 4", "helm4"),
    ("Helm 3, then Helm 4", "helm3,helm4"),
    ("`kubectl`", "kubectl"),
    ("Helm 3, then `kubectl`", "helm3,kubectl"),
    ("Helm 3, then Kustomize as it is shipped", "helm3,kustomize"),
    ("Helm 3, then Kustomize with an overlay", "helm3,overlay"),
    ("Argo CD, client-side", "argocd-server-side,argocd-client"),
    ("Argo CD, server-side", "argocd-server-side"),
    ("Argo CD, replace", "argocd-replace"),
    ("Helm, then Argo CD, server-side", "helm,argocd-server-side"),
)
"""The lines of a table: what they are called, and what a path's name says after `~`."""

MODES: tuple[CrdMode, ...] = ("none", "create", "client-apply", "ssa", "apply", "replace", "hook")

_SCENARIOS = ("operator-health", "gitops")
"""What says whether the edge holds."""

_NOT_RUN = "not run"
_NO_PATH = "–"


def read(written: TomlSource | None = None) -> tuple[PathOutcomes, ...]:
    """The rows of the file. Raises CatalogueError with file, line and key, also for what is no path."""
    return path_outcomes.read(written or TomlSource.read(FILE))


def tables(rows: Sequence[PathOutcomes], catalogue: Catalogue) -> str:
    """A table for each of EDGES, a line for each way, and under them in words what is known to break.

    The worst of the scenarios that judge the operator counts; of two results for the same, the later one of the file.
    """
    found: dict[tuple[str, str], Outcome] = {(it.path, name): outcome for it in rows for name, outcome in it.outcomes}
    breaks: list[str] = []
    lines = []
    for ends in EDGES:
        modes = " | ".join(f"`{it}`" for it in MODES)
        lines += [f"| {' → '.join(ends)} | {modes} |", f"|{' --- |' * (len(MODES) + 1)}"]
        for name, ways in WAYS:
            told = [_told(_path(catalogue, ends, ways, mode), found, breaks) for mode in MODES]
            lines.append(f"| {name} | {' | '.join(told)} |")
        lines.append("")
    lines += [f"{number}. {why}." for number, why in enumerate(breaks, 1)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _path(catalogue: Catalogue, ends: tuple[str, str], ways: str, mode: CrdMode) -> Path | None:
    """The path; None where this way does not treat CRDs so."""
    try:
        path = expand.find_path(catalogue, f"upgrade-{'-'.join(ends)}~{ways}+crds={mode}")
    except UsageError:
        return None
    # What Argo CD brings along by itself is one mode of each of its ways.
    own = path_names.ARGO_CD.get(path.way(-1))
    return path if own in (None, mode) or (mode == "hook" and path.way(-1) == "argocd-server-side") else None


def _told(path: Path | None, found: dict[tuple[str, str], Outcome], breaks: list[str]) -> str:
    if path is None:
        return _NO_PATH
    outcomes = {found[path.name, name] for name in _SCENARIOS if (path.name, name) in found}
    if not outcomes:
        return _NOT_RUN
    worst = max(outcomes, key=list(WORDS).index)
    if worst != "known":
        return WORDS[worst]
    whys = dict.fromkeys(
        it.why
        for it in path.known
        if it.scenario in (*_SCENARIOS, "*") and it.strikes == "always" and not it.environments
    )
    breaks += [it for it in whys if it not in breaks]
    numbers = ", ".join(str(breaks.index(it) + 1) for it in whys)
    return f"{WORDS[worst]} ({numbers})" if numbers else WORDS[worst]
