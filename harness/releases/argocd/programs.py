# SPDX-License-Identifier: Apache-2.0
"""Argo CD's programs as containers on the run's network: Redis, repository server, application controller, and charts.

They run beside the cluster, as Argo CD does that deploys to another cluster than its own. Nothing of them needs a port
of this machine, and each carries the labels by which the leak proof and `harness clean` find containers.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from harness import causes, process
from harness.errors import CommandError, EngineError
from harness.evidence.installation import label_words
from harness.kube.cluster import Cluster
from harness.releases.argocd.objects import NAMESPACE
from harness.releases.charts import Chart
from harness.waiting import until

PARTS = ("redis", "charts", "repo-server", "application-controller")
"""What runs, each as a container of its own, in the order in which it is started."""

_ENGINE_SECONDS = 60.0
_READY_SECONDS = 60.0
_REDIS_PORT = 6379
_REPO_PORT = 8081
_CHARTS_PORT = 8080
_CHARTS = "/charts"
_KUBECONFIG = "/home/argocd/kubeconfig"
# Argo CD's own way to have its controller run beside a cluster (Procfile of argo-cd), and no keys to verify Git by.
_BESIDE = {"ARGOCD_FAKE_IN_CLUSTER": "true", "KUBECONFIG": _KUBECONFIG, "ARGOCD_GPG_ENABLED": "false"}
_HELM = dict.fromkeys(("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"), "/helm-working-dir")
_HEALTH = {"repo-server": 8084, "application-controller": 8082}


@dataclass(frozen=True, kw_only=True)
class ArgoCdImage:
    """What Argo CD is started from: an image of the container engine, its version, and its manifests."""

    reference: str
    version: str
    manifests: tuple[Path, ...]


class Programs:
    """Argo CD's programs for one cluster. `announce` is called with each container's name before it is created."""

    def __init__(
        self, cluster: Cluster, image: ArgoCdImage, *, run_id: str, network: str, announce: Callable[[str], None]
    ) -> None:
        self.image = image
        self._cluster = cluster
        self._run_id = run_id
        self._network = network
        self._announce = announce
        self._started: list[str] = []

    @property
    def repository(self) -> str:
        """The address of the Helm repository that its repository server asks."""
        return f"http://{self._name('charts')}:{_CHARTS_PORT}"

    def start(self, charts: Sequence[Chart]) -> None:
        """Start all of them with these charts to offer, and wait until they answer.

        Raises EngineError with the end of the log of the one that does not; then nothing is left.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="soh-argocd-") as scratch:
                offered = Path(scratch) / "charts"
                write_repository(offered, charts)
                kubeconfig = Path(scratch) / "kubeconfig"
                kubeconfig.write_text(inside(self._cluster))
                kubeconfig.chmod(0o444)
                self._run("redis", ["redis-server", "--save", "", "--protected-mode", "no"])
                self._run(
                    "charts", ["busybox", "httpd", "-f", "-p", str(_CHARTS_PORT), "-h", _CHARTS], offered, _CHARTS
                )
                redis = f"{self._name('redis')}:{_REDIS_PORT}"
                self._run("repo-server", ["argocd", "--redis", redis, "--port", str(_REPO_PORT)])
                repo = f"{self._name('repo-server')}:{_REPO_PORT}"
                words = ["argocd", "--redis", redis, "--repo-server", repo, "--namespace", NAMESPACE]
                self._run("application-controller", words, kubeconfig, _KUBECONFIG)
            for part, port in _HEALTH.items():
                self._await(part, port)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> list[str]:
        """Remove the containers, and return their names; one that no longer exists is no error. Raises EngineError."""
        names, self._started = self._started, []
        if not names:
            return []
        removed = self._docker("rm", "--force", "--volumes", *names, check=False)
        problems = [line for line in removed.stderr.splitlines() if "No such container" not in line]
        if removed.returncode != 0 and problems:
            raise EngineError(f"containers of Argo CD could not be removed: {'; '.join(problems)}", "nox -s clean")
        return names

    def logs(self) -> Mapping[str, str]:
        """Part → what it has logged."""
        found = {}
        for part in PARTS:
            if self._name(part) in self._started:
                said = self._docker("logs", "--timestamps", self._name(part), check=False)
                found[part] = said.stdout + said.stderr
        return found

    def _name(self, part: str) -> str:
        return f"{self._cluster.name}-argocd-{part}"

    def _run(self, part: str, argv: Sequence[str], source: Path | None = None, target: str = "") -> None:
        name = self._name(part)
        variables = {**_BESIDE, **_HELM, "ARGOCD_BINARY_NAME": f"argocd-{part}"}
        self._announce(name)
        self._docker(
            "create", "--name", name, "--hostname", name, "--network", self._network, *label_words(self._run_id),
            *(word for key, value in variables.items() for word in ("--env", f"{key}={value}")),
            self.image.reference, *argv,
        )  # fmt: skip
        # Ours only from here on: a name that is taken belongs to someone else, and stop() must leave that alone.
        self._started.append(name)
        if source is not None:
            # Copied, not mounted: an engine on another machine has no such folder.
            self._docker("cp", str(source), f"{name}:{target}")
        self._docker("start", name)

    def _await(self, part: str, port: int) -> None:
        name = self._name(part)

        def look() -> bool:
            argv = ("exec", name, "busybox", "wget", "-q", "-O", "-", f"http://127.0.0.1:{port}/healthz")
            if self._docker(*argv, check=False).returncode == 0:
                return True
            state = self._docker("inspect", "--format", "{{.State.Status}}", name).stdout.strip()
            if state != "running":
                said = self._docker("logs", "--tail", "20", name, check=False)
                raise EngineError(
                    f"Argo CD's {part} is {state}: {causes.told(said.stderr or said.stdout)}", f"docker logs {name}"
                )
            return False

        until(look, what=f"Argo CD's {part} to answer", timeout=_READY_SECONDS, next_step=f"docker logs {name}")

    def _docker(self, *words: str, check: bool = True) -> process.Completed:
        try:
            return process.call(["docker", *words], timeout=_ENGINE_SECONDS, check=check)
        except CommandError as error:
            raise EngineError(
                f"a container of Argo CD could not be managed: {error.message}", error.next_step
            ) from error


def write_repository(folder: Path, charts: Sequence[Chart]) -> None:
    """Write a Helm repository: the charts, and an index.yaml (https://helm.sh/docs/topics/chart_repository)."""
    folder.mkdir(parents=True)
    entries: dict[str, list[dict[str, Any]]] = {}
    for chart in charts:
        file = folder / f"{chart.name}-{chart.version}.tgz"
        if chart.path.is_dir():
            packed = shutil.make_archive(
                str(folder / "packed"), "gztar", root_dir=chart.path.parent, base_dir=chart.path.name
            )
            Path(packed).rename(file)
        else:
            shutil.copyfile(chart.path, file)
        entries.setdefault(chart.name, []).append({**chart.metadata, "urls": [file.name]})
    (folder / "index.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "entries": entries}))


def inside(cluster: Cluster) -> str:
    """The cluster's kubeconfig for a container beside its first node, whose API server listens on port 6443.

    The certificate is checked for the name that this machine uses.
    """
    document: dict[str, Any] = yaml.safe_load(cluster.kubeconfig.read_text())
    for entry in document["clusters"]:
        outside = urlsplit(entry["cluster"]["server"])
        entry["cluster"] |= {"server": f"https://{cluster.nodes[0]}:6443", "tls-server-name": outside.hostname}
    return str(yaml.safe_dump(document, sort_keys=False))
