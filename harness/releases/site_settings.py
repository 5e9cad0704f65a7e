# SPDX-License-Identifier: Apache-2.0
"""What pods are set to that only production's nodes and networks take: profiles, sysctls, a proxy, an API server.

Pure: from a pod's spec to the key below its part, and what is asked for, in words.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from harness.releases.values import at

Found = tuple[str, str]
"""A key of the values below the part, and what it asks for."""

_SAFE_SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        *(f"net.ipv4.ip_{it}" for it in ("local_port_range", "local_reserved_ports", "unprivileged_port_start")),
        "net.ipv4.ping_group_range",
        *(f"net.ipv4.tcp_{it}" for it in ("fin_timeout", "rmem", "syncookies", "wmem")),
        *(f"net.ipv4.tcp_keepalive_{it}" for it in ("intvl", "probes", "time")),
    ]
)
"""Those that every kubelet lets a pod set (kubernetes, pkg/kubelet/sysctl/safe_sysctls.go)."""

_CONTROLLER, _UPSTREAMS = "-controller", "spark-operator"
_HOMES = {"SPARK_HOME": ("Spark", "/opt/spark"), "JAVA_HOME": ("Java", "/opt/java/openjdk")}
"""Where Spark's images have both (Dockerfile of apache/spark-docker, and of eclipse-temurin below it)."""
_OF_SHELLS = frozenset(("/bin", "/usr/bin"))
_OPTIONS_OF_JAVA = (
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "SPARK_SUBMIT_OPTS",
    "SPARK_LAUNCHER_OPTS",
)
_AGENT = re.compile(r"-(?:javaagent|agentpath):([^\s=]+)")
"""A file that Java loads at its start; it ends where there is none."""

_PROXIES = ("HTTPS_PROXY", "https_proxy")
_EXCEPTIONS = ("NO_PROXY", "no_proxy")
_API_SERVERS = tuple(ipaddress.ip_address(it) for it in ("10.96.0.1", "10.43.0.1"))
"""Where pods find the API server on kind and on k3d, by the networks that these give Services."""


def of_pod(pod: Mapping[str, Any]) -> Iterator[Found]:
    """What a pod is set to, and no cluster of a run has."""
    containers = (*(pod.get("initContainers") or ()), *(pod.get("containers") or ()))
    for key, holder in (("podSecurityContext", pod), *(("securityContext", it) for it in containers)):
        for name in ("seccompProfile", "appArmorProfile"):
            profile = at(holder, f"securityContext.{name}")
            if at(profile, "type") == "Localhost":
                yield f"{key}.{name}", f"the profile {at(profile, 'localhostProfile')} of the node"
    for it in at(pod, "securityContext.sysctls") or ():
        if (name := str(at(it, "name")).replace("/", ".")) not in _SAFE_SYSCTLS:
            yield "podSecurityContext.sysctls", f"the sysctl {name}, which its kubelets let no pod set"
    own = (pod.get("containers") or [{}])[0]
    yield from _of_programs(own)
    yield from _of_environment({it["name"]: str(it.get("value") or "") for it in own.get("env") or () if "name" in it})


def _of_programs(container: Mapping[str, Any]) -> Iterator[Found]:
    """Programs that the controller is told to start, where neither upstream's image nor a volume has them."""
    if not str(container.get("name")).endswith(_CONTROLLER) or _UPSTREAMS not in str(container.get("image")):
        return
    given = {it["name"]: str(it.get("value") or "") for it in container.get("env") or () if "name" in it}
    mounted = [PurePosixPath(str(at(it, "mountPath"))) for it in container.get("volumeMounts") or ()]

    def is_there(path: str) -> bool:
        return any(PurePosixPath(path).is_relative_to(it) for it in mounted)

    for name, (what, usual) in _HOMES.items():
        path = given.get(name, "").rstrip("/")
        if path not in ("", usual) and not is_there(path):
            yield "env", f"{what} at {path} ({name}), where its image has none"
    folders = given.get("PATH", "")
    if folders and _OF_SHELLS.isdisjoint(folders.split(":")):
        yield (
            "env",
            f"programs of {folders} alone (PATH): a submission needs those of {' and '.join(sorted(_OF_SHELLS))}",
        )
    for name in _OPTIONS_OF_JAVA:
        for agent in _AGENT.findall(given.get(name, "")):
            if not is_there(agent):
                yield "env", f"the Java agent {agent} ({name}), which no volume brings"


def _of_environment(given: Mapping[str, str]) -> Iterator[Found]:
    """How the operator is told to get to the API server, where that is not the cluster's own way."""
    if file := given.get("KUBECONFIG"):
        yield "env", f"the API server of the kubeconfig {file} (KUBECONFIG)"
    if host := given.get("KUBERNETES_SERVICE_HOST"):
        yield "env", f"the API server at {host} (KUBERNETES_SERVICE_HOST)"
    proxy = next((given[it] for it in _PROXIES if given.get(it)), "")
    excepted = next((given[it] for it in _EXCEPTIONS if given.get(it)), "")
    if proxy and not all(_covers(excepted, it) for it in _API_SERVERS):
        shown = proxy.rpartition("@")[2]
        yield "env", f"the proxy {shown}, by which its API server would be asked: NO_PROXY leaves out 10.96.0.1"


def _covers(exceptions: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether Go asks an address directly (golang.org/x/net, http/httpproxy)."""
    for it in exceptions.split(","):
        try:
            if it.strip() == "*" or address in ipaddress.ip_network(it.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
