# SPDX-License-Identifier: Apache-2.0
"""The Debian packages of a base system: from apt's records when it is built, from dpkg's own status afterwards."""

from __future__ import annotations

import email
import email.message
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.foundry.supply.components import Component, Contents

STATUS = "var/lib/dpkg/status"
"""Where dpkg keeps what is installed."""

Listed = Mapping[str, tuple[str, str]]
"""Name of a package → its version and SHA-256."""

_INSTALLED = "install ok installed"


def contents(status: str, records: str, suite: str) -> Contents:
    """The installed packages. `records` is what `apt-cache show` prints of them, with the hashes of their files."""
    hashes = {_identity(it): it["SHA256"] for it in paragraphs(records) if it["SHA256"]}
    found = tuple(_component(it, suite, hashes) for it in paragraphs(status) if it["Status"] == _INSTALLED)
    unproved = sum(not it.proved for it in found)
    unknown = (f"the hashes of {unproved} Debian packages: they were not recorded when it was built",)
    return Contents(components=found, unknown=unknown if unproved else ())


def status_in(archive: Path) -> str:
    """dpkg's status in the tarball of a base system, packed or not; empty when it has none."""
    with tarfile.open(archive, "r|*") as tree:
        for member in tree:
            if member.name.removeprefix("./") == STATUS:
                content = tree.extractfile(member)
                return content.read().decode() if content else ""
    return ""


def paragraphs(text: str) -> Iterator[email.message.Message]:
    """The paragraphs of a control file (deb822(5)), whose fields are like those of mail headers."""
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            yield email.message_from_string(paragraph.strip("\n") + "\n\n")


def _identity(paragraph: email.message.Message) -> tuple[str, str, str]:
    return (str(paragraph["Package"]), str(paragraph["Version"]), str(paragraph["Architecture"]))


def _component(paragraph: email.message.Message, suite: str, hashes: Mapping[tuple[str, str, str], str]) -> Component:
    name, version, architecture = _identity(paragraph)
    return Component(
        ecosystem="deb",
        group="debian",
        name=name,
        version=version,
        qualifiers={"arch": architecture, "distro": suite},
        sha256=hashes.get((name, version, architecture), ""),
    )


def listed(components: Iterable[Component]) -> Listed:
    """The Debian packages among these."""
    return {it.name: (it.version, it.sha256) for it in components if it.ecosystem == "deb"}
