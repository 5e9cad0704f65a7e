# SPDX-License-Identifier: Apache-2.0
"""The results of a run as frozen models: results.json is their JSON, docs/results.schema.json their schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import to_jsonable_python

from harness.matrix.model import Cell
from harness.redaction.redactor import Redactor
from harness.settings import SourceKind
from harness.untrusted import CellId, OptionalDigest, RunId
from harness.verdicts import Finding, Verdict, worst

SCHEMA_VERSION: Literal[1] = 1

GREEN = frozenset({Verdict.PASSED, Verdict.BROKEN_AS_KNOWN})
"""Verdicts with which a run is green."""


class Model(BaseModel):
    """Base class of all parts of a report: frozen, without secrets; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_secrets(cls, data: Any) -> Any:
        """Redact here, so that no report in any format can have what was said to a part of it in the clear."""
        return Redactor().value(data) if isinstance(data, dict) else data

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, which validates nothing of what is new: that is redacted here."""
        return super().model_copy(update={name: _redacted(it) for name, it in (update or {}).items()}, deep=deep)


def _redacted(value: Any) -> Any:
    """A value of a field without its secrets; parts of a report have none."""
    if isinstance(value, Model):
        return value
    return tuple(map(_redacted, value)) if isinstance(value, tuple) else Redactor().value(value)


class ImageResult(Model):
    """One image that a cell used. `registry` is the host in its name, `obtained` where it really came from."""

    reference: str
    digest: str
    registry: str
    obtained: str


class CheckResult(Model):
    """One check of a cell: its name, its verdict with a message, and the facts behind it."""

    name: str
    verdict: Verdict
    message: str
    evidence: dict[str, JsonValue] = Field(default_factory=dict)

    @classmethod
    def of(cls, finding: Finding) -> CheckResult:
        """The finding as it goes into the report; facts that JSON cannot represent become strings."""
        facts = to_jsonable_python(finding.evidence, fallback=str)
        return cls(name=finding.check, verdict=finding.verdict, message=finding.message, evidence=facts)


def attempt_name(cell_id: str, number: int) -> str:
    """The id of a cell; from the second attempt on with its number, `…/spark-pi#2`."""
    return cell_id if number == 1 else f"{cell_id}#{number}"


class RetryResult(Model):
    """An attempt at a cell that the host, the cluster or a registry spoilt; the cell was then retried.

    `cause` is the kind of trouble (`node-lost`), `message` the diagnosis, `evidence` a folder as in the cell.
    """

    cause: str
    message: str
    cluster: str
    evidence: str = ""


class PlannedCluster(Model):
    """One cluster of the plan: which cells run on it, and when.

    `starts` and `seconds` are what was expected before the run, in seconds from its start and as a duration; `guess`
    says that they do not come from earlier runs of these cells. `started` and `ended` are what happened, in seconds
    from the run's start; null when it did not. `why` is the reason for a cluster that was not planned.
    """

    cluster: str
    environment: str
    path: str
    cells: tuple[str, ...]
    starts: float
    seconds: float
    guess: bool = False
    started: float | None = None
    ended: float | None = None
    why: str = ""


class CellResult(Model):
    """The result of one cell.

    `distribution` is what really ran on the nodes: `kubernetes`, `k3s`, or what stood in for it. `phases` are seconds
    by name; phases that cells share (cluster, install) are in each of them. `repro` is the one command that runs this
    cell again. `evidence` is a folder relative to the report's, empty when there is none. `attempt` counts from 1 when
    a run repeats its cells. `lock` is the digest of the cell's lock, which is in `locks/` of the report; `drift` is
    what differed from the lock that the run was given. `retries` are earlier attempts that trouble outside the product
    spoilt. `watched` are the kinds of applications that ran throughout an upgrade or rollback. `waited` is for how many
    seconds it could not go on because others had the machine's processors; no phase and no deadline has them.
    """

    id: CellId
    environment: str
    path: str
    scenario: str
    distribution: str = ""
    verdict: Verdict
    reason: str
    phases: dict[str, float] = Field(default_factory=dict)
    images: tuple[ImageResult, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    repro: str
    evidence: str = ""
    attempt: int = Field(default=1, ge=1)
    lock: OptionalDigest = ""
    drift: tuple[str, ...] = ()
    retries: tuple[RetryResult, ...] = ()
    watched: tuple[str, ...] = ()
    waited: float = 0.0
    shard: str = ""

    @property
    def seconds(self) -> float:
        """The sum of the phases, in seconds."""
        return round(sum(self.phases.values()), 1)

    @property
    def name(self) -> str:
        """The name of this attempt at the cell."""
        return attempt_name(self.id, self.attempt)

    @property
    def remark(self) -> str:
        """The reason; without one, what spoilt the first attempt, if anything did."""
        retried = "; ".join(f"{it.cause}: {it.message}" for it in self.retries)
        return self.reason or (f"on the second attempt; the first: {retried}" if retried else "")


class SourceResult(Model):
    """Where the images came from, and why that source was used."""

    kind: SourceKind
    why: str
    rehearsed: bool = False

    @property
    def told(self) -> str:
        """The source in a report's words; a rehearsal's registries are stand-ins, and called that."""
        return f"{self.kind} (rehearsed)" if self.rehearsed else self.kind


class HostResult(Model):
    """The machine that ran the harness. `memory_mib` is in MiB."""

    os: str
    kernel: str
    cpus: int
    memory_mib: int
    engine: str
    cgroup: str


class FlakeResult(Model):
    """How often a repeated cell failed.

    `errors` are inconclusive attempts (`error` and `unavailable`); they are not part of the
    `rate`, which is `failed` of `passed` and `failed`, with the ends of its 95 % confidence interval. All three are
    null when all attempts were inconclusive.
    """

    id: str
    attempts: int
    passed: int
    failed: int
    errors: int
    rate: float | None
    low: float | None
    high: float | None


class ShardResult(Model):
    """One of the runs that were merged into a report, without its cells.

    `folder` is the report's folder as given to the command. The other fields are those of its results.json.
    """

    run_id: RunId
    folder: str
    started: datetime
    ended: datetime | None
    source: SourceResult
    host: HostResult
    tools: dict[str, str]
    selection: tuple[str, ...]
    planned: tuple[str, ...]
    leaks: tuple[str, ...]
    seed: int | None


class RehearsedMove(Model):
    """One path of a rehearsal, what it is in words, and what held and what broke on it; `answer` is empty before."""

    path: str
    what: str
    answer: Literal["", "held", "held, but for a race", "broke as known", "broke", "not proved"] = ""
    held: tuple[str, ...] = ()
    broke: tuple[str, ...] = ()
    unproved: tuple[str, ...] = ()


class RehearsalResult(Model):
    """A site's move, rehearsed from a snapshot of it.

    `site` is the context of the snapshot, `made` when it was taken, `there` the site's version of Kubernetes, and
    `kubernetes` that of the rehearsal. `applications` counts the rehearsed ones by kind and state, out of `stored`.
    `steps` are those that made the move hold; `seen` is what the snapshot says of the move: its values, all of its
    applications, its cluster; `otherwise` is what was otherwise than at the site.
    """

    site: str
    made: str
    there: str
    environment: str
    kubernetes: str
    origin: str
    target: str
    answer: str
    stored: int
    applications: dict[str, int] = Field(default_factory=dict)
    moves: tuple[RehearsedMove, ...] = ()
    steps: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()


class ChartChanges(Model):
    """How the chart of the operator under test differs from that of a release, in lines; none where it does not."""

    release: str
    lines: tuple[str, ...]


class OperatorResult(Model):
    """The operator under test, which nobody has published.

    `name` is its name in paths, `obtained` what it is, and `sha256` of the files of a checkout, or what tells an image
    from others. `commit` is the checkout's, `changed` the files that differ from it, and `diff` the digest of how.
    `told` is in lines what is taken for granted of it; `changes` are those of its chart against releases on the paths.
    """

    name: str
    obtained: str
    sha256: str
    commit: str = ""
    changed: tuple[str, ...] = ()
    diff: OptionalDigest = ""
    told: tuple[str, ...] = ()
    changes: tuple[ChartChanges, ...] = ()


class RunResult(Model):
    """A whole run.

    `selection` is the command line after `harness run`; `planned` are the ids of the selected cells. While the
    run is in progress, and when it was killed, `ended` is null and `cells` has the finished ones. `peak_memory_mib` is
    of the harness process. `leaks` names what was left behind; an empty list proves that nothing was. `seed` determines
    the names and phrases that the run generated; `flakes` has the cells with several attempts. `plan` is which cell ran
    on which cluster, and when; it is empty under pytest-xdist, where every worker has its own. `shards` are the runs in
    a merged report; a cell's `shard` is the `run_id` of the run it comes from. `rehearsal` is what a run of
    `harness rehearse` amounts to. `operator` is the one under test, of a run that was given one.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    run_id: RunId
    started: datetime
    ended: datetime | None = None
    harness_version: str
    source: SourceResult
    host: HostResult
    tools: dict[str, str] = Field(default_factory=dict)
    selection: tuple[str, ...] = ()
    planned: tuple[str, ...] = ()
    cells: tuple[CellResult, ...] = ()
    peak_memory_mib: float | None = None
    leaks: tuple[str, ...] = ()
    seed: int | None = None
    flakes: tuple[FlakeResult, ...] = ()
    plan: tuple[PlannedCluster, ...] = ()
    shards: tuple[ShardResult, ...] = ()
    rehearsal: RehearsalResult | None = None
    operator: OperatorResult | None = None

    @property
    def counts(self) -> dict[Verdict, int]:
        """The number of cells with each verdict that occurs, the worst first."""
        found = [cell.verdict for cell in self.cells]
        return {verdict: found.count(verdict) for verdict in reversed(Verdict) if verdict in found}

    @property
    def missing(self) -> tuple[str, ...]:
        """Cells that were selected but have no result."""
        done = {cell.id for cell in self.cells}
        return tuple(name for name in self.planned if name not in done)

    @property
    def distributions(self) -> dict[str, tuple[str, ...]]:
        """What ran on the nodes, where it was not plain Kubernetes → in which environments."""
        found: dict[str, dict[str, None]] = {}
        for cell in self.cells:
            if cell.distribution not in ("", "kubernetes"):
                found.setdefault(cell.distribution, {})[cell.environment] = None
        return {distribution: tuple(environments) for distribution, environments in found.items()}

    @property
    def worst_first(self) -> tuple[CellResult, ...]:
        """The cells, those that are wrong first, otherwise in their order."""
        return tuple(sorted(self.cells, key=lambda cell: -cell.verdict.severity))


