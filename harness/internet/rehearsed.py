# SPDX-License-Identifier: Apache-2.0
"""What is rehearsed of the source `upstream`, in this order; docs/upstream.md explains it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from harness.internet.steps import Rehearsal, Step, require

_CELL = "kind-1.34/install-2.5.2/spark-pi"
_DETECTED = "images come from the public registries: all of them answer"


def _bootstrap(on: Rehearsal) -> str:
    said = on.harness("bootstrap")
    require(_DETECTED in said, "the source was not detected")
    require("Ready," in said, "the bootstrap had nothing to do")
    again = on.harness("bootstrap")
    require("Nothing to do" in again, "a second bootstrap did something")
    return _last(said, "Ready")


def _cell(on: Rehearsal) -> str:
    said = on.harness("run", "--cell", _CELL)
    require(_DETECTED in said, "the source was not detected")
    results = _results(on)
    require(results["source"]["rehearsed"], "the report does not say that the source was rehearsed")
    cell = _only(results["cells"])
    _require_obtained([cell])
    return f"{cell['id']} {cell['verdict']} in {cell['seconds']:.0f} s"


def _default(on: Rehearsal) -> str:
    said = on.harness("run")
    require(_DETECTED in said, "the source was not detected")
    cells = _results(on)["cells"]
    _require_obtained(cells)
    return _last(said, " cells: ")


def _clean(on: Rehearsal) -> str:
    said = on.harness("clean")
    require("Clean: a second inspection found nothing" in said, "something was left")
    return "nothing was left"


STEPS = (
    Step(name="bootstrap", about="a machine with nothing in its cache is made ready", act=_bootstrap),
    Step(name="cell", about="one cell on kind, all images from the registries", act=_cell),
    Step(name="default", about="the default selection on kind and k3d, with the upgrade from docker.io", act=_default),
    Step(name="clean", about="what was made on the machine is removed", act=_clean),
)


def _require_obtained(cells: Iterable[dict[str, Any]]) -> None:
    """Every image was pulled from the registry in its name, and the report calls that rehearsed."""
    for cell in cells:
        require(cell["images"] or cell["verdict"] == "unavailable", f"{cell['id']} tells of no image")
        wrong = [it["reference"] for it in cell["images"] if "rehearsed" not in it["obtained"]]
        require(not wrong, f"{cell['id']}: the report does not call {', '.join(wrong)} rehearsed")


def _results(on: Rehearsal) -> dict[str, Any]:
    file = on.machine.environment["HARNESS_REPORTS"] + "/latest/results.json"
    found: dict[str, Any] = json.loads(on.call("cat", file))
    return found


def _only(cells: list[dict[str, Any]]) -> dict[str, Any]:
    require(len(cells) == 1, f"there are {len(cells)} cells")
    return cells[0]


def _last(text: str, word: str) -> str:
    return next(line.strip() for line in reversed(text.splitlines()) if word in line)
