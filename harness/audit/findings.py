# SPDX-License-Identifier: Apache-2.0
"""What an audit finds: a rule, how bad it is, what is wrong, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """From worst to best. An error cannot be pulled, or not as meant; a warning will hurt later; a note informs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that an audit looks for; `name` is stable, `meaning` a sentence for SARIF and the documents."""

    name: str
    severity: Severity
    meaning: str


_RULES = (
    Rule(
        name="stale-registry",
        severity=Severity.ERROR,
        meaning="The reference points at a registry from which this version of the image has moved away.",
    ),
    Rule(
        name="old-release",
        severity=Severity.WARNING,
        meaning="The reference names a release that is only in the former registry, which gets no new ones.",
    ),
    Rule(
        name="mixed-up-host",
        severity=Severity.ERROR,
        meaning="The reference joins the host of one registry with the repository of another.",
    ),
    Rule(
        name="not-published",
        severity=Severity.ERROR,
        meaning="The reference names a version that was published in another registry only.",
    ),
    Rule(
        name="tag-with-v",
        severity=Severity.ERROR,
        meaning="The tag begins with a v, as Git tags of the project do and tags of its images do not.",
    ),
    Rule(name="malformed", severity=Severity.ERROR, meaning="The text is not an image reference."),
    Rule(
        name="mutable-tag",
        severity=Severity.WARNING,
        meaning="The tag is missing or moves with every release, so that a restart may bring another image.",
    ),
    Rule(name="no-digest", severity=Severity.NOTE, meaning="The tag is not pinned by a digest."),
    Rule(name="missing", severity=Severity.ERROR, meaning="The registry does not have the image."),
    Rule(
        name="refused",
        severity=Severity.ERROR,
        meaning="The registry does not let this machine see the image: it is private, or not there.",
    ),
    Rule(name="private", severity=Severity.WARNING, meaning="The image can be pulled with credentials only."),
    Rule(name="one-platform", severity=Severity.NOTE, meaning="The image is there for one platform only."),
    Rule(
        name="no-provenance",
        severity=Severity.NOTE,
        meaning="Neither labels nor annotations say from which source and revision the image was built.",
    ),
    Rule(name="unsigned", severity=Severity.NOTE, meaning="The image has neither a signature nor an attestation."),
    Rule(name="unreadable", severity=Severity.WARNING, meaning="A file could not be read, so that it was not audited."),
)

RULES = {rule.name: rule for rule in _RULES}
"""Every rule by its name."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. `replacement` is what to write instead, or empty where only its author can know."""

    rule: str
    message: str
    replacement: str = ""

    @property
    def severity(self) -> Severity:
        """How bad it is: that of its rule."""
        return RULES[self.rule].severity

    def __str__(self) -> str:
        return f"{self.message}; write {self.replacement}" if self.replacement else self.message
