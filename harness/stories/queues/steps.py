# SPDX-License-Identifier: Apache-2.0
"""What happens in the queue, and what must hold: suspended submission, admission, preemption, an operator meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from harness import install_checks
from harness.apps.logs import pod_log, tail
from harness.apps.states import State
from harness.errors import WaitTimeout
from harness.releases import change
from harness.releases.change import Change
from harness.releases.ways.protocol import InstalledRelease
from harness.stories.path_context import PathContext
from harness.stories.queues.queued import HIGH, ROOM, Queued, queued, templated
from harness.upgrades import clients
from harness.upgrades.workload_seen import ApplicationSeen, When
from harness.verdicts import Finding, Verdict, errored, failed, passed
from harness.waiting import pause

_SECONDS = 240.0
_STILL_SECONDS = 5.0
_FIRST, _WAITING, _MEANWHILE, _VOLUME, _URGENT = "first", "waiting", "meanwhile", "with-volume", "urgent-one"
_WHOLE = ROOM - 20
"""What the driver of an application asks for that takes all of the room: its executor asks for the other 20."""


def run(ctx: PathContext, before_deletion: Callable[[Sequence[Finding]], None]) -> list[Finding]:
    """Fill the queue, change the operator if the path says so, preempt, and follow all to their ends.

    A wait in vain is a failed finding; what comes after it is not tried.
    """
    found: list[Finding] = []
    with Queued(ctx) as queue:
        try:
            for it in _steps(ctx, queue):
                ctx.say(f"{it.check}: {it.message.splitlines()[0]}")
                found.append(it)
        except WaitTimeout as late:
            found.append(failed("in-time", late.message))
        finally:
            if any(it.verdict is not Verdict.PASSED for it in found):
                before_deletion(tuple(found))
    return found


def _steps(ctx: PathContext, queue: Queued) -> Iterator[Finding]:
    refused = queue.submit(queued(templated(ctx.sample("long")), _FIRST))
    yield _submitted(queue, _FIRST, refused)
    queue.await_state(_FIRST, _works, what="the first application to be admitted and to run", timeout=_SECONDS)
    yield _admitted(queue, _FIRST)
    yield _submitted(queue, _WAITING, queue.submit(queued(ctx.sample("spark-pi"), _WAITING, driver=_WHOLE)))
    yield _held_back(queue, "held-back")
    before = _seen(queue, _FIRST)
    here = ctx.installed
    for came in _while_upgraded(ctx, queue):
        if isinstance(came, Finding):
            yield came
        else:
            here = came
    queue.await_state(_MEANWHILE, _over, what="the application of meanwhile to end", timeout=_SECONDS)
    yield _ran_once(queue, _MEANWHILE, "meanwhile-ran-once")
    yield from _kept(queue, before)
    yield from _with_volume(ctx, queue)
    yield from _preempted(ctx, queue)
    yield from _finished(ctx, queue)
    yield from install_checks.run(ctx.cluster, here, resolve=ctx.resolve, provider=ctx.provider, seed=ctx.seed)


def _while_upgraded(ctx: PathContext, queue: Queued) -> Iterator[Finding | InstalledRelease]:
    """Submit an application that fits while the operator is being replaced; on an install, just so."""
    small = queued(ctx.sample("spark-pi"), _MEANWHILE)
    if not ctx.path.moves:
        yield _submitted(queue, _MEANWHILE, queue.submit(small, When.DURING))
        return
    here, sound = ctx.installed, True
    for move in ctx.path.moves:
        wanted = ctx.wanted(move=move)
        with ThreadPoolExecutor(1, "upgrade") as pool:
            doing: Future[Change] = pool.submit(change.upgrade, ctx.cluster, here, wanted, ctx.programs)
            if move is ctx.path.moves[-1]:
                yield _submitted(queue, _MEANWHILE, queue.submit(small, When.DURING))
            came = doing.result()
        wrong = came.helm_error or came.rollout_error
        if wrong:
            sound = False
            make = errored if came.outside else failed
            yield make("upgraded", f"{came.steps[-1].command}: {wrong}")
        here = came.installed
        yield here
    if sound:
        yield passed("upgraded", f"{' and '.join(map(str, ctx.path.moves))} with applications in the queue")


def _submitted(queue: Queued, name: str, refused: str) -> Finding:
    """Kueue, not the user, has suspended it when it was created, and keeps a Workload for it."""
    check = f"{name}-suspended-by-kueue"
    if refused:
        return failed(check, f"{name} was refused: {refused}")
    queue.await_state(name, lambda _: bool(queue.held(name).name), what=f"a Workload of {name}", timeout=_SECONDS)
    return passed(check, f"{name} was created suspended and has the Workload {queue.held(name).name}")


def _admitted(queue: Queued, name: str) -> Finding:
    held, seen = queue.held(name), _seen(queue, name)
    facts = {"workload": sorted(held.true), "states": [str(it) for it in seen.history]}
    if "Admitted" not in held.true or queue.suspended(name):
        return failed("admitted", f"{name} runs, and Kueue says: {held}", **facts)
    return passed("admitted", f"{name} was admitted and runs: {_course(seen)}", **facts)


def _held_back(queue: Queued, check: str) -> Finding:
    """What does not fit stays suspended, without pods."""
    pause(_STILL_SECONDS, what=f"watching {_WAITING} be held back")
    held, seen = queue.held(_WAITING), _seen(queue, _WAITING)
    if seen.pods or "Admitted" in held.true or not queue.suspended(_WAITING):
        pods = ", ".join(map(str, seen.pods)) or "no pods"
        return failed(check, f"{_WAITING} does not fit, and has {pods}; {_course(seen)}; Kueue: {held}")
    return passed(check, f"{_WAITING} does not fit and stays suspended without pods: {_course(seen)}")


def _kept(queue: Queued, before: ApplicationSeen) -> Iterator[Finding]:
    """Whoever ran still runs, and whoever waited still waits."""
    now = _seen(queue, _FIRST)
    drivers = [it.uid for it in now.drivers]
    if drivers != [it.uid for it in before.drivers] or now.state is not State.RUNNING:
        yield failed("kept-running", f"{_FIRST} did not go on: {len(drivers)} driver pods, {_course(now)}")
    else:
        yield passed("kept-running", f"{_FIRST} goes on with its driver pod")
    yield _held_back(queue, "still-held-back")


def _with_volume(ctx: PathContext, queue: Queued) -> Iterator[Finding]:
    """An application whose program comes by a volume of its spec, which the operator's webhook would mount."""
    yield _submitted(queue, _VOLUME, queue.submit(queued(ctx.sample("small"), _VOLUME), When.AFTER))
    queue.await_state(_VOLUME, _over, what=f"{_VOLUME} to end", timeout=_SECONDS)
    seen = _seen(queue, _VOLUME)
    if seen.state is State.COMPLETED:
        yield passed("webhook-helps", f"{_VOLUME} found its program in a volume of its spec")
        return
    log = pod_log(queue.objects.core, ctx.namespace, f"{_VOLUME}-driver")
    has = [mount for it in seen.drivers for mount in it.main.mounts]
    yield failed(
        "webhook-helps",
        f"{_VOLUME} ended {seen.outcome}: its driver has the volumes {', '.join(has) or 'none'} and no `code`",
        log_end=tail(log),
    )


