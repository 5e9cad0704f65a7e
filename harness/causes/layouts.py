# SPDX-License-Identifier: Apache-2.0
"""Lines of logs, in the layouts that programs and their users give them: what level a line has, and what it says.

Of text: log4j and logback with the time or the level first, Python's logging, Airflow's and loguru's. Of JSON: the
structured logs of Spark 4, log4j's JsonLayout, the Elastic Common Schema, logstash-logback-encoder, zap and containerd.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_DATE = r"(?:\d\d/\d\d/\d\d|\d{4}[-/]\d\d[-/]\d\d)"
_TIME = rf"\[?(?:{_DATE}[T ])?\d\d:\d\d:\d\d[^\s\]]{{0,20}}\]?"
_LEVEL = r"(?P<{}>FATAL|CRITICAL|ERROR|SEVERE|WARN(?:ING)?)"
_NO_LEVEL = r"(?!(?:FATAL|CRITICAL|ERROR|SEVERE|WARN(?:ING)?|INFO|DEBUG|TRACE)\b)"
_BETWEEN = rf"(?:\s+(?:[-|]\s+)?{_NO_LEVEL}(?:\[[^\]]{{0,200}}\]|\{{[^}}]{{0,200}}\}}|[\w.$][\w.$/:-]{{0,200}}))"

_LINE = re.compile(
    rf"^{_TIME}{_BETWEEN}{{0,3}}\s+(?:[-|]\s+)?\[?{_LEVEL.format('after')}\]?(?:\s+|:\s*)(?P<words>.*)"
    rf"|^\[?{_LEVEL.format('first')}\]?(?:\s+{_TIME}(?:\s+\[[^\]]{{0,200}}\])?\s+|:[\w.$]+:)(?P<rest>.*)"
)
_ENTRY = re.compile(rf"^(?:{_TIME}|\[?(?:FATAL|CRITICAL|ERROR|SEVERE|WARN(?:ING)?|INFO|DEBUG|TRACE)\b|\{{\")")
_SOURCE = re.compile(r"^(?:\[[^\]]{0,200}\]\s+)?(?:[\w.$<>:/-]{1,200}\s+)?[-|]\s+")
"""What names the place in the program, and ends with a dash or a bar; what ends with a colon is told."""

_LEVELS = ("level", "log.level", "severity", "levelname")
_ERRORS = ("error", "fatal", "panic", "dpanic", "critical", "severe")
_TRACES = ("stack_trace", "stackTrace", "error.stack_trace", "exc_info", "exception", "throwable")
_CAUSED_BY = "Caused by: "


def level(line: str) -> str:
    """The level of a line of a log: `WARN`, or whatever is worse; empty for what is no such line."""
    found = _LINE.search(line)
    written = (found["after"] or found["first"]) if found else ""
    return "WARN" if written == "WARNING" else written


def is_entry(line: str) -> bool:
    """Whether a line begins as an entry of a log does, and not as what a program prints."""
    return _ENTRY.match(line) is not None


def said(line: str) -> str:
    """What such a line says, without what comes before its message."""
    found = _LINE.search(line)
    words = (found["words"] if found["words"] is not None else found["rest"]) if found else line
    return _SOURCE.sub("", _SOURCE.sub("", words, count=1), count=1).strip()


def json_error(line: str) -> str:
    """What a line that is JSON says of an error, which is its innermost exception where it has one; else empty."""
    if not line.startswith("{"):
        return ""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    if next((str(entry[it]) for it in _LEVELS if entry.get(it)), "").lower() not in _ERRORS:
        return ""
    traces = (entry.get(it) for it in _TRACES)
    traced = next((_innermost(it) for it in traces if isinstance(it, str) and "\n" in it), "")
    words = (_thrown(entry), traced, entry.get("error"), entry.get("msg"), entry.get("message"))
    return next((it for it in words if isinstance(it, str) and it), "")


def _thrown(entry: Mapping[str, Any]) -> str:
    """The class and the message of the exception of an entry, in the fields of the layouts."""
    for field in ("exception", "thrown", "error"):
        thrown = entry.get(field)
        while isinstance(thrown, Mapping) and isinstance(thrown.get("cause"), Mapping):
            thrown = thrown["cause"]
        if isinstance(thrown, Mapping):
            kind = thrown.get("class") or thrown.get("name") or thrown.get("type")
            return _joined(kind, thrown.get("msg") or thrown.get("message"))
    return _joined(entry.get("error.type"), entry.get("error.message"))


def _joined(kind: object, message: object) -> str:
    return ": ".join(str(it) for it in (kind, message) if it)


def _innermost(trace: str) -> str:
    lines = trace.splitlines()
    caused = [it.removeprefix(_CAUSED_BY) for it in lines if it.startswith(_CAUSED_BY)]
    if lines[0].startswith("Traceback"):
        return next((it for it in reversed(lines) if it and not it.startswith(" ")), "")
    return caused[-1] if caused else lines[0]
