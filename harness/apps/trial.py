# SPDX-License-Identifier: Apache-2.0
"""How every scenario is run: claims one by one, a verdict for whatever interrupts them, an empty namespace after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from harness.apps import applications, claims, refusals
from harness.apps.context import ScenarioContext
from harness.apps.leftovers import check_nothing_left, there_before
from harness.apps.objects import Objects, Refused
from harness.errors import ApiError, WaitTimeout
from harness.kube.interruptions import finding_of
from harness.verdicts import Finding, Verdict, errored, failed
from harness.waiting import Cancelled

Steps = Callable[[ScenarioContext, Objects], Iterable[Finding]]


def trial(ctx: ScenarioContext, steps: Steps) -> list[Finding]:
    """Take the findings of `steps` one after the other, then check that nothing is left.

    A wait that timed out and an object that was refused are failures of the product; an API server that is away, a
    program that is missing and the like are errors. Either way the findings so far are kept. Raises Cancelled only.
    """
    findings: list[Finding] = []
    before = there_before(ctx)
    try:
        for finding in _guarded(ctx, steps):
            findings.append(_of_guest(finding) if ctx.cluster.marks else finding)
    finally:
        if any(finding.verdict is not Verdict.PASSED for finding in findings):
            ctx.before_deletion(tuple(findings))
    findings.append(check_nothing_left(ctx, before=before))
    return findings


def _of_guest(finding: Finding) -> Finding:
    """The finding in a cluster of a user's: there, a policy may have pods pull from a mirror, whatever they ask for."""
    if finding.verdict is not Verdict.FAILED or not finding.evidence.get(claims.REWRITTEN):
        return finding
    message = f"something in this cluster seems to rewrite the images of pods: {finding.message}"
    return errored(finding.check, message, **finding.evidence)


def _guarded(ctx: ScenarioContext, steps: Steps) -> Iterator[Finding]:
    try:
        yield from steps(ctx, Objects(ctx.api(), ctx.namespace))
    except Cancelled:
        raise
    except Refused as refused:
        yield failed("accepted", str(refused))
    except WaitTimeout as late:
        yield _late(ctx, late)
    except Exception as error:
        yield finding_of("ran-to-its-end", error)


def _late(ctx: ScenarioContext, late: WaitTimeout) -> Finding:
    """What a timeout means: nothing about the product when the API server does not answer."""
    try:
        objects = Objects(ctx.api(), ctx.namespace)
        pods = objects.spark_pods()
        message = f"{late.message}; pods: {', '.join(map(str, pods)) or 'none'}"
        evidence: dict[str, Any] = {
            "pods": [claims.facts(pod) for pod in pods],
            "events": [f"{event.about} {event.reason}: {event.message}" for event in objects.events()[-15:]],
        }
        of_executors = refusals.of_executors(objects.core, ctx.namespace, pods)
        of_servers = refusals.of_servers(objects.core, ctx.namespace, ctx.operator_namespace)
        if refused := list(dict.fromkeys((*of_executors, *of_servers))):
            evidence["refused"] = refused
            message = f"{message}; {refused[-1]}"
        return applications.late(objects, "in-time", WaitTimeout(message, late.next_step), **evidence)
    except ApiError as error:
        return errored("in-time", f"{late}; the API server does not answer: {error}")
