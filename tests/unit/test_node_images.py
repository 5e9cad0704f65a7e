# SPDX-License-Identifier: Apache-2.0
"""A node image that the engine cannot pull: whether it is not to be had, or something kept it away.

`docker` is a stand-in, which has no image and says what is to be said of a pull.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import HarnessError, PullError, UnavailableError
from harness.images.mirrors import Mirror, MirrorMap
from harness.matrix import catalogue
from harness.run.node_images import NodeImages
from harness.settings import Settings

KIND, K3D = map(catalogue.load().environment, ("kind-1.34", "k3d-1.34"))
BUSY = (
    "Error response from daemon: toomanyrequests: You have reached your unauthenticated pull rate limit. "
    "https://www.docker.com/increase-rate-limit"
)
NO_NAME = (
    'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on '
    "10.0.0.2:53: no such host"
)
GONE = "Error response from daemon: manifest for kindest/node:v1.34.0 not found: manifest unknown: manifest unknown"


STRANGER = (
    'Error response from daemon: Get "https://harbor.example.com/v2/": tls: failed to verify certificate: x509: '
    "certificate signed by unknown authority"
)


def docker_that_says(folder: Path, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\n[ $1 = pull ] && /bin/cat >&2 <<'E'\n{said}\nE\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("said", "error", "step"),
    [
        (BUSY, PullError, "log in (docker login docker.io)"),
        (NO_NAME, PullError, "check whether docker.io can be reached"),
        (GONE, UnavailableError, "try `docker pull docker.io/kindest/node"),
    ],
)
def test_who_kept_a_node_image_away_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, error: type[HarnessError], step: str
) -> None:
    docker_that_says(tmp_path, said, monkeypatch)
    host: Any = SimpleNamespace(choice=SimpleNamespace(kind="upstream"))
    nobody: Any = None
    with pytest.raises(error, match=r"the node image docker\.io/kindest/node:") as caught:
        NodeImages(Settings(cache_dir=tmp_path), host, nobody, nobody).image(KIND)
    assert step in caught.value.next_step


@pytest.mark.parametrize(("said", "error"), [(STRANGER, PullError), (GONE, UnavailableError)])
def test_what_the_engine_does_not_take_from_a_mirror_is_not_what_the_mirror_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, error: type[HarnessError]
) -> None:
    docker_that_says(tmp_path, said, monkeypatch)
    k3d = {"k3d": SimpleNamespace(version="5.8.3")}
    host: Any = SimpleNamespace(choice=SimpleNamespace(kind="mirror"), tools=k3d)
    url = "https://harbor.example.com/v2/cached"
    source: Any = SimpleNamespace(mirrors=MirrorMap(mirrors={it: Mirror(url=url) for it in ("docker.io", "ghcr.io")}))
    nobody: Any = None
    images = NodeImages(Settings(cache_dir=tmp_path), host, source, nobody)
    with pytest.raises(error, match=r"from the mirror harbor\.example\.com"):
        images.image(KIND)
    with pytest.raises(error, match=r"could not pull ghcr\.io/k3d-io/k3d-tools"):
        images.helper(K3D)
