# SPDX-License-Identifier: Apache-2.0
"""The completion of a shell: which arguments are files and folders."""

from __future__ import annotations

import pytest

from harness import cli
from harness.commands import completion


@pytest.fixture(scope="module")
def script() -> str:
    return completion.script(cli._parser(), "bash")


@pytest.mark.parametrize(
    ("argument", "files"),
    [
        ("run___operator", "_shtab_compgen_files"),
        ("run___chart", "_shtab_compgen_files"),
        ("advise___values", "_shtab_compgen_files"),
        ("advise___apps", "_shtab_compgen_dirs"),
        ("report_diff_pos_0", "_shtab_compgen_dirs"),
        ("report_ship_pos_0", "_shtab_compgen_dirs"),
        ("report_merge_pos_0", "_shtab_compgen_dirs"),
    ],
)
def test_what_can_be_a_path_is_completed_as_one(script: str, argument: str, files: str) -> None:
    assert f"_shtab_harness_{argument}_COMPGEN={files}" in script
