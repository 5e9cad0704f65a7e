# SPDX-License-Identifier: Apache-2.0
"""`harness registry copy --plan` and `--dry-run`: what is stale, and copies of that only."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands import registry_ends as ends
from harness.errors import HarnessError, RegistryError

if TYPE_CHECKING:
    from harness.images.credentials import Credentials
    from harness.releases.copy_plan import Plan


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """One image of a plan. `stale` is why it had to be copied, empty where it had not; `error` why it was not."""

    source: str
    target: str
    stale: str = ""
    copied: bool = False
    error: str = ""
    next_step: str = ""


def run(parsed: argparse.Namespace) -> int:
    """Copy what is stale, or say it with --dry-run.

    Returns 0, or 1 where a dry run found something stale, or 3 where an image of the plan could not be looked at or
    copied; the others are copied all the same.
    """
    plan = _plan(parsed)
    ends.checked(parsed)
    given = ends.credentials(parsed)
    found = [_one(parsed, src, dst, given) for src, dst in plan.images]
    if parsed.json:
        print(json.dumps({"images": [asdict(it) for it in found], "left_out": plan.left_out}, indent=2))
    else:
        _print(found, plan)
    if any(it.error for it in found):
        return 3
    return 1 if parsed.dry_run and any(it.stale for it in found) else 0


def _plan(parsed: argparse.Namespace) -> Plan:
    from harness.foundry import spark
    from harness.matrix import catalogue
    from harness.releases import copy_plan

    if parsed.plan is None:
        return copy_plan.Plan(images=((parsed.src, parsed.dst),), left_out=())
    return copy_plan.read(parsed.plan, catalogue.load().release, spark.reference)


def _one(parsed: argparse.Namespace, src: str, dst: str, given: Credentials | None) -> _Outcome:
    from harness.registries.same import staleness

    stale = ""
    try:
        with ends.both(parsed, src, dst, push=False, given=given) as (_, source, image, target, to):
            stale = staleness(source, image, target, to, with_referrers=not parsed.no_referrers)
        if not parsed.dry_run and (stale or parsed.thorough):
            done = ends.copy(parsed, src, dst, given, say=lambda line: None)
            lost = "" if done.nothing_to_do else "manifests or blobs were missing"
            return _Outcome(source=src, target=dst, stale=stale or lost, copied=bool(stale or lost))
    except HarnessError as refused:
        if parsed.plan is None and not isinstance(refused, RegistryError):
            raise
        # Also what is wrong with one image alone: its name, its registry's login, another copy that is under way.
        return _Outcome(source=src, target=dst, stale=stale, error=refused.message, next_step=refused.next_step)
    return _Outcome(source=src, target=dst, stale=stale)


def _print(found: list[_Outcome], plan: Plan) -> None:
    for it in found:
        if it.error:
            print(f"failed  {it.source} -> {it.target}: {it.error}\n  next: {it.next_step}")
        elif it.stale:
            print(f"{'copied' if it.copied else 'stale '}  {it.source} -> {it.target}: {it.stale}")
    for line in plan.left_out:
        print(f"left out: {line}")
    current = sum(not it.stale and not it.error for it in found)
    print(f"{current} of {len(found)} were up to date")


def declare(copy: argparse.ArgumentParser) -> None:
    """Add the two options to `harness registry copy`."""
    copy.add_argument("--plan", metavar="FILE", type=Path, help="copy what a plan names, in place of SRC")
    copy.add_argument("--dry-run", action="store_true", help="only say what is stale; ends with 1 if something is")
