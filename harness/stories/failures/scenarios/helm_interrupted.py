# SPDX-License-Identifier: Apache-2.0
"""fault-helm-interrupted: Helm is ended in the middle of an upgrade, once asked to and once without warning."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

import yaml

from harness import causes, late, process
from harness.errors import HarnessError
from harness.stories.failures.described import scenario
from harness.verdicts import Finding, failed, passed
from harness.waiting import until

if TYPE_CHECKING:
    from harness.releases import change, helm
    from harness.releases.ways.protocol import InstalledRelease
    from harness.stories.failures import fault
    from harness.stories.failures.bystanders import Bystanders
    from harness.stories.path_context import PathContext
else:
    fault = late.module("harness.stories.failures.fault")
    change = late.module("harness.releases.change")
    helm = late.module("harness.releases.helm")

SCENARIO = scenario(
    "fault-helm-interrupted", "Helm is terminated, and killed, and leaves the release in `pending-upgrade`"
)

_PENDING = "pending-upgrade"
_PENDING_SECONDS = 60.0
_END_SECONDS = 30.0
_REFUSED_SECONDS = 30.0
_EARLY_SECONDS = 60.0


def run(ctx: PathContext) -> list[Finding]:
    """End Helm by SIGTERM, then by SIGKILL; see what the next upgrade is told, roll back, and upgrade."""
    return fault.tell(ctx, _story)


def _story(ctx: PathContext, here: InstalledRelease, by: Bystanders) -> Iterator[Finding | InstalledRelease]:
    ctx.change_crds()
    said = _interrupt(ctx, here, signal.SIGTERM)
    statuses = ctx.statuses()
    asked = statuses.get(max(statuses), "")
    yield (passed if asked == "failed" else failed)(
        "state-after-sigterm",
        f"Helm that is asked to end (SIGTERM, Ctrl-C) marks its revision {asked!r}, and the next upgrade may begin; "
        f"it said {causes.told(said, 'nothing')!r}",
        helm=statuses,
        said=said,
    )
    _interrupt(ctx, here, signal.SIGKILL)
    by.submit("meanwhile")
    by.await_end("meanwhile", timeout=_EARLY_SECONDS)
    statuses = ctx.statuses()
    refused = _upgrade_is_refused(ctx, here)
    facts = {"helm": statuses, "said": refused, "pods": fault.in_words(ctx.pods())}
    if statuses.get(max(statuses)) == _PENDING and "another operation" in refused:
        yield passed(
            fault.STATE,
            f"the revision of the Helm that was killed stays {_PENDING!r}, and the next helm upgrade says: {refused}",
            **facts,
        )
    else:
        yield failed(fault.STATE, f"the revisions are {statuses}, and the next helm upgrade says: {refused}", **facts)
    back = change.rollback(ctx.cluster, here, here, ctx.programs)
    out = ctx.upgrade(back.installed)
    yield fault.way_out(back, out, why=f"back to revision {here.revision}, the last one deployed, and upgrade again")
    yield out.installed


def _interrupt(ctx: PathContext, here: InstalledRelease, sign: signal.Signals) -> str:
    """Begin an upgrade that waits for the rollout, and end Helm as soon as the release is pending; what it said.

    Raises WaitTimeout when it never is, HarnessError when Helm was faster.
    """
    values = ctx.folder / "values.yaml"
    values.write_text(yaml.safe_dump(change.values_of(here, ctx.wanted(mode="default")), sort_keys=False))
    log_file = ctx.folder / f"helm-{sign.name.lower()}.log"
    known = max(ctx.statuses())
    argv: list[str | Path] = [
        ctx.helm.binary,
        "upgrade",
        here.name,
        ctx.target.chart.path,
        "--namespace",
        here.namespace,
    ]
    argv += ["--values", values, "--wait", "--timeout", "120s", "--kubeconfig", ctx.cluster.kubeconfig]
    with process.background(argv, log_file=log_file) as helm:
        until(
            lambda: {status for number, status in ctx.statuses().items() if number > known} or _ended(helm.poll()),
            what="the release to be pending",
            timeout=_PENDING_SECONDS,
            interval=0.1,
        )
        if helm.poll() is not None:
            raise HarnessError(f"Helm ended before it could be interrupted: {causes.told(log_file.read_text())}")
        helm.send_signal(sign)
        try:
            helm.wait(_END_SECONDS)
        except TimeoutExpired as stubborn:
            raise HarnessError(f"Helm did not end within {_END_SECONDS:.0f} s of {sign.name}") from stubborn
    return log_file.read_text().strip()


def _ended(status: int | None) -> set[str]:
    return set() if status is None else {"ended"}


def _upgrade_is_refused(ctx: PathContext, here: InstalledRelease) -> str:
    """What the next upgrade is told, in Helm's words."""
    try:
        ctx.helm.install_or_upgrade(
            ctx.target.chart,
            here.name,
            here.namespace,
            change.values_of(here, ctx.wanted(mode="default")),
            timeout=_REFUSED_SECONDS,
        )
    except helm.HelmError as refused:
        return causes.told(refused.stderr)
    return "nothing: it was accepted"
