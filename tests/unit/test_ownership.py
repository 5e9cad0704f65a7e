# SPDX-License-Identifier: Apache-2.0
"""Clean takes only what is ours: what another cache, user or host has made is named, and stays."""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fake_docker
import psutil
import pytest
from fake_docker import FakeEngine
from rich.console import Console

from harness.cleanup import clean as cleaning
from harness.cleanup.clean import clean, clean_run, clean_stale
from harness.evidence import ledger as ledgers
from harness.evidence.installation import LABEL_IMAGE, image_labels, installation_of
from harness.evidence.ledger import Ledger, ledger_folder, stale_ledgers
from harness.host.engine_mark import EngineMark
from harness.kube.cluster import LABEL_INSTALLATION, LABEL_RUN
from harness.process import INSTALLATION_VARIABLE, RUN_VARIABLE
from harness.process_identity import identity
from harness.providers.kind import Kind
from harness.registries.front import certificates
from harness.settings import Settings

MINE, THEIRS, UNKNOWN = "20260102-030405-ab12", "20260102-030405-cd34", "20260102-030405-ef56"
NODE = "spark-operator-harness/kind-node:v1.34.4-0123456789ab"


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tmp", "home", "bin"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("KUBECONFIG", "DOCKER_HOST", "DOCKER_CONTEXT", RUN_VARIABLE, INSTALLATION_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cleaning, "_at_work", lambda cache: iter(()))


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return fake_docker.engine(tmp_path / "bin")


@pytest.fixture
def mine(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "mine" / "spark-operator-harness", reports_dir=tmp_path / "reports")


@pytest.fixture
def theirs(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "theirs" / "spark-operator-harness", reports_dir=tmp_path / "reports")


def short(run_id: str) -> str:
    return ledgers.short_run_id(run_id)


def left_behind(settings: Settings, run_id: str, engine: FakeEngine, which: EngineMark | None = None) -> set[str]:
    """What a killed run of a cache leaves: a cluster of kind and one of k3d, its network, a registry, a folder."""
    ledger = Ledger.open(run_id, ledger_folder(settings))
    marked = {LABEL_RUN: run_id, LABEL_INSTALLATION: os.environ[INSTALLATION_VARIABLE]}
    if which:
        ledger.uses(which)
    ledger.temporary_folder()
    cluster, network = f"soh-{short(run_id)}-1", f"soh-{short(run_id)}"
    volume = run_id[-4:] * 16
    for kind, name in (("cluster", cluster), ("network", network), ("volume", volume)):
        ledger.planned(kind, name)  # type: ignore[arg-type]
    engine.put("container", f"{cluster}-control-plane", labels={Kind.cluster_label: cluster}, network=network)
    engine.put("container", f"{network}-registry-ghcr-io", labels=marked, network=network)
    engine.put("network", network, labels=marked)
    engine.put("volume", volume)
    ledger.close()
    return {f"{cluster}-control-plane", f"{network}-registry-ghcr-io", network, volume}


def there(engine: FakeEngine) -> set[str]:
    return set().union(*(engine.names(kind) for kind in ("container", "network", "volume")))


def cleaned(settings: Settings) -> tuple[list[str], str]:
    """What is left in words, and what was printed."""
    screen = Console(record=True, width=300, file=io.StringIO())
    return clean(settings, console=screen), screen.export_text()


def test_clean_of_one_cache_leaves_the_other_whole(engine: FakeEngine, mine: Settings, theirs: Settings) -> None:
    own, others = left_behind(mine, MINE, engine), left_behind(theirs, THEIRS, engine)
    (folder,) = Path(tempfile.gettempdir()).glob(f"soh-{THEIRS}-*")

    left, said = cleaned(mine)

    assert left == []
    assert there(engine) == others
    assert own.isdisjoint(there(engine))
    assert [path.name for path in Path(tempfile.gettempdir()).iterdir()] == [folder.name]
    assert stale_ledgers(ledger_folder(theirs))
    assert f"network soh-{short(THEIRS)} is of run {THEIRS} of another cache, {theirs.cache_dir}" in said
    assert f"HARNESS_CACHE={theirs.cache_dir} harness clean --run {THEIRS}" in said
    assert f"docker container rm soh-{short(THEIRS)}-1-control-plane" in said
    assert "Clean: a second inspection found nothing of this cache." in said

    assert cleaned(theirs)[0] == []
    assert there(engine) == set()


def test_names_alone_prove_nothing(engine: FakeEngine, mine: Settings) -> None:
    # The name of a cluster of ours that no ledger knows, a run that no ledger knows, a container with a planned name.
    engine.put("container", "a", labels={Kind.cluster_label: f"soh-{short(MINE)}-9"})
    engine.put("container", "b", labels={LABEL_RUN: UNKNOWN})
    engine.put("network", "soh-notes")
    ledger = Ledger.open(MINE, ledger_folder(mine))
    ledger.planned("container", "c")
    ledger.close()
    engine.put("container", "c")

    left, said = cleaned(mine)

    assert left == []
    assert there(engine) == {"a", "b", "c", "soh-notes"}
    assert "container a is of an unknown run" in said
    assert f"container b is of run {UNKNOWN} of another cache" in said


