# SPDX-License-Identifier: Apache-2.0
"""Commands as they can be run where the harness is."""

from __future__ import annotations

import re

import pytest

from harness.invocation import here
from harness.settings import PROJECT_ROOT


@pytest.mark.parametrize(
    ("there", "command"),
    [
        ("nox -s e2e -- --cell a/b/c --lock sha256:ab", "harness run --cell a/b/c --lock sha256:ab"),
        ("run `nox -s bootstrap`", "run `harness bootstrap`"),
        ("run `nox -s bootstrap -- --env kind-1.34`", "run `harness bootstrap --env kind-1.34`"),
        ("next: nox -s bootstrap e2e -- --tag smoke", "next: harness run --bootstrap --tag smoke"),
        ("`nox -s matrix` lists them", "`harness matrix` lists them"),
        ("HARNESS_CACHE=/c nox -s clean -- --run r", "HARNESS_CACHE=/c harness clean --run r"),
        ("nox -s matrix\n--not an option", "harness matrix\n--not an option"),
    ],
)
def test_an_installation_has_no_nox(there: str, command: str) -> None:
    assert here(there, installed=True) == command
    assert here(there, installed=False) == there


def test_files_of_the_project_are_found_in_one_place_only() -> None:
    # What is found by its place beside the package is not there in an installation.
    for file in PROJECT_ROOT.joinpath("harness").rglob("*.py"):
        found = re.findall(r"__file__\)[^\n]*(?:parents\[|parent\.parent)", file.read_text())
        assert not found, file
