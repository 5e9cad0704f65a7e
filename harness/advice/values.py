# SPDX-License-Identifier: Apache-2.0
"""Which of a user's own values matter for an upgrade, from the values of both charts and from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.matrix.edges import Upgrades
from harness.matrix.known_rows import KnownRow, Note
from harness.matrix.model import Move, Release
from harness.releases import chart_image, conditions
from harness.releases.chart_image import ChartImage
from harness.releases.charts import CHART_NAME
from harness.releases.values import at, merge, strangers
from harness.report.advice import Origin, Sentence

Values = Mapping[str, Any]

NOTHING_KNOWN = Upgrades()

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


def judge(values: Values, origin: End, target: End, upgrades: Upgrades = NOTHING_KNOWN) -> list[Sentence]:
    """Advice on the user's values; a single sentence if none of them needs a change."""
    return [it.sentence for it in remarks(values, origin, target, upgrades)]


def remarks(values: Values, origin: End, target: End, upgrades: Upgrades = NOTHING_KNOWN) -> list[Remark]:
    """The same with what is to be done. Values of an umbrella chart are those below the chart's name or alias."""
    found_at, below = next(chart_image.of_operator(values), ("", values))
    above = ""
    if found_at and CHART_NAME not in (target.defaults or {}):
        values, above = below, found_at
    found = [
        *_image(values, "image", above, origin, target),
        *_image(values, "hook.image", above, origin, target),
        *_noted(values, above, origin, target, upgrades.notes),
        *_known_to_break(values, above, origin, target, upgrades.known),
        *_unknown_keys(values, above, origin, target),
        *_wrong_kinds(values, above, target),
    ]
    if not found and target.defaults is not None:
        text = "none of these values needs a change"
        found = [Remark(sentence=Sentence(text=text, origin="from the chart", where=_chart(target)))]
    return [*found, *_moved(values, origin, target)]


def _image(values: Values, key: str, above: str, origin: End, target: End) -> Iterator[Remark]:
    """Advice on values that pin an image: the operator's or the hook's, as `key` says."""
    wanted, before = _row(target, key), _row(origin, key)
    if target.release is None:
        return
    asked = chart_image.rendered(
        values, key, registry=wanted[0] or "", repository=wanted[1] or "", version=target.release.version
    )
    named = [
        f"{above}{key}.{part}"
        for part in asked.given
        if part != "tag" and (at(values, f"{key}.{part}") or part == "registry")
    ]
    if wanted != (None, None) and named:
        yield from _named_image(" and ".join(named), asked, wanted, before, target)
    if asked.tag != target.release.version:
        yield _tag(f"{above}{key}.tag", asked.tag, target, target.release)


def _named_image(
    keys: str,
    asked: ChartImage,
    wanted: tuple[str | None, str | None],
    before: tuple[str | None, str | None],
    target: End,
) -> Iterator[Remark]:
    """Advice on the name that registry and repository make together, as the chart joins them."""
    tag = target.release.version if target.release else asked.tag
    name, upstream = asked.name, "/".join(map(str, wanted))
    image = f"{name}:{tag}"
    if not asked.registry:
        yield _do(
            f"{keys}: an empty registry makes the name {image}, which is not the name of an image",
            target,
            f"set image.registry to the host of your registry, or remove {keys} from the values",
            stops=True,
        )
    elif asked.has_host_inside:
        host, _, rest = asked.repository.partition("/")
        yield _do(
            f"{keys}: the host belongs in the registry: the chart of {target.name} asks for {image}",
            target,
            f"write registry: {host} and repository: {rest}, in place of {keys}",
            stops=True,
        )
    elif name == upstream:
        yield Remark(sentence=_catalogued(f"{keys}: this is the default of {target.name} and can be removed", target))
    elif asked.registry == before[0] != wanted[0] and asked.repository in (before[1], wanted[1]):
        yield _do(
            f"{keys}: this is where the release before is published; {target.name} would be pulled as {image}, which "
            f"upstream does not publish; remove these values to get {upstream}",
            target,
            f"remove {keys} from the values: {target.name} is published as {upstream}:{tag}",
            stops=True,
        )
    else:
        yield _do(
            f"{keys}: your own registry must have {image} before the upgrade, copied from {upstream}:{tag}",
            target,
            f"copy the image: harness registry copy {upstream}:{tag} {image}",
            stops=True,
        )


def _tag(key: str, tag: str, target: End, release: Release) -> Remark:
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
        if note.value and at(values, note.value) and note.about(origin.name, target.name):
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
        there = origin.defaults is not None and _known(key, origin.defaults)
        was = f"is in the chart of {origin.name} but no longer in" if there else "is not in"
        yield Remark(sentence=_read(f"{above}{key} {was} the chart of {target.name}: it has no effect", target))


def _wrong_kinds(values: Values, above: str, target: End) -> Iterator[Remark]:
    """Values of another kind than the chart's own: templates fail on them, or say something else."""
    for key, value in _leaves(values):
        own = at(target.defaults or {}, key)
        if value is None or own is None or _kind(value) == _kind(own) or {_kind(value), _kind(own)} <= _PLAIN:
            continue
        text = f"{above}{key} is {_kind(value)}, and in the chart of {target.name} {_kind(own)}"
        yield Remark(sentence=_read(text, target), step=f"write {above}{key} as {_kind(own)}", stops=True)


def _moved(values: Values, origin: End, target: End) -> Iterator[Remark]:
    """Defaults that are others in the target's chart, of keys that the values leave alone."""
    if target.defaults is None:
        return
    if origin.defaults is None:
        text = f"whether defaults moved since {origin.name} is not known: its chart is not available here"
        yield Remark(sentence=Sentence(text=text, origin="from the chart"))
        return
    for key, now in _leaves(target.defaults):
        if not _known(key, origin.defaults) or at(values, key) is not None or key.startswith(("image.", "hook.image.")):
            continue
        before = at(origin.defaults, key)
        if before != now:
            text = f"the default of {key} moved from {_shown(before)} to {_shown(now)}: set it if that matters"
            yield Remark(sentence=_read(text, target))


def _leaves(values: Values, above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _known(key: str, defaults: Values) -> bool:
    here: Any = defaults
    for part in key.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return False
        here = here[part]
    return True


_PLAIN = {"text", "a number", "true or false"}
"""What Helm's templates write alike."""


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    return "a number" if isinstance(value, int | float) else "text"


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
