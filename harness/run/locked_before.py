# SPDX-License-Identifier: Apache-2.0
"""Manifests of --before in a lock: written without Secrets, and read again from there or from --before."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UsageError
from harness.releases.manifests import SECRET, Document, Documents
from harness.run.lock import Lock, LockedManifest, masked


def locked(documents: Documents, secrets: Sequence[str]) -> tuple[LockedManifest, ...]:
    """The manifests as a lock has them: without Secrets, and without what looks like a secret."""
    found = []
    for it in documents:
        if it.kind != SECRET:
            document, redacted = masked(it.document, secrets)
            found.append(LockedManifest(file=it.where, document=document, redacted=redacted))
    return tuple(found)


def secrets(documents: Documents) -> int:
    """How many of them are Secrets."""
    return sum(it.kind == SECRET for it in documents)


def unlocked(lock: Lock, given: Documents, hidden: Sequence[str]) -> Documents:
    """The lock's manifests; those that were given where a lock must not hold all of them.

    Raises UsageError when they are not given, and when what is given is not what the lock has.
    """
    if given:
        if locked(given, hidden) != lock.surroundings or secrets(given) != lock.secrets_before:
            raise UsageError("--before is not what the lock has", "leave out --before, or leave out --lock")
        return given
    if lock.secrets_before or any(it.redacted for it in lock.surroundings):
        raise UsageError(
            "the lock has no secrets, and its cell ran with manifests that have what looks like some",
            "give these manifests again with --before DIR",
        )
    return tuple(Document(where=it.file, document=it.document) for it in lock.surroundings)
