# SPDX-License-Identifier: Apache-2.0
"""The advice for an edge: from runs here, else from runs of the project, else from the catalogue of known breaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.advice.plan import Deployment, Plan
from harness.advice.remarks import End, Remark
from harness.advice.steps import steps as steps_of
from harness.matrix import crd_modes, known_rows, path_names
from harness.matrix.catalogue import Catalogue
from harness.matrix.crd_modes import IN_WORDS, ON_PURPOSE
from harness.matrix.known_rows import KnownRow
from harness.matrix.model import CrdMode, Move
from harness.matrix.release import Release
from harness.matrix.results import Result
from harness.matrix.versions import numbers
from harness.report import advice
from harness.report.advice import Advice, Answer, Sentence, answer_of
from harness.report.path_results import Report, State, path_results

_STATES = {"clean": State.CLEAN, "race": State.RACE, "broken": State.BROKEN}


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What an answer for an edge can rest on. `cannot` is why no run can take the path."""

    known: Catalogue
    reports: Sequence[Report] = ()
    shipped: Sequence[Result] = ()
    changes: Sequence[str] = ()
    cannot: str = ""

    @property
    def whole(self) -> list[Result]:
        """The project's results of which every scenario was looked at."""
        return [it for it in self.shipped if not it.looked]


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What was found by looking: remarks on values, on stored applications, on the cluster, and on registries."""

    values: Sequence[Remark] = ()
    objects: Sequence[Remark] = ()
    site: Sequence[Remark] = ()
    registry: Sequence[Remark] = ()
    unknown: Sequence[str] = field(default=())

    @property
    def _every(self) -> tuple[Remark, ...]:
        return (*self.values, *self.objects, *self.site, *self.registry)

    @property
    def steps(self) -> list[str]:
        """What is to be done before the upgrade, without duplicates."""
        return list(dict.fromkeys(it.step for it in self._every if it.step))

    @property
    def hopeless(self) -> bool:
        """Whether something stops the upgrade, and no step is known for it."""
        return any(it.stops and not it.step for it in self._every)


def advise(basis: Basis, origin: End, target: End, looked: Looked, plan: Plan | None) -> Advice:
    """The advice for an edge, with what was found by looking.

    `plan` has the way of deploying; its CRD mode is replaced by the recommended one. None for a target that no
    catalogue has.
    """
    found = advice.advise(
        origin.name,
        target.name,
        basis.reports,
        upgrades=basis.known.upgrades,
        changes=basis.changes,
        values=[it.sentence for it in looked.values],
        cannot=basis.cannot,
        ways=crd_modes.ways_of(plan.deployment.tool) if plan else (),
    )
    found = found.model_copy(
        update={
            "objects": tuple(it.sentence for it in looked.objects),
            "site": tuple(it.sentence for it in looked.site),
            "registry": tuple(it.sentence for it in looked.registry),
            "unknown": (*found.unknown, *looked.unknown),
        }
    )
    if plan and not basis.cannot and _open(basis, origin, target, found):
        found = _without_runs(basis, origin, target, found, plan, looked)
    else:
        found = _with_own_steps(basis, found, plan, looked)
    said = _of_tool(basis, origin, target, plan.deployment) if plan else ()
    return found.model_copy(update={"answer": _judged(found.answer, looked), "why": (*found.why, *said)})


def _of_tool(basis: Basis, origin: End, target: End, made: Deployment) -> Iterator[Sentence]:
    """What becomes of CRDs with the tool's settings as they are, and of the upgrade then."""
    if made.owner_kind == "Kustomization":
        # Flux applies it as it is, CRDs and all, by the server.
        return
    row = crd_modes.of_tool(crd_modes.read(), made.tool, made.settings)
    if row is None or row.tool == "helm":
        return
    result = crd_modes.outcome(basis.known.upgrades, basis.shipped, (origin.name, target.name), row.crds)
    text = f"{row}, that is {IN_WORDS[row.crds]} (+crds={row.crds}): {result}{_itself(row, origin, target)}"
    yield Sentence(text=text, origin="from the catalogue", where=row.link)


