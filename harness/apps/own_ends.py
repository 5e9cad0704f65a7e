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

from harness.causes import ENDED_ITSELF
from harness.kube.needs import fields

PROGRAM = "was ended by its own program"
"""What is told where the program's own code or data ended it: that one end is like another one, has to be seen."""

_CLUSTERS = re.compile(
    r"(?i)kubernetes|fabric8|External scheduler|SparkContext|executor (?:\d+ )?(?:lost|exited|decommission)"
    r"|ExecutorLost|executor failures|FetchFailed|Service '\w+' failed after|JAVA_GATEWAY|Py4JNetwork"
    r"|Java gateway|OutOfMemoryError|BindException|not accepted any resources|system:serviceaccount|driver pod"
    r"|-svc\b|spark://|\bmaster\b"
    r"|(?<![\w.])spark\.[a-z]|(?:driver|executor)[-.]memory|exited with (?:1[2-9]\d|2\d\d)\b"
)
"""What tells of Spark's own start, of its executors and of its settings."""

AWAY = re.compile(
    r"(?i)unknown ?host|name or service not known|name resolution|translate host name|getaddrinfo|nodename nor servname"
    r"|\brefused|timed? ?out|no route to host|network is unreachable|max retries exceeded|cannot authenticate via"
    r"|(?:failed|unable|can't|cannot|could not) (?:to )?(?:connect|establish|reach|resolve)|failed on connection"
    r"|connection error|not accessible|all nodes failed"
)
"""What programs say of a host that they do not reach, of whatever kind they are."""

_LOGIN_REFUSED = re.compile(
    r"(?i)access ?denied|\b40[13] (?:forbidden|unauthorized)|status ?code: ?40[13]|permission denied: user="
    r"|not ?authorized|unauthorized|(?:invalid|incorrect|bad) (?:username|user name|password|credentials|access token)"
    r"|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|log[io]n denied|authentication failed"
    r"|failed to authenticate|Login failed for user|ORA-01017"
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
_WITH_PORT = re.compile(
    r"(?<![\w.-])(?P<name>[A-Za-z][\w-]*(?:\.[\w-]+)*\.(?!(?:java|scala|kt|py|R)\b)[\w-]+)(?:/[^\s:]*)?:\d{2,5}\b"
)
_OF_CLUSTER = re.compile(r"kubernetes\b.*|localhost|.*-svc(?:\..*)?")

_ABSENT = re.compile(
    r"(?:(?:FileNotFound|Permission)Error: .*?: '|AccessDeniedException: "
    r"|PATH_NOT_FOUND\] Path does not exist: (?:file:)?(?://)?|NoSuchFileException: "
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
    r"|(?:[\w.]*\.)?StreamingQueryException: \[STREAM_FAILED\].* terminated with exception: (?!Job aborted)"
)
_OWN = re.compile(
    rf"(?m)^(?:Caused by: )?(?:(?:{_PYTHON})\b|(?:[a-z_]\w*\.)+JSONDecodeError|{_JAVA}|{_SQL})"
    rf"|^User application exited with \d+|^{ENDED_ITSELF}"
    r"|^(?:Error: )?(?i:missing|unknown) (?:required )?(?:option|argument|parameter)\b"
    r"|^\S+: error: (?:the following arguments are required|unrecognized|argument)"
)
"""What a program's own code and data end with: the words of CPython, of java.lang, of org.apache.spark.sql, of
argparse and of scopt."""

_FOREIGN = re.compile(
    r"(?m)^(?:Caused by: )?(?!java[.x]|scala\.|sun\.|jdk\.|io\.fabric8|org\.apache\.(?:spark|hadoop)\."
    r"|pyspark\.|py4j\.)"
    r"(?:[a-z_]\w*\.)+[A-Z][\w$]*(?::|$| \(from )"
)
"""An exception of the program or of a library of its own."""

_NOT_LET = re.compile(r"PermissionError|AccessDeniedException: /|\(?Permission denied\)?")
_IDENTITY = ("securityContext", "podSecurityContext")
"""Fields by which the operator says who a container is, and what it may write."""

_WORD = re.compile(r"[\w./-]+")
_ARGUMENTS = re.compile(r"IndexOutOfBounds|IndexError|(?i:\busage\b)|required")
_ENV = ("env", "envVars", "envSecretKeyRefs")


def told(spec: Mapping[str, Any], said: str, *, logs_in: bool) -> str:
    """How a program ended by its own doing, in words that go on after the name of an application; else empty.

    `said` is what ended its driver by its log, `logs_in` whether the operator is to bring it what it logs in with.
    """
    if _CLUSTERS.search(said) or _is_brought(spec, said):
        return ""
    if host := _host(said):
        return f"asks for {host}, which cannot be reached from this cluster"
    if _LOGIN_REFUSED.search(said):
        asked = _ADDRESS.search(said)
        whom = asked[0] if asked else "what it asks"
        return "" if logs_in else f"is not let in by {whom}, and has no login in its specification"
    if match := _ABSENT.search(said):
        return f"needs {match['path']}, which its image does not have or does not let it write"
    return PROGRAM if _OWN.search(said) or _FOREIGN.search(said) else ""


def _host(said: str) -> str:
    """The host that a program did not reach; empty where it is one of the cluster's own, or none is named."""
    match = _NOT_REACHED.search(said) or (_WITH_PORT.search(said) if AWAY.search(said) else None)
    host = str(match[match.lastgroup or 0]) if match else ""
    return "" if _OF_CLUSTER.fullmatch(host) else host


def _is_brought(spec: Mapping[str, Any], said: str) -> bool:
    """Whether words name what the specification has for the program."""
    words = set(_WORD.findall(said))
    if words & set(_names(spec)):
        return True
    if _NOT_LET.search(said) and any(key in _IDENTITY and value for key, value in fields(spec)):
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
