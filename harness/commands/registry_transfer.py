# SPDX-License-Identifier: Apache-2.0
"""`harness registry copy` and `harness registry verify`."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness import options as run_options
from harness import settings

if TYPE_CHECKING:
    from harness.images.credentials import Credentials
    from harness.images.references import ImageReference
    from harness.registries.push import Transfer

_SECONDS = 30.0


def declare(actions: Any, command: run_options.Command) -> None:
    """Add the two actions to `harness registry`."""
    copy = command(actions, "copy", _copy, "copy an image with all its platforms, signatures and attestations")
    verify = command(
        actions, "verify", _verify, "prove that two names refer to the same image, by reading all of the second"
    )
    for action in (copy, verify):
        action.add_argument("src", metavar="SRC", help="an image, ghcr.io/owner/name:tag or name@sha256:…")
        action.add_argument("dst", metavar="DST", help="the destination (default tag: that of SRC)")
        action.add_argument(
            "--source",
            choices=("upstream", "mirror"),
            help="mirror: ask the mirrors of the mirror map in place of the names",
        )
        action.add_argument(
            "--username", metavar="NAME", default="", help="the user name that goes with the token for DST"
        )
        how = action.add_mutually_exclusive_group()
        how.add_argument("--token-file", metavar="FILE", type=Path, help="the token for DST, in a file of mode 0600")
        how.add_argument("--token-stdin", action="store_true", help="the token for DST, on standard input")
        action.add_argument("--ca", metavar="FILE", type=Path, help="the CA (PEM) that signed DST's certificate")
        action.add_argument("--jobs", metavar="N", type=int, default=4, help="blobs in parallel (default: 4)")
        action.add_argument("--no-referrers", action="store_true", help="skip signatures and attestations")
        action.add_argument("--json", action="store_true", help="print JSON")
        run_options.declare(action.add_argument, run_options.CONFIG)
    copy.add_argument(
        "--thorough", action="store_true", help="look for every manifest and blob, even where the tags' digests agree"
    )
    copy.add_argument("--replace", action="store_true", help="move the tag of DST if it names another image")


def _copy(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from filelock import FileLock, Timeout

    from harness.errors import UsageError
    from harness.registries import copy as copying

    def say(line: str) -> None:
        print(line, file=sys.stderr if parsed.json else sys.stdout, flush=True)

    with _both(parsed, push=True) as (wanted, source, image, target, to):
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
    if parsed.json:
        print(json.dumps({"source": str(image), "target": str(to), **dataclasses.asdict(done)}, indent=2))
    elif done.nothing_to_do:
        print(f"{to} already had everything of {done.digest}")
    else:
        print(
            f"copied {image} to {to}: {done.blobs} blobs ({done.bytes / 1e6:.1f} MB) and {done.manifests} manifests; "
            f"{done.blobs_there} blobs and {done.manifests_there} manifests existed; {done.referrers} are referrers"
        )
    return 0


def _verify(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.registries import verify as verifying

    with _both(parsed, push=False) as (_, source, image, target, to):
        found = verifying.verify(source, image, target, to, jobs=parsed.jobs, with_referrers=not parsed.no_referrers)
    if parsed.json:
        document = {"source": str(image), "target": str(to), "same": found.same, **dataclasses.asdict(found)}
        print(json.dumps(document, indent=2))
    else:
        for claim in found.claims:
            print(f"{'same     ' if claim.same else 'DIFFERENT'} {claim.what}: {claim.seen}")
        wrong = len(list(verifying.differences(found)))
        told = f"{wrong} of {len(found.claims)} claims do not hold" if wrong else f"all {len(found.claims)} claims hold"
        print(f"{to} and {image}: {told}; {found.bytes / 1e6:.1f} MB were read")
    return 0 if found.same else 1


@contextmanager
def _both(
    parsed: argparse.Namespace, *, push: bool
) -> Iterator[tuple[settings.Settings, Transfer, ImageReference, Transfer, ImageReference]]:
    """Both ends with their clients, which are closed after the block."""
    from harness.errors import UsageError
    from harness.images.references import ImageReference, is_tagged
    from harness.registries import login

    if not 1 <= parsed.jobs <= 64:
        raise UsageError(f"--jobs {parsed.jobs} is not a valid number of parallel blobs", "give a number from 1 to 64")
    image, to = ImageReference.parse(parsed.src), ImageReference.parse(parsed.dst)
    if not is_tagged(parsed.dst) and not to.digest:
        to = dataclasses.replace(to, tag=image.tag, digest="" if image.tag else image.digest)
    wanted = run_options.settings_of(parsed)
    given = None
    if parsed.token_file:
        given = login.from_file(parsed.token_file, parsed.username)
    elif parsed.token_stdin:
        given = login.from_stdin(parsed.username)
    elif parsed.username:
        raise UsageError("--username needs a token", "give --token-file or --token-stdin as well")
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
    the CA and the login that the map has for a server at that address, else with the credentials stored by `docker
    login`.
    """
    from harness.images.credentials import from_docker_config
    from harness.images.mirrors import Mirror
    from harness.registries.push import Transfer

    mirrors = wanted.mirrors
    mirror = mirrors.get(image.registry) if kind != "upstream" else None
    if mirror is None:
        known = next((it for it in mirrors.values() if urlsplit(it.reachable_url).netloc == image.registry), None)
        if known:
            parts = urlsplit(known.reachable_url)
            mirror = known.model_copy(update={"url": f"{parts.scheme}://{parts.netloc}", "host_url": ""})
    if ca:
        address = mirror.reachable_url if mirror else f"https://{image.registry}"
        mirror = (
            Mirror(url=address.replace("http://", "https://", 1), ca=ca)
            if mirror is None
            else mirror.model_copy(update={"ca": ca})
        )
    if given and mirror:
        mirror = mirror.model_copy(update={"username": given.username, "password": given.password})
    login = given or (None if mirror else from_docker_config(image.registry))
    return Transfer(mirror, image.registry, credentials=login, timeout=_SECONDS, push=push)


def _name(source: Transfer, image: ImageReference, target: Transfer, to: ImageReference) -> str:
    """The folder name for this copy's fetched blobs, the same for a retry."""
    ends = (source.address(image.repository), image.identifier, target.address(to.repository), to.identifier)
    return hashlib.sha256("\n".join(ends).encode()).hexdigest()[:24]
