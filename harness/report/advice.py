# SPDX-License-Identifier: Apache-2.0
"""Whether an upgrade is safe, with which steps, and what to expect: from results of runs, and from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Literal

from harness import causes
from harness.invocation import here
from harness.matrix import known_rows, path_names
from harness.matrix.crd_modes import IN_WORDS, ON_PURPOSE, VALUES_IN_WORDS, WAYS_IN_WORDS
from harness.matrix.edges import Upgrades
from harness.matrix.model import CrdMode
from harness.matrix.versions import numbers
from harness.report.model import CellResult, CheckResult, Model, RunResult
from harness.report.path_results import (
    LOOKED,
    OWN,
    WATCHED,
    PathResult,
    Report,
    Seen,
    State,
    path_results,
)
from harness.report.text import first_line
from harness.verdicts import Verdict

Origin = Literal[
    "run here",
    "run of the project",
    "from the catalogue",
    "from the chart",
    "from the schema",
    "from the registry",
    "seen",
]
"""Where a sentence comes from: results of runs here, results that the project ships, the catalogues in charts/, a
chart's own values, a CRD's schema, the answer of a registry, or what was looked at: a cluster, a snapshot, or files."""

_SHOWN = 240
"""The length, in characters, to which a check's message is shortened; the report has all of it."""


class Answer(StrEnum):
    """The answer of an advice."""

    SAFE = "safe"
    WITH_STEPS = "safe with these steps"
    NOT_SAFE = "not safe"
    NOT_KNOWN = "not known"

    @property
    def exit_status(self) -> int:
        """Exit statuses of `harness advise`: 0 safe, with or without steps; 1 not safe; 3 not known."""
        return {Answer.NOT_SAFE: 1, Answer.NOT_KNOWN: 3}.get(self, 0)


class Sentence(Model):
    """One statement with its origin, and `where` to verify it: environment, run and date, or a link."""

    text: str
    origin: Origin
    where: str = ""

    def __str__(self) -> str:
        return f"{self.text} [{self.origin}{f': {self.where}' if self.where else ''}]"


class Proof(Model):
    """A cell that the advice rests on. `report` is the folder of the run's report."""

    cell: str
    verdict: Verdict
    run_id: str
    date: str
    report: str


class Advice(Model):
    """The advice for one edge.

    `path` is the path whose steps are listed, empty when there is none. `steps` are commands and what to do after them,
    in order; `expect` is what the user will observe; `breaks` what breaks when done differently; `values` is
    about the user's own values; `objects` about stored applications, `site` about the cluster, `registry` about images
    that registries were asked for; `unknown` is what has not been tested, with the command that tests it.
    """

    origin: str
    target: str
    answer: Answer
    path: str = ""
    why: tuple[Sentence, ...] = ()
    steps: tuple[Sentence, ...] = ()
    expect: tuple[Sentence, ...] = ()
    breaks: tuple[Sentence, ...] = ()
    values: tuple[Sentence, ...] = ()
    objects: tuple[Sentence, ...] = ()
    site: tuple[Sentence, ...] = ()
    registry: tuple[Sentence, ...] = ()
    unknown: tuple[str, ...] = ()
    evidence: tuple[Proof, ...] = ()


def of_run(run: RunResult, folder: str = "") -> list[Advice]:
    """The advice for each upgrade edge of a run, in the order of its cells; from this run alone."""
    named = [path_names.parse(cell.path) for cell in run.cells if not cell.scenario.startswith(ON_PURPOSE)]
    pairs = dict.fromkeys(it.releases for it in named if it and it.kind == "upgrade" and len(it.releases) == 2)
    report = Report(folder=folder, run=run)
    return [advise(origin, target, [report]) for origin, target in pairs]


