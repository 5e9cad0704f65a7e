# SPDX-License-Identifier: Apache-2.0
"""YAML without libyaml, which PyYAML may have been built without."""

from __future__ import annotations

import pytest
import yaml

from harness import libyaml
from harness.redaction.redactor import Redactor

SECRET = "kind: Secret\nmetadata: {name: it}\ndata:\n  password: aHVudGVyMjJodW50ZXI=\n"


def test_without_libyaml_secrets_are_masked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader")
    monkeypatch.setattr(libyaml, "Loader", yaml.SafeLoader)
    assert Redactor().text(SECRET) == SECRET.replace("aHVudGVyMjJodW50ZXI=", '"***"')
