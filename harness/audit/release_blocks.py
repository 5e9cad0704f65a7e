# SPDX-License-Identifier: Apache-2.0
"""The releases that a helmfile and Terraform write, and parts of parsed YAML by their kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.releases.values import at, mappings


def helmfile_releases(it: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The releases of a helmfile over the templates that they inherit, whose lists come before their own.

    Those that are to be `installed: false` are none: helmfile takes them away (helmfile, Configuration).
    """
    templates = mapping(it.get("templates"))
    for release in mappings(it.get("releases")):
        made: dict[str, Any] = {}
        for name in (one.get("template") for one in mappings(release.get("inherit"))):
            made = _appended(made, mapping(templates.get(str(name))))
        whole = _appended(made, release)
        if whole.get("installed") is not False:
            yield whole


def _appended(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    lists = {key: [*below[key], *it] for key, it in over.items() if isinstance(it, list) and listed(below.get(key))}
    return {**below, **over, **lists}


def terraform_releases(it: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The `helm_release` of Terraform by their addresses: of its JSON syntax, whose blocks may be lists, and of what
    `terraform show -json` prints of a state or a plan. HCL is no data.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for block in blocks(it.get("resource")):
        for releases in blocks(block.get("helm_release")):
            found |= {f"helm_release.{name}": one for name, each in releases.items() for one in blocks(each)}
    for shown in ("values", "planned_values"):
        found |= dict(_of_module(at(it, f"{shown}.root_module")))
    return found


def blocks(written: Any) -> list[Mapping[str, Any]]:
    return mappings(written if isinstance(written, list) else [written])


def _of_module(module: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(module, Mapping):
        for it in mappings(module.get("resources")):
            if it.get("type") == "helm_release" and isinstance(it.get("values"), Mapping):
                yield str(it.get("address") or ""), it["values"]
        for below in listed(module.get("child_modules")):
            yield from _of_module(below)


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def names(values: Any) -> list[str]:
    return [it for it in listed(values) if isinstance(it, str)]
