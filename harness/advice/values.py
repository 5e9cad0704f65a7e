# SPDX-License-Identifier: Apache-2.0
"""Which of a user's own values matter for an upgrade, from the values of both charts and from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from harness.advice import images, refusals
from harness.advice.remarks import End, Remark, chart_of, read
from harness.audit.expressions import is_known
from harness.audit.homes import Homes
from harness.matrix import chart_facts, known_rows
from harness.matrix.chart_facts import RenamedRow
from harness.matrix.edges import Upgrades
from harness.matrix.known_rows import KnownRow, Note
from harness.matrix.model import Move
from harness.matrix.versions import numbers
from harness.releases import chart_image, conditions, key_names, value_kinds
from harness.releases.values import ANCHORS, at, merge, strangers
from harness.report.advice import Sentence
from harness.wording import did_you_mean

Values = Mapping[str, Any]

NOTHING_KNOWN = Upgrades()

UMBRELLAS_OWN = ("enabled", "tags")
"""Keys that umbrella charts have beside a subchart's own, as conditions."""
_RENAMED_IN = (2, 0, 0)
_SHOWN_VALUE = 80


def judge(
    values: Values, origin: End, target: End, upgrades: Upgrades = NOTHING_KNOWN, homes: Homes | None = None
) -> list[Sentence]:
    """Advice on the user's values; a single sentence if none of them needs a change."""
    return [it.sentence for it in remarks(values, origin, target, upgrades, homes)]


def remarks(
    values: Values,
    origin: End,
    target: End,
    upgrades: Upgrades = NOTHING_KNOWN,
    homes: Homes | None = None,
    key: str = "",
) -> list[Remark]:
    """The same with what is to be done. Values of an umbrella chart are those below the chart's name or alias, or they
    were taken from below `key`.

    `homes` has the names that are upstream's; without it, any is taken for the user's own.
    """
    outer = f"{key}." if key else ""
    if off := _switched_off(values, outer, target):
        return [off]
    # Helm gives what is global to each dependency.
    shared = {"global": values["global"]} if isinstance(values.get("global"), Mapping) else {}
    every = [(f"{outer}{above}", merge(shared, own)) for above, own in operators_own(values)]
    return [it for above, own in every for it in _of_one(own, above, origin, target, upgrades, homes)]


def _of_one(
    values: Values, above: str, origin: End, target: End, upgrades: Upgrades, homes: Homes | None
) -> list[Remark]:
    # What is wrong with the old keys' values comes up once they are where the new chart reads them.
    written = _rewritten(values, target.defaults or {}) if _is_before_2(origin) else values
    found = [
        *images.remarks(values, "image", above, origin, target, homes),
        *images.remarks(values, "hook.image", above, origin, target, homes),
        *_unknown_keys(values, above, origin, target),
        *_noted(written, above, origin, target, upgrades.notes),
        *_known_to_break(written, above, origin, target, upgrades.known),
        *_wrong_kinds(written, above, target),
        *refusals.remarks(written, above, target),
    ]
    if not found and target.defaults is not None:
        text = "none of these values needs a change"
        found = [Remark(sentence=Sentence(text=text, origin="from the chart", where=chart_of(target)))]
    return [*found, *_moved(values, above, origin, target)]


def _switched_off(values: Values, outer: str, target: End) -> Remark | None:
    """That an umbrella chart leaves the operator out; None where it does not."""
    below = list(chart_image.subcharts(values))
    if not below or any(it.get("enabled") is not False for _, it in below):
        return None
    key = f"{outer}{below[0][0]}enabled"
    text = f"{key} is false: where the dependency has that as its condition, nothing of it is deployed"
    return Remark(sentence=Sentence(text=text, origin="from the chart", where=chart_of(target)))


def operators_own(values: Values) -> list[tuple[str, Values]]:
    """The values of each operator, with the path before their keys where they are below keys of an umbrella chart.

    An umbrella chart can have several; any other values are those of one.
    """
    below = list(chart_image.of_operator(values))
    return below if any(above for above, _ in below) else [("", values)]


def _noted(values: Values, above: str, origin: End, target: End, notes: Sequence[Note]) -> Iterator[Remark]:
    for note in notes:
        if note.value and note.holds(at(values, note.value)) and note.about(origin.name, target.name):
            way_out = _below(above, [note.value], note.way_out)
            text = f"{above}{note.value}: {_below(above, [note.value], note.why)}. Workaround: {way_out}"
            sentence = Sentence(text=text, origin="from the catalogue", where=known_rows.source(note))
            # What to do about an image has its own step, with the user's names in it.
            yield Remark(sentence=sentence, step="" if note.value.startswith("image.") else way_out)


def _known_to_break(
    values: Values, above: str, origin: End, target: End, known: Sequence[KnownRow]
) -> Iterator[Remark]:
    """What breaks for good, or may break, with these values over the chart's own."""
    move = Move(kind="upgrade", origin=origin.name, target=target.name)
    used = merge(target.defaults or {}, values)
    for row in known:
        if row.when and not row.environments and row.about(move) and conditions.holds(row.when, used):
            often = "" if row.strikes == "always" else "sometimes, "
            way_out = _below(above, row.when, row.way_out)
            named, why = " and ".join(f"{above}{key}" for key in row.when), _below(above, row.when, row.why)
            text = f"{named}: {often}{why}. Workaround: {way_out}"
            sentence = Sentence(text=text, origin="from the catalogue", where=known_rows.source(row))
            yield Remark(sentence=sentence, step=way_out)


