# SPDX-License-Identifier: Apache-2.0
"""Adds a Kubernetes version to the foundry: its Go tool modules, its row and the environments that use it.

What a version needs beside itself is read from its own sources: the staging modules and the Go it is written for from
its go.mod, the tags of etcd, CoreDNS and pause from cmd/kubeadm/app/constants/constants.go.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BuildError, UsageError
from harness.foundry import rows, toolmodule
from harness.foundry.kubernetes import CONTROL_PLANE
from harness.foundry.store import Store
from harness.foundry.toolmodule import Source, ToolModule
from harness.host.steps import Progress
from harness.matrix.model import Environment
from harness.matrix.versions import numbers
from harness.settings import PROJECT_ROOT, Settings

KUBERNETES = "k8s.io/kubernetes"


_PROGRAMS = (*CONTROL_PLANE, "kubeadm", "kubectl", "kubelet")
_CONSTANTS = "cmd/kubeadm/app/constants/constants.go"


@dataclass(frozen=True, kw_only=True)
class Added:
    """What was added to the checkout: folders of Go tool modules, and names of environments."""

    modules: tuple[str, ...]
    environments: tuple[str, ...]
    kept: tuple[str, ...]
    """Environments of that minor that already existed and stay unchanged."""


@dataclass(frozen=True, kw_only=True)
class _Needs:
    """What a Kubernetes version requires by its own sources. `etcd_tag` and the others have no `v`."""

    staging: tuple[str, ...]
    godebug: tuple[str, ...]
    etcd_tag: str
    coredns: str
    pause: str

    @property
    def etcd(self) -> str:
        return self.etcd_tag.partition("-")[0]


def add_kubernetes(
    settings: Settings, version: str, environments: Sequence[Environment], say: Progress, *, root: Path = PROJECT_ROOT
) -> Added:
    """Write what the foundry needs for Kubernetes `version` (`1.38.0`) into the checkout at `root`.

    Everything is fetched before the first file is written. Raises UsageError for an invalid version or one that
    exists already, BuildError with the module registry's message when it refuses something.
    """
    if not re.fullmatch(r"1\.\d+\.\d+", version):
        raise UsageError(f"{version!r} is not a full Kubernetes version", "give a version like 1.36.3, without v")
    modules = root / "clusters" / "nodes" / "modules"
    if (modules / f"kubernetes-{version}").exists():
        raise UsageError(
            f"the foundry already has Kubernetes {version}", f'build it: `harness foundry build "Kubernetes {version}"`'
        )
    store = Store.of(settings)
    log_file = settings.cache_dir / "logs" / f"add-kubernetes-{version}.log"
    say(f"requesting {KUBERNETES} v{version}")
    needs = _needs(toolmodule.download(store, f"{KUBERNETES}@v{version}", log_file))
    say(f"it requires etcd {needs.etcd_tag}, CoreDNS {needs.coredns} and pause {needs.pause}")
    wanted = [module for module in _modules(version, needs) if not (modules / module.name).exists()]
    with tempfile.TemporaryDirectory(prefix="soh-add-") as scratch:
        made = []
        for module in wanted:
            say(f"resolving {module.name}")
            made.append(toolmodule.resolve(store, module, Path(scratch) / module.name, log_file))
        for folder in made:
            shutil.copytree(folder, modules / folder.name)
    _append_row(root / "clusters" / "nodes" / "kubernetes.toml", version, needs)
    added, kept = _add_environments(root / "clusters" / "environments.toml", version, environments)
    return Added(modules=tuple(module.name for module in wanted), environments=added, kept=kept)


def _needs(source: Source) -> _Needs:
    text = (source.folder / _CONSTANTS).read_text()

    def constant(name: str) -> str:
        found = re.search(rf'\b{name}\s*=\s*"v?([^"]+)"', text)
        if not found:
            raise BuildError(
                f"{source.folder / _CONSTANTS} has no {name}", "find out what replaced it there, and adapt this command"
            )
        return found[1]

    return _Needs(
        staging=tuple(path for path, target, _ in source.replaced() if target.startswith("./staging/")),
        godebug=source.godebug,
        etcd_tag=constant("DefaultEtcdVersion"),
        coredns=constant("CoreDNSVersion"),
        pause=constant("PauseVersion"),
    )


def _modules(version: str, needs: _Needs) -> list[ToolModule]:
    minor = version.split(".")[1]
    patch = version.split(".", 1)[1]
    return [
        ToolModule(
            name=f"kubernetes-{version}",
            packages=tuple(f"{KUBERNETES}/cmd/{program}" for program in _PROGRAMS),
            at=f"v{version}",
            replace=tuple(f"{name} => {name} v0.{patch}" for name in needs.staging),
            godebug=needs.godebug,
            build=toolmodule.build_file(
                f"Kubernetes {version}: the control plane, the node programs, kubeadm and kubectl.",
                version,
                ldflags=(
                    "-X k8s.io/component-base/version.gitVersion=v{version}",
                    "-X k8s.io/component-base/version.gitMajor=1",
                    f"-X k8s.io/component-base/version.gitMinor={minor}",
                    "-X k8s.io/component-base/version.gitTreeState=clean",
                    "-X k8s.io/client-go/pkg/version.gitVersion=v{version}",
                ),
            ),
        ),
        ToolModule(
            name=f"etcd-{needs.etcd}",
            packages=("go.etcd.io/etcd/server/v3",),
            at=f"v{needs.etcd}",
            build=toolmodule.build_file(
                "etcd, the datastore of a kubeadm control plane.", needs.etcd, rename=("server", "etcd")
            ),
        ),
        ToolModule(
            name=f"coredns-{needs.coredns}",
            packages=("github.com/coredns/coredns",),
            at=f"v{needs.coredns}",
            build=toolmodule.build_file("CoreDNS, the cluster DNS that kubeadm deploys.", needs.coredns),
        ),
    ]


def _append_row(file: Path, version: str, needs: _Needs) -> None:
    """Put the row behind that of the next lower version."""
    row = (
        f'[[kubernetes]]\nversion = "{version}"\netcd = "{needs.etcd}"\netcd_tag = "{needs.etcd_tag}"\n'
        f'coredns = "{needs.coredns}"\npause = "{needs.pause}"\n'
    )
    rows.insert(file, "kubernetes", row, key="version")


def _add_environments(
    file: Path, version: str, environments: Sequence[Environment]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A row for each provider that has foundry nodes, made like that of its newest; names of added and kept rows."""
    newest: dict[str, Environment] = {}
    for environment in environments:
        if environment.foundry:
            known = newest.get(environment.provider)
            if known is None or numbers(environment.kubernetes) > numbers(known.kubernetes):
                newest[environment.provider] = environment
    minor = version.rsplit(".", 1)[0]
    names = {environment.name for environment in environments}
    added, kept = [], []
    for provider, like in newest.items():
        name = f"{provider}-{minor}"
        if name in names:
            kept.append(name)
            continue
        row = _environment_row(name, version, like)
        rows.insert(file, "environment", row, key="kubernetes", like=["provider"])
        added.append(name)
    return tuple(added), tuple(kept)


def _environment_row(name: str, version: str, like: Environment) -> str:
    lines = ["[[environment]]", f'name = "{name}"', f'provider = "{like.provider}"', f'kubernetes = "{version}"']
    if like.distribution != Environment.model_fields["distribution"].default:
        lines.append(f'distribution = "{like.distribution}"')
    lines.append("foundry = true")
    if like.foundry_distribution:
        lines.append(f'foundry_distribution = "{like.foundry_distribution}"')
    lines.append(f"tags = [{', '.join(json.dumps(tag) for tag in like.tags)}]")
    return "\n".join(lines) + "\n"


def told(added: Added, version: str) -> Iterable[str]:
    """What was added and what to do next, in lines."""
    yield f"added {', '.join(f'clusters/nodes/modules/{name}' for name in added.modules)}"
    yield f"added the row {version} to clusters/nodes/kubernetes.toml"
    for name in added.environments:
        yield f"added the environment {name}; give it a node_image when upstream has published one"
    for name in added.kept:
        yield f"the environment {name} already exists and was not changed; set `kubernetes` and `foundry` in its row"
    yield f"next: nox -s bootstrap e2e -- --env '*-{version.rsplit('.', 1)[0]}' --tag smoke"
