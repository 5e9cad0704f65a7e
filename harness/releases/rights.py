# SPDX-License-Identifier: Apache-2.0
"""What a release's rendered Roles lack for what the values switch on; known before there is a cluster.

Pure: from the objects that the chart rendered and the rows `[[unmet-right]]` of charts/behaviour.toml to sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.matrix.facts import UnmetRight
from harness.releases.values import at

_OFF = ("", "false")
"""Values of an argument that ask for nothing."""


def unmet(objects: Iterable[Mapping[str, Any]], rows: Iterable[UnmetRight], release: str) -> Iterator[str]:
    """What will not work with a release, in a sentence each.

    Nothing where the chart grants the verbs after all, or makes no Role for the component, since others give its rights
    then.
    """
    parts = [(_part(it), it) for it in objects]
    for row in rows:
        mine = [it for part, it in parts if part == row.component]
        granted = _verbs(mine, row)
        lacking = [verb for verb in row.verbs if verb not in granted]
        if _asked(mine, row.argument) and granted and "*" not in granted and lacking:
            verbs = " and ".join(lacking)
            yield (
                f"with {row.value}, the {row.component} of {release} needs to {verbs} {row.resource}, and the chart's "
                f"Role does not allow it: {row.means} ({row.source}); {row.way_out}"
            )


def _part(document: Mapping[str, Any]) -> str:
    return str((at(document, "metadata.labels") or {}).get("app.kubernetes.io/component", ""))


def _asked(mine: Sequence[Mapping[str, Any]], argument: str) -> bool:
    """Whether the component is started with an argument that asks for something."""
    deployments = (it for it in mine if it.get("kind") == "Deployment")
    containers = (container for it in deployments for container in at(it, "spec.template.spec.containers") or ())
    arguments = (str(it) for container in containers for it in container.get("args") or ())
    given = (it.removeprefix(f"--{argument}=") for it in arguments if it.startswith(f"--{argument}="))
    return any(it not in _OFF for it in given)


def _verbs(mine: Sequence[Mapping[str, Any]], row: UnmetRight) -> set[str]:
    """The verbs that these Roles have for a resource."""
    rules = (rule for it in mine if it.get("kind") in ("Role", "ClusterRole") for rule in it.get("rules") or ())
    about = (
        rule
        for rule in rules
        if {row.api_group, "*"} & set(rule.get("apiGroups") or ())
        and {row.resource, "*"} & set(rule.get("resources") or ())
    )
    return {str(verb) for rule in about for verb in rule.get("verbs") or ()}
