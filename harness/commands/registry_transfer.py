# SPDX-License-Identifier: Apache-2.0
"""`harness registry copy` and `harness registry verify`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import options as run_options
from harness.commands import registry_ends, registry_plan


def declare(actions: Any, command: run_options.Command) -> None:
    """Add the two actions to `harness registry`."""
    copy = command(actions, "copy", _copy, "copy an image with all its platforms, signatures and attestations")
    verify = command(
        actions, "verify", _verify, "prove that two names refer to the same image, by reading all of the second"
    )
    for action in (copy, verify):
        count = "?" if action is copy else None
        action.add_argument("src", nargs=count, metavar="SRC", help="an image, ghcr.io/owner/name:tag or name@sha256:…")
        action.add_argument("dst", nargs=count, metavar="DST", help="the destination (default tag: that of SRC)")
        action.add_argument(
            "--source",
            choices=("upstream", "mirror"),
            help="upstream: ask the public registry even of a host that has a mirror (default: mirror)",
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
    registry_plan.declare(copy)
    copy.add_argument("--replace", action="store_true", help="move the tag of DST if it names another image")


def _copy(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.errors import UsageError

    if (parsed.plan is None) == (parsed.dst is None) or (parsed.plan and parsed.src):
        raise UsageError("copy takes SRC and DST, or --plan FILE", "see `harness registry copy --help`")
    if parsed.dry_run and parsed.thorough:
        raise UsageError("--dry-run compares digests only", "leave out --thorough, or use `harness registry verify`")
    if parsed.plan or parsed.dry_run:
        return registry_plan.run(parsed)

    def say(line: str) -> None:
        print(line, file=sys.stderr if parsed.json else sys.stdout, flush=True)

    done = registry_ends.copy(parsed, parsed.src, parsed.dst, registry_ends.credentials(parsed), say=say)
    image, to = registry_ends.names(parsed.src, parsed.dst)
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

    given = registry_ends.credentials(parsed)
    with registry_ends.both(parsed, parsed.src, parsed.dst, push=False, given=given) as (_, source, image, target, to):
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
