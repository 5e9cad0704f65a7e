# SPDX-License-Identifier: Apache-2.0
"""Whether registries have images, asked by HEAD alone, which no registry counts as a pull."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from harness.errors import CommandError, HarnessError, RegistryError
from harness.images import logins
from harness.images.credentials import Credentials
from harness.images.logins import TokenFile
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.registries.at_once import ask_all
from harness.registries.client import RegistryClient
from harness.settings import Settings

SECONDS = 8.0
"""How long all registries together may take."""

_REQUEST_SECONDS = 4.0

State = Literal["there", "missing", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Presence:
    """What is known of an image. `unknown` is all that is not a clear answer: `said` has the host, and what it said.

    `login` says whose login it took to see it, empty where anybody may; `server` is who was asked.
    """

    state: State
    server: str = ""
    login: str = ""
    said: str = ""


def look(images: Iterable[ImageReference], settings: Settings, *, seconds: float = SECONDS) -> dict[str, Presence]:
    """Each image by its canonical name, all asked for at the same time, within `seconds`.

    A host of the mirror map is asked at its mirror. Every other one is asked as anybody first, so that what is private
    is told; then with this machine's login.
    """
    wanted = list(dict.fromkeys(images))

    def ask(image: ImageReference) -> Presence:
        try:
            return _of(image, settings.mirrors.get(image.registry), settings.logins)
        except HarnessError as error:
            return Presence(state="unknown", server=image.registry, said=error.message)

    answers = ask_all(wanted, ask, seconds=seconds)
    return {it.canonical: answers.get(it) or _late(it.registry, seconds) for it in wanted}


def _late(host: str, seconds: float) -> Presence:
    return Presence(state="unknown", server=host, said=f"{host} did not answer within {seconds:.0f} s")


def _of(image: ImageReference, mirror: Mirror | None, rows: Mapping[str, TokenFile]) -> Presence:
    """Raises HarnessError where nobody answers, or the login cannot be read."""
    first = _asked(image, mirror, None)
    if first.state == "there" or mirror:
        return first
    try:
        login = logins.find(image.registry, rows, image.repository)
    except CommandError as failed:
        return replace(first, said=f"{first.said or first.state}; no login was tried, since {failed.message}")
    if login is None:
        return first
    # Some registries say 404 to whoever may not see an image.
    second = _asked(image, None, login.credentials)
    return Presence(state=second.state, server=second.server, login=login.origin, said=second.said)


def _asked(image: ImageReference, mirror: Mirror | None, credentials: Credentials | None) -> Presence:
    """One answer. Raises RegistryError where nobody answers, SettingsError for a CA that cannot be used."""
    with RegistryClient(mirror, image.registry, credentials=credentials, timeout=_REQUEST_SECONDS, attempts=1) as it:
        try:
            return Presence(state="there" if it.has(image) else "missing", server=it.server)
        except RegistryError as refused:
            return Presence(state="unknown", server=it.server, said=refused.message)
