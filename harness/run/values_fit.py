# SPDX-License-Identifier: Apache-2.0
"""Whether the user's values fit all releases of a path, and what the run makes so that they do, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.kube import invalid
from harness.matrix.release import Release
from harness.releases import (
    chart_image,
    fitting,
    key_names,
    refused_values,
    rights,
    value_kinds,
    value_places,
    values_doing,
)
from harness.releases.fitting import Fit, Given, Misfit
from harness.releases.helm import Helm, HelmError
from harness.releases.namespaces import of_values
from harness.releases.on_path import ReleaseOnPath
from harness.releases.values import FILL_IN, VARIABLE, at, merge
from harness.verdicts import Finding, Verdict, errored, passed
from harness.wording import did_you_mean

CHECK = "values-fit"
SHOWN = "values-as-in-production"
_LEADER = "controller.leaderElection.enable"
_INSTANCE = "app.kubernetes.io/instance"
_FIXED = re.compile(r"field is immutable|may not be changed|cannot be (?:changed|updated)|Forbidden: updates to ")
"""The words of an API server for what is fixed when an object is made (k8s.io/apimachinery, pkg/api/validation)."""
_NEXT = "\n  next: "
_AS_THEY_ARE = "--exact-values leaves it as it is"


def look(given: Given, helm: Helm, releases: Mapping[str, ReleaseOnPath]) -> Fit | Finding:
    """What the run makes for the values; the user's mistake where the release that comes first cannot be installed.

    Whether the charts after it can be is what an upgrade shows. Values that one of them does not know are told.
    """
    if not given.users:
        return Fit()
    if given.exact and (unwatched := _unwatched(given)):
        return unwatched
    first = next(iter(releases.values()))
    found = _fit(helm, given, first)
    if isinstance(found, Misfit):
        return _misfit(found, given, first)
    will = [*_otherwise(given, first), *_unmet(found, first.release)]
    for later in [it for it in releases.values() if it is not first]:
        asked = _fit(helm, replace(given, own=(later.values, *given.own[1:])), later)
        will += _unmet(asked, later.release)
        found = _with_later(found, asked, later.release.name)
    return replace(found, told=(*_namespaces(given), *found.told, *_unknown(given, releases), *will))


def mistakes(given: Given, helm: Helm, first: ReleaseOnPath) -> Finding | None:
    """The user's mistake in the values of the release that comes first, whatever there is in the cluster."""
    found = (_mistakes(given, first) or fitting.mistakes(helm, first.chart, given)) if given.users else None
    return _misfit(found, given, first) if found else None


def refused(finding: Finding, given: Given, helm: Helm, it: ReleaseOnPath) -> Finding:
    """The finding about an install or a move; an error where the user's values may be what was refused, or cannot work.

    Whether it is the values or the chart cannot be told from what an API server takes for wrong in itself. That an
    object cannot be changed into that of another release is the release's doing.
    """
    if finding.verdict is not Verdict.FAILED:
        return finding
    theirs = _rendered(finding, given, helm, it)
    if name := values_doing.stranger(finding.message, theirs):
        return errored(
            finding.check,
            f"{it.release.name} does not start for the container {name}, which something in the cluster adds to its "
            f"pods: {finding.message.partition(_NEXT)[0]}{_NEXT}see what adds it (kubectl get "
            "mutatingwebhookconfigurations) and why it does not start",
            **finding.evidence,
        )
    if not any(given.users):
        return finding
    said, _, _ = finding.message.partition(_NEXT)
    if invalid.says_so(said) and not _FIXED.search(said):
        why = "the API server does not take what the chart makes of"
        step = "correct the value that these words are about; if it is right, see whether the cell passes without it"
    elif doing := _doing(finding, theirs, given, helm, it):
        why, said = f"{it.release.name} does not start with", f"{doing}: {said}"
        step = "correct these values, or see whether the cell passes without them"
    else:
        return finding
    told = f"{why} the values of --values{_named(given.files)}: {said}{_NEXT}{step}"
    return errored(CHECK, told, **finding.evidence)


