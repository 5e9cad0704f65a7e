# SPDX-License-Identifier: Apache-2.0
"""pip, a real one without any index, under what its user has set for installs by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BuildError
from harness.foundry import pypi


def test_a_setting_for_installs_by_hand_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"nothing-of-this-name==1 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(BuildError, match="No matching distribution found for nothing-of-this-name"):
        pypi.install(requirements, tmp_path / "packages", tmp_path / "log", timeout=100)
