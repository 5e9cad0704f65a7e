# SPDX-License-Identifier: Apache-2.0
"""The harness's own image: what goes into it, and that both recipes make the same."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from harness import home
from harness.errors import UsageError
from harness.foundry import harness_image
from harness.foundry.assemble import pack, write_image
from harness.foundry.layers import read_layer, write_layer
from harness.settings import PROJECT_ROOT


def test_the_dockerfile_makes_the_same() -> None:
    text = (PROJECT_ROOT / "Dockerfile").read_text()
    row = harness_image.row()
    (user,) = row.base.user

    assert f"USER {user.id}:{user.id}" in text
    assert f"python:{row.python}-slim-{row.base.suite}" in text
    assert "--require-hashes" in text


def test_it_holds_what_a_wheel_holds() -> None:
    files = {it.relative_to(PROJECT_ROOT).as_posix() for it in harness_image._files(PROJECT_ROOT)}

    assert {"harness/cli.py", "harness/cells.ini", "clusters/environments.toml", "charts/releases.toml"} <= files
    assert not [it for it in files if "__pycache__" in it or it.startswith(("tests/", "docs/"))]


def test_a_change_of_the_harness_is_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = harness_image.recipe().key
    monkeypatch.setattr(harness_image, "_files", lambda root: [root / "pyproject.toml"])

    assert harness_image.recipe().key != before


def test_an_installation_cannot_build_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "checkout", lambda *_: None)

    with pytest.raises(UsageError, match="harness image"):
        harness_image.recipe()


def test_the_archive_is_one_that_engines_load(tmp_path: Path) -> None:
    write_layer(tmp_path, "layer", lambda layer: layer.text("hello", "hello"))
    image = write_image(tmp_path, [("hello", read_layer(tmp_path))], harness_image._config())

    pack(image, harness_image.row().reference, tmp_path / "image.tar")

    with tarfile.open(tmp_path / "image.tar") as packed:
        names = packed.getnames()
        manifest = packed.extractfile("manifest.json")
        assert manifest is not None
        (listed,) = json.load(manifest)
    assert listed["RepoTags"] == [harness_image.row().reference]
    assert {listed["Config"], *listed["Layers"], "oci-layout", "index.json"} <= set(names)
