# SPDX-License-Identifier: Apache-2.0
"""What each way of installing calls, and what it says that a user would type.

The programs are stand-ins that note how they are called: what the real ones do is for runs on real clusters.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from test_change import CHART, INSTALLED

from harness.errors import ClusterError, ReleaseError, ToolError, UsageError
from harness.matrix import catalogue, expand, model
from harness.matrix.model import WayName
from harness.releases import ways
from harness.releases.ways.by_kustomize import overlay
from harness.releases.ways.protocol import InstalledRelease, On, Options, Programs, Put

CATALOGUE = catalogue.load()
IT = replace(INSTALLED, job_namespaces=("etl", "ml"), release=CATALOGUE.release("2.5.2"))
ROLLED = Options(over="helm3")


class Site:
    """A cluster that is none, and programs that note their arguments; kubectl says and answers as it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.kubeconfig = folder / "kc"
        self.kubeconfig.touch()
        self.kubectl = self.program("kubectl", "cat > /dev/null")

    def program(self, name: str, body: str) -> Path:
        file = self.folder / name
        file.write_text(f'#!/bin/sh\necho "$(basename "$0") $*" >> {self.calls}\n{body}\n')
        file.chmod(0o755)
        return file

    def on(self, **others: Path) -> On:
        programs = Programs(helm=self.folder / "helm", kubectl=self.kubectl, others=others)
        return On(cluster=cast(Any, SimpleNamespace(kubeconfig=self.kubeconfig)), programs=programs)

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """As much of config/ as an overlay is about."""
    args = ["start", "--zap-log-level=info", "--namespaces="]
    pod = {"spec": {"template": {"spec": {"containers": [{"args": args}]}}}}
    files: dict[str, Iterable[dict[str, Any]]] = {
        "manager/manager.yaml": (
            {"kind": "Namespace", "metadata": {"name": "spark-operator"}},
            {"kind": "Deployment", "metadata": {"name": "spark-operator-controller"}, **pod},
        ),
        "webhook/deployment.yaml": (
            {"kind": "Deployment", "metadata": {"name": "spark-operator-webhook"}, **pod},
        ),
        "webhook/manifests.yaml": (
            {"kind": "MutatingWebhookConfiguration", "webhooks": [{"name": "a"}, {"name": "b"}]},
            {"kind": "ValidatingWebhookConfiguration", "webhooks": [{"name": "c"}]},
        ),
        "default/kustomization.yaml": ({"resources": ["../manager"]},),
    }  # fmt: skip
    for name, documents in files.items():
        file = tmp_path / "config" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump_all(documents))
    return tmp_path / "config"


def put(site: Site, name: WayName, it: InstalledRelease, options: Options = Options()) -> Put:  # noqa: B008
    return ways.of(name).put(site.on(), it, timeout=5, stop=threading.Event(), options=options)


def test_an_overlay_sets_the_image_of_the_release_and_the_namespaces_of_applications(config: Path) -> None:
    made = overlay(IT, config)
    assert made["images"] == [
        {
            "name": "ghcr.io/kubeflow/spark-operator/controller",
            "newName": "ghcr.io/kubeflow/spark-operator/controller",
            "newTag": "2.5.2",
        }
    ]
    patches = {(it["target"]["kind"], it["target"]["name"]): yaml.safe_load(it["patch"]) for it in made["patches"]}
    for name in ("spark-operator-controller", "spark-operator-webhook"):
        assert patches["Deployment", name] == [
            {
                "op": "replace",
                "value": "--namespaces=etl,ml",
                "path": "/spec/template/spec/containers/0/args/2",
            }
        ]
    mutating = patches["MutatingWebhookConfiguration", "mutating-webhook-configuration"]
    assert [it["path"] for it in mutating] == [f"/webhooks/{number}/namespaceSelector" for number in (0, 1)]
    assert mutating[0]["value"]["matchExpressions"][0]["values"] == ["etl", "ml"]
    assert len(patches["ValidatingWebhookConfiguration", "validating-webhook-configuration"]) == 1


def test_kustomize_applies_what_is_shipped_and_an_account_for_each_namespace(site: Site, config: Path) -> None:
    account = '{"kind": "ServiceAccount", "metadata": {"name": "spark-operator-spark"}}'
    site.kubectl = site.program("kubectl", f"case \"$*\" in *kustomize*spark-rbac) echo '{account}';; esac")
    came = put(site, "kustomize", replace(IT, kustomization=config, revision=0))
    assert (came.revision, came.account) == (1, "spark-operator-spark")
    assert [it["metadata"]["namespace"] for it in came.objects] == ["etl", "ml"]
    whole = f"kubectl --kubeconfig {site.kubeconfig}"
    assert site.called() == [
        f"{whole} kustomize {config}/default",
        f"{whole} kustomize {config}/spark-rbac",
        f"{whole} apply --server-side --force-conflicts -k {config}/default",
        f"{whole} apply --server-side --force-conflicts -k {config}/spark-rbac --namespace etl",
        f"{whole} apply --server-side --force-conflicts -k {config}/spark-rbac --namespace ml",
    ]


