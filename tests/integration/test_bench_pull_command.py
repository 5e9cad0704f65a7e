# SPDX-License-Identifier: Apache-2.0
"""The pull benchmark without its node: real registries with what it pulls, and crane in the place of the node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pushing import push_index

from harness.bench import pull_peers
from harness.bench.pull_contents import Contents, public_units
from harness.bench.pull_images import CHANGED, Pulled, push_changed, push_probe
from harness.bench.pull_site import Profile, Server, Site, Traffic, pulls_left, site, too_few
from harness.errors import HarnessError, UnavailableError
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.process import call
from harness.registries import local
from harness.registries.client import RegistryClient
from harness.registries.front.profile import Limits
from harness.registries.push import Transfer

SIZE = 40_000
AWAY = Profile(latency=0.0, rate=0)


@pytest.fixture
def images(registry_binary: Path, tmp_path: Path) -> tuple[Pulled, Pulled]:
    """A probe and the same with one layer changed, in a storage."""
    with (
        local.serve(registry_binary, tmp_path / "storage", tmp_path / "fill.log") as server,
        Transfer(Mirror(url=server.url), "bench.invalid", push=True) as client,
    ):
        probe = push_probe(client, "bench/probe-00", "seed", layer_bytes=SIZE)
        assert push_probe(client, "bench/again", "seed", layer_bytes=SIZE).digest == probe.digest
        assert push_probe(client, "bench/other", "other", layer_bytes=SIZE).blobs & probe.blobs == set()
        return probe, push_changed(client, probe, layer_bytes=SIZE)


@pytest.fixture
def here(registry_binary: Path, tmp_path: Path, images: tuple[Pulled, Pulled]) -> Iterator[Site]:
    with site(registry_binary, tmp_path, tmp_path / "storage", "127.0.0.2", AWAY) as made:
        yield made


def pulled(crane_binary: Path, site: Site, server: Server, image: Pulled, folder: Path) -> Traffic:
    """What a server had to do for one pull by crane."""
    assert server.mirror is not None
    assert server.traffic is not None
    before = server.traffic()
    address = server.mirror.url.split("://")[1]
    env = {"SSL_CERT_FILE": str(site.fronts[server.host].ca), "DOCKER_CONFIG": str(folder / "none")}
    call([crane_binary, "pull", "--insecure", image.on(address), folder / "image.tar"], timeout=60, env=env)
    return server.traffic().since(before)


def test_a_changed_image_shares_all_layers_but_the_last(images: tuple[Pulled, Pulled]) -> None:
    probe, changed = images

    assert changed.tag == CHANGED
    # Configuration, manifest and last layer are others.
    assert len(probe.blobs - changed.blobs) == 3
    assert len(probe.chains - changed.chains) == 1
    assert len(probe.chains) == 4
    assert probe.size > 4 * SIZE


def test_the_logs_tell_what_a_pull_costs_on_each_way(
    crane_binary: Path, here: Site, images: tuple[Pulled, Pulled], tmp_path: Path
) -> None:
    probe, _ = images
    for host in ("ghcr.io", "docker.io"):
        direct = pulled(crane_binary, here, here.direct(host), probe, tmp_path)
        assert probe.size <= direct.bytes < probe.size + 5000
        assert direct.requests >= 7

        before = here.upstream(host)
        mirrored = pulled(crane_binary, here, here.mirrored(host), probe, tmp_path)
        assert probe.size <= mirrored.bytes < probe.size + 5000
        assert here.upstream(host) == before

        with here.cache(host) as cache:
            first = pulled(crane_binary, here, cache, probe, tmp_path)
            fetched = here.upstream(host).since(before)
            again = pulled(crane_binary, here, cache, probe, tmp_path)
            checked = here.upstream(host).since(before).since(fetched)
        assert first.bytes >= probe.size
        assert again.bytes >= probe.size
        assert fetched.bytes >= probe.size
        # A filled cache asks for no layer any more.
        assert checked.bytes < SIZE


def test_a_stand_in_is_as_far_away_as_its_profile_says(
    crane_binary: Path, registry_binary: Path, images: tuple[Pulled, Pulled], tmp_path: Path
) -> None:
    away = Profile(latency=0.2, rate=100_000)
    with site(registry_binary, tmp_path, tmp_path / "storage", "127.0.0.2", away) as made:
        (peer,) = (it for it in pull_peers.peers(crane_binary) if it.name == "crane pull")
        assert peer.pull is not None
        seconds = peer.pull(made.fronts["ghcr.io"], images[0], tmp_path)
        faults = [str(it) for it in made.fronts["docker.io"].faults()]

    assert seconds > images[0].size / away.rate
    assert faults == ["latency 0.2 s", "bandwidth 100000 B/s"]
    assert not (tmp_path / "crane").exists()
    assert str(away) == "200 ms for each response, 0 MB/s in total"


def test_limits_are_read_without_a_pull_and_heeded(here: Site, images: tuple[Pulled, Pulled]) -> None:
    probe = images[0]
    front = here.fronts["docker.io"]
    front.limit(Limits(anonymous=3, user=3, window=600))
    reference = ImageReference.parse(probe.on("docker.io"))
    with RegistryClient(front.mirror(), "docker.io") as client:
        assert [pulls_left(client, reference) for _ in range(3)] == [3, 3, 3]
        assert too_few(client, reference, 3) == ""
        assert "allows 3 more pulls in this window, but 4 are needed" in too_few(client, reference, 4)
    with RegistryClient(here.fronts["ghcr.io"].mirror(), "ghcr.io") as client:
        assert pulls_left(client, reference) is None
    with pytest.raises(UnavailableError, match="allows 3 more pulls"):
        here.require_pulls({"ghcr.io": 900, "docker.io": 900}, probe)


def test_what_a_public_registry_has_is_measured_by_its_own_name(
    registry_binary: Path, images: tuple[Pulled, Pulled], tmp_path: Path
) -> None:
    probe = images[0]
    made = Contents()
    with (
        local.serve(registry_binary, tmp_path / "storage", tmp_path / "public.log") as server,
        httpx.Client(trust_env=False) as client,
    ):
        platform = {"os": "linux", "architecture": "amd64"}
        with Transfer(Mirror(url=server.url), "bench.invalid") as reader:
            found = reader.head(ImageReference.parse(probe.on("bench.invalid")))
        entry = {"mediaType": found.media_type, "digest": found.digest, "size": found.size, "platform": platform}
        index = push_index(client, server.url, "bench/probe-00", "all", [entry])
        away = "127.0.0.1:1"
        for host, name in ((server.address, "bench/probe-00:all"), (away, "a/b:1")):
            made.public[host] = ImageReference.parse(f"{host}/{name}")
        units, why = public_units(made, 5, hosts=[server.address, away])

    (unit,) = units
    assert (unit.host, unit.public, unit.subject) == (server.address, True, "probe-00:all of upstream")
    (pulled,) = made.subjects[unit.subject].images
    assert (pulled.on(unit.host), pulled.digest) == (f"{server.address}/bench/probe-00:all", index)
    assert pulled.blobs == probe.blobs | {index}
    assert list(why) == [f"the public {away}"]


def test_a_peer_that_is_not_there_says_so(crane_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    by_name = {it.name: it for it in pull_peers.peers(crane_binary)}
    skopeo = by_name["skopeo copy"]
    assert (skopeo.pull, skopeo.why) == (None, "skopeo is not on PATH; Debian has it: apt-get install skopeo")


def test_an_image_that_is_not_there_is_an_error(registry_binary: Path, tmp_path: Path) -> None:
    with (
        local.serve(registry_binary, tmp_path / "empty", tmp_path / "log") as server,
        Transfer(Mirror(url=server.url), "bench.invalid") as client,
        pytest.raises(HarnessError, match="has no bench/none:1"),
    ):
        push_changed(
            client,
            Pulled(repository="bench/none", tag="1", digest="", blobs=frozenset(), chains=frozenset(), size=0),
        )
