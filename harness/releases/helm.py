# SPDX-License-Identifier: Apache-2.0
"""Helm through pyhelm3, made synchronous: one call, one process, one deadline, errors that say what to do next.

pyhelm3 knows Helm's command lines and what comes back; this module keeps its traps shut. Programs are started by
harness.process (pyhelm3 has no process timeout and goes through a shell), values are merged before the call (pyhelm3
would join lists, where Helm replaces them), no namespace is created unasked, and the version is asked once a binary.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import semver

from harness import causes, process
from harness.errors import ClusterError, CommandTimeout, ReleaseError, ToolError
from harness.releases.charts import Chart

if TYPE_CHECKING:
    import pyhelm3

    from harness.releases.helm_command import HelmCommand

T = TypeVar("T")

_LOCAL_SECONDS = 60.0
_SLACK_SECONDS = 15.0
"""How much longer than its own --timeout Helm may live, for what it does before and after waiting."""

NEUTRAL = dict.fromkeys(
    (
        *(
            "HELM_DRIVER",
            "HELM_NAMESPACE",
            "HELM_KUBECONTEXT",
            "HELM_KUBEAPISERVER",
            "HELM_KUBETOKEN",
            "HELM_KUBEASUSER",
        ),
        *("HELM_KUBEASGROUPS", "HELM_KUBECAFILE", "HELM_KUBETLS_SERVER_NAME", "HELM_KUBEINSECURE_SKIP_TLS_VERIFY"),
        *("HELM_MAX_HISTORY", "HELM_DEBUG", "HELM_BURST_LIMIT", "HELM_QPS"),
    ),
    "",
)
"""The user's Helm variables that would send a call to another cluster, namespace or store, or keep fewer revisions than
a rollback needs (Helm 3.22, pkg/cli/environment.go: an empty one counts as none)."""


class HelmError(ReleaseError):
    """Helm ended with an error. `stderr` is what it said."""

    def __init__(self, message: str, next_step: str = "", *, stderr: str = "") -> None:
        super().__init__(message, next_step)
        self.stderr = stderr


class NoSuchRelease(HelmError):
    """There is no Helm release of that name."""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One revision of a Helm release. `chart` is `<name>-<version>`; `updated` is Helm's own text."""

    name: str
    namespace: str
    number: int
    status: str
    updated: str
    chart: str
    app_version: str
    description: str


@dataclass(frozen=True)
class _Advice:
    pattern: str
    next_step: str


_AWAY = re.compile(r"kubernetes cluster unreachable|connection refused|no route to host|etcdserver|i/o timeout", re.I)
_ADVICE = (
    _Advice(
        r"another operation .* is in progress", "an earlier call was interrupted: uninstall or roll back the release"
    ),
    _Advice(
        r"invalid ownership metadata|already exists", "another install left this object: remove it, or that install"
    ),
    _Advice(
        r"conflict with \"",
        "somebody else manages these fields: put what was changed by hand into the values, and repeat it with "
        "--force-conflicts; for CRDs at an install, --skip-crds leaves them alone",
    ),
    _Advice(
        r"template|render|nil pointer|execution error|don't meet the specifications of the schema",
        "the values do not fit this chart: compare them with the chart's values.yaml",
    ),
    _Advice(r"incompatible with Kubernetes", "choose an environment that the chart's kubeVersion allows"),
    _Advice(r"namespaces? .* not found", "create the namespace first"),
    _Advice(r"forbidden", "the kubeconfig's user lacks a right: an install needs cluster-admin"),
    _Advice(r"timed out|deadline exceeded", "see the events and the pods of the namespace"),
    _Advice(r"no matches for kind", "a CustomResourceDefinition is missing: see the chart's crds/"),
)


