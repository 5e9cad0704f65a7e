# SPDX-License-Identifier: Apache-2.0
"""What pods are set to that only production's nodes and networks take: profiles, sysctls, a proxy, an API server.

Pure: from a pod's spec to the key below its part, and what is asked for, in words.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
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
    yield from _of_environment({it["name"]: str(it.get("value") or "") for it in own.get("env") or () if "name" in it})


def _of_environment(given: Mapping[str, str]) -> Iterator[Found]:
    """How the operator is told to get to the API server, where that is not the cluster's own way."""
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
