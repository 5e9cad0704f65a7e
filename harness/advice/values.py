# SPDX-License-Identifier: Apache-2.0
"""Which of a user's own values matter for an upgrade, from the values of both charts and from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.audit.expressions import is_known
from harness.audit.homes import Homes
from harness.audit.references import HUB_HOSTS
from harness.errors import UsageError
from harness.images.references import DOCKER_HUB, ImageReference
from harness.matrix import chart_facts
from harness.matrix.edges import Upgrades
from harness.matrix.known_rows import KnownRow, Note
from harness.matrix.model import Move, Release
from harness.releases import chart_image, conditions, value_kinds
from harness.releases.chart_image import ChartImage
from harness.releases.charts import CHART_NAME
from harness.releases.values import at, merge, strangers
from harness.report.advice import Origin, Sentence

Values = Mapping[str, Any]

NOTHING_KNOWN = Upgrades()

_UMBRELLAS_OWN = ("enabled", "tags")
"""Keys that umbrella charts have beside a subchart's own, as conditions."""
_SHOWN_VALUE = 80
_WITH_V = re.compile(r"v\d+\.\d+\.\d+.*")


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of an edge: the release's name, its row if it has one, and its chart's values if they are known.

    `chart` says where the values are from.
    """

    name: str
    release: Release | None = None
    defaults: Values | None = None
    chart: str = ""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A sentence, and the step that follows from it: empty if there is nothing to do before the upgrade.

    `stops` says that the upgrade fails, or the operator does not come up, without the step.
    """

    sentence: Sentence
    step: str = ""
    stops: bool = False


def judge(
    values: Values, origin: End, target: End, upgrades: Upgrades = NOTHING_KNOWN, homes: Homes | None = None
) -> list[Sentence]:
    """Advice on the user's values; a single sentence if none of them needs a change."""
    return [it.sentence for it in remarks(values, origin, target, upgrades, homes)]


def remarks(
    values: Values, origin: End, target: End, upgrades: Upgrades = NOTHING_KNOWN, homes: Homes | None = None
) -> list[Remark]:
    """The same with what is to be done. Values of an umbrella chart are those below the chart's name or alias.

    `homes` has the names that are upstream's; without it, any is taken for the user's own.
    """
    above, values = operators_own(values, target)
    found = [
        *_image(values, "image", above, origin, target, homes),
        *_image(values, "hook.image", above, origin, target, homes),
        *_noted(values, above, origin, target, upgrades.notes),
        *_known_to_break(values, above, origin, target, upgrades.known),
        *_unknown_keys(values, above, origin, target),
        *_wrong_kinds(values, above, target),
    ]
    if not found and target.defaults is not None:
        text = "none of these values needs a change"
        found = [Remark(sentence=Sentence(text=text, origin="from the chart", where=_chart(target)))]
    return [*found, *_moved(values, origin, target)]


def operators_own(values: Values, target: End) -> tuple[str, Values]:
    """The operator's values, with the path before their keys where they are below a key of an umbrella chart."""
    above, below = next(chart_image.of_operator(values), ("", values))
    return (above, below) if above and CHART_NAME not in (target.defaults or {}) else ("", values)


def image_after(values: Values, key: str, origin: End, target: End, homes: Homes) -> str:
    """The image that the target's chart asks for at a key once the steps are taken; empty where none is known.

    `values` are the operator's own.
    """
    wanted, before = _row(target, key), _row(origin, key)
    if target.release is None or None in wanted:
        return ""
    version, asked = target.release.version, _asked(values, key, target, target.release)
    image = f"{asked.name}:{version}"
    inside = f"{asked.repository}:{version}"
    if is_known(image) and asked.has_host_inside and _is_name(inside):
        return "/".join(map(str, wanted)) + f":{version}" if _of_upstream(inside, homes) else inside
    if not (is_known(image) and _is_name(image)):
        return ""
    corrected = _is_where_before_is(asked, wanted, before) or _of_upstream(image, homes)
    elsewhere = _is_elsewhere(asked, target, target.release, before, wanted)
    return "/".join(map(str, wanted)) + f":{version}" if corrected or elsewhere else image


