# SPDX-License-Identifier: Apache-2.0
"""What is rehearsed of the source `upstream`, in this order; docs/upstream.md explains it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.internet import names
from harness.internet.steps import Rehearsal, Step, require
from harness.registries.front.profile import profile
from harness.wording import counted

ONE = ("--scenario", "spark-pi")
"""Selects one cell, that of the usual environment and path."""
_COPY = "kind-1.34/install-2.2.1@docker.io/spark-pi"
_IMAGE = "kubeflow/spark-operator"
_RELEASE = "2.5.2"
_GIVEN = f"ghcr.io/kubeflow/spark-operator/controller:{_RELEASE}"
_CHARTS = "https://kubeflow.github.io/spark-operator"
_DETECTED = "images come from the public registries: all of them answer"
_HUB = "docker.io"
_DOCTOR_SECONDS = 10.0
_COUNTED = ("registry-1.docker.io", "ghcr.io")


def _bootstrap(on: Rehearsal) -> str:
    said = on.harness("bootstrap")
    require(_DETECTED in said, "the source was not detected")
    require("Ready," in said, "the bootstrap had nothing to do")
    again = on.harness("bootstrap")
    require("Nothing to do" in again, "a second bootstrap did something")
    return last(said, "Ready")


def _doctor(on: Rehearsal) -> str:
    began = time.monotonic()
    on.harness("doctor", "--registries")
    took = time.monotonic() - began
    require(took < _DOCTOR_SECONDS, f"it took {took:.1f} s")
    away = profile("ghcr.io").blob_host
    with on.blocked(away):
        said = on.harness("doctor", "--registries", "--json")
    found = {it["name"]: it["found"] for it in json.loads(said[said.index("[") :]) if it["status"] != "ok"}
    # The foundry builds no release that upstream has on docker.io.
    wrong = {name: what for name, what in found.items() if not name.startswith("image docker.io/")}
    require(list(wrong) == ["content of ghcr.io"], f"behind a firewall before {away}, these are not ok: {wrong}")
    require(away in wrong["content of ghcr.io"], f"{away} is not named: {wrong}")
    return f"all work, told in {took:.1f} s; behind a firewall: {wrong['content of ghcr.io']}"


def _cell(on: Rehearsal) -> str:
    said = on.harness("run", *ONE)
    require(_DETECTED in said, "the source was not detected")
    found = results(on)
    require(found["source"]["rehearsed"], "the report does not say that the source was rehearsed")
    _require_obtained(found["cells"])
    return shown(found["cells"])


def _default(on: Rehearsal) -> str:
    said = on.harness("run")
    require(_DETECTED in said, "the source was not detected")
    cells = results(on)["cells"]
    _require_obtained(cells)
    return last(said, " cells: ")


def _again(on: Rehearsal) -> str:
    on.traffic()
    on.harness("run", *ONE)
    traffic = on.traffic(show=True)
    pulls = traffic.pulls(*_COUNTED)
    require(pulls == 0, f"{pulls} counted pulls, where everything is on this machine already")
    return f"{shown(results(on)['cells'])}; no counted pull"


def _lock(on: Rehearsal) -> str:
    """Another machine is another cache here: nothing of the first one's images, locks and reports is in it."""
    first = results(on)
    (lock,) = Path(on.machine.environment["HARNESS_REPORTS"], "latest", "locks").glob("*.json")
    other = {"HARNESS_CACHE": on.second_cache(), "HARNESS_REPORTS": f"{on.machine.environment['HARNESS_REPORTS']}-2"}
    on.harness("run", "--lock", lock, env=other)
    second = json.loads(Path(other["HARNESS_REPORTS"], "latest", "results.json").read_text())
    same = [[it["lock"] for it in found["cells"]] for found in (first, second)]
    require(same[0] == same[1], f"the locks differ: {same}")
    require(not second["cells"][0].get("drift"), f"the inputs differ: {second['cells'][0].get('drift')}")
    return f"{shown(second['cells'])} with the same lock"


def _private(on: Rehearsal) -> str:
    hub = on.world.fronts[_HUB]
    hub.publish(_IMAGE, "private")
    try:
        on.harness("run", "--cell", _COPY, status=3)
        without = _only(on)
        require(without["verdict"] == "unavailable", f"without a login the cell is {without['verdict']}")
        on.login(_HUB, "reader")
        on.harness("run", "--cell", _COPY)
        found = _only(on)
        require(found["verdict"] == "passed", f"with a login the cell is {found['verdict']}: {found['reason']}")
        users = {it.user for it in hub.requests() if it.repository == _IMAGE and "/blobs/" in it.path}
        require("reader" in users, f"the image was pulled by {users}")
    finally:
        hub.publish(_IMAGE, "public")
        on.call("docker", "logout", _HUB)
    return f"without a login {without['verdict']}, with one {found['verdict']}"


def _audit(on: Rehearsal) -> str:
    said = on.harness("audit", "images", "--release", "2.5.2")
    return last(said, "")


def _copy(on: Rehearsal) -> str:
    on.login("ghcr.io", "writer")
    source, target = f"docker.io/{_IMAGE}:2.2.1", "ghcr.io/acme/spark-operator:2.2.1"
    try:
        said = on.harness("registry", "copy", source, target)
        on.harness("registry", "verify", source, target)
        on.traffic()
        on.harness("registry", "copy", source, target)
        again = on.traffic(show=True).pulls(*_COUNTED)
    finally:
        on.call("docker", "logout", "ghcr.io")
    return f"{last(said, '')}; again: {again} counted pulls"


