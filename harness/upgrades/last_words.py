# SPDX-License-Identifier: Apache-2.0
"""Why drivers failed: of one, the operator tells nothing but its exit status, and its log says the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from harness.apps.logs import driver_cause
from harness.apps.states import State
from harness.upgrades.workload_seen import ApplicationSeen


def heard(seen: Iterable[ApplicationSeen], core: Any) -> tuple[ApplicationSeen, ...]:
    """The applications; each that FAILED with the cause in the log of its last driver, through a CoreV1Api.

    Where there is no such log any more, or the API server does not answer, a reason has to do without.
    """
    return tuple(_heard(app, core) for app in seen)


def _heard(app: ApplicationSeen, core: Any) -> ApplicationSeen:
    if app.state is not State.FAILED or not app.drivers or app.drivers[-1].succeeded:
        return app
    return replace(app, driver_said=driver_cause(core, app.namespace, app.drivers[-1].name))
