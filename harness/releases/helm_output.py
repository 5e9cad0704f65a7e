# SPDX-License-Identifier: Apache-2.0
"""What Helm prints of a release, given where its values are asked for: refused with the command that prints these."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.releases.charts import CHART_NAME

_WARNINGS = re.compile(r"\A(\ufeff?)((?:(?:WARNING: |[WE]\d{4} \d\d:).*\r?\n)+)")
"""What Helm says before anything else of a kubeconfig that others can read, and client-go of an API that does not
answer: with `2>&1` it is in the file, too."""
_COMMENTS = r"\A\ufeff?(?:#.*\r?\n)*"
_STATUS = re.compile(_COMMENTS + r"NAME: *(?P<name>\S+)\r?\n(?:[A-Z ]+:.*\r?\n)*?NAMESPACE: *(?P<namespace>\S+)")
_TABLE = re.compile(_COMMENTS + r"(?:(?P<list>NAME\s+NAMESPACE\s+REVISION\s)|REVISION\s+UPDATED\s+STATUS\s)")
_RENDERED = re.compile(rf"^# Source: {CHART_NAME}/(?:templates|crds|charts)/", re.M)
_OF_LIST = {"chart", "app_version", "status"}
_OF_METADATA = {"name", "namespace", "chart", "version", "revision", "status"}
_OF_STATUS = {"name", "info", "manifest"}
_NOT_HELMS = ("image", "controller", "webhook", "spark", CHART_NAME)
"""Keys that values of the operator have, and nothing that Helm prints of a release."""


def with_warnings_as_comments(text: str) -> str:
    """The text, in which the warnings that begin it are comments of YAML: each line keeps its number."""
    found = _WARNINGS.match(text)
    return f"{found[1]}{re.sub('^', '# ', found[2].rstrip(), flags=re.M)}\n{text[found.end() :]}" if found else text


def refuse(path: Path, text: str, documents: Sequence[Any] = ()) -> None:
    """Raise UsageError for what `helm list`, `history`, `status`, or `get` all, metadata or manifest printed."""
    found = next(_of_text(text), None) or next(_of_documents(documents, text), None)
    if found is None:
        return
    command, names = found
    name, namespace = names or ("RELEASE", "NAMESPACE")
    raise UsageError(
        f"{path} is what `helm {command}` prints, and no values file",
        f"give the values of the release: `helm get values {name} --namespace {namespace} --output yaml > values.yaml`",
    )


Found = tuple[str, tuple[str, str] | None]
"""The command, and the release with its namespace where they are said."""


def _of_text(text: str) -> Iterator[Found]:
    if status := _STATUS.match(text):
        yield "get all" if "VALUES:" in text else "status", (status["name"], status["namespace"])
    elif table := _TABLE.match(text):
        rows = [it.split() for it in text.splitlines()[1:] if f"{CHART_NAME}-" in it]
        yield ("list", _only((it[0], it[1]) for it in rows)) if table["list"] else ("history", None)


def _of_documents(documents: Sequence[Any], text: str) -> Iterator[Found]:
    first = next((it for it in documents if it is not None), None)
    if isinstance(first, list) and first and all(isinstance(it, Mapping) and it.keys() >= _OF_LIST for it in first):
        if "name" not in first[0]:
            yield "history", None
            return
        own = [it for it in first if str(it["chart"]).startswith(f"{CHART_NAME}-")]
        yield "list", _only((str(it["name"]), str(it.get("namespace") or "NAMESPACE")) for it in own)
    if not isinstance(first, Mapping) or any(key in first for key in _NOT_HELMS):
        return
    if "kind" in first and _RENDERED.search(text):
        yield "get manifest", None
    for command, keys in (("get metadata", _OF_METADATA), ("status", _OF_STATUS)):
        if first.keys() >= keys and isinstance(first["name"], str):
            yield command, (first["name"], str(first.get("namespace") or "NAMESPACE"))


def _only(found: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The release, unless there are several: one of them would be a guess."""
    each = list(found)
    return each[0] if len(each) == 1 else None
