# SPDX-License-Identifier: Apache-2.0
"""What a request for an existing cluster may ask for, and which cells a guest can run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from harness import stories
from harness.errors import UsageError
from harness.matrix.catalogue import Catalogue
from harness.matrix.path_names import by_argo_cd
from harness.options import RunOptions
from harness.providers.existing import Existing

if TYPE_CHECKING:
    from harness.existing.model import Target
    from harness.matrix.model import Cell

NAME = Existing.name
_BESIDE = "harness-spark-operator"
_ONLY = ("--kubeconfig", "--context", "--yes", "--allow-upgrade", "--beside")


def wanted(options: RunOptions) -> bool:
    """Whether the environment `existing` is asked for. Raises UsageError for options that go with it alone, or not."""
    selection = options.selection
    named = [*selection.environments, *(it.partition("/")[0] for it in selection.cells)]
    if NAME not in named:
        given = (options.kubeconfig, options.context, options.yes, options.allow_upgrade, options.beside)
        alone = [flag for flag, it in zip(_ONLY, given, strict=True) if it]
        if alone:
            raise UsageError(f"{' '.join(alone)} needs --env {NAME}", f"add --env {NAME}, or leave it out")
        return False
    others = [it for it in named if it != NAME]
    if others:
        raise UsageError(
            f"the environment {NAME} cannot be combined with {', '.join(others)}",
            "run the other environments by themselves",
        )
    for flag, given_too, why in (
        ("--keep", options.keep, "a run leaves a user's cluster as it was"),
        ("--before", options.before, "what is there before the operator is the user's"),
        ("--jobs", (options.jobs or 1) > 1, "there is one cluster"),
    ):
        if given_too:
            raise UsageError(f"{flag} does not go with --env {NAME}: {why}", f"leave out {flag}")
    return True


def names(options: RunOptions) -> tuple[str | None, str | None]:
    """Release name and namespace; beside other operators names that these will hardly have, unless some are given."""
    own = _BESIDE if options.beside else None
    return options.release_name or own, options.namespace or own


def again(options: RunOptions, context: str) -> tuple[str, ...]:
    """The options that name the cluster, and what its user allows there. The plan itself is agreed to once more."""
    kubeconfig = ("--kubeconfig", options.kubeconfig) if options.kubeconfig else ()
    allowed = (("--allow-upgrade", options.allow_upgrade), ("--beside", options.beside))
    return (*kubeconfig, "--context", context, *(flag for flag, given in allowed if given))


def with_environment(catalogue: Catalogue, found: Target) -> Catalogue:
    """The catalogue with the environment that stands for this cluster."""
    return replace(catalogue, environments=(*catalogue.environments, found.environment))


def allowed(cells: Iterable[Cell], found: Target, *, exact: bool) -> tuple[Cell, ...]:
    """The cells that a guest can run. Raises UsageError where one was named that it cannot, and where none is left."""
    asked = list(cells)
    reasons = {it.id: why for it in asked if (why := _why_not(it, found))}
    left = tuple(it for it in asked if it.id not in reasons)
    if reasons and (exact or not left):
        name, why = next(iter(reasons.items()))
        raise UsageError(f"cell {name} cannot be run in an existing cluster: {why}", "choose an environment of kind")
    return left


def _why_not(cell: Cell, found: Target) -> str:
    scenario = cell.scenario
    if stories.of(scenario).enters_nodes:
        return f"{scenario.name} changes nodes or registries"
    if by_argo_cd(cell.path):
        return "Argo CD runs beside clusters that a run has made"
    if cell.path.crds == "hook":
        return f"the CRDs that the hook of {cell.path.name} creates do not say whose they are"
    if scenario.needs.nodes > max(1, len(found.nodes)):
        return f"{scenario.name} needs {scenario.needs.nodes} nodes that take pods, and there are {len(found.nodes)}"
    return ""
