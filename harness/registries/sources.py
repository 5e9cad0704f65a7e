# SPDX-License-Identifier: Apache-2.0
"""Image sources: public registries, their mirrors, or the foundry."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from types import MappingProxyType
from typing import Protocol, Self

from harness.errors import HarnessError, RegistryError, UnaskedError, UnavailableError
from harness.images import logins
from harness.images.architecture import of_nodes
from harness.images.credentials import Credentials
from harness.images.logins import TokenFile
from harness.images.mirrors import Mirror, MirrorMap
from harness.images.references import ImageReference
from harness.registries.image_records import ImageRecord, Provenance
from harness.registries.push import Transfer
from harness.settings import Settings, SourceKind

_PREFLIGHT_THREADS = 8
_MAY_BE_PRIVATE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_ABOUT_AN_IMAGE = (HTTPStatus.OK, *_MAY_BE_PRIVATE)


class Source(Protocol):
    """One place to get images from. May be used by several threads."""

    @property
    def kind(self) -> SourceKind:
        """upstream, mirror or foundry."""

    @property
    def mirrors(self) -> MirrorMap:
        """The mirrors to configure on the nodes; empty for the public registries."""

    def resolve(self, reference: str) -> ImageRecord:
        """Ask the registry that answers for an image's digest. Raises UnavailableError with the registry's answer."""

    def digests(self, reference: str) -> frozenset[str]:
        """Every digest that a node may report for the pulled image. Raises UnavailableError."""

    def describe(self) -> str:
        """A description of the source, for messages."""

    def close(self) -> None:
        """Close the connections."""


class _Registries:
    """What the three sources share: a client per host, and cached answers."""

    kind: SourceKind
    remembers_absence = False
    """Whether missing images are cached too: not where they may be pushed in the meantime."""

    def __init__(self, mirrors: MirrorMap, *, timeout: float = 10.0, provenance: Provenance | None = None) -> None:
        self._mirrors = mirrors
        self._provenance = provenance or Provenance()
        self._timeout = timeout
        self._lock = threading.Lock()
        self._clients: dict[str, Transfer] = {}
        self._records: dict[str, ImageRecord] = {}
        self._absent: dict[str, UnavailableError] = {}
        self._learnt: dict[str, frozenset[str]] = {}
        self._not_run: dict[str, str] = {}

    @property
    def mirrors(self) -> MirrorMap:
        return self._mirrors

    def resolve(self, reference: str) -> ImageRecord:
        record = self._record(ImageReference.parse(reference))
        return record.without(self._not_run.get(record.reference, ""))

    def _record(self, image: ImageReference) -> ImageRecord:
        with self._lock:
            known, absent = self._records.get(image.canonical), self._absent.get(image.canonical)
        if known:
            return known
        if absent:
            raise absent
        try:
            digest = self.for_image(image).head(image).digest
        except RegistryError as error:
            missing = self._missing(image, error)
            if self.remembers_absence and error.status == 404:
                with self._lock:
                    self._absent[image.canonical] = missing
            raise missing from error
        record = ImageRecord(
            reference=image.canonical,
            digest=digest,
            registry=image.registry,
            obtained=self._provenance.told(image.canonical, self._obtained(image.registry)),
        )
        with self._lock:
            return self._records.setdefault(image.canonical, record)

    def learn(self, reference: str, digests: frozenset[str], others: Sequence[str] = ()) -> None:
        """Have the digests of an image whose manifests have been read: reading them again may count as a pull.

        `others` are its platforms that nodes here do not run, which records of it say from then on.
        """
        with self._lock:
            self._learnt[reference] = digests
            self._not_run[reference] = ", ".join(others)

    def digests(self, reference: str) -> frozenset[str]:
        image = ImageReference.parse(reference)
        with self._lock:
            learnt = self._learnt.get(image.canonical)
        if learnt:
            return learnt
        try:
            found, others = self.for_image(image).on_node(image, platform=of_nodes())
        except RegistryError as error:
            raise self._missing(image, error) from error
        with self._lock:
            self._not_run[image.canonical] = ", ".join(others)
        return found

    def client(self, host: str) -> Transfer:
        """The client for a registry host. Raises UnavailableError when this source has no server for it."""
        with self._lock:
            if host not in self._clients:
                self._clients[host] = self._connect(host)
            return self._clients[host]

    def for_image(self, image: ImageReference) -> Transfer:
        """The client that an image is asked for with. Raises UnavailableError as `client`."""
        return self.client(image.registry)

    def close(self) -> None:
        """Close the connections; they are reopened when needed."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self, host: str) -> Transfer:
        raise NotImplementedError

    def _missing(self, image: ImageReference, error: RegistryError) -> UnavailableError:
        raise NotImplementedError

    def _obtained(self, host: str) -> str:
        return self.kind


