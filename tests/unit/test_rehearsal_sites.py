# SPDX-License-Identifier: Apache-2.0
"""Rehearsals of sites as people have them: what of them has no place in a small cluster, and stops none of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from rehearsal_samples import app, crds, snapshot, written
from report_samples import run as report
from site_samples import VALUES, crd, helm_secret, objects, production

from harness import cli
from harness.commands import rehearse as rehearsing
from harness.commands import run
from harness.rehearsal.folder import README
from harness.report.writer import ReportWriter

pytestmark = pytest.mark.usefixtures("own_folders")


def rehearse(site: Path, *words: str) -> int:
    return cli.main(["rehearse", "--site", str(site), "--to", "2.5.2", "--source", "foundry", *words])


def planned(site: Path) -> list[dict[str, Any]]:
    assert rehearse(site, "--plan") == 0
    return [it for it in written(site.with_name("site-rehearsal")) if "kind" in it]


def served(folder: Path, **listed: Any) -> Path:
    target = folder / "site"
    found = objects(**{"sparkapplications": [app("etl")], "customresourcedefinitions": crds(), **listed})
    with production(folder, found) as cluster:
        assert cli.main(["snapshot", "--kubeconfig", str(cluster.kubeconfig), "-o", str(target)]) == 0
    return target


def test_an_application_whose_name_is_no_label_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(snapshot(tmp_path, [app("etl"), app("n" * 64, "FAILED")]))
    assert [it["metadata"]["name"] for it in found if it["kind"] == "SparkApplication"] == ["etl"]
    assert "1 applications with names of more than 63 characters are left out" in capsys.readouterr().out


def test_limits_for_large_pods_and_addresses_of_the_site_are_not_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = {"type": "Container", "min": {"memory": "2Gi"}, "maxLimitRequestRatio": {"cpu": "2"}, "max": {"cpu": "9"}}
    peer = {"ipBlock": {"cidr": "10.96.0.1/32", "except": []}}
    policy = {"podSelector": {}, "egress": [{"to": [peer]}]}
    masked = {"podSelector": {"matchLabels": {"vault-token": "kept-from-others"}}}
    policies = [{"metadata": {"name": "api"}, "spec": policy}, {"metadata": {"name": "vault"}, "spec": masked}]
    limits = [{"metadata": {"name": "l"}, "spec": {"limits": [large]}}]
    found = planned(served(tmp_path, limitranges=limits, networkpolicies=policies))
    made = {(it["kind"], it["metadata"]["name"]): it["spec"] for it in found if "spec" in it}
    assert made["LimitRange", "l"] == {"limits": [{"type": "Container", "max": {"cpu": "9"}}]}
    assert made["NetworkPolicy", "api"]["egress"] == [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]
    assert ("NetworkPolicy", "vault") not in made
    said = capsys.readouterr().out
    assert "LimitRanges have no least amounts" in said
    assert "addresses in NetworkPolicies stand for any address" in said
    assert "left out, since something in them is masked: NetworkPolicy vault" in said


def test_programs_and_keytabs_of_the_sites_image_are_left_out(tmp_path: Path) -> None:
    conf = {
        "spark.pyspark.driver.python": "/opt/venv/bin/python",
        "spark.kerberos.keytab": "/etc/etl.keytab",
        "spark.team": "data",
    }
    (etl,) = [
        it for it in planned(snapshot(tmp_path, [app("etl", sparkConf=conf)])) if it["kind"] == "SparkApplication"
    ]
    assert etl["spec"]["sparkConf"] == {"spark.team": "data"}


def test_more_applications_than_there_is_room_for_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = snapshot(tmp_path, [app(f"a-{number}") for number in range(30)])
    rehearse(site, "--plan", "--applications", "30")
    assert "30 applications at a time, and this machine has room for" in capsys.readouterr().out


def test_one_that_was_failed_is_played_though_it_is_here(tmp_path: Path) -> None:
    main = "local:///opt/spark/examples/src/main/python/pi.py"
    (pi,) = [
        it
        for it in planned(snapshot(tmp_path, [app("pi", "FAILED", mainApplicationFile=main, arguments=["10"])]))
        if it["kind"] == "SparkApplication"
    ]
    assert pi["spec"]["arguments"] == ["10", "1"]
    assert pi["metadata"]["annotations"]["spark-operator-harness/ends"] == "FAILED"


def test_one_with_a_sidecar_that_cannot_be_had_is_played(tmp_path: Path) -> None:
    """Else the images of all applications are missing, and nothing is said of any of them."""
    main = "local:///opt/spark/examples/src/main/python/pi.py"
    driver = {"sidecars": [{"name": "logs", "image": "registry.corp/logs:1"}]}
    site = snapshot(tmp_path, [app("pi", mainApplicationFile=main, arguments=["10"], driver=driver)])
    (pi,) = [it for it in planned(site) if it["kind"] == "SparkApplication"]
    assert "registry.corp" not in str(pi)


def test_kinds_that_the_first_release_does_not_have_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the CRDs of the next release are there already, as advised; no cell could run such an application."""
    connect = app("sc", image="docker.io/apache/spark:4.0.4")
    connect |= {"apiVersion": "sparkoperator.k8s.io/v1alpha1", "kind": "SparkConnect", "status": {"state": "Ready"}}
    new = [*crds(), crd("SparkConnect", "v1alpha1")]
    found = planned(served(tmp_path, customresourcedefinitions=new, sparkconnects=[connect]))
    assert "SparkConnect" not in {it["kind"] for it in found}
    assert "SparkConnects are left out" in capsys.readouterr().out


