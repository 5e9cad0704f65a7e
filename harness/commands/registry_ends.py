# SPDX-License-Identifier: Apache-2.0
"""The two ends of a copy or verification: names, clients and the login for DST."""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness import options as run_options
from harness import settings

if TYPE_CHECKING:
    from harness.images.credentials import Credentials
    from harness.images.references import ImageReference
    from harness.registries.copy import Copied
    from harness.registries.push import Transfer

_SECONDS = 30.0


def credentials(parsed: argparse.Namespace) -> Credentials | None:
    """The login for DST of the command line, read once: standard input gives it only once. Raises UsageError."""
    from harness.errors import UsageError
    from harness.images import login

    if parsed.token_file:
        return login.from_file(parsed.token_file, parsed.username)
    if parsed.token_stdin:
        return login.from_stdin(parsed.username)
    if parsed.username:
        raise UsageError("--username needs a token", "give --token-file or --token-stdin as well")
    return None


def checked(parsed: argparse.Namespace) -> settings.Settings:
    """The settings, once the options that every copy has are right. Raises UsageError."""
    from harness.errors import UsageError

    if not 1 <= parsed.jobs <= 64:
        raise UsageError(f"--jobs {parsed.jobs} is not a valid number of parallel blobs", "give a number from 1 to 64")
    return run_options.settings_of(parsed)


def copy(
    parsed: argparse.Namespace, src: str, dst: str, given: Credentials | None, *, say: Callable[[str], None]
) -> Copied:
    """Copy one image, with what an earlier try has fetched. Raises UsageError while another process copies it."""
    from filelock import FileLock, Timeout

    from harness.errors import UsageError
    from harness.registries import copy as copying

    with both(parsed, src, dst, push=True, given=given) as (wanted, source, image, target, to):
        folder = wanted.cache_dir / "copies" / _name(source, image, target, to)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(f"{folder}.lock", timeout=0):
                done = copying.copy(
                    source,
                    image,
                    target,
                    to,
                    jobs=parsed.jobs,
                    with_referrers=not parsed.no_referrers,
                    replace=parsed.replace,
                    thorough=parsed.thorough,
                    scratch=folder,
                    say=say,
                )
                shutil.rmtree(folder, ignore_errors=True)
        except Timeout as busy:
            raise UsageError(f"{image} is already being copied to {to}", "wait for the other copy to finish") from busy
    return done


def names(src: str, dst: str) -> tuple[ImageReference, ImageReference]:
    """Both names; DST has the tag of SRC where it gives none. Raises UsageError."""
    from harness.images.references import ends_of_copy

    return ends_of_copy(src, dst)


@contextmanager
def both(
    parsed: argparse.Namespace, src: str, dst: str, *, push: bool, given: Credentials | None
) -> Iterator[tuple[settings.Settings, Transfer, ImageReference, Transfer, ImageReference]]:
    """Both ends with their clients, which are closed after the block."""
    wanted = checked(parsed)
    image, to = names(src, dst)
    source = _end(wanted, image, parsed.source, push=False)
    try:
        target = _end(wanted, to, parsed.source, push=push, given=given, ca=parsed.ca)
        try:
            yield wanted, source, image, target, to
        finally:
            target.close()
    finally:
        source.close()


def _end(
    wanted: settings.Settings,
    image: ImageReference,
    kind: str | None,
    *,
    push: bool,
    given: Credentials | None = None,
    ca: Path | None = None,
) -> Transfer:
    """The client for one name.

    A host of the mirror map is served by its mirror, unless `kind` is upstream. Any other is contacted directly, with
    the CA and the login that the map has for a server at that address, else with this machine's login.
    """
    from harness.images import logins
    from harness.registries.push import Transfer

    mirrors = wanted.mirrors
    mirror = mirrors.get(image.registry) if kind != "upstream" else None
    if mirror is None:
        known = next((it for it in mirrors.values() if urlsplit(it.reachable_url).netloc == image.registry), None)
        if known:
            parts = urlsplit(known.reachable_url)
            mirror = known.model_copy(update={"url": f"{parts.scheme}://{parts.netloc}", "host_url": ""})
    if ca and mirror:
        mirror = mirror.model_copy(update={"ca": ca})
    if given and mirror:
        mirror = mirror.model_copy(update={"username": given.username, "password": given.password})
    login, why = given, ""
    if login is None and mirror is None and push:
        login = logins.credentials(image.registry, wanted.logins, image.repository)
    elif login is None and mirror is None:
        # What is public can be read without one.
        login, why = logins.for_pulls(image.registry, wanted.logins, image.repository)
    made = Transfer(mirror, image.registry, credentials=login, ca=ca, timeout=_SECONDS, push=push)
    made.no_login = why
    return made


def _name(source: Transfer, image: ImageReference, target: Transfer, to: ImageReference) -> str:
    """The folder name for this copy's fetched blobs, the same for a retry."""
    ends = (source.address(image.repository), image.identifier, target.address(to.repository), to.identifier)
    return hashlib.sha256("\n".join(ends).encode()).hexdigest()[:24]
