# SPDX-License-Identifier: Apache-2.0
"""The add-ons of the catalogue, fetched from their real Go modules. No cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BuildError
from harness.foundry import addons, gobuild
from harness.foundry.store import Store
from harness.matrix import catalogue
from harness.matrix.addons import Addon, named
from harness.releases import foreign, manifests
from harness.settings import PROJECT_ROOT

ADDONS = catalogue.load().addons
FETCHED = [it for it in ADDONS if it.module and it.for_values]


@pytest.fixture
def own_store(tmp_path: Path) -> Store:
    """An empty one: what is fetched must come from the module now."""
    (tmp_path / "artifacts").mkdir()
    return Store(tmp_path / "artifacts", tmp_path / "logs")


@pytest.mark.parametrize("addon", FETCHED, ids=lambda it: it.name)
def test_its_crds_serve_what_the_chart_asks_for(addon: Addon, store: Store) -> None:
    documents = [it for file in addons.manifests(store, addon) for it in manifests.of_file(file, file.name)]
    (switch,) = addon.for_values
    values: dict[str, object] = {switch.rpartition(".")[2]: True}
    for key in reversed(switch.split(".")[:-1]):
        values = {key: values}
    assert set(foreign.api_versions(values)) <= set(manifests.kinds(documents))


def test_its_own_chart_renders_with_the_images_of_the_row(store: Store, helm_binary: Path) -> None:
    addon = named(ADDONS, "cert-manager")
    rendered = list(manifests.of_text(addons.rendered(store, addon, helm_binary, "1.34.4"), "chart"))
    deployments = [it.document for it in rendered if it.kind == "Deployment"]
    images = {it["spec"]["template"]["spec"]["containers"][0]["image"] for it in deployments}
    assert images == set(addon.images)
    assert not manifests.crds(rendered), "they come from the module's own folder"


def test_kueue_is_rendered_with_the_program_of_its_version_and_its_integration(store: Store, helm_binary: Path) -> None:
    addon = named(ADDONS, "kueue")
    assert addon.program is not None
    assert gobuild.required_version(addon.program.module, addon.module) == addon.version
    rendered = list(manifests.of_text(addons.rendered(store, addon, helm_binary, "1.34.4"), "chart"))
    (deployment,) = [it.document for it in rendered if it.kind == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["command"]) == (addon.images[0], [addon.program.path])
    assert "--feature-gates=SparkApplicationIntegration=true" in container["args"]
    (config,) = [it.document["data"] for it in rendered if it.kind == "ConfigMap"]
    assert "sparkoperator.k8s.io/sparkapplication" in config["controller_manager_config.yaml"]
    assert "kueue.x-k8s.io/v1beta2/ClusterQueue" in manifests.kinds(rendered)


def test_a_module_with_another_checksum_is_refused(own_store: Store) -> None:
    addon = named(ADDONS, "prometheus-operator-crds").model_copy(update={"sum": f"h1:{'A' * 43}="})
    with pytest.raises(BuildError, match="has the checksum"):
        addons.manifests(own_store, addon)


def test_a_file_that_the_module_does_not_have_is_named(own_store: Store) -> None:
    addon = named(ADDONS, "prometheus-operator-crds").model_copy(update={"manifests": ("no/*.yaml",)})
    with pytest.raises(BuildError, match="has no file no/"):
        addons.manifests(own_store, addon)


@pytest.mark.parametrize("addon", [it for it in ADDONS if it.stand_in], ids=lambda it: it.name)
def test_its_stand_in_is_a_program_of_the_same_version_and_has_manifests(addon: Addon) -> None:
    assert addon.stand_in is not None
    module = addon.stand_in.module
    assert gobuild.build_file(module).version == addon.version.removeprefix("v")
    assert gobuild.required_version(module, addon.module) == addon.version
    documents = list(manifests.of_file(PROJECT_ROOT / "clusters" / "addons" / f"{module}.yaml", module))
    (deployment,) = [it.document for it in documents if it.kind == "Deployment"]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == addon.stand_in.image
