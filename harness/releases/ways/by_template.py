# SPDX-License-Identifier: Apache-2.0
"""`helm template | kubectl apply`: the chart's objects without Helm's bookkeeping, applied by the client.

`helm template` leaves out the chart's crds/, so that an install applies them first: by the server, since the two large
ones do not fit into the annotation of a client's apply. The chart names no namespace in its Deployments and its
Service, which would come into that of the context: it is set before. What a newer chart has no longer stays.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from harness.matrix.model import WayName
from harness.releases.helm import Helm
from harness.releases.ways import kubectl
from harness.releases.ways.protocol import USUALLY, InstalledRelease, On, Options, Put

_CRDS = ("--server-side",)


class ByTemplate:
    """The plain pipeline of two programs."""

    name: WayName = "kubectl"
    tools: Sequence[str] = ()
    brings_crds = False

    def put(
        self, on: On, it: InstalledRelease, *, timeout: float, stop: threading.Event, options: Options = USUALLY
    ) -> Put:
        """`helm template | kubectl apply`, and for an install the CRDs before it."""
        helm = Helm(on.programs.helm)
        if it.first:
            kubectl.apply(on, helm.crds(it.chart), *_CRDS, timeout=timeout, stop=stop)
        objects = helm.template(it.chart, it.name, it.namespace, it.values)
        words = ("apply", *options.flags, "--filename", "-")
        with kubectl.in_namespace(on, it.namespace) as config:
            said = kubectl.call(on, *words, stdin=_manifests(objects), timeout=timeout, stop=stop, kubeconfig=config)
        return Put(revision=max(it.revision, 1), said=said, objects=tuple(objects))

    def back(
        self, on: On, it: InstalledRelease, *, timeout: float, stop: threading.Event, options: Options = USUALLY
    ) -> Put:
        """The same with the older chart; this way keeps no revisions."""
        return self.put(on, it, timeout=timeout, stop=stop, options=options)

    def remove(self, on: On, it: InstalledRelease, *, timeout: float) -> None:
        """`helm template | kubectl delete`. CRDs stay, which are not in it."""
        objects = Helm(on.programs.helm).template(it.chart, it.name, it.namespace, it.values)
        words = ("delete", "--ignore-not-found", "--filename", "-")
        with kubectl.in_namespace(on, it.namespace) as config:
            kubectl.call(on, *words, stdin=_manifests(objects), timeout=timeout, kubeconfig=config)

    def objects(self, on: On, it: InstalledRelease) -> Sequence[Mapping[str, Any]]:
        """What the chart renders to."""
        return it.objects

    def told_put(self, it: InstalledRelease, options: Options = USUALLY) -> str:
        """The pipeline, in the namespace of the operator."""
        where = ("--namespace", it.namespace)
        context = ["kubectl", *kubectl.SET_CONTEXT, it.namespace]
        template = ["helm", "template", it.name, it.chart.path.name, *where, "--values", "values.yaml"]
        apply = ["kubectl", "apply", *options.flags, "-f", "-"]
        return f"{shlex.join(context)} && {shlex.join(template)} | {shlex.join(apply)}"

    def told_back(self, it: InstalledRelease) -> str:
        """The pipeline with the older chart."""
        return self.told_put(it)


def _manifests(objects: Sequence[Mapping[str, Any]]) -> str:
    return yaml.safe_dump_all([dict(it) for it in objects], sort_keys=False)
