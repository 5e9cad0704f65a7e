# SPDX-License-Identifier: Apache-2.0
"""requirements.lock and `.ci/requirements.py`: what pyproject.toml declares is what gets installed, with hashes."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.settings import PROJECT_ROOT

_SCRIPT = PROJECT_ROOT / ".ci" / "requirements.py"
_specification = importlib.util.spec_from_file_location("requirements_script", _SCRIPT)
assert _specification is not None
assert _specification.loader is not None
requirements = importlib.util.module_from_spec(_specification)
sys.modules[_specification.name] = requirements
_specification.loader.exec_module(requirements)

_DECLARED = [(purpose, it) for purpose, declared in requirements.declared().items() for it in declared]


def _select(*purposes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", _SCRIPT, "select", *purposes], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(("purpose", "requirement"), _DECLARED, ids=lambda it: it)
def test_what_is_declared_is_locked_in_the_same_version(purpose: str, requirement: str) -> None:
    name, _, version = requirement.partition(";")[0].partition("==")
    # Its extras, in brackets, are packages of their own.
    name = name.partition("[")[0]
    assert version, "pyproject.toml does not pin it: name one version"
    (locked,) = [it for it in requirements.read() if it.name == requirements.normal(name)]
    assert locked.version == version, "run `nox -s lock`"
    assert purpose in locked.purposes


def test_every_package_is_pinned_with_hashes_and_a_known_purpose() -> None:
    packages = requirements.read()
    for package in packages:
        assert package.version
        assert package.hashes, package.name
        assert set(package.purposes) <= set(requirements.declared()), package.name
    assert [it.name for it in packages] == sorted(it.name for it in packages)


def test_the_lock_names_no_host() -> None:
    text = (PROJECT_ROOT / "requirements.lock").read_text()
    assert not re.search(r"://|^-", text, re.M)


def test_selected_is_what_a_purpose_needs_and_no_more() -> None:
    done = _select("run")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^kubernetes==[\d.]+ \\\n    --hash=sha256:", done.stdout, re.M)
    assert re.search(r"^hatchling==", done.stdout, re.M), "the harness is built without isolation"
    assert not re.search(r"^(mypy|mkdocs|nox|uv)==", done.stdout, re.M)


def test_several_purposes_name_each_package_once() -> None:
    names = re.findall(r"^([\w.-]+)==", _select("run", "dev").stdout, re.M)
    assert {"kubernetes", "mypy"} <= set(names)
    assert len(names) == len(set(names))


def test_a_purpose_that_there_is_not_is_an_error_that_lists_those_that_there_are() -> None:
    done = _select("run", "develop")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "'develop'; there is: dev, docs, lock, nox, run" in done.stderr


def test_a_lock_that_was_edited_by_hand_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("# head\n\naiohttp==3.14.5 \\\n    --hash=sha256:0\n")
    with pytest.raises(requirements.LockError, match=r"a package without its purposes: 'aiohttp==3\.14\.5"):
        requirements.read(lock)


def test_nothing_is_installed_past_the_lock() -> None:
    """nox, CI and the workflows install from it, so that no other version gets in."""
    files = [PROJECT_ROOT / "noxfile.py", PROJECT_ROOT / ".ci" / "run", *(PROJECT_ROOT / ".github").rglob("*.yml")]
    found = [(it, re.findall(r"(?:pip install\b|session\.install\()(.*)$", it.read_text(), re.M)) for it in files]
    assert {it.name for it, calls in found if calls} >= {"noxfile.py", "run", "ci.yml", "e2e.yml"}
    for file, calls in found:
        for call in calls:
            assert "--require-hashes" in call or {"--no-deps", "--no-build-isolation"} <= set(
                re.findall(r"--[a-z-]+", call)
            ), f"{file.name}: {call}"


def test_an_environment_can_be_installed_without_running_anything() -> None:
    """With --install-only, nox skips `session.run`: it returns None, which pip would take for a package."""
    (install,) = (
        node
        for node in ast.parse((PROJECT_ROOT / "noxfile.py").read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "_install"
    )
    called = [ast.unparse(node.func) for node in ast.walk(install) if isinstance(node, ast.Call)]
    assert "session.run_install" in called
    assert "session.run" not in called