def advise(
    origin: str,
    target: str,
    reports: Sequence[Report],
    *,
    upgrades: Upgrades | None = None,
    changes: Iterable[str] = (),
    values: Iterable[Sentence] = (),
    cannot: str = "",
    ways: Sequence[str] = (),
) -> Advice:
    """The advice for an edge between two releases by name. `reports` are the latest first.

    What no run has shown comes from `upgrades`, and makes nothing safe. `changes` are what applications get differently
    under the target, which results of a run have too; `values` are sentences about the user's; `cannot` is why no run
    can take this path. `ways` are those of installing that the user can take; without them, all are told of.
    """
    found = path_results(reports, "upgrade", (origin, target))
    usual = [result for result in found if result.usual]
    others = [result for result in found if not result.usual]
    answer, chosen = answer_of((result.crds, result.state) for result in usual)
    best = [result for result in usual if result.crds == chosen]
    return Advice(
        origin=origin,
        target=target,
        answer=answer,
        path=best[0].path if best else "",
        why=tuple(sentence for result in usual for sentence in _why(result)),
        steps=tuple(_steps(best)),
        expect=(
            *_changed(changes, found),
            *(sentence for result in best or usual for sentence in _expect(result, named=not best)),
            *_back(reports, origin, target),
        ),
        breaks=(
            *(sentence for result in others for sentence in _why(result)),
            *(sentence for result in found for sentence in _on_purpose(result)),
            *dict.fromkeys(_of_catalogue(upgrades, origin, target, found, ways)),
        ),
        values=tuple(values),
        unknown=tuple(_unknown(origin, target, found, reports, cannot)),
        evidence=tuple(_proof(seen) for result in found for seen in result.seen.values()),
    )


def answer_of(found: Iterable[tuple[CrdMode, State]]) -> tuple[Answer, CrdMode | None]:
    """The answer, and the CRD mode to recommend: the one with the least work among those with the best results."""
    states: dict[CrdMode, set[State]] = {}
    for crds, state in found:
        states.setdefault(crds, set()).add(state)
    # Worst first: broken in one environment is broken, and what was not fully tested in one is not known.
    worst = {
        mode: next(state for state in (State.BROKEN, State.UNSEEN, State.RACE, State.CLEAN) if state in seen)
        for mode, seen in states.items()
    }
    for wanted in (State.CLEAN, State.RACE):
        for mode in IN_WORDS:
            if worst.get(mode) is wanted:
                plain = mode == "none" and wanted is State.CLEAN
                return (Answer.SAFE if plain else Answer.WITH_STEPS), mode
    # A path that was not fully tested may yet turn out to be the safe one.
    broken = State.BROKEN in worst.values() and State.UNSEEN not in worst.values()
    return (Answer.NOT_SAFE if broken else Answer.NOT_KNOWN), None


def _why(result: PathResult) -> Iterator[Sentence]:
    """A sentence for each thing that did not hold on a path, whose modes may be those of another version."""
    values = VALUES_IN_WORDS.get(result.values, f"the values mode {result.values}")
    ways = " and then ".join(WAYS_IN_WORDS.get(it, it) for it in result.ways.split(","))
    with_values = f" and {values}" if result.values != "default" else ""
    how = f"{IN_WORDS[result.crds]}{with_values}{f', by {ways}' if ways else ''}"
    if result.state is State.CLEAN:
        yield _here(f"{how}, everything held", result.any)
        return
    told: set[str] = set()
    for scenario, seen in result.watched.items():
        for check in seen.cell.checks:
            known = check.evidence.get("why")
            if check.verdict is Verdict.BROKEN_AS_KNOWN and known:
                text = f"{how}, {scenario} is broken as known: {known} ({check.evidence.get('link')})"
            elif check.verdict is Verdict.FAILED:
                text = f"{how}, {scenario} failed: {check.name}: {_short(check.message)}"
            else:
                continue
            if text not in told:
                told.add(text)
                yield _here(text, seen)


def _steps(best: Sequence[PathResult]) -> Iterator[Sentence]:
    """The commands that were run, and what to do after them."""
    if not best:
        return
    ways_out: dict[str, Sentence] = {}
    for seen in (seen for result in best for seen in result.watched.values()):
        for check in seen.cell.checks:
            out = check.evidence.get("way_out")
            if check.verdict is Verdict.BROKEN_AS_KNOWN and isinstance(out, str):
                link = str(check.evidence.get("link", ""))
                ways_out.setdefault(out, Sentence(text=f"note: {out}", origin="from the catalogue", where=link))
    for result in best:
        commands = [(seen, it) for seen in result.watched.values() for it in _listed(seen.cell, "steps", "commands")]
        if commands:
            yield from (_here(command, seen) for seen, command in commands)
            break
    yield from ways_out.values()


