# SPDX-License-Identifier: Apache-2.0
"""The jars and Python archives in a layer: Maven's own note in each jar, else what its file name says."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.foundry.supply.components import Component, Contents, merged

_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
_JAR = re.compile(r"(?P<name>.+?)-(?P<version>\d[^/]*)\.jar")
_PYTHON = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>\d[^-]*)-src\.zip")


def contents(layer: Path) -> Contents:
    """What a layer's jars and Python archives are."""
    found = []
    unknown = []
    groupless = 0
    with tarfile.open(layer, "r|gz") as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            content = archive.extractfile(member) if member.isreg() and name.endswith((".jar", "-src.zip")) else None
            if content is None:
                continue
            component = _component(name, content.read(), f"/{member.name}")
            if component is None:
                unknown.append(f"which package {name} is")
            else:
                found.append(component)
                groupless += component.ecosystem == "generic"
    if groupless:
        unknown.append(f"the Maven group of {groupless} jars that have no note of it; Maven Central knows their SHA-1")
    return Contents(components=merged(found), unknown=tuple(unknown))


def _component(name: str, data: bytes, path: str) -> Component | None:
    sha256 = hashlib.sha256(data).hexdigest()
    # By this one Maven Central finds a jar.
    sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    if found := _PYTHON.fullmatch(name):
        return Component(
            ecosystem="pypi",
            name=found["name"].lower(),
            version=found["version"],
            within=(path,),
            sha256=sha256,
            sha1=sha1,
        )
    named = _JAR.fullmatch(name)
    notes = list(_maven_notes(data))
    # A jar with others inside has the notes of all; its own is the one that its file is named after.
    own = [it for it in notes if name == f"{it['artifactId']}-{it['version']}.jar"]
    own = own or ([it for it in notes if name.startswith(f"{it['artifactId']}-")] or notes if len(notes) == 1 else [])
    if own:
        note = own[0]
        return Component(
            ecosystem="maven",
            group=note["groupId"],
            name=note["artifactId"],
            version=note["version"],
            within=(path,),
            sha256=sha256,
            sha1=sha1,
        )
    if named is None:
        return None
    # Without its group it is no package of Maven's: only a file of this name.
    return Component(
        ecosystem="generic", name=named["name"], version=named["version"], within=(path,), sha256=sha256, sha1=sha1
    )


def _maven_notes(data: bytes) -> Iterator[dict[str, str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as jar:
            for entry in filter(_POM.fullmatch, jar.namelist()):
                lines = jar.read(entry).decode("utf-8", "replace").splitlines()
                note = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
                if {"groupId", "artifactId", "version"} <= note.keys():
                    yield {key: value.strip() for key, value in note.items()}
    except zipfile.BadZipFile:
        return
