# SPDX-License-Identifier: Apache-2.0
"""Real Helm: values, charts from a repository and from a registry, and its errors. No cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness import process
from harness.errors import ClusterError, ToolError, UnavailableError
from harness.foundry import gobuild
from harness.foundry.store import Store
from harness.images.mirrors import Mirror, MirrorMap
from harness.matrix import catalogue
from harness.matrix.release import ChartSource
from harness.registries.local import Server
from harness.releases import accounts, charts, crds, fitting, for_a_run, foreign, rights
from harness.releases.charts import Chart
from harness.releases.fitting import Fit, Given, Misfit, Room
from harness.releases.helm import NEUTRAL, Helm, HelmError
from harness.releases.values import load_values, merge, profile

_TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
data:
  list: {{ .Values.list | toJson | quote }}
  map: {{ .Values.map | toJson | quote }}
  text: {{ required "text is needed" .Values.text | quote }}
"""


@pytest.fixture
def helm(helm_binary: Path) -> Helm:
    return Helm(helm_binary)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A chart that shows the values which reached it."""
    chart = tmp_path / "spark-operator"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: spark-operator\nversion: 9.9.9\nappVersion: 9.9.9\n")
    (chart / "values.yaml").write_text("list: [a, b]\nmap: {one: 1, two: 2}\ntext: hello\n")
    (chart / "templates" / "shown.yaml").write_text(_TEMPLATE)
    return chart


@pytest.fixture
def packed(helm_binary: Path, folder: Path) -> Path:
    """A folder that holds the chart as .tgz and a repository's index.yaml."""
    repository = folder.parent / "repository"
    process.call([helm_binary, "package", folder, "--destination", repository], timeout=60)
    process.call([helm_binary, "repo", "index", repository], timeout=60)
    return repository