class Upstream(_Registries):
    """The public registries, with this machine's logins."""

    kind: SourceKind = "upstream"

    def __init__(
        self,
        local: MirrorMap | None = None,
        *,
        timeout: float = 10.0,
        provenance: Provenance | None = None,
        rehearsed: bool = False,
        token_files: Mapping[str, TokenFile] = MappingProxyType({}),
    ) -> None:
        """`local` has the run's own registries, for hosts that are nobody else's; `token_files` those of [logins]."""
        own = MirrorMap(mirrors=local.mirrors, others_open=True) if local else MirrorMap()
        super().__init__(own, timeout=timeout, provenance=provenance)
        self._rehearsed = rehearsed
        self._token_files = token_files
        self._anonymous: dict[str, Transfer] = {}
        self._no_login: dict[str, str] = {}
        self._for_image: dict[str, Transfer] = {}

    def for_image(self, image: ImageReference) -> Transfer:
        """The client of its registry; without a login where the registry refuses that and gives the image to anybody.

        A token that expired is refused for public images, too (GHCR), which nodes pull without one.
        """
        client = self._own(image)
        if not client.has_login:
            return client
        with self._lock:
            known = self._for_image.get(image.name)
        if known is None:
            refused = _status(client, image) in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
            anybody = self.anonymous(image.registry) if refused else client
            known = anybody if refused and _status(anybody, image) == HTTPStatus.OK else client
            with self._lock:
                self._for_image[image.name] = known
        return known

    def _own(self, image: ImageReference) -> Transfer:
        """The client with the login that this machine has for a part of the registry, or for all of it."""
        host = image.registry
        part = "" if host in self.mirrors.mirrors else logins.namespace(host, self._token_files, image.repository)
        if not part:
            return self.client(host)
        with self._lock:
            name = f"{host}/{part}"
            if name not in self._clients:
                login, self._no_login[host] = logins.for_pulls(host, self._token_files, part)
                self._clients[name] = self._connect_as(host, login)
            return self._clients[name]

    def anonymous(self, host: str) -> Transfer:
        """The client for a registry host without a login; of the run's own registries there is only one."""
        if host in self.mirrors.mirrors:
            return self.client(host)
        with self._lock:
            if host not in self._anonymous:
                self._anonymous[host] = self._connect_as(host, None)
            return self._anonymous[host]

    def close(self) -> None:
        """Close the connections; they are reopened when needed."""
        super().close()
        with self._lock:
            clients, self._anonymous = list(self._anonymous.values()), {}
            self._for_image = {}
        for client in clients:
            client.close()

    def describe(self) -> str:
        """The source in words."""
        return "upstream: images are pulled from the public registries"

    def _obtained(self, host: str) -> str:
        return "upstream (rehearsed)" if self._rehearsed else self.kind

    def _connect(self, host: str) -> Transfer:
        mirror = self.mirrors.mirrors.get(host)
        if mirror is not None:
            return Transfer(mirror, host, timeout=self._timeout)
        login, self._no_login[host] = logins.for_pulls(host, self._token_files)
        return self._connect_as(host, login)

    def _connect_as(self, host: str, credentials: Credentials | None) -> Transfer:
        return Transfer(None, host, credentials=credentials, timeout=self._timeout)

    def _missing(self, image: ImageReference, error: RegistryError) -> UnavailableError:
        why = self._no_login.get(image.registry) if error.status in _MAY_BE_PRIVATE else ""
        step = f"it was asked for without a login, since {why}; {error.next_step}" if why else error.next_step
        return _retold(f"{image.canonical} is not available", error, step)


class Mirrored(_Registries):
    """The servers of the mirror map, and no others."""

    kind: SourceKind = "mirror"
    remembers_absence = True

    def describe(self) -> str:
        """The source in words."""
        pairs = [f"{host} from {mirror.reachable_url}" for host, mirror in self.mirrors.mirrors.items()]
        return f"mirror: images of {', '.join(pairs)}"

    def _connect(self, host: str) -> Transfer:
        mirror = _mirror_for(host, self.mirrors, f'add [mirrors."{host}"] with its url to harness.toml')
        # Nothing but the mirror's own login: the nodes know no other, and what we can pull they must be able to pull.
        return Transfer(mirror, host, timeout=self._timeout)

    def _missing(self, image: ImageReference, error: RegistryError) -> UnavailableError:
        step = f"copy {image.canonical} to the mirror; {error.next_step}" if error.status == 404 else error.next_step
        return _retold(f"{image.canonical} is not available", error, step)

    def _obtained(self, host: str) -> str:
        return f"mirror {self.mirrors.mirrors[host].url}"


