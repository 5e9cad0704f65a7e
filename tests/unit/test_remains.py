# SPDX-License-Identifier: Apache-2.0
"""The leak proof for processes, folders and kubeconfigs; what needs an engine is in tests/integration."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from harness.cleanup.remains import Claim, Remain, Scope, Survey, look, look_for_all, remains, remove, remove_folder
from harness.errors import EngineError
from harness.evidence.installation import Installation
from harness.evidence.ledger_entries import Entry
from harness.process import INSTALLATION_VARIABLE, RUN_VARIABLE
from harness.process_identity import identity
from harness.waiting import until

RUN = "20260102-030405-ab12"
OTHER = "20260102-030405-cd34"
A_CLUSTER = Claim(run_id=RUN, installation="mine", clusters=frozenset({"soh-030405-ab12-1"}))


@pytest.fixture(autouse=True)
def own_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder, a home and a PATH without docker: a unit test must not look at this machine's engine."""
    for name in ("tmp", "home", "bin"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the run RUN, as its environment says."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"],
        env={**os.environ, RUN_VARIABLE: RUN},
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def shown(found: tuple[Remain, ...] | list[Remain]) -> list[tuple[str, str]]:
    return [(remain.kind, remain.name) for remain in found]


def test_nothing_made_nothing_found() -> None:
    assert remains(RUN) == []


def test_a_lost_process_of_the_run_is_found_by_its_environment_and_ended(sleeper: subprocess.Popen[bytes]) -> None:
    found = remains(RUN)
    assert [remain.id for remain in found] == [str(sleeper.pid)]
    assert remains(OTHER) == []
    assert remove(found) == []
    assert remains(RUN) == []


def test_a_process_of_the_ledger_is_found_but_not_one_that_took_its_number(sleeper: subprocess.Popen[bytes]) -> None:
    which = identity(sleeper.pid)
    assert which is not None
    facts = asdict(which)
    assert len(remains(OTHER, [Entry(kind="process", name="forward", facts=facts)])) == 1
    earlier = {**facts, "ticks": facts["ticks"] - 600}
    assert remains(OTHER, [Entry(kind="process", name="forward", facts=earlier)]) == []


def test_a_process_whose_name_is_cut_within_a_letter_hides_nothing(own_host: Path) -> None:
    """The kernel keeps 15 bytes of a program's name."""
    program = own_host / "überwachungsdämon"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"], env={**os.environ, RUN_VARIABLE: RUN}) as child:
        until(
            lambda: Path(f"/proc/{child.pid}/comm").read_bytes() == b"\xc3\xbcberwachungsd\xc3\n",
            what="its name",
            timeout=20,
        )
        found = remains(RUN)
        child.kill()
    assert [remain.id for remain in found] == [str(child.pid)]


def everything(*claims: Claim) -> Survey:
    """What is found of the cache whose id is `mine`."""
    return look_for_all(Scope(claims=claims, installation=Installation(id="mine", cache="/mine")))


def test_temporary_folders_of_the_ledger_are_removed_and_others_are_named(own_host: Path) -> None:
    ours = Path(tempfile.mkdtemp(prefix=f"soh-{RUN}-"))
    (ours / "deep").mkdir()
    (ours / "deep" / "file").write_text("x")
    theirs = Path(tempfile.mkdtemp(prefix=f"soh-{OTHER}-"))
    for name in ("soh-notes", "pip-xyz", "soh-abcdefgh"):
        (own_host / "tmp" / name).mkdir()
    entries = [Entry(kind="folder", name=str(ours))]
    found = everything(Claim(run_id=RUN, entries=tuple(entries)))
    assert shown(found.remains) == [("folder", str(ours))]
    assert [str(it) for it in found.strangers] == [
        f"folder {theirs} is of run {OTHER} of another cache; its owner removes it with: rm -r {theirs}"
    ]
    assert remove(found.remains) == []
    assert not ours.exists()
    assert theirs.is_dir()


def test_a_process_of_another_cache_is_named_with_its_owners_command(sleeper_of_another: int) -> None:
    found = everything(Claim(run_id=RUN, installation="mine"))
    assert found.remains == ()
    (stranger,) = found.strangers
    assert f"process {sleeper_of_another} (" in str(stranger)
    assert str(stranger).endswith(
        f"is of run {RUN} of another cache, /theirs; its owner removes it with: "
        f"HARNESS_CACHE=/theirs harness clean --run {RUN}"
    )


@pytest.fixture
def sleeper_of_another() -> Iterator[int]:
    """A process of a run with the same id, of another cache."""
    marked = {**os.environ, RUN_VARIABLE: RUN, INSTALLATION_VARIABLE: "theirs:/theirs"}
    with subprocess.Popen(["/bin/sleep", "60"], env=marked) as child:
        yield child.pid
        child.kill()


def test_folders_and_kubeconfigs_of_the_ledger(own_host: Path) -> None:
    folder, kubeconfig = own_host / "scratch", own_host / "kubeconfig"
    folder.mkdir()
    kubeconfig.write_text("{}")
    entries = [
        Entry(kind="folder", name=str(folder)),
        Entry(kind="kubeconfig", name=str(kubeconfig)),
        Entry(kind="folder", name=str(own_host / "never-made")),
    ]
    found = remains(RUN, entries)
    assert shown(found) == [("kubeconfig", str(kubeconfig)), ("folder", str(folder))]
    assert remove(found) == []
    assert remains(RUN, entries) == []


