# SPDX-License-Identifier: Apache-2.0
"""Fills the storage of the pull benchmark: images of operator and Spark as they are, changed ones, and probes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.apps import samples
from harness.bench.pull_images import MIB, PROBE_LAYERS, Pulled, Subject, look, push_changed, push_probe
from harness.bench.pull_plan import AT_ONCE, Unit, manifests_needed
from harness.bench.pull_site import HOSTS, too_few
from harness.errors import HarnessError
from harness.images import logins
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.registries import local
from harness.registries.copy import copy
from harness.registries.push import Transfer
from harness.registries.source_choice import probe_all
from harness.run.resources import Resources
from harness.run.setup import Request

PROBE = "probe"
_QUICK_AT_ONCE = 4
"""At most so many probes at once with --quick: all that is in the node is removed before each pass."""

PUBLIC = {"ghcr.io": "2.5.2", "docker.io": "2.1.1"}
"""Registry host → the release whose image upstream publishes there."""


@dataclass(kw_only=True)
class Contents:
    """Subjects by name: `real` are those of operator and Spark, `small` the probes by how many are pulled at once.

    `missing` says what is not there and why, `public` has references of upstream's own by registry host.
    """

    subjects: dict[str, Subject] = field(default_factory=dict)
    real: list[str] = field(default_factory=list)
    small: dict[int, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    public: dict[str, ImageReference] = field(default_factory=dict)

    @property
    def any_image(self) -> Pulled:
        """One that all servers have."""
        return next(iter(self.subjects.values())).images[0]


def contents(
    resources: Resources, asked: Request, registry: Path, storage: Path, *, quick: bool, say: Callable[[str], None]
) -> Contents:
    """Fill the storage. Images that the run's source does not have are named in `missing`. Raises HarnessError."""
    made = Contents()
    for host, version in PUBLIC.items():
        made.public[host] = ImageReference.parse(asked.catalogue.release(version).image)
    with (
        local.serve(registry, storage, storage.with_name("storage-filled.log")) as server,
        Transfer(Mirror(url=server.url), "bench.invalid", push=True) as target,
    ):
        release = asked.catalogue.release(asked.cells[0].path.releases[-1])
        for name in () if quick else (release.image, samples.chart_values().spark.image):
            image = ImageReference.parse(name)
            short = f"{image.repository.rpartition('/')[2]}:{image.tag}"
            try:
                obtained = resources.source.resolve(name).obtained
                pulled = _copied(resources, image, target)
            except HarnessError as away:
                made.missing[short] = away.message
                continue
            subject = Subject(
                name=f"{short} ({pulled.size / 1e6:.0f} MB)",
                images=(pulled,),
                changed=push_changed(target, pulled),
                stands_for=f"{name}: {obtained}",
            )
            made.subjects[subject.name] = subject
            made.real.append(subject.name)
            say(f"{name}: {pulled.digest}, {pulled.size / 1e6:.0f} MB")
        at_once = tuple(it for it in AT_ONCE if it <= _QUICK_AT_ONCE) if quick else AT_ONCE
        _probes(made, target, at_once)
        say(f"{max(at_once)} probes of {made.subjects[made.small[1]].images[0].size / 1e6:.0f} MB")
    return made


def public_units(made: Contents, rounds: int, *, hosts: Sequence[str] = HOSTS) -> tuple[list[Unit], dict[str, str]]:
    """Passes over upstream's own images where the public registries answer and allow them; else why not."""
    units: list[Unit] = []
    why: dict[str, str] = {}
    for host, silence in probe_all(hosts).items():
        label = f"the public {host}"
        reference = made.public[host]
        if silence:
            why[label] = silence
            continue
        name = f"{reference.repository.rpartition('/')[2]}:{reference.tag} of upstream"
        unit = Unit(subject=name, host=host, manner="direct", public=True)
        try:
            with Transfer(None, host, credentials=logins.credentials(host, repository=reference.repository)) as client:
                refused = too_few(client, reference, manifests_needed([unit], host, rounds))
                if refused:
                    why[label] = refused
                    continue
                made.subjects[name] = Subject(
                    name=name, images=(_public(client, reference),), stands_for=f"{reference}: upstream"
                )
        except HarnessError as away:
            why[label] = away.message
            continue
        units.append(unit)
    return units, why


def _public(client: Transfer, reference: ImageReference) -> Pulled:
    """What a node gets of an index: its blobs are those for this architecture, its digest that of the index."""
    digests = client.head(reference)
    if not digests.is_index:
        return look(client, reference.repository, reference.tag)
    (platform,) = (it for it in client.platforms(reference) if str(it) == "linux/amd64")
    pulled = look(client, reference.repository, platform.digest)
    return replace(pulled, tag=reference.tag, digest=digests.digest, blobs=pulled.blobs | {digests.digest})


def _copied(resources: Resources, image: ImageReference, target: Transfer) -> Pulled:
    mirror = resources.source.mirrors.mirrors.get(image.registry)
    login = None if mirror else logins.credentials(image.registry, repository=image.repository)
    with Transfer(mirror, image.registry, credentials=login) as source:
        client_image = image
        if source.head(image).is_index:
            (platform,) = (it for it in source.platforms(image) if str(it) == "linux/amd64")
            client_image = image.pinned(platform.digest)
        copy(source, client_image, target, ImageReference.parse(f"bench.invalid/{image.repository}:{image.tag}"),
             with_referrers=False)  # fmt: skip
    return look(target, image.repository, image.tag)


def _probes(made: Contents, target: Transfer, at_once: Sequence[int]) -> None:
    probes = [push_probe(target, f"bench/probe-{number:02}", f"probe-{number}") for number in range(max(at_once))]
    size = f"{probes[0].size / MIB:.0f} MiB, {PROBE_LAYERS} layers"
    changed = push_changed(target, probes[0], layer_bytes=probes[0].size // PROBE_LAYERS)
    for number in at_once:
        name = f"{PROBE} ({size})" if number == 1 else f"{number} probes ({size} each)"
        made.subjects[name] = Subject(
            name=name,
            images=tuple(probes[:number]),
            changed=changed if number == 1 else None,
            stands_for="made here; it stands for no product",
        )
        made.small[number] = name
