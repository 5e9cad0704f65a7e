# SPDX-License-Identifier: Apache-2.0
"""The network of a run. `docker` is a stand-in, since unit tests have no engine; every run uses the real one."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from harness.errors import CommandError
from harness.providers import network


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker that notes its words in `words`, says what is in `says`, and ends with 1 when there is anything.

    The MTU of its own network is in `mtu`.
    """
    file = tmp_path / "docker"
    mtu = f'case "$*" in *driver.mtu*bridge) cat {tmp_path}/mtu; exit;; esac'
    answer = f"[ ! -s {tmp_path}/says ] || {{ cat {tmp_path}/says >&2; exit 1; }}"
    file.write_text(f'#!/bin/sh\n{mtu}\necho "$*" >> {tmp_path}/words\n{answer}\n')
    (tmp_path / "mtu").write_text("1500\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_a_network_has_the_label_of_its_run(docker: Path) -> None:
    network.create("soh-101500-ab12", "20260801-101500-ab12")

    label = "spark-operator-harness.run=20260801-101500-ab12"
    assert (docker / "words").read_text() == f"network create --label {label} soh-101500-ab12\n"


def test_an_isolated_network_is_not_translated_to_the_outside(docker: Path) -> None:
    network.create("soh-1", "20260801-101500-ab12", isolated=True)

    words = (docker / "words").read_text()
    assert " --opt com.docker.network.bridge.enable_ip_masquerade=false soh-1\n" in words


def test_a_network_for_ipv6_has_a_range_of_its_own(docker: Path) -> None:
    network.create("soh-1", "20260801-101500-ab12", ipv6=True)

    assert f"--ipv6 --subnet {network.unique_local('soh-1')} soh-1" in (docker / "words").read_text()
    ranges = {ipaddress.ip_network(network.unique_local(name)) for name in ("soh-1", "soh-2")}
    assert len(ranges) == 2
    assert all(it.is_private and it.prefixlen == 64 for it in ranges)


def test_packets_are_as_long_as_those_of_the_engines_own_network(docker: Path) -> None:
    (docker / "mtu").write_text("1450\n")
    network.create("soh-1", "20260801-101500-ab12")
    (docker / "mtu").unlink()
    network.create("soh-2", "20260801-101500-ab12")

    narrow, unknown = (docker / "words").read_text().splitlines()
    assert " --opt com.docker.network.driver.mtu=1450 soh-1" in narrow
    assert "mtu" not in unknown


def test_a_network_that_cannot_be_made_is_told(docker: Path) -> None:
    (docker / "says").write_text("Error response from daemon: all predefined address pools have been subnetted\n")

    with pytest.raises(CommandError, match="address pools"):
        network.create("soh-1", "20260801-101500-ab12")


@pytest.mark.parametrize(
    "said", ["", "Error: No such network: soh-1", "Error response from daemon: network soh-1 not found"]
)
def test_a_network_that_is_gone_is_removed(docker: Path, said: str) -> None:
    (docker / "says").write_text(said)

    network.remove("soh-1")

    assert (docker / "words").read_text() == "network rm soh-1\n"


def test_a_network_in_use_is_told(docker: Path) -> None:
    (docker / "says").write_text("Error response from daemon: network soh-1 has active endpoints\n")

    with pytest.raises(CommandError, match="has active endpoints"):
        network.remove("soh-1")


@pytest.mark.parametrize(("there", "removed"), [("", True), ("kind\n", False)])
def test_a_network_that_was_there_stays_and_another_goes(docker: Path, there: str, removed: bool) -> None:
    (docker / "docker").write_text(f'#!/bin/sh\necho "$*" >> {docker}/words\n[ "$2" != ls ] || printf "{there}"\n')

    with pytest.raises(KeyError), network.left_as_it_was("kind"):
        raise KeyError

    assert ("network rm kind\n" in (docker / "words").read_text()) is removed
