# SPDX-License-Identifier: Apache-2.0
"""Which path was meant by a name that is none: people write paths as they say them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from harness.matrix import versions
from harness.matrix.model import CrdMode, ValuesMode, WayName
from harness.matrix.path_names import parse

_KINDS: Mapping[str, str] = {
    "install": r"(?:re|fresh-)?install(?:s|ation)?",
    "rollback": r"roll-?backs?|downgrades?|reverts?",
    "gitops-argocd": r"(?:gitops-?)?argo-?cd|gitops-?argo|gitops",
    "upgrade": r"upgrades?|updates?|up|migrat(?:e|ion)|bump",
}
_CRDS: Mapping[str, str] = dict(
    [(it, it) for it in get_args(CrdMode)],
    **{"ssa-force": "apply", "createreplace": "replace", "create-replace": "replace", "skip": "none"},
    **{"server-side": "ssa", "serverside": "ssa", "client": "client-apply", "client-side": "client-apply"},
)
_VALUES: Mapping[str, str] = dict(
    [(it, it) for it in get_args(ValuesMode)],
    **{"reuse-values": "reuse", "reset-then-reuse-values": "reset-then-reuse", "reset-values": "default"},
)
_SYNCS: Mapping[str, str] = dict(
    [(it, it) for it in ("client", "server-side", "replace")],
    **{"ssa": "server-side", "serversideapply": "server-side", "serverside": "server-side", "client-side": "client"},
    **{"serversideapply=true": "server-side", "replace=true": "replace"},
)
_WAYS = "|".join(sorted(get_args(WayName), key=len, reverse=True))
_ARGO_CD = r"argo(?:-?cd)?"
_FIRST = "argocd-server-side"
"""What Argo CD is taken for where a name says no more of it, and has other ways besides."""

_OF_CRDS = {"ssa": "server-side", "apply": "server-side", "client-apply": "client", "replace": "replace"}
"""How Argo CD has to sync for CRDs to be treated so."""

_NAMED: Mapping[str, Mapping[str, str]] = {"sync": _SYNCS, "crds": _CRDS, "values": _VALUES}
"""What can stand behind each mode of a name, and what is written for it."""


def _any(words: Mapping[str, str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_TOKEN = re.compile(
    r"(?P<gap>[-~+,;:/=>\s]+|\.\.+|(?:to|from|then|and|via|with)(?![\w.])|(?:way|tool)s?[=:])"
    rf"|(?P<release>v?(?:\d+\.\d+(?:\.\d+)?(?:-(?:alpha|beta|rc|pre|snapshot|dev(?=-?[.\d]))(?:[-.]?\d+)*)?"
    rf"|{versions.UNDER_TEST}(?![\w.])"
    r"|(?P<alias>latest|main|master|head|develop)(?![\w.]))(?:@[a-z0-9.-]*[a-z](?::\d+)?(?=[-~+,\s]|$))?)"
    rf"|sync[=:-](?P<sync>{_any(_SYNCS)})(?![\w.])"
    rf"|crds?(?:-?mode)?[=:-](?P<crds>{_any(_CRDS)})(?![\w.])"
    rf"|values?(?:-?mode)?[=:-](?P<values>{_any(_VALUES)})(?![\w.])"
    r"|profile[=:-](?P<profile>[\w-]+)"
    rf"|(?P<way>helm-?\s?[34](?:\.\d+)*|{_WAYS}|{_ARGO_CD}-(?:{_any(_SYNCS)})|{_ARGO_CD})(?![\w.])"
    rf"|(?P<bare>{_any({**_CRDS, **_VALUES})})(?![\w.])"
)
"""One word of a name, as people write it; `bare` is a mode without what it is a mode of."""


def meant(name: str, known: Sequence[str] = ()) -> str:
    """The path that was meant by a name that is none; empty where some word of it is not understood.

    People write a `v` before versions, words and arrows between them, capitals, quotation marks and slashes around
    them, modes in another order or without their names, another word for the kind, or none at all. `known` are the
    versions that there are, oldest first, for those that are written in part.
    """
    plain = re.sub(r"\s+", " ", name).strip(" /'\"`.,;")
    plain = re.sub("[–—_→]", "-", plain).lower()
    kind, rest = _kind(plain)
    said: dict[str, list[str]] = {}
    for key, word in _words(rest):
        said.setdefault(key, []).append(word)
    single = all(len(set(said.get(key, ()))) <= 1 for key in (*_NAMED, "profile"))
    if "" in said or not single:
        return ""
    releases = [_release(it, known) for it in said.get("release", ())]
    if not kind:
        kind = "install" if len(releases) == 1 else "rollback" if _is_down(releases) else "upgrade"
    if kind == "gitops-argocd" and len(releases) == 1:
        kind, said["way"] = "install", [_FIRST]
    if kind == "rollback":
        releases = list(reversed(releases)) if _is_down(releases[::-1]) else releases
    if kind == "upgrade" and "sync" in said and "way" not in said:
        kind = "gitops-argocd"
    if kind == "gitops-argocd" and "sync" not in said and (as_synced := _OF_CRDS.get(said.get("crds", [""])[0])):
        said["sync"] = [as_synced]
        del said["crds"]
    # Where an upgrade would go back, it is not known what was meant.
    if not _fits(kind, len(releases)) or (kind != "rollback" and _is_down(releases)):
        return ""
    several = [_FIRST if it == "argocd" and len(said["way"]) > 1 else it for it in said.get("way", ())]
    ways = f"~{','.join(several)}" if several else ""
    modes = "".join(f"+{key}={said[key][0]}" for key in (*_NAMED, "profile") if key in said)
    made = f"{kind}-{'-'.join(releases)}{ways}{modes}"
    return made if made != name and parse(made) else ""


def _kind(plain: str) -> tuple[str, str]:
    """The kind that a name begins with, empty where it begins with none, and the rest."""
    for kind, words in _KINDS.items():
        found = re.match(rf"(?:{words})(?![a-z])", plain)
        if found:
            return kind, plain[found.end() :]
    return "", plain


def _words(text: str) -> Iterator[tuple[str, str]]:
    """The words of a name, each with what it is; with an empty key for one that is not understood."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            yield "", text[at:]
            return
        at = found.end()
        key = next(key for key in ("gap", "release", *_NAMED, "profile", "way", "bare") if found[key] is not None)
        if key in _NAMED:
            yield key, _NAMED[key][found[key]]
        elif key == "way":
            yield key, _way(found[key])
        elif key == "bare":
            yield ("crds", _CRDS[found[key]]) if found[key] in _CRDS else ("values", _VALUES[found[key]])
        elif key != "gap":
            yield key, found[key]


