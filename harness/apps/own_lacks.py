# SPDX-License-Identifier: Apache-2.0
"""What an application names itself and cannot be had where it runs: hosts, packages, classes, files, file systems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.apps import moving, own_ends, own_needs, own_values
from harness.apps.users import UserManifest

_ADDRESS = r"(?!file:)[a-z][\w+.-]*://[^\s'\",;)\]]+"
_HOST = r"[\w-]+(?:\.[\w-]+)*"
_LACKS = re.compile(
    rf"UnknownHostException: (?P<unknown>{_HOST})"
    r"|(?:Connection to|Connect to|[Ff]ailed to connect to|Call From \S+ to|bootstrap\.servers:?)"
    rf" (?P<host>{_HOST})[:/]"
    r"|unresolved dependency: (?P<package>[\w.#-]+);"
    r"|(?:ClassNotFoundException: (?:Class )?|Failed to load class )(?P<mainClass>[\w.$]*\w)"
    r"|No FileSystem for scheme:? \"?(?P<scheme>[\w+.-]+)"
    rf"|(?:AccessDeniedException|NoAuthWithAWSException): (?P<denied>{_ADDRESS})"
    rf"|(?:FileNotFoundException: |[Pp]ath does not exist: )(?P<address>{_ADDRESS})"
    r"|FileNotFoundException: Bucket (?P<bucket>[\w.-]+) does not exist"
    r"|(?:NoSuchFileException: |File (?:file:)?|can't open file '|[Pp]ath does not exist: file:(?://)?"
    r"|JAR manifest missing : )(?P<file>/[^\s':]+)"
    r"|(?P<absent>/[^\s':]+) (?:does not exist|\(No such file or directory\))"
    r"|No such file or directory: '(?P<python>/[^']+)'"
)
"""The words of java.net, Ivy, java.lang, org.apache.spark.deploy.SparkSubmit, org.apache.hadoop (fs and net.NetUtils),
Spark's errors, drivers of databases, Kafka's clients, the JVM's agents and CPython."""

_HOSTS = re.compile(
    r"(?<![\w.-])(?:(?:\d{1,3}\.){3}\d{1,3}|[A-Za-z][\w-]*(?:\.[\w-]+)+|[A-Za-z][\w-]*(?=:\d{2,5}\b)"
    r"|(?<=[\'\"])[A-Za-z][\w-]*(?=[\'\"]))"
)
_OWN_HOSTS = re.compile(r"(?:kubernetes\.default\b.*|localhost|127\.0\.0\.1|.*-svc(?:\..*)?|.*Exception|.*Error)")
"""What a run's cluster has, and what is no host."""

_NO_BROKER = re.compile(
    r"No resolvable bootstrap urls|waiting for a node assignment|not present in metadata after"
    r"|Failed to update metadata"
)
"""The words of Kafka's clients where no broker answers; they do not name any."""
_BROKER = re.compile(r"(?P<name>[\w.-]+):9\d{3}\b")
_NO_METASTORE = re.compile(r"Could not connect to meta store|HiveMetaStoreClient")
"""The words of Hive's client, which does not name the metastore either (HiveMetaStoreClient.java)."""
_METASTORE = re.compile(r"thrift://(?P<name>[\w.-]+)")


def told(it: UserManifest, submission: str, driver: str, config_maps: Sequence[UserManifest] = ()) -> str:
    """What an application lacks that is no doing of the operator's, in words that go on after its name; else empty.

    `submission` is the error of its status, `driver` what ended its driver by its log, `config_maps` what the user
    brought it.
    """
    if name := named(it, f"{submission}\n{driver}", config_maps):
        return f"names {name}, which cannot be had in this cluster"
    if value := own_values.refused(it.spec, f"{submission}\n{driver}"):
        return value
    if driver and it.gaps:
        return f"runs with {', '.join(it.gaps)}, which nobody has filled in"
    return own_needs.lacking(it.spec, driver, {one.name: one.document for one in config_maps})


def named(it: UserManifest, said: str, config_maps: Sequence[UserManifest] = ()) -> str:
    """What an application's specification has, or a ConfigMap beside it, and of which its submission or its driver
    says that it is not there.

    Empty where there is none, and where that it is lacking may be the operator's doing: of a file below one of its
    mounts, and of a login where the operator is to bring one.
    """
    own = [text for one in (it.spec, *(one.document.get("data") for one in config_maps)) for text in moving.texts(one)]
    for found in _LACKS.finditer(said):
        kind = str(found.lastgroup)
        name = found[kind].rstrip(".:")
        if what := _of_kind(kind, name, own, it.spec):
            return what
    return (_host(own, said) if own_ends.AWAY.search(said) else "") or _service(own, said)


def _host(own: Sequence[str], said: str) -> str:
    """The host in a message that an address in the specification has, too."""
    for name in _HOSTS.findall(said):
        address = re.compile(rf"(?:://(?:[^/@\s]*@)?|@|^|[,;=\s\"'])({re.escape(name)})(?::\d|[/,;\s\"'?]|$)")
        if not _OWN_HOSTS.fullmatch(name) and any(address.search(text) for text in own):
            return str(name)
    return ""


def _service(own: Sequence[str], said: str) -> str:
    """The service in the specification that a client does not reach and does not name."""
    for silent, address in ((_NO_BROKER, _BROKER), (_NO_METASTORE, _METASTORE)):
        if silent.search(said):
            return next((found["name"] for text in own if (found := address.search(text))), "")
    return ""


def _of_kind(kind: str, name: str, own: Sequence[str], spec: Mapping[str, Any]) -> str:
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
            is_own = any(_root(name) in text for text in own) and not (
                kind == "denied" and own_needs.has_login_field(spec)
            )
        case "file" | "absent" | "python":
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
