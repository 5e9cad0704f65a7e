# SPDX-License-Identifier: Apache-2.0
"""The findings of an audit: rule, severity, message and replacement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """From worst to best. error: the pull fails or gets the wrong image; warning: it will cause trouble; note: for
    information."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of an audit; `name` is stable, `meaning` a sentence for SARIF and the documents."""

    name: str
    severity: Severity
    meaning: str


_RULES = (
    Rule(
        name="stale-registry",
        severity=Severity.ERROR,
        meaning="The reference points to a registry that this version of the image has moved away from.",
    ),
    Rule(
        name="old-release",
        severity=Severity.WARNING,
        meaning="The reference names a release that exists only in the former registry, which gets no new releases.",
    ),
    Rule(
        name="mixed-up-host",
        severity=Severity.ERROR,
        meaning="The reference combines the host of one registry with the repository of another.",
    ),
    Rule(
        name="not-published",
        severity=Severity.ERROR,
        meaning="The reference names a version that was published only in another registry.",
    ),
    Rule(
        name="tag-with-v",
        severity=Severity.ERROR,
        meaning="The tag starts with v: Git tags of the project do, tags of its images do not.",
    ),
    Rule(
        name="host-in-repository",
        severity=Severity.ERROR,
        meaning="The repository begins with a host, and the chart puts its registry before it.",
    ),
    Rule(
        name="chart-address",
        severity=Severity.ERROR,
        meaning="The address of an image is written where a chart's address belongs.",
    ),
    Rule(
        name="chart-repository-gone",
        severity=Severity.ERROR,
        meaning="The Helm repository does not exist any more.",
    ),
    Rule(
        name="old-chart",
        severity=Severity.WARNING,
        meaning="The version of the chart belongs to a release whose image is in the former registry.",
    ),
    Rule(
        name="not-known",
        severity=Severity.NOTE,
        meaning="The reference is filled in by a template, so what it becomes is not known.",
    ),
    Rule(name="malformed", severity=Severity.ERROR, meaning="The text is not an image reference."),
    Rule(
        name="mutable-tag",
        severity=Severity.WARNING,
        meaning="The tag is missing or moves with every release, so a restart may pull another image.",
    ),
    Rule(name="no-digest", severity=Severity.NOTE, meaning="The tag is not pinned by a digest."),
    Rule(name="missing", severity=Severity.ERROR, meaning="The registry does not have the image."),
    Rule(
        name="refused",
        severity=Severity.ERROR,
        meaning="The registry denies access to the image: it is private or does not exist.",
    ),
    Rule(
        name="no-image",
        severity=Severity.WARNING,
        meaning="The name is that of a chart or another artifact, and not of a container image.",
    ),
    Rule(name="private", severity=Severity.WARNING, meaning="The image can only be pulled with credentials."),
    Rule(name="one-platform", severity=Severity.NOTE, meaning="The image is available for one platform only."),
    Rule(
        name="no-provenance",
        severity=Severity.NOTE,
        meaning="Neither labels nor annotations name the source and revision that the image was built from.",
    ),
    Rule(name="unsigned", severity=Severity.NOTE, meaning="The image has neither a signature nor an attestation."),
    Rule(name="unreadable", severity=Severity.WARNING, meaning="A file could not be read and was not audited."),
)

RULES = {rule.name: rule for rule in _RULES}
"""All rules by name."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. `replacement` is what to write instead, or empty if only the author can know.

    `same` says that the replacement is another name of the same version, not another version.
    """

    rule: str
    message: str
    replacement: str = ""
    same: bool = True

    @property
    def severity(self) -> Severity:
        """The severity of its rule."""
        return RULES[self.rule].severity

    def __str__(self) -> str:
        if not self.replacement:
            return self.message
        return f"{self.message}; {'write' if self.same else 'there is'} {self.replacement}"