def _changed(changes: Iterable[str], found: Sequence[PathResult]) -> Iterator[Sentence]:
    """What the webhook sets differently than before, without duplicates."""
    told = [
        text
        for result in found
        for seen in result.watched.values()
        for text in _listed(seen.cell, "always-mutated", "changes")
    ]
    for text in dict.fromkeys((*changes, *told)):
        yield Sentence(text=text, origin="from the catalogue", where="charts/behaviour.toml")


def _expect(result: PathResult, *, named: bool) -> Iterator[Sentence]:
    """What the user will observe: how long creates are rejected and there is no leader, what is lost or runs twice.

    `named` prefixes each sentence with the CRD mode, for when no mode was chosen.
    """
    how = f"{IN_WORDS[result.crds]}, " if named else ""
    for seen in result.watched.values():
        for check in seen.cell.checks:
            text = _expected(check)
            if text:
                yield _here(f"{how}{text}", seen)
    held = {
        "running-apps": "applications from before the upgrade kept running, and none ran twice",
        "schedules": "schedules missed no run except while there was no leader",
        OWN: "your own applications kept running, and those submitted afterwards ran",
    }
    for scenario, text in held.items():
        if scenario in result.seen and result.seen[scenario].cell.verdict is Verdict.PASSED:
            yield _here(f"{how}{text}", result.seen[scenario])


def _on_purpose(result: PathResult) -> Iterator[Sentence]:
    """The results of failures that were injected during the upgrade, and whether each workaround worked."""
    for scenario, seen in result.seen.items():
        if scenario not in result.watched and seen.cell.verdict in LOOKED:
            said = _short(seen.cell.reason) or "the resulting state and the workaround are as documented"
            yield _here(f"{scenario} during the upgrade, {IN_WORDS[result.crds]}: {seen.cell.verdict}: {said}", seen)


def _expected(check: CheckResult) -> str:
    """What the measurements of a check mean for a user; empty when it has none."""
    name = check.name.partition(" (")[0]
    facts = check.evidence
    if name == "outage" and "outage_ms" in facts:
        longest = f", at most {_seconds(facts.get('longest_ms'))} at once" if facts.get("outage_ms") else ""
        return f"creates are rejected for {_seconds(facts['outage_ms'])} in total{longest}"
    if name == "steps" and facts.get("lead_gap_s") is not None:
        return (
            f"there is no leader for {facts['lead_gap_s']} s: applications submitted then wait, and scheduled runs "
            f"that are "
            "due then are missed"
        )
    if name == "exactly-once" and "total" in facts:
        struck = facts.get("failed") or 0
        doubled = f", and {facts['doubled']} ran twice" if facts.get("doubled") else ""
        where = facts.get("windows")
        when = f" ({'; '.join(f'{n} {it}' for it, n in where.items())})" if isinstance(where, dict) and where else ""
        return f"{struck} of {facts['total']} applications ended FAILED although their driver succeeded{when}{doubled}"
    return ""


def _back(reports: Sequence[Report], origin: str, target: str) -> Iterator[Sentence]:
    """The results of rolling back, where it was tried."""
    for result in path_results(reports, "rollback", (origin, target)):
        how = f"rolling back from {target} to {origin} with helm rollback, {IN_WORDS[result.crds]}"
        bad = [it for it in result.seen.values() if it.cell.verdict in (Verdict.FAILED, Verdict.BROKEN_AS_KNOWN)]
        for seen in bad:
            said = _short(seen.cell.reason)
            yield _here(f"{how}: {seen.cell.scenario} is {seen.cell.verdict}: {said}", seen)
        if result.state is State.CLEAN:
            yield _here(f"{how}: everything held", result.any)


