# SPDX-License-Identifier: Apache-2.0
"""Proxies for nodes: those of this machine, and what nodes must reach without them.

kind and k3s add what they know of to NO_PROXY (kind, pkg/cluster/internal/providers/docker/provision.go), and the run's
own registries are not among that: a node would ask the proxy for them, which knows no such names.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from harness.home import docker_config
from harness.images.references import is_loopback
from harness.providers import network
from harness.providers.base import ClusterSpec

SYSTEMD_FOLDER = "/etc/systemd/system.conf.d"
"""Where systemd reads what all services of a node have in their environment (systemd-system.conf(5))."""

# Pods and Services of kind and of k3s, where the environment has no others.
_CLUSTERS = ("10.96.0.0/16", "10.244.0.0/16", "10.42.0.0/16", "10.43.0.0/16")
_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_NAMES = ("localhost", "127.0.0.0/8", ".svc", ".svc.cluster", ".svc.cluster.local", ".cluster.local")


def of_nodes(spec: ClusterSpec) -> dict[str, str]:
    """HTTP_PROXY, HTTPS_PROXY and NO_PROXY for the nodes of a cluster; empty where this machine has no proxies.

    One on this machine's loopback interface is left out, since that address means the node itself in a node.
    """
    known = _from_environment() or _from_docker()
    proxies = {name: url for name, url in known.items() if name != "NO_PROXY" and not _on_loopback(url)}
    if not proxies:
        return {}
    kept = [*filter(None, known.get("NO_PROXY", "").split(",")), *_direct(spec)]
    return {**proxies, "NO_PROXY": ",".join(dict.fromkeys(it.strip() for it in kept))}


def for_program(proxies: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that hands its own proxies to the nodes: these in both spellings, and no others."""
    return {spelt: proxies.get(name, "") for name in _VARIABLES for spelt in (name, name.lower())}


def systemd(proxies: Mapping[str, str]) -> str:
    """A file for SYSTEMD_FOLDER with this environment."""
    quoted = " ".join(f'"{name}={value.replace("%", "%%")}"' for name, value in for_program(proxies).items())
    return f"[Manager]\nDefaultEnvironment={quoted}\n"


def _direct(spec: ClusterSpec) -> Iterator[str]:
    """What nodes reach without a proxy: themselves, their cluster, and the servers on the run's network."""
    environment = spec.environment
    own = [environment.service_subnet, environment.pod_subnet, environment.cluster_domain]
    yield from (*_NAMES, *_CLUSTERS, *network.subnets(spec.network))
    yield from (it.strip() for ranges in own if ranges for it in ranges.split(","))
    yield from (f"{spec.name}-control-plane", f"{spec.name}-worker", f"k3d-{spec.name}-server-0")
    yield from (f"{spec.name}-worker{number}" for number in range(2, spec.nodes))
    yield from (f"k3d-{spec.name}-agent-{number}" for number in range(spec.nodes - 1))
    for url in (*spec.image_cache.values(), *(it.url for it in spec.mirrors.mirrors.values())):
        name = urlsplit(url).hostname or ""
        # A name without a dot is that of a container; how a user's own mirror is reached is for the user to say.
        if name and "." not in name:
            yield name


def _from_environment() -> dict[str, str]:
    found = urllib.request.getproxies_environment()
    named = {"HTTP_PROXY": "http", "HTTPS_PROXY": "https", "NO_PROXY": "no"}
    proxies = {name: found.get(kind) or found.get("all", "") for name, kind in named.items() if name != "NO_PROXY"}
    proxies = {name: url for name, url in proxies.items() if url}
    return {**proxies, "NO_PROXY": found.get("no", "")} if proxies else {}


def _from_docker() -> dict[str, str]:
    """What docker gives to every container by its configuration, and kind to every node."""
    file = docker_config() / "config.json"
    try:
        default: Any = json.loads(file.read_text())["proxies"]["default"]
        named = {"HTTP_PROXY": "httpProxy", "HTTPS_PROXY": "httpsProxy", "NO_PROXY": "noProxy"}
        return {name: str(default[key]) for name, key in named.items() if default.get(key)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Without a configuration that can be read, docker gives containers no proxies.
        return {}


def _on_loopback(url: str) -> bool:
    return is_loopback(urlsplit(url if "://" in url else f"http://{url}").hostname or "")
