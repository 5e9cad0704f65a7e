# SPDX-License-Identifier: Apache-2.0
"""Image references, parsed as container engines do: `spark:3` is `docker.io/library/spark:3`.

The grammar is that of github.com/distribution/reference (reference.go, normalize.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from harness.errors import UsageError

DOCKER_HUB = "docker.io"
HUB_SERVERS = ("index.docker.io", "registry-1.docker.io")
"""Names of Docker Hub's servers, which are hardly used in image names: those have `docker.io`. Nodes read the first one
in a name as `docker.io`, and the second one as a host of its own (containerd 2.2.9, core/remotes/docker)."""

PUBLIC_HOSTS = (DOCKER_HUB, "ghcr.io", "registry.k8s.io")
"""The hosts from whose public registries the images of cells come."""

HUB_CACHES = frozenset({"mirror.gcr.io"})
"""Public caches of Docker Hub, which nobody can push to
(https://cloud.google.com/artifact-registry/docs/pull-cached-dockerhub-images)."""

_MAX_NAME = 255
_DOMAIN_PART = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True, kw_only=True)
class ImageReference:
    """A normalised image reference. `tag` or `digest` may be empty, never both."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Parse a reference written by a user, a chart or containerd; without tag and digest, the tag is `latest`.

        Raises UsageError that names the invalid part.
        """
        rest = text
        if not rest.strip():
            raise _wrong(text, "it is empty")
        if rest != rest.strip():
            raise _wrong(text, "it has blanks around it, with which nodes refuse it", f"write {rest.strip()!r}")
        if "://" in rest:
            host, slash, path = rest.split("://", 1)[1].partition("/")
            # A login before the host is told to nobody.
            raise _wrong(text, "it starts with a URL scheme", f"write {host.rpartition('@')[2]}{slash}{path}")
        rest, at, digest = rest.partition("@")
        if at:
            _check_digest(text, digest)
        tag = ""
        # A colon behind the last slash begins a tag; before it, a port.
        head, colon, tail = rest.rpartition(":")
        if colon and "/" not in tail:
            rest, tag = head, tail
            if not _TAG.fullmatch(tag):
                raise _wrong(text, f"the tag {tag!r} is not 1 to 128 characters of letters, digits, '_', '.' and '-'")
        registry, repository = _split(rest)
        if registry != DOCKER_HUB and not _DOMAIN.fullmatch(registry):
            raise _wrong(text, f"{registry!r} is not a registry host")
        _check_repository(text, repository)
        if len(repository) > _MAX_NAME:
            raise _wrong(text, f"its name without the host is longer than {_MAX_NAME} characters")
        return cls(registry=registry, repository=repository, tag=tag or ("" if digest else "latest"), digest=digest)

    @property
    def name(self) -> str:
        """Registry and repository: `docker.io/library/spark`."""
        return f"{self.registry}/{self.repository}"

    @property
    def identifier(self) -> str:
        """The identifier for requests to a registry: the digest, else the tag."""
        return self.digest or self.tag

    @property
    def canonical(self) -> str:
        """The whole reference: `docker.io/library/spark:3`."""
        return self.name + self._suffix

    @property
    def familiar(self) -> str:
        """The short form that `docker` prints: `spark:3`."""
        if self.registry != DOCKER_HUB:
            return self.canonical
        short = self.repository.removeprefix("library/")
        return (short if "/" not in short else self.repository) + self._suffix

    def pinned(self, digest: str) -> ImageReference:
        """The same image by its digest."""
        _check_digest(f"{self.name}@{digest}", digest)
        return replace(self, digest=digest)

    def at(self, registry: str) -> ImageReference:
        """The same repository and tag on another registry host."""
        return ImageReference.parse(f"{registry}/{self.repository}{self._suffix}")

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.canonical


def is_tagged(text: str) -> bool:
    """Whether a reference, as written, has an explicit tag."""
    return ":" in text.partition("@")[0].rpartition("/")[2]


def ends_of_copy(src: str, dst: str) -> tuple[ImageReference, ImageReference]:
    """The names of a copy's ends: where `dst` has no tag, it gets that of `src`, or its digest. Raises UsageError."""
    image, to = ImageReference.parse(src), ImageReference.parse(dst)
    if not is_tagged(dst) and not to.digest:
        to = replace(to, tag=image.tag, digest="" if image.tag else image.digest)
    return image, to


def names_host(name: str) -> bool:
    """Whether the first part of a name is a registry host: `acme.azurecr.io/spark`."""
    first, slash, _ = name.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())


def is_digest(text: object) -> bool:
    """Whether this is a digest: an algorithm, a colon and hexadecimal digits, as many as the algorithm has.

    Both in lower case, and of an algorithm that the OCI image specification registers (descriptor.md): nodes take no
    others (containerd, by github.com/opencontainers/go-digest).
    """
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def image_host(server: str) -> str:
    """The host in image names for this server: `docker.io` for each of Docker Hub's servers."""
    return DOCKER_HUB if server in HUB_SERVERS else server


def is_loopback(hostname: str) -> bool:
    """Whether a host is this machine itself, about which a proxy of the environment has no say."""
    return hostname in ("localhost", "::1", "[::1]") or re.fullmatch(r"127(\.\d+){3}", hostname) is not None


def _split(name: str) -> tuple[str, str]:
    first, _, rest = name.partition("/")
    registry, repository = (first, rest) if names_host(name) else (DOCKER_HUB, name)
    if registry == "index.docker.io":
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository


def _check_repository(text: str, repository: str) -> None:
    for component in repository.split("/"):
        if not component:
            raise _wrong(text, "a part of its name is empty")
        if component != component.lower():
            raise _wrong(text, f"{component!r} has capital letters", f"write {component.lower()!r}")
        if not _COMPONENT.fullmatch(component):
            raise _wrong(text, f"{component!r} is not letters and digits, joined by '.', '_', '__' or '-'")
    if re.fullmatch(r"(library/)?[0-9a-f]{64}", repository):
        raise _wrong(text, "64 hexadecimal digits are an image id, not a name")


def _check_digest(text: str, digest: str) -> None:
    if not is_digest(digest):
        raise _wrong(
            text,
            f"the digest {digest!r} is not an algorithm, a colon and its hexadecimal digits",
            "a SHA-256 digest is sha256: and 64 digits of 0-9a-f",
        )


def _wrong(text: str, what: str, next_step: str = "") -> UsageError:
    return UsageError(
        f"{text!r} is not an image reference: {what}",
        next_step or "write it like ghcr.io/owner/name:tag or name@sha256:…",
    )
