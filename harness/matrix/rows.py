# SPDX-License-Identifier: Apache-2.0
"""What all rows of the catalogues have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Base class of all catalogue rows: frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
