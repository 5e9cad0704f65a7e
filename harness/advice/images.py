# SPDX-License-Identifier: Apache-2.0
"""What becomes of the operator's image and of the hook's, with the names that a user's values give them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.advice.remarks import End, Remark, catalogued, to_do
from harness.audit.expressions import is_known
from harness.audit.homes import Homes
from harness.audit.references import HUB_HOSTS
from harness.errors import UsageError
from harness.images.references import DOCKER_HUB, HUB_CACHES, ImageReference
from harness.matrix.release import Release
from harness.matrix.versions import numbers
from harness.releases import chart_image
from harness.releases.chart_image import ChartImage
from harness.releases.values import at

_WITH_V = re.compile(r"v\d+\.\d+\.\d+.*")
_REGISTRY_SINCE = (2, 0, 0)
_TAG = re.compile(r":[\w.-]+$")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)
_OF_HUB = 2
_COPY = "copy the image: harness registry copy"

_LIKE_HUB = re.compile(
    r"docker[-_.]?(?:io|hub)(?![a-z])|hub[-_.]docker|dependency_proxy|docker[-_](?:remote|proxy|cache|mirror|virtual|group)(?![a-z])"
    r"|(?:remote|proxy|cache|mirror)[-_](?:docker|hub)(?![a-z])|(?<![a-z])(?:hub[-_](?:remote|proxy|cache|mirror)|docker\.m\.)",
    re.I,
)
_LIKE_GHCR = re.compile(r"ghcr|github", re.I)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the target's chart asks for at a key once the steps are taken, empty where that is not known.

    `remarks` are on registry and repository.
    """

    after: str = ""
    remarks: tuple[Remark, ...] = ()

    @property
    def copy(self) -> str:
        """The step that brings the image to where it will be asked for; empty where another, or none, is needed."""
        return next((it.step for it in self.remarks if _COPY in it.step), "")


@dataclass(frozen=True, kw_only=True)
class _Case:
    """A name to be judged: `keys` of the values that make it, and what the target's chart then asks for.

    `place` is the key that the chart has them below.
    """

    keys: str
    place: str
    hook: bool
    asked: ChartImage
    wanted: tuple[str, str]
    before: tuple[str | None, str | None]
    target: End
    release: Release

    @property
    def image(self) -> str:
        return f"{self.asked.name}:{self.release.version}"

    @property
    def inside(self) -> str:
        """The name that the repository has by itself, if it begins with a host that is meant as one.

        Behind a registry of the user's own, another host is the path of what it mirrors.
        """
        host = self.asked.registry.partition("/")[0]
        known = {*HUB_HOSTS, self.wanted[0], self.asked.repository.partition("/")[0]}
        meant = "registry" not in self.asked.given or host in known
        return f"{self.asked.repository}:{self.release.version}" if meant and self.asked.has_host_inside else ""

    @property
    def right(self) -> str:
        """Where the target is: at upstream, or where its row has a copy."""
        return f"{'/'.join(self.wanted)}:{self.release.version}"

    def removed(self, why: str) -> Judged:
        """That the values have to go, so that the chart's own name holds."""
        step = f"remove {self.keys} from the values: {self.target.name} is published as {self.right}"
        return Judged(after=self.right, remarks=(to_do(f"{self.keys}: {why}", self.target, step, stops=True),))

    def written(self, registry: str, repository: str) -> _Case:
        """The same where the values name the image like this."""
        given = ("registry", "repository")
        return replace(self, asked=replace(self.asked, registry=registry, repository=repository, given=given))


def remarks(
    values: Mapping[str, Any], key: str, above: str, origin: End, target: End, homes: Homes | None
) -> Iterator[Remark]:
    """Advice on values that pin an image: the operator's or the hook's, as `key` says."""
    if target.release is None:
        return
    found = list(judge(values, key, above, origin, target, homes).remarks)
    asked = _asked(values, key, target, target.release)
    if asked.tag != target.release.version:
        found.append(_tag(f"{above}{key}.tag", asked, _row(target, key), target, homes))
    if key == "image":
        yield from found
        return
    hooked = at(values, "hook.upgradeCrd")
    for it in found:
        yield it if hooked else _unused(it)
    if hooked and not found:
        yield from _left_behind(values, above, origin, target, homes)


def _unused(remark: Remark) -> Remark:
    """What is said of a hook that is off."""
    text = f"{remark.sentence.text}; nothing pulls it as long as hook.upgradeCrd is off"
    return Remark(sentence=remark.sentence.model_copy(update={"text": text}))


