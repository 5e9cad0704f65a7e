# SPDX-License-Identifier: Apache-2.0
"""Whether a program ended by its own doing: by its data, its code, or a service that it asked.

What the operator is to bring a program may be missing in it, and the program then ends with words of its own, too. So
nothing is said where Spark or Kubernetes speak, nor where the words name something that the specification has for it:
an argument, a variable, a file of a mount, a setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.kube.needs import fields

PROGRAM = "was ended by its own program"
"""What is told where the program's own code or data ended it: that one end is like another one, has to be seen."""

_CLUSTERS = re.compile(
    r"(?i)kubernetes|fabric8|External scheduler|SparkContext|executor (?:\d+ )?(?:lost|exited|decommission)"
    r"|ExecutorLost|executor failures|FetchFailed|Service '\w+' failed after|JAVA_GATEWAY|Py4JNetwork"
    r"|Java gateway|OutOfMemoryError|BindException|not accepted any resources|system:serviceaccount|driver pod|-svc\b|spark://|\bmaster\b"
    r"|(?<![\w.])spark\.[a-z]|(?:driver|executor)[-.]memory|exited with (?:1[2-9]\d|2\d\d)\b"
)
"""What tells of Spark's own start, of its executors and of its settings."""

_LOGIN_REFUSED = re.compile(
    r"(?i)access ?denied|\b40[13] (?:forbidden|unauthorized)|status ?code: ?40[13]|permission denied: user="
    r"|not ?authorized|authentication failed|failed to authenticate|Login failed for user|ORA-01017"
    r"|AuthorizationPermissionMismatch|does not have \S+ access|certification path|CERTIFICATE_VERIFY_FAILED"
)
"""The words of services, and of TLS, for a client whom they do not let in."""

_ADDRESS = re.compile(r"\b[a-z][\w+.-]*://[\w.@-]*\w")
_HOST = r"(?P<name>[A-Za-z][\w-]*(?:\.[\w-]+)*)"
_NOT_REACHED = re.compile(
    rf"UnknownHostException: {_HOST}|(?:Connection to|[Cc]onnect to) {_HOST.replace('name', 'other')}[:/]"
    rf"|translate host name \"{_HOST.replace('name', 'third')}\"|host='{_HOST.replace('name', 'fourth')}'"
    rf"|Can't connect to \w+ server on '{_HOST.replace('name', 'fifth')}'"
)
_OF_CLUSTER = re.compile(r"kubernetes\b.*|localhost|.*-svc(?:\..*)?")

_ABSENT = re.compile(
    r"(?:FileNotFoundError: .*?: '|PATH_NOT_FOUND\] Path does not exist: (?:file:)?(?://)?|NoSuchFileException: "
    r"|Mkdirs failed to create (?:file:)?|FileNotFoundException: (?:File (?:file:)?)?)(?P<path>/[^\s':]*[^\s':.])"
)
_PYTHON = (
    "ArithmeticError|AssertionError|AttributeError|EOFError|Exception|IndexError|JSONDecodeError|KeyError|LookupError"
    "|NameError|NotImplementedError|OverflowError|RecursionError|RuntimeError|StopIteration|SystemExit|TypeError"
    "|UnboundLocalError|Unicode(?:De|En)codeError|ValueError|ZeroDivisionError"
)
_JAVA = (
    r"java\.lang\.(?:ArithmeticException|AssertionError|ClassCastException|Exception|Illegal(?:Argument|State)Exception"
    r"|NegativeArraySizeException|NullPointerException|NumberFormatException|RuntimeException|StackOverflowError"
    r"|UnsupportedOperationException|\w*IndexOutOfBoundsException)"
    r"|java\.util\.(?:NoSuchElement|InputMismatch|ConcurrentModification)Exception|java\.time\.[\w.]+Exception"
    r"|java\.text\.ParseException|scala\.(?:MatchError|NotImplementedError|UninitializedFieldError)"
)
_SQL = (
    r"(?:[\w.]*\.)?(?:AnalysisException|ParseException|Spark(?!Exception|Context|UserApp|Security)\w+Exception"
    r"|(?:Arithmetic|DateTime|NumberFormat|ArrayIndexOutOfBounds)Exception|Delta\w+Exception)"
    r"|(?:[\w.]*\.)?SparkException: \[FAILED_EXECUTE_UDF\]"
)
_OWN = re.compile(
    rf"(?m)^(?:Caused by: )?(?:(?:{_PYTHON})\b|(?:[a-z_]\w*\.)+JSONDecodeError|{_JAVA}|{_SQL})"
    r"|^User application exited with \d+|^\S+: error: (?:the following arguments are required|unrecognized|argument)"
)
"""What a program's own code and data end with: the words of CPython, of java.lang, of org.apache.spark.sql and of
argparse."""

