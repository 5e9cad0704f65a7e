# SPDX-License-Identifier: Apache-2.0
"""What people write: every kind of it, with the right answer for each, through both audits."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.audit import docs, images, mend, subjects
from harness.audit.homes import Homes
from harness.matrix import catalogue

CASES = Path(__file__).parent / "audit_cases"
# Of these, nothing but a registry's answer is the reason.
_GENERAL = {"mutable-tag", "no-digest"}


def rows(file: str) -> list[Any]:
    """The cases of a file; those that are still missed must fail, so that this list stays true."""
    cases = tomllib.loads((CASES / file).read_text())["case"]
    missed = pytest.mark.xfail(strict=True, reason="not mended yet")
    return [pytest.param(it, id=it["name"], marks=[missed] if it.get("missed") else []) for it in cases]


@pytest.fixture(scope="module")
def homes() -> Homes:
    return Homes(catalogue.load().releases)


def written(case: dict[str, Any], folder: Path) -> Path:
    file = folder / str(case["file"])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(case["text"].removeprefix("\n"))
    return file


@pytest.mark.parametrize("case", rows("found.toml"))
def test_what_is_stale_is_found_in_files_of_all_kinds(case: dict[str, Any], homes: Homes, tmp_path: Path) -> None:
    written(case, tmp_path)
    found = docs.audit(tmp_path, homes).findings
    assert [f"{it.line} {it.finding.rule}" for it in found] == case["found"], [str(it) for it in found]


@pytest.mark.parametrize("case", [it for it in rows("found.toml") if "mended" in it.values[0]])
def test_mending_writes_these_lines_and_no_others(case: dict[str, Any], homes: Homes, tmp_path: Path) -> None:
    written(case, tmp_path)
    planned = mend.plan(docs.audit(tmp_path, homes), docs.Scanner(homes))
    lines = [line for it in planned for line in it.diff.splitlines() if line.startswith("+")]
    assert [line[1:].strip() for line in lines if not line.startswith("+++ ")] == case["mended"]


@pytest.mark.parametrize("case", rows("fine.toml"))
def test_no_finding_is_invented(case: dict[str, Any], homes: Homes, tmp_path: Path) -> None:
    written(case, tmp_path)
    assert [str(it) for it in docs.audit(tmp_path, homes).findings] == []


@pytest.mark.parametrize("case", rows("images.toml"))
def test_images_are_judged_as_they_would_be_pulled(case: dict[str, Any], homes: Homes, tmp_path: Path) -> None:
    file = written(case, tmp_path)
    by_values = case["how"] == "values"
    subject = subjects.of_values([file], homes) if by_values else subjects.of_manifests([tmp_path], homes)
    audited = images.audit(subject.mentions, {}, homes)
    said = sorted(
        f"{finding.rule} {it.reference}" for it in audited for finding in it.findings if finding.rule not in _GENERAL
    )
    assert not subject.unreadable
    assert said == sorted(case["found"])


def test_every_kind_was_also_tried_on_cases_of_which_its_mending_knew_nothing() -> None:
    for file in ("found.toml", "fine.toml", "images.toml"):
        sets = [it["set"] for it in tomllib.loads((CASES / file).read_text())["case"]]
        assert set(sets) == {"known", "apart"}, file
