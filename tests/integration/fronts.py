# SPDX-License-Identifier: Apache-2.0
"""What tests of the local registries share: a real crane that is logged in or not, and images to push."""

from __future__ import annotations

import os
import ssl
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import httpx

from harness.registries.front.server import Front

LAYER = os.urandom(300_000)
"""Does not compress, so that its blob is about as long."""


@dataclass(frozen=True, kw_only=True)
class Crane:
    """crane with a configuration of its own, which trusts the CA of a front."""

    program: Path
    front: Front
    home: Path

    def __call__(self, *words: str, stdin: str = "") -> str:
        """Run it and return what it said, on both streams. Raises AssertionError with that when it fails."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def fails(self, *words: str, stdin: str = "") -> str:
        """Run it, expect that it fails, and return what it said."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SSL_CERT_FILE": str(self.front.ca), "DOCKER_CONFIG": str(self.home / "docker")}
        return subprocess.run(
            [self.program, *words], env=environment, input=stdin, capture_output=True, text=True, timeout=120
        )

    def login(self, user: str, token: str = "") -> None:
        """Log in with the user's own token, or another."""
        secret = token or self.front.accounts.of(user).secret
        self("auth", "login", self.front.address, "-u", user, "--password-stdin", stdin=secret)

    def logout(self) -> None:
        self("auth", "logout", self.front.address)

    def push(self, name: str) -> str:
        """Push an image with one layer of LAYER and return its reference; whoever is logged in."""
        done = self("append", "--new_layer", str(self._layer()), "--new_tag", self.reference(name))
        assert "@sha256:" in done
        return self.reference(name)

    def push_fails(self, name: str) -> str:
        return self.fails("append", "--new_layer", str(self._layer()), "--new_tag", self.reference(name))

    def pull_fails(self, name: str) -> str:
        return self.fails("pull", self.reference(name), str(self.home / "pulled.tar"))

    def pull(self, name: str) -> None:
        self("pull", self.reference(name), str(self.home / "pulled.tar"))

    def reference(self, name: str) -> str:
        return f"{self.front.address}/{name}"

    def _layer(self) -> Path:
        layer = self.home / "layer.tar"
        if not layer.exists():
            content = self.home / "content"
            content.write_bytes(LAYER)
            with tarfile.open(layer, "w") as archive:
                archive.add(content, "content")
        return layer


def browser(front: Front, user: str = "") -> httpx.Client:
    """An HTTP client on this machine that trusts the front, and sends a user's token as its password."""
    auth = (user, front.accounts.of(user).secret) if user else None
    return httpx.Client(
        base_url=f"https://{front.address}",
        verify=ssl.create_default_context(cafile=str(front.ca)),
        auth=auth,
        trust_env=False,
    )
