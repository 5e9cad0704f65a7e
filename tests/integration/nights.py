# SPDX-License-Identifier: Apache-2.0
"""A month of made-up runs at night, for looking at the page of a trend."""

from __future__ import annotations

from datetime import timedelta

import report_gallery as gallery

from harness.report.model import RunResult
from harness.verdicts import passed


def nights(number: int = 30) -> list[RunResult]:
    """A month of nights: figures that move, a cell that began to break, one that is new, one night without some."""
    found = []
    for night in range(number):
        outage = 350 + 40 * (night % 5) + (900 if night == number - 1 else 0)
        admission = [passed("outage", f"creates were refused for {outage} ms", outage_ms=outage)]
        cells = [gallery.installed("kind-1.34", "spark-pi", took=16.0 + night % 4)]
        if night != number // 3:
            cells += gallery.moved("upgrade-2.4.0-2.5.2+crds=apply", {"admission": admission})
        changed = {"submissions": gallery.STRUCK} if night >= number - 3 else {}
        cells += gallery.moved("upgrade-2.2.1@docker.io-2.5.2+crds=apply", changed)
        if night > number // 2:
            cells.append(gallery.installed("kind-1.36", "retry"))
        made = gallery._run(cells)
        begun = made.started + timedelta(days=night)
        found.append(made.model_copy(update={"run_id": f"202608{night + 1:02}-100000-ab12", "started": begun}))
    return found
