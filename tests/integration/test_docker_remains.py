# SPDX-License-Identifier: Apache-2.0
"""The leak proof against a real container engine: ours go, a user's stay."""

from __future__ import annotations

import io
import secrets
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cleanup import engine
from harness.cleanup.clean import clean_stale
from harness.cleanup.remains import Claim, Scope, anonymous_volumes, look, look_for_all, remove
from harness.errors import EngineError
from harness.evidence.ledger import cluster_name, ledger_folder, stale_ledgers
from harness.evidence.ledger_entries import Entry
from harness.kube.cluster import LABEL_RUN
from harness.process import call
from harness.settings import Settings


def docker(*words: str) -> str:
    return call(["docker", *words], timeout=60).stdout.strip()


@dataclass(frozen=True)
class Host:
    """Two runs' and a user's things in the engine of this machine, all with names of their own."""

    run_id: str
    other: str
    image: str
    user: str


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    try:
        engine.check_engine()
    except EngineError as error:
        pytest.skip(f"needs a container engine: {error.message}")
    mark = secrets.token_hex(2)
    host = Host(
        run_id=f"20260102-030405-{mark}",
        other=f"20260102-030406-{mark}",
        image=f"spark-operator-harness/test-{mark}:1",
        user=f"soh-user-of-{mark}",
    )
    archive = tmp_path / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo("nothing"), io.BytesIO())
    docker("import", "--change", 'CMD ["/nothing"]', "--change", "VOLUME /var", str(archive), host.image)
    try:
        yield host
    finally:
        # Straight to Docker, by the names made here: what is tested must not tidy up after itself.
        named = docker("ps", "--all", "--quiet", "--filter", f"name={mark}").split()
        call(["docker", "rm", "--force", "--volumes", *named], timeout=60, check=False) if named else None
        for kind in ("network", "volume"):
            for name in docker(kind, "ls", "--quiet", "--filter", f"name={mark}").split():
                docker(kind, "rm", name)
        call(["docker", "image", "rm", "--force", host.image], timeout=60, check=False)


def names(found: object) -> set[tuple[str, str]]:
    return {(remain.kind, remain.name) for remain in found}  # type: ignore[attr-defined]


def test_what_k3d_made_is_found_by_its_own_label(host: Host) -> None:
    # k3d puts the run's label on nodes alone: helper, volume and network have the cluster's name and nothing else.
    cluster = cluster_name(host.run_id, 1)
    label = f"k3d.cluster={cluster}"
    server, helper, images = f"k3d-{cluster}-server-0", f"k3d-{cluster}-tools", f"k3d-{cluster}-images"
    docker("network", "create", "--label", label, f"k3d-{cluster}")
    docker("volume", "create", "--label", label, images)
    docker("volume", "create", "--label", "k3d.cluster=dev", f"{host.user}-images")
    docker("create", "--name", server, "--label", label, "--label", f"{LABEL_RUN}={host.run_id}", host.image)
    docker("create", "--name", helper, "--label", label, "--volume", f"{images}:/k3d/images", host.image)
    (var,) = anonymous_volumes([server])

    entries = [Entry(kind="cluster", name=cluster)]
    found = look(host.run_id, entries)
    assert names(found.remains) >= {
        ("container", server),
        ("container", helper),
        ("network", f"k3d-{cluster}"),
        ("volume", images),
        ("volume", var),
    }
    assert ("volume", f"{host.user}-images") not in names(found.remains)
    assert remove(found.removable) == []
    assert look(host.run_id, entries).remains == ()
    assert f"{host.user}-images" in docker("volume", "ls", "--quiet").split()