def _preempted(ctx: PathContext, queue: Queued) -> Iterator[Finding]:
    """A more urgent application gets the room of one that runs, which is suspended and lets go of its pods."""
    urgent = queued(ctx.sample("spark-pi"), _URGENT, priority=HIGH, driver=_WHOLE)
    yield _submitted(queue, _URGENT, queue.submit(urgent, When.AFTER))
    queue.await_state(_URGENT, lambda it: bool(it.drivers), what=f"the driver of {_URGENT}", timeout=_SECONDS)
    first, held = _seen(queue, _FIRST), queue.held(_FIRST)
    running = [it.name for it in first.pods if it.phase == "Running" and it.gone is None and not it.leaving]
    facts = {"states": [str(it) for it in first.history], "reasons": dict(held.reasons)}
    if State.SUSPENDED not in first.history or held.reasons.get("Evicted") != "Preempted" or running:
        yield failed(
            "preempted",
            f"{_URGENT} has a driver, and {_FIRST} was not preempted: {_course(first)}; Kueue: {held}; "
            f"running: {', '.join(running) or 'none'}",
            **facts,
        )
    else:
        yield passed("preempted", f"{_FIRST} was suspended for {_URGENT} and let go of its pods", **facts)
    queue.await_state(_URGENT, _over, what=f"{_URGENT} to end", timeout=_SECONDS)
    yield _ran_once(queue, _URGENT, "urgent-ran-once")


def _finished(ctx: PathContext, queue: Queued) -> Iterator[Finding]:
    """All that waited get their turn and complete: the preempted one anew, the held one for the first time."""
    told: list[str] = []

    def ended(seen: ApplicationSeen) -> bool:
        fresh = [it for it in seen.drivers[1:] if it.phase == "Running" and it.name not in told]
        if seen.state is State.RUNNING and fresh:
            clients.let_end(ctx.cluster, ctx.namespace, fresh[-1].name)
            told.append(fresh[-1].name)
        return seen.ended

    queue.await_state(_FIRST, ended, what=f"{_FIRST} to run again and to end", timeout=_SECONDS)
    queue.await_state(_WAITING, _over, what=f"{_WAITING} to get its turn and to end", timeout=_SECONDS)
    first = _seen(queue, _FIRST)
    make = passed if first.state is State.COMPLETED and len(first.drivers) == 2 else failed
    yield make("resumed", f"{_FIRST} had {len(first.drivers)} driver pods: {_course(first)}")
    yield _ran_once(queue, _WAITING, "waiting-ran-once")


def _ran_once(queue: Queued, name: str, check: str) -> Finding:
    seen = _seen(queue, name)
    facts: dict[str, Any] = {"states": [str(it) for it in seen.history], "error": seen.error}
    if seen.state is not State.COMPLETED or len(seen.drivers) != 1:
        return failed(check, f"{name} had {len(seen.drivers)} driver pods and ended {seen.outcome}", **facts)
    return passed(check, f"{name} ran once: {_course(seen)}", **facts)


def _seen(queue: Queued, name: str) -> ApplicationSeen:
    """An application that was created. Raises LookupError when it was not."""
    found = queue.seen(name)
    if found is None:
        raise LookupError(f"{name} was never created")
    return found


def _works(seen: ApplicationSeen) -> bool:
    return seen.state is State.RUNNING and any(it.phase == "Running" for it in seen.executors)


def _over(seen: ApplicationSeen) -> bool:
    return seen.ended


def _course(seen: ApplicationSeen) -> str:
    return " → ".join(str(it) or "(new)" for it in seen.history)