def _of_catalogue(
    upgrades: Upgrades | None, origin: str, target: str, found: Sequence[PathResult], ways: Sequence[str]
) -> Iterator[Sentence]:
    """What the catalogue says about the edge that no run here has shown."""
    if upgrades is None:
        return
    cells = (seen.cell for result in found for seen in result.seen.values())
    shown = {check.evidence.get("why") for cell in cells for check in cell.checks} - {None}
    for row in upgrades.known:
        about = known_rows.matches(row.origins, origin) and known_rows.matches(row.targets, target)
        if not about or "upgrade" not in row.kinds or row.why in shown or row.scenario.startswith(ON_PURPOSE):
            continue
        # Whether a row with `when` strikes is for the values to say, see harness/advice/values.py.
        if row.when or (ways and row.ways and not set(ways) & set(row.ways)):
            continue
        text = f"{_when(row)}{row.why}. Workaround: {row.way_out}"
        yield Sentence(text=text, origin="from the catalogue", where=known_rows.source(row))
    for note in upgrades.notes:
        if note.about(origin, target) and not note.value:
            text = f"{note.why}. Workaround: {note.way_out}"
            yield Sentence(text=text, origin="from the catalogue", where=known_rows.source(note))
        if note.about(target, origin, "rollback"):
            text = f"if you roll back: {note.why}. Workaround: {note.way_out}"
            yield Sentence(text=text, origin="from the catalogue", where=known_rows.source(note))


def _when(row: known_rows.KnownRow) -> str:
    """Under which conditions, all of which must hold, a row strikes, and how often; empty for always."""
    every = {
        "sometimes": [""] * (row.strikes == "sometimes"),
        "": [IN_WORDS[it] for it in row.crds],
        "with ": [VALUES_IN_WORDS[it] for it in row.values],
        "installed by ": [WAYS_IN_WORDS[it] for it in row.from_ways],
        "upgraded by ": [WAYS_IN_WORDS[it] for it in row.ways],
        "in environments ": row.environments,
    }
    said = ", ".join(f"{before}{' or '.join(words)}" for before, words in every.items() if words)
    return f"{said}: " if said else ""


def _unknown(
    origin: str, target: str, found: Sequence[PathResult], reports: Sequence[Report], cannot: str
) -> Iterator[str]:
    """What has not been tested, and how to test it."""
    usual = [result for result in found if result.usual]
    if not usual:
        path = path_names.name_of("upgrade", (origin, target), "apply", "default")
        how = " in the usual way, by helm upgrade with unchanged values" if found else ""
        yield cannot or here(f"no run here upgraded from {origin} to {target}{how}: nox -s e2e -- --path '{path}'")
    if not found:
        near = _nearest(origin, target, reports)
        if near:
            yield f"the nearest upgrade with results is {near}"
    for result in usual:
        looked = {name for name, seen in result.seen.items() if seen.cell.verdict in LOOKED}
        missing = [name for name in WATCHED if name not in looked]
        if missing:
            yield (
                f"{IN_WORDS[result.crds]} on {result.environment}, {', '.join(missing)} without a result: "
                + here(f"nox -s e2e -- --env {result.environment} --path '{result.path}'")
            )


def _nearest(origin: str, target: str, reports: Sequence[Report]) -> str:
    """The edge with the same target or the same origin whose other end is nearest by version."""
    parsed = {it for report in reports for cell in report.run.cells if (it := path_names.parse(cell.path))}
    known = {it.releases for it in parsed if it.kind == "upgrade" and len(it.releases) == 2}

    def distance(pair: tuple[str, ...]) -> tuple[int, ...]:
        ends = zip(pair, (origin, target), strict=True)
        return tuple(abs(a - b) for one, other in ends for a, b in zip(numbers(one), numbers(other), strict=True))

    near = sorted((pair for pair in known if target in pair[1] or origin == pair[0]), key=distance)
    return " → ".join(near[0]) if near else ""


def _listed(cell: CellResult, name: str, key: str) -> list[str]:
    """The strings of a list in a check's evidence."""
    found = (check.evidence.get(key) for check in cell.checks if check.name.partition(" (")[0] == name)
    return [str(text) for value in found if isinstance(value, list) for text in value]


def _short(message: str) -> str:
    return causes.shortened(first_line(message), _SHOWN)


def _here(text: str, seen: Seen) -> Sentence:
    return Sentence(text=text, origin="run here", where=seen.where)


def _proof(seen: Seen) -> Proof:
    run = seen.report.run
    return Proof(
        cell=seen.cell.id,
        verdict=seen.cell.verdict,
        run_id=run.run_id,
        date=f"{run.started:%Y-%m-%d}",
        report=seen.report.folder,
    )


def _seconds(milliseconds: object) -> str:
    return f"{float(milliseconds) / 1000:.1f} s" if isinstance(milliseconds, int | float) else "an unknown time"
