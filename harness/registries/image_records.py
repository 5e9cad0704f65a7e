# SPDX-License-Identifier: Apache-2.0
"""What is recorded of an image that was used: its digest, and how and from where it was obtained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

_NOT_RUN = "not run here:"


class ImageRecord(BaseModel):
    """One image that was used: `registry` is the host in its name, `obtained` how and from where it was obtained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: str
    digest: str
    registry: str
    obtained: str

    def without(self, platforms: str) -> ImageRecord:
        """The record, which says what of the image no node here runs; the same where that is nothing."""
        if not platforms:
            return self
        return self.model_copy(update={"obtained": f"{self.obtained}; {_NOT_RUN} {platforms}"})


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What is known about images apart from their registry, by full reference.

    `imported` says where a user's image came from; `copies` which upstream image a relocated one is.
    """

    imported: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)

    def told(self, reference: str, otherwise: str) -> str:
        """How an image was obtained, for messages."""
        copied = f", relocated from {self.copies[reference]}" if reference in self.copies else ""
        return self.imported.get(reference, otherwise) + copied