class Foundry(_Registries):
    """Images that the foundry built, served by the run's own registries under their real names."""

    kind: SourceKind = "foundry"

    def describe(self) -> str:
        """The source in words."""
        return "foundry: images are built here from package registries and served by local registries"

    def _connect(self, host: str) -> Transfer:
        mirror = _mirror_for(
            host,
            self.mirrors,
            "for releases that were copied there (a [[relocation]] row), run `nox -s bootstrap` with the run's --env "
            "and --path; else use --source upstream",
        )
        return Transfer(mirror, host, timeout=self._timeout)

    def _missing(self, image: ImageReference, error: RegistryError) -> UnavailableError:
        step = error.next_step
        if error.status == 404:
            step = (
                f"{step}; build what is missing: nox -s bootstrap, with the run's --env and --path after `--`; "
                "what the foundry has: harness foundry list"
            )
        return _retold(f"the foundry has no image {image.canonical}", error, step)


class Unasked:
    """Images that the nodes of a user's cluster have, or pull, from where nobody said: no registry can be asked."""

    kind: SourceKind = "foundry"
    mirrors = MirrorMap()

    def resolve(self, reference: str) -> ImageRecord:
        """Raise UnaskedError."""
        raise _nobody(reference)

    def digests(self, reference: str) -> frozenset[str]:
        """Raise UnaskedError."""
        raise _nobody(reference)

    def describe(self) -> str:
        """The source in words."""
        return "the nodes have the images, or know where to pull them"

    def close(self) -> None:
        """There are no connections."""


def _nobody(reference: str) -> UnaskedError:
    return UnaskedError(
        f"it is not known which registry the cluster's nodes pull {reference} from",
        "give --source upstream, or --source mirror with the mirrors of the nodes in harness.toml",
    )


def source_for(
    kind: SourceKind, settings: Settings, *, local: MirrorMap | None = None, provenance: Provenance | None = None
) -> Source:
    """The source of this kind; `local` maps hosts to the run's own registries: all of the foundry's, and that of the
    operator under test.
    """
    own = local.mirrors if local else {}
    if kind == "upstream":
        return Upstream(local, provenance=provenance, rehearsed=settings.rehearsed, token_files=settings.logins)
    if kind == "mirror":
        return Mirrored(MirrorMap(mirrors={**settings.mirror_map.mirrors, **own}), provenance=provenance)
    return Foundry(local or MirrorMap(), provenance=provenance)


def preflight(source: Source, references: Iterable[str]) -> dict[str, UnavailableError | None]:
    """Reference → why it is not available, None if it is; each is requested once, all in parallel."""
    wanted = list(dict.fromkeys(references))
    if not wanted:
        return {}
    with ThreadPoolExecutor(min(_PREFLIGHT_THREADS, len(wanted))) as pool:
        return dict(zip(wanted, pool.map(lambda it: _problem(source, it), wanted), strict=True))


def is_trouble(error: HarnessError) -> bool:
    """Whether this is the fault of neither an image nor a login: a network, a registry that fails, or a limit."""
    if isinstance(error, RegistryError):
        return error.status not in _ABOUT_AN_IMAGE
    return not isinstance(error, UnavailableError)


def _problem(source: Source, reference: str) -> UnavailableError | None:
    try:
        source.resolve(reference)
    except UnavailableError as error:
        return error
    return None


def _mirror_for(host: str, mirrors: MirrorMap, next_step: str) -> Mirror:
    if host not in mirrors.mirrors:
        there = ", ".join(mirrors.mirrors) or "no registry host"
        raise RegistryError(f"there is no mirror for {host}: the mirror map has {there}", next_step)
    return mirrors.mirrors[host]


def _status(client: Transfer, image: ImageReference) -> int:
    """What a registry answers for an image; 0 where it does not."""
    try:
        client.head(image)
    except RegistryError as error:
        return error.status
    return HTTPStatus.OK


def _retold(what: str, error: RegistryError, next_step: str) -> RegistryError:
    return RegistryError(f"{what}: {error.message}", next_step, status=error.status)
