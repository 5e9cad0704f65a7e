# SPDX-License-Identifier: Apache-2.0
"""Claims about what may come a little later: looks at the cluster again until they hold, or the time is up."""

from __future__ import annotations

from collections.abc import Sequence

from harness.apps import claims
from harness.apps.context import ScenarioContext
from harness.apps.objects import Objects
from harness.errors import WaitTimeout
from harness.verdicts import Finding, Verdict
from harness.waiting import until

_EVENTS_SECONDS = 15.0
"""How long after the last state an event may come: client-go's recorder sends them behind the operator's back, and
tries again up to twelve times, ten seconds apart, where the API server does not answer (tools/record, event.go)."""


def events(
    ctx: ScenarioContext,
    objects: Objects,
    name: str,
    wanted: Sequence[str] = claims.SUCCESS_EVENTS,
    *,
    executors: bool = True,
) -> Finding:
    """`claims.events` of what the namespace has now or within _EVENTS_SECONDS. Raises ApiError."""

    def look() -> Finding:
        return claims.events(objects.events(), name, wanted, executors=executors)

    try:
        return until(
            look,
            lambda it: it.verdict is Verdict.PASSED,
            what=f"the events about {name}",
            timeout=ctx.within(_EVENTS_SECONDS),
        )
    except WaitTimeout:
        return look()
