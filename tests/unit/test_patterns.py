# SPDX-License-Identifier: Apache-2.0
"""Regular expressions mean the same with every Python that the harness runs with."""

from __future__ import annotations

import re

from harness.home import PACKAGE

_POSSESSIVE = re.compile(r"\)(?:[*+?]|\{{1,2}[\d,]+\}{1,2})\+")


def test_no_group_is_possessive() -> None:
    """Up to 3.11.4, one that backtracks within may match what it should not (gh-106052); Debian 12 has 3.11.2.

    An atomic group is right: `(?>(?:a|bc)*)` in the place of `(?:a|bc)*+`.
    """
    assert re.match("(?>(?:ab?c){1,3})", "acaca")[0] == "acac"  # type: ignore[index]
    found = [
        f"{file.relative_to(PACKAGE)}:{number}"
        for file in sorted(PACKAGE.rglob("*.py"))
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if _POSSESSIVE.search(line)
    ]
    assert found == []
