# SPDX-License-Identifier: Apache-2.0
"""What each CRD mode does before Helm, and what becomes of an upgrade whose CRDs are refused. Helm and kubectl are
scripts, since a cluster takes minutes; the API server is the one of fake_kube."""

from __future__ import annotations

import io
import stat
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from fake_kube import fake_kube
from operator_samples import RELEASE
from test_change import INSTALLED

from harness.matrix.model import CrdMode
from harness.matrix.release import ChartSource
from harness.releases import accounts, change, crd_changes
from harness.releases.change import Wanted
from harness.releases.charts import Chart
from harness.releases.ways.protocol import Programs
from harness.stories.moves.scenarios import operator_health

OLD, NEW = "sparkapplications.sparkoperator.k8s.io", "sparkconnects.sparkoperator.k8s.io"
TOO_LONG = (
    'Error from server (Invalid): error when applying patch:\n{"metadata":{"annotations":{}}}\nto:\n'
    'Name: "a", Namespace: ""\nfor: "STDIN": error when patching "STDIN": CustomResourceDefinition "a" is invalid: '
    "metadata.annotations: Too long: may not be more than 262144 bytes"
)
CONFLICT = (
    'error: Apply failed with 1 conflict: conflict with "helm" using apiextensions.k8s.io/v1: .spec.versions\n'
    "Please review the fields above--they currently have other managers. Here\n"
    "are the ways you can resolve this warning:\n"
    "  stop managing the field (remove it from their configuration).\n"
)


def crd(name: str) -> dict[str, Any]:
    meta = {"name": name}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": {}}


def chart(folder: Path) -> Chart:
    path = folder / "spark-operator-2.5.2.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name in (OLD, NEW):
            content = yaml.safe_dump(crd(name)).encode()
            member = tarfile.TarInfo(f"spark-operator/crds/{name}.yaml")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    facts: dict[str, Any] = {"name": "spark-operator", "version": "2.5.2", "app_version": "2.5.2", "metadata": {}}
    return Chart(path=path, reference="it", origin=ChartSource.FILE, sha256=str(folder), **facts)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def cluster(api: Any = None) -> Any:
    return cast(Any, SimpleNamespace(name="it", kubeconfig="", marks={"of": "me"}, api_client=lambda: _Held(api)))


class _Held:
    def __init__(self, api: Any) -> None:
        self.api = api

    def __enter__(self) -> Any:
        return self.api

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("mode", "calls"),
    [
        ("none", []),
        ("hook", []),
        ("apply", [("apply", "--server-side", "--force-conflicts")]),
        ("ssa", [("apply", "--server-side")]),
        ("client-apply", [("apply",)]),
        ("replace", [("replace",), ("create",)]),
        ("create", [("create",)]),
    ],
)
def test_a_mode_calls_kubectl_with_the_charts_crds(
    tmp_path: Path, mode: CrdMode, calls: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = yaml.safe_dump_all([crd(OLD), crd(NEW)])
    monkeypatch.setattr(crd_changes, "Helm", lambda *of: SimpleNamespace(crds=lambda chart: both))
    with fake_kube() as kube:
        kube.put("customresourcedefinitions", crd(OLD))
        found = list(crd_changes.commands(cluster(kube.api), chart(tmp_path), mode, Path("helm")))
    assert [it.words for it in found] == [(*words, "--filename", "-") for words in calls]
    given = [[each["metadata"] for each in yaml.safe_load_all(it.manifests)] for it in found]
    marks = {"labels": {"of": "me"}}
    whole = [{"name": OLD, **marks}, {"name": NEW, **marks}]
    of_verb = {"replace": whole[:1], "create": whole[1:]}
    expected = [of_verb.get(words[0], whole) for words in calls]
    assert given == expected
    assert all(it.shown.startswith("helm show crds spark-operator-2.5.2.tgz | kubectl ") for it in found)


@pytest.mark.parametrize(
    ("mode", "printed", "told"),
    [
        ("client-apply", TOO_LONG, "metadata.annotations: Too long"),
        ("ssa", CONFLICT, 'Apply failed with 1 conflict: conflict with "helm"'),
    ],
)
def test_where_crds_are_refused_helm_is_not_tried_and_the_cause_is_told(
    tmp_path: Path, mode: CrdMode, printed: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crd_changes, "Helm", lambda *of: SimpleNamespace(crds=lambda chart: yaml.safe_dump(crd(OLD))))
    monkeypatch.setattr(accounts, "to_bring", lambda *of: ())
    (tmp_path / "said").write_text(printed)
    kubectl = script(tmp_path / "kubectl", f"cat > /dev/null; cat {tmp_path}/said >&2; exit 1")
    wanted = Wanted(release=RELEASE, chart=chart(tmp_path), crds=mode)
    made = change.upgrade(cluster(), INSTALLED, wanted, Programs(helm=tmp_path / "no-helm", kubectl=kubectl))
    assert made.helm_error.startswith("helm upgrade was not tried: ")
    assert told in made.helm_error
    (step,) = made.steps
    assert step.error == printed.strip()
    move: Any = SimpleNamespace(
        move="a → b", steps=made.steps, watch=SimpleNamespace(gap=None, sightings=()), operator=None
    )
    monkeypatch.setattr(operator_health, "_values", lambda move: {})
    assert told in operator_health.steps(move).evidence["errors"][step.command]