def _rendered(finding: Finding, given: Given, helm: Helm, it: ReleaseOnPath) -> list[dict[str, Any]]:
    """What the chart renders, where a finding is about its pods; nothing where it does not render."""
    if not values_doing.is_about_pods(finding.message):
        return []
    try:
        return fitting.rendered(helm, it.chart, given)
    except HelmError:
        return []


def _doing(finding: Finding, theirs: Sequence[Mapping[str, Any]], given: Given, helm: Helm, it: ReleaseOnPath) -> str:
    """What the values do to the pods that did not start; empty where they are not known to."""
    own = _rendered(finding, replace(given, users=()), helm, it) if theirs else []
    return values_doing.found(finding.message, theirs, own, merge(*given.users))


def _misfit(found: Misfit, given: Given, it: ReleaseOnPath) -> Finding:
    return errored(
        CHECK,
        f"the values of --values{_named(given.files)} do not fit the chart of {it.release.name}: {found.words}\n"
        f"  next: {_filled_in(found.words)}{found.next_step}",
    )


def _filled_in(words: str) -> str:
    """The step before all others where a variable was left to another tool to fill in."""
    return f"{FILL_IN}; " if VARIABLE.search(words) else ""


def _named(files: Sequence[str]) -> str:
    return f" ({', '.join(files)})" if files else ""


def shown(told: tuple[str, ...]) -> list[Finding]:
    """The finding that says in a report what was told; none where there was nothing to tell."""
    return [passed(SHOWN, "; ".join(told))] if told else []


def _fit(helm: Helm, given: Given, it: ReleaseOnPath) -> Fit | Misfit:
    return _mistakes(given, it) or _explained(fitting.fit(helm, it.chart, given), given, it)


def _mistakes(given: Given, it: ReleaseOnPath) -> Misfit | None:
    """What Helm renders, and the chart, Kubernetes or the operator refuse: no release is to blame for that."""
    defaults = fitting.defaults(it.chart)
    if not defaults:
        return None
    values = merge(*given.users)
    told = [(f"{one.key} {one.words}{given.at(one.key)}", one.step) for one in _wrong(values, it) if one.renders]
    told += [
        (f"{one.key} {one.why}{given.at(one.key)}", "".join(one.step))
        for one in refused_values.found(values, defaults, it.release.version)
    ]
    told += [(f"{words}{given.at(_LEADER)}", step) for words, step in _leaderless(merge(defaults, values))]
    told += _by_another_label(values, given)
    return _told(told) if told else None


def _by_another_label(values: Mapping[str, Any], given: Given) -> Iterator[tuple[str, str]]:
    """A label that the chart writes beside its own of the same key, by which objects of the release are looked for."""
    labels = at(values, "commonLabels")
    name = labels.get(_INSTANCE) if isinstance(labels, Mapping) else None
    if name not in (None, given.name):
        key = f"commonLabels.{_INSTANCE}"
        words = f"{key} is {name}, and a run finds what the release has made by that label, as {given.name}"
        yield f"{words}{given.at(key)}", f"give --release-name {name}, or a further file with {key}: {given.name}"


