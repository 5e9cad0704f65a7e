# SPDX-License-Identifier: Apache-2.0
"""registry-credentials-nowhere: tokens are in no argv, environment, log, event, result or piece of evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness import late
from harness.apps.applications import until_end
from harness.apps.objects import APPLICATION, GROUP, Objects
from harness.apps.trial import trial
from harness.late import client
from harness.stories.registries import private_packages, secrets
from harness.verdicts import Finding, failed, passed

if TYPE_CHECKING:
    from harness.matrix.model import Scenario
    from harness.redaction import sentinel
    from harness.stories.registries import kubelet, tokens
    from harness.stories.registries.context import PullContext
    from harness.stories.registries.own_registries import RegistrySetup
else:
    kubelet = late.module("harness.stories.registries.kubelet")
    tokens = late.module("harness.stories.registries.tokens")
    sentinel = late.module("harness.redaction.sentinel")

_NAME = "registry-credentials-nowhere"


def scenarios() -> Mapping[str, Scenario]:
    """The one scenario."""
    return private_packages.only(_NAME, "tokens are in no argv, environment, log, event, result or piece of evidence")


def setup(name: str) -> RegistrySetup:
    """Private packages."""
    return private_packages.SETUP


def run(ctx: PullContext, name: str) -> list[Finding]:
    """Use tokens that work and one that does not, gather all the evidence there is, and look for them."""
    return trial(ctx, lambda _, objects: _steps(ctx, objects))


def _steps(ctx: PullContext, objects: Objects) -> Iterator[Finding]:
    private_packages.ensure(ctx)
    (made,) = objects.create(private_packages.application(ctx, "spark-pi", "spark-pi"))
    until_end(ctx, objects, made)
    broken = private_packages.secret_of(ctx, "driver", "nowhere")
    secrets.grant(ctx, broken)
    tokens.spoil(ctx, broken, "wrong")
    objects.create(private_packages.application(ctx, "spark-pi", broken.user, driver=broken))
    kubelet.await_stuck(
        ctx,
        ctx.namespace,
        lambda pod: pod.name == f"{broken.user}-driver",
        what="the driver",
        reason=kubelet.REASONS[0],
    )
    known = ctx.registries.secrets
    yield from _processes(ctx, known)
    yield _objects(ctx, known)
    evidence = ctx.collect()
    files = [it for it in evidence.rglob("*") if it.is_file()]
    found = sentinel.in_files(known, [evidence, ctx.reports, *ctx.registries.logs])
    facts = {"secrets": len(known), "files": len(files), "found": found}
    if found or not files:
        yield failed(
            "no-token-in-files", f"a token is in {', '.join(found) or 'none, for there are no files'}", **facts
        )
    else:
        yield passed(
            "no-token-in-files",
            f"none of {len(known)} tokens, in whatever form, is in {len(files)} files of evidence, in what the run has "
            "written so far, or in the logs of the registries",
            **facts,
        )


def _processes(ctx: PullContext, known: list[str]) -> Iterator[Finding]:
    found = sentinel.in_processes(known)
    seen = sentinel.processes()
    make = failed if found or not seen else passed
    yield make(
        "no-token-in-processes",
        f"{', '.join(found) or 'none'} of {seen} processes, those in the node counted, has a token in its argv or "
        "environment",
        processes=seen,
        found=found,
    )


def _objects(ctx: PullContext, known: list[str]) -> Finding:
    """Pods, events and applications as the API shows them; Secrets are where tokens belong."""
    told: dict[str, bytes] = {}
    with ctx.api() as api:
        core: Any = client.CoreV1Api(api)
        custom: Any = client.CustomObjectsApi(api)
        for namespace in (ctx.namespace, ctx.operator_namespace):
            for name, call in (
                ("pods", core.list_namespaced_pod),
                ("events", core.list_namespaced_event),
                ("config maps", core.list_namespaced_config_map),
            ):
                told[f"{name} of {namespace}"] = call(namespace, _preload_content=False).data
        applications = custom.list_namespaced_custom_object(
            GROUP, APPLICATION.version, ctx.namespace, APPLICATION.plural
        )
        told["applications"] = json.dumps(applications).encode()
    wanted = [form for secret in known for form in sentinel.forms(secret)]
    found = [name for name, text in told.items() if any(it in text for it in wanted)]
    make = failed if found else passed
    return make("no-token-in-objects", f"{', '.join(found) or 'none'} of {', '.join(told)} holds a token", found=found)
