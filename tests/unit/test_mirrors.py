# SPDX-License-Identifier: Apache-2.0
"""Nodes are told of mirrors, and of nothing beside them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from harness.errors import SettingsError
from harness.images.mirrors import (
    BLOCKED,
    Mirror,
    MirrorMap,
    api_root,
    hosts_settings,
    mirrored,
    write_hosts,
    write_registries_yaml,
)
from harness.settings import load

PLAIN = Mirror(url="http://registry-ghcr-io:5000", host_url="http://127.0.0.1:40000")


def hosts(folder: Path, host: str) -> dict[str, Any]:
    return tomllib.loads((folder / host / "hosts.toml").read_text())


def guarded(ca: Path | None = None) -> Mirror:
    return Mirror(url="https://mirror.example.com", ca=ca, username="me", password=SecretStr("s3cret"))


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    file = tmp_path / "their-ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")
    return file


def test_a_host_is_served_by_its_mirror_alone(tmp_path: Path) -> None:
    folder = write_hosts(MirrorMap(mirrors={"ghcr.io": PLAIN}), tmp_path / "certs.d")

    assert hosts(folder, "ghcr.io") == {
        "server": "http://registry-ghcr-io:5000/v2",
        "capabilities": ["pull", "resolve"],
    }


def test_with_others_open_every_other_host_is_left_to_itself(tmp_path: Path) -> None:
    mirrors = MirrorMap(mirrors={"ghcr.io": PLAIN}, others_open=True)
    folder = write_hosts(mirrors, tmp_path / "certs.d")
    registries = yaml.safe_load(write_registries_yaml(mirrors, tmp_path / "k3s").read_text())

    assert [it.name for it in folder.iterdir()] == ["ghcr.io"]
    assert list(registries["mirrors"]) == ["ghcr.io"]
    assert mirrors
    assert not mirrors.closes


def test_every_other_host_leads_nowhere(tmp_path: Path) -> None:
    folder = write_hosts(MirrorMap(mirrors={"ghcr.io": PLAIN}), tmp_path / "certs.d")

    assert hosts(folder, "_default")["server"].startswith(BLOCKED)
    assert "127.0.0.1" in BLOCKED


def test_the_one_server_of_docker_hub_that_nodes_look_for_by_itself_has_its_own_mirror(tmp_path: Path) -> None:
    mirrors = MirrorMap(mirrors={"docker.io": PLAIN, "registry-1.docker.io": Mirror(url="http://other:5000")})

    folder = write_hosts(mirrors, tmp_path / "certs.d")

    assert hosts(folder, "registry-1.docker.io")["server"] == "http://other:5000/v2"
    assert hosts(folder, "docker.io")["server"] == "http://registry-ghcr-io:5000/v2"
    with pytest.raises(ValidationError, match="loop"):
        MirrorMap(mirrors={"registry-1.docker.io": Mirror(url="https://registry-1.docker.io")})


def test_what_containerd_could_not_read_is_not_written_in_silence(tmp_path: Path) -> None:
    odd = Mirror(url="http://mirror.example.com/a\x7fb")
    with pytest.raises(SettingsError, match=r"no hosts\.toml can be written for the mirror .* of ghcr\.io") as raised:
        write_hosts(MirrorMap(mirrors={"ghcr.io": odd}), tmp_path / "certs.d")
    assert raised.value.next_step == "write its url without control characters"


def test_what_is_written_says_what_the_map_says(tmp_path: Path, ca: Path) -> None:
    for mirror in (PLAIN, guarded(ca), Mirror(url='https://mirror.example.com/v2/"quoted\\"ü')):
        folder = write_hosts(MirrorMap(mirrors={"ghcr.io": mirror}), tmp_path / "certs.d")
        assert hosts(folder, "ghcr.io") == hosts_settings(mirror)


def test_without_mirrors_nothing_is_blocked(tmp_path: Path) -> None:
    assert list(write_hosts(MirrorMap(), tmp_path / "certs.d").iterdir()) == []


def test_credentials_and_ca_reach_the_node_in_closed_files(tmp_path: Path, ca: Path) -> None:
    folder = write_hosts(MirrorMap(mirrors={"ghcr.io": guarded(ca)}), tmp_path / "certs.d")

    written = hosts(folder, "ghcr.io")
    assert written["header"] == {"Authorization": "Basic bWU6czNjcmV0"}
    assert (folder / "ghcr.io" / written["ca"]).read_text() == ca.read_text()
    assert (folder / "ghcr.io" / "hosts.toml").stat().st_mode & 0o777 == 0o600


def test_k3s_gets_the_same_map(tmp_path: Path, ca: Path) -> None:
    mirrors = MirrorMap(mirrors={"docker.io": PLAIN, "ghcr.io": guarded(ca)})

    file = write_registries_yaml(mirrors, tmp_path / "k3s", node_folder="/etc/rancher/k3s")

    written = yaml.safe_load(file.read_text())
    assert written["mirrors"]["docker.io"] == {"endpoint": ["http://registry-ghcr-io:5000/v2"]}
    assert written["mirrors"]["*"] == {"endpoint": [BLOCKED]}
    assert written["configs"] == {
        "mirror.example.com": {
            "auth": {"username": "me", "password": "s3cret"},
            "tls": {"ca_file": "/etc/rancher/k3s/ghcr.io-ca.pem"},
        }
    }
    assert (file.parent / "ghcr.io-ca.pem").read_text() == ca.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://mirror.example.com", "https://mirror.example.com/v2"),
        ("https://harbor.example.com/v2/ghcr", "https://harbor.example.com/v2/ghcr"),
        ("https://nexus.example.com/repository/ghcr", "https://nexus.example.com/repository/ghcr/v2"),
    ],
)
def test_k3s_asks_under_the_same_path_as_containerd(tmp_path: Path, url: str, endpoint: str) -> None:
    file = write_registries_yaml(MirrorMap(mirrors={"ghcr.io": Mirror(url=url)}), tmp_path)

    assert yaml.safe_load(file.read_text())["mirrors"]["ghcr.io"]["endpoint"] == [endpoint]


def test_the_engine_pulls_by_the_mirrors_name() -> None:
    mirrors = MirrorMap(mirrors={"ghcr.io": Mirror(url="http://inside:5000", host_url="http://127.0.0.1:5000")})

    assert mirrored("ghcr.io/k3d-io/k3d-tools:5.8.3", mirrors) == "127.0.0.1:5000/k3d-io/k3d-tools:5.8.3"
    assert mirrored("docker.io/rancher/k3s:v1.34.4-k3s1", mirrors) == ""


@pytest.mark.parametrize(
    ("reference", "name"),
    [("kindest/node:v1.34.4", "kindest/node:v1.34.4"), ("registry:3", "library/registry:3")],
)
def test_a_short_name_is_whole_in_the_mirror(reference: str, name: str) -> None:
    mirrors = MirrorMap(mirrors={"docker.io": Mirror(url="http://127.0.0.1:5000")})

    assert mirrored(reference, mirrors) == f"127.0.0.1:5000/{name}"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://mirror.example.com/v2", "mirror.example.com/k3d-io/k3d-tools:5.8.3"),
        # The engine asks for https://harbor.example.com/v2/ghcr/k3d-io/k3d-tools/…
        ("https://harbor.example.com/v2/ghcr", "harbor.example.com/ghcr/k3d-io/k3d-tools:5.8.3"),
        ("https://harbor.example.com:8443/v2/ghcr/", "harbor.example.com:8443/ghcr/k3d-io/k3d-tools:5.8.3"),
        ("https://nexus.example.com/repository/ghcr", "nexus.example.com/repository/ghcr/k3d-io/k3d-tools:5.8.3"),
    ],
)
def test_a_project_of_a_mirror_is_a_part_of_the_name(url: str, name: str) -> None:
    mirrors = MirrorMap(mirrors={"ghcr.io": Mirror(url=url)})

    assert mirrored("ghcr.io/k3d-io/k3d-tools:5.8.3", mirrors) == name


@pytest.mark.parametrize("write", [write_hosts, write_registries_yaml])
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, write: Any) -> None:
    missing = tmp_path / "nowhere.pem"
    with pytest.raises(SettingsError, match=r"nowhere\.pem of the mirror for ghcr\.io"):
        write(MirrorMap(mirrors={"ghcr.io": guarded(missing)}), tmp_path / "out")

    missing.write_text("not a certificate")
    with pytest.raises(SettingsError, match="no PEM certificate"):
        write(MirrorMap(mirrors={"ghcr.io": guarded(missing)}), tmp_path / "out")


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("http://registry:5000", "http://registry:5000/v2"),
        ("https://mirror.example.com/ghcr", "https://mirror.example.com/ghcr/v2"),
        ("https://mirror.example.com/v2/", "https://mirror.example.com/v2"),
        ("https://harbor.example.com/v2/proxy", "https://harbor.example.com/v2/proxy"),
    ],
)
def test_the_api_begins_where_containerd_looks_for_it(tmp_path: Path, url: str, root: str) -> None:
    assert api_root(url) == root

    written = hosts(write_hosts(MirrorMap(mirrors={"ghcr.io": Mirror(url=url)}), tmp_path / "certs.d"), "ghcr.io")
    assert written["server"] == root
    assert written.get("override_path", False) == (not root.endswith("/v2"))


@pytest.mark.parametrize(
    "url",
    [
        "mirror.example.com",
        "ftp://x",
        "https://",
        "https://me:s3cret@mirror.example.com",
        "https://mirror.example.com:port",
        "https://mirror.example.com:99999",
        "https://mirror.example.com:0",
        " https://mirror.example.com",
        "https://mirror.example.com ",
        "https://mirror.example.com/?project=ghcr",
        "https://mirror.example.com/#ghcr",
        "https://[fd00::5",
        "https://b\u00fccher.example",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Mirror(url=url)


@pytest.mark.parametrize("url", ["https://[fd00::5]:5000", "HTTPS://mirror.example.com", "http://mirror_1:5000/v2/a"])
def test_what_is_an_address_is_taken(url: str) -> None:
    assert Mirror(url=url).url == url


@pytest.mark.parametrize(
    "host",
    [
        *("", "https://ghcr.io", "ghcr.io/kubeflow", "index.docker.io", "_default"),
        # With a letter of another script that looks like a c, and as nobody begins the name of an image.
        *("gh\u0441r.io", "GHCR.io", "Docker.io", "Index.docker.io", "ghcr.io "),
    ],
)
def test_what_is_no_registry_host_is_refused(host: str) -> None:
    with pytest.raises(ValidationError):
        MirrorMap(mirrors={host: PLAIN})


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ('[mirrors."index.docker.io"]\nurl = "http://m"', "use that as the key"),
        ('[mirrors."ghcr.io"]\nurl = "m.example.com"', "not a URL like"),
        ('[mirrors."ghcr.io"]\nurl = "http://m"\npasword = "s3cret"', "pasword"),
        ('[mirrors."ghcr.io"]\nurl = "http://m"\npassword = "s3cret"', "has both, username and password"),
        ('[mirrors."ghcr.io"]\nurl = "http://m"\nusername = "me"', "has both, username and password"),
        ('[mirrors."GHCR.io"]\nurl = "http://m"', r"images of GHCR\.io are named ghcr\.io/…: use that as the key"),
        ('[mirrors."ghcr.io"]\nurl = "http://b\u00fccher.example:5000"', r"write xn--bcher-kva\.example:5000"),
        ('[mirrors."ghcr.io"]\nurl = "http://m"\ntoken_servers = ["a"]', "there is none: give username"),
        (
            '[mirrors."ghcr.io"]\nurl = "http://m"\ntoken_servers = ["https://a"]',
            r"'https://a' is not a host like auth\.example\.com",
        ),
        ('[mirrors."ghcr.io"]\nusername = "me"\npassword = "s3cret\\n"\nurl = "http://m"', "ends with a line end"),
    ],
)
def test_a_mistake_in_the_settings_is_told_with_its_line(tmp_path: Path, table: str, what: str) -> None:
    file = tmp_path / "harness.toml"
    file.write_text(f"jobs = 1\n\n{table}\n")

    with pytest.raises(SettingsError, match=r"harness\.toml, line [3-5]: .*" + what) as raised:
        load(file=file, environment={})
    assert "s3cret" not in str(raised.value)


def test_a_host_of_a_company_may_have_capitals_as_in_the_names_of_its_images() -> None:
    assert "Registry.Acme.example" in MirrorMap(mirrors={"Registry.Acme.example": PLAIN}).mirrors


def test_a_token_server_is_known_however_it_is_written() -> None:
    row = Mirror(url="http://m", username="me", password=SecretStr("x"), token_servers=("Auth.Example:8443",))
    assert row.token_servers == ("auth.example:8443",)


def test_passwords_do_not_show() -> None:
    mirrors = MirrorMap(mirrors={"ghcr.io": guarded()})

    assert "s3cret" not in repr(mirrors) + str(mirrors) + mirrors.model_dump_json()
    assert "s3cret" in mirrors.secrets
