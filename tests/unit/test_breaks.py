# SPDX-License-Identifier: Apache-2.0
"""docs/upgrades.md says what charts/upgrades.toml says, docs/my-upgrade.md what the advice can be."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest

from harness.matrix import behaviour, breaks, catalogue, expand, path_names
from harness.matrix.edges import Upgrades
from harness.matrix.known_rows import KnownRow, Note
from harness.report.advice import Answer
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

REAL = catalogue.load()
TEXT = (PROJECT_ROOT / "docs" / "upgrades.md").read_text()
TASK = (PROJECT_ROOT / "docs" / "my-upgrade.md").read_text()


def test_the_known_breaks_are_those_of_the_catalogue() -> None:
    (found,) = re.findall(r"<!-- begin: python -m harness.matrix.breaks -->\n(.*?)<!-- end -->", TEXT, re.S)
    assert found == breaks.listing(REAL.upgrades), "run python -m harness.matrix.breaks"


def test_the_table_of_defaults_is_the_one_of_the_catalogue() -> None:
    (found,) = re.findall(r"<!-- begin: python -m harness.matrix.behaviour -->\n(.*?)<!-- end -->", TEXT, re.S)
    rows = behaviour.read(TomlSource.read(behaviour.FILE)).defaults
    assert found == behaviour.table(rows), "run python -m harness.matrix.behaviour"


def test_every_row_has_its_entry_with_a_way_out() -> None:
    lines = breaks.listing(REAL.upgrades).splitlines()
    # What strikes in two scenarios is one break to a reader.
    entries = {*map(breaks._entry, REAL.upgrades.known), *map(breaks._entry, REAL.upgrades.notes)}
    rows = len(entries)
    assert rows == len(REAL.upgrades.known) + len(REAL.upgrades.notes) - 1
    assert sum(line.startswith("- ") for line in lines) == rows
    assert sum(line.startswith("    - way out: ") for line in lines) == rows


def test_an_edge_is_described_in_words() -> None:
    common = {"why": "it | breaks", "link": "https://example.com/1", "way_out": "wait", "basis": "run"}
    known = KnownRow.model_validate(
        {
            **common,
            "from": ["<2.3.0", "*@quay.io"],
            "to": ["2.5.2"],
            "crds": ["none"],
            "scenario": "*",
            "check": "*",
            "says": ".",
            "strikes": "sometimes",
        }
    )
    note = Note.model_validate({**common, "kinds": ["rollback"], "value": "image.tag", "message": "no `kind`"})
    assert breaks.listing(Upgrades(known=(known,), notes=(note,))).splitlines() == [
        "- `<2.3.0` or `*@quay.io` → `2.5.2`, `+crds=none` ([run here](https://example.com/1)): sometimes: it | breaks",
        "    - way out: wait",
        "- any, rollback, with `image.tag` ([run here](https://example.com/1)): it | breaks",
        "    - message: `` no `kind` ``",
        "    - way out: wait",
    ]


@pytest.mark.parametrize("mode", [*path_names.CRD_MODES, *path_names.VALUES_MODES])
def test_every_mode_is_explained(mode: str) -> None:
    assert re.search(rf"^\| `\+(crds|values)={mode}` \|", TEXT, re.M)


def test_every_path_that_is_named_can_be_gone() -> None:
    named = set(re.findall(r"(?:upgrade|rollback)-\d[^\s`']*", TEXT + TASK))
    globs = {word for word in named if re.search(r"[*?\[]", word)}
    assert len(named - globs) >= 5
    # Of an operator under test, only who has one can have paths.
    for name in (it for it in named - globs if "-rc." not in it and "dev" not in it):
        assert expand.find_path(REAL, name)
    for glob in globs:
        assert any(fnmatchcase(name, glob) for name in expand.paths(REAL)), glob


def test_every_answer_is_explained_with_its_exit_status() -> None:
    rows = re.findall(r"^\| `([a-z ]+)` \| .* \| (\d) \|$", TASK, re.M)
    assert {(str(answer), str(answer.exit_status)) for answer in Answer} == set(rows)
