# SPDX-License-Identifier: Apache-2.0
"""A container with a kind node's containerd and nothing else of Kubernetes: it pulls as a node does."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.foundry import kubernetes, nodes
from harness.images.mirrors import CERTS_D, Mirror, MirrorMap, write_hosts
from harness.providers import network
from harness.waiting import until

_IMAGES = "spark-operator-harness/kind-node"
_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class BareNode:
    """`hosts` is the folder in which containerd looks for hosts.toml at each pull, `gateway` this machine's address."""

    name: str
    hosts: Path
    gateway: str

    def lead(self, mirrors: Mapping[str, Mirror]) -> None:
        """Have containerd ask these servers, by registry host."""
        write_hosts(MirrorMap(mirrors=mirrors), self.hosts)

    def pull(self, image: str, *, login: tuple[str, str] | None = None) -> str:
        """Pull as the kubelet does, with a pull secret's login; containerd's error when it failed, else nothing."""
        words = ["--creds", ":".join(login)] if login else []
        done = self._run("crictl", "pull", *words, image)
        return _error(done.stderr) if done.returncode else ""

    def add_name(self, image: str, other: str) -> None:
        """Give an image another name past the kubelet, as an import does, and wait until the runtime knows it."""
        self._run("ctr", "-n", "k8s.io", "images", "tag", image, other)
        until(lambda: self._run("crictl", "inspecti", other).returncode, lambda it: it == 0, what=other, timeout=30)

    def forget(self, image: str) -> None:
        """Remove an image; one that is not there is no error."""
        self._run("crictl", "rmi", image)

    @property
    def containerd(self) -> str:
        """The version of its containerd, without v."""
        return self._run("containerd", "--version").stdout.split()[2].removeprefix("v")

    @property
    def addresses(self) -> list[str]:
        """Its own addresses."""
        return self._run("hostname", "-i").stdout.split()

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "exec", self.name, *words], capture_output=True, text=True, timeout=_SECONDS, check=False
        )


def _error(stderr: str) -> str:
    """The runtime's error out of crictl's log, as the kubelet has it in its events; else all of the log."""
    quoted = re.search(r'\berr=("(?:[^"\\]|\\.)*")', stderr)
    return str(json.loads(quoted[1])) if quoted else stderr.strip()


@contextmanager
def bare_node(
    folder: Path, programs: Path | None = None, *, images: str = "", options: Sequence[str] = ()
) -> Iterator[BareNode]:
    """The container, for as long as the block lasts, with the checkout's configuration of containerd.

    `programs` are containerd's, in the place of those in the image; `images` are further lines of the configuration of
    its image service, `options` further ones of docker run.

    Skips where there is no engine or no node image.
    """
    listed = subprocess.run(
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", _IMAGES],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    plain = [it for it in listed.stdout.split() if "with-images" not in it]
    if listed.returncode or not plain:
        pytest.skip("there is no kind node image on this machine: nox -s bootstrap")
    hosts = folder / "certs.d"
    hosts.mkdir(parents=True)
    name = f"soh-test-{uuid.uuid4().hex[:8]}"
    network.create(name, name)
    try:
        with _container(name, plain[0], hosts, [*_mounts(folder, programs, images), *options]) as made:
            yield made
    finally:
        network.remove(name)


_IMAGE_SERVICE = '[plugins."io.containerd.cri.v1.images"]\n'


def _mounts(folder: Path, programs: Path | None, images: str) -> list[str]:
    config = folder / "config.toml"
    before, table, after = nodes.containerd_config(next(iter(kubernetes.rows().values()))).partition(_IMAGE_SERVICE)
    assert table
    config.write_text(f"{before}{table}{images}\n{after}")
    inside = {config: "/etc/containerd/config.toml"}
    for program in programs.iterdir() if programs else ():
        inside[program] = f"/usr/local/bin/{program.name}"
    return [word for file, path in inside.items() for word in ("--volume", f"{file}:{path}:ro")]


@contextmanager
def _container(name: str, image: str, hosts: Path, mounts: Sequence[str]) -> Iterator[BareNode]:
    def docker(*words: str) -> None:
        subprocess.run(["docker", *words], check=True, capture_output=True, timeout=_SECONDS)

    docker(
        *("run", "--detach", "--name", name, "--network", name, "--privileged", "--tmpfs", "/run", "--volume", "/var"),
        *mounts,
        *("--volume", f"{hosts}:{CERTS_D}:ro", "--entrypoint", "containerd", image),
        *("--config", "/etc/containerd/config.toml"),
    )
    try:
        made = BareNode(name=name, hosts=hosts, gateway=network.gateway(name))
        until(lambda: made._run("crictl", "info").returncode, lambda it: it == 0, what="containerd", timeout=_SECONDS)
        yield made
    finally:
        docker("rm", "--force", "--volumes", name)
