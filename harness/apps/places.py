# SPDX-License-Identifier: Apache-2.0
"""Where the applications of --apps go: a namespace, and another one for each that cannot share it.

Two with the same name need two namespaces, and so do two that use different ConfigMaps or Secrets of the same name. An
application finds what it needs in its own file first, then in its folder, then where its own namespace is the same.
One that is annotated to stay goes to the namespace that it names itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from harness.apps.users import UserManifest, UserManifests, applications
from harness.kube.needs import CLAIM, Need, needs

NAMESPACE = "user-apps"
"""The first of them; the others have a number behind it."""


END_SECONDS = 300.0
"""How long an application may take, from its submission on."""

AT_A_TIME = 3
"""Applications: with their executors about what the memory of a small node takes."""


@dataclass
class Place:
    """A namespace, its applications, and what they need by kind and name."""

    namespace: str
    applications: list[UserManifest] = field(default_factory=list)
    helpers: dict[Need, UserManifest] = field(default_factory=dict)

    def takes(self, app: UserManifest, wanted: Mapping[Need, UserManifest]) -> bool:
        """Whether an application can come here, with what it needs."""
        named = any((it.kind, it.name) == (app.kind, app.name) for it in self.applications)
        return not named and all(self.helpers.get(need, it) is it for need, it in wanted.items())

    def needed(self, app: UserManifest) -> UserManifests:
        """What was brought for an application of this place."""
        wanted = needs(app.document.get("spec"))
        return tuple(it for need, it in self.helpers.items() if need in wanted)

    def missing(self, app: UserManifest) -> list[Need]:
        """What an application of this place needs and nobody brought."""
        return sorted((it for it in needs(app.document.get("spec")) if it not in self.helpers), key=str)

    def lacking(self, app: UserManifest) -> str:
        """What an application of this place cannot run without, in words that go on after its name; else empty."""
        missing = self.missing(app)
        if claims := [it for it in missing if it.kind == CLAIM]:
            return f"needs {', '.join(map(str, claims))}, and no run makes volumes"
        if missing:
            return f"needs {', '.join(map(str, missing))}, not found in the folder of --apps"
        return app.unable


def places(manifests: UserManifests) -> list[Place]:
    """All applications, each in the first place that takes it."""
    found: list[Place] = []
    homes: dict[str, Place] = {}
    for app in applications(manifests):
        wanted = _wanted(app, manifests)
        if app.stays:
            place = homes.setdefault(app.home, Place(app.home))
        else:
            fitting = next((it for it in found if it.takes(app, wanted)), None)
            place = fitting or Place(NAMESPACE if not found else f"{NAMESPACE}-{len(found) + 1}")
            found += [] if fitting else [place]
        place.applications.append(app)
        place.helpers.update(wanted)
    return [*found, *homes.values()]


def _wanted(app: UserManifest, manifests: UserManifests) -> dict[Need, UserManifest]:
    found = {}
    for need in needs(app.document.get("spec")):
        named = [it for it in manifests if (it.kind, it.name) == (need.kind, need.name)]
        if named:
            found[need] = min(named, key=lambda it: _distance(app, it))
    return found


def _distance(app: UserManifest, helper: UserManifest) -> tuple[bool, bool, bool]:
    """How far something lies from the application that needs it; the least is the nearest."""
    folders = PurePosixPath(app.file).parent, PurePosixPath(helper.file).parent
    return app.file != helper.file, folders[0] != folders[1], app.home != helper.home