def _way(written: str) -> str:
    """A way as a name has it."""
    argo_cd = re.fullmatch(rf"{_ARGO_CD}(?:-(.+))?", written)
    if argo_cd:
        return f"argocd-{_SYNCS[argo_cd[1]]}" if argo_cd[1] else "argocd"
    return re.sub(r"helm[-\s]?([34]).*", r"helm\1", written)


def _release(written: str, known: Sequence[str]) -> str:
    """A release as a name has it, from one that is written in part, or in a word of another tool."""
    version, at, host = written.removeprefix("v").partition("@")
    version = re.sub(r"(-[a-z]+)-(?=\d)", r"\1.", version)
    if version == "latest":
        version = known[-1] if known else version
    elif version in ("main", "master", "head", "develop"):
        version = versions.UNDER_TEST
    elif re.fullmatch(r"\d+\.\d+", version):
        version = next((it for it in reversed(known) if it.startswith(f"{version}.")), version)
    hub = host in ("dockerhub", "hub", "index.docker.io", "registry-1.docker.io")
    return f"{version}{at}{'docker.io' if hub else host}"


def _is_down(releases: Sequence[str]) -> bool:
    """Whether the second of two releases is older than the first."""
    try:
        first, second = map(versions.order, releases)
    except ValueError:
        return False
    return second < first


def _fits(kind: str, releases: int) -> bool:
    return {"install": releases == 1, "rollback": releases == 2}.get(kind, releases > 1)
