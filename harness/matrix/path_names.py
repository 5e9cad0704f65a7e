# SPDX-License-Identifier: Apache-2.0
"""Names of paths: `KIND-RELEASE(-RELEASE)*[~WAY][+crds=MODE][+values=MODE][+profile=NAME]`, written and parsed.

A RELEASE is a version, that of a pre-release (`2.6.0-rc.1`), or `dev`, the operator under test.

A WAY is how releases get onto the cluster: one for the whole path (`~helm4`), or one for each of its steps in order,
the install first (`~helm3,helm4`). An upgrade that is all Argo CD's has a name of its own,
`gitops-argocd-RELEASE(-RELEASE)+[+sync=MODE][+crds=hook][+values=MODE]`: how Argo CD syncs says what happens to CRDs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from harness.errors import UsageError
from harness.matrix import versions
from harness.matrix.model import CrdMode, Path, PathKind, ValuesMode, WayName
from harness.matrix.names import unknown
from harness.wording import counted

RELEASE = rf"(?:{versions.RELEASE.pattern})(?:@[\w.:-]+?)?"

_NAME = re.compile(
    rf"(?P<kind>install|upgrade|rollback|gitops-argocd)-(?P<releases>{RELEASE}(?:-{RELEASE})*)"
    r"(?:~(?P<ways>[\w-]+(?:,[\w-]+)*))?(?:\+sync=(?P<sync>[\w-]+))?"
    r"(?:\+crds=(?P<crds>[\w-]+))?(?:\+values=(?P<values>[\w-]+))?"
    r"(?:\+profile=(?P<profile>[\w-]+))?"
)

_ALIASES: Mapping[str, CrdMode] = {"ssa-force": "apply"}
"""Other names of CRD modes in the name of a path."""

CRD_MODES: tuple[CrdMode, ...] = get_args(CrdMode)
VALUES_MODES: tuple[ValuesMode, ...] = get_args(ValuesMode)
WAYS: tuple[WayName, ...] = get_args(WayName)
USUAL: WayName = "helm"
"""The way of a path that names none."""
HELMS: tuple[WayName, ...] = ("helm3", "helm4")
"""What the usual way can turn out to be."""
KUSTOMIZE: tuple[WayName, ...] = ("kustomize", "overlay")
"""The ways that deploy upstream's config/, and its CRDs with it."""
ARGO_CD: Mapping[WayName, CrdMode] = {
    "argocd-client": "client-apply",
    "argocd-server-side": "apply",
    "argocd-replace": "replace",
}
"""The ways of Argo CD, and to what each amounts for CRDs."""

_NO_WAYS: Mapping[str, str] = {
    "flux": "Flux does not run here: +crds=replace is what it does with upgrade.crds: CreateReplace, +crds=none its "
    "default",
    "terraform|tofu|^tf$|helmfile": "it calls Helm: write ~helm3 or ~helm4",
    "template|apply": "write ~kubectl for helm template and kubectl apply",
}
"""What people deploy with that is no way by this name, as an expression, and what to write."""

_OLD_TAG = re.compile(r"v1(?:alpha|beta)\d-")
_AROUND = re.compile(r"^[~^=v ]+|\.[x*]$")
_RANGE = re.compile(r"^[<>!=~^]|[*|,]|\.x\b")
IMAGE_TAG = "is an image's tag of before 2.0.0: give the version of the chart, which `helm list` shows"

_GITOPS = "gitops-argocd"
_ARGO_CD = "argocd"
_FIRST_SYNC: WayName = "argocd-server-side"
"""By client-side apply nothing of a chart with CRDs can be brought: whoever syncs so has them from elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A parsed path name; `releases` in order of installation. `ways` is what follows `~`."""

    kind: PathKind
    releases: tuple[str, ...]
    ways: str = ""
    crds: str = ""
    values: str = ""
    profile: str = ""

    @property
    def understood(self) -> bool:
        """Whether every mode and every way in it is one that there is."""
        ways = set(self.ways.split(",")) if self.ways else set()
        return ways <= set(WAYS) and self.crds in ("", *CRD_MODES) and self.values in ("", *VALUES_MODES)

    @property
    def usual(self) -> bool:
        """Whether nothing but the user's values is handed to Helm."""
        return self.values in ("", "default") and not self.profile


