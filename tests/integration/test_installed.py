# SPDX-License-Identifier: Apache-2.0
"""The wheel, installed where there is no checkout: its data is in it, and every command works from any folder."""

from __future__ import annotations

import json
import py_compile
import stat
import zipfile
from pathlib import Path

import pytest
from installation import Installation, built

from harness.apps import samples
from harness.releases import charts
from harness.settings import PROJECT_ROOT
from harness.untrusted import tarfile

CELL = "kind-1.34/install-2.5.2/spark-pi"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if "dist-info" not in name}


def test_the_wheel_has_every_catalogue_and_recipe_and_nothing_of_the_tests(wheel: Path) -> None:
    found = names(wheel)

    for folder in ("clusters", "charts"):
        for file in (PROJECT_ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert f"harness/_data/{file.relative_to(PROJECT_ROOT).as_posix()}" in found
    assert "harness/cells.ini" in found
    assert not [name for name in found if not name.startswith("harness/") or "__pycache__" in name]


def test_programs_among_the_recipes_stay_executable(installed: Installation) -> None:
    entrypoint = installed.packages / "harness/_data/clusters/nodes/rootfs/usr/local/bin/entrypoint"

    assert entrypoint.stat().st_mode & stat.S_IXUSR


def test_the_wheel_of_the_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    sdist = built("sdist", tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()

    again = built("wheel", tmp_path / "again", source)

    assert names(again) == names(wheel)
    assert (source / "tests" / "conftest.py").is_file()


@pytest.fixture
def nothing_else(empty: Path) -> dict[str, str]:
    """A PATH without any program: what starts no cluster needs none."""
    return {"PATH": str(empty / "nothing")}


def test_the_matrix_is_listed_from_an_empty_folder(
    installed: Installation, empty: Path, nothing_else: dict[str, str]
) -> None:
    done = installed.harness("matrix", "--json", "--cell", CELL, cwd=empty, environment=nothing_else)

    assert (done.returncode, done.stderr) == (0, "")
    assert [cell["id"] for cell in json.loads(done.stdout)] == [CELL]
    assert not list(empty.iterdir())


def test_advice_is_given_from_an_empty_folder(
    installed: Installation, empty: Path, nothing_else: dict[str, str]
) -> None:
    done = installed.harness("advise", "--from", "2.1.1", "--to", "2.5.2", cwd=empty, environment=nothing_else)

    assert done.returncode in (0, 3), done.stderr
    assert done.stdout.startswith("advice: 2.1.1 → 2.5.2"), done.stderr
    assert "with the CRDs left unchanged" in done.stdout
    assert done.stderr == ""


def test_documents_are_audited_in_any_folder(
    installed: Installation, empty: Path, nothing_else: dict[str, str]
) -> None:
    (empty / "notes.md").write_text("image: docker.io/kubeflow/spark-operator:2.5.2\n")

    done = installed.harness("audit", "docs", ".", cwd=empty, environment=nothing_else)

    assert (done.returncode, done.stderr) == (1, "")
    assert "notes.md:1:" in done.stdout


# With workers, the process that starts them reads the same files as one that runs the cells itself.
@pytest.mark.parametrize(
    "workers", [pytest.param((), marks=pytest.mark.nightly), ("-n", "2")], ids=["alone", "with workers"]
)
def test_tests_in_the_current_folder_have_no_influence_on_a_run(
    installed: Installation, empty: Path, workers: tuple[str, ...]
) -> None:
    (empty / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (empty / "conftest.py").write_text("raise SystemExit('the conftest.py of the current folder was loaded')\n")
    disturbing = {"PYTEST_ADDOPTS": "--also-no-option", "PYTEST_PLUGINS": "no_such_plugin"}

    done = installed.harness("run", "--cell", CELL, "--collect-only", *workers, cwd=empty, environment=disturbing)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"<CellItem {CELL}>" in done.stdout


def test_the_workflows_are_printed_and_not_written(installed: Installation, empty: Path) -> None:
    printed, written = installed.each(["workflow"], ["workflow", "--write"], cwd=empty)

    assert printed.returncode == 0, printed.stderr
    assert "jobs:" in printed.stdout
    assert written.returncode == 2
    assert written.stderr.startswith("UsageError: harness workflow changes files of the project"), written.stderr


def test_the_projects_own_files_are_changed_in_a_checkout_only(installed: Installation, empty: Path) -> None:
    actions = ("add-kubernetes", "add-release", "record-packages")

    for action, done in zip(
        actions, installed.each(*(["foundry", it, "9.9.9"] for it in actions), cwd=empty), strict=True
    ):
        assert done.returncode == 2
        assert f"harness foundry {action} changes files of the project" in done.stderr


def test_the_sample_applications_have_the_digest_of_the_checkout(installed: Installation) -> None:
    there = installed.packages / "harness" / "_data" / "charts" / "spark-samples"
    # As pip leaves them that compiles what it installs.
    for file in there.rglob("*.py"):
        py_compile.compile(str(file), cfile=str(file.parent / "__pycache__" / f"{file.stem}.pyc"), doraise=True)
    assert list(there.rglob("*.pyc")), "nothing was compiled, so that this shows nothing"

    assert charts.from_path(there).sha256 == charts.from_path(samples.CHART).sha256


def test_reports_and_cache_are_in_the_base_directories(installed: Installation, empty: Path) -> None:
    places = {
        "XDG_CACHE_HOME": str(empty / "caches"),
        "XDG_STATE_HOME": str(empty / "states"),
        "XDG_CONFIG_HOME": str(empty / "configs"),
    }
    folder = empty / "configs" / "spark-operator-harness"
    folder.mkdir(parents=True)
    (folder / "harness.toml").write_text("jobs = 0\n")

    wrong = installed.harness("report", "open", cwd=empty, environment=places)
    assert f"{folder}/harness.toml, line 1: key jobs" in wrong.stderr
    (folder / "harness.toml").unlink()

    none = installed.harness("report", "open", cwd=empty, environment=places)
    assert none.returncode == 2
    assert f"{empty}/states/spark-operator-harness/reports" in none.stderr
    assert "`harness run`" in none.stderr
    done = installed.harness("doctor", "--json", cwd=empty, environment=places)
    assert f"{empty}/caches/spark-operator-harness" in done.stdout
