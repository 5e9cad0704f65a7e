# SPDX-License-Identifier: Apache-2.0
"""What a measurement came to: a ratio against its baseline, and all that was measured, with the machine."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.processors import usable


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`ratio` is the time through the harness by that of the baseline; `note` says what it does not prove.

    What was only tried, and not measured well enough for its limit, is not `judged`.
    """

    ratio: float
    limit: float
    measured: Mapping[str, Any]
    note: str = ""
    judged: bool = True

    @property
    def holds(self) -> bool:
        """Whether the ratio is within its limit, or is not judged."""
        return not self.judged or self.ratio <= self.limit

    def __str__(self) -> str:
        limit = f"at most {self.limit}" if self.judged else f"the limit of {self.limit} is not checked with --quick"
        message = f"ratio: {self.ratio:.2f} ({limit})"
        return f"{message}; {self.note}" if self.note else message

    def write(self, file: Path) -> None:
        """Write everything as JSON."""
        document: dict[str, Any] = {
            "machine": machine(),
            "ratio": self.ratio,
            "limit": self.limit,
            "judged": self.judged,
        }
        document |= {"note": self.note, **self.measured}
        file.write_text(json.dumps(document, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """The machine that a measurement was made on."""
    return {
        "cpus": os.cpu_count(),
        "processors": usable(),
        "memory_mib": psutil.virtual_memory().total >> 20,
        "kernel": platform.release(),
    }