def test_a_node_is_its_clusters_whatever_labels_its_image_has(engine: FakeEngine, mine: Settings) -> None:
    ledger = Ledger.open(MINE, ledger_folder(mine))
    ledger.planned("cluster", f"soh-{short(MINE)}-1")
    # Those are kept free of what would say that a container is a run's.
    assert {name for name, value in image_labels().items() if value} == {LABEL_IMAGE}
    ledger.close()
    inherited = {LABEL_RUN: "foundry", LABEL_INSTALLATION: "theirs:/theirs"}
    engine.put("container", "node", labels={**inherited, Kind.cluster_label: f"soh-{short(MINE)}-1"})
    engine.put("container", "users", labels={LABEL_IMAGE: installation_of(mine.cache_dir).mark})

    assert cleaned(mine)[0] == []
    assert there(engine) == {"users"}


def test_what_names_this_cache_is_ours_even_without_a_ledger(engine: FakeEngine, mine: Settings) -> None:
    mark = installation_of(mine.cache_dir).mark
    engine.put("container", "soh-build-1", labels={LABEL_RUN: "foundry", LABEL_INSTALLATION: mark})

    assert cleaned(mine)[0] == []
    assert there(engine) == set()


def test_images_go_by_who_made_them_and_never_by_what_they_inherit(
    engine: FakeEngine, mine: Settings, theirs: Settings
) -> None:
    own, other = installation_of(mine.cache_dir).mark, installation_of(theirs.cache_dir).mark
    engine.put("image", NODE)
    engine.put("image", "spark-operator-harness/registry:1", labels={LABEL_IMAGE: own})
    engine.put("image", "spark-operator-harness/registry:2", labels={LABEL_IMAGE: other})
    engine.put("image", "me/app:1", labels={LABEL_IMAGE: own, "spark-operator-harness.tool": "registry"})
    engine.put("image", "spark-operator-harness/used:1", labels={LABEL_IMAGE: own})
    engine.put("container", "somebodys", **{"from": ["spark-operator-harness/used:1"]})
    note = mine.cache_dir / "artifacts" / "kind-node" / "v1.34.4-0123456789ab" / "image.txt"
    note.parent.mkdir(parents=True)
    note.write_text(f"{NODE} sha256:1 1000")

    left, said = cleaned(mine)

    assert left == []
    assert engine.names("image") == {"spark-operator-harness/registry:2", "me/app:1", "spark-operator-harness/used:1"}
    assert "kept spark-operator-harness/used:1: used by somebodys" in said
    assert "image spark-operator-harness/registry:2 is of no run of another cache" in said


