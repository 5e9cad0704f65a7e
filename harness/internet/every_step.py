# SPDX-License-Identifier: Apache-2.0
"""All steps of the rehearsal, in their order."""

from __future__ import annotations

from harness.internet.mirrored import MIRROR
from harness.internet.rehearsed import CLEAN, UPSTREAM
from harness.internet.steps import Step


def every_step() -> list[Step]:
    """The steps about the source `upstream`, those about `mirror`, and the removal of all that they made."""
    return [*UPSTREAM, *MIRROR, CLEAN]
