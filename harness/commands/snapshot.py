# SPDX-License-Identifier: Apache-2.0
"""The command `harness snapshot`: what a live cluster has of the operator, as a folder of YAML."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import options as run_options
from harness.errors import ApiError, ClusterError, UsageError

_OUTPUT = Path("site")


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `snapshot` to the parser of `harness`."""
    parser = command(
        commands,
        "snapshot",
        _snapshot,
        "write what a cluster has of the operator into a folder, without secrets",
    )
    declare_cluster(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help=f"the folder (default: {_OUTPUT})")
    parser.add_argument(
        "--sample",
        type=int,
        metavar="N",
        help="write at most N applications of each kind (default: all); all are counted",
    )
    parser.add_argument(
        "--namespace",
        default="",
        metavar="NAME",
        help="where Helm keeps the release (default: where the operator runs)",
    )
    parser.add_argument("--rights", action="store_true", help="print manifests with the rights that it needs, and exit")
    run_options.declare(parser.add_argument, run_options.CONFIG)


def declare_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a cluster."""
    parser.add_argument(
        "--context", default="", metavar="NAME", help="a context of the kubeconfig (default: the current one)"
    )
    parser.add_argument(
        "--kubeconfig",
        default="",
        metavar="FILE",
        help="a kubeconfig, or several, separated by colons (default: kubectl's)",
    )


def _snapshot(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.releases import home
    from harness.sites import rights

    if parsed.rights and (parsed.sample is not None or parsed.context or parsed.kubeconfig or parsed.output):
        raise UsageError("--rights prints manifests, and asks no cluster", "give it alone, or with --namespace")
    if parsed.namespace:
        home.require_namespace(parsed.namespace, f"--namespace {parsed.namespace!r}")
    if parsed.rights:
        print(rights.manifests(parsed.namespace or "spark-operator"), end="")
        return 0
    if parsed.sample is not None and parsed.sample < 0:
        raise UsageError(f"--sample {parsed.sample} is not a valid number", "give 0 or more")
    output = parsed.output or _OUTPUT
    site = taken(parsed, output, sample=parsed.sample, namespace=parsed.namespace)
    print(f"snapshot of {site.context}: {output}")
    for it in site.applications:
        print(f"  {it.count} {it.kind}s, {it.written} of them written")
    for it in site.unread:
        print(f"  not read: {it.what}: {it.why}")
    if any(it.right for it in site.unread):
        print("  next: `harness snapshot --rights` prints the rights that it needs")
    return 3 if site.unread else 0


def taken(parsed: argparse.Namespace, target: Path, *, sample: int | None = None, namespace: str = "") -> Any:
    """Take a snapshot of the cluster that the options choose. Raises UsageError, ClusterError and UnavailableError."""
    from harness.evidence.temporary import temporary
    from harness.kube.login import connected
    from harness.sites import folder
    from harness.sites.take import take

    # Before a cluster is asked for minutes
    folder.require_free(target)
    # What a kubeconfig holds is written into files, for which only a ledger can answer.
    with (
        temporary(run_options.settings_of(parsed)),
        connected(parsed.kubeconfig, parsed.context) as (api, name),
    ):
        try:
            return take(api, name, target, sample=sample, namespace=namespace)
        except ApiError as away:
            raise ClusterError(
                f"the cluster of context {name} could not be read to the end: {away.message}",
                "nothing was written; try again",
            ) from away
