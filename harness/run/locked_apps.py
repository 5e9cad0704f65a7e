# SPDX-License-Identifier: Apache-2.0
"""The user's own applications in a lock: written without secrets, and read again from there or from --apps."""

from __future__ import annotations

from collections.abc import Sequence

from harness.apps.places import places
from harness.apps.users import SECRET, UserManifest, UserManifests, told_apart
from harness.errors import UsageError
from harness.run.lock import Lock, LockedManifest, masked


def locked(apps: UserManifests, secrets: Sequence[str]) -> tuple[LockedManifest, ...]:
    """The manifests as a lock has them: without Secrets, and without what looks like a secret."""
    found = []
    for it in apps:
        if it.kind == SECRET:
            continue
        document, redacted = masked(it.document, secrets)
        found.append(LockedManifest(file=it.file, document=document, redacted=redacted))
    return tuple(found)


def unlocked(lock: Lock, given: UserManifests, secrets: Sequence[str]) -> UserManifests:
    """The lock's applications; from the folder that was given where a lock must not hold all of them.

    Raises UsageError when that is not given, and when what is given is not what the lock has.
    """
    if given:
        here = {_key(it): it.document for it in locked(given, secrets)}
        there = {_key(it): it.document for it in lock.user_apps}
        other = sorted(key for key in here.keys() | there.keys() if here.get(key) != there.get(key))
        if other:
            raise UsageError(
                f"--apps is not what the lock has: {', '.join(other)}",
                "leave out --apps, or leave out --lock",
            )
        return given
    hidden = [f"{it.file}: {', '.join(it.redacted)}" for it in lock.user_apps if it.redacted]
    if hidden:
        raise UsageError(
            f"the lock has no secrets, and its applications have what looks like some: {'; '.join(hidden)}",
            "give these applications again with --apps DIR",
        )
    apps = told_apart([UserManifest(file=it.file, line=0, document=dict(it.document)) for it in lock.user_apps])
    secrets_of = [
        f"{app.where}: {need}"
        for place in places(apps)
        for app in place.applications
        for need in place.missing(app)
        if need.kind == SECRET
    ]
    if secrets_of:
        raise UsageError(
            f"the lock has no Secrets, and its applications need some: {'; '.join(secrets_of)}",
            "give these applications again with --apps DIR",
        )
    return apps


def _key(manifest: LockedManifest) -> str:
    metadata = manifest.document["metadata"]
    name = metadata["name"] if isinstance(metadata, dict) else ""
    return f"{manifest.document['kind']} {name} of {manifest.file}"
