# SPDX-License-Identifier: Apache-2.0
"""What is still to be filled in in an application: by Helm, Jinja, a shell, envsubst, Maven or a script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import UsageError

FILL_IN = "fill it in before, with the tool that you use (`helm template`, `kustomize build`, `envsubst`)"

PLACEHOLDER = re.compile(
    r"\{[{%#]|\$\{?[A-Za-z_]|\{[A-Z][A-Z_]+\}|<[A-Za-z_-]+>|#\{\w|\(\([A-Za-z]|__[A-Z][A-Z0-9_]*__|@[A-Z][A-Z0-9_]*@"
)
"""What is left in a text that is still to be filled in: for Helm, Jinja, the shell and envsubst, for a script, for
Azure's replacement of tokens, Concourse, and Autoconf."""

IN_NAME = re.compile(rf"{PLACEHOLDER.pattern}|\{{\w*\}}|%\(?\w")
"""The same in a name, which has neither braces nor signs of percent: for Python's formatting, too."""

_FILLED_IN_LATER = re.compile(r"\{\{(?:\s*\$\w+\s*|APP_ID|EXECUTOR_ID)\}\}")
"""What the operator fills in (internal/controller/sparkapplication/driveringress.go), and Spark (Utils.scala,
ExecutorRunner.scala).
"""

_VARIABLE = re.compile(r"\$\{[A-Za-z_]\w*(?::?[-=?+][^{}]*)?\}")
"""A variable as a shell, envsubst, Flux or Maven has it, also with a default. Spark's own have a prefix or a dot
(ConfigReader.scala)."""

_IN_ADDRESS = re.compile(r"[a-z][\w+.-]*://[^\s,;]*?((?<!\$)\{[A-Za-z_]+\}|<[A-Za-z_-]+>)")

_FREE = frozenset(
    {
        "annotations", "args", "arguments", "command", "configuration", "env", "envVars", "exec", "hadoopConf",
        "ingressAnnotations", "javaOptions", "metricsProperties", "serviceAnnotations", "sparkConf",
    }
)  # fmt: skip
"""Fields whose texts a program reads, which may fill something in itself."""

_OF_PROGRAM = ("arguments", "sparkConf", "hadoopConf", "javaOptions", "env", "envVars")
"""Those of them that are likely to be wrong with a variable in them."""


class Template(UsageError):
    """A document that is still to be filled in."""


def require_filled_in(spec: Mapping[str, Any], what: str) -> None:
    """Raise Template for a text with braces of Helm or Jinja, and for a variable where nothing fills one in.

    `what` is what comes before in the message.
    """
    for field, text in _texts(spec):
        variable = None if field in _FREE else _VARIABLE.search(text) or _IN_ADDRESS.search(text)
        if variable or "{{" in _FILLED_IN_LATER.sub("", text):
            raise Template(f"{what}: {text!r} is a template", FILL_IN)


def gaps(spec: Mapping[str, Any]) -> list[str]:
    """What looks like a variable in texts that the program reads, and was perhaps to be filled in before, each with the
    field that has it. Whether the program does so itself, nobody can tell.
    """
    found = [
        f"{match[match.lastindex or 0]} in {field}"
        for field, text in _texts(spec)
        if field in _OF_PROGRAM
        for match in (*_VARIABLE.finditer(text), *_IN_ADDRESS.finditer(text))
    ]
    return list(dict.fromkeys(found))


def gaps_of_secret(secret: Mapping[str, Any]) -> list[str]:
    """The values of a Secret that are nothing but a variable, or a place for the true one: they are no secrets."""
    written = (secret.get("stringData") or {}).values()
    return [it for it in map(str, written) if _VARIABLE.fullmatch(it) or re.fullmatch(r"<[\w -]+>|\{\{.*\}\}", it)]


def _texts(value: object, field: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value, with the outermost of the free fields that it is in, else the field that has it."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, field if field in _FREE else str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, field)
