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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.errors import BuildError, CommandError, UsageError
from harness.foundry import gobuild
from harness.foundry.kubernetes import CONTROL_PLANE
from harness.foundry.store import Store
from harness.host.steps import Progress
from harness.matrix.model import Environment
from harness.settings import PROJECT_ROOT, Settings

KUBERNETES = "k8s.io/kubernetes"
_GO = "1.26.0"
_FETCH_SECONDS = 1200.0
_PROGRAMS = (*CONTROL_PLANE, "kubeadm", "kubectl", "kubelet")
_CONSTANTS = "cmd/kubeadm/app/constants/constants.go"
_LICENCE = "Apache-2.0"


@dataclass(frozen=True, kw_only=True)
class Added:
    """What came into the checkout: folders of Go tool modules, and names of environments."""

    modules: tuple[str, ...]
    environments: tuple[str, ...]
    kept: tuple[str, ...]
    """Environments of that minor that were there before and stay as they are."""


@dataclass(frozen=True, kw_only=True)
class _Needs:
    """What a Kubernetes version's own sources ask for. `etcd_tag` and the rest have no `v`."""

    staging: tuple[str, ...]
    godebug: tuple[str, ...]
    etcd_tag: str
    coredns: str
    pause: str

    @property
    def etcd(self) -> str:
        return self.etcd_tag.partition("-")[0]


@dataclass(frozen=True, kw_only=True)
class _Module:
    """A tool module that is to be written."""

    name: str
    packages: tuple[str, ...]
    at: str
    build: str
    replace: tuple[str, ...] = ()
    godebug: tuple[str, ...] = ()


def add_kubernetes(
    settings: Settings, version: str, environments: Sequence[Environment], say: Progress, *, root: Path = PROJECT_ROOT
) -> Added:
    """Write what the foundry needs for Kubernetes `version` (`1.38.0`) into the checkout at `root`.

    Everything is fetched before the first file is written. Raises UsageError for what is no version or is there
    already, BuildError with the module registry's own words when it refuses something.
    """
    if not re.fullmatch(r"1\.\d+\.\d+", version):
        raise UsageError(f"{version!r} is not a full Kubernetes version", "give one like 1.36.3, without v")
    modules = root / "clusters" / "nodes" / "modules"
    if (modules / f"kubernetes-{version}").exists():
        raise UsageError(
            f"the foundry has Kubernetes {version} already", f'build it: `harness foundry build "Kubernetes {version}"`'
        )
    store = Store.of(settings)
    log_file = settings.cache_dir / "logs" / f"add-kubernetes-{version}.log"
    say(f"asking for {KUBERNETES} v{version}")
    source, go_mod = _download(store, f"{KUBERNETES}@v{version}", log_file)
    needs = _needs(source, go_mod, log_file)
    say(f"it asks for etcd {needs.etcd_tag}, CoreDNS {needs.coredns} and pause {needs.pause}")
    wanted = [module for module in _modules(version, needs) if not (modules / module.name).exists()]
    with tempfile.TemporaryDirectory(prefix="soh-add-") as scratch:
        made = []
        for module in wanted:
            say(f"resolving {module.name}")
            made.append(_resolve(store, module, Path(scratch) / module.name, log_file))
        for folder in made:
            shutil.copytree(folder, modules / folder.name)
    _append_row(root / "clusters" / "nodes" / "kubernetes.toml", version, needs)
    added, kept = _add_environments(root / "clusters" / "environments.toml", version, environments)
    return Added(modules=tuple(module.name for module in wanted), environments=added, kept=kept)


def _download(store: Store, wanted: str, log_file: Path) -> tuple[Path, Path]:
    """The source folder and the go.mod of a module. Raises BuildError with what the registry said."""
    done = process.call(
        ["go", "mod", "download", "-json", wanted],
        cwd=store.root.parent if store.root.parent.is_dir() else Path.cwd(),
        env={**gobuild.environment(store), "GOFLAGS": "-modcacherw"},
        timeout=_FETCH_SECONDS,
        log_file=log_file,
        check=False,
    )
    try:
        told = json.loads(done.stdout)
    except json.JSONDecodeError:
        told = {"Error": done.stderr.strip() or f"go ended with status {done.returncode}"}
    if told.get("Error"):
        raise BuildError(
            f"the Go module registry does not give {wanted}: {told['Error']}",
            "a registry may hold only some patches of a minor: try another patch, or another GOPROXY",
        )
    return Path(told["Dir"]), Path(told["GoMod"])


def _needs(source: Path, go_mod: Path, log_file: Path) -> _Needs:
    listed = json.loads(process.call(["go", "mod", "edit", "-json", go_mod], timeout=60, log_file=log_file).stdout)
    staging = tuple(
        entry["Old"]["Path"] for entry in listed.get("Replace") or () if entry["New"]["Path"].startswith("./staging/")
    )
    text = (source / _CONSTANTS).read_text()
    godebug = re.findall(r"^(?:godebug\s+|\t)(\w+=\S+)$", go_mod.read_text(), re.M)

    def constant(name: str) -> str:
        found = re.search(rf'\b{name}\s*=\s*"v?([^"]+)"', text)
        if not found:
            raise BuildError(f"{source / _CONSTANTS} has no {name}", "read there what took its place, and add it here")
        return found[1]

    return _Needs(
        staging=staging,
        godebug=tuple(godebug),
        etcd_tag=constant("DefaultEtcdVersion"),
        coredns=constant("CoreDNSVersion"),
        pause=constant("PauseVersion"),
    )


