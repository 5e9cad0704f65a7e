# SPDX-License-Identifier: Apache-2.0
"""Which of a user's own values matter for an upgrade, from the values of both charts and from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.matrix.edges import Note
from harness.matrix.model import Release
from harness.releases.values import strangers
from harness.report.advice import Sentence

Values = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of an edge: the release's name, its row if it has one, and its chart's values if available here."""

    name: str
    release: Release | None = None
    defaults: Values | None = None


def judge(values: Values, origin: End, target: End, notes: Sequence[Note] = ()) -> list[Sentence]:
    """Advice on the user's values; a single sentence if none of them needs a change."""
    found = [
        *_image(values, "image", origin, target),
        *_image(values, "hook.image", origin, target),
        *_noted(values, origin, target, notes),
        *_unknown_keys(values, origin, target),
    ]
    if found or target.defaults is None:
        return found
    return [Sentence(text="none of these values needs a change", origin="from the chart", where=_chart(target))]


def _image(values: Values, key: str, origin: End, target: End) -> Iterator[Sentence]:
    """Advice on values that pin an image: the operator's or the hook's, as `key` says."""
    registry, repository, tag = (_at(values, f"{key}.{part}") for part in ("registry", "repository", "tag"))
    wanted, before = _row(target, key), _row(origin, key)
    if (registry or repository) and target.release and wanted != (None, None):
        asked = (registry or wanted[0], repository or wanted[1])
        image = f"{asked[0]}/{asked[1]}:{tag or target.release.version}"
        keys = " and ".join(
            f"{key}.{part}" for part, value in (("registry", registry), ("repository", repository)) if value
        )
        if asked == wanted:
            yield _catalogued(f"{keys}: this is the default of {target.name} and can be removed", target)
        elif asked == before:
            yield _catalogued(
                f"{keys}: this is where {origin.name} is published; {target.name} would be pulled as {image}, "
                f"which upstream "
                f"does not publish; remove these values to get {wanted[0]}/{wanted[1]}",
                target,
            )
        else:
            yield _catalogued(
                f"{keys}: your own registry must have {image} before the upgrade, copied from "
                f"{wanted[0]}/{wanted[1]}:{target.release.version}",
                target,
            )
    if tag and target.release and str(tag) != target.release.version:
        yield _catalogued(
            f"{key}.tag keeps the image at {tag} with the chart of {target.name}: remove it, the chart's own "
            "version is the default",
            target,
        )


def _noted(values: Values, origin: End, target: End, notes: Sequence[Note]) -> Iterator[Sentence]:
    for note in notes:
        if note.value and _at(values, note.value) and note.about(origin.name, target.name):
            text = f"{note.value}: {note.why}. Workaround: {note.way_out}"
            yield Sentence(text=text, origin="from the catalogue", where=f"{note.basis}, {note.link}")


def _unknown_keys(values: Values, origin: End, target: End) -> Iterator[Sentence]:
    """Keys that the target's chart does not use: Helm accepts them silently."""
    if target.defaults is None:
        yield Sentence(
            text=f"whether {target.name} still uses all of these keys is not known: its chart is not available here",
            origin="from the chart",
        )
        return
    for key in strangers(values, target.defaults):
        there = origin.defaults is not None and _known(key, origin.defaults)
        was = f"is in the chart of {origin.name} but no longer in" if there else "is not in"
        yield Sentence(
            text=f"{key} {was} the chart of {target.name}: it has no effect",
            origin="from the chart",
            where=_chart(target),
        )


def _known(key: str, defaults: Values) -> bool:
    here: Any = defaults
    for part in key.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return False
        here = here[part]
    return True


def _at(values: Values, key: str) -> Any:
    here: Any = values
    for part in key.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _row(end: End, key: str) -> tuple[str | None, str | None]:
    """Registry and repository of an end's image, from its row."""
    if end.release is None:
        return (None, None)
    if key == "image":
        return (end.release.registry, end.release.repository)
    return (end.release.hook_registry or None, end.release.hook_repository or None)


def _catalogued(text: str, end: End) -> Sentence:
    return Sentence(text=text, origin="from the catalogue", where=f"row of {end.name} in charts/releases.toml")


def _chart(end: End) -> str:
    return f"values.yaml of the chart of {end.name}"
