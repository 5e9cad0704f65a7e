# SPDX-License-Identifier: Apache-2.0
"""Kustomize: `kubectl apply -k --server-side` of upstream's config/, as it is shipped or with an overlay over it.

The operator's repository has a deployable config/default from 2.5.1 on. It names its objects itself, holds the CRDs and
the namespace, and asks for an image tag of its own; its webhooks look at the namespace `default` alone. An overlay sets
what a user has to set: the image of the release, and the namespaces of applications. The account of applications is
another kustomization, config/spark-rbac, for each of these namespaces.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from harness import libyaml
from harness.errors import HarnessError, UsageError
from harness.matrix.model import WayName
from harness.releases.home import OPERATOR_NAMESPACE, RELEASE_NAME
from harness.releases.ways import kubectl
from harness.releases.ways.protocol import USUALLY, InstalledRelease, On, Options, Put

_APPLY = ("--server-side", "--force-conflicts")
_LOCAL_SECONDS = 60.0
_IMAGE = "ghcr.io/kubeflow/spark-operator/controller"
"""The name that config/ gives the image, which `images` of a kustomization refers to."""

_DEPLOYMENTS = ("spark-operator-controller", "spark-operator-webhook")
_WEBHOOKS = {"MutatingWebhookConfiguration": "mutating-", "ValidatingWebhookConfiguration": "validating-"}
_NOT_ADOPTED = "deployments,services,mutatingwebhookconfigurations,validatingwebhookconfigurations"
"""Helm's objects that cannot become config/'s: the selector of a Deployment is immutable, and config/ has one more
label in it; the Service would keep Helm's port beside another of the same name; and the webhook configurations, which
config/ calls otherwise, would go on asking the port of before, so that every create would be refused."""


_NAMESPACES = "--namespaces="
_ACCOUNT = "spark-operator-spark"
"""What config/spark-rbac calls the account of applications."""


class ByKustomize:
    """Upstream's config/default, and with `overlay` one over it."""

    tools: Sequence[str] = ()
    brings_crds = True

    def __init__(self, name: WayName, *, overlay: bool) -> None:
        self.name = name
        self._overlay = overlay

    def put(
        self, on: On, it: InstalledRelease, *, timeout: float, stop: threading.Event, options: Options = USUALLY
    ) -> Put:
        """`kubectl apply -k`. What Helm owned is taken over: what cannot become config/'s is deleted first, and Helm's
        record of the release afterwards, so that nothing of Helm's deletes the rest later.
        """
        _require_home(it)
        with self._folder(it) as folder:
            objects = [*self._built(on, folder), *self._accounts(on, it)]
            if options.over_helm:
                words = ("delete", _NOT_ADOPTED, "--namespace", it.namespace, "--selector", _of_helm(it))
                kubectl.call(on, *words, timeout=timeout, stop=stop)
            said = kubectl.call(on, "apply", *_APPLY, *options.flags, "-k", folder, timeout=timeout, stop=stop)
            for namespace in it.job_namespaces:
                rbac = (_base(it) / "spark-rbac", "--namespace", namespace)
                kubectl.call(on, "apply", *_APPLY, "-k", *rbac, timeout=timeout, stop=stop)
            if options.over_helm:
                words = ("delete", "secrets", "--namespace", it.namespace, "--selector", f"owner=helm,name={it.name}")
                kubectl.call(on, *words, timeout=timeout, stop=stop)
        return Put(revision=max(it.revision, 1), said=said, objects=tuple(objects), account=_ACCOUNT)

    def back(
        self, on: On, it: InstalledRelease, *, timeout: float, stop: threading.Event, options: Options = USUALLY
    ) -> Put:
        """The same with the older tree."""
        return self.put(on, it, timeout=timeout, stop=stop, options=options)

    def remove(self, on: On, it: InstalledRelease, *, timeout: float) -> None:
        """`kubectl delete -k`, which deletes the CRDs, too."""
        with self._folder(it) as folder:
            kubectl.call(on, "delete", "--ignore-not-found", "-k", folder, timeout=timeout)

    def objects(self, on: On, it: InstalledRelease) -> Sequence[Mapping[str, Any]]:
        """What the kustomization builds."""
        return it.objects

    def told_put(self, it: InstalledRelease, options: Options = USUALLY) -> str:
        """The commands, in a folder with the tree of the release."""
        where = "." if self._overlay else "config/default"
        apply = f"kubectl apply {' '.join((*_APPLY, *options.flags))} -k {where}"
        rbac = [f"kubectl apply -k config/spark-rbac --namespace {each}" for each in it.job_namespaces]
        if not options.over_helm:
            return " && ".join([apply, *rbac])
        first = f"kubectl delete {_NOT_ADOPTED} --namespace {it.namespace} --selector {_of_helm(it)}"
        secrets = f"kubectl delete secrets --namespace {it.namespace} --selector owner=helm,name={it.name}"
        return " && ".join([first, apply, *rbac, secrets])

    def told_back(self, it: InstalledRelease) -> str:
        """The same with the older tree."""
        return self.told_put(it)

    @contextmanager
    def _folder(self, it: InstalledRelease) -> Iterator[Path]:
        """The kustomization that is applied."""
        if not self._overlay:
            yield _base(it) / "default"
            return
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            shutil.copytree(_base(it), folder / "config")
            (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay(it, folder / "config"), sort_keys=False))
            yield folder

    def _accounts(self, on: On, it: InstalledRelease) -> Iterator[Mapping[str, Any]]:
        """What config/spark-rbac makes in each namespace of applications."""
        objects = self._built(on, _base(it) / "spark-rbac")
        for namespace in it.job_namespaces:
            yield from ({**each, "metadata": {**each["metadata"], "namespace": namespace}} for each in objects)

    @staticmethod
    def _built(on: On, folder: Path) -> list[Mapping[str, Any]]:
        text = kubectl.call(on, "kustomize", folder, timeout=_LOCAL_SECONDS)
        return [it for it in yaml.load_all(text, Loader=libyaml.Loader) if it]


