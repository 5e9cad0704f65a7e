# SPDX-License-Identifier: Apache-2.0
"""What is in a cluster before the operator: what brings an add-on along, what of --before does not fit, and locks.

The foundry's store is a stand-in; tests/integration/test_addons_from_modules.py fetches the real modules.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from run_fakes import CATALOGUE, FakeCharts, FakeSource, Stage, request

from harness.errors import CatalogueError, RegistryError, UnavailableError, UsageError
from harness.foundry import addons
from harness.kube.needs import Need
from harness.matrix.addons import read_addons
from harness.releases import crds
from harness.releases.fitting import Given
from harness.releases.manifests import Document
from harness.run import before, locked_before, setup
from harness.toml_source import TomlSource

HELM = Path("/tools/helm")
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: issuers.cert-manager.io}
spec: {group: cert-manager.io, names: {kind: Issuer}, versions: [{name: v1, served: true}]}
"""


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crd.yaml").write_text(CRD)
    monkeypatch.setattr(addons, "manifests", lambda store, addon: [tmp_path / "crd.yaml"])
    monkeypatch.setattr(addons, "rendered", lambda store, addon, helm, kubernetes: "")


def source(folder: Path, *, has_images: bool) -> Any:
    made = FakeSource(Stage(folder=folder))
    if not has_images:
        made.resolve = lambda reference: (_ for _ in ()).throw(RegistryError(f"{reference}: 404", status=404))  # type: ignore[method-assign]
    return made


def asked(folder: Path, values: dict[str, Any], *documents: Document) -> setup.Request:
    return replace(request(folder), users=(values,), values=(values,), before=documents)


def gathered(folder: Path, values: dict[str, Any], *documents: Document, has_images: bool = False) -> before.Before:
    environment = CATALOGUE.environment("kind-1.34")
    made = source(folder, has_images=has_images)
    return before.gather(asked(folder, values, *documents), environment, made, HELM)


def document(kind: str, name: str, namespace: str = "", version: str = "v1") -> Document:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return Document(where="a.yaml:1", document={"apiVersion": version, "kind": kind, "metadata": metadata})


def test_values_bring_the_add_ons_that_they_need_and_it_is_told(tmp_path: Path) -> None:
    found = gathered(tmp_path, {"certManager": {"enable": True}})
    assert "cert-manager.io/v1/Issuer" in found.kinds
    assert found.images == ("harness.invalid/certificate-issuer:1.21.2",)
    assert found.told[0] == "certManager.enable brings along cert-manager 1.21.2"
    assert "cert-manager is played by a program of this project" in found.told[1]
    assert [(it.name, it.version, len(it.sha256)) for it in found.addons] == [("cert-manager", "v1.21.2", 64)]
    assert any(it.kind == "Deployment" for it in found.documents)


def test_the_add_on_itself_runs_where_its_images_can_be_had(tmp_path: Path) -> None:
    found = gathered(tmp_path, {"certManager": {"enable": True}}, has_images=True)
    assert "quay.io/jetstack/cert-manager-controller:v1.21.2" in found.images
    assert "cert-manager runs from its own images" in found.told


def test_nothing_comes_along_unasked_or_for_exact_values(tmp_path: Path) -> None:
    assert gathered(tmp_path, {"certManager": {"enable": False}}) == before.Before()
    exact = asked(tmp_path, {"certManager": {"enable": True}})
    exact = replace(exact, options=replace(exact.options, exact_values=True))
    environment = CATALOGUE.environment("kind-1.34")
    assert before.gather(exact, environment, source(tmp_path, has_images=False), HELM) == before.Before()


def test_an_environment_has_add_ons_of_its_own(tmp_path: Path) -> None:
    environment = CATALOGUE.environment("kind-1.34-restricted")
    found = before.gather(asked(tmp_path, {}), environment, source(tmp_path, has_images=False), HELM)
    assert found.labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize(
    ("kind", "told"), [("foundry", "runs as built here from its Go module"), ("mirror", "runs from its own images")]
)
def test_an_add_on_that_the_foundry_builds_runs_itself(tmp_path: Path, kind: str, told: str) -> None:
    environment = CATALOGUE.environment("kind-1.34-kueue")
    made = source(tmp_path, has_images=True)
    made.kind = kind
    found = before.gather(asked(tmp_path, {}), environment, made, HELM)
    assert found.images == ("registry.k8s.io/kueue/kueue:v0.17.0",)
    assert f"kueue {told}" in found.told
    with pytest.raises(UnavailableError, match="the add-on kueue cannot be had"):
        before.gather(asked(tmp_path, {}), environment, source(tmp_path, has_images=False), HELM)