def is_release(name: str) -> bool:
    """Whether this has the form of a release name: `2.5.2`, `2.6.0-rc.1`, `2.2.1@docker.io`, `dev`."""
    return re.fullmatch(RELEASE, name) is not None


def require_release(name: str, known: Sequence[str]) -> None:
    """Raise UsageError for what has not the form of a release name, with what was meant; `known` are versions."""
    if is_release(name):
        return
    plain = _AROUND.sub("", name.lower())
    begin = [it for it in reversed(known) if it.startswith(f"{plain}.")]
    if re.match(_OLD_TAG, name):
        next_step = f"this {IMAGE_TAG}"
    elif is_release(plain):
        next_step = f"give {plain}: versions are written without a v"
    elif begin:
        next_step = f"give {' or '.join(begin)}"
    elif plain == "latest" and known:
        next_step = f"give {known[-1]}, the newest that is known here"
    elif len(inside := set(versions.VERSION.findall(name))) == 1:
        next_step = f"give {inside.pop()}: the version alone"
    elif _RANGE.search(name):
        next_step = "this stands for several releases: give one of them, such as 2.5.2"
    else:
        next_step = "give a version (2.5.2) or a relocated release (2.2.1@docker.io)"
    raise UsageError(f"{name!r} is not a release name", next_step)


def name_of(
    kind: PathKind, releases: Sequence[str], crds: CrdMode, values: ValuesMode, ways: Sequence[WayName] = ()
) -> str:
    """The canonical name of an upgrade or rollback path. `ways` has one for each step, or none for the usual."""
    shown = "-".join(reversed(releases) if kind == "rollback" else releases)
    sync = ways[-1] if ways else USUAL
    if kind == "upgrade" and sync in ARGO_CD and tuple(ways) == synced(sync, len(releases)):
        hook = "+crds=hook" if crds == "hook" else ""
        values_too = "" if values == "default" else f"+values={values}"
        return f"{_GITOPS}-{shown}+sync={sync.removeprefix(f'{_ARGO_CD}-')}{hook}{values_too}"
    modes = f"+crds={crds}" + ("" if values == "default" else f"+values={values}")
    return f"{kind}-{shown}{ways_in_name(ways)}{modes}"


def ways_in_name(ways: Sequence[WayName]) -> str:
    """The part of a name that tells the ways: empty for the usual one, a single one where all steps have the same."""
    several = tuple(dict.fromkeys(ways))
    if several in ((), (USUAL,)):
        return ""
    return "~" + (several[0] if len(several) == 1 else ",".join(ways))


def parse(name: str) -> Parsed | None:
    """Parse a path's name, canonical or not; None if it is not a path."""
    found = _NAME.fullmatch(name)
    if not found:
        return None
    gitops = found["kind"] == _GITOPS
    kind: PathKind = "upgrade" if gitops else found["kind"]  # type: ignore[assignment]  # the expression has no others
    ways = found["ways"] or (_ARGO_CD if gitops else "")
    if (found["sync"] and ways != _ARGO_CD) or (gitops and found["ways"]):
        return None
    releases = tuple(
        re.findall(rf"(?:^|-)({RELEASE})(?=-(?:{versions.RELEASE.pattern})(?:[-@]|$)|$)", found["releases"])
    )
    if ways == _ARGO_CD:
        ways = _argo_cd(found["sync"] or "client", kind, len(releases))
    return Parsed(
        kind=kind,
        releases=tuple(reversed(releases)) if kind == "rollback" else releases,
        ways=ways,
        crds=_ALIASES.get(found["crds"], found["crds"] or "") or (_synced_crds(ways) if kind != "install" else ""),
        values=found["values"] or "",
        profile=found["profile"] or "",
    )


def with_profile(path: Path, profile: str) -> Path:
    """The path with the values of a profile before the user's, and without the tags of its row."""
    return path.model_copy(update={"name": f"{path.name}+profile={profile}", "profile": profile, "tags": ()})