def overlay(it: InstalledRelease, config: Path) -> dict[str, Any]:
    """The kustomization over config/default with the release's image and the namespaces of applications."""
    registry, repository = it.release.registry, it.release.repository
    image = {"name": _IMAGE, "newName": f"{registry}/{repository}", "newTag": it.release.version}
    namespaces = {"op": "replace", "value": f"{_NAMESPACES}{','.join(it.job_namespaces)}"}
    patches = []
    for part, name in zip(("manager/manager.yaml", "webhook/deployment.yaml"), _DEPLOYMENTS, strict=True):
        path = f"/spec/template/spec/containers/0/args/{_argument(config / part, name)}"
        patches.append(_patch("Deployment", name, [{**namespaces, "path": path}]))
    selector = [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(it.job_namespaces)}]
    for kind, begins in _WEBHOOKS.items():
        count = _entries(config / "webhook" / "manifests.yaml", kind)
        change = [
            {"op": "add", "path": f"/webhooks/{number}/namespaceSelector", "value": {"matchExpressions": selector}}
            for number in range(count)
        ]
        patches.append(_patch(kind, f"{begins}webhook-configuration", change))
    return {"resources": ["config/default"], "images": [image], "patches": patches}


def _patch(kind: str, name: str, change: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"target": {"kind": kind, "name": name}, "patch": yaml.safe_dump(list(change), sort_keys=False)}


def _documents(file: Path) -> list[dict[str, Any]]:
    return [it for it in yaml.load_all(file.read_text(), Loader=libyaml.Loader) if it]


def _argument(file: Path, deployment: str) -> int:
    """The position of --namespaces among the arguments. Raises HarnessError where the tree has no such argument."""
    for it in _documents(file):
        if (it["kind"], it["metadata"]["name"]) == ("Deployment", deployment):
            for number, argument in enumerate(it["spec"]["template"]["spec"]["containers"][0]["args"]):
                if argument.startswith(_NAMESPACES):
                    return number
    raise HarnessError(f"{file.name} has no Deployment {deployment} with {_NAMESPACES}", "see config/ of that release")


def _entries(file: Path, kind: str) -> int:
    return sum(len(it.get("webhooks") or ()) for it in _documents(file) if it["kind"] == kind)


def _base(it: InstalledRelease) -> Path:
    if it.kustomization is None:
        raise UsageError(f"release {it.release.name} comes without config/", "choose a newer one, or another way")
    return it.kustomization


def _require_home(it: InstalledRelease) -> None:
    """Raise UsageError for another name or namespace than config/ gives its objects."""
    if (it.name, it.namespace) != (RELEASE_NAME, OPERATOR_NAMESPACE):
        raise UsageError(
            f"config/ names its objects itself, {RELEASE_NAME} in {OPERATOR_NAMESPACE}",
            "leave out --release-name and --namespace on a path of Kustomize",
        )


def _of_helm(it: InstalledRelease) -> str:
    return f"app.kubernetes.io/managed-by=Helm,app.kubernetes.io/instance={it.name}"
