# SPDX-License-Identifier: Apache-2.0
"""How texts write the versions of a chart that Helm may take (Masterminds/semver, Checking Version Constraints)."""

from __future__ import annotations

NUMBER = r"(?:~>[ ]?(?=\d))?[~^=]?v?\d[\w.+*-]*"
"""A chart's version, or what allows some: `~> 2.1` is `~2.1`, whichever tool hands it to Helm."""
BOUND = r"(?:[<>]=?|=[<>])[ ]?v?\d[\w.]*(?:-[\w.]+)?"
"""One end of what is allowed: `>=2.0.0`."""
_ONE = rf"(?:v?\d[\w.]*[ ]-[ ]v?\d+\.\d+[\w.]*(?![\w-])|{BOUND}(?:,?[ ]?{BOUND})?|{NUMBER})"
CONSTRAINT = rf"{_ONE}(?:[ ]?\|\|[ ]?{_ONE})*"
"""All that is allowed: `>=1.1 <2`, `1.1.0 - 1.4.6`, `1.x || ^2.3`."""


def is_before_2(version: str) -> bool:
    """Whether a chart is one of before 2.0.0, whose registry and repository are one value."""
    return version.startswith(("0.", "1."))
