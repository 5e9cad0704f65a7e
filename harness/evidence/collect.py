# SPDX-License-Identifier: Apache-2.0
"""Gathers the evidence for a cell that did not pass, before anything is deleted.

Each collector is a small function with its own timeout; they run in parallel, and a failure is recorded without
stopping the others. Everything is redacted before it is written. Secrets are not collected at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from harness.errors import HarnessError
from harness.evidence import collectors
from harness.evidence.desk import Desk, EvidenceRequest
from harness.evidence.summary import Collected, write_summary

_WORKERS = 4

_AWAY = (
    *("connection refused", "was refused", "i/o timeout", "Unable to connect", "no route to host", "EOF"),
    *("Client.Timeout", "TLS handshake timeout", "cluster unreachable"),
)


def collect(request: EvidenceRequest) -> list[Collected]:
    """Collect everything and write `summary.md`, problems first; returns the result of each collector."""
    desk = Desk(request)
    api: list[_Collector] = [
        *(_Collector(f"events {ns}", partial(collectors.events, desk, ns)) for ns in request.all_namespaces),
        *(_Collector(f"pods and logs {ns}", partial(collectors.pods, desk, ns)) for ns in request.all_namespaces),
        *(
            _Collector(f"custom resources {ns}", partial(collectors.custom_resources, desk, ns))
            for ns in request.all_namespaces
        ),
        *(_Collector(f"overview {ns}", partial(collectors.overview, desk, ns)) for ns in request.all_namespaces),
        _Collector("nodes", partial(collectors.nodes, desk)),
        _Collector("custom resource definitions", partial(collectors.definitions, desk)),
        _Collector("leases", partial(collectors.leases, desk)),
        _Collector("webhook configurations", partial(collectors.webhooks, desk)),
        *(
            _Collector(f"helm {name}", partial(collectors.helm, desk, name, words))
            for name, words in collectors.HELM.items()
        ),
        *([_Collector("applications of Argo CD", partial(collectors.argocd, desk))] if request.argocd_logs else []),
    ]
    beside = [
        _Collector("node logs", partial(collectors.node_logs, desk)),
        _Collector("registry access logs", partial(collectors.registry_logs, desk)),
        *([_Collector("logs of Argo CD", partial(collectors.argocd_logs, desk))] if request.argocd_logs else []),
        _Collector("logs of replaced pods", partial(collectors.parting_logs, desk)),
        _Collector("versions and digests", partial(collectors.versions, desk)),
        _Collector("findings", partial(collectors.findings, desk)),
    ]
    request.folder.mkdir(parents=True, exist_ok=True)
    away = desk.api_is_away()
    with ThreadPoolExecutor(_WORKERS) as pool:
        results = list(pool.map(_run, [*beside, *(() if away else api)]))
    if away:
        message = f"does not answer, so nothing was collected from it: {away}"
        results.insert(0, Collected(name="API server", message=message, ok=False))
    else:
        results = _outage_once(desk, results)
    write_summary(
        request.folder / "summary.md",
        title=request.title,
        findings=request.findings,
        seen=desk.seen(),
        collected=results,
        versions=request.versions,
        redactor=desk.redactor,
    )
    return results


@dataclass(frozen=True)
class _Collector:
    name: str
    run: Callable[[], str]


def _run(collector: _Collector) -> Collected:
    started = time.monotonic()
    try:
        message, ok = collector.run(), True
    except HarnessError as error:
        message, ok = error.message, False
    except Exception as error:  # A caller's callable may raise anything, and the other collectors must go on.
        message, ok = f"{type(error).__name__}: {error}", False
    return Collected(name=collector.name, message=message, ok=ok, seconds=time.monotonic() - started)


def _outage_once(desk: Desk, results: list[Collected]) -> list[Collected]:
    """If the API server became unreachable meanwhile, report that once instead of for each collector."""
    cut = [result for result in results if not result.ok and any(word in result.message for word in _AWAY)]
    away = desk.api_is_away() if cut else ""
    if not away:
        return results
    names = ", ".join(result.name for result in cut)
    outage = Collected(name="API server", message=f"became unreachable while {names} were collected: {away}", ok=False)
    return [outage, *(result for result in results if result not in cut)]
