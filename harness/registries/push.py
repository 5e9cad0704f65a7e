# SPDX-License-Identifier: Apache-2.0
"""A registry client that transfers content: blobs through files, manifests byte for byte.

The API is that of the OCI distribution specification 1.1, "Pulling blobs" and "Push".
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import RegistryError
from harness.images import media_types
from harness.kube import pull_messages
from harness.late import httpx
from harness.registries.client import NO_HEAD, RegistryClient, announced
from harness.registries.led_on import MOST, completing, continued, pushed_on
from harness.registries.manifest_shape import require_sound
from harness.registries.pace import ANSWER_SECONDS, Body, Pace, TooSlowError, told
from harness.registries.problems import is_page, of_page, says_page
from harness.registries.refused_pushes import LostUploadError, push_refused
from harness.waiting import pause

_LONGEST_PAUSE = 10.0
_SOME = 4096
"""Bytes by which a blob that broke off has come on."""
_UPLOAD_SECONDS = {"timeout": 10.0, "read": ANSWER_SECONDS, "write": 120.0}
_DIGESTS = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_Sent = TypeVar("_Sent")


@dataclass(frozen=True, kw_only=True)
class RawManifest:
    """A manifest or index as stored in the registry. `content` is its parsed JSON, `raw` its bytes."""

    digest: str
    media_type: str
    raw: bytes
    content: Mapping[str, Any]

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests."""
        return self.media_type in media_types.INDEXES

    @property
    def blobs(self) -> list[Mapping[str, Any]]:
        """The descriptors of configuration and layers; those stored elsewhere, by their `urls`, are omitted."""
        parts = [self.content.get("config"), *(self.content.get("layers") or []), *(self.content.get("blobs") or [])]
        return [it for it in parts if it and not it.get("urls")]

    @property
    def children(self) -> list[str]:
        """The digests of the manifests that an index lists."""
        return [str(it["digest"]) for it in self.content.get("manifests") or []] if self.is_index else []

    @property
    def subject(self) -> str:
        """The digest of its subject, or empty."""
        return str((self.content.get("subject") or {}).get("digest") or "")