def _leaderless(used: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Several controllers of which each submits every application: what comes of that says nothing of a release."""
    replicas = at(used, "controller.replicas")
    if at(used, _LEADER) is False and isinstance(replicas, int) and replicas > 1:
        words = f"is false with {replicas} replicas of the controller, of which each then submits every application"
        yield f"{_LEADER} {words}", f"set {_LEADER} to true, or controller.replicas to 1"


def _otherwise(given: Given, it: ReleaseOnPath) -> Iterator[str]:
    """Values that the chart takes, and takes otherwise than they are meant."""
    yield from value_places.doubled(given.files, given.values_key)
    values = merge(*given.users)
    yield from _shortened(values, given)
    wrong = _wrong(values, it)
    for one in wrong:
        if not one.stops and not one.renders:
            yield f"{one.key} {one.words}{given.at(one.key)}: {one.step}"


def _shortened(values: Mapping[str, Any], given: Given) -> Iterator[str]:
    """Tags that YAML takes for numbers, of which Helm writes the shortest form: 2.50 is 2.5."""
    for key in ("image.tag", "hook.image.tag"):
        value = at(values, key)
        text = value_places.written(given.files, key, given.values_key) if isinstance(value, float) else ""
        if text and text != chart_image.printed(value):
            words = f"is the number {text}, which Helm writes as {chart_image.printed(value)}"
            yield f"{key} {words}{given.at(key)}: write {key} in quotes"


def _wrong(values: Mapping[str, Any], it: ReleaseOnPath) -> list[value_kinds.Wrong]:
    defaults, chart = fitting.defaults(it.chart), f"the chart of {it.release.name}"
    return list(value_kinds.wrong(values, defaults, chart)) if defaults else []


def _explained(found: Fit | Misfit, given: Given, it: ReleaseOnPath) -> Fit | Misfit:
    """What Helm stumbles over, in the words of the values where their kinds are the reason."""
    if not isinstance(found, Misfit) or not found.by_helm:
        return found
    wrong = _wrong(merge(*given.users), it)
    told = [(f"{one.key} {one.words}{given.at(one.key)}", one.step) for one in wrong if one.stops]
    return _told(told) if told else found


def _told(told: Sequence[tuple[str, str]]) -> Misfit:
    words, steps = (dict.fromkeys(it) for it in zip(*told, strict=True))
    return Misfit(words="; ".join(words), next_step="; ".join(steps))


def _with_later(found: Fit, later: Fit | Misfit, name: str) -> Fit:
    """What is to be made for two releases of a path; of one that does not fit it is told that it does not."""
    if isinstance(later, Misfit):
        return replace(found, told=(*found.told, f"the chart of {name} does not take the values: {later.words}"))
    classes = dict.fromkeys((*found.priority_classes, *later.priority_classes))
    return Fit(
        nodes=later.nodes if len(later.nodes) > len(found.nodes) else found.nodes,
        priority_classes=tuple(classes),
        told=tuple(dict.fromkeys((*found.told, *later.told))),
    )


def _unwatched(given: Given) -> Finding | None:
    """The finding where exact values leave out namespaces that cells need."""
    listed = of_values(merge(*given.users))
    missing = [it for it in given.job_namespaces if it not in listed]
    if not missing:
        return None
    return errored(
        CHECK,
        f"with --exact-values, the release creates no accounts and roles in {', '.join(missing)}, where the cells run\n"
        "  next: add these to spark.jobNamespaces, or leave out --exact-values",
    )


def _namespaces(given: Given) -> Iterator[str]:
    users = of_values(merge(*given.users))
    added = [it for it in given.job_namespaces if it not in users]
    if users and added and not given.exact:
        kept = ", ".join(it or "all (an empty name)" for it in users)
        yield f"spark.jobNamespaces: {kept} kept, {', '.join(added)} added ({_AS_THEY_ARE})"


def _unmet(found: Fit | Misfit, release: Release) -> tuple[str, ...]:
    """What the values switch on, and the chart's own Role does not allow; nothing where it does not take them."""
    objects = found.objects if isinstance(found, Fit) else ()
    return tuple(rights.unmet(objects, release.unmet_rights, release.name))


def _instead(key: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """What to write in the place of a key that a chart does not have, in words; empty where nothing is known."""
    if key_names.known(key, defaults):
        return "; it has a dot in its name: write it as keys below each other"
    if now := dict.fromkeys(it.now for it in key_names.renamed(key, values, defaults)):
        return f"; its name there is {' and '.join(now)}"
    return did_you_mean(key_names.near(key, defaults))


def _unknown(given: Given, releases: Mapping[str, ReleaseOnPath]) -> Iterator[str]:
    """Values that a chart of the path does not know."""
    values = merge(*given.users)
    for key in key_names.unread(values):
        words = "has no effect on the operator, whose chart has image.registry and image.pullSecrets"
        yield f"{key}{given.at(key)} {words}"
    for it in releases.values():
        own = fitting.defaults(it.chart)
        keys = [f"{key}{_also(given.at(key), _instead(key, values, own))}" for key in fitting.unknown(it.chart, values)]
        if keys:
            are, them = ("is", "it") if len(keys) == 1 else ("are", "them")
            yield f"{', '.join(keys)} {are} not in the chart of {it.release.name}: Helm accepts {them}, without effect"


def _also(place: str, words: str) -> str:
    """A place in brackets with more words in them."""
    return f"{place.removesuffix(')')}{words})" if place else f" ({words.removeprefix('; ')})" if words else ""
