# SPDX-License-Identifier: Apache-2.0
"""Whether the registries have what the target will be pulled as: the operator, its hook, and what applications run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from harness.advice import images as own
from harness.advice.objects import Stored
from harness.advice.remarks import End, Remark
from harness.advice.values import operators_own
from harness.audit.homes import Homes
from harness.errors import UsageError
from harness.images.references import DOCKER_HUB, ImageReference
from harness.matrix.catalogue import Catalogue
from harness.registries import presence
from harness.registries.presence import Presence
from harness.releases.chart_image import KEYS
from harness.releases.values import at, merge
from harness.report.advice import Sentence
from harness.settings import Settings
from harness.wording import counted

MOST_APPLICATION_IMAGES = 20
"""How many images of applications are asked for; of more, those that most applications ask for."""

_UPSTREAMS_SPARK = "apache/spark"
_OF_APPLICATIONS = ("image", "driver.image", "executor.image", "server.image")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An image that is pulled after the upgrade.

    `what` says what for. `source` is where it can be copied from, empty where that is not known; `way` is the step that
    values have named already. `stops` is whether the upgrade does not come through without it.
    """

    image: ImageReference
    what: str
    source: str = ""
    way: str = ""
    stops: bool = False

    @property
    def step(self) -> str:
        """How it gets to where it is missing; empty where nobody knows."""
        return self.way or (own.copy_step(self.source, self.image.canonical) if self.source else "")


def wanted(
    values: Mapping[str, Any] | None,
    origin: End,
    target: End,
    known: Catalogue,
    homes: Homes,
    applications: Iterable[Stored],
) -> tuple[list[Wanted], str]:
    """The images, and what was left out, in words: of the operator and the hook, and of applications.

    Values that a step corrects count as corrected.
    """
    if target.release is None:
        return [], ""
    each = operators_own(values or {})
    found = [it for _, own_values in each for it in _of_operator(own_values, origin, target, known, homes)]
    asked = Counter(image for it in applications for image in dict.fromkeys(_images(it)))
    most = asked.most_common(MOST_APPLICATION_IMAGES)
    for image, count in most:
        what = counted(count, "application")
        found.append(Wanted(image=image, what=what, source=_upstream_of_spark(image)))
    others = len(asked) - len(most)
    left = f"{others} images that applications ask for: only the {len(most)} most frequent were" if others else ""
    return list({it.image: it for it in reversed(found)}.values())[::-1], left


def _of_operator(
    values: Mapping[str, Any], origin: End, target: End, known: Catalogue, homes: Homes
) -> Iterator[Wanted]:
    if target.release is None:
        return
    upstream = known.release(target.release.version)
    hooked = bool(at(merge(target.defaults or {}, values), "hook.upgradeCrd"))
    for key, published in zip(KEYS, (upstream.image, upstream.hook_image), strict=True):
        judged = own.judge(values, key, "", origin, target, homes)
        if not judged.after:
            # What is wrong with the name is said of the values.
            continue
        image = ImageReference.parse(judged.after)
        is_hook = key != KEYS[0]
        what = "the hook that hook.upgradeCrd turns on" if is_hook else "the operator"
        yield Wanted(
            image=image,
            what=what,
            source="" if image.canonical == published else published,
            way=judged.copy,
            stops=hooked or not is_hook,
        )


def _images(stored: Stored) -> Iterator[ImageReference]:
    for key in _OF_APPLICATIONS:
        text = at(stored.run, key)
        if isinstance(text, str) and text:
            try:
                yield ImageReference.parse(text)
            except UsageError:
                # A template, or a mask of the snapshot.
                continue


def _upstream_of_spark(image: ImageReference) -> str:
    """Where a copy of Spark's own image is from; empty for any other, and for the original."""
    if image.registry == DOCKER_HUB or not image.repository.endswith(f"/{_UPSTREAMS_SPARK}"):
        return ""
    return replace(image, registry=DOCKER_HUB, repository=_UPSTREAMS_SPARK, digest="").canonical if image.tag else ""


def look(images: Sequence[Wanted], settings: Settings) -> dict[str, Presence]:
    """What their registries say, by canonical name."""
    return presence.look((it.image for it in images), settings)


def remarks(images: Sequence[Wanted], seen: Mapping[str, Presence]) -> list[Remark]:
    """A sentence for each image: there, missing with the way to bring it, or what could not be looked up, and why."""
    when = datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    return [_remark(it, seen[it.image.canonical], when) for it in images]


def _remark(it: Wanted, seen: Presence, when: str) -> Remark:
    name = f"{it.image.canonical}, for {it.what}"
    where = f"HEAD at {seen.server}, {when}"
    if seen.state == "there":
        private = f", with the login of {seen.login} alone: pods need a pull secret for {it.image.registry}"
        return _said(f"{name}: there{private if seen.login else ''}", where)
    if seen.state == "unknown":
        return _said(f"{name}: could not be looked up: {seen.said}", where)
    as_whom = f", asked with the login of {seen.login}" if seen.login else ""
    optional = "; nothing pulls it as long as hook.upgradeCrd is off" if it.what.startswith("the hook") else ""
    if it.stops:
        text = f"{name}: missing{as_whom}"
        return replace(_said(text, where), step=it.step, stops=True)
    way = it.step or f"push it, or correct what asks for it: {it.what}"
    return _said(f"{name}: missing{as_whom}{optional}; {way}", where)


def _said(text: str, where: str) -> Remark:
    return Remark(sentence=Sentence(text=text, origin="from the registry", where=where))


def copied(remarks: Iterable[Remark], seen: Mapping[str, Presence]) -> list[Remark]:
    """Remarks on values without the copies of images that are there."""
    there = [image for image, presence in seen.items() if presence.state == "there"]

    def is_done(step: str) -> bool:
        return any(own.is_copied_to(step, image) for image in there)

    return [Remark(sentence=it.sentence) if is_done(it.step) else it for it in remarks]


def not_asked(images: Iterable[Wanted]) -> str:
    """That registries of the user's own were not asked, in words; empty where there are none."""
    names = [it.image.canonical for it in images if it.source and it.stops]
    are = "is" if len(names) == 1 else "are"
    return f"whether {' and '.join(names)} {are} there already: harness advise --ask-registry" if names else ""