def by_helm(way: WayName) -> bool:
    """Whether this way is Helm, whichever."""
    return way in (USUAL, *HELMS)


def by_argo_cd(path: Path) -> bool:
    """Whether a step of this path is Argo CD's."""
    return any(way in ARGO_CD for way in path.ways)


def crds_left(path: Path) -> CrdMode:
    """The CRD mode by whose effect applications are judged: a client-side sync brings no CRD but small new ones."""
    return "create" if path.way(-1) == "argocd-client" else path.crds


def way_with(way: WayName, crds: CrdMode) -> WayName:
    """The way that treats CRDs so: of Argo CD's the one which does by itself, where there is one; else the same way."""
    return next((it for it, own in ARGO_CD.items() if own == crds), way) if way in ARGO_CD else way


def crds_of(ways: Sequence[WayName], asked: str) -> str:
    """The CRD mode of a path in these ways, where a name asks for this one, or for none.

    Argo CD brings CRDs as it brings all else. Raises UsageError where a name asks it for something else.
    """
    own = ARGO_CD.get(ways[-1], "") if ways else ""
    if own and asked not in ("", own, "hook"):
        raise UsageError(
            f"{ways[-1]} brings CRDs by itself, which is +crds={own}", f"leave +crds={asked} out, or write +crds=hook"
        )
    return asked or own


def _synced_crds(ways: str) -> str:
    return next((crds for way, crds in ARGO_CD.items() if way == ways.rpartition(",")[2]), "")


def _argo_cd(sync: str, kind: PathKind, releases: int) -> str:
    """The ways of a path that Argo CD goes along by this way of syncing, as a name has them."""
    name, steps = f"{_ARGO_CD}-{sync}", releases + (kind == "rollback")
    way = next((it for it in ARGO_CD if it == name), None)
    # An unknown one is refused with the rest of the name; a single step is never synced otherwise than asked for.
    return ",".join(synced(way, steps)) if way is not None and steps > 1 else name


def synced(way: WayName, steps: int) -> tuple[WayName, ...]:
    """The ways of so many steps that Argo CD makes by this way of syncing, the install first."""
    first = _FIRST_SYNC if way == "argocd-client" else way
    return (first, *(way,) * (steps - 1))


def ways_of(text: str, steps: int) -> tuple[WayName, ...]:
    """The way of each of so many steps, from what a name has after `~`; none where all are the usual one.

    Raises UsageError for an unknown way, and for a list that is not as long as the path.
    """
    named = tuple(_way(it) for it in text.split(",")) if text else ()
    if len(named) > 1 and len(named) != steps:
        raise UsageError(
            f"~{text} names {counted(len(named), 'way')} for {counted(steps, 'step')}",
            "write one way for all of them, or one for each: the install first, then every upgrade or rollback",
        )
    whole = named * steps if len(named) == 1 else named
    return () if set(whole) <= {USUAL} else whole


def has_old_tag(name: str) -> bool:
    """Whether a name has the tag of an image of before 2.0.0 in it: `v1beta2-1.3.8-3.1.1`."""
    return _OLD_TAG.search(name) is not None


def no_flux(name: str) -> str:
    """What to write for a path of Flux; empty for any other name."""
    return _NO_WAYS["flux"] if name.startswith("gitops-flux") else ""


def _way(name: str) -> WayName:
    for way in WAYS:
        if way == name:
            return way
    for words, instead in _NO_WAYS.items():
        if re.search(words, name):
            raise UsageError(f"there is no way named {name!r}", instead)
    raise unknown("way", name, WAYS)


def require_sync(name: str, parsed: Parsed) -> None:
    """Raise UsageError for an unknown way of syncing in a path's name."""
    sync = parsed.ways.removeprefix(f"{_ARGO_CD}-")
    if "+sync=" in name and "," not in parsed.ways and parsed.ways not in ARGO_CD:
        known = [it.removeprefix(f"{_ARGO_CD}-") for it in ARGO_CD]
        raise unknown("way of syncing", sync, known, "ways of syncing")
