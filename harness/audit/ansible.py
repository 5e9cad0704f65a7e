# SPDX-License-Identifier: Apache-2.0
"""Releases of Helm in Ansible's playbooks and lists of tasks, by the module `kubernetes.core.helm`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MODULES = ("kubernetes.core.helm", "community.kubernetes.helm")
_BELOW = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")
"""Where plays and blocks have tasks (ansible-core, Playbook Keywords)."""
TASKS = "tasks"


def releases(it: object) -> Iterator[Mapping[str, Any]]:
    """The arguments of each task that has a release, under one name each; tasks may be in plays and blocks.

    `name`, `namespace`, `values` and `chart` are aliases of the module, or other names for its arguments. What is to be
    absent is no release.
    """
    if isinstance(it, list):
        for below in it:
            yield from releases(below)
    if not isinstance(it, Mapping):
        return
    for key in _BELOW:
        yield from releases(it.get(key))
    for key in _MODULES:
        given = it.get(key)
        if isinstance(given, Mapping) and given.get("chart_ref") and not _is_absent(given):
            yield {
                "chart": given["chart_ref"],
                "version": given.get("chart_version"),
                "repository": given.get("chart_repo_url"),
                "name": given.get("release_name") or given.get("name"),
                "namespace": given.get("release_namespace") or given.get("namespace"),
                "values": given.get("release_values") or given.get("values"),
                "set": _set(given.get("set_values")),
                "valuesFiles": given.get("values_files"),
                # It resets them unless it is told not to.
                "keeps": given.get("reuse_values") is True,
                "kubeContext": given.get("context") or given.get("kube_context"),
            }


def _is_absent(given: Mapping[str, Any]) -> bool:
    return (given.get("release_state") or given.get("state")) == "absent"


def _set(each: Any) -> list[Mapping[str, Any]]:
    """`set_values` as names and values; what comes from a file is not here."""
    found: list[Mapping[str, Any]] = []
    for it in each if isinstance(each, list) else ():
        name, given, value = str(it.get("value") if isinstance(it, Mapping) else "").partition("=")
        kind = it.get("value_type", "raw") if isinstance(it, Mapping) else ""
        if given and kind in ("raw", "string"):
            found.append({"name": name, "value": value, "forceString": kind == "string"})
    return found
