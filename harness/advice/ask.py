# SPDX-License-Identifier: Apache-2.0
"""Answers a question about an upgrade: reads what it needs, looks at it, and puts the advice together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.advice import ends, objects, values
from harness.advice.edge import Basis, Looked, advise, changes_of
from harness.advice.files import in_folder
from harness.advice.steps import Deployment, Plan, apis_of
from harness.advice.tools import Tool
from harness.matrix import catalogue as catalogues
from harness.matrix import results
from harness.releases.values import at, load_values, merge
from harness.report.advice import Advice
from harness.report.path_results import Report
from harness.settings import Settings

_SWITCHES = ("certManager.enable", "prometheus.podMonitor.create")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked. `values` are files, `apps` a folder of applications, `chart` the target's own."""

    settings: Settings
    origin: str
    target: str
    reports: Sequence[Report] = ()
    tool: Tool | None = None
    values: tuple[Path, ...] = ()
    apps: Path | None = None
    chart: Path | None = None


def answer(question: Question) -> Advice:
    """The advice. Raises UsageError for names, files and folders that cannot be used."""
    known = catalogues.of(question.settings)
    origin = ends.end(question.settings, known, question.origin)
    target = ends.end(question.settings, known, question.target, question.chart)
    cannot = ends.require_edge(known, origin, target)
    basis = Basis(
        known=known,
        reports=question.reports,
        shipped=results.read(),
        changes=changes_of(origin.release, target.release),
        cannot=cannot,
    )
    given = merge(*map(load_values, question.values)) if question.values else None
    looked = Looked(
        values=values.remarks(given, origin, target, known.upgrades.notes) if given is not None else (),
        objects=_applications(question, target),
    )
    plan = None
    if target.release:
        deployment = _deployment(question, given)
        chart = str(question.chart) if question.chart else ""
        plan = Plan(deployment=deployment, target=target.release, crds="none", chart=chart)
    return advise(basis, origin, target, looked, plan)


def _applications(question: Question, target: values.End) -> Sequence[values.Remark]:
    if question.apps is None or target.release is None:
        return ()
    schema = ends.schema(question.settings, target.release, question.chart)
    return objects.look(in_folder(question.apps), target.release, schema)


def _deployment(question: Question, given: Mapping[str, Any] | None) -> Deployment:
    return Deployment(
        tool=question.tool or "helm",
        values=tuple(map(str, question.values)),
        apis=apis_of(it for it in _SWITCHES if at(given or {}, it)),
    )
