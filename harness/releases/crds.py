# SPDX-License-Identifier: Apache-2.0
"""CustomResourceDefinitions: what a chart defines, and how that differs from what a cluster has.

Annotations are left out: the controller-gen annotation is the same in all releases and says nothing. So are the
descriptions in schemas, which change nothing about what the API server accepts.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from harness import libyaml
from harness.errors import UnavailableError, UsageError
from harness.kube.api import listed, send
from harness.kube.well_known import CRDS_PATH
from harness.late import client
from harness.releases import chart_files
from harness.releases.charts import Chart
from harness.releases.values import at
from harness.untrusted import check_yaml

_KIND = "CustomResourceDefinition"

APPLICATIONS = "sparkapplications.sparkoperator.k8s.io"
"""The name of the CRD of SparkApplications."""

_SCHEMA_MAPS = ("properties", "patternProperties", "definitions", "dependencies")
_SCHEMA_LISTS = ("allOf", "anyOf", "oneOf")
_SCHEMAS = ("items", "additionalProperties", "additionalItems", "not")
_SETS = ("required", "enum", "x-kubernetes-list-map-keys")
_FALSE_IS_ABSENT = (
    "nullable",
    "uniqueItems",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
)


def chart_crds(chart: Chart) -> Mapping[str, Mapping[str, Any]]:
    """The specs of the CRDs in the chart's crds/ folder, by name. Raises UsageError when a file is not valid YAML."""
    return {name: it["spec"] for name, it in _read(chart.path, chart.sha256).items()}


def strangers(api: client.ApiClient, chart: Chart, marks: Mapping[str, str]) -> list[str]:
    """Where CRDs in a cluster that do not carry these labels differ from the chart's, each line with its CRD.

    Raises ApiError.
    """
    there = {it["metadata"]["name"]: it for it in listed(_calls(api).list_custom_resource_definition)}
    found: list[str] = []
    for name, spec in chart_crds(chart).items():
        labels = there[name]["metadata"].get("labels") or {} if name in there else marks
        if not marks.items() <= labels.items():
            found += [f"{name}: {line}" for line in differences(spec, there[name]["spec"], limit=5)]
    return found


def apart(api: client.ApiClient, chart: Chart) -> list[str]:
    """Where the CRDs in a cluster are not the chart's, each line with its CRD. Raises ApiError."""
    there = {it["metadata"]["name"]: it["spec"] for it in listed(_calls(api).list_custom_resource_definition)}
    found: list[str] = []
    for name, spec in chart_crds(chart).items():
        lines = differences(spec, there[name], limit=5) if name in there else ["missing in the cluster"]
        found += [f"{name}: {line}" for line in lines]
    return found


def bring(api: client.ApiClient, chart: Chart) -> list[str]:
    """Make those CRDs of the chart that are not there, as Helm would, by their names. Raises ApiError."""
    there = names(api)
    missing = {name: it for name, it in _read(chart.path, chart.sha256).items() if name not in there}
    for document in missing.values():
        send(api, "POST", CRDS_PATH, document)
    return list(missing)


def bring_own(api: client.ApiClient, chart: Chart, marks: Mapping[str, str], *, release: str) -> None:
    """In a user's cluster, make the chart's CRDs before Helm does, so that they carry the run's labels from the start.

    Raises UnavailableError where there are others', which must stay as they are, and would not do; ApiError.
    """
    differ = strangers(api, chart, marks)
    if differ:
        raise UnavailableError(
            f"the CRDs in the cluster are not this run's, and differ from those of {release}: {'; '.join(differ)}",
            "choose a release with the same CRDs, or a cluster without them",
        )
    bring(api, chart)


def names(api: client.ApiClient) -> frozenset[str]:
    """The names of all CRDs in a cluster. Raises ApiError."""
    return frozenset(it["metadata"]["name"] for it in listed(_calls(api).list_custom_resource_definition))


def manifests(chart: Chart, marks: Mapping[str, str]) -> dict[str, str]:
    """The chart's CRDs as YAML with these labels, by name. Raises UsageError when a file is not valid YAML."""
    return {
        name: marked(yaml.safe_dump(document, sort_keys=False), marks)
        for name, document in _read(chart.path, chart.sha256).items()
    }


def marked(text: str, marks: Mapping[str, str]) -> str:
    """Manifests of CRDs with these labels."""
    documents = [it for it in yaml.load_all(check_yaml(text), Loader=libyaml.Loader) if it]
    for it in documents:
        it["metadata"]["labels"] = {**(it["metadata"].get("labels") or {}), **marks}
    return yaml.safe_dump_all(documents, sort_keys=False)


def _calls(api: client.ApiClient) -> client.ApiextensionsV1Api:
    return client.ApiextensionsV1Api(api)