def _modules(version: str, needs: _Needs) -> list[_Module]:
    minor = version.split(".")[1]
    patch = version.split(".", 1)[1]
    return [
        _Module(
            name=f"kubernetes-{version}",
            packages=tuple(f"{KUBERNETES}/cmd/{program}" for program in _PROGRAMS),
            at=f"v{version}",
            replace=tuple(f"{name} => {name} v0.{patch}" for name in needs.staging),
            godebug=needs.godebug,
            build=_build_file(
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
        _Module(
            name=f"etcd-{needs.etcd}",
            packages=("go.etcd.io/etcd/server/v3",),
            at=f"v{needs.etcd}",
            build=_build_file("etcd, the datastore of a kubeadm control plane.", needs.etcd)
            + '\n[rename]\nserver = "etcd"\n',
        ),
        _Module(
            name=f"coredns-{needs.coredns}",
            packages=("github.com/coredns/coredns",),
            at=f"v{needs.coredns}",
            build=_build_file("CoreDNS, the cluster DNS that kubeadm deploys.", needs.coredns),
        ),
    ]


def _build_file(purpose: str, version: str, ldflags: Sequence[str] = ()) -> str:
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        f"# {purpose}",
        f'version = "{version}"',
        f'licence = "{_LICENCE}"',
    ]
    if ldflags:
        lines += ["ldflags = [", *(f'    "{flag}",' for flag in ldflags), "]"]
    return "\n".join(lines) + "\n"


def _resolve(store: Store, module: _Module, folder: Path, log_file: Path) -> Path:
    """Let Go write go.mod and go.sum. Raises BuildError with what it said."""
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text(_go_mod(module))
    environment = {**gobuild.environment(store), "GOFLAGS": "-mod=mod -modcacherw", "CGO_ENABLED": "0"}

    def go(*words: str) -> None:
        process.call(["go", *words], cwd=folder, env=environment, timeout=_FETCH_SECONDS, log_file=log_file)

    try:
        go("get", "-tool", *(f"{package}@{module.at}" for package in module.packages))
        # What a build needs must have its sum, so that it is never asked for without a check.
        go("list", "-deps", *module.packages)
    except CommandError as error:
        raise BuildError(
            f"the Go module registry does not give all that {module.name} needs: {error.message}", f"see {log_file}"
        ) from error
    (folder / "build.toml").write_text(module.build)
    return folder


def _go_mod(module: _Module) -> str:
    parts = ["module harness.invalid/modules", f"go {_GO}", *(f"godebug {setting}" for setting in module.godebug)]
    if module.replace:
        parts.append("\n".join(("replace (", *(f"\t{line}" for line in module.replace), ")")))
    return "\n\n".join(parts) + "\n"


def _append_row(file: Path, version: str, needs: _Needs) -> None:
    """Put the row behind that of the next lower version."""
    row = (
        f'[[kubernetes]]\nversion = "{version}"\netcd = "{needs.etcd}"\netcd_tag = "{needs.etcd_tag}"\n'
        f'coredns = "{needs.coredns}"\npause = "{needs.pause}"\n'
    )
    _insert(file, "kubernetes", row, lambda text: _version(_value(text, "version")) < _version(version))


def _add_environments(
    file: Path, version: str, environments: Sequence[Environment]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A row for each provider that has foundry nodes, made like that of its newest; names of added and kept rows."""
    newest: dict[str, Environment] = {}
    for environment in environments:
        if environment.foundry:
            known = newest.get(environment.provider)
            if known is None or _version(environment.kubernetes) > _version(known.kubernetes):
                newest[environment.provider] = environment
    minor = version.rsplit(".", 1)[0]
    names = {environment.name for environment in environments}
    added, kept = [], []
    for provider, like in newest.items():
        name = f"{provider}-{minor}"
        if name in names:
            kept.append(name)
            continue
        _insert(file, "environment", _environment_row(name, version, like), _before(provider, version))
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


def _before(provider: str, version: str) -> Callable[[str], bool]:
    def earlier(text: str) -> bool:
        return _value(text, "provider") == provider and _version(_value(text, "kubernetes")) < _version(version)

    return earlier


def _insert(file: Path, table: str, row: str, goes_before: Callable[[str], bool]) -> None:
    """Put a row behind the last one of which `goes_before(its text)` holds; at the end where none is."""
    head, *rows = re.split(rf"^(?=\[\[{table}\]\])", file.read_text(), flags=re.M)
    place = max((number for number, text in enumerate(rows, 1) if goes_before(text)), default=len(rows))
    rows.insert(place, row)
    file.write_text("\n\n".join(part.rstrip("\n") for part in (head, *rows)) + "\n")


def _value(text: str, key: str) -> str:
    found = re.search(rf'^{key}\s*=\s*"([^"]*)"', text, re.M)
    return found[1] if found else ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")) if text else ()


def told(added: Added, version: str) -> Iterable[str]:
    """What to do with it, in lines."""
    yield f"added {', '.join(f'clusters/nodes/modules/{name}' for name in added.modules)}"
    yield f"added the row {version} to clusters/nodes/kubernetes.toml"
    for name in added.environments:
        yield f"added the environment {name}; give it a node_image when upstream has published one"
    for name in added.kept:
        yield f"the environment {name} was there and stays as it is; set `kubernetes` and `foundry` there by hand"
    yield f"next: nox -s bootstrap e2e -- --env '*-{version.rsplit('.', 1)[0]}' --tag smoke"
