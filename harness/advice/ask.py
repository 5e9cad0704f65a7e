# SPDX-License-Identifier: Apache-2.0
"""Answers a question about an upgrade: reads what it needs, looks at it, and puts the advice together."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.advice import ends, images, manifests, objects, registry, site, tools, values
from harness.advice.edge import Basis, Looked, advise, changes_of
from harness.advice.files import Folder, in_folder
from harness.advice.manifests import PRESERVED, Manifest
from harness.advice.objects import Stored
from harness.advice.plan import Deployment, Plan
from harness.advice.remarks import End, Remark
from harness.advice.steps import apis_of
from harness.audit.expressions import is_known
from harness.audit.homes import Homes
from harness.errors import UsageError
from harness.matrix import catalogue as catalogues
from harness.matrix import own_rows, results
from harness.matrix.catalogue import Catalogue
from harness.matrix.crd_modes import Tool
from harness.matrix.versions import VERSION
from harness.releases import own_catalogue, umbrella, value_places
from harness.releases.charts import CHART_NAME
from harness.releases.values import at, files_of, merge, profile_name
from harness.report.advice import Advice, Sentence
from harness.report.path_results import Report
from harness.settings import Settings

_SWITCHES = ("certManager.enable", "prometheus.podMonitor.create")
_RANGE = re.compile(r"[<>~^*|,]| - ")
"""What only a range of versions has."""
_FEW = 3


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked.

    `helm` is the major version of Helm, 0 where nobody said it; `values` are files and profiles, `values_key` the key
    below which files have the operator's; `apps` is a folder of applications, `chart` the target's, `site` a snapshot.
    `name` is the release's, where no snapshot says it.
    `kubeconfig` is the file that the site's context is from.
    With `ask_registry`, registries are asked for what the target needs.
    """

    settings: Settings
    origin: str
    target: str
    reports: Sequence[Report] = ()
    tool: Tool | None = None
    helm: int = 0
    values: tuple[Path, ...] = ()
    values_key: str = ""
    apps: Path | None = None
    chart: Path | None = None
    site: site.Reading | None = None
    ask_registry: bool = False
    name: str = ""
    kubeconfig: str = ""


def answer(question: Question) -> Advice:
    """The advice. Raises UsageError for names, files and folders that cannot be used."""
    own = own_catalogue.read(question.settings.catalogue_dirs)
    known = catalogues.load(own=own)
    homes = Homes(known.releases)
    around = ends.around(question.chart)
    by_chart = "" if question.values_key or not around.key else f"the chart {question.chart}"
    question = replace(question, values_key=question.values_key or around.key)
    manifest = _manifest(question)
    name = _origin(question, manifest, around, known, homes)
    origin = ends.end(question.settings, known, name)
    target = ends.end(question.settings, known, question.target, question.chart)
    cannot = ends.require_edge(known, origin, target)
    basis = Basis(
        known=known,
        reports=question.reports,
        shipped=results.read(),
        changes=changes_of(origin.release, target.release),
        cannot=cannot,
    )
    given = _values(question, manifest, by_chart)
    if question.site and given is not None and not question.values:
        given = site.with_image(question.site, given, known, origin.name)
    if around.key and (given is None or not question.site):
        given = merge(around.values, given or {})
    remarks = images.to_a_copy(target)
    if given is not None:
        remarks = values.remarks(given, origin, target, known.upgrades, homes, _key(question))
    if question.site:
        remarks = site.steps_done(question.site, remarks)
    address = around.repository or _address(question, manifest)
    remarks = [*remarks, *_of_tool(question, manifest, address, origin, target, known, homes)]
    folder = in_folder(question.apps) if question.apps else None
    stored = _stored(question, folder) if question.ask_registry else ()
    pulled, left_out = registry.wanted(_with_image(question, given), origin, target, known, homes, stored)
    seen = registry.look(pulled, question.settings) if question.ask_registry else {}
    looked = Looked(
        values=[_placed(it, question) for it in registry.copied(remarks, seen)],
        objects=_applications(question, target, folder),
        site=_cluster(question, target),
        registry=registry.remarks(pulled, seen) if seen else (),
        unknown=[
            *(site.unknown(question.site) if question.site else ()),
            *(folder.left_out if folder else ()),
            *(f"{it} has values, too, and was not read" for it in (manifest.elsewhere if manifest else ())),
            *(
                f"{it}: it changes what the chart renders, and was not looked at"
                for it in (manifest.changes if manifest else ())
            ),
            *filter(None, [left_out if seen else registry.not_asked(pulled)]),
        ],
    )
    plan = None
    if target.release:
        deployment = _deployment(question, given, manifest)
        deployment = replace(deployment, repository=tools.own_repository(address, homes))
        chart = str(question.chart) if question.chart else ""
        plan = Plan(deployment=deployment, target=target.release, crds="none", chart=chart)
    return advise(basis, origin, target, looked, plan)


