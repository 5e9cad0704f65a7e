# SPDX-License-Identifier: Apache-2.0
"""Asks the API server for dry-run creates, again and again, and notes what came of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """What a dry-run create came to."""

    MUTATED = "mutated"
    UNMUTATED = "unmutated"
    REJECTED = "rejected"
    WEBHOOK_AWAY = "webhook-away"
    SERVER_AWAY = "server-away"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One dry-run create: when it was asked for, how many seconds it took, and what came of it, in the server's words.

    MUTATED: accepted, and the webhook had filled in its defaults; UNMUTATED: accepted without them; REJECTED: the
    webhook or the API server refused a valid application; WEBHOOK_AWAY: the API server could not call the webhook;
    SERVER_AWAY: the API server itself did not answer.
    """

    at: datetime
    seconds: float
    outcome: Outcome
    message: str = ""
