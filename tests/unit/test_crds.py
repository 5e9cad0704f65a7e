# SPDX-License-Identifier: Apache-2.0
"""CRDs: what counts as the same, and how a difference is told."""

from __future__ import annotations

import copy

from operator_samples import crd_spec

from harness.releases.crds import differences


def test_what_the_api_server_fills_in_or_drops_is_no_difference() -> None:
    actual = copy.deepcopy(crd_spec())
    actual["conversion"] = {"strategy": "None"}
    actual["names"] |= {"singular": "sparkapplication", "listKind": "SparkApplicationList"}
    schema = actual["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["description"]
    schema["required"].reverse()
    schema["properties"]["size"]["maximum"] = 5.0
    schema["properties"]["size"]["nullable"] = False
    assert differences(crd_spec(), actual) == []


def test_a_changed_limit_is_told_with_its_path() -> None:
    found = differences(crd_spec(maximum=5), crd_spec(maximum=6))
    assert found == ["spec.versions.v1beta2.schema.properties.size.maximum: 5 → 6"]


def test_a_property_called_description_counts() -> None:
    actual = crd_spec()
    del actual["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["description"]
    assert differences(crd_spec(), actual) == [
        "spec.versions.v1beta2.schema.properties.description: missing in the cluster"
    ]


def test_another_version_and_an_unserved_one_are_told() -> None:
    actual = crd_spec()
    actual["versions"][0]["served"] = False
    actual["versions"].append({"name": "v1", "served": True, "storage": False})
    assert differences(crd_spec(), actual) == [
        "spec.versions.v1beta2.served: True → False",
        "spec.versions.v1: only in the cluster",
    ]


def test_the_list_of_differences_is_bounded() -> None:
    actual = crd_spec(maximum=6)
    actual["scope"] = "Cluster"
    assert len(differences(crd_spec(), actual, limit=1)) == 1
