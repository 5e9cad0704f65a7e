# SPDX-License-Identifier: Apache-2.0
"""The tables of scenarios in docs/scenarios.md, from their summaries: `python -m harness.stories.page` writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from harness import home, stories
from harness.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "scenarios.md"

_TABLE = re.compile(r"<!-- scenarios: (?P<story>[\w-]+) -->\n\n(?P<head>\|.*\|\n\|.*\|\n)(?P<rows>(?:\|.*\|\n)*)")
"""A table under the name of its story. Its head is written by hand."""


def written(text: str) -> str:
    """The page with the rows of each table as they should be."""
    rows = _rows()

    def table(found: re.Match[str]) -> str:
        return f"<!-- scenarios: {found['story']} -->\n\n{found['head']}{rows.get(found['story'], '')}"

    return _TABLE.sub(table, text)


def write(page: Path = PAGE) -> None:
    """Write the tables anew."""
    page.write_text(written(page.read_text()))


def _rows() -> Mapping[str, str]:
    """The rows by the names of the stories, in alphabetical order."""
    found: dict[str, str] = {}
    for name, scenario in stories.scenarios().items():
        found[scenario.story] = f"{found.get(scenario.story, '')}| `{name}` | {scenario.summary} |\n"
    return found


if __name__ == "__main__":
    home.require_checkout("harness.stories.page")
    write()
