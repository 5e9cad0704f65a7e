# SPDX-License-Identifier: Apache-2.0
"""What is rehearsed of the source `mirror`: a site's own registry, from a machine that reaches no other.

Its projects stand for registries (`https://harbor.example.com/v2/ghcr`), it asks for a login, its CA is its own, it has
the charts too, and it lacks an image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.images.credentials import write_secret
from harness.internet import names
from harness.internet.rehearsed import ONE, last, results, shown
from harness.internet.steps import Rehearsal, Step, require

_LACKING = "spark-3.5"
_PORT = 5443
_CHOSEN = "images come from the mirrors: harness.toml has mirrors for"


def _kind(on: Rehearsal) -> str:
    with _only_the_site(on) as config:
        cells = (*ONE, "--scenario", _LACKING)
        said = on.harness("run", "--config", config, *cells, status=3)
    require(_CHOSEN in said, "the mirror map did not choose the source")
    found = {it["scenario"]: it for it in results(on)["cells"]}
    lacking, other = found[_LACKING], found["spark-pi"]
    require(other["verdict"] == "passed", f"{other['id']} {other['verdict']}: {other['reason']}")
    names_of = [it["name"] for it in lacking["checks"]]
    require((lacking["verdict"], names_of) == ("unavailable", ["in-the-mirror"]), f"{_LACKING} is {lacking['verdict']}")
    _require_site(on)
    return shown(found.values())


def _k3d(on: Rehearsal) -> str:
    with _only_the_site(on) as config:
        on.harness("run", "--config", config, "--env", "k3d-1.34", *ONE)
    cells = results(on)["cells"]
    require(cells[0]["verdict"] == "passed", f"{cells[0]['id']} {cells[0]['verdict']}: {cells[0]['reason']}")
    _require_site(on)
    return shown(cells)


def _audit(on: Rehearsal) -> str:
    with _only_the_site(on) as config:
        said = on.harness("audit", "images", "--release", "2.5.2", "--config", config, status=1)
    lacking = names.hosts().site.without[0]
    found = [line for line in said.splitlines() if line.startswith("error")]
    require(len(found) == 1 and lacking in found[0], f"not {lacking} alone was found missing: {found}")
    _require_site(on)
    return last(said, "images of release")


def _isolated(on: Rehearsal) -> str:
    """Nodes send nothing beyond the machine, which has a port that leads to the site's registry."""
    server = f"{names.MACHINE}:{_PORT}"
    with _port_to_the_site(on):
        config = _config(on, server, "isolated = true")
        on.harness("run", "--config", config, *ONE)
    cells = results(on)["cells"]
    require(cells[0]["verdict"] == "passed", f"{cells[0]['id']} {cells[0]['verdict']}: {cells[0]['reason']}")
    _require_site(on, names.hosts().site.host, server)
    return shown(cells)


MIRROR = (
    Step(name="mirror-audit", about="the images of a release, as a site's registry has them", act=_audit),
    Step(name="mirror-kind", about="cells on kind from a site's registry, which lacks an image", act=_kind),
    Step(name="mirror-isolated", about="the same, with nodes that reach nothing beyond the machine", act=_isolated),
    Step(name="mirror-k3d", about="the same on k3d", act=_k3d),
)


@contextmanager
def _only_the_site(on: Rehearsal) -> Iterator[Path]:
    """Nothing but the site's registry can be reached during the block; the settings with its mirror map."""
    site = names.hosts().site
    config = _config(on, site.host)
    on.traffic()
    with on.blocked(*(name for name in names.addresses() if name != site.host)):
        yield config


def _config(on: Rehearsal, server: str, *more: str) -> Path:
    """Settings with a mirror map of the site's registry, which the engine is made to trust."""
    site = names.hosts().site
    front = on.world.fronts[site.host]
    lines = ["rehearsed = true", 'catalogue_dirs = ["catalogue"]', *more]
    for host, project in site.projects.items():
        lines += [
            f'[mirrors."{host}"]',
            f'url = "https://{server}/v2/{project}"',
            f"ca = {json.dumps(str(front.ca))}",
            'username = "reader"',
            f"password = {json.dumps(front.accounts.of('reader').secret)}",
        ]
    # What a mirror map cannot tell the engine: docs/my-registry.md.
    trusted = on.machine.etc / "docker" / "certs.d" / server / "ca.crt"
    trusted.parent.mkdir(parents=True, exist_ok=True)
    trusted.write_bytes(front.ca.read_bytes())
    return write_secret(on.machine.work / "mirror.toml", "\n".join(lines) + "\n")


@contextmanager
def _port_to_the_site(on: Rehearsal) -> Iterator[None]:
    """A port of the machine that leads to the site's registry, for its programs and for nodes, during the block."""
    site = names.addresses()[names.hosts().site.host]
    to_port = ["-d", names.MACHINE, "-p", "tcp", "--dport", str(_PORT), "-j", "DNAT", "--to-destination", f"{site}:443"]
    rules = [["PREROUTING", *to_port], ["OUTPUT", *to_port], ["POSTROUTING", "-d", site, "-j", "MASQUERADE"]]
    for rule in rules:
        on.machine.call(["iptables", "-w", "-t", "nat", "-A", *rule])
    on.traffic()
    try:
        yield
    finally:
        for rule in rules:
            on.machine.call(["iptables", "-w", "-t", "nat", "-D", *rule])


def _require_site(on: Rehearsal, *names_of_it: str) -> None:
    """Whoever was asked, it was the site's registry, and what it gave it gave to the login of the map."""
    asked = on.traffic(show=True).requests
    site = names.hosts().site.host
    others = set(asked) - {site, *names_of_it}
    require(asked and not others, f"others were asked as well: {sorted(others)}")
    users = {it.user for it in on.world.fronts[site].requests() if it.status == 200 and it.repository}
    require(users == {"reader"}, f"it gave content to {users}")
