# SPDX-License-Identifier: Apache-2.0
"""charts/crd-modes.toml: what tools do with CRDs at an upgrade, and what happens then.

`python -m harness.matrix.crd_modes` prints the table of docs/upgrades.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import Field

from harness.matrix import catalogue, results
from harness.matrix.edges import Upgrades
from harness.matrix.known_rows import KnownRow
from harness.matrix.model import CrdMode, Move
from harness.matrix.path_names import HELMS
from harness.matrix.results import Result
from harness.matrix.rows import Model
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

FILE = PROJECT_ROOT / "charts" / "crd-modes.toml"

Tool = Literal["helm", "argocd", "flux", "terraform", "helmfile", "kubectl"]
"""The tools that operators are deployed with."""

TOOLS: tuple[Tool, ...] = get_args(Tool)

IN_WORDS: Mapping[CrdMode, str] = {
    "none": "with the CRDs left unchanged",
    "apply": "with the CRDs applied first",
    "hook": "with hook.upgradeCrd=true",
    "replace": "with the CRDs replaced first",
    "create": "with new CRDs created first and the others left unchanged",
    "ssa": "with the CRDs applied first and no conflict forced",
    "client-apply": "with the CRDs applied first by the client",
}
"""CRD modes, the least work first."""

VALUES_IN_WORDS: Mapping[str, str] = {
    "default": "your values",
    "reuse": "--reuse-values",
    "reset-then-reuse": "--reset-then-reuse-values",
    "pinned-registry": "values that name the old registry",
}

WAYS_IN_WORDS: Mapping[str, str] = {
    "helm": "Helm",
    "helm3": "Helm 3",
    "helm4": "Helm 4",
    "kubectl": "kubectl",
    "kustomize": "Kustomize as upstream ships it",
    "overlay": "Kustomize with an overlay",
    "argocd-client": "Argo CD by default",
    "argocd-server-side": "Argo CD with ServerSideApply=true",
    "argocd-replace": "Argo CD with Replace=true",
}

_WAYS: Mapping[Tool, tuple[str, ...]] = {
    "kubectl": ("kubectl",),
    "argocd": ("argocd-client", "argocd-server-side", "argocd-replace"),
}

EDGES = (("2.2.1@docker.io", "2.5.2"), ("2.4.0", "2.5.2"))
"""The edges of the table: one on which CRDs change and one comes, and one on which they stay the same."""

ON_PURPOSE = ("fault-", "registry-")
"""Name prefixes of scenarios that inject failures: their results say nothing about the path itself."""

_NAMES: Mapping[Tool, str] = {"helm": "Helm", "argocd": "Argo CD", "flux": "Flux", "terraform": "Terraform"}
_NO_SETTING = "its default"


def ways_of(tool: Tool) -> tuple[str, ...]:
    """The ways of installing that a tool can take; all but kubectl and Argo CD have Helm in them."""
    return _WAYS.get(tool, HELMS)


class ToolRow(Model):
    """`[[tool]]`: a setting of a tool, and the CRD mode that it amounts to. An empty setting is the tool's default."""

    tool: Tool
    setting: str = ""
    crds: CrdMode
    link: str = Field(pattern=r"^https://\S+$")

    @property
    def name(self) -> str:
        """The tool as its users call it."""
        return _NAMES.get(self.tool, self.tool)

    def __str__(self) -> str:
        return f"{self.name} with {self.setting}" if self.setting else f"{self.name} by default"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What happens on an edge in a CRD mode. `breaks` are the rows by which it breaks for good.

    `ran` is the project's own result, if it has one.
    """

    breaks: tuple[KnownRow, ...] = ()
    ran: Result | None = None

    @property
    def whys(self) -> tuple[str, ...]:
        """Why it breaks for good, each cause once."""
        return tuple(dict.fromkeys(row.why for row in self.breaks))

    def __str__(self) -> str:
        if self.whys:
            return f"breaks: {'; '.join(self.whys)}"
        if self.ran and self.ran.state == "broken":
            return f"broke: {'; '.join(self.ran.broke)}"
        if self.ran is None:
            return "nothing is known to break"
        looked = f" of {' and '.join(f'`{it}`' for it in self.ran.looked)}" if self.ran.looked else ""
        return f"held in a run{looked} of {self.ran.recorded}"


def read(written: TomlSource | None = None) -> tuple[ToolRow, ...]:
    """The rows of the file. Raises CatalogueError with file, line and key."""
    source = written or TomlSource.read(FILE)
    source.require_only("tool")
    rows = source.rows("tool", ToolRow)
    for number, row in enumerate(rows):
        if any((row.tool, row.setting) == (it.tool, it.setting) for it in rows[:number]):
            raise source.error("tool", number, "setting", f"a row above has {row}")
    return rows


def of_tool(rows: Sequence[ToolRow], tool: Tool, settings: Sequence[str] = ()) -> ToolRow | None:
    """The row for a tool with these settings: the last one that is set, or else its default. None where it has none."""
    mine = [row for row in rows if row.tool == tool]
    chosen = [row for row in mine if row.setting in settings]
    return next(reversed(chosen), next((row for row in mine if not row.setting), None))


def outcome(upgrades: Upgrades, shipped: Sequence[Result], ends: tuple[str, str], mode: CrdMode) -> Outcome:
    """What is known of an upgrade between two releases by name in this CRD mode, with the user's values alone."""
    move = Move(kind="upgrade", origin=ends[0], target=ends[1])
    breaks = [
        row
        for row in upgrades.known
        if row.about(move, mode, "default")
        and row.strikes == "always"
        and row.certain(move)
        and not row.scenario.startswith(ON_PURPOSE)
    ]
    mine = [it for it in shipped if it.parsed.releases == ends and it.crds == mode and it.parsed.usual]
    return Outcome(breaks=tuple(breaks), ran=mine[-1] if mine else None)


def table(rows: Sequence[ToolRow], upgrades: Upgrades, shipped: Sequence[Result]) -> str:
    """The table of docs/upgrades.md: tool and setting, the CRD mode, and what happens on each of EDGES.

    Why something breaks is said once, under the table and by number.
    """
    head = ["tool", "setting", "CRD mode", *(" → ".join(ends) for ends in EDGES)]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    whys: list[str] = []
    for row in rows:
        setting = f"[{f'`{row.setting}`' if row.setting else _NO_SETTING}]({row.link})"
        told = [_cell(outcome(upgrades, shipped, ends, row.crds), whys) for ends in EDGES]
        lines.append(f"| {' | '.join([row.name, setting, f'`+crds={row.crds}`', *told])} |")
    return "\n".join([*lines, "", *(f"{number}. {why}." for number, why in enumerate(whys, 1))]) + "\n"


def _cell(found: Outcome, whys: list[str]) -> str:
    """What happens, with the numbers of its causes; those that `whys` lacks are added."""
    whys += [it for it in found.whys if it not in whys]
    return f"breaks ({', '.join(str(whys.index(it) + 1) for it in found.whys)})" if found.whys else str(found)


if __name__ == "__main__":
    print(table(read(), catalogue.load().upgrades, results.read()), end="")
