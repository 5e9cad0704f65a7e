# SPDX-License-Identifier: Apache-2.0
"""Findings about a pull that failed: the pod's reason, the event's words, the diagnosis, the time to recover."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.kube import pull_messages
from harness.stories.registries import kubelet
from harness.verdicts import Finding, errored, failed, passed

if TYPE_CHECKING:
    from harness.kube.pull_messages import PullsLeft
    from harness.stories.registries.kubelet import Stuck


def seen(check: str, stuck: Stuck, *, says: str, warns: str = "", level: str = "") -> Finding:
    """The pod waits with the reasons that Kubernetes has for it, and its events say what the catalogue has measured.

    `level` is what the user of the operator sees above the pod.
    """
    facts = {
        "pod": stuck.pod,
        "image": stuck.image,
        "reasons": list(stuck.reasons),
        "event": stuck.message,
        "warnings": list(stuck.others),
        "seconds": stuck.after,
        "above": level,
    }
    wrong = kubelet.says(stuck, says)
    if not wrong and warns and not any(warns in it for it in stuck.others):
        wrong = f"no warning {warns} about {stuck.pod}: {'; '.join(stuck.others) or 'none'}"
    if not stuck.reasons or not set(stuck.reasons) <= set(kubelet.REASONS):
        wrong = f"{stuck.pod} waits with {', '.join(stuck.reasons) or 'nothing'}"
    if wrong:
        return failed(check, wrong, **facts)
    return passed(
        check,
        f"{stuck.pod} waits with {' and '.join(stuck.reasons)}, {stuck.after:.0f} s after it was made; the event says: "
        f"{stuck.message}{f'; {level}' if level else ''}",
        **facts,
    )


def diagnosed(check: str, stuck: Stuck, *, cause: str, left: PullsLeft | None = None) -> Finding:
    """The diagnosis names what the registry did."""
    failure = pull_messages.read(stuck.message, image=stuck.image)
    told = failure.with_limit(left)
    make = passed if cause and cause in told else failed if failure.is_recognised else errored
    return make(check, told if failure.is_recognised else str(failure), wanted=cause, fault=failure.fault.value)


def recovered(check: str, what: str, seconds: float, done: str) -> Finding:
    """It came right by itself once the cause was gone."""
    return passed(
        check,
        f"{done}, {what} started {seconds:.0f} s later by itself (the kubelet tries again after 10 s, 20 s, 40 s, … up "
        "to 300 s)",
        seconds=seconds,
    )


def all_of(
    name: str, stuck: Stuck, *, says: str, cause: str, warns: str = "", level: str = "", left: PullsLeft | None = None
) -> Iterator[Finding]:
    """What is claimed of each pull that is stuck."""
    yield seen(f"{name}-seen", stuck, says=says, warns=warns, level=level)
    yield diagnosed(f"{name}-diagnosed", stuck, cause=cause, left=left)
