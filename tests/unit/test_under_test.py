# SPDX-License-Identifier: Apache-2.0
"""An operator that nobody has published: what a checkout or an image is taken for, and what is refused."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import operator_trees
import pytest
from lock_samples import lock
from report_samples import run as report_run

from harness import stories
from harness.errors import UsageError
from harness.matrix import catalogue as catalogues
from harness.matrix import expand
from harness.matrix.model import Known
from harness.matrix.select import Selection
from harness.matrix.under_test import by_itself, published_paths, require_use, with_release
from harness.options import RunOptions
from harness.releases import asked, conditions, relocate
from harness.releases.charts import from_path
from harness.releases.on_path import ReleaseOnPath
from harness.report import html, summary, under_test
from harness.report.model import ChartChanges, OperatorResult
from harness.run import locked_operator, setup
from harness.settings import Settings
from harness.under_test import changes, operator, tree
from harness.under_test.operator import REGISTRY, UnderTest

REAL = catalogues.load()
INSTALL = expand.install_path(REAL, REAL.release("2.5.2")).model_copy(
    update={"name": "install-dev", "releases": ("dev",)}
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return operator_trees.written(tmp_path / "spark-operator")


def of(folder: Path, *paths: str, chart: str = "") -> UnderTest:
    return operator.of(str(folder), chart, Selection(paths=paths), REAL, Settings(cache_dir=folder.parent / "cache"))


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(folder), *words],
        check=True,
        capture_output=True,
    )


def test_a_checkout_is_the_release_dev_with_its_own_chart_and_what_is_known_of_the_newest(checkout: Path) -> None:
    found = of(checkout)
    newest = REAL.release("2.5.2")

    assert (found.release.name, found.release.spark) == ("dev", "4.0.4")
    assert found.release.image == f"{REGISTRY}/spark-operator:dev-{tree.read(checkout).sha256[:12]}"
    assert found.release.hook_image == found.release.image.replace("spark-operator:", "spark-operator-hook:")
    assert found.release.crds == ("sparkapplications.sparkoperator.k8s.io",)
    assert (found.release.defaults, found.release.rules) == (newest.defaults, newest.rules)
    assert found.release.has("suspend")
    assert any("is taken from 2.5.2, the newest release known before it" in line for line in found.told)


def test_a_chart_without_a_hook_has_none(checkout: Path) -> None:
    (checkout / operator_trees.CHART / "values.yaml").write_text("image: {tag: ''}\n")
    assert of(checkout).release.hook_image == ""


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        ((), "dev"),
        (("install-dev",), "dev"),
        (("upgrade-2.4.0-2.5.2-rc.1+crds=*",), "2.5.2-rc.1"),
        (("upgrade-2.4.0-2.5.2-rc.1~helm4", "install-2.5.2-rc.1"), "2.5.2-rc.1"),
        (("upgrade-2.4.0-2.5.2",), "dev"),
    ],
)
def test_it_is_named_as_in_the_paths(checkout: Path, paths: tuple[str, ...], name: str) -> None:
    assert of(checkout, *paths).release.name == name


def test_one_operator_has_one_name(checkout: Path) -> None:
    with pytest.raises(UsageError, match=r"the paths have dev and 2\.5\.2-rc\.1, but --operator is one operator"):
        of(checkout, "install-dev", "install-2.5.2-rc.1")


def test_the_image_changes_with_any_file_of_the_checkout_and_with_nothing_else(checkout: Path, tmp_path: Path) -> None:
    before = of(checkout).release.image
    again = Path(shutil.copytree(checkout, tmp_path / "elsewhere"))
    assert of(again).release.image == before

    (again / "cmd/operator/main.go").write_text("package main\n\nfunc main() { println() }\n")
    assert of(again).release.image != before


@pytest.mark.parametrize(
    ("remove", "says"),
    [
        ("go.mod", "has no go.mod, so it is not a checkout of the operator"),
        (
            "cmd/operator/main.go",
            "no cmd/operator/main.go, so the Go module github.com/kubeflow/spark-operator/v2 is not",
        ),
        (f"{operator_trees.CHART}/Chart.yaml", "it has no charts/spark-operator-chart/Chart.yaml"),
        ("go.sum", "it has no go.sum"),
        ("Dockerfile", "has no ARG SPARK_IMAGE with a version"),
    ],
)
def test_a_folder_that_is_no_operator_is_refused_in_one_line(checkout: Path, remove: str, says: str) -> None:
    (checkout / remove).unlink()
    with pytest.raises(UsageError, match=re.escape(says)) as refused:
        of(checkout)
    assert "\n" not in refused.value.message
    assert refused.value.next_step


def test_a_dockerfile_with_a_spark_that_the_foundry_lacks_is_refused(checkout: Path) -> None:
    (checkout / "Dockerfile").write_text("ARG SPARK_IMAGE=spark:9.9.9-scala2.13\n")
    with pytest.raises(UsageError, match=r"asks for Spark 9\.9\.9, which the foundry cannot build") as refused:
        of(checkout)
    assert "charts/images/spark.toml" in refused.value.next_step


@pytest.mark.parametrize(
    ("file", "text", "paths", "says"),
    [
        ("Chart.yaml", "{apiVersion: v2, name: other, version: 1.0.0}", (), "is other, which does not belong"),
        (
            "Chart.yaml",
            "{apiVersion: v2, name: spark-operator, version: 2.4.0}",
            ("install-2.6.0-rc.1",),
            "its version is 2.4.0",
        ),
        (f"crds/{Path(operator_trees.CRD).name}", "{}", (), "its crds/ has no sparkapplications.sparkoperator.k8s.io"),
    ],
)
def test_a_chart_that_does_not_belong_is_refused(
    checkout: Path, file: str, text: str, paths: tuple[str, ...], says: str
) -> None:
    (checkout / operator_trees.CHART / file).write_text(text)
    with pytest.raises(UsageError, match=re.escape(says)):
        of(checkout, *paths)


def test_a_checkout_of_an_older_version_is_told_to_say_so(checkout: Path) -> None:
    (checkout / operator_trees.CHART / "Chart.yaml").write_text(
        "{apiVersion: v2, name: spark-operator, version: 2.4.1}\n"
    )
    assert "to be judged as of then, name it 2.4.1-dev.1 in the path" in of(checkout).told[-1]
    assert of(checkout, "install-2.4.1-dev.1").release.defaults == REAL.release("2.4.0").defaults


def test_the_commit_and_what_differs_from_it_are_told(checkout: Path) -> None:
    git(checkout, "init", "--quiet")
    (checkout / ".gitignore").write_text("bin/\n")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "all of it")
    (checkout / "bin").mkdir()
    (checkout / "bin" / "spark-operator").write_text("ignored")
    clean = tree.read(checkout)
    assert clean.git is not None
    assert (clean.git.changed, clean.git.diff) == ((), "")
    assert "bin/spark-operator" not in clean.files

    (checkout / "go.sum").write_text("changed\n")
    (checkout / "new.go").write_text("package main\n")
    dirty = tree.read(checkout)
    assert dirty.git is not None
    assert (dirty.git.commit, dirty.git.changed) == (clean.git.commit, ("go.sum", "new.go"))
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", dirty.git.diff)
    assert any("the checkout is dirty: go.sum, new.go differ from commit" in it for it in of(checkout).told)


def test_a_checkout_that_changes_before_it_is_built_is_refused(checkout: Path, tmp_path: Path) -> None:
    read = tree.read(checkout)
    read.copy(tmp_path / "copy")
    assert tree.read(tmp_path / "copy").sha256 == read.sha256

    (checkout / "go.sum").write_text("changed\n")
    with pytest.raises(UsageError, match="was changed while the run began"):
        read.copy(tmp_path / "another")


def test_paths_lead_to_it_from_each_older_release_and_back(checkout: Path) -> None:
    found = with_release(REAL, of(checkout).release)
    names = expand.paths(found)

    assert {"install-dev", "upgrade-2.5.2-dev+crds=apply", "rollback-dev-2.4.0+crds=none"} <= set(names)
    assert "upgrade-2.0.2-dev+crds=hook" in names
    assert found.release("dev").under_test
    assert not any("dev" in copy.name for copy in found.copies())
    with pytest.raises(UsageError, match=r"2\.5\.2 is older than dev"):
        expand.find_path(found, "upgrade-dev-2.5.2")


@pytest.mark.parametrize(
    ("scenarios", "paths"),
    [
        ((), ("install-dev", "upgrade-2.5.2-dev+crds=apply")),
        (("!fault-*",), ("install-dev", "upgrade-2.5.2-dev+crds=apply")),
        (("spark-pi", "ttl"), ("install-dev",)),
        (("admission",), ("upgrade-2.5.2-dev+crds=apply",)),
        (("spark-pi", "admission"), ("install-dev", "upgrade-2.5.2-dev+crds=apply")),
    ],
)
def test_alone_it_is_installed_and_upgraded_to_from_the_newest_release(
    checkout: Path, scenarios: tuple[str, ...], paths: tuple[str, ...]
) -> None:
    selection = Selection(scenarios=scenarios)
    assert by_itself(REAL, selection, of(checkout).release, stories.scenarios()).paths == paths


def test_paths_that_are_asked_for_are_left_as_they_are(checkout: Path) -> None:
    for chosen in (Selection(paths=("install-2.5.2",)), Selection(tags=("smoke",)), Selection(cells=("a/b/c",))):
        assert by_itself(REAL, chosen, of(checkout).release, stories.scenarios()) == chosen


def test_what_is_built_beside_it_is_of_the_releases_on_its_paths(checkout: Path) -> None:
    found = with_release(REAL, of(checkout).release)
    paths = ["upgrade-2.4.0-2.5.2+crds=hook", "rollback-dev-2.4.0", "install-dev"]

    assert [published_paths(found, expand.find_path(found, name)) for name in paths] == [
        ["upgrade-2.4.0-2.5.2+crds=hook"],
        ["install-2.4.0"],
        ["install-2.5.2"],
    ]


def test_a_run_that_would_not_use_it_is_refused(checkout: Path) -> None:
    with pytest.raises(UsageError, match="no selected path has dev"):
        require_use([], of(checkout).release)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("upgrade-2.5.2-dev+values=pinned-registry", "dev is under test and in no registry but the run's own"),
        ("install-dev~kustomize", "dev is under test, of which only the chart is tried"),
        ("gitops-argocd-2.5.2-dev", "Argo CD tells releases apart by the versions of their charts"),
    ],
)
def test_what_cannot_be_tried_with_it_is_refused(checkout: Path, path: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        expand.find_path(with_release(REAL, of(checkout).release), path)


def test_registries_that_play_the_public_ones_do_not_have_it(checkout: Path) -> None:
    release = of(checkout).release
    scenario = next(it for name, it in stories.scenarios().items() if name.startswith("registry-"))
    cell = expand.cell(REAL.environment("kind-1.34"), INSTALL, scenario)
    with pytest.raises(UsageError, match="plays the public registries, which do not have dev"):
        require_use([cell], release)


def test_a_path_with_an_operator_that_was_not_given_says_how_to_give_it() -> None:
    for name in ("install-dev", "upgrade-2.5.2-2.6.0-rc.1"):
        with pytest.raises(UsageError, match="is the operator under test, and none was given") as refused:
            expand.find_path(REAL, name)
        assert "--operator" in refused.value.next_step


def test_an_image_needs_its_chart_and_a_checkout_has_it(checkout: Path, tmp_path: Path) -> None:
    file = tmp_path / "operator.tar"
    file.write_bytes(b"an image")
    chart = str(checkout / operator_trees.CHART)
    with pytest.raises(UsageError, match="is an image, which has no chart"):
        of(file)
    with pytest.raises(UsageError, match="--chart does not go with --operator DIR"):
        of(checkout, chart=chart)
    found = of(file, chart=chart)
    assert re.fullmatch(rf"{REGISTRY}/spark-operator:dev-[0-9a-f]{{12}}", found.release.image)
    with pytest.raises(UsageError, match="there is no such folder or file"):
        of(tmp_path / "no.tar", chart=chart)


def test_values_of_a_user_do_not_move_its_image(checkout: Path) -> None:
    release = of(checkout).release
    users = {"image": {"registry": "registry.example.com", "tag": "2.5.2"}, "controller": {"workers": 3}}
    on_path = ReleaseOnPath(
        release=release, chart=from_path(checkout / operator_trees.CHART), values=relocate.values_for(release)
    )

    assert asked.operator_image(release, users) == release.image
    told = {"says": ".", "why": "x", "link": "https://example.com/", "way_out": "x", "release": "dev"}
    known = [
        Known.model_validate({"scenario": "*", "check": "x", "when": {"image.tag": tag}, **told})
        for tag in ("2.5.2", release.tag)
    ]
    assert list(conditions.in_force(known, {"dev": on_path}, [users], helm=Path("helm"))) == known[1:]
    assert on_path.with_users([users])[-1]["image"] == {
        "registry": REGISTRY,
        "repository": "spark-operator",
        "tag": release.tag,
    }


def test_a_request_takes_it_among_the_releases(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    wanted = Selection(paths=("upgrade-2.5.2-dev+crds=apply",), scenarios=("admission",))
    made = setup.request(RunOptions(operator="spark-operator", selection=wanted))

    assert [it.name for it in made.releases] == ["2.5.2", "dev"]
    assert made.under_test is not None
    with pytest.raises(UsageError, match="--operator cannot be used with --env existing"):
        setup.request(RunOptions(operator="spark-operator", selection=Selection(environments=("existing",))))


def test_a_lock_of_an_operator_under_test_asks_for_it(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    cell = "kind-1.34/install-dev/spark-pi"
    found = of(checkout)
    locked = locked_operator.locked(
        found, expand.cell(REAL.environment("kind-1.34"), INSTALL, stories.scenarios()["spark-pi"])
    )
    assert locked is not None
    (tmp_path / "lock.json").write_text(lock(cell=cell, operator=locked).text())

    with pytest.raises(UsageError, match="the lock is of an operator that nobody has published, dev") as refused:
        setup.request(RunOptions(lock="lock.json"))
    assert f"--operator: the checkout with the SHA-256 {found.sha256}" in refused.value.next_step
    asked = setup.request(RunOptions(lock="lock.json", operator=str(checkout)))
    assert [it.id for it in asked.cells] == [cell]


def test_how_its_chart_differs_is_told_by_fields_and_values(checkout: Path, tmp_path: Path) -> None:
    changed = operator_trees.written(tmp_path / "changed")
    crd, values = changed / operator_trees.CRD, changed / operator_trees.CHART / "values.yaml"
    more = "mode: {type: string, default: cluster}\n                rack: {type: string}"
    crd.write_text(crd.read_text().replace("mode: {type: string}", more))
    new = values.read_text().replace("workers: 10", "workers: 12, extra: {a: 1}").replace("hook:", "gone:")
    values.write_text(new)
    charts = [from_path(folder / operator_trees.CHART) for folder in (checkout, changed)]

    assert changes.between(*charts) == (
        "CRD sparkapplications v1beta2: spec.mode: default nothing → 'cluster'",
        "CRD sparkapplications v1beta2: spec.rack is new (string)",
        "value controller.extra.a is new: 1",
        "value controller.workers: 10 → 12",
        "value gone.image.registry is new: 'ghcr.io'",
        "value gone.image.repository is new: 'kubeflow/spark-operator/kubectl'",
        "value gone.image.tag is new: ''",
        "value gone.upgradeCrd is new: False",
        "value hook.image.registry is gone: it was 'ghcr.io'",
        "value hook.image.repository is gone: it was 'kubeflow/spark-operator/kubectl'",
        "value hook.image.tag is gone: it was ''",
        "value hook.upgradeCrd is gone: it was False",
    )
    assert changes.between(charts[0], charts[0]) == ()


def test_a_report_says_what_it_is_and_how_its_chart_differs() -> None:
    found = OperatorResult(
        name="dev",
        obtained="x",
        sha256="ab" * 32,
        told=("it is dirty",),
        changes=(ChartChanges(release="2.5.2", lines=("value a: 1 → 2",)), ChartChanges(release="2.4.0", lines=())),
    )
    run = report_run("spark-pi", operator=found)
    assert list(under_test.lines(found)) == [
        "the operator under test, dev:",
        "  it is dirty",
        "the chart of dev against that of 2.5.2:",
        "  value a: 1 → 2",
        "the chart of dev against that of 2.4.0:",
        "  nothing differs",
    ]
    assert "- value a: 1 → 2" in summary.markdown(run)
    assert "### The chart of dev against that of 2.5.2" in summary.markdown(run)
    page = html.render(run)
    assert "value a: 1 → 2" in page
    assert 'href="#operator"' in page
    assert list(under_test.lines(None)) == []