def _asked(values: Values, key: str, target: End, release: Release) -> ChartImage:
    """What the target's chart asks for. Of a copy in another registry the chart knows nothing."""
    registry, repository = _row(target, key)
    if release.relocated and at(target.defaults or {}, f"{key}.repository"):
        registry, repository = (at(target.defaults or {}, f"{key}.{part}") for part in ("registry", "repository"))
    return chart_image.rendered(
        values, key, registry=registry or "", repository=repository or "", version=release.version
    )


_Place = tuple[str | None, str | None]


def _is_where_before_is(asked: ChartImage, wanted: _Place, before: _Place) -> bool:
    return asked.registry == before[0] != wanted[0] and asked.repository in (before[1], wanted[1])


def _is_elsewhere(asked: ChartImage, target: End, release: Release, before: _Place, wanted: _Place) -> bool:
    """Whether values leave the name of a copy to the chart, or to the release before, which both do not know it."""
    by_chart = at(target.defaults or {}, "image.registry")
    is_charts = asked.registry == by_chart != wanted[0]
    return release.relocated and (is_charts or _is_where_before_is(asked, wanted, before))


_COPY = "copy the image: harness registry copy"


def copy_step(source: str, image: str) -> str:
    """The step that brings an image to a registry of the user's."""
    return f"{_COPY} {source} {image}"


def is_copied_to(step: str, image: str) -> bool:
    """Whether it is the step that brings this image there."""
    return step.startswith(f"{_COPY} ") and step.endswith(f" {image}")


def to_a_copy(target: End) -> list[Remark]:
    """What the values have to say of a target in another registry, where nobody gave any."""
    return list(_image({}, "image", "", target, target, None)) if target.release and target.release.relocated else []


def _image(values: Values, key: str, above: str, origin: End, target: End, homes: Homes | None) -> Iterator[Remark]:
    """Advice on values that pin an image: the operator's or the hook's, as `key` says."""
    wanted, before = _row(target, key), _row(origin, key)
    if target.release is None:
        return
    asked = _asked(values, key, target, target.release)
    named = [f"{above}{key}.{part}" for part in asked.given if part != "tag"]
    if _is_elsewhere(asked, target, target.release, before, wanted):
        if named or key == "image" or at(values, "hook.upgradeCrd"):
            yield _to_the_copy(f"{above}{key}", asked, wanted, target)
    elif wanted != (None, None) and named:
        yield from _named_image(" and ".join(named), asked, wanted, before, target, homes)
    if asked.tag.partition("@")[0] != target.release.version:
        yield _tag(f"{above}{key}.tag", asked, target, target.release, homes)


def _to_the_copy(key: str, asked: ChartImage, wanted: _Place, target: End) -> Remark:
    return _do(
        f"{key}: with these values the chart asks for {asked.name}, and {target.name} is {'/'.join(map(str, wanted))}",
        target,
        f"set {key}.registry to {wanted[0]} and {key}.repository to {wanted[1]} in the values",
    )


