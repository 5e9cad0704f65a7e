# SPDX-License-Identifier: Apache-2.0
"""Long outputs of outside software in their true shapes, each with the words that tell why it failed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a program printed, and what a reason has to begin with. `without` is what a reason must not have."""

    name: str
    text: str
    cause: str
    without: tuple[str, ...] = ()


_DATA = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())

NOISE: dict[str, str] = _DATA["noise"]
"""What such programs print that explains nothing, by a name."""

OUTPUTS = tuple(Output(**{**it, "without": tuple(it.get("without", ()))}) for it in _DATA["output"])


def output(name: str) -> Output:
    """One of them by its name."""
    return next(it for it in OUTPUTS if it.name == name)
