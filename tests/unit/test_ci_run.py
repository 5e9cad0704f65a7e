# SPDX-License-Identifier: Apache-2.0
"""`.ci/run`: what it runs, what its last line says, how it ends, and what it leaves.

The sessions themselves take half an hour and a cluster, so a python3 on PATH stands in that makes a nox which answers
as each test wants; everything else is the real script.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.settings import PROJECT_ROOT

_TESTS = "============ 512 passed, 2 skipped in 61.20s (0:01:01) ============"
_E2E_CALL = "e2e -- --jobs 2"
_DISTURBED_CALL = "tests -- -n 2 tests/e2e"
_DISTURBED = "=================== 7 passed in 240.11s (0:04:00) ===================="
_E2E = "=================== 15 passed in 280.11s (0:04:40) ==================="

_PYTHON = """\
#!/bin/sh
if [ "$1" != -m ]; then exit 0; fi
echo made >> "$FAKES/environments"
mkdir -p "$3/bin"
printf '#!/bin/sh\\nexit 0\\n' > "$3/bin/python"
cp "$FAKES/nox" "$3/bin/nox"
chmod +x "$3/bin/python" "$3/bin/nox"
"""

_NOX = """\
#!/bin/sh
shift 2
echo "$*" >> "$FAKES/calls"
echo "$PYTHONPYCACHEPREFIX${PYTHONDONTWRITEBYTECODE+, which is not written}" >> "$FAKES/bytecode"
if [ -t 0 ] || [ -n "$(cat)" ]; then echo "standard input is open"; exit 9; fi
case $1 in bootstrap) touch "$FAKES/engine";; clean) rm -f "$FAKES/engine";; esac
case $* in *tests/e2e*) name=disturbed;; *) name=$1;; esac
cat "$FAKES/$name.out" 2>/dev/null
if [ -f "$FAKES/$name.status" ]; then exit "$(cat "$FAKES/$name.status")"; fi
"""

_DOCKER = """\
#!/bin/sh
test -e "$FAKES/engine"
"""


@dataclass(frozen=True)
class _Done:
    status: int
    lines: list[str]
    calls: list[str]
    left: list[Path]


@pytest.fixture
def ci(tmp_path: Path) -> Path:
    """A folder with stand-ins for python3, nox and docker, in front of the real PATH."""
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    for name, text in (("python3", _PYTHON), ("nox", _NOX), ("docker", _DOCKER)):
        (fakes / name).write_text(text)
        (fakes / name).chmod(0o755)
    (fakes / "tests.out").write_text(f"some test\n{_TESTS}\nnox > done\n")
    (fakes / "e2e.out").write_text(f"some cell\n{_E2E}\nnox > done\n")
    (fakes / "disturbed.out").write_text(f"some run\n{_DISTURBED}\nnox > done\n")
    return fakes


def _run(fakes: Path, environment: Mapping[str, str] | None = None) -> _Done:
    scratch = fakes.parent / "tmp"
    scratch.mkdir(exist_ok=True)
    done = subprocess.run(
        [PROJECT_ROOT / ".ci" / "run"],
        env={
            **os.environ,
            "PATH": f"{fakes}{os.pathsep}{os.environ['PATH']}",
            "FAKES": str(fakes),
            "TMPDIR": str(scratch),
            "HARNESS_CI_ENVIRONMENT": str(fakes.parent / "environment"),
            **(environment or {}),
        },
        input="somebody typed this\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    calls = fakes / "calls"
    return _Done(
        status=done.returncode,
        lines=done.stdout.splitlines(),
        calls=calls.read_text().splitlines() if calls.exists() else [],
        left=list(scratch.iterdir()),
    )


def test_runs_all_sessions_in_order_and_ends_with_the_sum(ci: Path) -> None:
    done = _run(ci)
    assert done.calls == ["lint", "tests", "bootstrap", _E2E_CALL, _DISTURBED_CALL, "clean -- --keep-cache"]
    assert done.lines[-4:] == [_TESTS, _DISTURBED, _E2E, "534 passed, 0 failed"]
    assert done.status == 0
    assert done.left == []


def test_the_environment_is_made_once_for_the_packages_that_it_has(ci: Path) -> None:
    for _ in range(2):
        assert _run(ci).status == 0
    assert (ci / "environments").read_text() == "made\n"
    (ci.parent / "environment" / "installed").write_text("other packages\n")
    assert _run(ci).status == 0
    assert (ci / "environments").read_text() == "made\nmade\n"


def test_every_session_finds_what_python_compiled_before(ci: Path) -> None:
    _run(ci, {"PYTHONDONTWRITEBYTECODE": "1"})
    assert set((ci / "bytecode").read_text().splitlines()) == {str(ci.parent / "environment" / "bytecode")}


@pytest.mark.skipif("NOX_CURRENT_SESSION" not in os.environ, reason="is about the processes of a nox session")
def test_what_a_session_starts_keeps_its_bytecode() -> None:
    assert not sys.dont_write_bytecode
    assert sys.pycache_prefix


def test_an_engine_that_was_there_before_stays(ci: Path) -> None:
    (ci / "engine").touch()
    done = _run(ci)
    assert done.calls == ["lint", "tests", "bootstrap", _E2E_CALL, _DISTURBED_CALL]
    assert (ci / "engine").exists()


def test_an_engine_that_it_started_is_ended(ci: Path) -> None:
    _run(ci)
    assert not (ci / "engine").exists()


def test_failing_tests_are_counted_and_the_rest_still_runs(ci: Path) -> None:
    (ci / "tests.out").write_text("===== 2 failed, 509 passed, 1 error in 61.20s (0:01:01) =====\n")
    (ci / "tests.status").write_text("1")
    done = _run(ci)
    assert done.calls[:4] == ["lint", "tests", "bootstrap", _E2E_CALL]
    assert done.lines[-1] == "531 passed, 3 failed"
    assert done.status == 1


def test_the_end_names_the_tests_that_failed_and_what_was_left(ci: Path) -> None:
    (ci / "tests.out").write_text("FAILED tests/unit/test_a.py::test_b - assert 1 == 2\n==== 1 failed in 1.20s ====\n")
    (ci / "tests.status").write_text("1")
    (ci / "disturbed.out").write_text(f"\x1b[31mafter all tests: networks, new: kind\x1b[0m\n{_DISTURBED}\n")
    (ci / "disturbed.status").write_text("1")
    end = _run(ci).lines[-6:]
    assert end[:2] == [
        "  FAILED tests/unit/test_a.py::test_b - assert 1 == 2",
        "  after all tests: networks, new: kind",
    ]
    assert end[-1] == "22 passed, 2 failed"


def test_known_breaks_are_no_failures(ci: Path) -> None:
    (ci / "e2e.out").write_text("===== 14 passed, 1 xfailed in 61.20s (0:01:01) =====\n")
    done = _run(ci)
    assert done.lines[-1] == "533 passed, 0 failed"
    assert done.status == 0


@pytest.mark.parametrize("session", ["lint", "clean"])
def test_a_session_that_fails_without_a_test_counts_as_one_failure(ci: Path, session: str) -> None:
    (ci / f"{session}.status").write_text("1")
    done = _run(ci)
    assert done.lines[-1] == "534 passed, 1 failed"
    assert done.status == 1


def test_without_a_bootstrap_there_are_no_cells(ci: Path) -> None:
    (ci / "bootstrap.status").write_text("1")
    done = _run(ci)
    assert _E2E_CALL not in done.calls
    assert done.lines[-1] == "512 passed, 2 failed"
    assert done.status == 1


def test_summaries_in_colour_are_read_too(ci: Path) -> None:
    (ci / "e2e.out").write_text("\x1b[32m===== \x1b[1m15 passed\x1b[0m\x1b[32m in 61.20s =====\x1b[0m\n")
    assert _run(ci).lines[-1] == "534 passed, 0 failed"


def test_an_early_end_still_says_how_it_stands(ci: Path) -> None:
    (ci / "python3").write_text("#!/bin/sh\nexit 1\n")
    done = _run(ci)
    assert done.lines[-1] == "0 passed, 1 failed"
    assert done.status == 1
    assert done.left == []
