# SPDX-License-Identifier: Apache-2.0
"""The two ends of an edge: their rows, and what their charts take, read from a chart or from the shipped facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness import libyaml
from harness.advice.remarks import End
from harness.errors import UsageError
from harness.imports import at_hand
from harness.matrix import chart_facts, path_names
from harness.matrix.catalogue import Catalogue
from harness.matrix.release import Release
from harness.matrix.versions import UNDER_TEST, is_prerelease, numbers
from harness.releases import chart_files, crds
from harness.releases.charts import CHART_NAME, Chart, from_path
from harness.releases.values import at, mappings
from harness.settings import Settings
from harness.untrusted import check_yaml

LOCK = "Chart.lock"
"""The file in which Helm writes the versions of the dependencies that a chart is built with."""

Schemas = Mapping[str, Mapping[str, Any]]
"""The schema of `spec` by kind."""


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The schemas of a release's CRDs, and where they are from; `whole` is whether they include the Pod API."""

    kinds: Schemas
    where: str
    whole: bool
    crds: Mapping[str, Mapping[str, Any]] | None = None


def end(settings: Settings, known: Catalogue, name: str, chart: Path | None = None) -> End:
    """One end, by the name of its release; `chart` is used in place of the one that is at hand.

    Raises UsageError for what is not the name of a release, or is a copy in a registry that no row is about.
    """
    versions = [row.version for row in known.releases]
    path_names.require_release(name, versions)
    if name.partition("@")[0] not in versions:
        return End(name=name)
    release = known.release(name)
    found = _chart(settings, release, chart)
    if found is not None:
        where = f"values.yaml of the chart {found.reference}"
        return End(name=release.name, release=release, defaults=chart_values(found), chart=where)
    return End(
        name=release.name,
        release=release,
        defaults=chart_facts.values(release.version),
        chart=f"charts/values.toml, {release.version}",
    )


def _chart(settings: Settings, release: Release, chart: Path | None) -> Chart | None:
    """The operator's chart: the given one, unless that is one around it, or the one that is at hand."""
    given = from_path(chart) if chart else None
    return at_hand.chart(settings, release) if given is None or _key_in(given) else given


@dataclass(frozen=True, kw_only=True)
class Around:
    """What a chart says that has the operator's as a dependency; all of it is empty for any other.

    `key` is that of the operator's values, `values` what it has there itself. `version` is the version that is built
    in, by `Chart.lock` or else as it is asked for, `written` where that is said, `repository` where it comes from.
    """

    key: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    written: str = ""
    repository: str = ""


def around(chart: Path | None) -> Around:
    """What the given chart has of the operator's. Raises UsageError for files of it that cannot be read."""
    given = from_path(chart) if chart else None
    asked = _operators_in(given.metadata) if given else {}
    if given is None or not asked:
        return Around()
    key = _key_in(given)
    own = (chart_values(given) or {}).get(key)
    locked = _operators_in(_data(given, LOCK) or {})
    return Around(
        key=key,
        values=own if isinstance(own, Mapping) else {},
        version=str((locked or asked).get("version") or ""),
        written=f"{chart}/{LOCK if locked else 'Chart.yaml'}",
        repository=str(asked.get("repository") or ""),
    )


def _operators_in(chart: Mapping[str, Any]) -> Mapping[str, Any]:
    """The dependency that is the operator's chart, of a Chart.yaml or a Chart.lock; empty where there is none."""
    return next((it for it in mappings(chart.get("dependencies")) if it.get("name") == CHART_NAME), {})


def _key_in(chart: Chart) -> str:
    """The name or the alias under which a chart has the operator's as a dependency; empty where it has not."""
    found = _operators_in(chart.metadata)
    return str(found.get("alias") or CHART_NAME) if found else ""


def chart_values(chart: Chart) -> dict[str, Any] | None:
    """The default values of a chart; None where it has none. Raises UsageError for a file that is not YAML."""
    return _data(chart, "values.yaml")


def _data(chart: Chart, name: str) -> dict[str, Any] | None:
    """What a YAML file of a chart has; None where there is none, or nothing in it."""
    text = chart_files.text(chart.path, name) or ""
    try:
        data = yaml.load(check_yaml(text), Loader=libyaml.Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as broken:
        raise UsageError(f"{chart.path}: {name} is not valid YAML: {broken}", "give a complete chart") from broken
    return data if isinstance(data, dict) else None


def schema(settings: Settings, release: Release, chart: Path | None = None) -> Schema | None:
    """The schemas of a release's CRDs: of its chart if that is here, else the shipped ones; None without either."""
    found = _chart(settings, release, chart)
    if found is not None:
        specs = crds.chart_crds(found)
        for name, spec in specs.items():
            if lacking := crds.problem(spec):
                raise UsageError(f"{found.path}: the CRD {name} is damaged: {lacking}", "use a complete chart")
        kinds = {spec["names"]["kind"]: spec_schema(spec) for spec in specs.values()}
        if kinds:
            return Schema(kinds=kinds, where=f"crds/ of the chart {found.reference}", whole=True, crds=specs)
    facts = chart_facts.schemas(release.version)
    if facts is None:
        return None
    return Schema(kinds=facts, where=f"charts/crds.toml, {release.version}", whole=False)


def spec_schema(crd: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of `spec` in the storage version of a CRD."""
    version = next(it for it in crd["versions"] if it.get("storage"))
    found = at(version, "schema.openAPIV3Schema.properties.spec")
    return found if isinstance(found, Mapping) else {}


def require_edge(known: Catalogue, origin: End, target: End) -> str:
    """Why no run can upgrade from one to the other, although advice is possible; empty when one can.

    Raises UsageError if it is not an upgrade, and for a release without a row that is not older than all with one.
    """
    for end in (origin, target):
        if end.release is None and (end.name == UNDER_TEST or is_prerelease(end.name)):
            raise _unpublished(known, end.name)
    if origin.name == target.name:
        raise UsageError(f"--from and --to are both {origin.name}", "give two different releases")
    if numbers(origin.name) > numbers(target.name):
        raise UsageError(
            f"{target.name} is older than {origin.name}: Helm goes back by rollback",
            f"`harness advise --from {target.name} --to {origin.name}` also covers the rollback",
        )
    without = [end.name for end in (origin, target) if end.release is None]
    if not without:
        return ""
    oldest = min(numbers(row.version) for row in known.releases)
    for name in without:
        if numbers(name) > oldest:
            known.release(name)
    return f"no run can upgrade from {origin.name} to {target.name}: charts/releases.toml has no row for {without[0]}"


def _unpublished(known: Catalogue, name: str) -> UsageError:
    """The error for what only an operator under test can be, which advice knows nothing of."""
    number = ".".join(map(str, numbers(name)))
    if any(it.version == number for it in known.releases):
        return UsageError(
            f"nothing is known of the pre-release {name} by itself",
            f"give {number}: most of what is known of it holds for {name}, too",
        )
    return UsageError(
        f"nothing is known of {name}, which nobody has published",
        "try it: `harness run --operator DIR`, or an image and its --chart; see docs/my-operator.md",
    )