def _left_behind(
    values: Mapping[str, Any], above: str, origin: End, target: End, homes: Homes | None
) -> Iterator[Remark]:
    """That the hook's image is not where the values have the operator's, since it has keys of its own."""
    operator = judge(values, "image", above, origin, target, homes).after
    hook = judge(values, "hook.image", above, origin, target, homes).after
    host = operator.partition("/")[0]
    if host and hook and host != hook.partition("/")[0]:
        key = f"{above}hook.image"
        text = f"{key}: the hook's image stays {hook}: {above}image.registry does not move it"
        step = (
            f"see that the cluster can pull {hook}, or bring it to {host}, and set {key}.registry and {key}.repository"
        )
        yield to_do(text, target, step)


def judge(values: Mapping[str, Any], key: str, above: str, origin: End, target: End, homes: Homes | None) -> Judged:
    """The one decision about the name of an image. `values` are the operator's own, below the keys `above`.

    Nothing is known of a target without a row, or without this image.
    """
    (registry, repository), before = _row(target, key), _row(origin, key)
    if target.release is None or registry is None or repository is None:
        return Judged()
    asked = _asked(values, key, target, target.release)
    named = [f"{above}{key}.{part}" for part in asked.given if part != "tag"]
    case = _Case(
        keys=" and ".join(named),
        place=f"{above}{key}",
        hook=key != "image",
        asked=asked,
        wanted=(registry, repository),
        before=before,
        target=target,
        release=target.release,
    )
    if _is_elsewhere(case):
        told = named or key == "image" or at(values, "hook.upgradeCrd")
        return Judged(after=case.right, remarks=(_to_the_copy(f"{above}{key}", case),) if told else ())
    return _named(case, homes) if named else Judged(after=case.image if _is_name(case.image) else "")


def to_a_copy(target: End) -> list[Remark]:
    """What the values have to say of a target in another registry, where nobody gave any."""
    return list(remarks({}, "image", "", target, target, None)) if target.release and target.release.relocated else []


def copy_step(source: str, image: str) -> str:
    """The step that brings an image to a registry of the user's."""
    return f"{_COPY} {source} {image}"


def is_copied_to(step: str, image: str) -> bool:
    """Whether it is the step that brings this image there."""
    return _COPY in step and step.endswith(f" {image}")


def _asked(values: Mapping[str, Any], key: str, target: End, release: Release) -> ChartImage:
    """What the target's chart asks for. Of a copy in another registry the chart knows nothing."""
    registry, repository = _row(target, key)
    if release.relocated and at(target.defaults or {}, f"{key}.repository"):
        registry, repository = (at(target.defaults or {}, f"{key}.{part}") for part in ("registry", "repository"))
    found = chart_image.rendered(
        values, key, registry=registry or "", repository=repository or "", version=release.version
    )
    # Hosts are the same in capital letters.
    host, slash, path = found.registry.partition("/")
    return replace(found, registry=f"{host.lower()}{slash}{path}") if is_known(host) else found


def _is_where_before_is(case: _Case) -> bool:
    asked, before, wanted = case.asked, case.before, case.wanted
    return asked.registry == before[0] != wanted[0] and asked.repository in (before[1], wanted[1])


def _is_elsewhere(case: _Case) -> bool:
    """Whether values leave the name of a copy to the chart, or to the release before, which both do not know it."""
    by_chart = at(case.target.defaults or {}, "image.registry")
    is_charts = case.asked.registry == by_chart != case.wanted[0]
    return case.release.relocated and (is_charts or _is_where_before_is(case))


def _to_the_copy(key: str, case: _Case) -> Remark:
    registry, repository = case.wanted
    return to_do(
        f"{key}: with these values the chart asks for {case.asked.name}, and {case.target.name} is "
        f"{registry}/{repository}",
        case.target,
        f"set {key}.registry to {registry} and {key}.repository to {repository} in the values",
    )