def test_everything_of_a_run_goes_and_what_others_made_stays(host: Host) -> None:
    node = f"{cluster_name(host.run_id, 1)}-control-plane"
    network, volume = f"soh-net-{host.run_id}", f"soh-vol-{host.run_id}"
    label = f"{LABEL_RUN}={host.run_id}"
    docker("network", "create", "--label", label, network)
    docker("volume", "create", "--label", label, volume)
    docker("volume", "create", f"{host.user}-volume")
    docker("create", "--name", f"registry-{host.run_id}", "--label", label, "--network", network, host.image)
    # A node container has kind's label only; kind gives no way to add one.
    docker(
        "create", "--name", node, "--label", f"io.x-k8s.kind.cluster={cluster_name(host.run_id, 1)}", "--network",
        network, "--volume", f"{host.user}-volume:/data", host.image,
    )  # fmt: skip
    (var,) = anonymous_volumes([node])
    docker("create", "--name", f"{host.user}-control-plane", "--label", "io.x-k8s.kind.cluster=soh-dev", host.image)
    docker("create", "--name", f"other-{host.other}", "--label", f"{LABEL_RUN}={host.other}", host.image)

    entries = [Entry(kind="cluster", name=cluster_name(host.run_id, 1))]
    found = look(host.run_id, entries)
    assert found.unseen == ()
    assert names(found.remains) >= {
        ("container", node),
        ("container", f"registry-{host.run_id}"),
        ("network", network),
        ("volume", volume),
        ("volume", var),
    }
    assert ("volume", f"{host.user}-volume") not in names(found.remains)
    assert remove(found.removable) == []
    assert look(host.run_id, entries).remains == ()
    assert var not in docker("volume", "ls", "--quiet")

    left = docker("ps", "--all", "--format", "{{.Names}}").split()
    assert f"{host.user}-control-plane" in left
    assert f"other-{host.other}" in left
    assert f"{host.user}-volume" in docker("volume", "ls", "--quiet").split()
    found = look_for_all(Scope(claims=(Claim(run_id=host.other),), images=frozenset({host.image})))
    everything = names(found.remains)
    assert ("container", f"other-{host.other}") in everything
    assert ("container", f"{host.user}-control-plane") not in everything
    (image,) = [remain for remain in found.remains if remain.kind == "image"]
    assert image.name == host.image
    assert f"{host.user}-control-plane" in image.used_by


def test_a_network_of_ours_that_something_else_uses_is_left_alone(host: Host) -> None:
    network = f"soh-net-{host.run_id}"
    docker("network", "create", "--label", f"{LABEL_RUN}={host.run_id}", network)
    docker("create", "--name", f"{host.user}-tool", "--network", network, host.image)
    found = look(host.run_id)
    (remain,) = found.remains
    assert remain.used_by == (f"{host.user}-tool",)
    assert found.removable == ()
    assert remove(found.remains) == []
    assert network in docker("network", "ls", "--format", "{{.Name}}").split()


def test_a_volume_whose_container_is_gone_is_found_through_the_ledger(host: Host) -> None:
    docker("create", "--name", f"node-{host.run_id}", host.image)
    (var,) = anonymous_volumes([f"node-{host.run_id}"])
    docker("rm", f"node-{host.run_id}")
    entries = [Entry(kind="volume", name=var), Entry(kind="container", name=f"node-{host.run_id}")]
    found = look(host.run_id, entries)
    assert names(found.remains) == {("volume", var)}
    assert remove(found.removable) == []
    assert look(host.run_id, entries).remains == ()


_KILLED = """
import os, signal, sys
from pathlib import Path
from harness.evidence.ledger import Ledger
from harness.process import call
from harness.kube.cluster import LABEL_RUN
run_id, folder, image = sys.argv[1:]
ledger = Ledger.open(run_id, Path(folder))
label = f"{LABEL_RUN}={run_id}"
for kind in ("network", "volume"):
    ledger.planned(kind, f"soh-{kind}-{run_id}")
    call(["docker", kind, "create", "--label", label, f"soh-{kind}-{run_id}"], timeout=60)
ledger.planned("container", f"soh-registry-{run_id}")
call(["docker", "create", "--name", f"soh-registry-{run_id}", "--label", label, image], timeout=60)
ledger.planned("container", f"soh-never-{run_id}")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_run_removes_what_a_killed_one_left_in_the_engine(host: Host, tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path / "spark-operator-harness")
    folder = ledger_folder(settings)
    call([sys.executable, "-c", _KILLED, host.run_id, folder, host.image], timeout=120, check=False)
    (stale,) = stale_ledgers(folder)
    # The image declares a volume, which is the fourth.
    found = [remain.kind for remain in look(host.run_id, stale.entries).remains]
    assert found == ["container", "network", "volume", "volume"]
    (told,) = clean_stale(settings)
    assert f"container soh-registry-{host.run_id}" in told
    assert look(host.run_id, stale.entries).remains == ()
    assert stale_ledgers(folder) == []


def test_removing_twice_is_no_error(host: Host) -> None:
    docker("create", "--name", f"node-{host.run_id}", "--label", f"{LABEL_RUN}={host.run_id}", host.image)
    found = look(host.run_id).removable
    assert remove(found) == []
    assert remove(found) == []
