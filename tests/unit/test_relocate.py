# SPDX-License-Identifier: Apache-2.0
"""How a release is installed that was copied to another registry. The cluster's side is in tests/e2e."""

from __future__ import annotations

from harness.matrix import catalogue
from harness.releases import relocate

REAL = catalogue.load()


def test_a_release_where_upstream_published_it_needs_no_values() -> None:
    assert relocate.values_for(REAL.release("2.5.2")) == {}


def test_a_copy_is_installed_from_its_registry_with_a_pull_secret() -> None:
    assert relocate.values_for(REAL.release("2.2.1@docker.io")) == {
        "image": {
            "registry": "docker.io",
            "repository": "kubeflow/spark-operator",
            "pullSecrets": [{"name": "relocated-registry"}],
        }
    }


def test_the_copy_of_a_release_with_a_hook_names_the_copy_of_its_image_too() -> None:
    assert relocate.values_for(REAL.release("2.4.0@docker.io"))["hook"] == {
        "image": {"registry": "docker.io", "repository": "kubeflow/spark-operator-kubectl"}
    }