def test_a_run_in_another_engine_is_named_and_kept_in_its_ledger(
    engine: FakeEngine, tmp_path: Path, mine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = fake_docker.engine(tmp_path / "bin", "far:2375")
    which = EngineMark(
        id="id-of-far:2375", host="host-of-far:2375", root="/var/lib/docker", reached="DOCKER_HOST=tcp://far:2375"
    )
    things = left_behind(mine, MINE, remote, which)

    left, _ = cleaned(mine)

    assert there(remote) == things
    (leak, cache) = left
    assert f"cluster soh-{short(MINE)}-1" in leak
    assert leak.endswith(f"that of host-of-far:2375; with it: {which.reached} nox -s clean -- --run {MINE}")
    assert "stays until the rest is gone" in cache
    assert clean_run(mine, MINE, say=lambda line: None) == [leak]

    monkeypatch.setenv("DOCKER_HOST", "tcp://far:2375")
    assert clean_run(mine, MINE, say=lambda line: None) == []
    assert there(remote) == set()
    assert stale_ledgers(ledger_folder(mine)) == []


def test_things_of_others_in_an_engine_elsewhere_are_named_with_the_way_to_it(
    engine: FakeEngine, tmp_path: Path, mine: Settings, theirs: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = fake_docker.engine(tmp_path / "bin", "far:2375")
    monkeypatch.setenv("DOCKER_HOST", "tcp://far:2375")
    left_behind(theirs, THEIRS, far)
    with monkeypatch.context() as there_on:
        there_on.setattr(platform, "node", lambda: "other-host")
        mark = installation_of(theirs.cache_dir).mark
    far.put("volume", "v", labels={LABEL_RUN: UNKNOWN, LABEL_INSTALLATION: mark})
    things = there(far)

    left, said = cleaned(mine)

    assert left == []
    assert there(far) == things
    command = f"harness clean --run {THEIRS}"
    assert f"removes it with: DOCKER_HOST=tcp://far:2375 HARNESS_CACHE={theirs.cache_dir} {command}" in said
    assert f"DOCKER_HOST=tcp://far:2375 docker container rm soh-{short(THEIRS)}-1-control-plane" in said
    # How that host reaches the engine is not known here; its clean says so.
    assert f"volume v is of run {UNKNOWN} of another cache, {theirs.cache_dir} on other-host; " in said
    assert f"removes it with: HARNESS_CACHE={theirs.cache_dir} harness clean --run {UNKNOWN}" in said


THEN = EngineMark(id="1", host="a", root="/r")


@pytest.mark.parametrize(
    ("now", "same"),
    [
        # Behind a proxy of its socket an engine is the same; Podman makes up an id for each answer.
        (replace(THEN, reached="DOCKER_HOST=tcp://proxy"), True),
        (replace(THEN, id="2"), True),
        # Two engines on one host, with the same key.
        (replace(THEN, root="/other"), False),
        (replace(THEN, id="2", root="/other"), False),
        (replace(THEN, id="2", reached="DOCKER_HOST=tcp://far"), False),
        (EngineMark(), True),
    ],
)
def test_which_engine_it_is(now: EngineMark, same: bool) -> None:
    assert THEN.is_same(now) is same


def test_a_run_of_another_machine_with_the_same_cache_is_named(
    engine: FakeEngine, mine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "node", lambda: "other-host")
    things = left_behind(mine, MINE, engine)
    monkeypatch.undo()
    file = ledger_folder(mine) / f"{MINE}.jsonl"
    file.write_text(file.read_text().replace('"boot": "', '"boot": "another-'))
    monkeypatch.setattr(cleaning, "_at_work", lambda cache: iter(()))
    monkeypatch.setenv("PATH", str(engine.file.parent))

    (told,) = clean_stale(mine)

    assert told.startswith(
        f"run {MINE} was on another machine, other-host, and can only be removed there: HARNESS_CACHE="
    )
    assert there(engine) == things
    assert told in cleaned(mine)[0]
    assert file.exists()


@pytest.fixture
def front_of_another(theirs: Settings) -> Iterator[int]:
    """A process as a local registry of another cache is: it names its run, and a ledger of that cache knows it."""
    ledger = Ledger.open(THEIRS, ledger_folder(theirs))
    with subprocess.Popen(["/bin/sleep", "300"]) as child:
        ledger.running("registry ghcr.io", child.pid)
        ledger.keep()
        ledger.close()
        yield child.pid
        child.kill()


def test_a_local_registry_of_another_cache_goes_on(front_of_another: int, mine: Settings, theirs: Settings) -> None:
    left, said = cleaned(mine)

    assert left == []
    assert psutil.pid_exists(front_of_another)
    assert (
        f"process {front_of_another} (/bin/sleep 300) is of run {THEIRS} of another cache, {theirs.cache_dir}" in said
    )
    assert clean_run(theirs, THEIRS, say=lambda line: None) == []
    assert identity(front_of_another) is None


def test_a_front_whose_clock_was_set_is_still_the_same(
    front_of_another: int, theirs: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # psutil computes start times from the boot time, which a step of the clock moves.
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: 1.0)

    assert clean_run(theirs, THEIRS, say=lambda line: None) == []
    assert identity(front_of_another) is None


_KILLED = """
import base64, os, signal, sys
from pathlib import Path
import yaml
from harness.evidence.ledger import Ledger
from harness.evidence.temporary import all_in
from harness.kube.api import connect
ledger = Ledger.open(sys.argv[1], Path(sys.argv[2]))
folder = ledger.temporary_folder()
assert folder.stat().st_mode & 0o777 == 0o700
data = lambda text: base64.b64encode(text.encode()).decode()
cluster = {"server": "https://127.0.0.1:1", "certificate-authority-data": data(sys.argv[3])}
user = {"client-certificate-data": data(sys.argv[3]), "client-key-data": data(sys.argv[4])}
with all_in(folder):
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }))
    connect(kubeconfig)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_key_of_a_cluster_survives_a_killed_run(tmp_path: Path, mine: Settings) -> None:
    chain, key = certificates.make(tmp_path / "tls", ["localhost"], ["127.0.0.1"]).good
    pems = [chain.read_text(), key.read_text()]
    temporary = tmp_path / "tmp"
    argv = [sys.executable, "-c", _KILLED, MINE, str(ledger_folder(mine)), *pems]
    done = subprocess.run(
        argv,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    (folder,) = temporary.iterdir()
    assert sum("PRIVATE KEY" in path.read_text() for path in folder.iterdir() if path.name != "kubeconfig") == 1

    clean_stale(mine)

    assert list(temporary.iterdir()) == []
    assert stale_ledgers(ledger_folder(mine)) == []


def test_a_label_cannot_stand_for_a_line_about_another_container(engine: FakeEngine, mine: Settings) -> None:
    # An image of anybody's may have it, and each container of the image inherits it.
    own = left_behind(mine, MINE, engine)
    mark = installation_of(mine.cache_dir).mark
    engine.put("container", "database")
    line = "\t".join(["x", "x", ""]) + "\n" + "\t".join(["database", "database", "running", MINE, mark])
    engine.put("container", "theirs", labels={LABEL_INSTALLATION: line})
    engine.put("container", "odd", labels={LABEL_RUN: "x; \x1b[2Jrm y\n\t"})

    left, said = cleaned(mine)

    assert left == []
    assert there(engine) & {"database", "theirs", "odd"} == {"database", "theirs", "odd"}
    assert own.isdisjoint(there(engine))
    assert "\x1b" not in said
