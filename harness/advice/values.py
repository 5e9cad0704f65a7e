# SPDX-License-Identifier: Apache-2.0
"""Which of a user's own values matter for an upgrade, from the values of both charts and from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.advice import images
from harness.advice.remarks import End, Remark, chart_of, read
from harness.audit.homes import Homes
from harness.matrix import chart_facts
from harness.matrix.edges import Upgrades
from harness.matrix.known_rows import KnownRow, Note
from harness.matrix.model import Move
from harness.releases import chart_image, conditions, value_kinds
from harness.releases.charts import CHART_NAME
from harness.releases.values import at, merge, strangers
from harness.report.advice import Sentence

Values = Mapping[str, Any]

NOTHING_KNOWN = Upgrades()

_UMBRELLAS_OWN = ("enabled", "tags")
"""Keys that umbrella charts have beside a subchart's own, as conditions."""
_SHOWN_VALUE = 80


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
        *images.remarks(values, "image", above, origin, target, homes),
        *images.remarks(values, "hook.image", above, origin, target, homes),
        *_noted(values, above, origin, target, upgrades.notes),
        *_known_to_break(values, above, origin, target, upgrades.known),
        *_unknown_keys(values, above, origin, target),
        *_wrong_kinds(values, above, target),
    ]
    if not found and target.defaults is not None:
        text = "none of these values needs a change"
        found = [Remark(sentence=Sentence(text=text, origin="from the chart", where=chart_of(target)))]
    return [*found, *_moved(values, origin, target)]


def operators_own(values: Values, target: End) -> tuple[str, Values]:
    """The operator's values, with the path before their keys where they are below a key of an umbrella chart."""
    above, below = next(chart_image.of_operator(values), ("", values))
    return (above, below) if above and CHART_NAME not in (target.defaults or {}) else ("", values)


def _noted(values: Values, above: str, origin: End, target: End, notes: Sequence[Note]) -> Iterator[Remark]:
    for note in notes:
        if note.value and note.holds(at(values, note.value)) and note.about(origin.name, target.name):
            way_out = _below(above, [note.value], note.way_out)
            text = f"{above}{note.value}: {note.why}. Workaround: {way_out}"
            where = f"{note.basis}, {note.link}"
            sentence = Sentence(text=text, origin="from the catalogue", where=where)
            # What to do about an image has its own step, with the user's names in it.
            yield Remark(sentence=sentence, step="" if note.value.startswith("image.") else way_out)


def _known_to_break(
    values: Values, above: str, origin: End, target: End, known: Sequence[KnownRow]
) -> Iterator[Remark]:
    """What breaks for good, or may break, with these values over the chart's own."""
    move = Move(kind="upgrade", origin=origin.name, target=target.name)
    used = merge(target.defaults or {}, values)
    for row in known:
        if row.when and row.about(move) and conditions.holds(row.when, used):
            often = "" if row.strikes == "always" else "sometimes, "
            way_out = _below(above, row.when, row.way_out)
            text = f"{' and '.join(f'{above}{key}' for key in row.when)}: {often}{row.why}. Workaround: {way_out}"
            sentence = Sentence(text=text, origin="from the catalogue", where=f"{row.basis}, {row.link}")
            yield Remark(sentence=sentence, step=way_out)


def _below(above: str, keys: Iterable[str], text: str) -> str:
    """A text that names keys of the chart, as an umbrella chart has them."""
    for key in keys:
        text = text.replace(key, f"{above}{key}")
    return text


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
            yield Remark(sentence=read(text, target), step=f"write {above}{key} as keys below each other")
            continue
        there = origin.defaults is not None and _known(key, origin.defaults)
        was = f"is in the chart of {origin.name} but no longer in" if there else "is not in"
        text = (
            f"{above}{key} {was} the chart of {target.name}: it has no effect{_other_name(key, above, values, target)}"
        )
        yield Remark(sentence=read(text, target))


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
        sentence = read(f"{above}{it.key} {it.words}", target)
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
            yield Remark(sentence=read(text, target))


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
