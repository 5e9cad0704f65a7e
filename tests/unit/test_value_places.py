# SPDX-License-Identifier: Apache-2.0
"""A value that is told of is told with the file that sets it, and the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.releases.value_places import place

FILE = """\
# of production
x-pool: &pool
  nodeSelector:
    pool: system
controller:
  <<: *pool
  replicas: 2
  labels:
    app.kubernetes.io/part-of: data
  volumes:
    - name: tmp
    - name: ca
      configMap: {name: ca}
  env: []
image: {tag: 2.5.2}
controller.workers: 3
"""


@pytest.fixture
def prod(tmp_path: Path) -> Path:
    file = tmp_path / "prod.yaml"
    file.write_text(FILE)
    return file


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("controller", 5),
        ("controller.replicas", 7),
        ("controller.labels.app.kubernetes.io/part-of", 9),
        ("controller.volumes", 10),
        ("controller.volumes[1]", 12),
        ("controller.volumes[1].configMap.name", 13),
        ("controller.volumes[1].secret", 12),
        ("controller.nodeSelector.pool", 4),
        ("image.tag", 15),
        ("controller.workers", 16),
    ],
)
def test_the_line_is_that_of_the_last_step_that_is_there(prod: Path, key: str, line: int) -> None:
    assert place([str(prod)], key) == f"{prod}, line {line}"


def test_what_no_file_has_is_nowhere(prod: Path) -> None:
    assert place([str(prod)], "webhook.port") == ""
    assert place([str(prod)], "imagePullSecrets") == ""
    assert place([], "controller") == ""
    assert place(["profile:ha", str(prod.parent / "gone.yaml")], "controller.replicas") == ""


def test_of_two_files_it_is_the_last_that_sets_it(prod: Path, tmp_path: Path) -> None:
    later = tmp_path / "later.yaml"
    later.write_text("controller:\n  env: null\n")
    files = [str(prod), str(later)]
    assert place(files, "controller.env") == f"{later}, line 2"
    assert place(files, "controller.replicas") == f"{prod}, line 7"


def test_of_a_key_that_is_written_twice_it_is_the_last(tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text("a: 1\na: 2\n")
    assert place([str(file)], "a") == f"{file}, line 2"


def test_the_values_of_an_umbrella_chart_are_below_its_key(tmp_path: Path) -> None:
    file = tmp_path / "umbrella.yaml"
    file.write_text("platform:\n  my.spark:\n    controller:\n      replicas: 2\n")
    assert place([str(file)], "controller.replicas", "platform.my\\.spark") == f"{file}, line 4"
    assert place([str(file)], "controller.replicas", "other") == ""


def test_values_that_are_a_text_in_a_manifest_have_the_lines_of_the_manifest(tmp_path: Path) -> None:
    file = tmp_path / "app.yaml"
    file.write_text("kind: Application\nspec:\n  values: |\n    # ours\n    controller:\n      replicas: 2\n")
    assert place([str(file)], "controller.replicas", "spec.values") == f"{file}, line 6"
