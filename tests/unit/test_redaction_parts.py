# SPDX-License-Identifier: Apache-2.0
"""What redaction leaves out to be quick hides nothing less: documents are cut, and forms looked for by their hints."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redaction_shapes as corpus
import redaction_yaml_shapes as shapes

from harness.redaction import secret_form_table, secret_parts, secret_yaml
from harness.redaction.redactor import Redactor

_POD = """\
apiVersion: v1
kind: Pod
metadata:
  annotations:
    note: "over
      two lines"
  labels:
    app: a
spec:
  containers:
  - args:
    - start
    env:
    - name: HOME
      value: /root
    image: a@sha256:4f3a9c6b1d2e8f70a1b2c3d4e5f60718293a4b5c6d7e8f901a2b3c4d5e6f7081
    resources: {}
  - name: b
    volumeMounts:
    - mountPath: /tmp
      name: tmp
status:
  message: |
    some text
  phase: Running
"""

# Less of it, with everything that decides where a document may be cut.
_SHORT = """\
metadata:
  note: "over
    two lines"
spec:
  containers:
  - args:
    - start
    env:
    - name: HOME
      value: /root
  - name: b
status:
  message: |
    some text
  phase: Running
"""


def _around(text: str) -> Iterator[str]:
    """The text at several places of documents that have no secret otherwise."""
    inner = textwrap.indent(text, "    ")
    yield text
    yield _SHORT + text
    yield f"{text}\n{_SHORT}"
    yield f"{_SHORT}---\n{text}---\n{_SHORT}"
    yield f"a:\n  b:\n    c: d\n  e:\n{inner}\n  f:\n  - g: h\n    i: j\n"
    yield f"kind: X\nlist:\n  - a: b\n    c: d\n  - {inner.lstrip()}\n  - a: b\n    c: d\nz: y\n"
    yield f"data:\n  a: |\n    x: y\n  b: |\n{inner}\n  c: |\n    x: y\n"


@pytest.mark.parametrize("name", shapes.HIDDEN)
def test_a_secret_among_much_that_is_none_is_masked(name: str) -> None:
    for secret in ("hunter2horse", "Zq9/xT+v4Lw0Rb7", "swordfish"):
        redacted = Redactor().text(shapes.HIDDEN[name].replace("{s}", secret))
        assert secret not in redacted
        assert "***" in redacted


@pytest.mark.parametrize("text", shapes.SHOWN)
def test_what_only_looks_like_a_secret_s_name_stays(text: str) -> None:
    assert Redactor().text(text) == text


def _texts() -> Iterator[str]:
    yield from (text.replace("{s}", "swordfish") for text in shapes.HIDDEN.values())
    yield from (text for name, text, _ in corpus.hidden() if "swordfish" in name)
    yield from (text for kind in corpus.SHOWN for text in corpus.SHOWN[kind])


def test_a_document_that_is_cut_is_redacted_as_one_that_is_parsed_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[str] = []
    worth_parsing = secret_parts.worth_parsing

    def whole(lines: Sequence[str], telling: Sequence[int]) -> secret_parts.Part:
        return secret_parts.Part("".join(lines), (0,), (0,))

    def recorded(lines: Sequence[str], telling: Sequence[int]) -> secret_parts.Part:
        part = worth_parsing(lines, telling)
        cut.extend([part.text] if part.text != "".join(lines) else [])
        return part

    compared, different = 0, []
    for text in itertools.chain.from_iterable(map(_around, _texts())):
        cut.clear()
        monkeypatch.setattr(secret_yaml, "worth_parsing", recorded)
        made = Redactor().text(text)
        # Where nothing is cut off, there is nothing to compare.
        if cut:
            compared += 1
            monkeypatch.setattr(secret_yaml, "worth_parsing", whole)
            different += [text] if Redactor().text(text) != made else []
    assert different == []
    assert compared > 1_000


def test_of_a_long_document_only_what_is_beside_a_secret_s_name_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    documents = secret_yaml._documents

    def recorded(text: str) -> Iterator[Any]:
        parsed.append(text)
        return documents(text)

    monkeypatch.setattr(secret_yaml, "_documents", recorded)
    text = _POD.replace("    - name: HOME\n", "    - name: DB_PASSWORD\n      value: swordfish\n    - name: HOME\n")
    assert Redactor().text(text) == text.replace("swordfish", '"***"')
    (part,) = parsed
    assert "swordfish" in part
    assert "phase: Running" not in part
    assert len(part) < len(text) / 2
    parsed.clear()
    assert Redactor().text(_POD) == _POD
    assert parsed == []


def test_a_place_in_a_part_is_that_of_the_same_character_in_the_whole() -> None:
    lines = _POD.splitlines(keepends=True)
    telling = [number for number, line in enumerate(lines) if "HOME" in line or "mountPath" in line]
    part = secret_parts.worth_parsing(lines, telling)
    assert 0 < len(part.text) < len(_POD)
    assert [_POD[part.place(at)] for at in range(len(part.text))] == list(part.text)


# One of each form, without those that need no hint of their own, in the order of the forms
_LETTERS = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY" * 3
_HEX = "0a1b2c3d4e5f6789" * 4
_FORMS = (
    "postgres://me:swordfish9",
    f"routing_key: {_HEX[:32]}",
    f"AKIAIOSFODNN7EXAMPLQ:{_LETTERS[:40]}",
    *("ORA_DSN=me/swordfish@db", "CONNECT me/swordfish@db", "me/swordfish@db:1521/x"),
    "dial tcp: lookup me:Jx7kq2LmPq@db.example.org: no such host",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
    *(f"gh{kind}_{_LETTERS[:36]}" for kind in "pousr"),
    *(f"{it}{_LETTERS[:36]}" for it in ("github_pat_", "dckr_pat_", "dckr_oat_")),
    *(f"{it}{_LETTERS[:36]}" for it in ("npm_", "hf_", "dop_v1_", "shpat_", "shpss_")),
    *(f"gl{it}-{_LETTERS[:20]}" for it in ("pat", "dt", "ft", "rt", "ptt", "oas", "soat", "cbt", "imt", "agent")),
    *(f"{it}{_LETTERS[:20]}" for it in ("glsa_", "glc_", "GR1348941")),
    *(f"xox{it}-{_LETTERS[:20]}" for it in "abeoprs"),
    f"xapp-{_LETTERS[:20]}",
    *(f"{it}{_LETTERS[:20]}" for it in ("sk-", "sk-ant-", "sk-proj-", "sk_live_", "rk_test_", "pk_live_", "whsec_")),
    *(f"{it}{_LETTERS[:20]}" for it in ("pypi-", "lin_api_")),
    *(f"{it}{_LETTERS[:24]}" for it in ("hvs.", "hvb.", "hvr.", "SG.", "GOCSPX-", "ya29.")),
    *(f"NRAK-{_LETTERS[:24]}", f"dapi{_HEX[:32]}", f"x.atlasv1.{_LETTERS[:60]}"),
    *(f"AKC{_LETTERS[:20]}", f"sq0csp-{_LETTERS[:43]}", f"{_HEX[:32]}-us14", f"SK{_HEX[:32]}", f"AC{_HEX[:32]}"),
    f"api.softlayer.com/soap/v3/{_HEX}",
    "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
    *(f"{it}IOSFODNN7EXAMPLQ" for it in ("AKIA", "ASIA", "A3TX", "A3T7", "ABIA", "ACCA")),
    *(f"AIza{_LETTERS[:35]}", f"hooks.slack.com/services/{_LETTERS[:20]}", f"110201543:AA{_LETTERS[:33]}"),
    *(f"AGE-SECRET-KEY-1{_HEX.upper()[:40]}", f"K10{_HEX[:40]}::server:x9"),
    *(f"${it}${_LETTERS[:30]}" for it in ("2a", "2b", "2", "2y", "apr1", "1", "5", "6", "y", "argon2id")),
    *(f"{{{it}}}{_LETTERS[:28]}" for it in ("SHA", "SSHA", "SHA256", "SSHA512")),
    *(f"abc{it}~{_LETTERS[:32]}" for it in ("8Q", "7Q")),
    f"{(_LETTERS + _HEX)[:86]}==",
    *(f"BQIAAABKAAIA{_LETTERS[:40]}", f"/u3+7QAAAAIAAAAB{_LETTERS[:40]}", "https_proxy=me:swordfish@a:3128"),
    *("discord.com/api/webhooks/12345/aB3dE5fG7hJ9kL1mN2pQ", "acme.webhook.office.com/webhookb2/0a1b@2c3d/x/y"),
    "me:swordfish@tcp(db:3306)/x",
    'Credentials("realm", "a", "me", "swordfish")',
    *(f"vault s.{_LETTERS[:24]}", f"eyJwYXlsb2FkIjoi{_LETTERS[:24]}"),
    *(f"{it}{_LETTERS[:24]}" for it in ("ATATT3", "nvapi-", "GOOG1E", "PMAK-", "dt0c01.", "tskey-auth-", "sntrys_")),
    *(f"cmVmdGtuOj{_LETTERS[:54]}", f"LTAI{_LETTERS[:20]}", f"x 1//0{_LETTERS[:40]}"),
    *(
        f"{it}{_LETTERS[:30]}"
        for it in ("IQoJb3JpZ2lu", "FwoGZXIvYXdz", "sha256~", "SWMTKN-1-", "k8s-aws-v1.", "ops_eyJ")
    ),
    *(f"{it}{_LETTERS[:24]}" for it in ("ATBB", "ATCTT3")),
    *(f"{it}{_HEX[:40]}" for it in ("pul-", "dose", "dkea")),
    *(
        f"{it}{_LETTERS[:24]}"
        for it in ("doo_v1_", "dor_v1_", "AVNS_", "npg_", "pscale_pw_", "dbtu_", "bkua_", "HRKU-")
    ),
    f"rubygems_{_HEX[:48]}",
    f"CREDENTIALS\tme\t2026-12-01T10:00:00Z\tswordfish\t{_LETTERS[:24]}",
    f"spark@EXAMPLE.ORG (aes256-cts-hmac-sha1-96) (0x{_HEX[:32]})",
    'a.PlainLoginModule required username="a" user_me="swordfish";',
    "kubeadm token abcdef.0123456789abcdef",
    "Private-Lines: 1\nAAAAswordfish",
    *("https://0123swordfish:x-oauth-basic@a", "https://0123swordfish:@a", "https://me:swordfish@a"),
    "https:/me:swordfish@a",
    *("https://0123456789swordfish@a", "jdbc:oracle:thin:me/swordfish@a", "<master>swordfish</master>"),
    *("db:5432:a:me:swordfish", "db:*:*:me:swordfish", "x 10.0.0.5:5432:a:me:swordfish", "user_me = 'swordfish'"),
)


@pytest.mark.parametrize("length", [0, 10_000], ids=["short", "long"])
def test_whatever_has_a_form_of_its_own_is_looked_for(length: int) -> None:
    texts = [f"{'x ' * (length // 2)}\n{form}\n" for form in _FORMS]
    assert [text[-120:] for text in texts if Redactor().text(text) == text] == []
    missing = [it.form.pattern for it in secret_form_table.FORMS if not any(it.form.search(text) for text in texts)]
    assert missing == []


def test_lines_that_come_again_are_redacted_each_time() -> None:
    text = "a ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8\nb\n" * 3
    assert Redactor().text(text) == "a ghp_***\nb\n" * 3
