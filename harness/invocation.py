# SPDX-License-Identifier: Apache-2.0
"""How commands are told to whoever is to run them: nox sessions in a checkout, `harness` itself in an installation."""

from __future__ import annotations

import re
from pathlib import Path

SHIPPED = "_data"
"""The folder of an installed package with copies of clusters/ and charts/; a checkout has none."""

INSTALLED = (Path(__file__).resolve().parent / SHIPPED).is_dir()

_COMMANDS = {
    "bootstrap e2e": "harness run --bootstrap",
    "bootstrap": "harness bootstrap",
    "e2e": "harness run",
    "matrix": "harness matrix",
    "clean": "harness clean",
}
_SESSION = re.compile(rf"\bnox -s ({'|'.join(_COMMANDS)})\b(?: --(?=\s))?")


def here(text: str, *, installed: bool = INSTALLED) -> str:
    """A text whose commands can be run where the harness is: an installation has neither nox nor its sessions."""
    return _SESSION.sub(lambda found: _COMMANDS[found[1]], text) if installed else text
