# SPDX-License-Identifier: Apache-2.0
"""What requests to the small internet are counted as."""

from __future__ import annotations

import pytest

from harness.internet.requests import kind_of, traffic
from harness.registries.front.access_log import Request

_MANIFEST = "/v2/apache/spark/manifests/4.0.4"


def request(method: str, path: str, status: int, *, host: str = "registry-1.docker.io", size: int = 0) -> Request:
    return Request(time="", method=method, host=host, path=path, status=status, bytes=size, source="", seconds=0)


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", _MANIFEST, 200, "pulls"),
        ("HEAD", _MANIFEST, 200, "heads"),
        ("GET", _MANIFEST, 429, "limited"),
        ("GET", _MANIFEST, 401, "challenges"),
        ("GET", _MANIFEST, 404, "others"),
        ("GET", _MANIFEST, 307, "redirects"),
        ("GET", "/token", 200, "tokens"),
        ("GET", "/token", 401, "challenges"),
        ("GET", "/v2/apache/spark/blobs/sha256:00", 307, "redirects"),
        ("GET", "/blobs/sha256:00", 200, "others"),
    ],
)
def test_what_a_request_counts_as(method: str, path: str, status: int, kind: str) -> None:
    assert kind_of(request(method, path, status)) == kind


def test_pulls_and_bytes_are_told_by_host_the_busiest_first() -> None:
    found = traffic(
        [
            request("GET", "/v2/", 401, host="ghcr.io"),
            request("GET", _MANIFEST, 200, size=1_000_000),
            request("HEAD", _MANIFEST, 200),
            request("GET", _MANIFEST, 200, size=500_000),
        ]
    )

    assert list(found.lines()) == [
        "registry-1.docker.io: 2 counted pulls, 1 HEADs; 1.5 MB",
        "ghcr.io: 1 401; 0.0 MB",
    ]
    assert (found.pulls("registry-1.docker.io"), found.pulls("ghcr.io", "quay.io")) == (2, 0)
