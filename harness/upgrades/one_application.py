# SPDX-License-Identifier: Apache-2.0
"""One small application that is submitted and followed to its end: whether a release works at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.apps import samples, states
from harness.apps.objects import APPLICATION, Objects
from harness.apps.states import TERMINAL, State
from harness.errors import WaitTimeout
from harness.late import client
from harness.releases import lease_times
from harness.upgrades.creations import renamed
from harness.waiting import until

Values = Mapping[str, Any]

_SECONDS = 90.0


def run(api: client.ApiClient, rendering: samples.RenderedFor, name: str, values: Values) -> tuple[State, str]:
    """A new application of this name under a release with these values: its state at the end or at the deadline, and
    its error message.
    """
    seconds = _SECONDS + lease_times.longer(values)
    objects = Objects(api, rendering.namespace)
    objects.create(renamed(samples.render(rendering, "small"), name))

    def look() -> Mapping[str, Any]:
        return dict((objects.get(APPLICATION, name) or {}).get("status") or {})

    try:
        status = until(look, lambda it: states.read(it) in TERMINAL, what=f"{name} to end", timeout=seconds)
    except WaitTimeout as late:
        return states.read(look()), late.message
    return states.read(status), str(status["applicationState"].get("errorMessage", ""))