def _bench(on: Rehearsal) -> str:
    near = "no distance"
    said = on.call(sys.executable, "-m", "harness.bench", "upstream", "--quick", "--here", near)
    found = [line.strip() for line in said.splitlines() if line.startswith(("cold", "warm"))]
    require(f"over {near}" in said, "the benchmark did not end")
    return "; ".join(found)


def _limit(on: Rehearsal) -> str:
    hub = on.world.fronts[_HUB]
    on.harness("cache", "prune", "--keep-gb", "0")
    hub.spend([names.MACHINE])
    try:
        on.harness("run", *ONE, status=3)
        refused = _only(on)
    finally:
        hub.limit(profile(_HUB).limits)
    require(refused["verdict"] == "error", f"the cell is {refused['verdict']}")
    require("429" in refused["reason"] or "pulls" in refused["reason"], refused["reason"])
    return first_line(refused["reason"])


def _blocked(on: Rehearsal) -> str:
    on.harness("cache", "prune", "--keep-gb", "0")
    blobs = profile("ghcr.io").blob_host
    with on.blocked(blobs):
        on.harness("run", *ONE, status=3)
    refused = _only(on)
    require(refused["verdict"] == "error", f"the cell is {refused['verdict']}")
    require(blobs in refused["reason"], f"the reason does not name {blobs}: {refused['reason']}")
    return first_line(refused["reason"])


def _operator(on: Rehearsal) -> str:
    """The published image and chart of a release, as those of an operator that nobody has published."""
    on.call("helm", "pull", "spark-operator", "--repo", _CHARTS, "--version", _RELEASE)
    chart = f"spark-operator-{_RELEASE}.tgz"
    said = on.harness("run", "--operator", _GIVEN, "--chart", chart, "--cell", "kind-1.34/install-dev/spark-pi")
    require(_DETECTED in said, "the source was not detected")
    cell = _only(on)
    require(cell["verdict"] == "passed", f"{cell['id']} {cell['verdict']}: {cell['reason']}")
    own = [it["obtained"] for it in cell["images"] if it["registry"].endswith(".invalid")]
    require(own and own[0].startswith("under test: the image ghcr.io/"), f"its image was {' '.join(own) or 'not used'}")
    others = [it for it in cell["images"] if not it["registry"].endswith(".invalid")]
    _require_obtained([{**cell, "images": others}])
    return f"{shown([cell])}, beside {counted(len(others), 'image')} of the registries"


def _clean(on: Rehearsal) -> str:
    said = on.harness("clean")
    require("Clean: a second inspection found nothing" in said, "something was left")
    return "nothing was left"


UPSTREAM = (
    Step(name="bootstrap", about="a machine with nothing in its cache is made ready", act=_bootstrap),
    Step(name="doctor", about="what of the registries works from here, in ten seconds", act=_doctor),
    Step(name="cell", about="one cell on kind, all images from the registries", act=_cell),
    Step(name="again", about="the same again, with nothing pulled", act=_again),
    Step(name="lock", about="the same from its lock, on a second clean cache", act=_lock),
    Step(name="operator", about="an operator under test, of which a registry of the run has the image", act=_operator),
    Step(name="default", about="the default selection on kind and k3d, with the upgrade from docker.io", act=_default),
    Step(name="private", about="a private copy on docker.io, without a login and with one", act=_private),
    Step(name="audit", about="the images of a release, as its registries have them", act=_audit),
    Step(name="copy", about="a copy from registry to registry, verified, and made again", act=_copy),
    Step(
        name="bench", about="the quick benchmark: the smoke by hand and through the harness, cold and warm", act=_bench
    ),
    Step(name="limit", about="no pull left on docker.io", act=_limit),
    Step(name="blocked", about="a firewall before the host that ghcr.io sends on to", act=_blocked),
)
CLEAN = Step(name="clean", about="what was made on the machine is removed", act=_clean)


def _require_obtained(cells: Iterable[dict[str, Any]]) -> None:
    """Every image was pulled from the registry in its name, and the report calls that rehearsed."""
    for cell in cells:
        require(cell["images"] or cell["verdict"] == "unavailable", f"{cell['id']} tells of no image")
        wrong = [it["reference"] for it in cell["images"] if "rehearsed" not in it["obtained"]]
        require(not wrong, f"{cell['id']}: the report does not call {', '.join(wrong)} rehearsed")


def results(on: Rehearsal) -> dict[str, Any]:
    """The results of the last run."""
    found: dict[str, Any] = json.loads(
        Path(on.machine.environment["HARNESS_REPORTS"], "latest", "results.json").read_text()
    )
    return found


def shown(cells: Iterable[dict[str, Any]]) -> str:
    """Cells with their verdicts, in a line."""
    return ", ".join(f"{it['id']} {it['verdict']} in {sum(it['phases'].values()):.0f} s" for it in cells)


def _only(on: Rehearsal) -> dict[str, Any]:
    cells: list[dict[str, Any]] = results(on)["cells"]
    require(len(cells) == 1, f"not one cell but {len(cells)}")
    return cells[0]


def last(text: str, word: str) -> str:
    """The last line with a word in it."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip() and word in line), "nothing said")


def first_line(text: str) -> str:
    """The first line of a reason."""
    return text.splitlines()[0] if text else "no reason"
