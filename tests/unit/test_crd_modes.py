# SPDX-License-Identifier: Apache-2.0
"""charts/crd-modes.toml: which CRD mode a tool's setting amounts to, and what is told of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.advice.edge import Basis
from harness.errors import CatalogueError
from harness.matrix import catalogue, crd_modes, path_names, results
from harness.matrix.crd_modes import Tool, of_tool, outcome
from harness.matrix.results import Result
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

ROWS = crd_modes.read()
UPGRADES = catalogue.load().upgrades
TEXT = (PROJECT_ROOT / "docs" / "upgrades.md").read_text()
CHANGED = ("2.2.1", "2.5.2")


def test_the_table_is_the_one_of_the_catalogue() -> None:
    (found,) = re.findall(r"<!-- begin: python -m harness.matrix.crd_modes -->\n(.*?)<!-- end -->", TEXT, re.S)
    assert found == crd_modes.table(ROWS, UPGRADES, results.read()), "run python -m harness.matrix.crd_modes"


def test_a_cause_is_said_once_under_the_table_and_by_number_in_it() -> None:
    table, notes = crd_modes.table(ROWS, UPGRADES, ()).split("\n\n")
    numbers = {int(it) for found in re.findall(r"breaks \(([\d, ]+)\)", table) for it in found.split(", ")}
    assert [int(line.split(".")[0]) for line in notes.splitlines()] == sorted(numbers)
    default = next(line for line in table.splitlines() if "`+crds=client-apply`" in line)
    (number,) = set(re.findall(r"breaks \((\d+)\)", default))
    assert f"{number}. applied by the client, " in notes


def test_every_tool_has_a_default_and_every_mode_a_tool() -> None:
    assert {row.tool for row in ROWS if not row.setting} == set(crd_modes.TOOLS) - {"kubectl"}
    assert {row.crds for row in ROWS} == set(path_names.CRD_MODES) == set(crd_modes.IN_WORDS)


@pytest.mark.parametrize(
    ("tool", "settings", "mode"),
    [
        ("argocd", (), "client-apply"),
        ("argocd", ("CreateNamespace=true", "ServerSideApply=true"), "apply"),
        ("argocd", ("Replace=true", "ServerSideApply=true"), "replace"),
        ("flux", (), "none"),
        ("flux", ("upgrade.crds: Create",), "create"),
        ("flux", ("upgrade.crds: CreateReplace",), "replace"),
        ("helm", (), "none"),
    ],
)
def test_a_setting_amounts_to_a_mode(tool: Tool, settings: tuple[str, ...], mode: str) -> None:
    row = of_tool(ROWS, tool, settings)
    assert row
    assert row.crds == mode


def test_a_break_is_told_before_a_run_and_a_run_before_nothing() -> None:
    assert str(outcome(UPGRADES, (), CHANGED, "client-apply")).startswith("breaks: ")
    assert str(outcome(UPGRADES, (), CHANGED, "replace")) == "nothing is known to break"
    row = {"environment": "kind-1.34", "recorded": "2026-11-30", "source": "here"}
    path = "upgrade-2.2.1-2.5.2+crds=replace"
    held = Result.model_validate({"path": path, "state": "race", **row})
    broke = Result.model_validate({"path": path, "state": "broken", "broke": ["it broke"], **row})
    assert str(outcome(UPGRADES, (held,), CHANGED, "replace")) == "held in a run of 2026-11-30"
    assert str(outcome(UPGRADES, (broke,), CHANGED, "replace")) == "broke: it broke"
    some = held.model_copy(update={"looked": ("operator-health",)})
    assert str(outcome(UPGRADES, (some,), CHANGED, "replace")) == "held in a run of `operator-health` of 2026-11-30"
    assert outcome(UPGRADES, (held,), ("2.4.0", "2.5.2"), "replace").ran is None


def test_no_advice_rests_on_a_result_of_some_scenarios() -> None:
    some = [it for it in results.read() if it.looked]
    assert some
    assert not set(some) & set(Basis(known=catalogue.load(), shipped=results.read()).whole)


def test_a_setting_has_one_row() -> None:
    row = '[[tool]]\ntool = "flux"\ncrds = "none"\nlink = "https://example.com/a"\n'
    with pytest.raises(CatalogueError, match="a row above has Flux by default"):
        crd_modes.read(TomlSource(file=Path("crd-modes.toml"), text=row * 2))
