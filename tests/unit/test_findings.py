# SPDX-License-Identifier: Apache-2.0
"""The form of findings/: each can be run, says what it shows, cleans up, and names exact versions. None is run here."""

import os
import re
import subprocess
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[2] / "findings"
_SCRIPTS = sorted(_FOLDER.glob("*.sh"))
_HEADER = ("# Surprise: ", "# Guess: ", "# Hurt: ", "# Versions: ", "# Source: ")
_PINS = {
    r"\bpip(\[@\]\})?\"? (install|download)\b": r"==[0-9$]",
    r"\bgo (install|get|mod download)\b": r"@v[0-9]",
    r"\bnpm install\b": r"[^\s]@[0-9]",
    r"dependency:(get|copy)": r":[0-9]",
    r"\bapt-get download\b": r"=[0-9]",
}
"""What installs something, and what its line must then have: an exact version."""


def test_there_are_findings() -> None:
    assert _SCRIPTS


@pytest.mark.parametrize("script", _SCRIPTS, ids=lambda script: script.stem)
class TestScript:
    def test_can_be_run(self, script: Path) -> None:
        assert os.access(script, os.X_OK)
        subprocess.run(["bash", "-n", script], check=True, timeout=30)

    def test_says_what_it_shows_before_it_does_anything(self, script: Path) -> None:
        lines = script.read_text().splitlines()
        assert lines[:3] == ["#!/usr/bin/env bash", "# SPDX-License-Identifier: Apache-2.0", "#"]
        header = lines[: lines.index("set -euo pipefail")]
        assert all(line.startswith("#") for line in header)
        starts = [next(number for number, line in enumerate(header) if line.startswith(word)) for word in _HEADER]
        assert starts == sorted(starts)
        assert starts[0] == 3

    def test_removes_what_it_makes(self, script: Path) -> None:
        text = script.read_text()
        assert "work=$(mktemp -d)" in text
        assert re.search(r"^trap .+ EXIT$", text, re.MULTILINE)

    def test_installs_exact_versions_only(self, script: Path) -> None:
        text = script.read_text().replace("\\\n", " ")
        commands = [line for line in text.splitlines() if not line.startswith("#")]
        installs = [(line, pin) for line in commands for command, pin in _PINS.items() if re.search(command, line)]
        assert installs
        for line, pin in installs:
            assert re.search(pin, line), line
            assert not re.search(r"@latest|[<>~]=|[:@]LATEST", line), line

    def test_serves_on_loopback_only(self, script: Path) -> None:
        assert "0.0.0.0" not in script.read_text()  # noqa: S104 - the address is refused here

    def test_is_in_the_list(self, script: Path) -> None:
        assert f"[{script.stem}]({script.name})" in (_FOLDER / "README.md").read_text()


def test_the_list_names_only_what_is_there() -> None:
    listed = re.findall(r"\]\((\S+\.sh)\)", (_FOLDER / "README.md").read_text())
    assert sorted(listed) == [script.name for script in _SCRIPTS]
