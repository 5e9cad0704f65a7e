# SPDX-License-Identifier: Apache-2.0
"""Inserts rows into the catalogues' TOML files, keeping comments and order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.matrix.versions import order


def insert(file: Path, table: str, row: str, *, key: str, like: Sequence[str] = ()) -> None:
    """Insert a row by its version, given by `key`, among the rows that have the same values of `like`.

    After the last one of a lower version, else before the first one of a higher; at the end if there are none.
    """
    head, *rows = re.split(rf"^(?=\[\[{table}\]\])", file.read_text(), flags=re.M)
    own = order(value(row, key))
    kin = [
        (number, order(value(text, key)))
        for number, text in enumerate(rows)
        if value(text, key) and all(value(text, other) == value(row, other) for other in like)
    ]
    behind = [number + 1 for number, other in kin if other < own]
    before = [number for number, other in kin if other > own]
    rows.insert(max(behind) if behind else min(before, default=len(rows)), row)
    file.write_text("\n\n".join(part.rstrip("\n") for part in (head, *rows)) + "\n")


def value(text: str, key: str) -> str:
    """The string that a row gives for a key; empty when it does not."""
    found = re.search(rf'^{key}\s*=\s*"([^"]*)"', text, re.M)
    return found[1] if found else ""