def _named(case: _Case, homes: Homes | None) -> Judged:
    """The name that registry and repository make together, as the chart joins them."""
    keys, asked, target = case.keys, case.asked, case.target
    if not is_known(asked.name):
        where = f"if that is your own registry, it must have the image, copied from {case.right}"
        said = catalogued(f"{keys}: {case.image} is filled in elsewhere; {where}", target)
        return Judged(remarks=(Remark(sentence=said),))
    if case.inside and _is_name(case.inside):
        return _host_inside(case, homes)
    if not _is_name(case.image):
        return _malformed(case, homes)
    if case.image == case.right:
        copied, default = f"where {target.name} is", f"the default of {target.name} and can be removed"
        said = catalogued(f"{keys}: this is {copied if case.release.relocated else default}", target)
        return Judged(after=case.right, remarks=(Remark(sentence=said),))
    would = f"{target.name} would be pulled as {case.image}"
    if _is_where_before_is(case):
        return case.removed(
            f"this is where the release before is published; {would}, which upstream does not publish; remove these "
            f"values to get {'/'.join(case.wanted)}"
        )
    host = asked.name.partition("/")[0]
    if host in HUB_CACHES:
        return case.removed(
            f"{would}, but {host} is a cache of Docker Hub alone, which does not have it, and nobody can push there"
        )
    if told := _of_upstream(case.image, homes):
        return case.removed(f"{would}, but {told}")
    if why := _of_nobody(case):
        return case.removed(f"{would}, and {why}")
    if moved := _registry_moved(case, homes):
        return moved
    return _own(case, host)


def _host_inside(case: _Case, homes: Homes | None) -> Judged:
    host, _, rest = case.asked.repository.partition("/")
    text = f"{case.keys}: the host belongs in the registry: the chart of {case.target.name} asks for {case.image}"
    found = _named(case.written(host, rest), homes)
    if found.after == case.right:
        step = f"remove {case.keys} from the values"
        return Judged(after=case.right, remarks=(to_do(text, case.target, step, stops=True),))
    step = f"write registry: {host} and repository: {rest}, in place of {case.keys}"
    return Judged(after=found.after, remarks=(to_do(text, case.target, step, stops=True), *found.remarks))


def _of_nobody(case: _Case) -> str:
    """Why no user's image can have this name at Docker Hub or where upstream is; empty where one can."""
    host, *path = case.asked.name.split("/")
    if host not in {*HUB_HOSTS, case.wanted[0]} or case.release.relocated:
        return ""
    if len(path) == 1:
        return "nobody has images there without a name of their own before them"
    if path[0] == case.wanted[1].partition("/")[0]:
        return f"{host}/{path[0]} is upstream's own, which has no such image there"
    return "Docker Hub has no names with more than two parts" if host in HUB_HOSTS and len(path) > _OF_HUB else ""


def _registry_moved(case: _Case, homes: Homes | None) -> Judged | None:
    """A repository of the user's own, where the chart before had it; None where the values say the registry."""
    before = case.before[0]
    if "registry" in case.asked.given or before in (None, case.asked.registry):
        return None
    found = _named(case.written(str(before), case.asked.repository), homes)
    moved = f"the chart's own registry was {before}, and is {case.asked.registry}"
    text = f"{case.keys}: {moved}, so that it asks for {case.image}"
    step = f"write {case.place}.registry: {before} beside {case.keys}, if the image is to stay there"
    return Judged(after=found.after, remarks=(to_do(text, case.target, step, stops=True), *found.remarks))


def _malformed(case: _Case, homes: Homes | None) -> Judged:
    """A name that is none, with what it was meant to be, as far as that can be seen."""
    empty = "an empty registry" if not case.asked.registry else "the chart"
    text = f"{case.keys}: {empty} makes the name {case.image}, which is not the name of an image"
    registry = _SCHEME.sub("", case.asked.registry).strip("/")
    repository = _TAG.sub("", case.asked.repository.partition("@")[0]).strip("/").lower()
    meant = case.written(registry, repository)
    found = _named(meant, homes) if registry and _is_name(meant.image) else Judged()
    step = f"set {case.place}.registry to the host of your registry, or remove {case.keys} from the values"
    if found.after == case.right:
        step = f"remove {case.keys} from the values"
        return Judged(after=found.after, remarks=(to_do(text, case.target, step, stops=True),))
    if found.after:
        step = f"write registry: {registry} and repository: {repository}, in place of {case.keys}"
    return Judged(after=found.after, remarks=(to_do(text, case.target, step, stops=True), *found.remarks))


