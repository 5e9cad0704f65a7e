# SPDX-License-Identifier: Apache-2.0
"""The known breaks in docs/upgrades.md, from charts/upgrades.toml: `python -m harness.matrix.breaks` prints them."""

from __future__ import annotations

from collections.abc import Iterator

from harness.matrix import catalogue
from harness.matrix.edges import Upgrades
from harness.matrix.known_rows import ANYTHING, Basis, KnownRow, Note

_BASIS: dict[Basis, str] = {"run": "run here", "upstream-issue": "upstream issue", "code": "code"}


def listing(upgrades: Upgrades) -> str:
    """Every known break and every note, an entry each, in the order of the file; one of two scenarios is told once."""
    return "\n".join(dict.fromkeys([*map(_entry, upgrades.known), *map(_entry, upgrades.notes)])) + "\n"


def _entry(row: KnownRow | Note) -> str:
    often = "sometimes: " if isinstance(row, KnownRow) and row.strikes == "sometimes" else ""
    lines = [f"- {_edge(row)} ([{_BASIS[row.basis]}]({row.link})): {often}{row.why}"]
    if row.message:
        lines.append(f"    - message: {_code(row.message)}")
    return "\n".join([*lines, f"    - way out: {row.way_out}"])


def _code(text: str) -> str:
    """Text as it is; backticks in it take two around it."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _edge(row: KnownRow | Note) -> str:
    """The upgrades and rollbacks that a row is about, in words."""
    ends = [_names(row.origins), _names(row.targets)]
    told = "any" if ends == ["any", "any"] else f"{ends[0]} → {ends[1]}"
    return ", ".join([told, *_conditions(row)])


def conditions(row: KnownRow) -> list[str]:
    """The values under which a row strikes, each as Helm's `--set` has it; one that need only be there by its key."""
    return [key if value == ANYTHING else f"{key}={str(value).lower()}" for key, value in row.when.items()]


def _names(patterns: tuple[str, ...]) -> str:
    return "any" if patterns == ("*",) else " or ".join(f"`{pattern}`" for pattern in patterns)


def _conditions(row: KnownRow | Note) -> Iterator[str]:
    if row.kinds != ("upgrade",):
        yield " or ".join(row.kinds)
    if isinstance(row, Note):
        if row.value:
            yield f"with `{row.value}`"
        return
    if row.when:
        yield "with " + " and ".join(f"`{it}`" for it in conditions(row))
    if row.crds:
        yield " or ".join(f"`+crds={mode}`" for mode in row.crds)
    if row.values:
        yield " or ".join(f"`+values={mode}`" for mode in row.values)
    if row.spark:
        yield f"applications of Spark {_names(row.spark)}"
    if row.from_ways:
        yield "installed by " + " or ".join(f"`{way}`" for way in row.from_ways)
    if row.ways:
        yield " or ".join(f"`~{way}`" for way in row.ways)
    if row.environments:
        yield "in " + " or ".join(f"`{it}`" for it in row.environments)
    if row.scenario.startswith("fault-"):
        yield f"`{row.scenario}`"


if __name__ == "__main__":
    print(listing(catalogue.load().upgrades), end="")
