# SPDX-License-Identifier: Apache-2.0
"""What an application names itself and cannot be had where it runs: hosts, packages, classes, files, file systems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from harness.apps import moving
from harness.apps.users import UserManifest

_LACKS = re.compile(
    r"UnknownHostException: (?P<host>[\w.-]+)"
    r"|unresolved dependency: (?P<package>[\w.#-]+);"
    r"|(?:ClassNotFoundException: |Failed to load class )(?P<mainClass>[\w.$]*\w)"
    r"|No FileSystem for scheme:? \"?(?P<scheme>[\w+.-]+)"
    r"|(?:NoSuchFileException: |File (?:file:)?|can't open file ')(?P<file>/[^\s':]+)"
)
"""The words of java.net, Ivy, java.lang, org.apache.spark.deploy.SparkSubmit, org.apache.hadoop.fs and CPython."""


def named(it: UserManifest, said: str) -> str:
    """What an application's specification has, and of which its submission or its driver says that it is not there.

    Empty where there is none, and of a file below one of its mounts: that it is lacking may be the operator's doing.
    """
    own = list(moving.texts(it.spec))
    mounts = [path.rstrip("/") for path in _mounts(it.spec)]
    for found in _LACKS.finditer(said):
        kind = str(found.lastgroup)
        name = found[kind].replace("#", ":").rstrip(".")
        if kind == "mainClass":
            is_own = name in own
        elif kind == "scheme":
            is_own = any(f"{name}://" in text for text in own)
        else:
            is_own = any(name in text for text in own)
        if is_own and not (kind == "file" and any(name.startswith(f"{path}/") for path in mounts)):
            return f"{name}://" if kind == "scheme" else name
    return ""


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
