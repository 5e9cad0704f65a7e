# SPDX-License-Identifier: Apache-2.0
"""Whether values are why an operator does not start: by its words, and by what they render otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from test_values_fit import asked

from harness.releases import fitting, values_doing
from harness.run import values_fit
from harness.verdicts import Verdict, failed

IMAGE = "ghcr.io/kubeflow/spark-operator/controller:2.5.2"
CONTROLLER, POD = "spark-operator-controller", "spark-operator-controller-7d9f-x2"


def rendered(*beside: dict[str, Any], pod: dict[str, Any] | None = None, **changes: Any) -> list[dict[str, Any]]:
    own: dict[str, Any] = {"name": CONTROLLER, "image": IMAGE}
    own |= {"args": ["controller", "start", "--zap-log-level=info", "--namespaces=a"], **changes}
    labels = {"app.kubernetes.io/component": "controller"}
    spec = {"containers": [own, *beside], **(pod or {})}
    return [{"kind": "Deployment", "metadata": {"labels": labels}, "spec": {"template": {"spec": spec}}}]


def crashes(words: str, container: str = CONTROLLER, last: str = "exit 1 (Error)") -> str:
    return f"2.5.2 was not installed: container {container} of pod {POD} crashes: 2 restarts, last {last}: {words}"


ARGS = ["controller", "start", "--zap-log-level=verbose", "--namespaces=a"]
SIDECAR = {"name": "fluent-bit", "image": "docker.io/fluent/fluent-bit:4.0"}
WAITS = f"release 2.5.2 was not ready within 180 s; last seen: pod {POD} Pending"
INVALID = 'Error: invalid argument "verbose" for "--zap-log-level" flag: invalid log level "verbose"'


@pytest.mark.parametrize(
    ("said", "theirs", "doing"),
    [
        (crashes(INVALID), rendered(args=ARGS), "they give the controller --zap-log-level=verbose (controller.level)"),
        (
            crashes("Error: unknown flag: --fast"),
            rendered(args=[*ARGS, "--fast=1"]),
            "they give the controller --fast=1",
        ),
        (
            crashes('invalid value "x" for flag -kube-qps: parse error'),
            rendered(args=[*ARGS, "-kube-qps=x"]),
            "-kube-qps=x",
        ),
        (
            crashes("listen tcp :80: bind: permission denied"),
            rendered(ports=[{"containerPort": 80}]),
            "controller.ports",
        ),
        (crashes("", last="exit 137 (OOMKilled)"), rendered(resources={"limits": {"memory": "32Mi"}}), "resources"),
        (
            crashes("open /tmp/x: read-only file system"),
            rendered(pod={"securityContext": {"runAsUser": 185}}),
            "controller.securityContext",
        ),
        (crashes("exec /usr/bin/tini: exec format error"), rendered(image="acme.io/op:arm"), "controller.image"),
        (crashes("cannot connect", "fluent-bit"), rendered(SIDECAR), "they bring the container fluent-bit"),
        (
            f"container fluent-bit of pod {POD} cannot be started: no such key",
            rendered(SIDECAR),
            "they bring the container fluent-bit",
        ),
        (
            f"the image {SIDECAR['image']} of pod {POD} cannot be pulled: not found",
            rendered(SIDECAR),
            "they bring the image docker.io/fluent/fluent-bit:4.0",
        ),
        (
            f"the image acme.io/op:9 of pod {POD} cannot be pulled: not found",
            rendered(image="acme.io/op:9"),
            "they bring the image acme.io/op:9",
        ),
        (
            f"{WAITS} (wait-db waiting CrashLoopBackOff, {CONTROLLER} waiting PodInitializing)",
            rendered(pod={"initContainers": [{"name": "wait-db", "image": "docker.io/busybox"}]}),
            "they bring the container wait-db, which is not ready",
        ),
        (WAITS, rendered(resources={"limits": {"cpu": "30m"}}), "they set controller.resources.limits.cpu to 30m"),
        (
            crashes("", last="exit 0 (Completed)"),
            rendered(resources={"limits": {"cpu": "0.05"}}),
            "to 0.05, with which",
        ),
        (crashes("leader election lost"), rendered(resources={"limits": {"cpu": "50m"}}), "may be too slow"),
    ],
)
def test_what_the_values_render_otherwise_and_the_words_are_about_is_their_doing(
    said: str, theirs: list[dict[str, Any]], doing: str
) -> None:
    assert doing in values_doing.found(said, theirs, rendered(), {"controller": {"level": "verbose"}})


@pytest.mark.parametrize(
    ("said", "theirs"),
    [
        (crashes(INVALID), rendered()),
        (crashes("Error: unknown flag: --slow"), rendered(args=ARGS)),
        (crashes("panic: runtime error: invalid memory address"), rendered(args=ARGS)),
        (crashes("listen tcp :80: bind: permission denied"), rendered(args=ARGS)),
        (crashes("", last="exit 137 (OOMKilled)"), rendered(SIDECAR)),
        (
            f"the image {IMAGE} of pod {POD} cannot be pulled: not found",
            rendered(SIDECAR),
        ),
        (f"{WAITS} (fluent-bit running, {CONTROLLER} waiting CrashLoopBackOff)", rendered(SIDECAR)),
        (crashes(INVALID), []),
        (WAITS, rendered(resources={"limits": {"cpu": "2"}})),
        (WAITS, rendered(resources={"requests": {"cpu": "30m"}})),
        (crashes("panic: nil", last="exit 2 (Error)"), rendered(resources={"limits": {"cpu": "50m"}})),
    ],
)
def test_what_the_release_does_itself_stays_its_own(said: str, theirs: list[dict[str, Any]]) -> None:
    assert values_doing.found(said, theirs, rendered(), {}) == ""


def test_the_finding_is_an_error_that_names_the_file_and_the_value_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "rendered", lambda _, __, it: rendered(args=ARGS) if it.users else rendered())
    values = {"controller": {"level": "verbose"}}
    found = values_fit.refused(failed("installed", f"{crashes(INVALID)}\n  next: see its log"), *asked(values))
    assert found.verdict is Verdict.ERROR
    assert found.message.startswith(
        "2.5.2 does not start with the values of --values (prod.yaml): they give the controller "
        "--zap-log-level=verbose (controller.level): "
    )
    assert found.message.count("\n  next: ") == 1

    panic = failed("installed", crashes("panic: runtime error"))
    assert values_fit.refused(panic, *asked(values)) == panic


@pytest.mark.parametrize(
    ("said", "about"), [(crashes(INVALID), True), (WAITS, True), ("the hook's pod violates PodSecurity", False)]
)
def test_nothing_is_rendered_for_words_that_are_not_about_pods(said: str, about: bool) -> None:
    assert values_doing.is_about_pods(said) is about


VOLUME = {"name": "ca", "secret": {"secretName": "corp-ca"}}
NOT_MOUNTED = f'pod {POD} cannot be set up: MountVolume.SetUp failed for volume "ca" : secret "corp-ca" not found'
FORBIDDEN = f'pod {POD} cannot be set up: Pod was rejected: forbidden sysctl: "net.core.somaxconn" not allowlisted'
LOST = "2026-01-01T00:00:00Z ERROR setup leader election lost"
SHORT = ["controller", "start", "--zap-log-level=info", "--namespaces=a", "--leader-election-renew-deadline=2s"]
USER_NAMESPACE = (
    f"pod {POD} cannot be set up: Failed to create pod sandbox: runc create failed: idmap mounts are not supported"
)


@pytest.mark.parametrize(
    ("said", "theirs", "doing"),
    [
        (NOT_MOUNTED, rendered(pod={"volumes": [VOLUME]}), "they bring the volume ca (controller.volumes)"),
        (
            f"pod {POD} cannot be set up: Unable to attach or mount volumes: unmounted volumes=[ca]: timed out",
            rendered(pod={"volumes": [VOLUME]}),
            "they bring the volume ca",
        ),
        (
            FORBIDDEN,
            rendered(pod={"securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]}}),
            "they set controller.podSecurityContext otherwise than the chart",
        ),
        (USER_NAMESPACE, rendered(pod={"hostUsers": False}), "they set controller.hostUsers otherwise than the chart"),
        (crashes(LOST), rendered(args=SHORT), "--leader-election-renew-deadline=2s"),
        (
            crashes("malformed GOMEMLIMIT; see `go doc runtime/debug.SetMemoryLimit`"),
            rendered(env=[{"name": "GOMEMLIMIT", "value": "400Mi"}]),
            "they set controller.env otherwise than the chart",
        ),
        (
            crashes("proxyconnect tcp: dial tcp: lookup proxy.corp.example on 10.96.0.10:53: no such host"),
            rendered(env=[{"name": "HTTPS_PROXY", "value": "http://proxy.corp.example:3128"}]),
            "they set controller.env otherwise than the chart",
        ),
        (
            crashes("Error: unknown flag: --zap-log-level"),
            rendered(image="acme.io/op:1.0"),
            "they bring the image acme.io/op:1.0, which does not know what this chart tells it",
        ),
        (
            f'container {CONTROLLER} of pod {POD} cannot be started: error mounting "/x" to rootfs: not a directory',
            rendered(volumeMounts=[{"name": "ca", "mountPath": "/etc/passwd"}]),
            "they set controller.volumeMounts otherwise than the chart",
        ),
    ],
)
def test_what_keeps_a_pod_from_being_set_up_is_looked_for_in_the_values_too(
    said: str, theirs: list[dict[str, Any]], doing: str
) -> None:
    assert values_doing.is_about_pods(said)
    assert doing in values_doing.found(said, theirs, rendered(), {})


@pytest.mark.parametrize(
    ("said", "theirs"),
    [
        (NOT_MOUNTED, rendered(SIDECAR)),
        (NOT_MOUNTED.replace('"ca"', '"tmp"'), rendered(pod={"volumes": [VOLUME]})),
        (FORBIDDEN, rendered(pod={"volumes": [VOLUME]})),
        (USER_NAMESPACE, rendered(pod={"securityContext": {"fsGroup": 1}})),
        (crashes(LOST), rendered(args=ARGS)),
        (f"the image acme.io/injected:1 of pod {POD} cannot be pulled: not found", rendered(SIDECAR)),
    ],
)
def test_a_pod_that_cannot_be_set_up_for_something_else_is_not_the_values_doing(
    said: str, theirs: list[dict[str, Any]]
) -> None:
    assert values_doing.found(said, theirs, rendered(), {}) == ""


HOOK = {"kind": "Job", "spec": {"template": {"spec": {"containers": [{"name": "hook", "image": "acme.io/hook:1"}]}}}}


def test_the_image_of_a_hook_is_theirs_only_where_the_values_name_one() -> None:
    said = f"the image acme.io/hook:1 of pod {POD} cannot be pulled: not found"
    theirs = [*rendered(), HOOK]
    assert values_doing.found(said, theirs, rendered(), {"hook": {"upgradeCrd": True}}) == ""
    named = {"hook": {"upgradeCrd": True, "image": {"registry": "acme.io"}}}
    assert "acme.io/hook:1" in values_doing.found(said, theirs, rendered(), named)


@pytest.mark.parametrize("values", [{}, {"controller": {"workers": 3}}])
def test_a_container_that_no_chart_has_is_not_the_releases(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    monkeypatch.setattr(fitting, "rendered", lambda *_: [*rendered(), HOOK])
    given, helm, first = asked(values)
    said = failed("installed", f"{crashes('iptables: not found', 'istio-init')}\n  next: see its log")
    found = values_fit.refused(said, given, helm, first)
    assert (found.verdict, found.check) == (Verdict.ERROR, "installed")
    assert found.message.startswith("2.5.2 does not start for the container istio-init, which something in the cluster")
    assert found.message.count("\n  next: ") == 1

    for own in (CONTROLLER, "hook"):
        crash = failed("installed", crashes("panic: runtime error", own))
        assert values_fit.refused(crash, given, helm, first) == crash
