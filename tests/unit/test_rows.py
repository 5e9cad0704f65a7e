# SPDX-License-Identifier: Apache-2.0
"""Where a new row goes in a file that people keep in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.foundry import rows

_TEXT = """# what people wrote

[[it]]
kind = "a"
at = "1.9.0"

[[it]]
kind = "a"
at = "1.10.0"

# about b
[[it]]
kind = "b"
at = "1.9.0"
"""


@pytest.mark.parametrize(
    ("kind", "at", "order"),
    [
        ("a", "1.11.0", ["a 1.9.0", "a 1.10.0", "a 1.11.0", "b 1.9.0"]),
        ("a", "1.9.5", ["a 1.9.0", "a 1.9.5", "a 1.10.0", "b 1.9.0"]),
        ("a", "1.2.0", ["a 1.2.0", "a 1.9.0", "a 1.10.0", "b 1.9.0"]),
        ("b", "1.2.0", ["a 1.9.0", "a 1.10.0", "b 1.2.0", "b 1.9.0"]),
        ("c", "1.2.0", ["a 1.9.0", "a 1.10.0", "b 1.9.0", "c 1.2.0"]),
    ],
)
def test_a_row_goes_where_its_version_belongs_among_its_kin(
    tmp_path: Path, kind: str, at: str, order: list[str]
) -> None:
    file = tmp_path / "it.toml"
    file.write_text(_TEXT)

    rows.insert(file, "it", f'[[it]]\nkind = "{kind}"\nat = "{at}"\n', key="at", like=["kind"])

    text = file.read_text()
    assert [" ".join(found) for found in re.findall(r'kind = "(.*)"\nat = "(.*)"', text)] == order
    assert text.startswith("# what people wrote\n\n[[it]]")
    assert "\n\n\n" not in text
