# SPDX-License-Identifier: Apache-2.0
"""Helm values: profiles, the user's file, and merging as Helm merges."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from harness import libyaml, named_files
from harness.errors import UsageError
from harness.releases import encrypted, helm_output, languages
from harness.settings import PROJECT_ROOT
from harness.untrusted import check_yaml
from harness.wording import did_you_mean, nearest

PROFILES = PROJECT_ROOT / "charts" / "values"
"""Where the values profiles lie, one YAML file each."""

_BY_NAME = "profile:"

_HELMS_TITLE = re.compile(r"\A(\ufeff?(?:#.*\r?\n)*)(USER-SUPPLIED|COMPUTED) VALUES:[ \t]*(?=\r?\n)")
"""What `helm get values` prints above the values unless it is asked for YAML."""

_WHAT = "the values file"


class Loader(libyaml.Loader):
    """YAML as Helm reads it: dates and times of day stay the text that was written, `=` is plain, `y` and `n` are
    booleans.
    """

    bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012 - the base class has it so


_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_NOT_IN_HELM = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value", _INT, _FLOAT)
Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag not in _NOT_IN_HELM]
    for letter, resolvers in Loader.yaml_implicit_resolvers.items()
}
# As go-yaml has numbers (v2, resolve.go): 22:30:00 is none, 12e4 and 0815 are.
Loader.add_implicit_resolver(
    _INT,
    re.compile(r"^[-+]?(?:0b_?[01][01_]*|0x_?[0-9a-fA-F][0-9a-fA-F_]*|0o?_?[0-7][0-7_]*|0|[1-9][0-9_]*)$"),
    list("-+0123456789"),
)
Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"^(?:[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]{1,2})?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


def _finite(loader: Loader, node: yaml.ScalarNode) -> float:
    number: float = libyaml.Loader.yaml_constructors[_FLOAT](loader, node)
    if not math.isfinite(number):
        # Helm and kubectl end with "json: unsupported value: NaN".
        raise yaml.constructor.ConstructorError(
            None, None, f"{node.value} is a number that JSON does not have, nor Kubernetes", node.start_mark
        )
    return number


def _as_written(loader: Loader, node: yaml.ScalarNode) -> str:
    text: str = loader.construct_scalar(node)
    return text


Loader.add_constructor(_FLOAT, _finite)
Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_written)
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))


def merge(*documents: Mapping[str, Any]) -> dict[str, Any]:
    """Merge values as `helm -f a -f b` does: maps deeply, everything else (lists too) is replaced by the later one.

    A null replaces what was there and stays in the result, since Helm needs to see it to delete the chart's default
    (helm/pkg/cli/values and pkg/chartutil/coalesce.go). The documents are left as they are.
    """
    merged: dict[str, Any] = {}
    for document in documents:
        for key, value in document.items():
            below = merged.get(key)
            if isinstance(value, Mapping):
                merged[key] = merge(below, value) if isinstance(below, Mapping) else merge(value)
            else:
                merged[key] = list(value) if isinstance(value, list | tuple) else value
    return merged


def at(document: object, field: str) -> Any:
    """What nested mappings have in a field, which is written with dots; None where they have nothing there."""
    for step in field.split("."):
        document = document.get(step) if isinstance(document, Mapping) else None
    return document


PASSED_ON = ("podSecurityContext", "securityContext")
"""Maps that the chart's templates give to Kubernetes as they are, and leave out where there are none."""


ANCHORS = ("x-", ".", "_")
"""How keys begin that hold nothing but anchors of YAML."""


