# SPDX-License-Identifier: Apache-2.0
"""charts/environment-results.toml: which paths held in which environments, each proved by a run.

`python -m harness.stories.page` writes its table into docs/environments.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.matrix import path_outcomes
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Environment
from harness.matrix.outcomes import WORDS, Outcome
from harness.matrix.path_outcomes import PathOutcomes
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource
from harness.wording import counted

FILE = PROJECT_ROOT / "charts" / "environment-results.toml"

_KINDS = ("install", "upgrade")
_NOT_RUN = "not run"
_MANY = 4
_HEAD = "| property | what it is | environment | install | upgrade |\n| --- | --- | --- | --- | --- |"


def read(written: TomlSource | None = None) -> tuple[PathOutcomes, ...]:
    """The rows of the file. Raises CatalogueError with file, line and key for a row without a scenario or a path."""
    return path_outcomes.read(written or TomlSource.read(FILE))


def table(rows: Sequence[PathOutcomes], catalogue: Catalogue) -> str:
    """A line for each environment that has a result, plain ones first, and for each property that has none.

    Of two results for the same, the later one of the file counts; of many scenarios that held, the table has the
    number. Raises UsageError for an environment that there is not.
    """
    environments = [catalogue.environment(name) for name in dict.fromkeys(row.environment for row in rows)]
    tried = {it for environment in environments for it in environment.properties}
    lines = [_line(it, rows, catalogue) for it in sorted(environments, key=lambda it: _place(it, catalogue))]
    for it in catalogue.properties.rows:
        if it.name not in tried:
            why = f"cannot be had: {it.impossible}" if it.impossible else _NOT_RUN
            lines.append(f"| `{it.name}` | {it.about} | – | {why} | {why} |")
    return "\n".join([_HEAD, *lines]) + "\n"


def _place(environment: Environment, catalogue: Catalogue) -> tuple[list[int], int]:
    names = [it.name for it in catalogue.properties.rows]
    bases = [it.name for it in catalogue.environments]
    return [names.index(it) for it in environment.properties], bases.index(environment.base)


def _line(environment: Environment, rows: Sequence[PathOutcomes], catalogue: Catalogue) -> str:
    about = {it.name: it.about for it in catalogue.properties.rows}
    names = ", ".join(f"`{it}`" for it in environment.properties) or "none"
    words = "; ".join(about[it] for it in environment.properties) or "as the provider has it"
    own = [row for row in rows if row.environment == environment.name]
    told = " | ".join(_told([row for row in own if row.parsed.kind == kind]) for kind in _KINDS)
    return f"| {names} | {words} | `{environment.name}` | {told} |"


def _told(rows: Iterable[PathOutcomes]) -> str:
    """What came of each scenario, the worst first, with the path."""
    latest: dict[tuple[str, str], Outcome] = {}
    for row in rows:
        latest |= {(row.path, name): outcome for name, outcome in row.outcomes}
    found = []
    for outcome in reversed(list(WORDS)):
        for path in dict.fromkeys(path for path, _ in latest):
            names = [name for (on, name), it in latest.items() if on == path and it == outcome]
            if names:
                found.append(f"{WORDS[outcome]}: {_listed(names, outcome)} on `{path}`")
    return "; ".join(found) or _NOT_RUN


def _listed(names: Sequence[str], outcome: Outcome) -> str:
    """The names; of many that held, how many."""
    if outcome == "passed" and len(names) > _MANY:
        return counted(len(names), "scenario")
    return ", ".join(f"`{it}`" for it in names)
