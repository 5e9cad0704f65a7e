# SPDX-License-Identifier: Apache-2.0
"""The ways to a verdict on a machine of the small internet: typed by hand, and through the harness."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import options as run_options
from harness import process
from harness.bench import smoke
from harness.errors import HarnessError
from harness.foundry.store import Store
from harness.internet.host import brought
from harness.matrix.select import Selection
from harness.run.run_host import host
from harness.run.setup import request

_SECONDS = 600.0
_DEFAULT_SECONDS = 3600.0
"""Of the default selection, which takes ten minutes on two processors with nothing else to do."""
_CONFIG = Path("harness.toml")


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One way: how long it took, its parts in seconds, and the most memory of the harness, where that ran."""

    seconds: float
    parts: Mapping[str, float]
    peak_mib: float = 0.0


class Ways:
    """All below `folder`. Images are removed from the machine's engine, so that a way is cold: it must be nobody's."""

    def __init__(self, folder: Path, *, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._asked = request(run_options.RunOptions(selection=Selection(scenarios=(smoke.SCENARIO,))))
        self._found = host(self._asked)
        cell = self._asked.cells[0]
        release = self._asked.catalogue.release(cell.path.releases[-1])
        self._images = (release.image, *cell.scenario.images)
        self._inputs = smoke.inputs(
            self._asked,
            self._found,
            folder,
            node_image=cell.environment.node_image,
            images=self._images,
            chart=("spark-operator", "--repo", release.chart_repository, "--version", release.version),
        )
        self._number = 0

    def smoke(self, rounds: int) -> Mapping[str, tuple[float, Mapping[str, Any]]]:
        """The smoke, `cold` and `warm`: the ratio of the harness's median to that by hand, and all that was measured.

        What a cold way has fetched is there for the warm one after it.
        """
        taken: dict[str, list[Timed]] = {}
        for _ in range(rounds):
            self._forget()
            taken.setdefault("cold by hand", []).append(self._by_hand(pulled=self._images))
            taken.setdefault("warm by hand", []).append(self._by_hand())
            self._forget()
            cache = self._cache()
            for temperature in ("cold", "warm"):
                done = self._through(["--scenario", smoke.SCENARIO], cache)
                taken.setdefault(f"{temperature} through the harness", []).append(done)
            shutil.rmtree(cache)
            for name, times in taken.items():
                self._say(f"{name}: {times[-1].seconds:.1f} s")
        return {it: self._compared(taken, it) for it in ("cold", "warm")}

    def default(self) -> tuple[float, Mapping[str, Any]]:
        """The default selection: a first run, a second, and one in which each cluster pulls what it needs for itself.

        The ratio is that of the second run to the last one. Node images are in the engine for both.
        """
        self._forget()
        cache = self._cache()
        alone = Path("without-a-cache.toml")
        alone.write_text("image_cache_gb = 0\n" + _CONFIG.read_text())
        taken = {}
        for name, words in (
            ("first run", ()),
            ("second run", ()),
            ("without the image cache", ("--config", alone)),
        ):
            taken[name] = self._through(words, cache, _DEFAULT_SECONDS)
            self._say(f"{name}: {taken[name].seconds:.1f} s")
        shutil.rmtree(cache)
        ratio = taken["second run"].seconds / taken["without the image cache"].seconds
        return ratio, {name: _told([it]) for name, it in taken.items()}

    @staticmethod
    def _compared(taken: Mapping[str, list[Timed]], temperature: str) -> tuple[float, Mapping[str, Any]]:
        own = {name: times for name, times in taken.items() if name.startswith(temperature)}
        by_hand, harness = (statistics.median(it.seconds for it in times) for times in own.values())
        return harness / by_hand, {name: _told(times) for name, times in own.items()}

    def _by_hand(self, pulled: tuple[str, ...] = ()) -> Timed:
        inputs = replace(self._inputs, pulled=pulled)
        seconds, parts = smoke.by_hand(self._asked, self._found, inputs, self._next())
        return Timed(seconds=seconds, parts=parts)

    def _through(self, words: list[str] | tuple[str | Path, ...], cache: Path, timeout: float = _SECONDS) -> Timed:
        folder = self._next()
        seconds, parts, peak = smoke.by_harness(list(words), folder, cache=cache, timeout=timeout)
        results = json.loads((folder / "reports" / "latest" / "results.json").read_text())
        if results["source"]["kind"] != "upstream":
            raise HarnessError(f"images came from the source {results['source']['kind']}", "nothing was measured")
        return Timed(seconds=seconds, parts=parts, peak_mib=peak)

    def _next(self) -> Path:
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        return folder

    def _cache(self) -> Path:
        """A cache with nothing in it but what no machine here can fetch."""
        cache = self._next() / "cache"
        own = Store.of(self._asked.settings.model_copy(update={"cache_dir": cache}))
        for recipe in brought():
            shutil.copytree(Store.of(self._asked.settings).folder(recipe), own.folder(recipe))
        return cache

    def _forget(self) -> None:
        """Have none of the images in the engine. Raises HarnessError where one stays."""
        for reference in (self._inputs.node_image, *self._images):
            content = self._in_engine(reference)
            if content:
                # By its id, so that no other name keeps its layers.
                process.call(["docker", "rmi", "--force", content], timeout=_SECONDS, check=False)
            if content and self._in_engine(content):
                raise HarnessError(f"the engine still has {reference}", "nothing was measured")

    @staticmethod
    def _in_engine(name: str) -> str:
        """The id of an image of the engine; empty where there is none."""
        asked = ["docker", "image", "inspect", "--format", "{{.Id}}", name]
        return process.call(asked, timeout=_SECONDS, check=False).stdout.strip()


def _told(times: list[Timed]) -> list[Mapping[str, Any]]:
    return [{"seconds": it.seconds, "parts": it.parts, "peak_mib": it.peak_mib} for it in times]