def strangers(values: Mapping[str, Any], defaults: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Keys of `values` that `defaults` does not have; below an empty map, or one passed on, a chart accepts any key.

    `global` is of Helm's own, and reaches every chart.
    """
    for key, value in values.items():
        name = f"{above}{key}"
        if key not in defaults:
            if name != "global":
                yield name
        elif (
            isinstance(value, Mapping) and isinstance(defaults[key], Mapping) and defaults[key] and key not in PASSED_ON
        ):
            yield from strangers(value, defaults[key], f"{name}.")


def mappings(value: object) -> list[Mapping[str, Any]]:
    """What of a list is a mapping; nothing of what is no list."""
    return [it for it in value if isinstance(it, Mapping)] if isinstance(value, list) else []


def load_values(path: Path) -> dict[str, Any]:
    """Read a values file; an empty one is an empty mapping.

    Raises UsageError with file and line; for an encrypted file it names the tool that can open it.
    """
    text = text_of(path)
    try:
        documents = list(yaml.load_all(check_yaml(text), Loader=Loader))
        helm_output.refuse(path, text, documents)
        data = _first(path, documents, text)
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise UsageError(
            f"{where}: not valid YAML: {broken.problem or broken.context}",
            FILL_IN if _to_be_filled_in(text, mark) else "correct that line, or pass another --values",
        ) from broken
    except yaml.YAMLError as broken:
        raise UsageError(f"{path}: not valid YAML: {broken}", "pass a YAML file after --values") from broken
    if data is None:
        return {}
    filled_in = _OF_YTT.search(text)
    if filled_in:
        line = text.count("\n", 0, filled_in.start()) + 1
        raise UsageError(f"{path}, line {line}: ytt fills in this value, which YAML takes for a comment", FILL_IN)
    encrypted.refuse(_WHAT, path, encrypted.of_document(data))
    if not isinstance(data, dict):
        rows = enumerate(text.splitlines(), 1)
        line = next((n for n, row in rows if row.strip() and not row.startswith(("#", "---", "%"))), 1)
        raise UsageError(
            f"{path}, line {line}: a values file must be a mapping of keys to values, not a {_kind(data)}",
            "write it as Helm does: `image:` with `tag: …` below it",
        )
    return {_key(key): with_text_keys(value) for key, value in data.items()}


def _to_be_filled_in(text: str, mark: yaml.Mark | None) -> bool:
    """Whether text is a template, or its broken line has a variable, whose braces YAML takes for a mapping."""
    line = text.splitlines()[mark.line : mark.line + 1] if mark else []
    return bool(_TEMPLATE.search(text) or any(map(VARIABLE.search, line)))


FILL_IN = (
    "fill in the template first, with the tool that you use: envsubst, `flux envsubst`, `helmfile write-values`, "
    "`ytt -f`"
)
_OF_YTT = re.compile(r"^[^#\n]*:[ \t]+#@[ \t]+\S", re.M)
VARIABLE = re.compile(r"\$\{\w+(?::?[-=].*?)?\}")
_TEMPLATE = re.compile(r"\{\{.*\}\}|\{%.*%\}|<%.*%>")


def _first(path: Path, documents: Sequence[Any], text: str) -> Any:
    """The document that Helm reads, which is the first. Raises UsageError for a file with something in a second one."""
    other = next((number for number, it in enumerate(documents) if number and it is not None), 0)
    if other:
        begins = [it.start_mark for it in yaml.parse(text, Loader=Loader) if isinstance(it, yaml.DocumentStartEvent)]
        mark = begins[other]
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise UsageError(
            f"{where}: another document begins; Helm reads the first alone",
            "give each as a file of its own: --values A --values B",
        )
    return documents[0] if documents else None


def text_of(path: Path) -> str:
    """What a values file has for Helm, each line where it stands. Raises UsageError for what is no text, or no YAML."""
    _require_file(path)
    try:
        content = named_files.content(path)
    except FileNotFoundError as missing:
        raise UsageError(f"the values file {path} does not exist", _why_missing(str(path))) from missing
    except OSError as unreadable:
        raise UsageError(f"the values file {path} cannot be read: {unreadable}", "make it readable") from unreadable
    encrypted.refuse(_WHAT, path, encrypted.of_bytes(content))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as binary:
        raise UsageError(f"the values file {path} cannot be read: {binary}", "it must be UTF-8 text") from binary
    encrypted.refuse(_WHAT, path, encrypted.of_text(text))
    languages.refuse(path, text)
    text = helm_output.with_warnings_as_comments(text)
    helm_output.refuse(path, text)
    title = _HELMS_TITLE.match(text)
    if title and title[2] == "COMPUTED":
        raise UsageError(
            f"{path} has all values that the chart was rendered with, its own defaults too, which would be kept",
            "give those that you gave it: helm get values RELEASE --namespace NAMESPACE --output yaml, without --all",
        )
    return _HELMS_TITLE.sub(r"\1", text)


def _require_file(path: Path) -> None:
    """Raise UsageError for a folder, and for a pipe such as `<(helm get values …)`, which is empty after one reader."""
    if path.is_dir():
        raise UsageError(f"--values {path} is a folder", "give the files in it, each with --values")
    why = named_files.why_not(path)
    if why:
        raise UsageError(
            f"--values {path} {why.removeprefix('it ')}",
            "write it to a file first: helm get values RELEASE --namespace NAMESPACE --output yaml > values.yaml",
        )


def _why_missing(path: str) -> str:
    parts = path.split(",")
    if len(parts) > 1 and all(Path(it).is_file() for it in parts):
        return f"give the option once for each: {' '.join(f'--values {it}' for it in parts)}"
    if path == "-":
        return "nothing is read from standard input: write it to a file before, and give that"
    scheme = re.match(r"([a-z0-9+-]+):/", path)
    if scheme is None:
        return "check the path after --values"
    return f"{scheme[1]}:// belongs to a plugin or a server: fetch or decrypt it before, and give the file"


def profile_name(file: Path) -> str:
    """The name of the profile that `--values profile:NAME` asks for; empty where it is a file."""
    return str(file).removeprefix(_BY_NAME) if str(file).startswith(_BY_NAME) else ""


def files_of(asked: Path, own: Mapping[str, Sequence[Path]] = MappingProxyType({})) -> Sequence[Path]:
    """The files that `--values` stands for, as Helm can take them: those of a profile, or the file itself."""
    name = profile_name(asked)
    return _of_profile(name, own) if name else (asked,)


def _of_profile(name: str, own: Mapping[str, Sequence[Path]]) -> list[Path]:
    shipped = _shipped()
    return [*([shipped[name]] if name in shipped else []), *own.get(name, ())]


def _shipped() -> dict[str, Path]:
    return {file.stem: file for file in PROFILES.glob("*.yaml")}


def profile(name: str, own: Mapping[str, Sequence[Path]] = MappingProxyType({})) -> dict[str, Any]:
    """A values profile: that of charts/values/ with the user's `own` ones of the same name merged over it.

    Raises UsageError with the nearest name when there is none.
    """
    shipped, files = _shipped(), _of_profile(name, own)
    if not files:
        known = sorted({*shipped, *own})
        near = nearest(name.lower(), known)
        raise UsageError(
            f"there is no values profile {name!r}{did_you_mean(near and repr(near))}",
            f"the profiles are: {', '.join(known)}; yours are in values/ of a folder of catalogue_dirs",
        )
    return merge(*map(load_values, files))


def _kind(data: object) -> str:
    return "list" if isinstance(data, list) else "plain value"


def with_text_keys(value: Any) -> Any:
    """YAML with the keys that JSON has: Helm and kubectl turn the one into the other."""
    if isinstance(value, dict):
        return {_key(key): with_text_keys(inner) for key, inner in value.items()}
    return [with_text_keys(inner) for inner in value] if isinstance(value, list) else value


def _key(key: object) -> str:
    # Helm turns YAML into JSON, whose keys are text.
    return str(key).lower() if isinstance(key, bool) else str(key)
