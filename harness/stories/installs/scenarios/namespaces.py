# SPDX-License-Identifier: Apache-2.0
"""namespaces: the operator works in the namespaces that it was given, and leaves all others alone."""

from __future__ import annotations

from collections.abc import Iterator

from harness.apps import awaited, claims, samples
from harness.apps.applications import parse, until_end
from harness.apps.context import ScenarioContext
from harness.apps.leftovers import delete_all
from harness.apps.objects import APPLICATION, Objects
from harness.apps.states import State
from harness.apps.trial import trial
from harness.errors import ApiError
from harness.matrix.model import Scenario
from harness.verdicts import Finding, failed, passed
from harness.waiting import Deadline, pause, until

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="namespaces",
    summary="an application in a namespace that the operator does not watch is left alone",
    images=(_VALUES.spark.image,),
    takes_for_granted=("named-namespaces",),
)

_UNTOUCHED_SECONDS = 15.0
"""At least so long the application elsewhere is left: several times what the operator needs to submit one."""

_GONE_SECONDS = 60.0


def run(ctx: ScenarioContext) -> list[Finding]:
    """Create the same application in a listed namespace and in one that the operator was never told about."""
    return trial(ctx, _steps)


def _steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    elsewhere = Objects(ctx.api(), f"{ctx.namespace}-unlisted")
    elsewhere.core.create_namespace({"metadata": {"name": elsewhere.namespace}})
    try:
        manifests = samples.render(ctx, "spark-pi")
        elsewhere.create(_moved(manifest, elsewhere.namespace) for manifest in manifests)
        since = Deadline(seconds=_UNTOUCHED_SECONDS)
        (made,) = objects.create(manifests)
        course = until_end(ctx, objects, made)
        yield claims.states(course)
        yield claims.pods(
            course.pods.values(),
            image=ctx.spark_images[_VALUES.spark.version],
            service_account=samples.account(ctx),
            owned=ctx.webhook,
        )
        yield awaited.events(ctx, objects, course.last.name)
        pause(since.left, what="watching an application stay untouched")
        yield _untouched(elsewhere, since.elapsed)
    finally:
        _remove(elsewhere)


def _moved(manifest: samples.Manifest, namespace: str) -> samples.Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


def _untouched(elsewhere: Objects, seconds: float) -> Finding:
    """No state, no pod, no event: the operator has not even looked."""
    (raw,) = elsewhere.all(APPLICATION)
    application = parse(raw)
    pods = [str(pod) for pod in elsewhere.spark_pods()]
    events = [f"{event.about} {event.reason}" for event in elsewhere.events()]
    if application.state is not State.NEW or application.submission or pods or events:
        return failed(
            "unlisted-untouched",
            f"in {elsewhere.namespace}, which is not listed: state {application.state or '(new)'}, "
            f"pods {', '.join(pods) or 'none'}, events {', '.join(events) or 'none'}",
        )
    return passed(
        "unlisted-untouched",
        f"{seconds:.0f} s after its creation the application in {elsewhere.namespace} has no state, pod or event",
        seconds=round(seconds, 1),
    )


def _remove(elsewhere: Objects) -> None:
    """Take the namespace away; its name is free again when this returns."""
    delete_all(elsewhere)
    elsewhere.core.delete_namespace(elsewhere.namespace)
    until(
        lambda: _exists(elsewhere),
        lambda there: not there,
        what=f"the namespace {elsewhere.namespace} to be gone",
        timeout=_GONE_SECONDS,
    )


def _exists(elsewhere: Objects) -> bool:
    try:
        elsewhere.core.read_namespace(elsewhere.namespace)
    except ApiError as error:
        if error.status == 404:
            return False
        raise
    return True
