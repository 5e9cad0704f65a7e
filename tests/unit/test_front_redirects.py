# SPDX-License-Identifier: Apache-2.0
"""Signed addresses of blobs: for one blob, for GET, without a login, and for some minutes."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import pytest

from harness.registries.front.access import Route
from harness.registries.front.auth import Refusal
from harness.registries.front.redirects import GOOD_FOR, SignedBlobs

_BLOB = Route(target="blobs", repository="apache/spark", reference="sha256:" + "0" * 64)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def parts(address: str) -> tuple[str, dict[str, str]]:
    split = urlsplit(address)
    return split.path, dict(parse_qsl(split.query))


def test_an_address_stands_for_its_blob_at_the_other_host() -> None:
    blobs = SignedBlobs("blobs.example", clock=Clock())
    address = blobs.address(_BLOB)

    assert address.startswith("https://blobs.example/")
    assert blobs.blob("GET", *parts(address), {}) == _BLOB


@pytest.mark.parametrize(
    ("method", "changed", "headers", "status", "said"),
    [
        ("HEAD", {}, {}, 403, b"not one for HEAD"),
        ("GET", {}, {"Authorization": "Bearer x"}, 400, b"Only one auth mechanism"),
        ("GET", {"repository": "private/spark"}, {}, 403, b"does not match"),
        ("GET", {"expires": "99999999"}, {}, 403, b"does not match"),
        ("GET", {"signature": ""}, {}, 403, b"does not match"),
    ],
)
def test_what_was_not_signed_is_refused(
    method: str, changed: Mapping[str, str], headers: Mapping[str, str], status: int, said: bytes
) -> None:
    blobs = SignedBlobs("blobs.example", clock=Clock())
    path, query = parts(blobs.address(_BLOB))

    refused = blobs.blob(method, path, {**query, **changed}, headers)

    assert isinstance(refused, Refusal)
    assert refused.status == status
    assert said in refused.body


def test_a_signed_address_expires() -> None:
    clock = Clock()
    blobs = SignedBlobs("blobs.example", clock=clock)
    path, query = parts(blobs.address(_BLOB))
    clock.now += GOOD_FOR + 1

    refused = blobs.blob("GET", path, query, {})

    assert isinstance(refused, Refusal)
    assert b"expired" in refused.body
