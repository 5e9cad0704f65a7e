# SPDX-License-Identifier: Apache-2.0
"""Verdicts and findings: the words in which every check speaks."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Verdict(StrEnum):
    """What a check, or a cell, came to. Listed from best to worst."""

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

    `check` names the claim (`images-from-registry`), `message` says in one sentence what was seen,
    `evidence` holds small facts (digests, counts, object names) that a reader needs to believe it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: str
    verdict: Verdict
    message: str
    evidence: dict[str, Any] = Field(default_factory=dict)


def passed(check: str, message: str, **evidence: Any) -> Finding:
    """A claim that was looked at and held."""
    return Finding(check=check, verdict=Verdict.PASSED, message=message, evidence=evidence)


def failed(check: str, message: str, **evidence: Any) -> Finding:
    """A claim that was looked at and did not hold."""
    return Finding(check=check, verdict=Verdict.FAILED, message=message, evidence=evidence)


def errored(check: str, message: str, **evidence: Any) -> Finding:
    """A claim that could not be looked at, through no fault of the product."""
    return Finding(check=check, verdict=Verdict.ERROR, message=message, evidence=evidence)


def unavailable(check: str, message: str, **evidence: Any) -> Finding:
    """A claim that could not be looked at because an input cannot be had."""
    return Finding(check=check, verdict=Verdict.UNAVAILABLE, message=message, evidence=evidence)


def worst(findings: Iterable[Finding]) -> Verdict:
    """The verdict of a cell: the worst of its findings; with no finding nothing was proved, so `error`."""
    verdicts = [finding.verdict for finding in findings]
    return max(verdicts, key=lambda verdict: verdict.severity) if verdicts else Verdict.ERROR
