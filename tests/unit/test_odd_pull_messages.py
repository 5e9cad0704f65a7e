# SPDX-License-Identifier: Apache-2.0
"""Messages about pulls as several lines of containerd, Docker and CRI-O write them, and what trouble each one tells."""

from __future__ import annotations

import pytest

from harness.kube import pull_messages

IMAGE = "docker.io/apache/spark:4.0.4"
URL = "https://registry-1.docker.io/v2/apache/spark/manifests/4.0.4"
DIGEST = f"sha256:{'9f' * 32}"
LAYER = f"failed to unpack image on snapshotter overlayfs: failed to extract layer {DIGEST}"
TOKEN = "failed to authorize: failed to fetch anonymous token: "
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
HELM = "application/vnd.cncf.helm.config.v1+json"
X509 = "tls: failed to verify certificate: x509: "


def by_containerd(said: str) -> list[str]:
    """As the lines 1.7, 2.0 and those with the transfer service have it."""
    begins = f'Failed to pull image "{IMAGE}": '
    unpacks = f'failed to pull and unpack image "{IMAGE}": '
    return [
        f'{begins}rpc error: code = Unknown desc = {unpacks}failed to resolve reference "{IMAGE}": {said}',
        f'{begins}{unpacks}failed to resolve reference "{IMAGE}": {said}',
        f"{begins}{unpacks}failed to resolve image: {said}",
    ]


def asking(said: str) -> str:
    return f'failed to do request: Head "{URL}": {said}'


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (f"{TOKEN}unable to decode token response: invalid character '<' looking for beginning", "not-a-registry"),
        (f"{TOKEN}unable to decode token response: unexpected end of JSON input", "registry-answer"),
        (f"{TOKEN}authorization server did not include a token in the response", "registry-answer"),
        (f'{TOKEN}Get "https://auth.docker.io/token?service=x": Forbidden', "proxy"),
        ("failed to authorize: no realm specified for token auth challenge", "registry-answer"),
        (asking("remote error: tls: protocol version not supported"), "registry-answer"),
        (asking("tls: server selected unsupported protocol version 301"), "registry-answer"),
        (asking("tls: server chose an unconfigured cipher suite"), "registry-answer"),
        (asking("remote error: tls: handshake failure"), "connection-lost"),
        (asking("remote error: tls: unrecognized name"), "not-a-registry"),
        (asking("remote error: tls: certificate required"), "node-configuration"),
        (asking("remote error: tls: expired certificate"), "node-configuration"),
        (asking("remote error: tls: unknown certificate authority"), "node-configuration"),
        (asking(f"{X509}certificate signed by unknown authority"), "certificate-not-trusted"),
        (asking(f"{X509}certificate relies on legacy Common Name field, use SANs"), "registry-certificate"),
        (asking("tls: failed to parse certificate from server: x509: negative serial number"), "registry-certificate"),
        (asking(f"{X509}certificate is valid for a.example.com, not b.example.com"), "certificate-of-another-name"),
        (asking("Blocked By Zscaler"), "proxy"),
        (asking("Network Authentication Required"), "proxy"),
        (asking("EOF"), "connection-lost"),
        (asking("dial tcp: address 99999: invalid port"), "registry-away"),
        (asking("dial tcp: address fd00::1:5000: too many colons in address"), "registry-away"),
        (asking('net/http: invalid header field value for "Authorization"'), "node-configuration"),
        (asking("net/http: server response headers exceeded 1048576 bytes; aborted"), "registry-answer"),
        (asking("read tcp 10.0.0.2:40->1.2.3.4:443: read: software caused connection abort"), "connection-lost"),
        ("unexpected status code [manifests 4.0.4]: 520", "registry-failing"),
        (f"unexpected status code {URL}: 523 ", "registry-failing"),
        (f"{LAYER}: signal: killed: unknown", "node-failing"),
        (f"{LAYER}: mkdir /var/lib/containerd/x: structure needs cleaning", "node-failing"),
        (f"{LAYER}: failed to handle whiteout: operation not supported", "node-failing"),
        (f"{LAYER}: archive/tar: invalid tar header: unknown", "registry-content"),
        (
            f"{LAYER}: failed to get stream processor for {ZSTD}: no processor for media-type: unknown",
            "image-format",
        ),
        ("failed to copy: write /var/lib/containerd/ingest/9f/data: stale file handle", "node-failing"),
        ("snapshotter stargz was not found: not found", "node-failing"),
        ("snapshotter not loaded: nydus: invalid argument", "node-failing"),
        ("grpc: received message larger than max (5000000 vs. 4194304)", "node-failing"),
    ],
)
def test_what_containerd_says(said: str, kind: str) -> None:
    assert {pull_messages.read(it).kind for it in by_containerd(said)} == {kind}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            "error parsing HTTP 403 response body: invalid character '<' looking for beginning: \"<a>\"",
            "not-a-registry",
        ),
        ("error parsing HTTP 403 response body: unexpected end of JSON input", "not-allowed"),
        ("missing or empty Content-Length header", "registry-answer"),
        (f"filesystem layer verification failed for digest {DIGEST}", "registry-content"),
        ('image operating system "windows" cannot be used on this platform', "image-platform"),
        ('Encountered remote "application/vnd.cncf.helm.config.v1+json"(unknown) when fetching', "image-format"),
        ("failed to register layer: lchown /etc/x: invalid argument", "node-failing"),
        ("received unexpected HTTP status: 502 Bad Gateway", "registry-failing"),
        ('StatusCode: 403, "<html><title>Blocked</title></html>"', "not-a-registry"),
        ('StatusCode: 502, "<html>Bad Gateway</html>"', "registry-failing"),
        (f"Manifest does not match provided manifest digest {DIGEST}", "registry-content"),
        (f"writing blob: Digest did not match, expected {DIGEST}, got {DIGEST}", "registry-content"),
        (f"writing blob: layer {DIGEST} does not match config's DiffID {DIGEST}", "registry-content"),
        (
            f'unsupported image-specific operation on artifact with type "{HELM}"',
            "image-format",
        ),
        ("can't talk to a V1 container registry", "not-a-registry"),
        ("potentially insufficient UIDs or GIDs available in user namespace (requested 0:42)", "node-failing"),
    ],
)
def test_what_docker_and_cri_o_say(said: str, kind: str) -> None:
    by_docker = f'Failed to pull image "{IMAGE}": Error response from daemon: {said}'
    by_cri_o = (
        f'Failed to pull image "{IMAGE}": rpc error: code = Unknown desc = initializing source docker://{IMAGE}: {said}'
    )
    assert {pull_messages.read(it).kind for it in (by_docker, by_cri_o)} == {kind}