def test_what_helm_owned_is_taken_over_before_and_forgotten_after(site: Site, config: Path) -> None:
    it = replace(IT, kustomization=config, revision=1)
    put(site, "overlay", it, ROLLED)
    done = [
        line.removeprefix(f"kubectl --kubeconfig {site.kubeconfig} ").split(" --namespace")[0] for line in site.called()
    ]
    assert [done[number] for number in (2, -1)] == [
        "delete deployments,services,mutatingwebhookconfigurations,validatingwebhookconfigurations",
        "delete secrets",
    ]
    assert done[3].startswith("apply --server-side --force-conflicts -k ")
    told = ways.of("overlay").told_put(it, ROLLED)
    assert told.startswith("kubectl delete deployments,services,")
    assert told.endswith("--selector owner=helm,name=spark-operator")
    assert "delete" not in ways.of("overlay").told_put(it)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "mine"}, "config/ names its objects itself"),
        ({"namespace": "elsewhere"}, "config/ names its objects itself"),
        ({"kustomization": None}, "comes without config/"),
    ],
)
def test_what_kustomize_cannot_do_is_refused(site: Site, config: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        put(site, "overlay", replace(IT, **{"kustomization": config, **change}))
    assert not site.called()


def test_the_pipeline_applies_the_crds_before_an_install_only(site: Site) -> None:
    answers = {"show": "kind: CustomResourceDefinition", "template": "kind: Role", "version": "v3.22.0"}
    cases = "".join(f"{word}) echo '{answer}';; " for word, answer in answers.items())
    site.program("helm", f'case "$1" in {cases}esac')
    metadata = {"apiVersion": "v2", "name": CHART.name, "version": CHART.version}
    chart = replace(CHART, path=site.folder, metadata=metadata)
    (first,) = put(site, "kubectl", replace(IT, chart=chart, revision=0)).objects
    assert first == {"kind": "Role"}
    put(site, "kubectl", replace(IT, chart=chart, revision=2))
    called = [line.split()[2:] for line in site.called() if line.startswith("kubectl")]
    assert called[0] == [str(site.kubeconfig), "apply", "--server-side", "--filename", "-"]
    for context, apply in (called[1:3], called[3:5]):
        # Of a copy of the kubeconfig, which is the user's.
        assert context[0] == apply[0] != str(site.kubeconfig)
        assert context[1:] == ["config", "set-context", "--current", "--namespace", "spark-operator"]
        assert apply[1:] == ["apply", "--filename", "-"]
    assert ways.of("kubectl").told_put(IT) == (
        "kubectl config set-context --current --namespace spark-operator"
        " && helm template spark-operator it.tgz --namespace spark-operator --values values.yaml | kubectl apply -f -"
    )


@pytest.mark.parametrize(
    ("said", "error", "told"),
    [
        ("The connection to the server 10.0.0.1 was refused: connection refused", ClusterError, "did not answer"),
        ('The Deployment "x" is invalid: spec.selector: field is immutable', ReleaseError, "field is immutable"),
    ],
)
def test_what_kubectl_says_is_the_releases_fault_unless_nobody_answered(
    site: Site, config: Path, said: str, error: type[Exception], told: str
) -> None:
    site.kubectl = site.program("kubectl", f"echo {json.dumps(said)} >&2; exit 1")
    with pytest.raises(error, match=told):
        put(site, "kustomize", replace(IT, kustomization=config))


def test_a_named_helm_is_called_and_told_by_its_name(site: Site) -> None:
    four = site.program("helm-4.3.1", "exit 1")
    assert ways.helm("helm4", site.on(helm4=four).programs) == four
    assert ways.helm("helm", site.on(helm4=four).programs) == site.folder / "helm"
    with pytest.raises(ToolError, match="helm3 was not resolved"):
        ways.helm("helm3", site.on(helm4=four).programs)
    with pytest.raises(UsageError, match="~kubectl does not call Helm"):
        ways.helm("kubectl", site.on().programs)
    assert ways.of("helm4").told_put(IT).startswith("helm4 install spark-operator it.tgz ")
    assert ways.of("helm4").told_put(replace(IT, revision=2)).startswith("helm4 upgrade spark-operator it.tgz ")
    assert ways.of("helm").told_back(IT) == "helm rollback spark-operator 1 --namespace spark-operator"


@pytest.mark.parametrize(
    ("way", "over", "flags"),
    [
        ("helm4", "helm3", []),
        ("helm3", "kubectl", ["--take-ownership"]),
        ("helm4", "kubectl", ["--take-ownership", "--server-side=true", "--force-conflicts"]),
        ("helm4", "overlay", ["--take-ownership", "--server-side=true", "--force-conflicts"]),
    ],
)
def test_helm_takes_over_what_another_way_has_made(way: WayName, over: WayName, flags: list[str]) -> None:
    told = ways.of(way).told_put(IT, Options(over=over)).split(" values.yaml ")
    assert told[1:] == ([" ".join(flags)] if flags else [])


def test_a_run_asks_for_the_programs_of_its_paths() -> None:
    names = ("install-2.5.2", "upgrade-2.4.0-2.5.2~helm3,helm4", "install-2.5.2~helm4", "install-2.5.2~overlay")
    assert ways.tools_of(expand.find_path(CATALOGUE, it) for it in names) == ["helm3", "helm4"]


def test_every_way_has_an_implementation() -> None:
    for name in model.WayName.__args__:  # type: ignore[attr-defined]
        assert ways.of(name).name == name