def has_field(spec: Mapping[str, Any], field: str) -> bool:
    """Whether the storage version of a CRD has a field, which is written with dots (`spec.executor.instances`)."""
    version = next(it for it in spec["versions"] if it.get("storage"))
    node: Any = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    for step in field.split("."):
        node = (node.get("properties") or {}).get(step)
        if node is None:
            return False
    return True


def differences(expected: Mapping[str, Any], actual: Mapping[str, Any], *, limit: int = 20) -> list[str]:
    """Where two CRD specs differ in meaning, as `path: expected → actual`, at most `limit` lines.

    What the API server fills in or drops on its own (apiextensions/v1 defaults, empty and false fields) does not count.
    """
    found = _compare("spec", canonical(expected), canonical(actual))
    return [line for line, _ in zip(found, range(limit), strict=False)]


def canonical(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A CRD's spec in the one form that both a chart's file and the API server's answer come to."""
    names = dict(spec.get("names", {}))
    names.setdefault("singular", str(names.get("kind", "")).lower())
    names.setdefault("listKind", f"{names.get('kind', '')}List")
    for key in ("shortNames", "categories"):
        names[key] = sorted(names.get(key) or [])
    return {
        "group": spec.get("group"),
        "scope": spec.get("scope"),
        "names": names,
        "conversion": (spec.get("conversion") or {}).get("strategy", "None"),
        "preserveUnknownFields": bool(spec.get("preserveUnknownFields")),
        "versions": {version["name"]: _version(version) for version in spec.get("versions", [])},
    }


def _version(version: Mapping[str, Any]) -> dict[str, Any]:
    columns = [
        {key: value for key, value in column.items() if value not in (None, "") and (key, value) != ("priority", 0)}
        for column in version.get("additionalPrinterColumns") or []
    ]
    return {
        "served": bool(version.get("served")),
        "storage": bool(version.get("storage")),
        "deprecated": bool(version.get("deprecated")),
        "subresources": version.get("subresources") or {},
        "columns": columns,
        "selectableFields": version.get("selectableFields") or [],
        "schema": _schema((version.get("schema") or {}).get("openAPIV3Schema") or {}),
    }


def _schema(node: Any) -> Any:
    # additionalProperties may be a plain true or false.
    if not isinstance(node, Mapping):
        return node
    result: dict[str, Any] = {}
    for key, value in node.items():
        if value is None or key == "description" or (value is False and key in _FALSE_IS_ABSENT):
            continue
        if key in _SCHEMA_MAPS:
            inner = {name: _schema(schema) for name, schema in value.items()}
            if inner:
                result[key] = inner
        elif key in _SCHEMA_LISTS:
            if value:
                result[key] = [_schema(schema) for schema in value]
        elif key in _SCHEMAS:
            result[key] = _schema(value)
        elif key in _SETS:
            if value:
                result[key] = sorted(value, key=str)
        else:
            result[key] = value
    return result


def _compare(path: str, expected: Any, actual: Any) -> Iterator[str]:
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key in [*expected, *(key for key in actual if key not in expected)]:
            inner = f"{path}.{key}"
            if key not in actual:
                yield f"{inner}: missing in the cluster"
            elif key not in expected:
                yield f"{inner}: only in the cluster"
            else:
                yield from _compare(inner, expected[key], actual[key])
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for number, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from _compare(f"{path}[{number}]", one, other)
    elif expected != actual:
        yield f"{path}: {_brief(expected)} → {_brief(actual)}"


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def problem(spec: object) -> str:
    """What keeps the spec of a CRD from being one, as far as it is read here; empty where nothing does."""
    if not isinstance(at(spec, "names.kind"), str):
        return "spec.names has no kind"
    versions = at(spec, "versions")
    if not (isinstance(versions, list) and all(isinstance(it, Mapping) for it in versions)):
        return "spec.versions is not a list of mappings"
    if not any(it.get("storage") for it in versions):
        return "none of its versions is stored"
    schemas = [at(it, "schema.openAPIV3Schema") for it in versions]
    if not all(isinstance(it, Mapping | None) and isinstance(at(it, "properties"), Mapping | None) for it in schemas):
        return "a schema is not a mapping"
    return ""


@functools.lru_cache(maxsize=4)
def _read(path: Path, sha256: str) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for name, text in sorted(chart_files.files(path)):
        if not (name.startswith("crds/") and name.endswith(".yaml")):
            continue
        try:
            documents = list(yaml.load_all(check_yaml(text), Loader=libyaml.Loader))
        except yaml.YAMLError as broken:
            raise UsageError(f"{path}: {name} is not valid YAML: {broken}", "use a complete chart") from broken
        for document in documents:
            if isinstance(document, dict) and document.get("kind") == _KIND:
                crd = at(document, "metadata.name")
                if not isinstance(crd, str) or not isinstance(document.get("spec"), Mapping):
                    raise UsageError(f"{path}: {name} has a CRD without a name or a spec", "use a complete chart")
                found[crd] = document
    return found
