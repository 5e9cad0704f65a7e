# SPDX-License-Identifier: Apache-2.0
"""Encrypted values are refused with the name of what encrypted them, and plain ones are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.releases.values import load_values

SOPS = """\
controller:
    replicas: ENC[AES256_GCM,data:Mg==,iv:aXY=,tag:dGFn,type:int]
sops:
    age: []
    lastmodified: "2026-01-01T00:00:00Z"
    mac: ENC[AES256_GCM,data:bWFj,iv:aXY=,tag:dGFn,type:str]
    version: 3.9.0
"""
PARTLY = """\
image:
    tag: 2.5.2
sops:
    encrypted_regex: ^(data|env)$
    lastmodified: "2026-01-01T00:00:00Z"
    mac: ENC[AES256_GCM,data:bWFj,iv:aXY=,tag:dGFn,type:str]
    version: 3.9.0
"""
BLOCK = "A" * 60

SEALED = {
    "sops": (SOPS, "encrypted with sops", "sops --decrypt"),
    "sops-partly": (PARTLY, "encrypted with sops", "sops --decrypt"),
    "sops-json": (
        '{"image": {"tag": "ENC[AES256_GCM,data:eA==,iv:aQ==,tag:dA==,type:str]"}, "sops": {"version": "3"}}',
        "encrypted with sops",
        "sops",
    ),
    "git-crypt": ("\0GITCRYPT\0\1\2\3", "encrypted with git-crypt", "git-crypt unlock"),
    "ansible-vault": ("$ANSIBLE_VAULT;1.1;AES256\n6162\n", "encrypted with ansible-vault", "ansible-vault decrypt"),
    "ansible-vault-inline": (
        "controller:\n  env:\n  - name: A\n    value: !vault |\n      $ANSIBLE_VAULT;1.1;AES256\n      6162\n",
        "encrypted with ansible-vault",
        "ansible-vault decrypt",
    ),
    "sealed-secret": (
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec: {encryptedData: {a: AgBy}}\n",
        "a SealedSecret",
        "without it",
    ),
    "external-secret": ("apiVersion: external-secrets.io/v1\nkind: ExternalSecret\n", "an ExternalSecret", "without"),
    "age": (f"-----BEGIN AGE ENCRYPTED FILE-----\n{BLOCK}\n", "encrypted with age", "age --decrypt"),
    "age-binary": ("age-encryption.org/v1\n-> X25519 abc\n", "encrypted with age", "age --decrypt"),
    "gpg": (f"-----BEGIN PGP MESSAGE-----\n\n{BLOCK}\n", "encrypted with GnuPG", "gpg --decrypt"),
    "openssl": ("U2FsdGVkX1+abcdef\n", "openssl", "transcrypt"),
    "eyaml": (f"controller:\n  env:\n  - value: ENC[PKCS7,{BLOCK}]\n", "hiera-eyaml", "eyaml decrypt"),
    "vals": ("image:\n  tag: ref+vault://secret/data/x#/tag\n", "vals", "vals eval"),
    "argocd-vault-plugin": ("image:\n  tag: <path:secret/data/x#tag>\n", "argocd-vault-plugin", "generate"),
    "lfs": ("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n", "Git LFS", "git lfs pull"),
}


@pytest.mark.parametrize("shape", SEALED)
def test_a_sealed_file_is_refused_by_name_with_the_way_to_its_plain_text(shape: str, tmp_path: Path) -> None:
    text, what, way = SEALED[shape]
    file = tmp_path / "values.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as told:
        load_values(file)
    assert what in told.value.message
    assert str(file) in told.value.message
    assert way in told.value.next_step


def test_a_binary_of_gnupg_is_known_by_its_first_packet(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_bytes(b"\x85\x02\x0c\x03\xff\xfe")
    with pytest.raises(UsageError, match="GnuPG"):
        load_values(file)


@pytest.mark.parametrize(
    "text",
    [
        "# sops --decrypt, then !vault | is gone\nimage: {tag: 2.5.2}\n",
        "controller: {env: [{name: MODE, value: 'ENC[none]'}]}\n",
        "sops: {enabled: true}\nimage: {tag: a}\n",
        "image: {repository: 'vault/ref-plus'}\n",
    ],
)
def test_plain_values_that_speak_of_such_tools_are_taken(text: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(text)
    assert load_values(file)


def test_an_address_in_the_place_of_a_file_is_told_as_one() -> None:
    with pytest.raises(UsageError) as told:
        load_values(Path("secrets://values.yaml"))
    assert "secrets://" in told.value.next_step
