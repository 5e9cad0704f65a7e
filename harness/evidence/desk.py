# SPDX-License-Identifier: Apache-2.0
"""What a collector works with: the cluster by kubectl and Helm, the folder, and what it keeps for the summary."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import causes
from harness.errors import CommandError, HarnessError
from harness.evidence import observed
from harness.evidence.summary import Seen
from harness.kube.cluster import Cluster
from harness.kube.models import Deployment, Event, Pod
from harness.process import call
from harness.redaction.redactor import Redactor
from harness.verdicts import Finding

_UPLOADABLE = str.maketrans(dict.fromkeys('":<>|*?', "_"))
"""Characters that actions/upload-artifact refuses in names of files: for one of them it uploads nothing at all."""

_CALL_SECONDS = 30.0
_PROBE_SECONDS = 10.0
_HELM_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class EvidenceRequest:
    """Whose evidence to collect, and how to get it.

    `namespaces` are the cell's; `node_logs` writes the nodes' logs into a folder, `registry_logs` returns the access
    logs by registry host, and `argocd_logs` those of Argo CD's programs, where it is used. `parting_logs` is a folder
    with what pods wrote that are gone, as NAMESPACE/POD_CONTAINER.log; it may not be there. `versions` are versions and
    digests by name; `secrets` are values that must not appear. `folder` is the cell's own, `title` the heading of its
    summary.
    """

    cluster: Cluster
    namespaces: Sequence[str]
    operator_namespace: str
    release_name: str
    kubectl: Path
    helm: Path
    folder: Path
    title: str
    node_logs: Callable[[Path], None] | None = None
    registry_logs: Callable[[], Mapping[str, str]] | None = None
    argocd_logs: Callable[[], Mapping[str, str]] | None = None
    parting_logs: Path | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    secrets: Sequence[str] = ()

    @property
    def all_namespaces(self) -> tuple[str, ...]:
        """The cell's and the operator's, without duplicates."""
        return tuple(dict.fromkeys((*self.namespaces, self.operator_namespace)))


class Desk:
    """Gives collectors access to the cluster and the folder; keeps what the summary needs."""

    def __init__(self, request: EvidenceRequest) -> None:
        self.request = request
        self.redactor = Redactor(tuple(request.secrets))
        self._lock = threading.Lock()
        self._pods: list[Pod] = []
        self._events: list[Event] = []
        self._applications: list[observed.Application] = []
        self._deployments: list[Deployment] = []
        self._operator_errors: list[str] = []

    def api_is_away(self) -> str:
        """Why the API server does not answer; empty when it does."""
        try:
            self.kubectl("get", "--raw", "/version", timeout=_PROBE_SECONDS)
        except HarnessError as error:
            return _cause(error)
        return ""

    def kubectl(self, *words: str, timeout: float = _CALL_SECONDS) -> str:
        """The output of kubectl. Raises CommandError with the end of its error output."""
        return self._call(
            self.request.kubectl,
            "--kubeconfig", str(self.request.cluster.kubeconfig), f"--request-timeout={timeout * 0.8:.0f}s", *words,
            timeout=timeout,
        )  # fmt: skip

    def helm(self, *words: str) -> str:
        """Helm's output about the release."""
        request = self.request
        return self._call(
            request.helm,
            *words, request.release_name, "--namespace", request.operator_namespace,
            "--kubeconfig", str(request.cluster.kubeconfig),
            timeout=_HELM_SECONDS,
        )  # fmt: skip

    def listing(self, *words: str) -> dict[str, Any]:
        """A list of objects."""
        answer = json.loads(self.kubectl("get", *words, "--output", "json"))
        return answer if isinstance(answer, dict) else {}

    def write(self, name: str, text: str) -> None:
        """Write a redacted file into the cell's folder, by a name that CI uploads: `host:5000` becomes `host_5000`."""
        path = self.request.folder / name.translate(_UPLOADABLE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.redactor.text(text if text.endswith("\n") else text + "\n"), errors="surrogateescape")

    def saw(
        self,
        *,
        pods: Sequence[Pod] = (),
        events: Sequence[Event] = (),
        applications: Sequence[observed.Application] = (),
        deployments: Sequence[Deployment] = (),
        operator_errors: Sequence[str] = (),
    ) -> None:
        """Keep something for the summary."""
        with self._lock:
            self._pods += pods
            self._events += events
            self._applications += applications
            self._deployments += deployments
            self._operator_errors += operator_errors

    def seen(self) -> Seen:
        """Everything that was kept."""
        with self._lock:
            return Seen(
                pods=tuple(sorted(self._pods, key=lambda pod: (observed.severity(pod), pod.namespace, pod.name))),
                events=tuple(sorted(self._events, key=lambda event: event.at)),
                applications=tuple(self._applications),
                deployments=tuple(self._deployments),
                operator_errors=tuple(self._operator_errors),
            )

    @staticmethod
    def _call(program: Path, *words: str, timeout: float) -> str:
        try:
            return call([program, *words], timeout=timeout).stdout
        except CommandError as error:
            raise CommandError(_cause(error), returncode=error.returncode, stderr=error.stderr) from error


def _cause(error: HarnessError) -> str:
    said = error.stderr.strip() if isinstance(error, CommandError) else ""
    return causes.told(said or error.message)