def _placed(remark: Remark, question: Question) -> Remark:
    """A remark that begins with a key of the user's values, with the file and line that set it."""
    key = remark.sentence.text.partition(" ")[0].rstrip(":,")
    files = list(map(str, question.values))
    # Keys are told as the files have them, some from the top.
    found = value_places.place(files, key, question.values_key) or value_places.place(files, key)
    if not found:
        return remark
    sentence = remark.sentence.model_copy(update={"text": f"{remark.sentence.text} ({found})"})
    return replace(remark, sentence=sentence)


def _origin(question: Question, manifest: Manifest | None, around: ends.Around, known: Catalogue, homes: Homes) -> str:
    """The name of the installed release: as it was given, as a site shows it, or as a file says it."""
    if question.origin:
        if _RANGE.search(question.origin) and (several := homes.allowed(question.origin)):
            raise UsageError(f"--from {question.origin} is no single release: {_allows(several)}", _give(several))
        return question.origin
    if question.site:
        return site.origin(question.site, known)
    place, version = ("the file", manifest.version) if manifest else (around.written, around.version)
    several = homes.allowed(version)
    # A range that allows a single release is that one.
    written = several[0] if len(several) == 1 else version.removeprefix("v")
    if VERSION.fullmatch(written) and written != question.target.partition("@")[0]:
        return written
    if VERSION.fullmatch(written):
        raise UsageError(
            f"{place} deploys {written} already, which is what --to names",
            "give --from with the release that is still installed: `helm list --all-namespaces` shows it",
        )
    raise UsageError(
        f"harness advise needs the release that is installed{_said(place, written, several)}",
        f"{_give(several)}, or --site or --context, which find it",
    )


def _said(place: str, written: str, several: Sequence[str]) -> str:
    """Why the version that a file has does not say which release is installed."""
    if not written:
        return ", and no file given says its version" if place else ""
    why = "is filled in elsewhere"
    if is_known(written):
        why = f"does not say which one{f': {_allows(several)}' if several else ''}"
    return f": the version in {place}, {written}, {why}"


def _allows(several: Sequence[str]) -> str:
    """What a range of versions allows, oldest first."""
    first, *others = several
    return f"it allows {first} {'to' if others[1:] else 'and'} {others[-1]}" if others else f"it allows {first} alone"


def _give(several: Sequence[str]) -> str:
    """How to say which of several releases is installed; of many none is named."""
    few = " or ".join(f"--from {it}" for it in several) if len(several) <= _FEW else "--from with one release"
    return f"give {few or '--from'} (`helm list --all-namespaces` shows the version)"


def _of_tool(
    question: Question,
    manifest: Manifest | None,
    address: str,
    origin: End,
    target: End,
    known: Catalogue,
    homes: Homes,
) -> Iterator[Remark]:
    """What the file, or the object of the site, says beside the values."""
    installer = question.site.installer if question.site else None
    kept = PRESERVED if installer and installer.keeps_values else ""
    keeps = manifest.keeps if manifest else kept
    written = manifest.version.removeprefix("v") if manifest else ""
    if VERSION.fullmatch(written) and written not in (origin.name.partition("@")[0], target.name.partition("@")[0]):
        text = f"the file deploys {written}; the advice is for a move from {origin.name}, as --from says"
        yield Remark(sentence=Sentence(text=text, origin="seen"))
    if target.release:
        yield from tools.of_repository(address, target.release, homes)
    if keeps:
        yield from tools.of_kept_values(keeps, origin, target, known.upgrades)


def _address(question: Question, manifest: Manifest | None) -> str:
    """Where the chart comes from, as a file or an object of Argo CD says; empty where neither does."""
    if manifest:
        return manifest.address
    installer = question.site.installer if question.site else None
    if installer is None or installer.tool != "argocd" or site.is_in_git(installer) or _is_of_umbrella(question):
        return ""
    return installer.source.partition(" ")[0]


def _applications(question: Question, target: End, folder: Folder | None) -> Sequence[Remark]:
    if target.release is None or not (question.apps or question.site):
        return ()
    schema = ends.schema(question.settings, target.release, question.chart)
    return objects.look(_stored(question, folder), target.release, schema)