class Transfer(RegistryClient):
    """Transfers content from and to one registry. May be used by several threads; `ended` aborts all transfers."""

    def __init__(self, *args: Any, push: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.actions = "pull,push" if push else "pull"
        self.ended = threading.Event()
        self._list_lock = threading.Lock()

    def address(self, repository: str) -> str:
        """The address of a repository: two names with the same address are the same place."""
        return f"{self.root}/{repository}"

    def raw(self, repository: str, identifier: str) -> RawManifest | None:
        """A manifest by tag or digest, its digest verified; None when there is none."""
        response = self.ask("GET", repository, f"manifests/{identifier}")
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise self.answered(response, f"{repository} {identifier}")
        content, media_type = self._read_manifest(response, f"{repository} {identifier}")
        claimed = identifier if ":" in identifier else announced(response)
        digest = digest_of(response.content, claimed.partition(":")[0] or "sha256")
        if claimed not in ("", digest):
            raise RegistryError(
                f"{self.server} sent a manifest with digest {digest} for {repository} {identifier}"
                + ("" if claimed == identifier else f", but announced {claimed}"),
                "a proxy between this machine and the registry alters content, or the registry's storage is corrupt",
                status=200,
            )
        return RawManifest(digest=digest, media_type=media_type, raw=response.content, content=content)

    def digest_at(self, repository: str, identifier: str) -> str:
        """The digest of a tag or digest in the registry, or empty when it does not exist."""
        response = self.ask("HEAD", repository, f"manifests/{identifier}")
        if response.status_code == 404:
            return ""
        if response.status_code in (401, 403, *NO_HEAD):
            # The answer to HEAD has no body, and no registry counts a GET that it refuses.
            response = self.ask("GET", repository, f"manifests/{identifier}")
        if response.status_code == 404:
            return ""
        if response.status_code != 200:
            what = f"{repository} {identifier}"
            raise push_refused(self, response, what) if "push" in self.actions else self.answered(response, what)
        found = announced(response)
        if found:
            return found
        manifest = self.raw(repository, identifier)
        return manifest.digest if manifest else ""

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether the registry has a blob."""
        response = self.ask("HEAD", repository, f"blobs/{digest}")
        if response.status_code not in (200, 404, *NO_HEAD):
            raise self.answered(response, f"the blob {repository}@{digest}")
        return response.status_code == 200

    def download(self, repository: str, digest: str, size: int, file: Path) -> None:
        """Fetch a blob into a file and verify its digest; a partially fetched file is resumed.

        A broken connection is resumed as well, up to `attempts` times that bring next to nothing. Raises RegistryError.
        """
        left = self._attempts
        file.touch()
        while True:
            start = file.stat().st_size
            if start < size:
                try:
                    self._fetch(repository, digest, size, file, start)
                except RegistryError as error:
                    came = file.stat().st_size - start
                    # Half of the rest is something, too: so ends what breaks off in the middle each time.
                    advanced = came >= min(_SOME, (size - start + 1) // 2) and not isinstance(error, TooSlowError)
                    left = self._attempts if advanced else left - 1
                    if error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                        # Some do not give parts: from the beginning, then.
                        file.write_bytes(b"")
                    if error.status in (401, 403, 404) or left <= 0 or self.ended.is_set():
                        raise
                    self._rest(self._attempts - left, "to resume a blob")
                    continue
            there, found = file.stat().st_size, _file_digest(file, digest)
            if (there, found) == (size, digest):
                return
            left -= 1
            if there >= size:
                # Nothing that comes behind wrong content can mend it.
                file.write_bytes(b"")
            if left <= 0:
                raise RegistryError(
                    f"{self.server} sent {there} bytes with digest {found} for the blob {repository}@{digest} "
                    f"of {size} bytes",
                    "the registry's storage is corrupt, or a proxy alters content",
                    status=200,
                )

    def check(self, repository: str, digest: str, *, most: int) -> int:
        """Read a whole blob without storing it, and return its size in bytes. Raises RegistryError for a wrong
        digest, and for more than `most` bytes."""
        hasher = _DIGESTS[_algorithm(digest)]()
        size = 0
        with self._reading(repository, digest, 0) as response:
            for chunk in self._received(response):
                hasher.update(chunk)
                size += len(chunk)
                if size > most:
                    break
        found = f"{_algorithm(digest)}:{hasher.hexdigest()}"
        if found != digest:
            raise RegistryError(
                f"{self.server} sent {size} bytes with digest {found} for the blob {repository}@{digest}",
                "push the image again: the registry's storage is corrupt",
                status=200,
            )
        return size

    def upload(self, repository: str, digest: str, file: Path) -> None:
        """Push a blob in one piece, with retries when the registry fails. Raises RegistryError."""
        self._until_taken(lambda: self._upload(repository, digest, file), "to accept an upload again")

    def put(self, repository: str, identifier: str, manifest: RawManifest) -> None:
        """Push a manifest by tag or digest, with retries when the registry fails; without a referrers API, also add it
        to the tag that lists its subject's referrers."""
        response = self._until_taken(lambda: self._put(repository, identifier, manifest), "to accept a manifest again")
        if manifest.subject and "oci-subject" not in response.headers:
            self._list_under_subject(repository, manifest)

    def _put(self, repository: str, identifier: str, manifest: RawManifest) -> httpx.Response:
        url = f"{self.address(repository)}/manifests/{identifier}"
        response = self._write("PUT", repository, url, content=manifest.raw, media_type=manifest.media_type)
        if response.status_code not in (200, 201):
            raise push_refused(self, response, f"{repository} {identifier}")
        said = announced(response) or manifest.digest
        if said != manifest.digest:
            raise RegistryError(
                f"{self.server} accepted {manifest.digest}, but reports digest {said}",
                "a proxy between this machine and the registry alters content",
                status=response.status_code,
            )
        return response

    def _until_taken(self, send: Callable[[], _Sent], what: str) -> _Sent:
        """What `send` returns, tried again while the registry fails. Raises RegistryError."""
        attempt = 1
        while True:
            try:
                return send()
            except RegistryError as error:
                passes = error.status in (0, 401, 408, 416, 429) or error.status >= 500
                again = passes or isinstance(error, LostUploadError)
                if not again or attempt >= self._attempts or self.ended.is_set():
                    raise
            self._rest(attempt, what)
            attempt += 1

    def _list_under_subject(self, repository: str, manifest: RawManifest) -> None:
        """Maintain the list of an image's referrers, as the specification requires of clients ("Referrers Tag
        Schema")."""
        from harness.registries.referrers import fallback_tag

        tag = fallback_tag(manifest.subject)
        artifact = manifest.content.get("artifactType") or (manifest.content.get("config") or {}).get("mediaType")
        entry = {
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": len(manifest.raw),
            **({"artifactType": artifact} if artifact else {}),
            **({"annotations": it} if (it := manifest.content.get("annotations")) else {}),
        }
        with self._list_lock:
            listed = self.raw(repository, tag)
            # GitLab has the subject itself there.
            is_list = listed is not None and listed.is_index and listed.digest != manifest.subject
            entries = list(listed.content.get("manifests") or []) if listed and is_list else []
            if any(it.get("digest") == manifest.digest for it in entries):
                return
            made = json.dumps(
                {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": [*entries, entry]},
                separators=(",", ":"),
            ).encode()
            self.put(repository, tag, as_manifest(made))

    def _upload(self, repository: str, digest: str, file: Path) -> None:
        begun = self._write("POST", repository, f"{self.address(repository)}/blobs/uploads/", content=b"")
        location = begun.headers.get("location", "").strip()
        if begun.status_code not in (200, 202) or not location:
            what = f"the start of an upload to {repository}"
            raise push_refused(self, begun, what + (", without a Location" if begun.is_success else ""))
        put = completing(self.led_to(str(begun.url), location), digest)
        try:
            response = self._write("PUT", repository, str(put), content=file)
        except RegistryError as error:
            raise error if self.is_own(str(put)) else continued(self, put, error.message) from error
        if response.status_code not in (200, 201, 204) or is_page(response):
            if not self.is_own(str(put)):
                raise continued(self, put, f"it answered {response.status_code}", response.status_code)
            raise push_refused(self, response, f"the blob {repository}@{digest}")

    def _write(
        self, method: str, repository: str, url: str, *, content: bytes | Path, media_type: str = ""
    ) -> httpx.Response:
        """One request with content, also where the registry leads on to another address of its own."""
        for _ in range(MOST):
            response = self._written(method, repository, url, content=content, media_type=media_type)
            if not (target := pushed_on(self, response)):
                break
            url = target
        return response

    def _written(
        self, method: str, repository: str, url: str, *, content: bytes | Path, media_type: str
    ) -> httpx.Response:
        """The same at one address; repeated once after a challenge, with the requested token.

        Another server, to which the registry points for an upload, gets no login.
        """
        scope = self._scope(repository)
        for last in (False, True):
            authorization = self._authorization(scope) if self.is_own(url) else None
            headers = {"Content-Type": media_type or "application/octet-stream"}
            if authorization:
                headers["Authorization"] = authorization
            headers["Content-Length"] = str(content.stat().st_size if isinstance(content, Path) else len(content))
            body = Body(content, self._go_on) if isinstance(content, Path) else content
            request = self._http.build_request(
                method, url, headers=headers, content=body, timeout=httpx.Timeout(**_UPLOAD_SECONDS)
            )
            response = self._answer_to(request, self.server, follow=False, body=body)
            if response.status_code != 401 or last or not self._renewed(response, scope, authorization):
                break
        return response

    def _fetch(self, repository: str, digest: str, size: int, file: Path, start: int) -> None:
        with self._reading(repository, digest, start) as response:
            partial = response.status_code == 206
            with file.open("ab" if partial else "wb") as sink:
                for chunk in self._received(response):
                    sink.write(chunk)
                    if sink.tell() > size:
                        # An answer without an end would fill the disk: whoever asked sees that it is not the blob.
                        break

    @contextmanager
    def _reading(self, repository: str, digest: str, start: int) -> Iterator[httpx.Response]:
        """A blob's content from an offset on; a registry without range support sends all of it, with status 200."""
        url = f"{self.address(repository)}/blobs/{digest}"
        scope = self._scope(repository)
        authorization, led = self._authorization(scope), list[httpx.Response]()
        asked: set[bytes] = set()
        while True:
            # The bytes that the digest is of: a proxy may otherwise compress a configuration, which is JSON.
            headers = {"Accept-Encoding": "identity"} | ({"Authorization": authorization} if authorization else {})
            if start:
                headers["Range"] = f"bytes={start}-"
            try:
                with closing(self._begun(self._http.build_request("GET", url, headers=headers))) as response:
                    response.history = [*led, *response.history]
                    if response.status_code in (200, 206) and not says_page(response):
                        yield response
                        return
                    refusal = self._whole(response, self.server)
            except httpx.HTTPError as error:
                raise self.lost(error) from error
            granted = self._granted(refusal, scope, authorization, asked)
            if granted:
                url, authorization, led = str(refusal.url), granted, refusal.history
                continue
            if is_page(refusal) and refusal.is_success:
                raise of_page(refusal, self._answering(refusal), self.host)
            raise self.answered(refusal, f"the blob {repository}@{digest}")

    def _received(self, response: httpx.Response) -> Iterator[bytes]:
        pace = Pace()
        try:
            for chunk in response.iter_raw():
                self._go_on()
                yield chunk
                if pace.lags(len(chunk)):
                    raise TooSlowError(
                        f"{self._answering(response)} did not send {told()} of a blob",
                        pull_messages.next_step(pull_messages.TIMEOUT, self.host),
                    )
        except httpx.HTTPError as error:
            raise self.lost(error) from error

    def _go_on(self) -> None:
        if self.ended.is_set():
            raise RegistryError(
                f"a transfer with {self.server} was aborted", "start it again: it resumes where it stopped"
            )

    def _rest(self, failures: int, what: str) -> None:
        pause(min(0.25 * 2**failures, _LONGEST_PAUSE), what=f"{self.server} {what}")


def as_manifest(raw: bytes) -> RawManifest:
    """A local manifest or index. In the OCI image specification, `mediaType` is optional."""
    content = json.loads(raw)
    media_type = (
        content.get("mediaType") or (media_types.INDEXES if "manifests" in content else media_types.MANIFESTS)[0]
    )
    require_sound(content, "", digest_of(raw))
    return RawManifest(digest=digest_of(raw), media_type=str(media_type), raw=raw, content=content)


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """The digest of bytes. Raises RegistryError for an algorithm that is not sha256 or sha512."""
    return f"{algorithm}:{_DIGESTS[_algorithm(algorithm + ':')](content).hexdigest()}"


def _algorithm(digest: str) -> str:
    algorithm = digest.partition(":")[0]
    if algorithm not in _DIGESTS:
        raise RegistryError(f"digest algorithm {algorithm} is not supported", "push the image with sha256 digests")
    return algorithm


def _file_digest(file: Path, wanted: str) -> str:
    algorithm = _algorithm(wanted)
    with file.open("rb") as stream:
        return f"{algorithm}:{hashlib.file_digest(stream, _DIGESTS[algorithm]).hexdigest()}"
