# SPDX-License-Identifier: Apache-2.0
"""Values of a specification that cannot be: what a program or Spark refuses in so many words, and what no node holds.

Where the words quote a value as the specification has it, the operator has passed it on as it is, so that the refusal
says nothing of the operator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from harness.apps.pods import MEMORY, java_memory
from harness.kube.needs import fields

_MIB = 1024**2
_LEAST_OVERHEAD = 384
"""MiB that Spark adds at least to what a JVM is given (spark.driver.minMemoryOverhead and that of executors)."""
_FACTOR = Decimal("0.1")
"""What it adds where that is more (spark.kubernetes.memoryOverheadFactor, for JVMs)."""

_ROLES = ("driver", "executor", "server")

_REFUSES = re.compile(
    r"(?i)\b(?:should|must|needs? to|has to|ha[ds] to|cannot|can't|expects?|expected|requires?) |\binvalid|\bnot a\b"
    r"|\billegal|\bunsupported|\bunknown|\bunrecogni[sz]ed|\bNumberFormat|\bfailed to parse|\bno such"
)
"""Words for a value that is refused: those of org.apache.spark.internal.config and of most parsers."""

_UNRECOGNISED = re.compile(r"(?m)^\S+: error: unrecognized arguments: (?P<rest>.+)$")
_INVALID = re.compile(
    r"(?m)^\S+: error: argument (?P<option>\S+): (?:invalid (?:\w+ )?(?:value|choice): '(?P<value>[^']*)')"
)
_REQUIRED = re.compile(r"(?m)^\S+: error: the following arguments are required: (?P<names>.+)$")
"""The words of argparse (CPython's Lib/argparse.py)."""


def too_large(spec: Mapping[str, Any], memory_mib: int) -> str:
    """Which part of an application asks for more memory than a node of `memory_mib` MiB has, in words; else empty.

    It is reckoned as the least that Spark asks for: what the part is given, and its overhead.
    """
    for role in _ROLES:
        part = spec.get(role)
        if not isinstance(part, Mapping) or part.get("instances") == 0 or not memory_mib:
            continue
        asked = _least_mib(part, spec)
        if asked > memory_mib:
            return f"asks for {asked:.0f} MiB of memory for its {role}, and a node has {memory_mib} MiB for all pods"
    return ""


def _least_mib(part: Mapping[str, Any], spec: Mapping[str, Any]) -> Decimal:
    try:
        memory = java_memory(str(part.get("memory") or MEMORY)) / _MIB
        if overhead := part.get("memoryOverhead"):
            return memory + java_memory(str(overhead)) / _MIB
        factor = Decimal(str(spec.get("memoryOverheadFactor") or _FACTOR))
        return memory + max(Decimal(_LEAST_OVERHEAD), memory * factor)
    except (ValueError, ArithmeticError):
        return Decimal(0)


def refused(spec: Mapping[str, Any], said: str) -> str:
    """What Spark or a program says that it does not take, and that the specification has just so; else empty.

    The words go on after the name of an application.
    """
    for line in said.splitlines():
        if _REFUSES.search(line):
            for key, value in _settings(spec):
                if _has_word(line, key) and _has_word(line, value):
                    return f"has {key} = {value} in its specification, which is refused"
    return _of_arguments([str(it) for it in spec.get("arguments") or ()], said)


def _of_arguments(arguments: list[str], said: str) -> str:
    if (found := _UNRECOGNISED.search(said)) and found["rest"].strip() in " ".join(arguments):
        return f"has the arguments {found['rest'].strip()} in its specification, which its program does not know"
    if (found := _INVALID.search(said)) and _given(found["option"], found["value"] or "", arguments):
        return f"has {found['value']} for {found['option']} in its specification, which its program refuses"
    if found := _REQUIRED.search(said):
        options = [it.partition("/")[0] for it in found["names"].split(", ")]
        given = {it.partition("=")[0] for it in arguments}
        if all(it.startswith("-") for it in options) and given.isdisjoint(options):
            return f"has no {', '.join(options)} among its arguments, which its program requires"
    return ""


def _given(option: str, value: str, arguments: list[str]) -> bool:
    names = option.split("/")
    apart = any(it in names and then == value for it, then in pairwise(arguments))
    return apart or any(f"{it}={value}" in arguments for it in names)


def _settings(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in fields(spec):
        if key in ("sparkConf", "hadoopConf") and isinstance(value, Mapping):
            yield from ((str(name), str(it)) for name, it in value.items() if str(it))


def _has_word(line: str, word: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-]|\.\w)", line) is not None