def _own(case: _Case, host: str) -> Judged:
    """A name in the user's own registry, which may be a pull-through cache, as far as its name says so."""
    copy, home = copy_step(case.right, case.image), case.wanted[0]
    need = f"your own registry must have {case.image} before the upgrade"
    text, step = f"{need}, copied from {case.right}", copy
    if case.hook:
        text = f"{text}; it has the CRDs in it, so that no other kubectl will do"
        step = f"remove {case.keys} from the values, or {copy}"
    if host not in HUB_HOSTS and host != home:
        if in_cache := _below_cache_of_ghcr(case):
            if in_cache != case.asked.name:
                return _renamed(case, in_cache, host)
            text = f"{need}: a pull-through cache of {home} brings it by itself, others need a copy"
            step = f"see that {case.image} can be pulled; where no pull-through cache brings it, {copy}"
        elif _LIKE_HUB.search(case.asked.name):
            text = (
                f"{need}; by its name it is a pull-through cache of Docker Hub, which does not have it, since it is "
                f"published as {case.right}"
            )
            step = (
                f"name a pull-through cache of {home} in {case.keys}, with {case.wanted[1]} behind it; or, if this "
                f"registry takes pushes, {copy}"
            )
    return Judged(after=case.image, remarks=(to_do(f"{case.keys}: {text}", case.target, step, stops=True),))


def _renamed(case: _Case, name: str, host: str) -> Judged:
    """A name in a cache of upstream's registry that upstream does not have: the values have to say the right one."""
    registry, repository = name.removesuffix(f"/{case.wanted[1]}"), case.wanted[1]
    text = f"{case.keys}: {case.wanted[0]} has no {case.image.removeprefix(f'{registry}/')}, and a cache of it has none"
    step = f"write registry: {registry} and repository: {repository}, in place of {case.keys}"
    found = _own(case.written(registry, repository), host)
    return Judged(after=found.after, remarks=(to_do(text, case.target, step, stops=True), *found.remarks))


def _below_cache_of_ghcr(case: _Case) -> str:
    """The target's name in what looks like a cache of upstream's registry; empty where nothing does."""
    parts = case.asked.name.split("/")
    number = next((number for number, it in enumerate(parts) if _LIKE_GHCR.search(it)), None)
    return "/".join([*parts[: number + 1], case.wanted[1]]) if number is not None else ""


def _is_name(text: str) -> bool:
    try:
        ImageReference.parse(text)
    except UsageError:
        return False
    return True


def _of_upstream(text: str, homes: Homes | None) -> str:
    """Why upstream does not publish an image of its own under a name; empty for names of others, and right ones."""
    image = ImageReference.parse(text)
    if homes is None:
        return ""
    if image.registry in HUB_HOSTS:
        image = replace(image, registry=DOCKER_HUB)
    found = homes.judge(image) or homes.judge(replace(image, tag="latest"), tagged=False)
    return found.message if found else ""


def _tag(
    key: str, asked: ChartImage, wanted: tuple[str | None, str | None], target: End, homes: Homes | None
) -> Remark:
    tag = asked.tag
    remove = f"remove {key} from the values"
    if not is_known(tag):
        said = catalogued(
            f"{key}: {tag} is filled in elsewhere: with {target.name} it has to be its version, or empty", target
        )
        return Remark(sentence=said, step=f"see what fills in {key}, or {remove}")
    if tag.startswith(f"{target.name}@"):
        text = (
            f"{key}: the digest in it decides what is pulled, whatever the tag says: it has to be that of {target.name}"
        )
        return to_do(text, target, f"{remove}, or see that the digest is that of {target.name}")
    found = homes.judge(ImageReference.parse(asked.text)) if homes and _is_name(asked.text) else None
    if found and found.rule == "not-published":
        return to_do(f"{key}: {found.message}", target, remove, stops=True)
    if _WITH_V.fullmatch(tag) and (asked.registry, asked.repository) == wanted:
        text = f"{key}: there is no image with the tag {tag}: tags are versions without v"
        or_write = f", or write {tag[1:]}" if tag[1:] == target.name else ""
        return to_do(text, target, f"{remove}{or_write}", stops=True)
    text = f"{key} keeps the image at {tag} with the chart of {target.name}"
    return to_do(f"{text}: remove it, the chart's own version is the default", target, remove)


def _row(end: End, key: str) -> tuple[str | None, str | None]:
    """Registry and repository of an end's image, from its row."""
    if end.release is None:
        # Charts before 2.0.0 had the whole name in the repository, and no host is Docker Hub.
        return (DOCKER_HUB if key == "image" and numbers(end.name) < _REGISTRY_SINCE else None, None)
    if key == "image":
        return (end.release.registry, end.release.repository)
    return (end.release.hook_registry or None, end.release.hook_repository or None)