class Helm:
    """One Helm binary and one cluster. Every method starts at most two processes; instances are thread-safe.

    `kubeconfig` may be None where no cluster is needed (rendering). Methods raise HelmError with Helm's own words,
    ClusterError when Helm could not reach the API server, CommandTimeout, and ToolError when the binary is unusable.
    """

    def __init__(self, binary: Path, kubeconfig: Path | None = None) -> None:
        self.binary = binary
        self.kubeconfig = kubeconfig

    @property
    def version(self) -> str:
        """Helm's version without `v`."""
        return str(version_of(str(self.binary)))

    def template(
        self,
        chart: Chart,
        name: str,
        namespace: str,
        values: Mapping[str, Any],
        *,
        include_crds: bool = False,
        api_versions: Sequence[str] = (),
        kubernetes: str = "",
    ) -> list[dict[str, Any]]:
        """The objects that the chart renders to, hooks included. Asks no cluster.

        `api_versions` are kinds that it takes for there, as `group/version/Kind`, and `kubernetes` is the version that
        it takes the cluster for; without one it is the one that Helm was built with.
        """
        flags = [f"--api-versions={it}" for it in api_versions]
        if kubernetes:
            flags.append(f"--kube-version={kubernetes}")
        client, command = self._client(_LOCAL_SECONDS, flags=flags)
        rendered = _run(
            client.template_resources(
                command.chart_of(chart), name, dict(values), namespace=namespace, include_crds=include_crds
            )
        )
        return [document for document in rendered if document]

    def install_or_upgrade(
        self,
        chart: Chart,
        name: str,
        namespace: str,
        values: Mapping[str, Any],
        *,
        timeout: float,
        wait: bool = False,
        flags: Sequence[str] = (),
        stop: threading.Event | None = None,
    ) -> Revision:
        """`helm upgrade --install`; the namespace must exist.

        `timeout` (seconds) bounds the hooks, and with `wait` the readiness of everything. `flags` are further ones,
        `--reuse-values`. `stop` ends Helm early; the release is then marked failed, and HelmError raised.
        """
        client, command = self._client(timeout + _SLACK_SECONDS, stop=stop, flags=flags)
        done = _run(
            client.install_or_upgrade_release(
                name,
                command.chart_of(chart),
                dict(values),
                namespace=namespace,
                create_namespace=False,
                timeout=_duration(timeout),
                wait=wait,
            )
        )
        return Revision(
            name=name,
            namespace=namespace,
            number=done.revision,
            status=done.status.value,
            updated=str(done.updated),
            chart=f"{chart.name}-{chart.version}",
            app_version=chart.app_version,
            description=done.description or "",
        )

    def history(self, name: str, namespace: str) -> list[Revision]:
        """The revisions of a release, oldest first; none when there is no such release."""
        _, command = self._client(_LOCAL_SECONDS)
        try:
            rows = _run(command.history(name, namespace=namespace))
        except NoSuchRelease:
            return []
        return [
            Revision(
                name=name,
                namespace=namespace,
                number=row["revision"],
                status=row["status"],
                updated=row["updated"],
                chart=row["chart"],
                app_version=row.get("app_version", ""),
                description=row.get("description", ""),
            )
            for row in rows
        ]

    def rollback(
        self,
        name: str,
        namespace: str,
        revision: int | None = None,
        *,
        timeout: float,
        wait: bool = False,
        stop: threading.Event | None = None,
    ) -> Revision:
        """`helm rollback`, to the revision before when none is given. Helm leaves CRDs as they are."""
        _, command = self._client(timeout + _SLACK_SECONDS, stop=stop)
        _run(command.rollback(name, revision, namespace=namespace, timeout=_duration(timeout), wait=wait))
        return self.history(name, namespace)[-1]

    def uninstall(self, name: str, namespace: str, *, timeout: float, wait: bool = True) -> None:
        """`helm uninstall`; a release that is not there is no error."""
        _, command = self._client(timeout + _SLACK_SECONDS)
        try:
            _run(command.uninstall(name, namespace=namespace, timeout=_duration(timeout), wait=wait))
        except NoSuchRelease:
            return

    def values(
        self, name: str, namespace: str, *, computed: bool = False, revision: int | None = None
    ) -> dict[str, Any]:
        """The values that a release was given; with `computed` those that it used, the chart's defaults included."""
        _, command = self._client(_LOCAL_SECONDS)
        return dict(_run(command.get_values(name, namespace=namespace, computed=computed, revision=revision)))

    def manifest(self, name: str, namespace: str, *, revision: int | None = None) -> list[dict[str, Any]]:
        """The objects of a release, without its hooks."""
        _, command = self._client(_LOCAL_SECONDS)
        documents = _run(command.get_resources(name, namespace=namespace, revision=revision))
        return [document for document in documents if document]

    def hooks(self, name: str, namespace: str, *, revision: int | None = None) -> list[dict[str, Any]]:
        """The hook objects of a release."""
        _, command = self._client(_LOCAL_SECONDS)
        documents = _run(command.get_hooks(name, namespace=namespace, revision=revision))
        return [document for document in documents if document]

    def crds(self, chart: Chart) -> str:
        """The chart's CustomResourceDefinitions as YAML, `helm show crds`. Asks no cluster."""
        done = process.call([self.binary, "show", "crds", chart.path], timeout=_LOCAL_SECONDS, env=NEUTRAL)
        return done.stdout

    def _client(
        self, seconds: float, stop: threading.Event | None = None, flags: Sequence[str] = ()
    ) -> tuple[pyhelm3.Client, HelmCommand]:
        # Late, since pyhelm3 is slow to import.
        from harness.releases import helm_command

        return helm_command.client(self.binary, self.kubeconfig, seconds=seconds, stop=stop, flags=flags)


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Drive a coroutine of pyhelm3 to its end on a loop of its own.

    Not asyncio.run: that would turn Ctrl-C into a cancellation which is heard only after Helm has ended.
    """
    import asyncio

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


@functools.cache
def version_of(binary: str) -> semver.Version:
    """The version of a Helm program, asked for once. Raises ToolError for one older than 3, and as `process.call`."""
    said = process.call([binary, "version", "--template", "{{ .Version }}"], timeout=_LOCAL_SECONDS, env=NEUTRAL).stdout
    try:
        version = semver.Version.parse(said.strip().removeprefix("v"), optional_minor_and_patch=True)
    except ValueError as unknown:
        raise ToolError(f"{binary} says that its version is {said.strip()!r}", "install Helm 3 or 4") from unknown
    if version.major < 3:
        raise ToolError(f"{binary} is Helm {version}", "install Helm 3 or 4")
    return version


def explained(argv: Sequence[str], stderr: str) -> ReleaseError | ClusterError:
    """The error for what a Helm command printed when it failed: of the release, or of a cluster that is away."""
    said, whole = causes.told(stderr), causes.without_noise(stderr)
    doing = " ".join(["helm", *_leading_words(argv)])
    if re.search(r"release: not found", whole):
        return NoSuchRelease(f"{doing}: there is no such release", "helm list --all-namespaces", stderr=stderr)
    if _AWAY.search(whole):
        return ClusterError(f"{doing}: the API server did not answer: {said}", "see the node's logs in the evidence")
    advice = next((it.next_step for it in _ADVICE if re.search(it.pattern, whole, re.I)), "run it again with --debug")
    return HelmError(f"{doing} failed: {said}", advice, stderr=stderr)


def _leading_words(argv: Sequence[str]) -> Iterable[str]:
    for word in argv[:2]:
        if word.startswith("-"):
            return
        yield word


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))}s"


__all__ = ["CommandTimeout", "Helm", "HelmError", "NoSuchRelease", "Revision"]
