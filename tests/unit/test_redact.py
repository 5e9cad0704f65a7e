# SPDX-License-Identifier: Apache-2.0
"""Redaction: no secret gets through, names and everything that explains a failure do."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
import yaml
from planted import private_key

from harness.redaction.redactor import MASK, Redactor
from harness.stories import scenarios

SECRET = "hunter2horse"
ENCODED = base64.b64encode(SECRET.encode()).decode()
JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl-_x"


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization: Basic {ENCODED}",
        f'{{"Authorization":["Bearer {SECRET}"]}}',
        f"curl -H 'Authorization: token {SECRET}' https://ghcr.io/v2/",
        f"got bearer {SECRET}{SECRET} from the client",
        f"pulling from https://robot:{SECRET}@ghcr.io/v2/",
        f"GET /v2/x?signature={SECRET}&expires=1",
        f"spark.hadoop.fs.s3a.secret.key={SECRET}",
        f"--conf spark.authenticate.secret={SECRET} --class Pi",
        f"helm registry login --username me --password {SECRET} ghcr.io",
        f"DB_PASSWORD={SECRET}",
        f"      DB_PASSWORD:  {SECRET}",
        f"password: {SECRET}",
        f"  - token: '{SECRET}'",
        f"client-key-data: {ENCODED}",
        f"  .dockerconfigjson: {ENCODED}",
        f'{{"auths":{{"ghcr.io":{{"username":"me","password":"{SECRET}","auth":"{ENCODED}"}}}}}}',
        f'{{"log":"{{\\"token\\":\\"{SECRET}\\"}}"}}',
        f'"password": "a\\"{SECRET}",',
        f'{{"name":"DB_PASSWORD","value":"{SECRET}"}}',
        f'"{{\\"name\\":\\"API_TOKEN\\",\\"value\\":\\"{SECRET}\\"}}"',
        f'{{"apiVersion":"v1","kind":"Secret","data":{{"a":"{ENCODED}"}}}}',
        f'{{"kind":"Secret","stringData":{{"config":"{{\\"x\\": \\"{SECRET}\\"}}","b":"{SECRET}"}}}}',
        f'annotation: "{{\\"data\\":{{\\"a\\":\\"{ENCODED}\\"}},\\"kind\\":\\"Secret\\"}}"',
        f'{{"kind":"Secret","data":{{"a":["{SECRET}"]}}}}',
        f"- name: DB_PASSWORD\n  value: {SECRET}",
        f'"name": "DB_PASSWORD",\n"value": "{SECRET}"',
        f"password: |\n  first {SECRET}\n  second {SECRET}\nnext: kept",
    ],
)
def test_a_secret_does_not_get_through(line: str) -> None:
    redacted = Redactor().text(line + "\n")
    assert SECRET not in redacted
    assert ENCODED not in redacted
    assert MASK in redacted
    assert "kept" in redacted or "kept" not in line


def test_tokens_of_service_accounts_and_of_github() -> None:
    pat = "ghp_" + "a1B2" * 9
    redacted = Redactor().text(f"presented {JWT} and {pat}, refused\n")
    assert redacted == f"presented {MASK} and ghp_{MASK}, refused\n"


@pytest.mark.parametrize(
    "line",
    [
        'E1124 12:00:01.000001 1 controller.go:12] "Reconciler error" err="invalid token: unexpected end of file"',
        "  automountServiceAccountToken: false",
        "    secretName: spark-operator-webhook-certs",
        "    TokenExpirationSeconds:  3607",
        "kind: Secret",
        "  - secret:",
        "token: ''",
        'failed to pull image "ghcr.io/kubeflow/spark-operator/controller:nope": not found',
        "the bearer token was rejected",
        "DB_PASSWORD:  <set to the key 'password' in secret 'db'>  Optional: false",
        "--tls-private-key-file=/var/lib/kubelet/pki/kubelet.key",
        "time=2026-01-01 level=info tokens=3",
    ],
)
def test_what_explains_a_failure_stays(line: str) -> None:
    assert Redactor().text(line + "\n") == line + "\n"


def test_the_environment_of_a_process_keeps_what_is_beside_a_secret() -> None:
    environment = "HOME=/root\0DB_PASSWORD={}\0SPARK_USER=spark\0"
    assert Redactor().text(environment.format(SECRET)) == environment.format(MASK)


def test_private_keys_go_and_certificates_stay() -> None:
    key = private_key()
    certificate = "-----BEGIN CERTIFICATE-----\nMIIBpublic\n-----END CERTIFICATE-----\n"
    redacted = Redactor().text(f"before\n{key}{certificate}after\n")
    assert key.splitlines()[1] not in redacted
    assert redacted.startswith("before\n-----BEGIN PRIVATE KEY-----\n***\n")
    assert redacted.endswith(f"-----END PRIVATE KEY-----\n{certificate}after\n")


def test_private_keys_in_one_line_and_in_base64() -> None:
    key = private_key()
    inline = key.replace("\n", "\\n")
    encoded = base64.b64encode(key.encode()).decode()
    certificate = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIBpublic\n").decode()
    redacted = Redactor().text(f'pem="{inline}" x: {encoded} caBundle: {certificate}\n')
    assert key.splitlines()[1] not in redacted
    assert encoded not in redacted
    assert f"caBundle: {certificate}" in redacted


SECRET_LIST = f"""\
apiVersion: v1
items:
- apiVersion: v1
  data:
    visible: "yes"
  kind: ConfigMap
  metadata:
    name: settings
