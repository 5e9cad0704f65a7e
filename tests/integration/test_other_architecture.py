# SPDX-License-Identifier: Apache-2.0
"""Programs for an architecture that this machine does not have: compiled, and run where QEMU is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness import process
from harness.foundry import emulated, gobuild
from harness.foundry.store import Store
from harness.images.architecture import architecture

OTHER = next(it for it in emulated.EMULATORS if it != architecture())
PROGRAM = 'package main\n\nimport "runtime"\n\nfunc main() { println(runtime.GOARCH) }\n'


@pytest.fixture
def program(tmp_path: Path, go_build_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = tmp_path / "modules" / "tiny"
    module.mkdir(parents=True)
    (module / "go.mod").write_text("module harness.invalid/tiny\n\ngo 1.26.0\n\ntool harness.invalid/tiny\n")
    (module / "go.sum").touch()
    (module / "main.go").write_text(PROGRAM)
    (module / "build.toml").write_text('version = "1.0.0"\nlicence = "Apache-2.0"\n')
    monkeypatch.setattr(gobuild, "MODULES", module.parent)
    work = tmp_path / "work"
    work.mkdir()
    (work / "go-build").symlink_to(go_build_cache)
    store = Store(tmp_path / "artifacts", logs=tmp_path / "logs")
    return gobuild.build(store, "tiny", goarch=OTHER).folder / "bin" / "tiny"


def test_a_go_program_is_compiled_for_it(program: Path) -> None:
    head = program.read_bytes()[:20]
    assert head[:4] == b"\x7fELF"
    assert int.from_bytes(head[18:20], "little") == emulated.EMULATORS[OTHER].machine


@pytest.mark.skipif(
    shutil.which(emulated.EMULATORS[OTHER].program) is None,
    reason="needs QEMU to run it, `apt-get install qemu-user-static`; what compiles it is shown without",
)
def test_it_runs_under_qemu_and_this_machine_stays_as_it_is(program: Path) -> None:
    before = sorted(it.name for it in Path("/proc/sys/fs/binfmt_misc").iterdir())

    said = process.call([*emulated.prefix(OTHER), program], timeout=60)

    assert said.stderr.strip() == OTHER
    assert sorted(it.name for it in Path("/proc/sys/fs/binfmt_misc").iterdir()) == before
