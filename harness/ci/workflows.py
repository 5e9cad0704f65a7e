# SPDX-License-Identifier: Apache-2.0
"""Generates .github/workflows/ from the tiers of the matrix and .github/ci.toml, and shows differences."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import Field

from harness.errors import CatalogueError, UsageError
from harness.matrix import expand
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Scenario
from harness.matrix.rows import Model
from harness.matrix.select import Selection, choose
from harness.matrix.versions import is_prerelease, order
from harness.report.files import write_atomically
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

NAMES = ("ci", "e2e", "weekly")

HARNESS = "OWNER/spark-operator-harness@COMMIT"
"""This project's repository in a workflow for the operator's, unless somebody says where it is."""

_HARNESS = re.compile(r"([\w.-]+/[\w.-]+)@([\w./-]+)")
_SHORTENED = re.compile(r"(?=[a-f]*\d)(?=\d*[a-f])[a-f\d]{7,39}")
"""A commit as Git prints it; GitHub fetches one by its whole digest only."""


class Action(Model):
    """A GitHub action, pinned by commit."""

    sha: str = Field(pattern=r"^[0-9a-f]{40}$")
    version: str = Field(pattern=r"^v\d+\.\d+\.\d+$")


class Event(Model):
    """A trigger that runs cells automatically."""

    on: Literal["pull_request", "schedule"]
    tier: str
    clusters_per_shard: int = Field(ge=1)
    cron: str = ""


class Minutes(Model):
    """A job's timeout-minutes."""

    plan: int = Field(ge=1)
    cells: int = Field(ge=1)
    disturbed: int = Field(ge=1)
    rehearsal: int = Field(ge=1)
    summary: int = Field(ge=1)
    checks: int = Field(ge=1)
    verdicts: int = Field(ge=1)
    operator: int = Field(ge=1)
    repeat: int = Field(ge=1)


class Weekly(Model):
    """When what is tried every week is tried, and how often the default selection is repeated."""

    cron: str
    repeats: int = Field(ge=1)


class CiFile(Model):
    """.github/ci.toml, which documents its keys at the top."""

    runner: str
    python: str
    go: str
    retention_days: int = Field(ge=1, le=90)
    minutes: Minutes
    weekly: Weekly
    event: tuple[Event, ...] = Field(min_length=1)
    actions: dict[str, Action]


def read(root: Path = PROJECT_ROOT) -> tuple[CiFile, TomlSource]:
    """.github/ci.toml below `root`. Raises CatalogueError with file, line and key."""
    written = TomlSource.read(root / ".github" / "ci.toml")
    found = written.validated(CiFile)
    written.require_unique("event", "on", (it.on for it in found.event))
    return found, written


def render(catalogue: Catalogue, scenarios: Mapping[str, Scenario], root: Path = PROJECT_ROOT) -> dict[Path, str]:
    """The text of every workflow, by its file.

    The number of machines for a tier depends on its number of clusters, not on measured durations, so that
    every machine generates the same text. Raises CatalogueError.
    """
    ci, written = read(root)
    shards = {}
    for number, event in enumerate(ci.event):
        if event.tier not in catalogue.rules.names:
            known = ", ".join(catalogue.rules.names)
            raise written.error("event", number, "tier", f"unknown tier {event.tier!r}", f"the tiers are: {known}")
        if (event.on == "schedule") != bool(event.cron):
            raise written.error("event", number, "cron", "a schedule needs `cron`, and no other event may have it")
        cells = choose(catalogue, Selection(tags=(event.tier,)), scenarios).cells
        shards[event.on] = math.ceil(len(expand.groups(cells)) / event.clusters_per_shard)

    environment, uses = _environment(), _uses(ci, written)
    return {
        root / ".github" / "workflows" / f"{name}.yml": environment.get_template(f"{name}.yml.j2").render(
            ci=ci, uses=uses, events=ci.event, shards=shards, tiers=catalogue.rules.names
        )
        for name in NAMES
    }


def for_operator(catalogue: Catalogue, harness: str, root: Path = PROJECT_ROOT) -> str:
    """The text of a workflow for a repository of the operator; `harness` is this project's there, OWNER/NAME@REF.

    Raises CatalogueError, and UsageError for another form of that.
    """
    named = _HARNESS.fullmatch(harness)
    if named is None:
        raise UsageError(f"{harness!r} is not a repository with a commit", "write OWNER/NAME@COMMIT, or leave it out")
    if _SHORTENED.fullmatch(named[2]):
        raise UsageError(
            f"{harness!r} has a shortened commit, which GitHub does not find",
            "write all its 40 digits: git rev-parse COMMIT",
        )
    ci, written = read(root)
    newest = max((it.version for it in catalogue.releases if not is_prerelease(it.version)), key=order)
    return (
        _environment()
        .get_template("operator.yml.j2")
        .render(ci=ci, uses=_uses(ci, written), newest=newest, repository=named[1], ref=named[2])
    )


def _uses(ci: CiFile, written: TomlSource) -> Callable[[str], str]:
    """How a workflow names an action. Raises CatalogueError for one without a commit."""

    def uses(action: str) -> str:
        # actions/cache/save is a part of actions/cache, and has its commit.
        repository = "/".join(action.split("/")[:2])
        pinned = ci.actions.get(repository)
        if pinned is None:
            raise CatalogueError(f"{written.file} has no {repository}", f'add [actions."{repository}"] with its commit')
        return f"{action}@{pinned.sha} # {pinned.version}"

    return uses


def _environment() -> Environment:
    # GitHub and shells have their own use for braces and angle brackets.
    return Environment(
        loader=PackageLoader("harness.ci"),
        autoescape=False,  # noqa: S701  # what is written is YAML
        undefined=StrictUndefined,
        variable_start_string="@{",
        variable_end_string="}@",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def write(texts: Mapping[Path, str]) -> list[Path]:
    """Write the workflows that differ; returns those that were written."""
    changed = [file for file, text in texts.items() if not file.is_file() or file.read_text() != text]
    for file in changed:
        write_atomically(file, texts[file])
    return changed


def differences(texts: Mapping[Path, str]) -> list[str]:
    """A unified diff from the existing workflows to the generated ones; empty when they are equal."""
    lines: list[str] = []
    for file, text in texts.items():
        there = file.read_text().splitlines() if file.is_file() else []
        lines += difflib.unified_diff(there, text.splitlines(), str(file), f"{file} (generated)", lineterm="")
    return lines