def test_an_issuer_that_values_refer_to_is_made_unless_it_is_there(tmp_path: Path) -> None:
    reference = {"kind": "ClusterIssuer", "name": "letsencrypt"}
    values = {"certManager": {"enable": True, "issuerRef": reference}}
    found = gathered(tmp_path, values)
    assert [it.document["spec"] for it in found.documents if it.name == "letsencrypt"] == [{"selfSigned": {}}]
    assert any("ClusterIssuer letsencrypt" in it for it in found.told)
    own = document("ClusterIssuer", "letsencrypt", version="cert-manager.io/v1")
    assert len([it for it in gathered(tmp_path, values, own).documents if it.name == "letsencrypt"]) == 1


def test_an_issuer_of_another_group_cannot_be_had(tmp_path: Path) -> None:
    reference = {"group": "awspca.cert-manager.io", "kind": "AWSPCAClusterIssuer", "name": "pca"}
    with pytest.raises(UnavailableError, match=r"AWSPCAClusterIssuer pca of awspca"):
        gathered(tmp_path, {"certManager": {"enable": True, "issuerRef": reference}})


class ChartThatMakes:
    """Renders an account, or nothing."""

    def template(self, *given: object, **more: object) -> list[dict[str, Any]]:
        return [{"kind": "ServiceAccount", "metadata": {"name": "own"}}]


GIVEN = Given(
    name="it", namespace="operator", own=[], users=[{"spark": {"jobNamespaces": ["a"]}}], job_namespaces=["b"]
)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (document("ResourceQuota", "q", "nowhere"), "add a Namespace nowhere"),
        (document("ServiceAccount", "own", "operator"), "the release itself makes the ServiceAccount operator/own"),
        (
            document("CustomResourceDefinition", "sparkapplications.sparkoperator.k8s.io"),
            "the chart brings the CRD sparkapplications.sparkoperator.k8s.io along",
        ),
        (document("ResourceQuota", "q", "a"), ""),
        (document("ResourceQuota", "q", "b"), ""),
        (document("ServiceAccount", "own", "a"), ""),
    ],
)
def test_what_of_before_does_not_fit_is_told_before_a_cluster(
    wrong: Document, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crds, "chart_crds", lambda chart: {"sparkapplications.sparkoperator.k8s.io": {}})
    wanted = asked(tmp_path, {}, wrong)
    chart = FakeCharts().find(CATALOGUE.release("2.5.2"))
    found = before.problem(before.Before(documents=(wrong,)), wanted, GIVEN, cast(Any, ChartThatMakes()), chart)
    assert said in (found.message if found else "")
    assert bool(found) == bool(said)


def test_what_pods_of_the_operator_find_is_in_their_namespace() -> None:
    found = before.Before(
        documents=(document("Secret", "a", "operator"), document("Secret", "b", "x"), document("PriorityClass", "c"))
    ).made("operator")
    assert found == {Need(kind="Secret", name="a"), Need(kind="PriorityClass", name="c")}


def test_a_secret_is_in_no_lock_and_must_be_given_again() -> None:
    secret = Document(
        where="s.yaml:1",
        document={"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "swordfish"}},
    )
    quota = document("ResourceQuota", "q", "a")
    locked = locked_before.locked((secret, quota), ())
    assert [it.document["kind"] for it in locked] == ["ResourceQuota"]
    lock: Any = type("L", (), {"surroundings": locked, "secrets_before": 1})()
    assert locked_before.unlocked(lock, (secret, quota), ()) == (secret, quota)
    with pytest.raises(UsageError, match="no secrets"):
        locked_before.unlocked(lock, (), ())
    with pytest.raises(UsageError, match="not what the lock has"):
        locked_before.unlocked(lock, (quota,), ())
    open_lock: Any = type("L", (), {"surroundings": locked, "secrets_before": 0})()
    assert [str(it) for it in locked_before.unlocked(open_lock, (), ())] == ["ResourceQuota a/q"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('name = "a"\nabout = "a"\n', "give manifests, a chart, files, or labels"),
        ('name = "a"\nabout = "a"\nmanifests = ["*"]\n', "files of a module"),
        ('name = "a"\nabout = "a"\nmodule = "m"\nmanifests = ["*"]\n', "must be given together"),
        ('name = "A"\nabout = "a"\n[addon.labels]\na = "b"\n', "name"),
        ('name = "a"\nabout = "a"\nmanifest = ["*"]\n', "did you mean manifests"),
    ],
)
def test_a_row_that_makes_no_sense_is_told_with_its_place(row: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "addons.toml"
    file.write_text(f"[[addon]]\n{row}")
    with pytest.raises(CatalogueError, match=said):
        read_addons(TomlSource.read(file))