def kubeconfig_of(*names: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": "https://127.0.0.1"}} for name in names],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
            "users": [{"name": name, "user": {}} for name in names],
            "current-context": names[0],
        }
    )


def test_the_users_kubeconfig_loses_only_clusters_of_the_run(own_host: Path) -> None:
    path = own_host / "home" / ".kube" / "config"
    path.parent.mkdir()
    path.write_text(kubeconfig_of("kind-soh-030405-ab12-1", "kind-dev", "kind-soh-dev"))
    path.chmod(0o600)
    found = everything(A_CLUSTER).remains
    assert shown(found) == [("context", "kind-soh-030405-ab12-1")]
    # The name alone proves nothing.
    assert everything().remains == ()
    assert remove(found) == []
    left = yaml.safe_load(path.read_text())
    for section in ("clusters", "contexts", "users"):
        assert [item["name"] for item in left[section]] == ["kind-dev", "kind-soh-dev"]
    assert left["current-context"] == ""
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_other_user_can_read_a_kubeconfig_while_it_is_rewritten(
    own_host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own_host / "home" / ".kube" / "config"
    path.parent.mkdir()
    path.write_text(kubeconfig_of("kind-soh-030405-ab12-1", "kind-dev"))
    path.chmod(0o600)
    modes = []
    chmod = Path.chmod

    def noted(file: Path, mode: int) -> None:
        modes.append(stat.S_IMODE(file.stat().st_mode))
        chmod(file, mode)

    monkeypatch.setattr(Path, "chmod", noted)

    assert remove(everything(A_CLUSTER).remains) == []
    assert modes == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_kubeconfig_without_clusters_of_ours_is_not_even_rewritten(
    own_host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own_host / "config"
    monkeypatch.setenv("KUBECONFIG", str(path))
    path.write_text("# mine\n" + kubeconfig_of("kind-dev"))
    before = path.read_bytes(), path.stat().st_mtime_ns
    remove(everything(A_CLUSTER).remains)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def stopped_engine(bin_folder: Path) -> None:
    """A docker client whose engine is down. A stand-in, since a test cannot stop this machine's engine."""
    script = bin_folder / "docker"
    script.write_text(
        "#!/bin/sh\necho 'Cannot connect to the Docker daemon. Is the docker daemon running?' >&2\nexit 1\n"
    )
    script.chmod(0o755)


def test_an_engine_that_is_down_is_said_and_the_rest_is_found(own_host: Path) -> None:
    stopped_engine(own_host / "bin")
    folder = tempfile.mkdtemp(prefix=f"soh-{RUN}-")
    entries = [Entry(kind="cluster", name="soh-030405-ab12-1"), Entry(kind="folder", name=folder)]
    survey = look(RUN, entries)
    assert shown(survey.remains) == [("folder", folder)]
    (unseen,) = survey.unseen
    assert "cluster soh-030405-ab12-1" in unseen
    assert "Cannot connect to the Docker daemon" in unseen
    with pytest.raises(EngineError, match="Cannot connect"):
        remains(RUN)


def test_without_docker_a_ledger_with_containers_is_no_proof() -> None:
    assert look(RUN).unseen == ()
    assert "container soh-x" in look(RUN, [Entry(kind="container", name="soh-x")]).unseen[0]


@pytest.mark.parametrize("folder", ["/", "/tmp", "/home"])  # noqa: S108 - must be refused
def test_a_folder_that_holds_more_than_ours_is_never_removed(folder: str) -> None:
    assert "is not removed" in remove_folder(Path(folder))
    assert Path(folder).is_dir()


def test_the_home_folder_is_never_removed(own_host: Path) -> None:
    assert "is not removed" in remove_folder(own_host / "home")
    assert "is not removed" in remove_folder(own_host)


def test_a_link_is_removed_and_not_followed(own_host: Path) -> None:
    (own_host / "target").mkdir()
    link = own_host / "soh-link"
    link.symlink_to(own_host / "target")
    assert remove_folder(link) == ""
    assert not link.is_symlink()
    assert (own_host / "target").is_dir()


def test_a_mount_in_a_folder_with_a_blank_is_seen(own_host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To mount something needs root: what the kernel says of it is made up."""
    folder = own_host / "my cache"
    folder.mkdir()
    escaped = str(folder / "data").replace(" ", "\\040")
    table = f"40 1 8:1 / {escaped} rw - ext4 /dev/sdb1 rw\n"
    monkeypatch.setattr(Path, "read_text", lambda path, **options: table)

    assert f"{folder / 'data'} is mounted in it" in remove_folder(folder)
    assert folder.is_dir()


def test_read_only_folders_like_those_of_gos_module_cache_are_removed(own_host: Path) -> None:
    # As root, modes mean nothing, so another user does it, in a place that it can reach.
    code = (
        "import os, sys; from pathlib import Path\n"
        "from harness.cleanup.remains import remove_folder\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "os.environ['HOME'] = '/nonexistent'\n"
        "top = Path(sys.argv[1]) / 'cache'; deep = top / 'mod' / 'a@v1' / 'b'; deep.mkdir(parents=True)\n"
        "[(folder / name).write_text('x') for folder in (deep, deep.parent) for name in ('f1', 'f2')]\n"
        "[folder.chmod(0o555) for folder in (deep, deep.parent, deep.parent.parent)]\n"
        "print(remove_folder(top) or 'removed', top.exists())\n"
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place).chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", code, place],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    assert done.stdout.split() == ["removed", "False"], done.stderr