- apiVersion: v1
  data:
    # {SECRET} in a comment
    tls.crt: {ENCODED}
    folded: >-
      {SECRET}
      a: {SECRET}
  kind: Secret
  metadata:
    name: certs
    labels:
      app: spark
- apiVersion: v1
  data:
    other: visible-too
  kind: ConfigMap
kind: List
"""


def test_the_data_of_secrets_in_a_yaml_list_is_masked_and_only_that() -> None:
    redacted = Redactor().text(SECRET_LIST)
    assert SECRET not in redacted
    first, second, third = yaml.safe_load(redacted)["items"]
    assert first["data"] == {"visible": "yes"}
    assert second["data"] == {"tls.crt": MASK, "folded": MASK}
    assert second["metadata"] == {"name": "certs", "labels": {"app": "spark"}}
    assert third["data"] == {"other": "visible-too"}


def test_a_manifest_with_the_kind_before_the_data() -> None:
    manifest = (
        f"---\n# Source: chart/secret.yaml\napiVersion: v1\nkind: Secret\nstringData:\n  a: {SECRET}\n"
        "---\napiVersion: v1\nkind: ConfigMap\ndata:\n  b: visible\n"
    )
    redacted = Redactor().text(manifest)
    assert SECRET not in redacted
    assert '  a: "***"\n' in redacted
    assert "# Source: chart/secret.yaml" in redacted
    assert "  b: visible\n" in redacted


def test_secrets_in_indented_json_are_still_json_afterwards() -> None:
    document = {
        "items": [
            {"data": {"a": ENCODED, "b": ENCODED}, "kind": "Secret", "metadata": {"name": "x"}},
            {"data": {"c": "visible"}, "kind": "ConfigMap"},
        ]
    }
    redacted = json.loads(Redactor().text(json.dumps(document, indent=4)))
    assert redacted["items"][0] == {"data": {"a": MASK, "b": MASK}, "kind": "Secret", "metadata": {"name": "x"}}
    assert redacted["items"][1]["data"] == {"c": "visible"}


def test_a_kubeconfig_keeps_its_addresses_and_certificates() -> None:
    kubeconfig = (
        "clusters:\n- cluster:\n    certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t\n"
        "    server: https://127.0.0.1:6443\nusers:\n- name: kind\n  user:\n"
        f"    client-certificate-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t\n    client-key-data: {ENCODED}\n"
        f"    token: {SECRET}\n"
    )
    redacted = yaml.safe_load(Redactor().text(kubeconfig))
    assert redacted["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert redacted["clusters"][0]["cluster"]["certificate-authority-data"].startswith("LS0t")
    assert redacted["users"][0]["user"] == {
        "client-certificate-data": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
        "client-key-data": MASK,
        "token": MASK,
    }


def test_secrets_that_the_caller_names_go_in_every_encoding() -> None:
    literal = "p@ss/word"
    text = f"{literal} p%40ss%2Fword {base64.b64encode(literal.encode()).decode()} stays\n"
    assert Redactor((literal, "")).text(text) == "*** *** *** stays\n"


def test_files_are_copied_whole_also_when_they_are_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "log").write_bytes(b"\xff\xfe bytes\r\npassword: " + SECRET.encode() + b"\r\nend")
    (tmp_path / "in" / "link").symlink_to("/etc/shadow")
    written = Redactor().tree(tmp_path / "in", tmp_path / "out")
    assert written == [tmp_path / "out" / "deep" / "log"]
    assert written[0].read_bytes() == b'\xff\xfe bytes\r\npassword: "***"\r\nend'


def test_a_document_that_is_too_long_to_see_its_kind_loses_its_data() -> None:
    filler = "".join(f"  label-{number}: x\n" for number in range(25_000))
    redacted = Redactor().text(f"data:\n  a: {SECRET}\nmetadata:\n{filler}kind: Secret\n")
    assert SECRET not in redacted


def test_a_long_log_takes_seconds_not_minutes() -> None:
    line = 'I1124 12:00:01.000001 1 controller.go:12] "Reconciling" object="spark-pi/spark-pi" duration="12ms" n=1\n'
    started = time.monotonic()
    for _ in Redactor(("literal",)).lines(line for _ in range(20_000)):
        pass
    assert time.monotonic() - started < 8


def test_no_scenario_loses_its_verdict() -> None:
    """Some have names that begin as a secret's: registry-credentials-driver."""
    for name in scenarios():
        for line in (
            f"kind-1.34/install-2.5.2/{name}: passed (1 of 20)",
            f"| {name} | failed |",
            f"cell {name}: waiting for registries",
            f"<td>{name}</td><td>error</td>",
        ):
            assert Redactor().text(line) == line
