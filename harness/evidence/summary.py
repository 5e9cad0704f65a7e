# SPDX-License-Identifier: Apache-2.0
"""The first page of a cell's evidence, `summary.md`: problems first, the list of collected files last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.evidence import observed
from harness.evidence.markdown import fenced, prose
from harness.evidence.observed import Application
from harness.kube.models import Deployment, Event, Pod
from harness.redaction.redactor import Redactor
from harness.verdicts import Finding, Verdict
from harness.wording import counted

_EVENTS = 20
_ERRORS = 15
_FINE_STATES = ("COMPLETED", "Scheduled", "Ready", "RUNNING")


@dataclass(frozen=True, kw_only=True)
class Collected:
    """The result of a collector, in words. `seconds` is its duration."""

    name: str
    message: str
    ok: bool
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the API server returned about the cell's and the operator's namespaces. Pods are sorted worst first."""

    pods: Sequence[Pod] = ()
    events: Sequence[Event] = ()
    applications: Sequence[Application] = ()
    deployments: Sequence[Deployment] = ()
    operator_errors: Sequence[str] = ()


def write_summary(
    path: Path,
    *,
    title: str,
    findings: Sequence[Finding],
    seen: Seen,
    collected: Sequence[Collected],
    versions: Mapping[str, str],
    redactor: Redactor,
) -> None:
    """Write the page as Markdown, redacted."""
    lines = [f"# {title}", ""]
    lines += _checks(findings)
    lines += _gaps(collected)
    lines += _applications(seen.applications)
    lines += _deployments(seen.deployments)
    lines += _pods(seen.pods)
    lines += _events(seen.events)
    lines += _operator(seen.operator_errors)
    lines += _versions(versions)
    lines += _collected(collected)
    path.write_text(redactor.text("\n".join(lines)), errors="replace")


def _checks(findings: Sequence[Finding]) -> Iterator[str]:
    wrong = sorted(
        (finding for finding in findings if finding.verdict is not Verdict.PASSED),
        key=lambda finding: -finding.verdict.severity,
    )
    yield "## Checks that did not pass"
    yield ""
    for finding in wrong:
        yield f"- **{finding.check}** ({finding.verdict}): {prose(finding.message)}"
        for name, value in finding.evidence.items():
            shown = value if isinstance(value, str) else json.dumps(value, default=str)
            yield f"  - {name}: {_one_line(shown)}"
    passed = len(findings) - len(wrong)
    if not wrong:
        yield "None." if findings else "No check ran before the cell ended."
    if passed:
        yield ""
        yield f"{passed} passed."
    yield ""


def _gaps(collected: Sequence[Collected]) -> Iterator[str]:
    broken = [result for result in collected if not result.ok]
    if broken:
        yield "## What could not be collected"
        yield ""
        yield from (f"- {result.name}: {_one_line(result.message)}" for result in broken)
        yield ""


def _applications(applications: Sequence[Application]) -> Iterator[str]:
    if not applications:
        return
    yield "## Applications"
    yield ""
    for it in sorted(applications, key=lambda it: it.state in _FINE_STATES):
        yield f"- {it.kind} {it.namespace}/{it.name}: {it.state}" + (f": {_one_line(it.message)}" if it.message else "")
    yield ""


def _deployments(deployments: Sequence[Deployment]) -> Iterator[str]:
    wrong = [it for it in deployments if it.ready < it.replicas or observed.complaints(it)]
    if not wrong:
        return
    yield "## Deployments that are not ready"
    yield ""
    for it in wrong:
        yield f"- {it.namespace}/{it.name}: {it.ready} of {it.replicas} ready"
        yield from (f"  - {_one_line(problem)}" for problem in observed.complaints(it))
    yield ""


def _pods(pods: Sequence[Pod]) -> Iterator[str]:
    if not pods:
        return
    wrong = [pod for pod in pods if not observed.healthy(pod)]
    yield "## Pods that are not ready, were restarted, or are pending"
    yield ""
    for pod in wrong:
        ready = "ready" if pod.ready else "not ready"
        yield f"- {pod.namespace}/{pod.name}: {pod.phase}, {ready}, restarts {pod.restarts}"
        yield from (f"  - {_one_line(problem)}" for problem in observed.problems(pod))
    healthy = len(pods) - len(wrong)
    if healthy:
        yield f"- {healthy} of {len(pods)} pods: ready or succeeded, and never restarted"
    yield ""


def _events(events: Sequence[Event]) -> Iterator[str]:
    warnings = [event for event in events if event.kind == "Warning"]
    if not events:
        return
    yield "## Warning events, latest first"
    yield ""
    for event in reversed(warnings[-_EVENTS:]):
        times = f" (×{event.count})" if event.count > 1 else ""
        yield f"- {event.time} {event.reason} {event.about}{times}: {_one_line(event.message)}"
    if len(warnings) > _EVENTS:
        yield f"- {len(warnings) - _EVENTS} earlier ones: see events/"
    if not warnings:
        yield f"None among {counted(len(events), 'event')}."
    yield ""


def _operator(errors: Sequence[str]) -> Iterator[str]:
    if not errors:
        return
    yield "## Last errors in the operator's logs"
    yield ""
    yield from fenced(errors[-_ERRORS:])
    yield ""


def _versions(versions: Mapping[str, str]) -> Iterator[str]:
    if versions:
        yield "## Versions and digests"
        yield ""
        yield from (f"- {name}: {value}" for name, value in versions.items())
        yield ""


def _collected(collected: Sequence[Collected]) -> Iterator[str]:
    yield "## What was collected"
    yield ""
    yield from (
        f"- {result.name}: {_one_line(result.message)} ({result.seconds:.1f} s)" for result in collected if result.ok
    )
    yield ""
    yield "Secrets are not collected; tokens, passwords and keys in everything else are replaced by `***`."
    yield ""


def _one_line(text: str) -> str:
    return prose(" ".join(text.split()))
