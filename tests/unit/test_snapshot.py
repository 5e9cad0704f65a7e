# SPDX-License-Identifier: Apache-2.0
"""`harness snapshot`: what it reads, what it never keeps, and what it does where it cannot read.

The API server is a fake: real ones cannot be made to forget a login, or to go away in the middle of a list.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_api_server import Answer
from site_samples import PLANTED, SINGLE, application, crd, helm_secret, login, objects, production

from harness import cli
from harness.errors import UsageError
from harness.sites import folder, hide
from harness.sites.model import SCHEMA

FORBIDDEN: Answer = (403, json.dumps({"kind": "Status", "message": "may not"}))


pytestmark = pytest.mark.usefixtures("own_folders")


def snap(tmp_path: Path, *more: str, **served: Any) -> tuple[int, Path]:
    target = tmp_path / "site"
    with production(tmp_path, **served) as cluster:
        status = cli.main(["snapshot", "--kubeconfig", str(cluster.kubeconfig), "-o", str(target), *more])
    return status, target


def every_text(target: Path) -> str:
    return "\n".join(file.read_text() for file in sorted(target.rglob("*")) if file.is_file())


def test_a_snapshot_has_what_an_upgrade_depends_on(tmp_path: Path) -> None:
    status, target = snap(tmp_path)
    assert status == 0
    site = folder.read(target)
    assert (site.schema_version, site.context) == (SCHEMA, "fake")
    assert (site.cluster.version, site.cluster.distribution) == ("v1.34.4", "kind")
    assert site.cluster.nodes[0].architecture == "arm64"
    (release,) = site.releases
    assert (release.name, release.namespace, release.revision) == ("my-op", "spark", 3)
    assert (release.chart_version, release.manager) == ("2.2.1", "helm")
    assert release.values["image"]["repository"] == "kubeflow/spark-operator"
    assert release.values["controller"]["replicas"] == 2
    assert [it.role for it in site.operators] == ["controller", "webhook"]
    (image,) = site.images
    assert (image.asked, image.digest) == ("docker.io/kubeflow/spark-operator:2.2.1", f"sha256:{'a1' * 32}")
    assert site.crds[0].managers == ("helm (Update)", "kubectl (Apply)")
    assert site.crds[0].applied == "Helm, client-side; then kubectl, server-side"
    (webhook,) = site.webhooks
    assert (webhook.service, webhook.failure_policy, webhook.ca) == ("spark/op-webhook-svc", "Fail", True)
    etl, gone, home = site.namespaces
    assert etl.pod_security == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert etl.quotas == {"q": {"hard": {"pods": "10"}}}
    assert etl.network_policies["deny"]["policyTypes"] == ["Egress"]
    assert etl.pull_secrets[0].registries == ("docker.io",)
    assert (gone.name, gone.exists) == ("gone", False)
    assert (home.name, [it.name for it in home.pull_secrets]) == ("spark", ["hub"])
    (applications,) = [it for it in site.applications if it.count]
    assert (applications.kind, applications.count, applications.states) == ("SparkApplication", 3, {"FAILED": 3})


def test_nothing_secret_is_in_the_folder(tmp_path: Path) -> None:
    _, target = snap(tmp_path)
    text = every_text(target)
    assert [where for where, secret in PLANTED.items() if secret in text] == []
    (first, *_) = folder.stored(target, "SparkApplication")
    assert first["spec"]["sparkConf"]["spark.eventLog.dir"] == "s3a://logs/spark-events"
    assert first["spec"]["driver"]["envSecretKeyRefs"] == {"PASSWORD": {"name": "db", "key": "password"}}
    assert first["spec"]["arguments"][2:4] == ["--days", "7"]
    assert list(first["metadata"]["annotations"]) == ["argocd.argoproj.io/tracking-id"]
    assert folder.read(target).releases[0].masked


def test_only_reading_is_asked_for_and_configmaps_never(tmp_path: Path) -> None:
    asked: list[str] = []
    snap(tmp_path, asked=asked)
    assert asked
    assert all(it.startswith("GET ") for it in asked)
    assert not [it for it in asked if "configmaps" in it]
    secrets = [it for it in asked if "/secrets" in it]
    assert all("owner%3Dhelm" in it or it.rsplit("/", 1)[1] in ("hub", "sh.helm.release.v1.my-op.v3") for it in secrets)


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    _, target = snap(tmp_path)
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    for path in target.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert "Helm release spark/my-op" in (target / folder.README).read_text()


def test_what_may_not_be_read_is_named_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("nodes", "/api/v1/namespaces/spark/secrets", "networkpolicies")
    status, target = snap(tmp_path, answers=dict.fromkeys(names, FORBIDDEN))
    assert status == 3
    site = folder.read(target)
    rights = [it.right for it in site.unread]
    assert list(dict.fromkeys(rights)) == ["get, list nodes", "get, list secrets", "get, list networkpolicies"]
    assert site.releases == ()
    assert site.applications
    assert "harness snapshot --rights" in capsys.readouterr().out
    assert "Helm's Secrets of spark" in (target / folder.README).read_text()


def test_a_snapshot_replaces_an_older_one_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snap(tmp_path)
    assert snap(tmp_path)[0] == 0
    note = tmp_path / "site" / "notes.md"
    note.write_text("mine")
    assert snap(tmp_path)[0] == 2
    assert "is not a snapshot, or has more in it" in capsys.readouterr().err
    assert note.read_text() == "mine"
    note.unlink()
    # Ansible's playbooks have that name, too.
    (tmp_path / "site" / "site.yaml").write_text("- hosts: all\n")
    assert snap(tmp_path)[0] == 2
    (tmp_path / "site" / "site.yaml").unlink()
    assert snap(tmp_path)[0] == 2
    assert not [it for it in tmp_path.iterdir() if it.name.startswith(".site")]


def test_of_many_a_sample_is_written_and_all_are_counted(tmp_path: Path) -> None:
    many = objects(sparkapplications=[application(f"a-{number}") for number in range(250)])
    asked: list[str] = []
    _, target = snap(tmp_path, "--sample", "7", listed=many, asked=asked)
    found = folder.read(target).of_kind("SparkApplication")
    assert found
    assert (found.count, found.written) == (250, 7)
    assert len(list(folder.stored(target, "SparkApplication"))) == 7
    assert len([it for it in asked if "/sparkapplications?" in it]) == 3


MEASURED = """\
import resource, sys
from harness import cli
from harness.host import memory
status = cli.main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(round(memory.peak_mib()), round(used.ru_utime + used.ru_stime), file=sys.stderr)
sys.exit(status)
"""


def test_two_thousand_applications_take_little_time_and_memory(tmp_path: Path) -> None:
    many = objects(sparkapplications=[application(f"a-{number}", arguments=[str(number)]) for number in range(2_000)])
    with production(tmp_path, listed=many) as cluster:
        argv = ["snapshot", "--kubeconfig", str(cluster.kubeconfig), "-o", str(tmp_path / "site")]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *argv], capture_output=True, text=True, timeout=300, check=False
        )
    assert done.returncode == 0, done.stderr
    mebibytes, seconds = map(int, done.stderr.splitlines()[-1].split())
    assert mebibytes <= 200
    # Of the processor's time: tests run beside others.
    assert seconds <= 60
    assert len(list(folder.stored(tmp_path / "site", "SparkApplication"))) == 2_000


@pytest.mark.parametrize(
    ("broken", "said"),
    [("%%%", "not base64"), ("aGVsbG8=", "not base64"), ("YUdWc2JHOD0=", "cannot be decoded")],
)
def test_a_record_of_helm_that_cannot_be_decoded_is_named(
    tmp_path: Path, broken: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = helm_secret()
    secret["data"]["release"] = broken
    single = {"/api/v1/namespaces/spark/secrets/sh.helm.release.v1.my-op.v3": secret}
    status, target = snap(tmp_path, single=single)
    assert status == 3
    shown = capsys.readouterr().out
    assert said in shown
    assert "helm history my-op --namespace spark" in shown
    assert folder.read(target).releases == ()


def test_a_server_that_goes_away_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut: Answer = (200, '{"items": [', 100)
    status, target = snap(tmp_path, answers={"sparkapplications": cut})
    assert status == 3
    assert "could not be read to the end" in capsys.readouterr().err
    assert not target.exists()
    assert not [it for it in tmp_path.iterdir() if "site" in it.name]


@pytest.mark.parametrize("code", [500, 503])
def test_a_server_that_fails_leaves_nothing(tmp_path: Path, code: int) -> None:
    status, target = snap(tmp_path, answers={"sparkapplications": (code, "{}")})
    assert (status, target.exists()) == (3, False)


def test_an_expired_login_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, target = snap(tmp_path, answers={"/apis": (401, '{"message": "Unauthorized"}')})
    shown = capsys.readouterr().err
    assert status == 3
    assert "does not accept the login (401)" in shown
    assert "log in again" in shown
    assert not target.exists()


def test_an_expired_client_certificate_is_told_with_its_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    days = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, *days).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = {"client-certificate-data": made.public_bytes(serialization.Encoding.PEM), "client-key-data": private}
    user = {field: base64.b64encode(data).decode() for field, data in pem.items()}
    with production(tmp_path, answers={"/apis": (401, '{"message": "Unauthorized"}')}) as cluster:
        server = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        file = login(tmp_path, user, server)
        assert cli.main(["snapshot", "--kubeconfig", str(file), "-o", str(tmp_path / "site")]) == 3
    assert "(401): its client certificate expired on 2026-01-01 00:00 UTC" in capsys.readouterr().err


def test_a_login_plugin_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-login", "args": []}}
    file = login(tmp_path, plugin, "http://127.0.0.1:9")
    assert cli.main(["snapshot", "--kubeconfig", str(file), "-o", str(tmp_path / "site")]) == 2
    assert "the login plugin no-such-login of context mine is not installed" in capsys.readouterr().err


def test_a_login_plugin_that_fails_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}}
    file = login(tmp_path, plugin, "http://127.0.0.1:9")
    assert cli.main(["snapshot", "--kubeconfig", str(file), "-o", str(tmp_path / "site")]) == 2
    assert "the login plugin false of context mine exited with status 1" in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = login(tmp_path, {"token": "x"}, "http://127.0.0.1:9")
    assert cli.main(["snapshot", "--kubeconfig", str(file), "-o", str(tmp_path / "site")]) == 3
    assert "does not answer" in capsys.readouterr().err


def test_several_kubeconfigs_count_as_one_and_the_first_current_context_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = login(tmp_path, {"token": "x"}, "http://127.0.0.1:9")
    (tmp_path / "empty").write_text("")
    with production(tmp_path) as cluster:
        files = [tmp_path / "empty", tmp_path / "missing", cluster.kubeconfig, other]
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
        assert cli.main(["snapshot", "-o", str(tmp_path / "site")]) == 0
        assert folder.read(tmp_path / "site").context == "fake"
        assert cli.main(["snapshot", "--context", "nowhere", "-o", str(tmp_path / "other")]) == 2


def test_an_unknown_context_is_told_with_those_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert snap(tmp_path, "--context", "prod")[0] == 2
    shown = capsys.readouterr().err
    assert "there is no context 'prod'" in shown
    assert "the contexts are: fake" in shown


def test_a_kubeconfig_without_contexts_is_said_to_have_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.write_text("")
    assert cli.main(["snapshot", "--kubeconfig", str(empty), "-o", str(tmp_path / "site")]) == 2
    assert "empty has no contexts\n  next: give another kubeconfig" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", "a: b: c"])
def test_a_file_that_is_no_kubeconfig_is_one_error(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    assert cli.main(["snapshot", "--kubeconfig", str(file), "-o", str(tmp_path / "site")]) == 2
    assert str(file) in capsys.readouterr().err


def test_a_cluster_without_the_operator_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = objects(deployments=[], customresourcedefinitions=[])
    assert snap(tmp_path, listed=nothing)[0] == 3
    assert "has no Spark Operator" in capsys.readouterr().err


def test_an_operator_of_another_name_is_found_by_what_it_starts(tmp_path: Path) -> None:
    named = objects()
    for it in named["deployments"]:
        it["metadata"]["labels"] = {"app": "etl-engine"}
    _, target = snap(tmp_path, listed=named)
    assert [it.role for it in folder.read(target).operators] == ["controller", "webhook"]


def test_what_brings_the_operator_is_found(tmp_path: Path) -> None:
    source = {
        "chart": "spark-operator",
        "repoURL": "https://kubeflow.github.io/spark-operator",
        "targetRevision": "2.2.1",
    }
    argo = {
        "metadata": {"name": "op", "namespace": "argocd"},
        "spec": {
            "sources": [
                {"repoURL": "https://git.example.com/x"},
                {**source, "helm": {"values": "password: hunter2-argo"}},
            ],
            "syncPolicy": {"syncOptions": ["CreateNamespace=true"]},
        },
    }
    chart = {
        "spec": {"chart": "spark-operator", "version": "2.2.1", "sourceRef": {"kind": "HelmRepository", "name": "op"}}
    }
    flux = {
        "metadata": {"name": "op", "namespace": "flux-system"},
        "spec": {"chart": chart, "upgrade": {"crds": "Skip"}, "values": {"token": "hunter2-flux"}},
    }
    others = {"metadata": {"name": "web", "namespace": "argocd"}, "spec": {"source": {"chart": "nginx"}}}
    _, target = snap(tmp_path, listed=objects(applications=[argo, others], helmreleases=[flux]))
    first, second = folder.read(target).installers
    assert (first.tool, first.at, first.options) == (
        "argocd",
        "spec/sources/1/targetRevision",
        ("CreateNamespace=true",),
    )
    assert (second.tool, second.crds, second.at) == ("flux", "Skip", "spec/chart/spec/version")
    assert "hunter2" not in every_text(target)


def test_an_object_that_does_not_fit_its_schema_is_kept_as_it_is(tmp_path: Path) -> None:
    odd = application("odd", driver="big", executor=[1])
    status, target = snap(tmp_path, listed=objects(sparkapplications=[odd]))
    assert status == 0
    (found,) = folder.stored(target, "SparkApplication")
    assert (found["spec"]["driver"], found["spec"]["executor"]) == ("big", [1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is not a snapshot: it has no site.yaml"),
        ("a: [", "cannot be read"),
        ("[]", "has no schema_version"),
        ("schema_version: 99\nharness: 9.9.9\n", "a snapshot of version 99, made by harness 9.9.9"),
        (f"schema_version: {SCHEMA}\nmade: x\n", "Field required"),
    ],
)
def test_a_folder_that_cannot_be_read_is_one_error(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / folder.SITE).write_text(text)
    with pytest.raises(UsageError, match=said):
        folder.read(tmp_path)


def test_the_rights_are_for_reading_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["snapshot", "--rights", "--namespace", "ops"]) == 0
    cluster, role = yaml.safe_load_all(capsys.readouterr().out)
    assert {verb for made in (cluster, role) for rule in made["rules"] for verb in rule["verbs"]} == {"get", "list"}
    assert "secrets" not in {it for rule in cluster["rules"] for it in rule.get("resources", ())}
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "ops")


def test_rights_are_not_printed_for_what_is_no_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["snapshot", "--rights", "--namespace", "my ops"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "--namespace 'my ops'" in said.err


def test_every_kind_that_is_read_is_among_the_rights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []
    with production(tmp_path, asked=asked) as cluster:
        cli.main(["snapshot", "--kubeconfig", str(cluster.kubeconfig), "-o", str(tmp_path / "site")])
    capsys.readouterr()
    cli.main(["snapshot", "--rights"])
    cluster_role, role = yaml.safe_load_all(capsys.readouterr().out)
    granted = {it for made in (cluster_role, role) for rule in made["rules"] for it in rule.get("resources", ())}
    plurals = {path.split("?")[0].rsplit("/", 1)[-1] for it in asked if "?" in (path := it.split()[1])}
    assert plurals <= granted


def test_the_cluster_is_made_of_objects_that_are_there() -> None:
    assert set(SINGLE) >= {"/apis", "/version"}
    assert crd("SparkConnect", "v1alpha1")["spec"]["names"]["plural"] == "sparkconnects"


@pytest.mark.parametrize(
    "fine",
    [
        "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "s3a://my-bucket/warehouse/2026/11/30/events",
        "ghcr.io/acme/etl@sha256:" + "0f" * 32,
        "-XX:+UseG1GC -XX:MaxGCPauseMillis=200",
        "jdbc:postgresql://db.example.com:5432/warehouse",
        "KubernetesClusterSchedulerBackend",
    ],
)
def test_what_is_not_secret_stays(fine: str) -> None:
    assert hide.hide({"x": fine}) == ({"x": fine}, ())
