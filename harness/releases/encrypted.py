# SPDX-License-Identifier: Apache-2.0
"""Recognises files that are encrypted, or that stand for content kept elsewhere, so that they are refused by name.

Helm would take what such a file holds for values, or fail with the words of a YAML parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """What a file is instead of what it should be, and the command that gives the plain text of `FILE`."""

    what: str
    way: str


_SOPS = Sealed(what="encrypted with sops", way="sops --decrypt FILE > plain.yaml")
_VAULT = Sealed(what="encrypted with ansible-vault", way="ansible-vault decrypt --output plain.yaml FILE")
_EYAML = Sealed(what="encrypted with hiera-eyaml", way="eyaml decrypt -f FILE > plain.yaml")
_VALS = Sealed(what="made of references that vals has not resolved yet", way="vals eval -f FILE > plain.yaml")
_ARGO_VAULT = Sealed(
    what="made of placeholders that argocd-vault-plugin has not filled in yet",
    way="argocd-vault-plugin generate FILE > plain.yaml",
)

_BEGINNINGS: tuple[tuple[bytes, Sealed], ...] = (
    (b"\0GITCRYPT\0", Sealed(what="encrypted with git-crypt", way="git-crypt unlock")),
    (b"$ANSIBLE_VAULT;", _VAULT),
    (b"age-encryption.org/", Sealed(what="encrypted with age", way="age --decrypt FILE > plain.yaml")),
    (b"-----BEGIN AGE ENCRYPTED FILE", Sealed(what="encrypted with age", way="age --decrypt FILE > plain.yaml")),
    (b"-----BEGIN PGP MESSAGE", Sealed(what="encrypted with GnuPG", way="gpg --decrypt FILE > plain.yaml")),
    (b"\x85\x01", Sealed(what="encrypted with GnuPG", way="gpg --decrypt FILE > plain.yaml")),
    (b"\x85\x02", Sealed(what="encrypted with GnuPG", way="gpg --decrypt FILE > plain.yaml")),
    (b"-----BEGIN PKCS7", Sealed(what="encrypted as CMS", way="openssl smime -decrypt -inform PEM -in FILE")),
    (b"-----BEGIN CMS", Sealed(what="encrypted as CMS", way="openssl cms -decrypt -inform PEM -in FILE")),
    (b"Salted__", Sealed(what="encrypted with openssl", way="openssl enc -d -in FILE -out plain.yaml")),
    (b"U2FsdGVkX1", Sealed(what="encrypted with openssl or transcrypt", way="transcrypt --show-raw FILE")),
    (b"# STRONGBOX ENCRYPTED RESOURCE", Sealed(what="encrypted with strongbox", way="strongbox -decrypt < FILE")),
    (b"version https://git-lfs.github.com/", Sealed(what="a pointer of Git LFS", way="git lfs pull --include FILE")),
)
"""What the formats say of themselves in their first bytes; 85 01 and 85 02 are OpenPGP's old session key packets
(RFC 4880, 4.2), which `gpg --encrypt` writes."""

_SCALARS: tuple[tuple[re.Pattern[str], Sealed], ...] = (
    (re.compile(r"ENC\[(AES256_GCM|[A-Z0-9_]+),data:"), _SOPS),
    (re.compile(r"ENC\[(PKCS7|GPG|KMS|DEFAULT)?,?[A-Za-z0-9+/=\s]{40,}\]"), _EYAML),
    (re.compile(r"\A\s*\$ANSIBLE_VAULT;"), _VAULT),
    (re.compile(r"(?:\A|[^\w])(?:secret)?ref\+[a-z0-9]+://"), _VALS),
    (re.compile(r"<path:[^>]+#[^>]+>"), _ARGO_VAULT),
)
_OBJECTS = {
    "SealedSecret": Sealed(what="a SealedSecret, which only its controller can open", way=""),
    "SopsSecret": Sealed(what="a SopsSecret, which only its operator can open", way=""),
    "ExternalSecret": Sealed(what="an ExternalSecret, which only its operator can fill", way=""),
}
_INLINE_VAULT = re.compile(r"!vault(-encrypted)?\s*\|")
_HEAD = 256


def of_bytes(content: bytes) -> Sealed | None:
    """What the bytes of a file say of themselves; None where nothing is known of them."""
    head = content[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    return next((sealed for beginning, sealed in _BEGINNINGS if head.startswith(beginning)), None)


def of_text(text: str) -> Sealed | None:
    """What a text has that no YAML reader can know: the tags of ansible-vault. Comments do not count."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return _VAULT if any(_INLINE_VAULT.search(line) for line in lines) else None


def of_document(document: Any) -> Sealed | None:
    """What a parsed document is instead; None where it is plain."""
    if not isinstance(document, Mapping):
        return None
    sops = document.get("sops")
    if isinstance(sops, Mapping) and {"mac", "version", "lastmodified"} & sops.keys():
        return _SOPS
    kind = document.get("kind")
    if "apiVersion" in document and isinstance(kind, str) and kind in _OBJECTS:
        return _OBJECTS[kind]
    return next((sealed for text in _texts(document) for pattern, sealed in _SCALARS if pattern.search(text)), None)


def refuse(what: str, path: object, sealed: Sealed | None) -> None:
    """Raise UsageError for a file that is sealed; `what` is what it should be, `the values file`."""
    if sealed is None:
        return
    command = sealed.way.replace("FILE", str(path))
    raise UsageError(
        f"{what} {path} is {sealed.what}",
        f"give the plain text, which stays on this machine: `{command}`" if command else f"give {what} without it",
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
