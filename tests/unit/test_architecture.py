# SPDX-License-Identifier: Apache-2.0
"""The rooms: the folders, the contract on their imports and the document that explains them agree."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def contract() -> list[str]:
    """The rooms in the order that import-linter enforces, highest first."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = [it["layers"] for it in tool["contracts"] if it["type"] == "layers"]
    return list(layers)


def folders() -> set[str]:
    """The modules and packages directly below harness/."""
    found = (ROOT / "harness").iterdir()
    return {
        path.stem
        for path in found
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").is_file()
    }


def documented() -> list[str]:
    """The rooms in the order of the table in docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    return re.findall(r"^\| `harness/([a-z_]+)(?:\.py|/)` \|", text, re.M)


def test_every_room_has_its_place_in_the_contract() -> None:
    assert sorted(contract()) == sorted(folders())


def test_the_document_lists_the_rooms_in_the_order_of_the_contract() -> None:
    assert documented() == contract()


def test_the_picture_names_every_room_of_a_cell() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    picture = text[text.index("```mermaid") : text.index("Frozen dataclasses")]
    low_level_models = {"cluster", "machine", "options", "parser"}
    assert [
        room for room in contract() if room not in low_level_models and not re.search(rf"\b{room}\b", picture)
    ] == []


def test_no_two_modules_of_tests_have_one_name() -> None:
    """pytest imports them by their names alone, and cannot collect two of one name in one run."""
    named = Counter(path.name for path in (ROOT / "tests").glob("*/test_*.py"))
    assert [name for name, times in named.items() if times > 1] == []