def _itself(row: crd_modes.ToolRow, origin: End, target: End) -> str:
    """Whether that is told of the tool itself, or of what it does with CRDs."""
    if row.tool == "flux":
        return "; Flux itself has not run, what it does with CRDs has"
    way = next((it for it, crds in path_names.ARGO_CD.items() if row.tool == "argocd" and crds == row.crds), None)
    if way is None:
        return ""
    ways = tuple(path_names.synced(way, 2))
    name = path_names.name_of("upgrade", (origin.name, target.name), row.crds, "default", ways)
    return f"; Argo CD itself makes this upgrade on the path {name}"


def _open(basis: Basis, origin: End, target: End, found: Advice) -> bool:
    """Whether runs here have left it open: nothing is known, or only what is known to break was tried."""
    if found.answer is not Answer.NOT_SAFE:
        return found.answer is Answer.NOT_KNOWN
    predicted = {mode for mode, state in _by_catalogue(basis.known, origin, target, set()) if state is State.BROKEN}
    return {crds for crds, _ in _here(basis, origin, target)} <= predicted


def _here(basis: Basis, origin: End, target: End) -> list[tuple[CrdMode, State]]:
    """The outcome of what was run here and says something."""
    found = path_results(basis.reports, "upgrade", (origin.name, target.name))
    return [(it.crds, it.state) for it in found if it.usual and it.state is not State.UNSEEN]


def _judged(answer: Answer, looked: Looked) -> Answer:
    """The answer in view of what was found by looking, which can only make it worse."""
    if looked.hopeless:
        return Answer.NOT_SAFE
    return Answer.WITH_STEPS if answer is Answer.SAFE and looked.steps else answer


def _with_own_steps(basis: Basis, found: Advice, plan: Plan | None, looked: Looked) -> Advice:
    """An answer that rests on runs here: the steps are the commands that were run, after those that values ask for.

    Where the tool, the release or its values are the user's own, they are these commands in the user's words.

    Of releases that no run can take the answer stays open; what is known to be needed is said all the same.
    """
    if plan and basis.cannot:
        return found.model_copy(update={"steps": (*_before_rows(basis, found), *_planned(plan, "apply", looked))})
    if found.answer not in (Answer.SAFE, Answer.WITH_STEPS) or plan is None:
        return found
    if not plan.is_own:
        own = tuple(Sentence(text=it, origin="seen") for it in looked.steps)
        return found.model_copy(update={"steps": (*own, *found.steps)})
    parsed = path_names.parse(found.path)
    crds: CrdMode = (parsed.crds if parsed else "") or "none"  # type: ignore[assignment]
    notes = [it for it in found.steps if it.text.startswith("note: ")]
    return found.model_copy(update={"path": "", "steps": (*_planned(plan, crds, looked), *notes)})


def _without_runs(basis: Basis, origin: End, target: End, found: Advice, plan: Plan, looked: Looked) -> Advice:
    """An answer for an edge of which no run here has shown enough."""
    here = _here(basis, origin, target)
    rows = [it for it in basis.whole if it.parsed.releases == (origin.name, target.name)]
    states = [*here, *((row.crds, _STATES[row.state]) for row in rows if row.crds not in {it for it, _ in here})]
    why = [_of_result(row) for row in rows]
    answer, crds = answer_of(states)
    if crds is None or answer is Answer.NOT_SAFE:
        # What was tried by the project is not all that can be done.
        answer, crds = answer_of([*states, *_by_catalogue(basis.known, origin, target, {it for it, _ in states})])
        why += [_catalogued(crds), *_near(basis, origin, target)] if crds else []
    if crds is None:
        return found.model_copy(update={"why": (*found.why, *why), "answer": answer})
    notes = {it.text: it for it in map(_note, _races(basis.known, origin, target, crds))}.values()
    return found.model_copy(
        update={
            # Without a run of this very edge nothing is called safe without steps.
            "answer": answer if rows else Answer.WITH_STEPS,
            "why": (*found.why, *why),
            "steps": (*_planned(plan, crds, looked), *notes),
            "expect": (*found.expect, *(it for row in rows if row.crds == crds for it in _measured(row))),
        }
    )


def _planned(plan: Plan, crds: CrdMode, looked: Looked) -> list[Sentence]:
    made = Plan(deployment=plan.deployment, target=plan.target, crds=crds, chart=plan.chart, before=tuple(looked.steps))
    return steps_of(made)


