# SPDX-License-Identifier: Apache-2.0
"""The registries of one cluster: a local ghcr.io and a local docker.io that serve what the foundry built, and a cache.

The cluster is made with them in the place of the public ones, so that all that its nodes ever ask is in their logs.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from harness.images.mirrors import Mirror, MirrorMap
from harness.images.references import ImageReference
from harness.stories.registries import storage

if TYPE_CHECKING:
    from harness.images.credentials import Credentials
    from harness.matrix.release import Release
    from harness.registries.front.server import Front
    from harness.registries.tokens import PackageScope

GHCR: Literal["ghcr.io"] = "ghcr.io"
HUB: Literal["docker.io"] = "docker.io"

NODE_USER = "node"
READ: tuple[PackageScope, ...] = ("read:packages",)

Home = Literal["ghcr.io", "docker.io", "cache"]
"""Where images live: on one of the two registries, or on docker.io with a pull-through cache before it."""


@dataclass(frozen=True, kw_only=True)
class RegistrySetup:
    """How a family's registries are set up. `private`: the packages of ghcr.io; `node_login`: nodes send a login to it;
    `cached`: nodes reach docker.io through a pull-through cache only.
    """

    private: bool = False
    node_login: bool = False
    cached: bool = False


class ClusterRegistries:
    """The registries, running as long as the block. `storage` has one folder a registry host, as the foundry keeps it;
    `gateway` is this machine's address for the nodes. Entering raises HostError, UnavailableError.
    """

    def __init__(
        self,
        setup: RegistrySetup,
        *,
        release: Release,
        copy: Release,
        spark: str,
        storage: Path,
        binary: Path,
        gateway: str,
        folder: Path,
        login: Credentials | None = None,
    ) -> None:
        """`copy` is the release as a site has it on docker.io, `login` one that docker.io is to take."""
        # Late, since a web server is slow to import.
        from harness.registries.front.profile import profile
        from harness.registries.front.server import Front

        self.setup = setup
        self.release = release
        self.copy = copy
        self.spark = ImageReference.parse(spark)
        self._storage = storage
        self._binary = binary
        self._gateway = gateway
        self._folder = folder
        visibility: Literal["private", "public"] = "private" if setup.private else "public"
        self.ghcr = Front(
            profile(GHCR),
            folder=folder / GHCR,
            binary=binary,
            addresses=[gateway],
            packages={"*": visibility},
            users={NODE_USER: READ},
        )
        self.hub = Front(
            profile(HUB), folder=folder / HUB, binary=binary, addresses=[gateway], packages={"*": "public"}, users={}
        )
        self._login = login.password.get_secret_value() if login else ""
        if login is not None:
            self.hub.issue(login.username, READ, secret=login.password.get_secret_value())
        self._stack = ExitStack()
        self._cache = Mirror(url=f"http://{gateway}")
        self._issued: list[str] = []

    def __enter__(self) -> Self:
        from harness.registries.local import serve

        self._lay_out()
        with ExitStack() as stack:
            stack.enter_context(self.ghcr)
            stack.enter_context(self.hub)
            if self.setup.cached:
                cache = stack.enter_context(
                    serve(
                        self._binary,
                        self._folder / "cache",
                        self._folder / "cache.log",
                        address=self._gateway,
                        cache_of=f"https://{self.hub.address}",
                        ca=self.hub.ca,
                    )
                )
                self._cache = Mirror(url=cache.url)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def mirrors(self, others: MirrorMap) -> MirrorMap:
        """What the cluster's nodes are told: these registries for their hosts, and `others` for the rest."""
        own = {
            GHCR: self.ghcr.mirror(NODE_USER if self.setup.node_login else ""),
            HUB: self._cache if self.setup.cached else self.hub.mirror(),
        }
        return MirrorMap(mirrors={**others.mirrors, **own})

    def front(self, host: str) -> Front:
        """The registry that stands for a host. Raises KeyError for another one."""
        return {GHCR: self.ghcr, HUB: self.hub}[host]

    @property
    def secrets(self) -> list[str]:
        """Every token that was ever good, or was given out as one, for redaction."""
        known = [*self.ghcr.accounts.secrets, *self.hub.accounts.secrets, *self._issued]
        # What the run's own registries take for a login is the run's id, which is no secret.
        return [it for it in dict.fromkeys(known) if it and it != self._login]

    @property
    def logs(self) -> list[Path]:
        """What the registries have written."""
        fronts = [self.ghcr, self.hub]
        files = [
            *(it.log_file for it in fronts),
            *(it.folder / "storage.log" for it in fronts),
            self._folder / "cache.log",
        ]
        return [it for it in files if it.exists()]

    def note_secret(self, secret: str) -> None:
        """Add one to those that must not be shown."""
        self._issued.append(secret)

    def spark_at(self, home: Home) -> str:
        """The Spark image where it lives in this story: upstream's own name, or that of a copy on ghcr.io."""
        repository = f"{GHCR}/{self._copied_spark}" if home == GHCR else f"{HUB}/{self.spark.repository}"
        return f"{repository}:{self.spark.tag}"

    def another(self, image: str, *, label: str) -> str:
        """An image like this one that no node has: other manifest and configuration, same layers; its reference."""
        name = ImageReference.parse(image)
        tag = f"{name.tag}-{label}"
        storage.restamp(self._folder / name.registry / "storage", name.repository, name.tag, tag, label=label)
        return f"{name.registry}/{name.repository}:{tag}"

    @property
    def _copied_spark(self) -> str:
        return f"kubeflow/{self.spark.repository.rpartition('/')[2]}"

    def _lay_out(self) -> None:
        for host in (GHCR, HUB):
            for repository in storage.stored_repositories(self._storage / host):
                storage.share(self._storage / host, repository, self._folder / host / "storage")
        release, copy = self.release, self.copy
        copies: list[tuple[str, str, str, str]] = [
            (self.spark.registry, self.spark.repository, GHCR, self._copied_spark),
            (release.registry, release.repository, HUB, copy.repository),
        ]
        if release.hook_image:
            copies.append((release.hook_registry, release.hook_repository, HUB, copy.hook_repository))
        for origin, repository, target, name in copies:
            storage.share(self._storage / origin, repository, self._folder / target / "storage", name)
