# SPDX-License-Identifier: Apache-2.0
"""The image of the harness, built by the foundry and run by the container engine as another user than root."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness import settings
from harness.foundry import harness_image
from harness.foundry.store import Store

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def image() -> str:
    archive = harness_image.archive(Store.of(settings.load()))
    subprocess.run(["docker", "load", "--input", archive], check=True, capture_output=True, timeout=300)
    return harness_image.row().reference


def run(image: str, *words: str, folder: Path, entrypoint: str = "") -> subprocess.CompletedProcess[str]:
    """Run it as strictly as a cluster may: no network, nothing writable but /tmp, no capability."""
    argv = ["docker", "run", "--rm", "--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"]
    argv += ["--env=XDG_CACHE_HOME=/tmp/cache", f"--volume={folder}:/work:ro"]
    argv += [f"--entrypoint={entrypoint}"] if entrypoint else []
    return subprocess.run([*argv, image, *words], capture_output=True, text=True, timeout=120)


def test_it_audits_and_advises_as_another_user_than_root(image: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "deploy.yaml").write_text("image: docker.io/kubeflow/spark-operator:2.5.2\n")

    audited = run(image, "audit", "docs", ".", folder=tmp_path)
    advised = run(image, "advise", "--from", "2.1.1", "--to", "2.5.2", folder=tmp_path)
    user = run(image, "-u", folder=tmp_path, entrypoint="id")

    assert audited.returncode == 1, audited.stderr
    assert "deploy.yaml:1:" in audited.stdout
    assert advised.stdout.startswith("advice: 2.1.1 → 2.5.2"), advised.stderr
    assert user.stdout.strip() == "65532"


def test_it_has_helm(image: str, tmp_path: Path) -> None:
    assert run(image, "version", folder=tmp_path, entrypoint="helm").stdout