def cell_result(
    cell: Cell,
    findings: Iterable[Finding],
    *,
    repro: str,
    phases: Mapping[str, float] | None = None,
    images: Iterable[Any] = (),
    evidence: str = "",
    attempt: int = 1,
    lock: str = "",
    drift: Sequence[str] = (),
    retries: Sequence[RetryResult] = (),
    distribution: str = "",
    watched: Iterable[str] = (),
    waited: float = 0.0,
) -> CellResult:
    """A cell's result: the verdict is that of its worst check, the reason that check's message.

    `images` are objects with the attributes of ImageResult. Without findings nothing was proved: `error`.
    """
    found = list(findings)
    verdict = worst(found)
    reason = next((it.message for it in found if it.verdict is verdict), "no check ran")
    return CellResult(
        id=cell.id,
        environment=cell.environment.name,
        path=cell.path.name,
        scenario=cell.scenario.name,
        distribution=distribution,
        verdict=verdict,
        reason="" if verdict is Verdict.PASSED else reason,
        phases={name: round(seconds, 2) for name, seconds in (phases or {}).items()},
        images=tuple(ImageResult.model_validate(image, from_attributes=True) for image in images),
        checks=tuple(map(CheckResult.of, found)),
        repro=repro,
        evidence=evidence,
        attempt=attempt,
        lock=lock,
        drift=tuple(drift),
        retries=tuple(retries),
        watched=tuple(sorted(watched)),
        waited=round(waited, 1),
    )


def exit_status(run: RunResult) -> int:
    """The exit status of the harness.

    1 when a cell failed, whatever else happened: that concerns the product. Otherwise 3 when a cell is `error` or
    `unavailable`, when a selected cell has no result, when there are no cells, or when something leaked: such a run has
    not proved what it was asked to prove. 0 only when every selected cell passed or is broken as known.
    """
    verdicts = {cell.verdict for cell in run.cells}
    if Verdict.FAILED in verdicts:
        return 1
    if not verdicts or not verdicts <= GREEN or run.missing or run.leaks:
        return 3
    return 0
