# SPDX-License-Identifier: Apache-2.0
"""What pods are set to and only production's nodes and networks take is told before there is a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from harness.releases import site_settings


def asked(*, env: dict[str, str] | None = None, **pod: Any) -> list[tuple[str, str]]:
    given = [{"name": name, "value": value} for name, value in (env or {}).items()]
    return list(site_settings.of_pod({"containers": [{"name": "controller", "env": given}], **pod}))


def started(
    name: str, value: str, *, mounts: str = "", image: str = "ghcr.io/kubeflow/spark-operator/controller:2"
) -> Any:
    container = {
        "name": "spark-operator-controller",
        "image": image,
        "env": [{"name": name, "value": value}],
        "volumeMounts": [{"name": "it", "mountPath": mounts}] if mounts else [],
    }
    return list(site_settings.of_pod({"containers": [container]}))


PROXY = {"HTTPS_PROXY": "http://proxy.corp.example:3128"}


@pytest.mark.parametrize(
    ("found", "key", "words"),
    [
        (
            asked(securityContext={"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]}),
            "podSecurityContext.sysctls",
            "the sysctl net.core.somaxconn",
        ),
        (
            asked(securityContext={"sysctls": [{"name": "kernel/msgmax", "value": "1"}]}),
            "podSecurityContext.sysctls",
            "the sysctl kernel.msgmax",
        ),
        (
            asked(securityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": "audit.json"}}),
            "podSecurityContext.seccompProfile",
            "the profile audit.json of the node",
        ),
        (asked(env={"KUBERNETES_SERVICE_HOST": "a.azmk8s.io"}), "env", "the API server at a.azmk8s.io"),
        (asked(env={"KUBECONFIG": "/etc/kube/config"}), "env", "the API server of the kubeconfig /etc/kube/config"),
        (started("SPARK_HOME", "/opt/spark-3.5"), "env", "Spark at /opt/spark-3.5 (SPARK_HOME), where its image has"),
        (started("SPARK_HOME", "/opt/other", mounts="/opt/oth"), "env", "Spark at /opt/other (SPARK_HOME)"),
        (started("JAVA_HOME", "/usr/lib/jvm/java-17"), "env", "Java at /usr/lib/jvm/java-17 (JAVA_HOME)"),
        (started("PATH", "/opt/tools:$(PATH)"), "env", "programs of /opt/tools:$(PATH) alone (PATH)"),
        (
            started("JAVA_TOOL_OPTIONS", "-Xmx1g -javaagent:/otel/agent.jar=a=b"),
            "env",
            "the Java agent /otel/agent.jar (JAVA_TOOL_OPTIONS), which no volume brings",
        ),
        (asked(env=PROXY), "env", "the proxy http://proxy.corp.example:3128, by which"),
        (asked(env={"HTTPS_PROXY": "http://me:secret@p:1"}), "env", "the proxy p:1, by which"),
        (asked(env={**PROXY, "NO_PROXY": "localhost,.svc,172.20.0.0/16"}), "env", "NO_PROXY leaves out 10.96.0.1"),
        (asked(env={"https_proxy": "http://p:1", "no_proxy": "10.96.0.0/12"}), "env", "the proxy http://p:1"),
    ],
)
def test_what_only_production_takes_is_asked_for_by_its_key(found: list[tuple[str, str]], key: str, words: str) -> None:
    ((at, what),) = found
    assert at == key
    assert words in what


@pytest.mark.parametrize(
    "found",
    [
        asked(securityContext={"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]}),
        asked(securityContext={"seccompProfile": {"type": "RuntimeDefault"}}),
        asked(env={**PROXY, "NO_PROXY": ".svc, 10.0.0.0/8,kubernetes.default"}),
        asked(env={**PROXY, "NO_PROXY": "*"}),
        asked(env={"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "", "TZ": "UTC"}),
        started("SPARK_HOME", "/opt/spark/"),
        started("SPARK_HOME", "/opt/other", mounts="/opt"),
        started("SPARK_HOME", "/opt/other", image="harbor.corp/data/operator:7"),
        started("JAVA_HOME", "/opt/java/openjdk"),
        started("PATH", "/opt/tools:/usr/bin:/bin"),
        started("JAVA_TOOL_OPTIONS", "-javaagent:/otel/agent.jar", mounts="/otel"),
        started("JAVA_TOOL_OPTIONS", "-Xmx256m -Dfile.encoding=UTF-8"),
        started("SPARK_CONF_DIR", "/etc/spark"),
        asked(env={"SPARK_HOME": "/opt/other", "KUBECONFIG": ""}),
        asked(),
    ],
)
def test_what_every_cluster_takes_is_not_told(found: list[tuple[str, str]]) -> None:
    assert found == []
