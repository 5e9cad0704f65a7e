# SPDX-License-Identifier: Apache-2.0
"""Spark versions as a dimension: a scenario whose applications run on another Spark, `spark-pi+spark=4.1.4`.

This is the Spark of the application's image. The Spark whose spark-submit submits it is the operator's own
(`spark` in charts/releases.toml).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.errors import UsageError
from harness.matrix.model import Scenario
from harness.matrix.names import covers, matching, unknown
from harness.matrix.versions import numbers

WHAT = "Spark version"

MARK = "+spark="
"""Between the name of a scenario and a version that is not its usual one."""


def versions(scenarios: Iterable[Scenario]) -> list[str]:
    """Every version that applications of any of these can run on, oldest first."""
    return sorted({version for it in scenarios for version in it.sparks}, key=numbers)


def order(scenario: Scenario) -> tuple[int, int, int]:
    """Where it stands among the same scenario on other versions: on the usual one first, then the oldest."""
    return (0, 0, 0) if scenario.name == scenario.base else numbers(scenario.spark)


def on(scenario: Scenario, version: str) -> Scenario:
    """The scenario with applications of this version, which it offers."""
    if version == scenario.spark:
        return scenario
    usual = scenario.sparks[scenario.spark]
    images = tuple(scenario.sparks[version] if image == usual else image for image in scenario.images)
    return scenario.model_copy(update={"name": f"{scenario.name}{MARK}{version}", "spark": version, "images": images})


def chosen(scenarios: Iterable[Scenario], patterns: Sequence[str], known: Sequence[str]) -> dict[str, Scenario]:
    """These scenarios on each version of `known` that names or globs match, by name; no pattern: on the usual one.

    One that offers no versions is there if its empty version matches, as with `*`. Raises UsageError for an unknown
    version, and for a glob that matches none.
    """
    found = list(scenarios)
    if not patterns:
        return {it.name: it for it in found}
    wanted = matching(WHAT, patterns, known) if known else []
    made: list[Scenario] = []
    for it in found:
        if it.sparks:
            made += [on(it, version) for version in wanted if version in it.sparks]
        elif covers(patterns, ""):
            made.append(it)
    return {it.name: it for it in made}


def named(scenarios: Mapping[str, Scenario], name: str) -> Scenario:
    """The scenario of a full name. Raises UsageError with suggestions, also for a version that it does not offer."""
    base, mark, version = name.partition(MARK)
    if base not in scenarios:
        raise unknown("scenario", base, scenarios)
    scenario = scenarios[base]
    if not mark:
        return scenario
    if not scenario.sparks:
        raise UsageError(f"{name}: the scenario {base} has no Spark version to choose", f"write {base}")
    if version not in scenario.sparks:
        raise unknown(WHAT, version, sorted(scenario.sparks, key=numbers))
    if version == scenario.spark:
        raise UsageError(f"{name}: applications of {base} run on Spark {version} anyway", f"write {base}")
    return on(scenario, version)
