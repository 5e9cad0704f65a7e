# SPDX-License-Identifier: Apache-2.0
"""The charts of the releases that a run installs, once it is known that their images can be had."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.errors import RegistryError, UnavailableError
from harness.foundry.imported import Records
from harness.images.references import DOCKER_HUB
from harness.imports import at_hand
from harness.matrix.imported import why_not_offered
from harness.matrix.release import Release
from harness.registries.sources import Source, Unasked
from harness.releases import charts
from harness.releases.charts import Chart
from harness.settings import Settings


class ReleaseCharts:
    """The charts, each found once; `folder` takes those that are pulled. May be used by several threads."""

    def __init__(
        self,
        settings: Settings,
        source: Source,
        imports: Records,
        *,
        helm: Path,
        folder: Path,
        given: Mapping[str, Chart] | None = None,
    ) -> None:
        """`given` are charts that are known already, by the names of their releases."""
        self._settings = settings
        self._source = source
        self._imports = imports
        self._helm = helm
        self._folder = folder
        self._charts: dict[tuple[str, str], Chart] = {(name, ""): it for name, it in (given or {}).items()}
        self._lock = threading.Lock()

    def find(self, release: Release, *, wanted: str = "") -> Chart:
        """The release's chart: what is `wanted`, as --chart says it, else an imported one, else what the source offers.

        The release's image has been found then, too. Raises UnavailableError that says how it can be had, UsageError.
        """
        with self._lock:
            key = release.version, wanted
            if key not in self._charts:
                self._require_images(release, chart=wanted)
                self._charts[key] = self._find(release, wanted)
            return self._charts[key]

    def kustomization(self, release: Release) -> Path:
        """The release's config/, which is the same whatever the images come from. Raises UnavailableError."""
        found = at_hand.kustomization(self._settings, release)
        if found is None:
            raise UnavailableError(f"config/ of release {release.name} is not here yet", _bootstrap(release))
        return found

    def _find(self, release: Release, wanted: str) -> Chart:
        if wanted:
            return charts.find(wanted, release, self._helm, self._folder, mirrors=self._source.mirrors)
        if self._source.kind == "foundry":
            found = at_hand.chart(self._settings, release)
            if found is None:
                raise UnavailableError(f"the chart of release {release.name} is not packed yet", _bootstrap(release))
            return found
        return charts.for_release(release, self._helm, self._folder, mirrors=self._source.mirrors)

    def _require_images(self, release: Release, *, chart: str) -> None:
        """Raise UnavailableError when the source does not have the operator's image.

        Upstream is asked for relocated releases only: whether it still has what it published is what an install shows.
        """
        kind, imported = self._source.kind, self._imports.imported
        if chart:
            imported = replace(imported, charts=imported.charts | {release.version})
        reason = why_not_offered(release, kind, imported)
        if reason:
            raise UnavailableError(reason, "choose another --source, or another release")
        if isinstance(self._source, Unasked) or (kind != "foundry" and not release.relocated):
            return
        try:
            self._source.resolve(release.image)
        except RegistryError as error:
            if error.status != 404:
                raise
            if kind != "foundry":
                raise RegistryError(error.message, _copied_by_nobody(release), status=error.status) from error
            raise UnavailableError(
                f"{release.image} of release {release.name} is not built yet", _bootstrap(release)
            ) from error


def _bootstrap(release: Release) -> str:
    return f"run `nox -s bootstrap -- --path install-{release.name}`"


def _copied_by_nobody(release: Release) -> str:
    """What to do about a copy of a release that is not in the registry in its name, as upstream makes none."""
    step = f"copy {release.version} there (harness registry copy)"
    if release.registry != DOCKER_HUB:
        return step
    return f"{step}, or take what upstream has published there: --tag docker-hub"
