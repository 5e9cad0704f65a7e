# SPDX-License-Identifier: Apache-2.0
"""Ways of installing a release, behind the Protocol in protocol.py: one module a way, listed here.

A path's name says which way each step takes; `harness.matrix.path_names` has the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath

from harness.errors import UsageError
from harness.matrix.model import Path, WayName
from harness.releases.ways.by_argocd import ByArgoCd
from harness.releases.ways.by_helm import ByHelm
from harness.releases.ways.by_kustomize import ByKustomize
from harness.releases.ways.by_template import ByTemplate
from harness.releases.ways.protocol import Programs, Way

_HELMS: Mapping[WayName, ByHelm] = {it.name: it for it in (ByHelm("helm"), ByHelm("helm3"), ByHelm("helm4"))}
_WAYS: Mapping[WayName, Way] = {
    **_HELMS,
    "kubectl": ByTemplate(),
    "kustomize": ByKustomize("kustomize", overlay=False),
    "overlay": ByKustomize("overlay", overlay=True),
    "argocd-client": ByArgoCd("argocd-client", "client"),
    "argocd-server-side": ByArgoCd("argocd-server-side", "server-side"),
    "argocd-replace": ByArgoCd("argocd-replace", "replace"),
}


def of(name: WayName) -> Way:
    """The way of that name."""
    return _WAYS[name]


def tools_of(paths: Iterable[Path]) -> list[str]:
    """What the ways of these paths call besides the usual Helm and kubectl, by the names of clusters/tools.toml."""
    names = dict.fromkeys(way for path in paths for way in path.ways)
    return list(dict.fromkeys(tool for name in names for tool in of(name).tools))


def helm(name: WayName, programs: Programs) -> FilePath:
    """The Helm of this way. Raises UsageError for a way that is none of Helm's."""
    try:
        return _HELMS[name].program(programs)
    except KeyError:
        raise UsageError(f"~{name} does not call Helm", "choose a path of Helm 3 or 4 for this") from None