def _stored(question: Question, folder: Folder | None) -> Iterator[Stored]:
    """The applications of the folder and of the snapshot."""
    return itertools.chain(folder.found if folder else (), site.applications(question.site) if question.site else ())


def _cluster(question: Question, target: End) -> Sequence[Remark]:
    if question.site is None or target.release is None:
        return ()
    schema = ends.schema(question.settings, target.release, question.chart)
    return site.remarks(question.site, target.release, schema)


def _with_image(question: Question, given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The values; where nobody has them, with the name that the site's operator runs under."""
    if given is not None or question.site is None:
        return given or {}
    return site.image_values(question.site)


def _manifest(question: Question) -> Manifest | None:
    """What the last of the files deploys that is no values file, and has none of them below a key."""
    if question.values_key:
        return None
    read = [manifests.read(it) for it in question.values if not profile_name(it)]
    return next((it for it in reversed(read) if it), None)


def _values(question: Question, manifest: Manifest | None, by_chart: str) -> Mapping[str, Any] | None:
    """The values of files; without files those that a snapshot has. `by_chart` is what says the key, if no option."""
    if question.values:
        own = own_rows.read(question.settings.catalogue_dirs)
        each = [manifests.read(it) if manifest and not profile_name(it) else None for it in question.values]
        plain = [it for it, found in zip(question.values, each, strict=True) if not found]
        others = iter(umbrella.given(plain, question.values_key, own.values, lax=True, chart=by_chart))
        merged = merge(*(found.values if found else next(others) for found in each))
        # Helm reads these for the chart above alone.
        return {key: it for key, it in merged.items() if not question.values_key or key not in values.UMBRELLAS_OWN}
    if question.site and (question.site.release or question.site.installer):
        return question.site.values
    return None


def _deployment(question: Question, given: Mapping[str, Any] | None, manifest: Manifest | None) -> Deployment:
    above = _umbrella(question, given or {})
    if question.site:
        found = site.deployment(question.site, question.tool)
    elif manifest:
        found = _by_manifest(manifest, question.tool)
    elif above:
        # Its release is called like something else, and is somewhere else.
        found = Deployment(tool=question.tool or "helm", name="RELEASE", home="NAMESPACE", owner="NAME")
    else:
        found = Deployment(tool=question.tool or "helm")
    if question.name and not question.site:
        found = replace(found, name=question.name)
    each = [own for _, own in values.operators_own(given or {})]
    apis = apis_of(it for it in _SWITCHES if any(at(own, it) for own in each))
    own = own_rows.read(question.settings.catalogue_dirs).values
    each_file = [it for given_ in question.values for it in files_of(given_, own)]
    files = () if manifest else tuple(map(str, each_file))
    kubeconfig = question.kubeconfig if question.site else ""
    return replace(found, values=files, apis=apis, umbrella=above, helm=question.helm, kubeconfig=kubeconfig)


def _by_manifest(manifest: Manifest, tool: Tool | None) -> Deployment:
    named = Deployment(tool=tool or manifest.tool or "helm")
    # A name that is filled in elsewhere stands for several, and that of a chart is not known to be its release's.
    name, home = manifest.name or "RELEASE", manifest.home or "NAMESPACE"
    named = replace(named, name=name if is_known(name) else "RELEASE", home=home if is_known(home) else "NAMESPACE")
    is_its = tool in (None, manifest.tool)
    if is_its:
        named = replace(
            named,
            file=manifest.file,
            resource=manifest.resource,
            renders_crds=manifest.renders_crds,
            vendored=manifest.vendored,
            version=manifest.version,
            context=manifest.context if is_known(manifest.context) else "",
            cluster=manifest.cluster,
        )
    return site.brought_by(named, manifest.installer) if manifest.installer and is_its else named


def _key(question: Question) -> str:
    """The key of a chart around the operator's, below which the values were; empty where a site has them whole."""
    if not question.values_key or (question.site and not question.values):
        return ""
    return umbrella.key_of([it for it in question.values if not profile_name(it)], question.values_key)


def _umbrella(question: Question, given: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys below which a chart around the operator's has its values; none where there is no such chart."""
    outer = _key(question)
    above = [".".join(filter(None, (outer, path.removesuffix(".")))) for path, _ in values.operators_own(given)]
    return tuple(filter(None, above)) or ((CHART_NAME,) if _is_of_umbrella(question) else ())


def _is_of_umbrella(question: Question) -> bool:
    """Whether the release of a site is that of a chart around the operator's."""
    release = question.site.release if question.site else None
    return release is not None and release.chart != CHART_NAME
