# SPDX-License-Identifier: Apache-2.0
"""How every scenario is run: claims one by one, a verdict for whatever interrupts them, an empty namespace after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from harness.apps import applications, claims
from harness.apps.context import ScenarioContext
from harness.apps.leftovers import check_nothing_left, there_before
from harness.apps.logs import pod_log
from harness.apps.objects import Objects, Refused
from harness.apps.pods import SparkPod, by_role
from harness.errors import ApiError, WaitTimeout
from harness.kube import others
from harness.kube.api import listed
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


def _refused(ctx: ScenarioContext, objects: Objects, pods: Sequence[SparkPod]) -> list[str]:
    """What the admission of others said of pods that are not there: executors, of which the driver's log tells alone,
    and servers, of which the operator's does. Raises ApiError.
    """
    drivers = [it.name for it in by_role(pods, "driver") if it.phase == "Running"]
    of_drivers = [line for it in drivers for line in others.in_log(pod_log(objects.core, ctx.namespace, it))]
    operators = [it["metadata"]["name"] for it in listed(objects.core.list_namespaced_pod, ctx.operator_namespace)]
    logs = (pod_log(objects.core, ctx.operator_namespace, it) for it in operators)
    of_operators = [line for log in logs for line in others.in_log(log) if ctx.namespace in line]
    return list(dict.fromkeys((*of_drivers, *of_operators)))


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
        if refused := _refused(ctx, objects, pods):
            evidence["refused"] = refused
            message = f"{message}; {refused[-1]}"
        return applications.late(objects, "in-time", WaitTimeout(message, late.next_step), **evidence)
    except ApiError as error:
        return errored("in-time", f"{late}; the API server does not answer: {error}")
