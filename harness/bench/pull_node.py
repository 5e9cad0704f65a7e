# SPDX-License-Identifier: Apache-2.0
"""A kind node that pulls: times taken in the node, all content removed in between, and proof that it is gone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import providers, waiting
from harness.bench.pull_images import Pulled
from harness.errors import HarnessError, HostError, WaitTimeout
from harness.evidence.ledger import cluster_name
from harness.images.mirrors import Mirror, MirrorMap, write_hosts
from harness.kube.cluster import Cluster
from harness.matrix.model import Environment
from harness.providers.base import ClusterSpec, Provider, ProviderTools
from harness.run.resources import Resources
from harness.run.run_host import Host

_EXEC_SECONDS = 60.0
_PULL_SECONDS = 300.0
_GONE_SECONDS = 60.0
_CTR = ("ctr", "--namespace", "k8s.io")
_MARK = "===="
_LOOK = (
    f"ctr -n k8s.io images ls -q; echo {_MARK}; ctr -n k8s.io content ls -q; echo {_MARK}; ctr -n k8s.io snapshots ls"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SOMEWHERE = MirrorMap(mirrors={"not-yet.example.com": Mirror(url="http://127.0.0.1:1")})
"""A map that leads nowhere, so that the provider mounts the folder of hosts.toml files."""

_TIMED = """
began=$(date +%s%N); wrong=0; running=""
for image in "$@"; do crictl --timeout 300s pull "$image" >/dev/null & running="$running $!"; done
for one in $running; do wait "$one" || wrong=1; done
ended=$(date +%s%N); echo $((ended - began)); exit $wrong
"""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node and the folder in which containerd looks for hosts.toml at each pull."""

    provider: Provider
    cluster: Cluster
    hosts: Path
    image: str

    @property
    def name(self) -> str:
        """The node's name."""
        return self.cluster.nodes[0]

    def lead(self, mirrors: Mapping[str, Mirror]) -> None:
        """Make containerd use only these servers, by registry host; without any, the public registries."""
        for file in sorted(self.hosts.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        write_hosts(MirrorMap(mirrors=mirrors), self.hosts)

    def pull(self, references: Sequence[str]) -> float:
        """Pull all of them at once; seconds from the first request to the end of the last, by the node's clock."""
        said = self._run(["sh", "-c", _TIMED, "pull", *references], timeout=_PULL_SECONDS)
        return int(said.split()[-1]) / 1e9

    def require(self, images: Iterable[Pulled], host: str) -> None:
        """Raises HarnessError unless the node has each image with the registry's digest."""
        for image in images:
            reference = image.on(host)
            said = self._run(
                ["crictl", "inspecti", "-o", "go-template", "--template", "{{.status.repoDigests}}", reference]
            )
            if image.digest not in said:
                raise HarnessError(f"the node has {reference} as {said.strip()}, the registry as {image.digest}")

    def clear(self, images: Iterable[Pulled]) -> None:
        """Remove images with their blobs and snapshots, and see that they are gone. Raises HostError when they stay."""
        wanted = list(images)
        parts: frozenset[str] = frozenset().union(*(it.blobs | it.chains for it in wanted))
        repositories = {it.repository for it in wanted}

        def named(names: str) -> list[str]:
            # An image has a name by its tag, one by its digest, and one that is the digest of its configuration.
            return [it for it in names.split() if it in parts or _repository(it) in repositories]

        def left() -> list[str]:
            names, content, snapshots = self._run(["sh", "-c", _LOOK]).split(_MARK)
            return [*named(names), *sorted(parts & {*content.split(), *_DIGEST.findall(snapshots)})]

        present = named(self._run([*_CTR, "images", "ls", "-q"]))
        if present:
            self._run([*_CTR, "images", "rm", "--sync", *present])
        try:
            waiting.until(left, lambda it: not it, what="pulled content to be gone", timeout=_GONE_SECONDS)
        except WaitTimeout as stays:
            raise HostError(f"the node {self.name} keeps content of removed images: {stays.last_seen}") from stays

    def versions(self) -> str:
        """What pulls: containerd and its version."""
        return " ".join(self._run(["containerd", "--version"]).split()[:3])

    def _run(self, argv: Sequence[str], *, timeout: float = _EXEC_SECONDS) -> str:
        done = self.provider.node_exec(self.cluster, self.name, argv, timeout=timeout)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-1500:]
            raise HostError(
                f"{shlex.join(argv[:2])} in {self.name} exited with status {done.returncode}: {said}", "see its output"
            )
        return done.stdout


def _repository(name: str) -> str:
    """The repository in an image's name, without the registry host."""
    path = name.partition("/")[2].partition("@")[0]
    return path.rpartition(":")[0] or path


@contextmanager
def node(resources: Resources, found: Host, environment: Environment, *, timeout: float) -> Iterator[Node]:
    """A cluster of one node without images of ours, for as long as the block lasts. Raises HarnessError."""
    minor = f"kubectl-{environment.minor}"
    programs = {name: tool.path for name, tool in found.tools.items()}
    provider = providers.named(environment.provider)(ProviderTools(programs=programs | {"kubectl": programs[minor]}))
    name = cluster_name(resources.run_id, 1)
    if resources.ledger is None:
        raise HarnessError("the benchmark's ledger is not open")
    image = resources.node_images.image(environment, plain=True).reference
    spec = ClusterSpec(
        name=name,
        run_id=resources.run_id,
        environment=environment,
        node_image=image,
        network=resources.network,
        mirrors=_SOMEWHERE,
        folder=resources.scratch(name),
        timeout=timeout,
    )
    resources.ledger.planned("cluster", name)
    try:
        cluster = provider.create(spec)
        resources.learn_volumes(cluster.nodes)
        yield Node(provider=provider, cluster=cluster, hosts=spec.folder / "certs.d", image=image)
    finally:
        provider.delete(name)
        resources.ledger.gone("cluster", name)
