# SPDX-License-Identifier: Apache-2.0
"""Verdicts and findings: what every check returns."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Verdict(StrEnum):
    """The outcome of a check or a cell, listed from best to worst."""

    PASSED = "passed"
    BROKEN_AS_KNOWN = "broken-as-known"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"
    ERROR = "error"

    @property
    def severity(self) -> int:
        """Position in the order from best (0) to worst."""
        return list(Verdict).index(self)


class Finding(BaseModel):
    """One claim, proved or refuted.

    `check` names the claim (`images-from-registry`), `message` says in one sentence what was observed,
    `evidence` holds small facts (digests, counts, object names) that a reader needs to believe it. `decides` is whether
    a cell's verdict rests on it: not on a claim about what the user's own values switch off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: str
    verdict: Verdict
    message: str
    evidence: dict[str, Any] = Field(default_factory=dict)
    decides: bool = True


def passed(check: str, message: str, **evidence: Any) -> Finding:
    """A claim that was checked and holds."""
    return Finding(check=check, verdict=Verdict.PASSED, message=message, evidence=evidence)


def failed(check: str, message: str, **evidence: Any) -> Finding:
    """A claim that was checked and does not hold."""
    return Finding(check=check, verdict=Verdict.FAILED, message=message, evidence=evidence)


def errored(check: str, message: str, **evidence: Any) -> Finding:
    """A claim that could not be checked, through no fault of the product."""
    return Finding(check=check, verdict=Verdict.ERROR, message=message, evidence=evidence)


def unavailable(check: str, message: str, **evidence: Any) -> Finding:
    """A claim that could not be checked because an input is not available."""
    return Finding(check=check, verdict=Verdict.UNAVAILABLE, message=message, evidence=evidence)


def switched_off(check: str, message: str, **evidence: Any) -> Finding:
    """A claim about something that the user's values switch off. It does not decide about a cell."""
    return Finding(check=check, verdict=Verdict.UNAVAILABLE, message=message, evidence=evidence, decides=False)


def worst(findings: Iterable[Finding]) -> Verdict:
    """The verdict of a cell: the worst of its findings, or `error` without findings, since nothing was proved.

    Findings that do not decide count only where there are no others.
    """
    found = list(findings)
    verdicts = [it.verdict for it in found if it.decides] or [it.verdict for it in found]
    return max(verdicts, key=lambda verdict: verdict.severity) if verdicts else Verdict.ERROR
