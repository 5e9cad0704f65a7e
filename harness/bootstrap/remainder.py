# SPDX-License-Identifier: Apache-2.0
"""Builds what the first cells do not need while they run, in a background bootstrap of the lowest priority.

Who takes what from it waits for that alone. Whether it is there is looked for where it belongs, in the foundry's store
and in the container engine, so that it does not matter who made it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness import process
from harness.errors import HarnessError
from harness.evidence.temporary import outside
from harness.host.steps import Step, results
from harness.matrix.model import Environment
from harness.matrix.release import Release
from harness.settings import Settings
from harness.waiting import Deadline, cancelled

_LOOK_SECONDS = 2.0
_REMIND_SECONDS = 60.0
# The lowest priority there is: cells must not be slowed down by what later ones need.
_YIELDING = ("nice", "-n", "19")


class Remainder:
    """Builds what is missing for some takers, each identified by name. `close` stops it."""

    def __init__(self, settings: Settings, *, config: Path | None, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._config = config
        self._say = say
        self._log_file = settings.cache_dir / "logs" / "bootstrap-beside-a-run.log"
        self._missing: dict[str, list[Step]] = {}
        self._told: dict[str, tuple[str, ...]] = {}
        self._reminder = Deadline(seconds=0)
        self._changed = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    def make(self, wanted: Mapping[str, tuple[Environment, Sequence[Release]]], *, paths: Sequence[str]) -> None:
        """Begin with what is missing for these takers, all of whose releases are those of `paths`.

        Where nothing is missing, only Go's caches go, which a bootstrap of the first cells left.
        """
        # Late, since most runs build nothing.
        from harness.bootstrap.bootstrap import drop_caches
        from harness.foundry import plan

        steps = {name: plan.steps(self._settings, [it], releases) for name, (it, releases) in wanted.items()}
        missing = {name: them for name, them in steps.items() if not _all_there(them)}
        if not missing:
            drop_caches(self._settings)
            return
        with self._changed:
            self._missing.update(missing)
        argv = command([wanted[name][0].name for name in missing], paths, self._config)
        thread = threading.Thread(target=self._watch, args=(argv, missing), name="bootstrap", daemon=True)
        self._threads.append(thread)
        thread.start()

    def ready(self, name: str) -> bool:
        """Whether a taker need not wait any longer: everything that it needs exists, or is no longer being built."""
        with self._changed:
            return name not in self._missing

    def close(self) -> None:
        """Stop builds in progress; finished ones stay."""
        self._closing.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, argv: Sequence[str], missing: dict[str, list[Step]]) -> None:
        try:
            # A builder of base systems works as another user in the temporary folder: not in that of the run.
            environment = {"TMPDIR": str(outside())}
            with process.background(argv, log_file=self._log_file, env=environment) as child:
                while child.poll() is None and not cancelled():
                    self._look(missing)
                    if self._closing.wait(_LOOK_SECONDS):
                        return
            self._look(missing)
            if child.returncode and not cancelled():
                self._say(f"the background bootstrap exited with status {child.returncode}; see {self._log_file}")
        except HarnessError as error:
            self._say(f"the background bootstrap failed: {error}")
        finally:
            with self._changed:
                for name in missing:
                    self._missing.pop(name, None)

    def _look(self, missing: dict[str, list[Step]]) -> None:
        """Release takers that need not wait any longer, and report what the others wait for, from time to time
        again."""
        from harness.host.display import duration

        for name, steps in [*missing.items()]:
            if _all_there(steps):
                del missing[name]
                with self._changed:
                    del self._missing[name]
        for name, steps in missing.items():
            left = [step for step in steps if not step.done()]
            words = tuple(f"{step.name} (usually {duration(step.estimate)})" for step in left)
            if words and (self._told.get(name) != words or self._reminder.left <= 0):
                self._told[name] = words
                together = duration(sum(step.estimate for step in left))
                self._say(f"{name} waits for {', '.join(words)}; at most {together} in total on an idle host")
                self._reminder = Deadline(seconds=_REMIND_SECONDS)


def command(environments: Sequence[str], paths: Sequence[str], config: Path | None) -> list[str]:
    """The command line of a bootstrap for these environments and paths at the lowest priority."""
    words = [word for name in dict.fromkeys(environments) for word in ("--env", name)]
    words += [word for path in dict.fromkeys(paths) for word in ("--path", path)]
    words += ["--config", str(config)] if config else []
    return [*_YIELDING, sys.executable, "-m", "harness.cli", "bootstrap", "--source", "foundry", *words]


def _all_there(steps: Sequence[Step]) -> bool:
    return all(step.done() for step in results(steps))
