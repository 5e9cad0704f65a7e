# SPDX-License-Identifier: Apache-2.0
"""Manifests as they are pushed; what registries do with them is in tests/integration."""

from __future__ import annotations

import json

import pytest

from harness.images.media_types import INDEX, MANIFEST, MANIFESTS
from harness.registries.push import as_manifest


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        ({"mediaType": MANIFESTS[1], "layers": []}, MANIFESTS[1]),
        ({"layers": []}, MANIFEST),
        ({"manifests": []}, INDEX),
    ],
)
def test_a_manifest_that_does_not_name_its_type_has_the_one_of_the_specification(
    content: dict[str, object], media_type: str
) -> None:
    assert as_manifest(json.dumps(content).encode()).media_type == media_type