def _named_image(
    keys: str,
    asked: ChartImage,
    wanted: tuple[str | None, str | None],
    before: tuple[str | None, str | None],
    target: End,
    homes: Homes | None,
) -> Iterator[Remark]:
    """Advice on the name that registry and repository make together, as the chart joins them."""
    tag = target.release.version if target.release else asked.tag
    name, upstream = asked.name, "/".join(map(str, wanted))
    image = f"{name}:{tag}"
    if not is_known(name):
        where = f"if that is your own registry, it must have the image, copied from {upstream}:{tag}"
        yield Remark(sentence=_catalogued(f"{keys}: {image} is filled in elsewhere; {where}", target))
    elif not _is_name(image) and not (asked.has_host_inside and _is_name(f"{asked.repository}:{tag}")):
        empty = "an empty registry" if not asked.registry else "the chart"
        yield _do(
            f"{keys}: {empty} makes the name {image}, which is not the name of an image",
            target,
            f"set image.registry to the host of your registry, or remove {keys} from the values",
            stops=True,
        )
    elif asked.has_host_inside:
        host, _, rest = asked.repository.partition("/")
        yield _do(
            f"{keys}: the host belongs in the registry: the chart of {target.name} asks for {image}",
            target,
            f"remove {keys} from the values"
            if _of_upstream(f"{asked.repository}:{tag}", homes)
            else f"write registry: {host} and repository: {rest}, in place of {keys}",
            stops=True,
        )
    elif name == upstream:
        copied = target.release is not None and target.release.relocated
        what = f"where {target.name} is" if copied else f"the default of {target.name} and can be removed"
        yield Remark(sentence=_catalogued(f"{keys}: this is {what}", target))
    elif _is_where_before_is(asked, wanted, before):
        yield _do(
            f"{keys}: this is where the release before is published; {target.name} would be pulled as {image}, which "
            f"upstream does not publish; remove these values to get {upstream}",
            target,
            f"remove {keys} from the values: {target.name} is published as {upstream}:{tag}",
            stops=True,
        )
    elif told := _of_upstream(image, homes):
        yield _do(
            f"{keys}: {target.name} would be pulled as {image}, but {told}",
            target,
            f"remove {keys} from the values: {target.name} is published as {upstream}:{tag}",
            stops=True,
        )
    else:
        yield _do(
            f"{keys}: your own registry must have {image} before the upgrade, copied from {upstream}:{tag}",
            target,
            copy_step(f"{upstream}:{tag}", image),
            stops=True,
        )


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


def _tag(key: str, asked: ChartImage, target: End, release: Release, homes: Homes | None) -> Remark:
    tag = asked.tag
    found = homes.judge(ImageReference.parse(asked.text)) if homes and _is_name(asked.text) else None
    if found and found.rule == "not-published":
        return _do(f"{key}: {found.message}", target, f"remove {key} from the values", stops=True)
    if _WITH_V.fullmatch(tag):
        return _do(
            f"{key}: there is no image with the tag {tag}: tags are versions without v",
            target,
            f"remove {key} from the values, or write {tag[1:]}",
            stops=True,
        )
    return _do(
        f"{key} keeps the image at {tag} with the chart of {target.name}: remove it, the chart's own version is the "
        "default",
        target,
        f"remove {key} from the values",
    )


def _noted(values: Values, above: str, origin: End, target: End, notes: Sequence[Note]) -> Iterator[Remark]:
    for note in notes:
        if note.value and note.holds(at(values, note.value)) and note.about(origin.name, target.name):
            text = f"{above}{note.value}: {note.why}. Workaround: {note.way_out}"
            where = f"{note.basis}, {note.link}"
            sentence = Sentence(text=text, origin="from the catalogue", where=where)
            # What to do about an image has its own step, with the user's names in it.
            yield Remark(sentence=sentence, step="" if note.value.startswith("image.") else note.way_out)


def _known_to_break(
    values: Values, above: str, origin: End, target: End, known: Sequence[KnownRow]
) -> Iterator[Remark]:
    """What breaks for good, or may break, with these values over the chart's own."""
    move = Move(kind="upgrade", origin=origin.name, target=target.name)
    used = merge(target.defaults or {}, values)
    for row in known:
        if row.when and row.about(move) and conditions.holds(row.when, used):
            often = "" if row.strikes == "always" else "sometimes, "
            text = f"{' and '.join(f'{above}{key}' for key in row.when)}: {often}{row.why}. Workaround: {row.way_out}"
            sentence = Sentence(text=text, origin="from the catalogue", where=f"{row.basis}, {row.link}")
            yield Remark(sentence=sentence, step=row.way_out)


