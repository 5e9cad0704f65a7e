# SPDX-License-Identifier: Apache-2.0
"""Claims about what other checks stand on. What is wrong here is the cluster's or the machine's, not the operator's.

Only a webhook that is slow while the API server is not is the operator's own.
"""

from __future__ import annotations

from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.verdicts import Finding, errored, failed, passed
from harness.wording import counted

_AHEAD_SECONDS = 5.0
"""More than clocks that are kept by NTP differ; a lease of the operator lasts 15 s."""

_SLOW_SECONDS = 5.0
"""Half of the timeout that the chart gives the webhook (webhook.timeoutSeconds)."""

_PLAIN_SECONDS = 1.0
"""What the API server needs for a dry run that it answers alone, on a host that is not too busy."""


def namespaces_active(observed: ObservedOperator) -> Finding:
    """Every job namespace is there and takes objects."""
    name = "job-namespaces"
    if isinstance(observed.footing, Unseen):
        return errored(name, observed.footing.reason)
    known = observed.footing.namespaces
    wrong = [f"{it} is {phase}" for it, phase in known.items() if phase != "Active"]
    if wrong:
        return errored(name, f"no application can be created in every job namespace: {'; '.join(wrong)}")
    return passed(name, f"{len(known)} job namespaces are Active", namespaces=sorted(known))


def clocks_agree(observed: ObservedOperator) -> Finding:
    """No node's clock is ahead of this machine's, by which ages of leases are judged, and the API server's is the same.

    By that, objects are made; what is asked for here, and when, is known by this machine's.
    """
    name = "clocks-agree"
    if isinstance(observed.footing, Unseen):
        return errored(name, observed.footing.reason)
    ahead = {node: by for node, by in observed.footing.ahead.items() if by > _AHEAD_SECONDS}
    server = observed.footing.server_ahead
    if abs(server) > _AHEAD_SECONDS:
        which = f"the API server's is {abs(server):.0f} s {'ahead' if server > 0 else 'behind'}"
        return errored(name, f"clocks differ from this machine's, so that ages and times prove nothing: {which}")
    if ahead:
        message = ", ".join(f"that of node {node} is {by:.0f} s ahead" for node, by in ahead.items())
        return errored(name, f"clocks differ from this machine's, so that ages and times prove nothing: {message}")
    return passed(
        name,
        f"clocks not ahead of this machine's: {counted(len(observed.footing.ahead), 'node')}",
    )


def admission_in_time(observed: ObservedOperator) -> Finding:
    """Applications are admitted well within the webhook's timeout, unless it is the API server that takes its time."""
    name = "admission-in-time"
    if isinstance(observed.pace, Unseen):
        return errored(name, observed.pace.reason)
    asked, plain = max(observed.pace.asked), max(observed.pace.plain)
    evidence = {"asked_s": round(asked, 2), "plain_s": round(plain, 2)}
    message = f"the admission of an application took up to {asked:.1f} s, and that of a ConfigMap {plain:.1f} s"
    if max(asked, plain) <= _SLOW_SECONDS:
        return passed(name, message, **evidence)
    if plain > _PLAIN_SECONDS:
        return errored(name, f"the API server itself is slow: {message}", **evidence)
    slow = sum(it > _SLOW_SECONDS for it in observed.pace.asked)
    if slow * 2 <= len(observed.pace.asked):
        # A webhook that is slow is so each time; an API server that stands still now and then may be awake when it is
        # asked for a ConfigMap.
        often = f"{slow} of {len(observed.pace.asked)} admissions were slow"
        return errored(name, f"{often}, as where the API server itself is slow now and then: {message}", **evidence)
    return failed(name, f"the webhook is slow: {message}", **evidence)