def _below(above: str, keys: Iterable[str], text: str) -> str:
    """A text that names keys of the chart, as an umbrella chart has them."""
    for key in keys:
        text = text.replace(key, f"{above}{key}")
    return text


def _unknown_keys(values: Values, above: str, origin: End, target: End) -> Iterator[Remark]:
    """Keys that the target's chart does not use: Helm accepts them silently.

    Those that a chart before 2.0.0 did use have to be written otherwise; others had no effect before, either.
    """
    if target.defaults is None:
        text = f"whether {target.name} still uses all of these keys is not known: its chart is not available here"
        yield Remark(sentence=Sentence(text=text, origin="from the chart"))
        return
    for key in strangers(values, target.defaults):
        if key.startswith(ANCHORS) or (above and key in UMBRELLAS_OWN):
            continue
        if key_names.known(key, target.defaults):
            text = f"{above}{key} has a dot in its name, and none of {target.name}'s keys has: it has no effect"
            yield Remark(sentence=read(text, target), step=f"write {above}{key} as keys below each other")
            continue
        there = origin.defaults is not None and key_names.known(key, origin.defaults)
        was = f"is in the chart of {origin.name} but no longer in" if there else "is not in"
        found = key_names.renamed(key, values, target.defaults)
        now = " and ".join(dict.fromkeys(f"{above}{it.now}" for it in found))
        near = "" if now else key_names.near(key, target.defaults)
        name = f"; its name there is {now}" if now else did_you_mean(near and f"{above}{near}")
        text = f"{above}{key} {was} the chart of {target.name}: it has no effect{name}"
        step = f"write {', '.join(_as(it, above, target.defaults) for it in found)}"
        yield Remark(sentence=read(text, target), step=step if now and _is_before_2(origin) else "")


def _is_before_2(origin: End) -> bool:
    return numbers(origin.name) < _RENAMED_IN


def _rewritten(values: Values, defaults: Values) -> Values:
    """Values of a chart before 2.0.0 with the keys that charts have since, as the steps say."""
    made = merge(values)
    for row in chart_facts.renamed():
        value = at(values, row.before)
        if value is None or at(values, row.now) is not None or not key_names.had_effect(row, value):
            continue
        if isinstance(at(defaults, row.now), list) and isinstance(value, str):
            value = [value]
        key, _, also = row.also.partition(": ")
        made = merge(made, _nested(row.now, value), _nested(key, yaml.safe_load(also)) if key else {})
    return made


def _nested(key: str, value: Any) -> Values:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value if isinstance(value, Mapping) else {}


def _as(row: RenamedRow, above: str, defaults: Values) -> str:
    of_kind = ", a list" if isinstance(at(defaults, row.now), list) and not row.before.endswith("s") else ""
    also = f", with {above}{row.also}" if row.also else ""
    return f"{above}{row.before} as {above}{row.now}{of_kind}{also}"


def _wrong_kinds(values: Values, above: str, target: End) -> Iterator[Remark]:
    """Values of another kind than the chart's own: templates fail on them, or say something else."""
    for it in value_kinds.wrong(values, target.defaults or {}, f"the chart of {target.name}"):
        given = at(values, it.key) if it.value is None else it.value
        if isinstance(given, str) and not is_known(given):
            # A template, which may become anything.
            continue
        sentence = read(f"{above}{it.key} {it.words}", target)
        yield Remark(sentence=sentence, step=it.step.replace(it.key, f"{above}{it.key}"), stops=it.stops)


def _moved(values: Values, above: str, origin: End, target: End) -> Iterator[Remark]:
    """Defaults that are others in the target's chart, of keys that the values leave alone."""
    if target.defaults is None:
        return
    if _is_before_2(origin):
        yield from _moved_since_1(_rewritten(values, target.defaults), above, target)
    if origin.defaults is None:
        text = f"whether defaults moved since {origin.name} is not known: its chart is not available here"
        yield Remark(sentence=Sentence(text=text, origin="from the chart"))
        return
    for key, now in value_kinds.leaves(target.defaults):
        there = key_names.known(key, origin.defaults)
        if not there or at(values, key) is not None or key.startswith(("image.", "hook.image.")):
            continue
        before = at(origin.defaults, key)
        if before != now:
            text = f"the default of {above}{key} moved from {_shown(before)} to {_shown(now)}: set it if that matters"
            yield Remark(sentence=read(text, target))


def _moved_since_1(values: Values, above: str, target: End) -> Iterator[Remark]:
    """Defaults that were others in the charts before 2.0.0."""
    for row in chart_facts.renamed():
        now = at(target.defaults or {}, row.now)
        if row.was is not None and row.was != now and at(values, row.now) is None:
            before = f"{_shown(row.was)}{f' ({above}{row.before})' if row.before != row.now else ''}"
            text = f"the default of {above}{row.now} moved from {before} to {_shown(now)}: set it if that matters"
            yield Remark(sentence=read(text, target))


def _shown(value: object) -> str:
    text = "nothing" if value in (None, "") else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _SHOWN_VALUE else f"{text[:_SHOWN_VALUE]} …"
