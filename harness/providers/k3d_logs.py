# SPDX-License-Identifier: Apache-2.0
"""Exports the logs of k3d nodes: k3d cannot do that itself. The result is on a par with `kind export logs`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness import process
from harness.providers import containers
from harness.providers.containers import ENGINE_SECONDS

_COPY_SECONDS = 120.0
_HIDDEN = "***"
_LABEL_TOKEN = "k3d.cluster.token"  # noqa: S105 - a label's name
_VARIABLE_TOKEN = "K3S_TOKEN="  # noqa: S105 - a variable's name
_REGISTRIES = "/etc/rancher/k3s/registries.yaml"
# In the node → in the export. k3s keeps its containerd's log apart; the k3s-shaped node has one log a process.
_COPIED: Mapping[str, str] = {
    "/var/log/.": "log",
    "/var/lib/rancher/k3s/agent/containerd/containerd.log": "log/containerd.log",
}
_ASKED: Mapping[str, tuple[str, ...]] = {
    "distribution-version.txt": ("k3s", "--version"),
    "kubernetes-version.txt": ("kubectl", "version"),
    "images.txt": ("crictl", "images", "--digests"),
    "containers.txt": ("crictl", "ps", "--all"),
    "processes.txt": ("ps", "-ef"),
    "addresses.txt": ("ip", "address"),
    "routes.txt": ("ip", "route"),
}


def export(nodes: Sequence[str], folder: Path, *, k3d: Path) -> None:
    """Write everything into `<folder>/<node>/`. What a node does not have or does not return is skipped."""
    folder.mkdir(parents=True, exist_ok=True)
    process.call([k3d, "version"], timeout=ENGINE_SECONDS, check=False, log_file=folder / "k3d-version.txt")
    process.call(["docker", "info"], timeout=ENGINE_SECONDS, check=False, log_file=folder / "docker-info.txt")
    save(nodes, folder)
    for node in nodes:
        for name, argv in _ASKED.items():
            _write_answer(node, argv, folder / node / name)
        _write_registries(node, folder / node / "registries.yaml")


def save(nodes: Sequence[str], folder: Path) -> None:
    """Write what is available whether the node is running or not: console, logs, and its start configuration."""
    for node in nodes:
        target = folder / node
        containers.save(node, target / "console.log")
        inspected = process.call(["docker", "inspect", node], timeout=ENGINE_SECONDS, check=False)
        if inspected.returncode == 0:
            shown = [without_token(it) for it in json.loads(inspected.stdout)]
            (target / "inspect.json").write_text(json.dumps(shown, indent=2))
        for source, name in _COPIED.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            process.call(["docker", "cp", f"{node}:{source}", target / name], timeout=_COPY_SECONDS, check=False)
        _drop_links(target)


def without_token(inspected: dict[str, Any]) -> dict[str, Any]:
    """The output of `docker inspect` for a container, without the cluster token."""
    config = dict(inspected.get("Config") or {})
    labels = config.get("Labels") or {}
    config["Labels"] = {name: _HIDDEN if name == _LABEL_TOKEN else value for name, value in labels.items()}
    variables = config.get("Env") or []
    config["Env"] = [it if not it.startswith(_VARIABLE_TOKEN) else _VARIABLE_TOKEN + _HIDDEN for it in variables]
    return {**inspected, "Config": config}


def without_passwords(registries: str) -> str:
    """registries.yaml with every credential replaced; what is not YAML becomes a note."""
    try:
        document = yaml.safe_load(registries)
        for config in (document.get("configs") or {}).values():
            if config and config.get("auth"):
                config["auth"] = dict.fromkeys(config["auth"], _HIDDEN)
    except (yaml.YAMLError, AttributeError) as broken:
        return f"# not a valid registries.yaml: {type(broken).__name__}\n"
    return yaml.safe_dump(document, sort_keys=False)


def _write_answer(node: str, argv: Sequence[str], target: Path) -> None:
    answer = containers.execute(node, argv)
    text = answer.stdout if answer.returncode == 0 else f"{answer.stdout}{answer.stderr}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def _write_registries(node: str, target: Path) -> None:
    answer = containers.execute(node, ["cat", _REGISTRIES])
    if answer.returncode == 0:
        target.write_text(without_passwords(answer.stdout))


def _drop_links(folder: Path) -> None:
    """Remove links: they refer to paths in the node, which are different ones here."""
    for path in folder.rglob("*"):
        if path.is_symlink():
            path.unlink()