_WORD = re.compile(r"[\w./-]+")
_ARGUMENTS = re.compile(r"IndexOutOfBounds|IndexError|(?i:\busage\b)|required")
_ENV = ("env", "envVars", "envSecretKeyRefs")


def told(spec: Mapping[str, Any], said: str, *, logs_in: bool) -> str:
    """How a program ended by its own doing, in words that go on after the name of an application; else empty.

    `said` is what ended its driver by its log, `logs_in` whether the operator is to bring it what it logs in with.
    """
    if _CLUSTERS.search(said) or _is_brought(spec, said):
        return ""
    if match := _NOT_REACHED.search(said):
        host = str(match[match.lastgroup or 0])
        if not _OF_CLUSTER.fullmatch(host):
            return f"asks for {host}, which cannot be reached from this cluster"
    if _LOGIN_REFUSED.search(said):
        asked = _ADDRESS.search(said)
        whom = asked[0] if asked else "what it asks"
        return "" if logs_in else f"is not let in by {whom}, and has no login in its specification"
    if match := _ABSENT.search(said):
        return f"needs {match['path']}, which its image does not have or does not let it write"
    if _OWN.search(said) or _is_own_class(spec, said):
        return PROGRAM
    return ""


def _is_brought(spec: Mapping[str, Any], said: str) -> bool:
    """Whether words name what the specification has for the program."""
    words = set(_WORD.findall(said))
    if words & set(_names(spec)):
        return True
    if "KeyError" in said and any(key == "envFrom" and value for key, value in fields(spec)):
        return True
    arguments = [str(it) for it in spec.get("arguments") or ()]
    options = {it.partition("=")[0] for it in arguments if it.startswith("-")}
    if options & words or (arguments and _ARGUMENTS.search(said)):
        return True
    mounts = {path.rstrip("/") for path in _mounts(spec)}
    return any(word == path or word.startswith(f"{path}/") for word in words for path in mounts)


def _names(spec: Mapping[str, Any]) -> Iterator[str]:
    """The names of variables and of settings."""
    for key, value in fields(spec):
        if key in (*_ENV, "sparkConf", "hadoopConf") and isinstance(value, Mapping):
            yield from map(str, value)
        elif key in _ENV and isinstance(value, list):
            yield from (str(it["name"]) for it in value if isinstance(it, Mapping) and it.get("name"))


def _mounts(spec: Mapping[str, Any]) -> Iterator[str]:
    """Where volumes, ConfigMaps and Secrets are mounted."""
    return (value for key, value in fields(spec) if key in ("mountPath", "path") and isinstance(value, str) and value)


def _is_own_class(spec: Mapping[str, Any], said: str) -> bool:
    """Whether an exception is of the same organisation as the main class."""
    parts = str(spec.get("mainClass") or "").split(".")
    if len(parts) <= 2 or parts[:2] == ["org", "apache"]:
        return False
    return re.search(rf"(?m)^(?:Caused by: )?{re.escape('.'.join(parts[:2]))}\.[\w.$]+(?::|$)", said) is not None
