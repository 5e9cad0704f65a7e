# SPDX-License-Identifier: Apache-2.0
"""Which images and charts of a run's cells their mirrors do not have, told before anything is made for these cells.

Each is asked for once a run, by HEAD, which no registry counts as a pull; all at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness import stories
from harness.errors import UnavailableError
from harness.images.references import ImageReference
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Cell, Environment, Path
from harness.matrix.release import Release
from harness.options import RunOptions
from harness.registries.sources import Source, Unasked, is_trouble, preflight
from harness.releases import asked as of_values
from harness.releases.values import at
from harness.run import values_usable
from harness.verdicts import Finding, errored, unavailable

CHECK = "in-the-mirror"
ABSENT_CHECK = "nobody-copied-it"
REACHABLE_CHECK = "images-reachable"
VALUES_CHECK = "values-allow-it"

_NONE = RunOptions()


class Preflight:
    """Asks the mirrors for what cells need, and the foundry for the operator's images, which may not be built yet.

    Of images that may be had or not, whatever the source, every source is asked.

    `engine_images` are those that the engine of this machine lacks for an environment. `values` are those on a path.
    Of `options`, --chart and --values count.
    """

    def __init__(
        self,
        source: Source,
        catalogue: Catalogue,
        values: Callable[[Path], Mapping[str, Any]],
        *,
        options: RunOptions = _NONE,
        engine_images: Callable[[Environment], Iterable[str]],
        say: Callable[[str], None],
    ) -> None:
        self._source = source
        self._catalogue = catalogue
        self._values = values
        self._options = options
        self._engine_images = engine_images
        self._say = say
        self._keys: dict[str, str] = {}
        self._answers: dict[str, UnavailableError | None] = {}
        self._lock = threading.Lock()

    def images(self, cell: Cell) -> Iterator[str]:
        """The images of a cell's pods, those that may not be there too."""
        for name in cell.path.releases:
            yield from self._operator_images(cell, self._catalogue.release(name))
        story = stories.of(cell.scenario)
        yield from (*story.images(cell), *story.doubtful_images(cell))

    def refusals(self, asked: Iterable[Cell]) -> dict[str, Finding]:
        """Cell id → the finding that names all that is not to be had for it; cells that can run are not in it."""
        cells = list(asked)
        found = {it.id: finding for it in cells if (finding := self._not_with_these_values(it))}
        return found | self._unreachable([it for it in cells if it.id not in found])

    def absent(self) -> dict[str, str]:
        """Why each image that cannot be had, of those that were asked for, cannot."""
        return {it: error.message for it, error in self._answers.items() if error is not None}

    def without_absent(self, cell: Cell) -> Cell:
        """The cell, which needs none of the images that cannot be had: it was not refused, so it does without."""
        return cell.without(self.absent()) if cell.scenario.parts else cell

    def _not_with_these_values(self, cell: Cell) -> Finding | None:
        why = of_values.why_not(cell.scenario.takes_for_granted, self._values(cell.path))
        return unavailable(VALUES_CHECK, f"the scenario {cell.scenario.name} cannot be run: {why}") if why else None

    def _unreachable(self, cells: Sequence[Cell]) -> dict[str, Finding]:
        wanted = {cell.id: list(dict.fromkeys(self._wanted(cell))) for cell in cells}
        copied = {cell.id: it for cell in cells if (it := self._relies_on_absence(cell))}
        users = dict.fromkeys(it for cell in cells for it in self._of_users(cell))
        for path in {it.path.name: it.path for it in cells}.values():
            for release in map(self._catalogue.release, path.releases):
                self._keys.update(of_values.keys_of_images(release, self._values(path)))
        with self._lock:
            self._ask(dict.fromkeys(it for references in wanted.values() for it in references))
            self._ask(users, also="the cells try it all the same; for the release's own, give a further --values")
            missing = {name: [it for it in references if self._answers[it]] for name, references in wanted.items()}
            some_parts = {cell.id for cell in cells if self._goes_without(cell, missing[cell.id])}
            found = {
                cell.id: self._finding(cell.scenario.needs_all(missing[cell.id]) or missing[cell.id])
                for cell in cells
                if missing[cell.id] and cell.id not in some_parts
            }
        return found | {
            name: _not_absent(image)
            for name, image in copied.items()
            if preflight(self._source, [image])[image] is None
        }

    def _goes_without(self, cell: Cell, missing: Sequence[str]) -> bool:
        return cell.scenario.goes_without(missing) and not self._is_trouble(missing)

    def _relies_on_absence(self, cell: Cell) -> str:
        """The image that must not be there for a cell to be what its path says; empty for most."""
        if cell.path.values != "pinned-registry" or self._source.kind == "upstream":
            return ""
        before, after = (self._catalogue.release(name) for name in cell.path.releases[-2:])
        image = f"{before.registry}/{before.repository}:{after.version}"
        return image if image != after.image else ""

    def _of_users(self, cell: Cell) -> Iterator[str]:
        """The images of the user's values, where it is known who has any: that nobody does is for cells to show."""
        if self._source.kind == "foundry" and cell.scenario.needs.installed != "nothing":
            for release in map(self._catalogue.release, cell.path.releases):
                own = (release.image, release.hook_image, *of_values.sidecar_images(self._values(cell.path)))
                yield from (it for it in self._operator_images(cell, release) if it not in own)

    def _ask(self, references: Iterable[str], also: str = "") -> None:
        new = [it for it in references if it not in self._answers]
        if not new:
            return
        self._answers.update(preflight(self._source, new))
        lacking = [self._told(it, error) for it in new if (error := self._answers[it])]
        if self._source.kind == "mirror":
            self._say(f"{len(new) - len(lacking)} of {len(new)} images and charts of these cells found in the mirrors")
        for it in lacking:
            self._say(f"not available: {it}{f' ({also})' if also else ''}")

    def _told(self, reference: str, error: UnavailableError) -> str:
        """Why an image cannot be had, with the key of the values that asks for it, and where that is set."""
        key = self._keys.get(reference)
        return f"{error.message}: {key} asks for it{values_usable.place(self._options, key)}" if key else error.message

    def _finding(self, references: Sequence[str]) -> Finding:
        errors = [error for it in references if (error := self._answers[it])]
        told = "; ".join(self._told(it, error) for it in references if (error := self._answers[it]))
        steps = "; ".join(dict.fromkeys(it.next_step for it in errors if it.next_step))
        check = CHECK if self._source.kind == "mirror" else REACHABLE_CHECK
        judge = errored if self._is_trouble(references) else unavailable
        return judge(check, f"{told}\n  next: {steps}" if steps else told, missing=list(references))

    def _is_trouble(self, references: Sequence[str]) -> bool:
        """Whether a network or a limit was the reason, which is no answer about an image."""
        answers = [(it, error) for it in references if (error := self._answers[it])]
        return any(self._has_server(it) and is_trouble(error) for it, error in answers)

    def _has_server(self, reference: str) -> bool:
        """Whether anybody was asked: a host that the mirror map lacks is nobody's fault but the map's."""
        return (
            self._source.kind == "upstream" or ImageReference.parse(reference).registry in self._source.mirrors.mirrors
        )

    def _wanted(self, cell: Cell) -> Iterator[str]:
        if isinstance(self._source, Unasked):
            return
        if self._source.kind == "mirror":
            yield from self._everything(cell)
            return
        if cell.scenario.needs.installed != "nothing":
            # Only the user knows where they are.
            yield from of_values.sidecar_images(self._values(cell.path))
        if self._source.kind == "foundry" and cell.scenario.needs.installed != "nothing":
            for name in cell.path.releases:
                release = self._catalogue.release(name)
                # Of one that it does not build, the way is an import, which is told where its chart is looked for. An
                # image of the user's values is what the cell tries: that it is nowhere is a result.
                if "foundry" in release.sources:
                    own = (release.image, release.hook_image)
                    yield from (it for it in self._operator_images(cell, release) if it in own)
        yield from stories.of(cell.scenario).doubtful_images(cell)

    def _operator_images(self, cell: Cell, release: Release) -> Iterator[str]:
        values = self._values(cell.path)
        yield of_values.operator_image(release, values)
        yield from of_values.sidecar_images(values)
        hook = cell.path.crds == "hook" or at(values, "hook.upgradeCrd")
        if hook and release.hook_image:
            yield of_values.hook_image(release, values)

    def _everything(self, cell: Cell) -> Iterator[str]:
        yield from self._engine_images(cell.environment)
        for name in cell.path.releases:
            release = self._catalogue.release(name)
            yield from self._operator_images(cell, release)
            last = name == cell.path.releases[-1]
            yield from self._charts(release, chosen=(self._options.chart or "") if last else "")
        yield from stories.of(cell.scenario).images(cell)

    def _charts(self, release: Release, *, chosen: str) -> Iterator[str]:
        """The release's chart where it is pulled by OCI from a host that has a mirror; see `charts.for_release`."""
        if chosen or not release.chart_oci:
            return
        chart = f"{release.chart_oci.removeprefix('oci://')}:{release.version}"
        if ImageReference.parse(chart).registry in self._source.mirrors.mirrors:
            yield chart


def _not_absent(image: str) -> Finding:
    return unavailable(
        ABSENT_CHECK,
        f"this path supposes that the new release is not in the old registry, but {image} can be had here\n"
        "  next: run it apart from cells of that copy, or take the image out of the mirror",
    )