@pytest.fixture
def repository(packed: Path) -> Iterator[str]:
    """The address of a Helm repository."""
    handler = partial(_Quiet, directory=str(packed))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Tests do not need the access log."""


@pytest.fixture
def pushed(helm_binary: Path, packed: Path, registry: Server) -> Server:
    """A registry that holds the chart as charts/spark-operator:9.9.9."""
    archive = next(packed.glob("*.tgz"))
    process.call([helm_binary, "push", archive, f"oci://{registry.address}/charts", "--plain-http"], timeout=60)
    return registry


def _shown(helm: Helm, chart: Chart, *values: dict[str, Any]) -> dict[str, str]:
    (shown,) = helm.template(chart, "name", "ns", merge(*values))
    return dict(shown["data"])


def test_lists_replace_maps_merge_and_null_deletes_a_default(helm: Helm, folder: Path) -> None:
    chart = charts.from_path(folder)
    shown = _shown(helm, chart, {"list": ["c"], "map": {"one": 5}}, {"list": ["d"], "map": {"two": None, "three": 3}})
    assert shown == {"list": '["d"]', "map": '{"one":5,"three":3}', "text": "hello"}


def test_our_merging_is_helms_own(helm: Helm, helm_binary: Path, folder: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text("list: [c, y, off]\nmap: {one: {deep: 1}, two: null, y: 1}\n")
    second.write_text("map: {one: {other: [2]}, two: {again: 3}, 7: n}\ntext: 2024-01-01\n")
    argv: list[str | Path] = [helm_binary, "template", "name", folder, "--namespace", "ns", "-f", first, "-f", second]
    plain = process.call(argv, timeout=60).stdout
    for value in _shown(helm, charts.from_path(folder), load_values(first), load_values(second)).values():
        assert value.replace('"', '\\"') in plain


def test_a_value_that_the_chart_needs(helm: Helm, folder: Path) -> None:
    with pytest.raises(HelmError, match="text is needed") as told:
        _shown(helm, charts.from_path(folder), {"text": None})
    assert "values.yaml" in told.value.next_step


def test_calls_from_several_threads(helm: Helm, folder: Path) -> None:
    chart = charts.from_path(folder)
    with ThreadPoolExecutor(4) as pool:
        shown = list(pool.map(lambda n: _shown(helm, chart, {"text": f"t{n}"})["text"], range(8)))
    assert shown == [f"t{n}" for n in range(8)]


def test_a_cluster_that_is_away(helm_binary: Path, folder: Path, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nusers: []\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "contexts: [{name: c, context: {cluster: c}}]\n"
    )
    helm = Helm(helm_binary, kubeconfig)
    with pytest.raises(ClusterError, match="did not answer"):
        helm.history("spark-operator", "spark-operator")
    with pytest.raises(ClusterError, match="did not answer"):
        helm.install_or_upgrade(charts.from_path(folder), "x", "x", {}, timeout=5)


def test_a_binary_that_is_not_there_or_is_not_helm(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="was not found"):
        _ = Helm(tmp_path / "helm").version
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho one\n")
    other.chmod(0o755)
    with pytest.raises(ToolError, match="'one'"):
        _ = Helm(other).version


def test_a_chart_from_a_repository_is_pulled_once(
    helm_binary: Path, repository: str, packed: Path, tmp_path: Path
) -> None:
    chart = charts.from_repository(helm_binary, repository, "9.9.9", tmp_path / "cache")
    assert (chart.name, chart.version, chart.origin) == ("spark-operator", "9.9.9", ChartSource.HELM_REPOSITORY)
    (packed / "index.yaml").unlink()
    assert charts.from_repository(helm_binary, repository, "9.9.9", tmp_path / "cache") == chart


def test_a_chart_keeps_its_hash_when_helm_packs_it(packed: Path, folder: Path) -> None:
    (archive,) = packed.glob("*.tgz")

    assert charts.from_path(archive).sha256 == charts.from_path(folder).sha256


def test_a_chart_that_a_repository_does_not_have(helm_binary: Path, repository: str, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"spark-operator 1\.1\.1 from http.*not found") as told:
        charts.from_repository(helm_binary, repository, "1.1.1", tmp_path)
    assert told.value.next_step


def test_a_chart_by_oci_reference(helm_binary: Path, pushed: Server, packed: Path, tmp_path: Path) -> None:
    reference = f"oci://{pushed.address}/charts/spark-operator"
    chart = charts.from_oci(helm_binary, reference, "9.9.9", tmp_path / "cache")
    assert chart.origin is ChartSource.OCI
    assert chart.sha256 == charts.from_path(next(packed.glob("*.tgz"))).sha256
    with pytest.raises(UnavailableError, match="not found"):
        charts.from_oci(helm_binary, reference, "1.1.1", tmp_path / "cache")


def test_a_releases_chart_through_a_mirror(helm_binary: Path, pushed: Server, tmp_path: Path) -> None:
    release = (
        catalogue.load()
        .release("2.5.2")
        .model_copy(update={"version": "9.9.9", "chart_oci": "oci://ghcr.io/charts/spark-operator"})
    )
    mirrors = MirrorMap(mirrors={"ghcr.io": Mirror(url=pushed.url)})
    chart = charts.for_release(release, helm_binary, tmp_path, mirrors=mirrors)
    assert chart.reference == "oci://ghcr.io/charts/spark-operator:9.9.9"
    named = charts.find("oci://ghcr.io/charts/spark-operator:9.9.9", release, helm_binary, tmp_path, mirrors=mirrors)
    assert named == chart


def test_a_release_without_a_chart_tells_every_answer(
    helm_binary: Path, repository: str, registry: Server, tmp_path: Path
) -> None:
    release = (
        catalogue.load()
        .release("2.5.2")
        .model_copy(
            update={
                "version": "1.1.1",
                "chart_repository": repository,
                "chart_oci": f"oci://{registry.address}/charts/spark-operator",
            }
        )
    )
    with pytest.raises(UnavailableError) as told:
        charts.for_release(release, helm_binary, tmp_path)
    assert repository in told.value.message
    assert registry.address in told.value.message


@pytest.fixture(scope="session")
def real_chart(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """The chart in the Go module of release 2.5.2, which is the one that upstream published."""
    log_file = tmp_path_factory.mktemp("logs") / "go.log"
    module = gobuild.module_folder(store, "spark-operator-2.5.2", "github.com/kubeflow/spark-operator/v2", log_file)
    return charts.from_path(module / "charts" / "spark-operator-chart", origin=ChartSource.FOUNDRY)


def test_the_real_chart_does_not_allow_what_its_ui_ingress_needs(helm: Helm, real_chart: Chart) -> None:
    release = catalogue.load().release("2.5.2")
    ingress = {"controller": {"uiIngress": {"enable": True, "urlFormat": "{{$appName}}.example.com"}}}
    for values, said in ((ingress, ["with controller.uiIngress.enable, the controller of 2.5.2"]), ({}, [])):
        objects = helm.template(real_chart, "it", "it", values)
        found = [it.partition(" needs")[0] for it in rights.unmet(objects, release.unmet_rights, release.name)]
        assert found == said


def test_the_real_chart_with_our_default_profile(helm: Helm, real_chart: Chart) -> None:
    release = catalogue.load().release("2.5.2")
    values = merge({"spark": {"jobNamespaces": ["a", "b"]}}, profile("default"))
    rendered = helm.template(real_chart, "spark-operator", "spark-operator", values)
    deployments = [it for it in rendered if it["kind"] == "Deployment"]
    images = {it["spec"]["template"]["spec"]["containers"][0]["image"] for it in deployments}
    assert images == {release.image}
    assert all(it["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"] for it in deployments)
    accounts = [it["metadata"]["namespace"] for it in rendered if it["metadata"]["name"] == "spark-operator-spark"]
    assert set(accounts) == {"a", "b"}


@pytest.mark.parametrize(
    ("users", "said"),
    [
        ({"controller": {"replicas": 2}}, ""),
        ({"controller": "two"}, "can't evaluate field"),
        ({"webhook": {"enable": True, "failurePolicy": None}}, ""),
    ],
)
def test_values_that_do_not_fit_the_real_chart_are_told(
    helm: Helm, real_chart: Chart, users: dict[str, Any], said: str
) -> None:
    found = fitting.fit(helm, real_chart, _given(users))
    assert said in (found.words if isinstance(found, Misfit) else "")
    assert isinstance(found, Misfit) == bool(said)


def test_a_chart_that_never_renders_is_not_the_fault_of_values(helm: Helm, folder: Path) -> None:
    chart = charts.from_path(folder)
    broken = {"text": None}
    assert fitting.fit(helm, chart, replace(_given({"list": ["x"]}), own=[broken])) == Fit()
    found = fitting.fit(helm, chart, replace(_given(broken), own=[]))
    assert isinstance(found, Misfit)
    assert "text is needed" in found.words


def _given(users: dict[str, Any], *files: str) -> Given:
    return Given(
        name="spark-operator",
        namespace="spark-operator",
        own=[profile("default")],
        users=[users],
        job_namespaces=["a"],
        files=files,
        kubernetes="1.34.4",
        kinds=foreign.api_versions(users),
        room=Room(cpus=2, memory_mib=4096),
    )


def test_keys_that_the_chart_does_not_know_are_named(real_chart: Chart) -> None:
    users = load_values(Path(__file__).parent / "users_values" / "old-keys.yaml")
    assert fitting.unknown(real_chart, users) == [
        "sparkJobNamespaces",
        "replicaCount",
        "webhook.namespaceSelector",
        "metrics",
    ]
    assert not fitting.unknown(real_chart, {"global": {"a": 1}, "controller": {"nodeSelector": {"a": "b"}}})


VALUES = sorted((Path(__file__).parent / "users_values").glob("*.yaml"))


@pytest.mark.parametrize("file", VALUES, ids=lambda file: file.stem)
def test_values_in_the_shape_of_production_fit_or_say_what_no_run_has(
    helm: Helm, real_chart: Chart, file: Path
) -> None:
    """Each file says in its first line what is right.

    That is `# fits`, or `# makes: ` and what is told that the run makes, or the words of what no run can have.
    """
    right = file.read_text().splitlines()[0].removeprefix("# ")
    (adapted,), _ = for_a_run.adapted([load_values(file)])
    users = dict(adapted)
    given = _given(users, str(file))
    found = fitting.fit(helm, real_chart, given)
    if right == "fits" or right.startswith("makes: "):
        assert isinstance(found, Fit), found
        assert right.removeprefix("makes: ") in (" ".join(found.told) or "fits")
        values = given.values(*given.own, users)
        accounts.to_bring(helm, real_chart, "spark-operator", "spark-operator", values)
        return
    assert isinstance(found, Misfit), found
    assert right in found.words
    assert f"({file}, line " in found.words


def test_what_is_brought_for_values_that_leave_accounts_to_others(helm: Helm, real_chart: Chart) -> None:
    spark = {"jobNamespaces": ["", "a"], "serviceAccount": {"create": False}, "rbac": {"create": False}}
    brought = accounts.to_bring(helm, real_chart, "it", "it", {"spark": spark})
    assert [(it["kind"], it["metadata"]["namespace"], it["metadata"]["name"]) for it in brought] == [
        ("ServiceAccount", "a", "default"),
        ("Role", "a", "default"),
        ("RoleBinding", "a", "default"),
    ]


def test_the_real_charts_crds_are_those_of_the_catalogue(real_chart: Chart) -> None:
    release = catalogue.load().release("2.5.2")
    assert set(crds.chart_crds(real_chart)) == set(release.crds)
    assert real_chart.app_version == release.version


def test_the_variables_of_a_user_change_nothing(helm_binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NEUTRAL:
        monkeypatch.delenv(name, raising=False)
    as_it_comes = process.call([helm_binary, "env"], timeout=30).stdout
    other = {"HELM_DEBUG": "true", "HELM_KUBEINSECURE_SKIP_TLS_VERIFY": "true", "HELM_DRIVER": "configmap"}
    for name in NEUTRAL:
        monkeypatch.setenv(name, other.get(name, "1"))
    assert process.call([helm_binary, "env"], timeout=30).stdout != as_it_comes

    assert process.call([helm_binary, "env"], timeout=30, env=NEUTRAL).stdout == as_it_comes
