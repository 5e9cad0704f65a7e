# SPDX-License-Identifier: Apache-2.0
"""What an application names itself and cannot be had where it runs: hosts, packages, classes, files, file systems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from harness.apps import moving
from harness.apps.users import UserManifest

_ADDRESS = r"(?!file:)[a-z][\w+.-]*://[^\s'\",;)\]]+"
_HOST = r"[\w-]+(?:\.[\w-]+)*"
_LACKS = re.compile(
    rf"UnknownHostException: (?P<unknown>{_HOST})"
    r"|(?:Connection to|Connect to|[Ff]ailed to connect to|Call From \S+ to|bootstrap\.servers:?)"
    rf" (?P<host>{_HOST})[:/]"
    r"|unresolved dependency: (?P<package>[\w.#-]+);"
    r"|(?:ClassNotFoundException: |Failed to load class )(?P<mainClass>[\w.$]*\w)"
    r"|No FileSystem for scheme:? \"?(?P<scheme>[\w+.-]+)"
    rf"|(?:AccessDeniedException|NoAuthWithAWSException): (?P<denied>{_ADDRESS})"
    rf"|(?:FileNotFoundException: |[Pp]ath does not exist: )(?P<address>{_ADDRESS})"
    r"|FileNotFoundException: Bucket (?P<bucket>[\w.-]+) does not exist"
    r"|(?:NoSuchFileException: |File (?:file:)?|can't open file '|[Pp]ath does not exist: file:(?://)?"
    r"|JAR manifest missing : )(?P<file>/[^\s':]+)"
)
"""The words of java.net, Ivy, java.lang, org.apache.spark.deploy.SparkSubmit, org.apache.hadoop (fs and net.NetUtils),
Spark's errors, drivers of databases, Kafka's clients, the JVM's agents and CPython."""

_BY_OPERATOR = ("secrets", "envSecretKeyRefs", "envFrom", "env", "envVars", "volumeMounts", "sparkConfigMap")
"""Fields by which the operator brings an application what it logs in with."""


def named(it: UserManifest, said: str) -> str:
    """What an application's specification has, and of which its submission or its driver says that it is not there.

    Empty where there is none, and where that it is lacking may be the operator's doing: of a file below one of its
    mounts, and of a login where the operator is to bring one.
    """
    own = list(moving.texts(it.spec))
    for found in _LACKS.finditer(said):
        kind = str(found.lastgroup)
        name = found[kind].rstrip(".:")
        if what := _of_kind(kind, name, own, it.spec):
            return what
    return ""


def _of_kind(kind: str, name: str, own: Sequence[str], spec: Mapping[str, object]) -> str:
    """What the specification names, as it is told; empty where it does not."""
    match kind:
        case "mainClass":
            is_own = name in own
        case "scheme":
            name = f"{name}://"
            is_own = any(name in text for text in own)
        case "bucket":
            is_own = any(re.search(rf"://{re.escape(name)}(?:/|$)", text) for text in own)
        case "address" | "denied":
            is_own = any(_root(name) in text for text in own) and not (kind == "denied" and _has(spec, _BY_OPERATOR))
        case "file":
            below = any(name.startswith(f"{path.rstrip('/')}/") for path in _mounts(spec))
            is_own = not below and any(name in text for text in own)
        case _:
            name = name.replace("#", ":")
            is_own = any(name in text for text in own)
    return name if is_own else ""


def _root(address: str) -> str:
    """The scheme and the host or bucket of an address."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _has(value: object, keys: Sequence[str]) -> bool:
    """Whether a specification has something in one of these fields, wherever they are."""
    if isinstance(value, Mapping):
        return any((key in keys and bool(inner)) or _has(inner, keys) for key, inner in value.items())
    return not isinstance(value, str) and isinstance(value, Sequence) and any(_has(inner, keys) for inner in value)


def _mounts(value: object) -> Iterator[str]:
    """Where volumes, ConfigMaps and Secrets are mounted."""
    if isinstance(value, Mapping):
        for key in ("mountPath", "path"):
            if isinstance(value.get(key), str):
                yield value[key]
        for inner in value.values():
            yield from _mounts(inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _mounts(inner)
