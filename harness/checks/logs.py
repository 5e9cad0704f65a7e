# SPDX-License-Identifier: Apache-2.0
"""A claim about logs: no `forbidden` and no panic, apart from what is known to be normal for the release."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.kube.models import Log
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.releases.own_containers import is_own_container
from harness.releases.serving import runs
from harness.verdicts import Finding, errored, failed, passed, switched_off
from harness.wording import counted

_BAD = re.compile(r"\bforbidden\b|\bpanic(?:ked)?\b|^goroutine \d+ \[running\]|^fatal error:", re.IGNORECASE)
_SHOWN = 10
_QUIET = frozenset({"warn", "error", "dpanic", "panic", "fatal"})


def clean(observed: ObservedOperator) -> Finding:
    """No container logged `forbidden` or a panic; known_log_noise of the release that it runs is left out."""
    name = "logs-clean"
    if isinstance(observed.logs, Unseen):
        return errored(name, observed.logs.reason)
    pods = {it.name: it for it in observed.pods} if not isinstance(observed.pods, Unseen) else {}
    lines = known = 0
    bad: list[str] = []
    for log in own(observed.logs):
        release = runs(observed, pods[log.pod]) if log.pod in pods else observed.release
        noise = [re.compile(pattern) for pattern in release.known_log_noise]
        for line in log.text.splitlines():
            lines += 1
            if not _BAD.search(line):
                continue
            if any(pattern.search(f"{log.container} {line.strip()}") for pattern in noise):
                known += 1
            else:
                bad.append(f"{log.pod}/{log.container}{' (previous)' if log.previous else ''}: {line.strip()}")
    if not lines and (level := _quiet(observed)):
        return switched_off(name, f"nothing was logged, and the values have nothing but {level} logged (logLevel)")
    if not lines:
        return errored(
            name, f"{counted(len(observed.logs), 'container has', 'containers have')} logged nothing to check"
        )
    if bad:
        return failed(
            name,
            f"{counted(len(bad), 'line reports', 'lines report')} problems, the first: {bad[0]}",
            lines=bad[:_SHOWN],
            known=known,
        )
    return passed(
        name,
        f"{counted(lines, 'line')} in {counted(len(observed.logs), 'log')}, no known sign of trouble",
        lines=lines,
        known=known,
    )


def own(logs: Sequence[Log]) -> list[Log]:
    """Those of the operator's own containers, beside which sidecars and others' pods may log what they like."""
    return [it for it in logs if is_own_container(it.container)] or list(logs)


def _quiet(observed: ObservedOperator) -> str:
    """The level at which all Deployments log, where a sound operator logs nothing at it; else empty."""
    deployments = () if isinstance(observed.deployments, Unseen) else observed.deployments
    levels = {it.flag("zap-log-level") for it in deployments}
    return " or ".join(sorted(levels)) if levels and levels <= _QUIET else ""