def test_a_pod_template_needs_no_runtime_and_no_node_of_the_site(tmp_path: Path) -> None:
    pod = {"runtimeClassName": "gvisor", "nodeName": "ip-10-0-0-7", "dnsPolicy": "Default"}
    site = snapshot(tmp_path, [app("etl", driver={"template": {"spec": pod}})])
    (etl,) = [it for it in planned(site) if it["kind"] == "SparkApplication"]
    assert etl["spec"]["driver"]["template"]["spec"] == {"dnsPolicy": "Default"}


def test_a_site_of_argo_cd_has_its_namespace_and_the_values_below_an_umbrella(tmp_path: Path) -> None:
    source = {"repoURL": "https://git.example.com/spark-operator", "helm": {"valuesObject": {"spark-operator": VALUES}}}
    argo = {"metadata": {"name": "op", "namespace": "argocd"}, "spec": {"source": source}}
    site = served(tmp_path, applications=[argo], secrets=[])
    planned(site)
    made = site.with_name("site-rehearsal")
    assert yaml.safe_load((made / "values.yaml").read_text())["controller"]["replicas"] == 2
    assert " --namespace spark " in (made / README).read_text()


def test_what_values_have_from_registries_and_storage_of_the_site_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No pod of the operator would start, and each move would have broken it."""
    own: dict[str, Any] = {
        "hook": {"upgradeCrd": True, "image": {"registry": "registry.corp", "tag": "2.4.0"}},
        "controller": {
            "sidecars": [{"name": "proxy", "image": "registry.corp/proxy:1"}],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "keys", "csi": {"driver": "secrets-store"}}],
        },
    }
    record = helm_secret(own)
    place = f"/api/v1/namespaces/spark/secrets/{record['metadata']['name']}"
    site = snapshot(tmp_path, [app("etl")], single={place: record})
    planned(site)
    values = yaml.safe_load((site.with_name("site-rehearsal") / "values.yaml").read_text())
    assert values["hook"] == {"upgradeCrd": True, "image": {}}
    assert values["controller"] == {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "keys", "emptyDir": {}}]}
    said = capsys.readouterr().out
    assert "hook.image: the hook's image has its public name here" in said
    assert "controller.sidecars are left out" in said
    assert "controller: volumes of csi are empty ones" in said


def test_an_earlier_report_is_not_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be by its words, which are those of the run that got none."""
    ReportWriter(tmp_path / "reports", report())
    monkeypatch.setattr(run, "cells", lambda *it: 3)
    monkeypatch.setattr(rehearsing, "_judged", lambda *it: 0)
    assert rehearse(snapshot(tmp_path, [app("etl")])) == 3
