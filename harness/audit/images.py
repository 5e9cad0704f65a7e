# SPDX-License-Identifier: Apache-2.0
"""The audit of images: every mention with its registry's answer, and the resulting findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.audit.expressions import Variables, is_known
from harness.audit.findings import Finding, Severity
from harness.audit.gather import Mention, Unreadable
from harness.audit.homes import Homes
from harness.audit.look import Seen
from harness.errors import UsageError
from harness.images.references import ImageReference, is_tagged

_DEFAULTS = Variables("")
_MOVING_TAGS = frozenset({"latest", "master", "main", "edge", "nightly", "snapshot", "stable", "dev"})


@dataclass(frozen=True, kw_only=True)
class Audited:
    """One image: its reference (canonical if valid), where it occurs, its registry's answer, and its findings.

    `seen` is None for text that is not a reference, and for a name whose tag is elsewhere.
    """

    reference: str
    places: tuple[str, ...]
    seen: Seen | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class ImageAudit:
    """What was audited (`subject`), from which source, with which images; `notes` are remarks on the audit."""

    subject: str
    source: str
    images: tuple[Audited, ...]
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()

    def count(self, severity: Severity) -> int:
        """The number of findings of a severity."""
        found = sum(it.severity is severity for image in self.images for it in image.findings)
        return found + (len(self.unreadable) if severity is Severity.WARNING else 0)

    @property
    def unavailable(self) -> int:
        """The number of images about which nothing is known, because no server for them could be reached."""
        return sum(it.seen is not None and it.seen.state == "unavailable" for it in self.images)

    @property
    def exit_status(self) -> int:
        """1 when there is an error, else 3 if the system did not let something be read, else 0: an unavailable image is
        neither right nor wrong.
        """
        if self.count(Severity.ERROR):
            return 1
        return 3 if any(it.refused for it in self.unreadable) else 0


def wanted(mentions: Iterable[Mention]) -> list[ImageReference]:
    """The images to look up in registries: valid references whose tag is in place."""
    found = []
    for mention in mentions:
        try:
            image = ImageReference.parse(_DEFAULTS.filled(mention.text))
        except UsageError:
            # It is reported as malformed, with the place where it is written.
            continue
        if not mention.partial:
            found.append(image)
    return list(dict.fromkeys(found))


def audit(mentions: Sequence[Mention], seen: Mapping[str, Seen], homes: Homes) -> tuple[Audited, ...]:
    """Every image, without duplicates, in the order of first mention; `seen` is by canonical name."""
    places: dict[tuple[str, bool, bool], list[str]] = {}
    for mention in mentions:
        # `${TAG:-2.5.2}` is what it is where nobody says otherwise.
        text = _DEFAULTS.filled(mention.text)
        try:
            key = (ImageReference.parse(text).canonical, is_tagged(text), mention.partial)
        except UsageError:
            key = (text, is_tagged(text), mention.partial)
        if mention.where not in places.setdefault(key, []):
            places[key].append(mention.where)
    return tuple(
        _audited(text, where, seen.get(text), homes, tagged=tagged, partial=partial)
        for (text, tagged, partial), where in places.items()
    )


def _audited(
    text: str, places: Sequence[str], seen: Seen | None, homes: Homes, *, tagged: bool, partial: bool
) -> Audited:
    try:
        image = ImageReference.parse(text)
    except UsageError as malformed:
        if not is_known(text):
            said = "a template or a variable fills it in, or it is encrypted: nothing is known about it"
            return Audited(
                reference=text, places=tuple(places), seen=None, findings=(Finding(rule="not-known", message=said),)
            )
        inside = homes.judge_malformed(text)
        if inside:
            return Audited(reference=text, places=tuple(places), seen=None, findings=(inside,))
        # The message begins with the text, which the table shows already.
        what = malformed.message.partition(": ")[2] or malformed.message
        finding = Finding(rule="malformed", message=f"not an image reference: {what}")
        return Audited(reference=text, places=tuple(places), seen=None, findings=(finding,))
    found: list[Finding] = []
    placed = homes.judge(image, tagged=tagged)
    if placed:
        found.append(placed)
    if not partial:
        found += _pinned(image, seen, tagged=tagged)
        found += _told(image, seen, known_bad=placed is not None and placed.severity is Severity.ERROR)
    return Audited(
        reference=image.name if partial else image.canonical,
        places=tuple(places),
        seen=None if partial else seen,
        findings=tuple(found),
    )


def _pinned(image: ImageReference, seen: Seen | None, *, tagged: bool) -> list[Finding]:
    if image.digest:
        return []
    digest = seen.digest if seen and seen.state == "found" else ""
    pinned = f"{image.canonical}@{digest}" if digest else ""
    if image.tag.lower() in _MOVING_TAGS:
        said = f"the tag {image.tag} moves" if tagged else "without a tag, it is latest"
        return [Finding(rule="mutable-tag", message=f"{said}: a restart may pull another image")]
    return [Finding(rule="no-digest", message=f"the tag {image.tag} is not pinned by a digest", replacement=pinned)]


def _told(image: ImageReference, seen: Seen | None, *, known_bad: bool) -> list[Finding]:
    """The findings that follow from a registry's answer."""
    if seen is None or seen.state == "unavailable":
        return []
    if seen.state == "missing":
        # The place where it is has been said already.
        return [] if known_bad else [Finding(rule="missing", message=seen.message)]
    if seen.state == "refused":
        return [Finding(rule="refused", message=f"{seen.message}; it is private or does not exist")]
    if seen.artifact:
        return [Finding(rule="no-image", message=f"it is {seen.artifact}, of which no node makes a container")]
    found = []
    if seen.private:
        found.append(Finding(rule="private", message=f"{image.registry} requires a login for it"))
    if len(seen.platforms) < 2:
        found.append(
            Finding(
                rule="one-platform", message=f"it is available for {', '.join(seen.platforms) or 'no platform'} only"
            )
        )
    said = {**seen.labels, **seen.annotations}
    missing = [key for key in ("source", "revision") if not said.get(f"org.opencontainers.image.{key}")]
    if missing:
        found.append(
            Finding(rule="no-provenance", message=f"it has no label or annotation for its {' and '.join(missing)}")
        )
    if not seen.unproven and not any(it.kind in ("signature", "attestation") for it in seen.proofs):
        found.append(Finding(rule="unsigned", message="it has neither a signature nor an attestation"))
    return found
