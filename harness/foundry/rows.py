# SPDX-License-Identifier: Apache-2.0
"""Puts rows into the TOML files of the catalogues, where comments and order are people's."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path


def insert(file: Path, table: str, row: str, goes_before: Callable[[str], bool]) -> None:
    """Put a row behind the last one of which `goes_before(its text)` holds; at the end where none is."""
    head, *rows = re.split(rf"^(?=\[\[{table}\]\])", file.read_text(), flags=re.M)
    place = max((number for number, text in enumerate(rows, 1) if goes_before(text)), default=len(rows))
    rows.insert(place, row)
    file.write_text("\n\n".join(part.rstrip("\n") for part in (head, *rows)) + "\n")


def value(text: str, key: str) -> str:
    """The string that a row gives for a key; empty when it does not."""
    found = re.search(rf'^{key}\s*=\s*"([^"]*)"', text, re.M)
    return found[1] if found else ""


def version(text: str) -> tuple[int, ...]:
    """`1.36.3` as numbers that can be compared; empty for no text."""
    return tuple(int(part) for part in text.split(".")) if text else ()
