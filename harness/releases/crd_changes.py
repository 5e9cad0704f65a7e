# SPDX-License-Identifier: Apache-2.0
"""What a user or a GitOps tool does with a chart's CRDs before Helm, in each CRD mode."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.kube.cluster import Cluster
from harness.matrix.model import CrdMode
from harness.releases import crds
from harness.releases.charts import Chart
from harness.releases.helm import Helm

_SECONDS = 60.0
_APPLY: Mapping[CrdMode, tuple[str, ...]] = {
    "apply": ("apply", "--server-side", "--force-conflicts"),
    "ssa": ("apply", "--server-side"),
    "client-apply": ("apply",),
}
"""What kubectl is told. Helm owns the fields of CRDs that it once created, which `--force-conflicts` takes from it."""

_VERBS: Mapping[CrdMode, tuple[str, ...]] = {"replace": ("replace", "create"), "create": ("create",)}


@dataclass(frozen=True, kw_only=True)
class CrdCommand:
    """One call of kubectl, which reads `manifests`. `shown` is how a user types it."""

    what: str
    words: tuple[str, ...]
    manifests: str
    shown: str

    def run(self, cluster: Cluster, kubectl: Path) -> None:
        """Raises CommandError with kubectl's words."""
        argv: list[str | Path] = [kubectl, "--kubeconfig", cluster.kubeconfig, *self.words]
        process.call(argv, stdin=self.manifests, timeout=_SECONDS)


def commands(cluster: Cluster, chart: Chart, mode: CrdMode, helm: Path) -> Iterator[CrdCommand]:
    """What the mode asks for before Helm, in order; nothing for `none`, and for `hook`, which is the chart's own.

    All CRDs carry the marks of the cluster. `replace` is what Flux's CreateReplace and Argo CD's Replace=true do: what
    is there is replaced, and what is not is created; `create` is Flux's Create, which does the latter alone. Raises
    ApiError, and CommandError where Helm cannot read the chart.
    """
    if mode in _APPLY:
        text = Helm(helm).crds(chart)
        text = crds.marked(text, cluster.marks) if cluster.marks else text
        yield _command("apply the new release's CRDs", chart, text, *_APPLY[mode])
    elif mode in _VERBS:
        with cluster.api_client() as api:
            there = crds.names(api)
        wanted = crds.manifests(chart, cluster.marks)
        for verb in _VERBS[mode]:
            found = wanted.keys() & there if verb == "replace" else wanted.keys() - there
            if found:
                text = "---\n".join(wanted[name] for name in sorted(found))
                yield _command(f"{verb} the new release's CRDs", chart, text, verb)


def _command(what: str, chart: Chart, manifests: str, *words: str) -> CrdCommand:
    words = (*words, "--filename", "-")
    shown = f"{shlex.join(('helm', 'show', 'crds', chart.path.name))} | {shlex.join(('kubectl', *words))}"
    return CrdCommand(what=what, words=words, manifests=manifests, shown=shown)