def _by_catalogue(known: Catalogue, origin: End, target: End, tried: set[CrdMode]) -> Iterator[tuple[CrdMode, State]]:
    """The outcome that the known breaks predict in each mode that no result is about."""
    for mode in IN_WORDS:
        if mode in tried or (mode == "hook" and not (target.release and target.release.hook_image)):
            continue
        rows = _about(known, origin, target, mode)
        yield mode, State.BROKEN if any(row.strikes == "always" for row in rows) else State.RACE


def _about(known: Catalogue, origin: End, target: End, crds: CrdMode) -> list[KnownRow]:
    move = Move(kind="upgrade", origin=origin.name, target=target.name)
    return [
        row
        for row in known.upgrades.known
        if row.about(move, crds, "default") and row.certain(move) and not row.scenario.startswith(ON_PURPOSE)
    ]


def _races(known: Catalogue, origin: End, target: End, crds: CrdMode) -> Iterable[KnownRow]:
    return [row for row in _about(known, origin, target, crds) if row.strikes == "sometimes"]


def _before_rows(basis: Basis, found: Advice) -> Iterator[Sentence]:
    """The ways out that only those need who come from a release before all that have a row."""
    oldest = min((it.version for it in basis.known.releases), key=numbers)
    for it in basis.known.upgrades.notes:
        if not it.value and it.about(found.origin, found.target) and not it.about(oldest, found.target):
            yield Sentence(text=it.way_out, origin="from the catalogue", where=known_rows.source(it))


def _note(row: KnownRow) -> Sentence:
    return Sentence(text=f"note: {row.way_out}", origin="from the catalogue", where=known_rows.source(row))


def _catalogued(crds: CrdMode) -> Sentence:
    text = f"{IN_WORDS[crds]}, nothing is known to break for good; this upgrade itself has no recorded run"
    return Sentence(text=text, origin="from the catalogue", where="charts/upgrades.toml")


def _of_result(row: Result) -> Sentence:
    words = {
        "clean": "everything held",
        "race": "everything that existed before was kept, and a known race struck what was submitted meanwhile",
        "broken": f"it broke: {'; '.join(row.broke) or 'see its source'}",
    }
    text = f"{IN_WORDS[row.crds]}, {words[row.state]}"
    return Sentence(text=text, origin="run of the project", where=row.where)


def _measured(row: Result) -> Iterator[Sentence]:
    told = []
    if row.refused is not None:
        told.append(f"creates are rejected for {row.refused / 1000:.1f} s in total")
    if row.no_leader is not None:
        told.append(f"there is no leader for {row.no_leader} s: applications submitted then wait")
    if row.failed is not None:
        told.append(f"{row.failed} of {row.submitted} applications ended FAILED although their driver succeeded")
    if row.retry == "PENDING_RERUN":
        told.append("a retry that was due meanwhile stayed PENDING_RERUN although its driver did the work")
    for text in told:
        yield Sentence(text=text, origin="run of the project", where=row.where)


def _near(basis: Basis, origin: End, target: End) -> list[Sentence]:
    """The result whose ends are nearest to the edge's, with the same target if there is one.

    Of several, it is one that began in the registry of this edge, and one whose digest is recorded.
    """
    rows = [row for row in basis.whole if row.parsed.releases[1] == target.name]
    home = origin.release.registry if origin.release else ""

    def distance(row: Result) -> tuple[int, ...]:
        first = row.parsed.releases[0]
        apart = (abs(a - b) for a, b in zip(numbers(first), numbers(origin.name), strict=True))
        return *apart, int(basis.known.release(first).registry != home), int(not row.digest)

    if not rows:
        return []
    row = min(rows, key=distance)
    said = _of_result(row)
    return [
        said.model_copy(
            update={"text": f"the nearest upgrade with a run is {' → '.join(row.parsed.releases)}: {said.text}"}
        )
    ]


def changes_of(origin: Release | None, target: Release | None) -> tuple[str, ...]:
    """What applications get otherwise, in sentences; nothing for a release without a row."""
    from harness.matrix import behaviour

    return tuple(behaviour.changes(origin, target)) if origin and target else ()
