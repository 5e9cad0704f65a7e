# SPDX-License-Identifier: Apache-2.0
"""The way out of a refused push that is about neither the login nor the network, by what the registry says.

The words are those of Amazon ECR (TAG_INVALID), Harbor (src/server/middleware: immutable and quota, and
src/controller/proxy), Nexus (groups, redeployment), Azure (locks), Quay (endpoints/v2/errors.py), distribution (a
proxy, or read-only, says 405), and of web servers that stand in front.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from harness.errors import RegistryError
from harness.kube import pull_messages
from harness.late import httpx
from harness.registries.error_words import said
from harness.registries.problems import is_page, refused_by_ghcr
from harness.registries.refused_logins import by_a_firewall, expired

if TYPE_CHECKING:
    from harness.registries.connection import Connection

_NO_RIGHT = (
    "give a token with write access (on GHCR the scope write:packages, in GitHub Actions `packages: write`) with "
    "--token-file or --token-stdin, and check that its owner may write to this package"
)
_TAG = "choose another tag: the repository lets no tag that is there be written again, with --replace neither"
_QUOTA = "have who runs the registry raise the quota of the project, or delete what it no longer needs"
_ONLY_READ = (
    "push to a repository of the registry's own: this one is a cache of another registry, a group of repositories, or "
    "read-only, and takes no pushes"
)
_TOO_LARGE = (
    "have what stands in front of the registry take larger bodies (nginx: client_max_body_size 0; an ingress: "
    "nginx.ingress.kubernetes.io/proxy-body-size), or push to the registry itself"
)
_TYPE = (
    "the registry is too old for what this image is made of (an index of OCI, or an artifact): update it, copy without "
    "signatures and attestations (--no-referrers), or push to another one"
)
_LOST = r"BLOB_UPLOAD_(UNKNOWN|INVALID)"
_SAID = {
    _LOST: (
        "have who runs the registry let its replicas know of each other's uploads: they need the same http.secret and "
        "storage (distribution), or a load balancer that keeps a client with one of them"
    ),
    r"\bMANIFEST_BLOB_UNKNOWN": (
        "copy it again: the registry has lost a part of it since; if that does not help, ask who runs it whether its "
        "replicas share their storage, and what deletes from that"
    ),
    r"disallowed on this registry": (
        "have the image or repository unlocked (az acr repository show --image NAME:TAG has writeEnabled), or choose "
        "another tag"
    ),
    r"DIGEST_INVALID": "copy it again; if that does not help, a proxy in between alters content",
    r"immutable|not allow updating assets": _TAG,
    r"quota|exceed the configured upper limit": _QUOTA,
    r"to a proxy project|deploying to groups": _ONLY_READ,
    r"manifest schema version|(manifest|media) ?type\b.*\b(not|un)|(not|un)supported (manifest|media)": _TYPE,
}


class LostUploadError(RegistryError):
    """A registry no longer knows of an upload that it began, as one of several replicas may not: it can begin anew."""


def refused_push(status: int, told: str) -> str:
    """What to do about a push that is refused so; empty where nothing particular is known."""
    if not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _QUOTA if status == HTTPStatus.INSUFFICIENT_STORAGE else ""
    if step := next((step for words, step in _SAID.items() if re.search(words, told, re.I)), ""):
        return step
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _TOO_LARGE
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return _ONLY_READ
    return _TYPE if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE else ""


def _speaks_json(response: httpx.Response) -> bool:
    """Whether an answer can be a registry's, and not that of a web server without one (`404 page not found`)."""
    return not response.content.strip() or response.content.lstrip().startswith((b"{", b"["))


def push_refused(client: Connection, response: httpx.Response, what: str) -> RegistryError:
    """The error for a refused push: the token needs other rights than for a pull."""
    error = client.answered(response, what)
    step = error.next_step
    if response.status_code in (401, 403) and not is_page(response):
        step = refused_by_ghcr(error.message) or expired(client.host, error.message) or _NO_RIGHT
    # Not of the whole message: a repository may be called acme/immutable.
    told = said(response)
    known = refused_push(response.status_code, told)
    if barred := by_a_firewall(error.message):
        step = barred
    elif known:
        step = known
    elif response.status_code == 404 and not _speaks_json(response):
        step = pull_messages.next_step(pull_messages.NOT_A_REGISTRY, client.host)
    elif response.status_code == 404:
        # Of what is not there, a push asks for nothing but the place to push to.
        step = (
            f"create the repository, or the project that it belongs to, where {client.host} makes none on a push (on "
            "ECR: aws ecr create-repository --repository-name NAME)"
        )
    made = LostUploadError if re.search(_LOST, told) else RegistryError
    return made(error.message, step, status=error.status)