def _unknown_keys(values: Values, above: str, origin: End, target: End) -> Iterator[Remark]:
    """Keys that the target's chart does not use: Helm accepts them silently."""
    if target.defaults is None:
        text = f"whether {target.name} still uses all of these keys is not known: its chart is not available here"
        yield Remark(sentence=Sentence(text=text, origin="from the chart"))
        return
    for key in strangers(values, target.defaults):
        if key.startswith("x-") or (above and key in _UMBRELLAS_OWN):
            continue
        if _known(key, target.defaults):
            text = f"{above}{key} has a dot in its name, and none of {target.name}'s keys has: it has no effect"
            yield Remark(sentence=_read(text, target), step=f"write {above}{key} as keys below each other")
            continue
        there = origin.defaults is not None and _known(key, origin.defaults)
        was = f"is in the chart of {origin.name} but no longer in" if there else "is not in"
        text = (
            f"{above}{key} {was} the chart of {target.name}: it has no effect{_other_name(key, above, values, target)}"
        )
        yield Remark(sentence=_read(text, target))


def _other_name(key: str, above: str, values: Values, target: End) -> str:
    """What charts since 2.0.0 call a key of the charts before, or how it is spelt, in words."""
    now = [it.now for it in chart_facts.renamed() if it.before == key or _is_below(it.before, key, values)]
    upper, _, last = key.rpartition(".")
    beside = at(target.defaults, upper) if upper else target.defaults
    spelt = [it for it in beside or {} if it.lower() == last.lower()]
    now = now or [f"{upper}.{it}".lstrip(".") for it in spelt]
    return f"; its name there is {' and '.join(f'{above}{it}' for it in dict.fromkeys(now))}" if now else ""


def _is_below(before: str, key: str, values: Values) -> bool:
    return before.startswith(f"{key}.") and at(values, before) is not None


def _wrong_kinds(values: Values, above: str, target: End) -> Iterator[Remark]:
    """Values of another kind than the chart's own: templates fail on them, or say something else."""
    for it in value_kinds.wrong(values, target.defaults or {}, f"the chart of {target.name}"):
        sentence = _read(f"{above}{it.key} {it.words}", target)
        yield Remark(sentence=sentence, step=it.step.replace(it.key, f"{above}{it.key}"), stops=it.stops)


def _moved(values: Values, origin: End, target: End) -> Iterator[Remark]:
    """Defaults that are others in the target's chart, of keys that the values leave alone."""
    if target.defaults is None:
        return
    if origin.defaults is None:
        text = f"whether defaults moved since {origin.name} is not known: its chart is not available here"
        yield Remark(sentence=Sentence(text=text, origin="from the chart"))
        return
    for key, now in value_kinds.leaves(target.defaults):
        if not _known(key, origin.defaults) or at(values, key) is not None or key.startswith(("image.", "hook.image.")):
            continue
        before = at(origin.defaults, key)
        if before != now:
            text = f"the default of {key} moved from {_shown(before)} to {_shown(now)}: set it if that matters"
            yield Remark(sentence=_read(text, target))


def _known(key: str, defaults: Values) -> bool:
    here: Any = defaults
    for part in key.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return False
        here = here[part]
    return True


def _shown(value: object) -> str:
    text = "nothing" if value in (None, "") else str(value)
    return text if len(text) <= _SHOWN_VALUE else f"{text[:_SHOWN_VALUE]} …"


def _row(end: End, key: str) -> tuple[str | None, str | None]:
    """Registry and repository of an end's image, from its row."""
    if end.release is None:
        return (None, None)
    if key == "image":
        return (end.release.registry, end.release.repository)
    return (end.release.hook_registry or None, end.release.hook_repository or None)


def _do(text: str, end: End, step: str, *, stops: bool = False) -> Remark:
    return Remark(sentence=_catalogued(text, end), step=step, stops=stops)


def _catalogued(text: str, end: End) -> Sentence:
    return Sentence(text=text, origin="from the catalogue", where=f"row of {end.name} in charts/releases.toml")


def _read(text: str, end: End) -> Sentence:
    origin: Origin = "from the chart"
    return Sentence(text=text, origin=origin, where=_chart(end))


def _chart(end: End) -> str:
    return end.chart or f"values.yaml of the chart of {end.name}"
