# SPDX-License-Identifier: Apache-2.0
"""Advice on a machine where nothing has run: shipped results, the catalogues, values, and the steps of each tool."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from advice_samples import CATALOGUE, CRASHED, cells, report

from harness import cli
from harness.advice import edge, steps
from harness.advice.edge import Basis, Looked
from harness.advice.plan import Deployment, Plan
from harness.advice.remarks import End, Remark
from harness.advice.values import remarks
from harness.errors import UsageError
from harness.foundry import operator
from harness.matrix import chart_facts, results, spark_results
from harness.matrix.crd_modes import TOOLS
from harness.matrix.results import Result
from harness.report import ship
from harness.report.advice import Answer, Sentence
from harness.report.model import OperatorResult
from harness.report.writer import RESULTS
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

REAL = results.read()
PROD = """\
image: {registry: docker.io, repository: kubeflow/spark-operator}
certManager: {enable: true}
prometheus: {podMonitor: {create: true}}
spark: {jobNamespaces: [etl, ml]}
"""


pytestmark = pytest.mark.usefixtures("own_folders")


def asked(capsys: pytest.CaptureFixture[str], *more: str, origin: str = "2.1.1") -> dict[str, Any]:
    status = cli.main(["advise", "--from", origin, "--to", "2.5.2", "--json", *more])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert status == {"safe": 0, "safe with these steps": 0, "not safe": 1, "not known": 3}[found["answer"]]
    return found


def test_production_values_get_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text(PROD)
    found = asked(capsys, "--values", str(file))
    assert found["answer"] == "safe with these steps"
    told = [it["text"] for it in found["steps"]]
    assert told[0].startswith("remove image.registry and image.repository from the values")
    assert any("kubectl get crd certificates.cert-manager.io" in it for it in told)
    assert any("kubectl get crd podmonitors.monitoring.coreos.com" in it for it in told)
    assert any("every namespace of spark.jobNamespaces" in it for it in told)
    crds = next(at for at, it in enumerate(told) if it.startswith("helm show crds"))
    moved = next(at for at, it in enumerate(told) if it.startswith("helm upgrade"))
    assert crds < moved
    assert f"--values {file}" in told[moved]
    every = [it for part in ("why", "steps", "expect", "breaks", "values") for it in found[part]]
    assert all(it["origin"] and (it["where"] or it["origin"] in ("seen", "from the chart")) for it in every)


def test_an_edge_that_the_project_has_run_rests_on_that_run(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, origin="2.2.1")
    assert found["answer"] == "safe with these steps"
    (why,) = found["why"]
    assert why["origin"] == "run of the project"
    assert why["where"] == "kind-1.34, 2026-11-26, docs/upgrades.md, digest not recorded"
    assert any("there is no leader for 30 s" in it["text"] for it in found["expect"])


@pytest.mark.parametrize(
    ("tool", "origin", "told"),
    [
        (
            "argocd",
            "2.4.0",
            "Argo CD by default, that is with the CRDs applied first by the client (+crds=client-apply): ",
        ),
        ("flux", "2.2.1", "Flux by default, that is with the CRDs left unchanged (+crds=none): breaks: "),
        ("flux", "2.4.0", "(+crds=none): nothing is known to break"),
    ],
)
def test_a_tool_is_told_what_it_does_with_crds(
    tool: str, origin: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = asked(capsys, "--tool", tool, origin=origin)["why"][-1]["text"]
    assert told in said
    assert ("262,144" in said) == (tool == "argocd")
    itself = {
        "argocd": "Argo CD itself makes this upgrade on the path gitops-argocd-2.4.0-2.5.2+sync=client",
        "flux": "Flux itself has not run, what it does with CRDs has",
    }
    assert said.endswith(itself[tool])


def test_the_nearest_run_is_named_for_an_edge_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    said = [it["text"] for it in asked(capsys)["why"]]
    assert said[0].endswith("this upgrade itself has no recorded run")
    # Both began on Docker Hub.
    assert said[1].startswith("the nearest upgrade with a run is 2.2.1@docker.io → 2.5.2:")


def test_the_edge_of_this_project_has_a_run_with_its_digest(capsys: pytest.CaptureFixture[str]) -> None:
    (own,) = asked(capsys, origin="2.2.1@docker.io")["why"]
    assert own["origin"] == "run of the project"
    assert "digest sha256:" in own["where"]


def test_what_was_shown_here_counts_more_than_what_is_shipped() -> None:
    apply = "upgrade-2.2.1-2.5.2+crds=apply"
    ends = [End(name=it, release=CATALOGUE.release(it)) for it in ("2.2.1", "2.5.2")]
    plan = Plan(deployment=Deployment(), target=CATALOGUE.release("2.5.2"), crds="none")
    bad = Basis(known=CATALOGUE, reports=[report(cells(apply, {"operator-health": CRASHED}))], shipped=REAL)
    assert edge.advise(bad, ends[0], ends[1], Looked(), plan).answer is Answer.NOT_SAFE
    none = Basis(known=CATALOGUE, reports=[report(cells(apply.replace("apply", "none"), {"operator-health": CRASHED}))])
    found = edge.advise(none, ends[0], ends[1], Looked(), plan)
    assert found.answer is Answer.WITH_STEPS
    assert any(it.text.startswith("helm show crds") for it in found.steps)


def test_what_stops_the_upgrade_and_has_no_step_is_not_safe() -> None:
    ends = [End(name=it, release=CATALOGUE.release(it)) for it in ("2.2.1", "2.5.2")]
    plan = Plan(deployment=Deployment(), target=CATALOGUE.release("2.5.2"), crds="none")
    stop = Remark(sentence=Sentence(text="it stops", origin="seen"), stops=True)
    basis = Basis(known=CATALOGUE, shipped=REAL)
    assert edge.advise(basis, ends[0], ends[1], Looked(objects=[stop]), plan).answer is Answer.NOT_SAFE


def test_a_result_without_steps_can_be_safe() -> None:
    row = {"environment": "kind-1.34", "state": "clean", "recorded": "2026-11-26", "source": "here"}
    clean = Result.model_validate({"path": "upgrade-2.5.1-2.5.2+crds=none", **row})
    ends = [End(name=it, release=CATALOGUE.release(it)) for it in ("2.5.1", "2.5.2")]
    plan = Plan(deployment=Deployment(), target=CATALOGUE.release("2.5.2"), crds="none")
    assert edge.advise(Basis(known=CATALOGUE, shipped=[clean]), ends[0], ends[1], Looked(), plan).answer is Answer.SAFE


@pytest.mark.parametrize(
    ("values", "expected", "step"),
    [
        ({"image": {"tag": "v2.5.2"}}, "there is no image with the tag v2.5.2", "remove image.tag from the values, or"),
        (
            {"spark-operator": {"image": {"registry": "docker.io", "tag": "2.5.2"}}},
            "spark-operator.image.registry: this is where the release before is published",
            "remove spark-operator.image.registry from the values",
        ),
        (
            {"image": {"repository": "acme.azurecr.io/spark-operator"}},
            "the chart of 2.5.2 asks for ghcr.io/acme.azurecr.io/spark-operator:2.5.2",
            "write registry: acme.azurecr.io and repository: spark-operator",
        ),
        (
            {"image": {"registry": "", "repository": "docker.io/kubeflow/spark-operator"}},
            "the name /docker.io/kubeflow/spark-operator:2.5.2, which is not the name of an image",
            "set image.registry",
        ),
        (
            {"image": {"registry": "harbor.example.com", "repository": "mine/op"}},
            "your own registry must have harbor.example.com/mine/op:2.5.2",
            "harness registry copy ghcr.io/kubeflow/spark-operator/controller:2.5.2 harbor.example.com/mine/op:2.5.2",
        ),
        (
            {"controller": {"replicas": [2]}},
            "controller.replicas is a list, and in the chart of 2.5.2 a number",
            "write",
        ),
        ({"sparkJobNamespaces": ["jobs"]}, "sparkJobNamespaces is not in the chart of 2.5.2", ""),
    ],
)
def test_values_that_stop_an_upgrade_have_a_step(values: Mapping[str, Any], expected: str, step: str) -> None:
    found = remarks(values, _end("2.1.1"), _end("2.5.2"), CATALOGUE.upgrades)
    (told,) = [it for it in found if expected in it.sentence.text]
    assert step in told.step


def test_the_name_that_upstream_has_needs_nothing_however_it_is_split() -> None:
    values = {"image": {"registry": "ghcr.io/kubeflow", "repository": "spark-operator/controller"}}
    (told, _) = remarks(values, _end("2.1.1"), _end("2.5.2"))
    assert "this is the default of 2.5.2" in told.sentence.text
    assert not told.step


def test_a_default_that_moved_is_told_where_both_charts_are_known() -> None:
    origin = End(name="2.4.0", release=CATALOGUE.release("2.4.0"), defaults={"controller": {"workers": 5}})
    target = End(name="2.5.2", release=CATALOGUE.release("2.5.2"), defaults={"controller": {"workers": 10}})
    said = [it.sentence.text for it in remarks({}, origin, target)]
    assert "the default of controller.workers moved from 5 to 10: set it if that matters" in said
    assert not [it for it in remarks({"controller": {"workers": 5}}, origin, target) if "moved" in it.sentence.text]


@pytest.mark.parametrize("tool", TOOLS)
def test_the_steps_are_commands_of_the_tool_that_a_shell_can_read(
    tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = [it["text"] for it in asked(capsys, "--tool", tool)["steps"] if not it["text"].startswith("note: ")]
    mark = {"kubectl": "kubectl apply", "argocd": "argocd app sync", "flux": "flux reconcile"}.get(tool, tool)
    assert any(mark in it for it in told)
    for text in told:
        command = text.rpartition(": ")[2] if text[:2] in ("in", "li", "be") else text
        subprocess.run(["sh", "-n", "-c", command], check=True)
    for patch in re.findall(r"--patch '([^']+)'", "\n".join(told)):
        assert json.loads(patch)
    applies = any(it.startswith("helm show crds") for it in told)
    assert applies == (tool not in ("argocd", "flux")), "GitOps tools bring the CRDs along"


def test_gitops_tools_are_told_what_to_do_with_crds(capsys: pytest.CaptureFixture[str]) -> None:
    argo = "\n".join(it["text"] for it in asked(capsys, "--tool", "argocd")["steps"])
    # A sync that Argo CD begins by itself between the two would bring the Deployments without the CRDs.
    assert 0 <= argo.find("ServerSideApply=true") < argo.find('"targetRevision":"2.5.2"')
    flux = "\n".join(it["text"] for it in asked(capsys, "--tool", "flux")["steps"])
    assert '"crds":"CreateReplace"' in flux


def test_an_application_of_several_sources_is_patched_by_its_place() -> None:
    given = Deployment(tool="argocd", owner="op", at="spec/sources/1/targetRevision", options=("CreateNamespace=true",))
    made = steps.steps(Plan(deployment=given, target=CATALOGUE.release("2.5.2"), crds="apply"))
    told = "\n".join(it.text for it in made)
    assert '--type json --patch \'[{"op":"add","path":"/spec/sources/1/targetRevision","value":"2.5.2"}]\'' in told
    assert '["CreateNamespace=true","ServerSideApply=true"]' in told


def test_the_shipped_values_are_those_of_the_charts() -> None:
    """Of each release that says something new; real charts are compared in tests/integration."""
    assert chart_facts.values("2.1.1") is None
    newest = chart_facts.values("2.5.2") or {}
    assert newest["hook"]["image"]["repository"] == CATALOGUE.release("2.5.2").hook_repository
    for name in ("2.2.1", "2.3.0", "2.4.0", "2.5.0", "2.5.1", "2.5.2"):
        found, row = chart_facts.values(name) or {}, CATALOGUE.release(name)
        assert (found["image"]["registry"], found["image"]["repository"]) == (row.registry, row.repository)
        assert ("hook" in found) == bool(row.hook_repository)
        kinds = {f"{it.lower()}s.sparkoperator.k8s.io" for it in chart_facts.schemas(name) or {}}
        assert kinds == set(row.crds)


def test_the_table_of_results_is_the_one_of_the_catalogue() -> None:
    text = (PROJECT_ROOT / "docs" / "upgrades.md").read_text()
    (found,) = re.findall(r"<!-- begin: python -m harness.matrix.results -->\n(.*?)<!-- end -->", text, re.S)
    assert found == results.table(REAL), "run python -m harness.matrix.results"


def test_a_report_becomes_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edges = (cells("upgrade-2.4.0-2.5.2"), cells("upgrade-2.2.1-2.5.2", {"operator-health": CRASHED}))
    # Nobody else has what a run had under test.
    to_dev = {"path": "upgrade-2.4.0-dev+crds=none"}
    own = [it.model_copy(update={**to_dev, "id": it.id.replace("2.5.2", "dev")}) for it in edges[0]]
    made = report(*edges, own).run
    made = made.model_copy(update={"operator": OperatorResult(name="dev", obtained="x", sha256="ab" * 32)})
    folder = tmp_path / "reports" / made.run_id
    folder.mkdir(parents=True)
    (folder / RESULTS).write_text(made.model_dump_json())
    assert cli.main(["report", "ship", made.run_id]) == 0
    rows = results.read(TomlSource(text=capsys.readouterr().out))
    assert [(it.path, it.state) for it in rows] == [
        ("upgrade-2.2.1-2.5.2+crds=none", "broken"),
        ("upgrade-2.4.0-2.5.2+crds=none", "clean"),
    ]
    assert rows[1].refused == 350
    assert rows[1].no_leader == 21
    assert rows[0].broke
    assert all(it.digest.startswith("sha256:") and it.recorded == "2026-08-01" for it in rows)


def test_a_report_of_installs_and_upgrades_becomes_rows_of_both_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrades = cells("upgrade-2.2.1@docker.io-2.5.2")
    install = upgrades[0].model_copy(update={"path": "install-2.5.2", "scenario": "spark-pi", "id": "a/b/spark-pi"})
    made = report(upgrades, [install]).run
    folder = tmp_path / "reports" / made.run_id
    folder.mkdir(parents=True)
    (folder / RESULTS).write_text(made.model_dump_json())

    assert cli.main(["report", "ship", made.run_id]) == 0

    said = capsys.readouterr().out
    _, installs, moves = re.split(r"^# charts/(?:spark-)?results\.toml\n", said, flags=re.M)
    assert [it.passed for it in spark_results.read(TomlSource(text=installs))] == [("spark-pi",)]
    assert [it.path for it in results.read(TomlSource(text=moves))] == ["upgrade-2.2.1@docker.io-2.5.2+crds=none"]


def test_a_report_without_rows_says_what_to_run(tmp_path: Path) -> None:
    made = report(cells("upgrade-2.4.0-2.5.2")[:1]).run
    (tmp_path / RESULTS).write_text(made.model_dump_json())

    with pytest.raises(UsageError, match="no upgrade of which every scenario has a result") as raised:
        ship.files(ship.kept(tmp_path, "here"), {})

    assert "operator-health" in raised.value.next_step


def _end(name: str) -> End:
    release = CATALOGUE.release(name)
    return End(name=name, release=release, defaults=chart_facts.values(release.version), chart="charts/values.toml")


def test_every_release_of_the_foundry_has_facts() -> None:
    versions = [row.version for row in operator.catalogue().operator]
    assert all(chart_facts.values(it) and chart_facts.schemas(it) for it in versions)
    assert yaml.safe_dump(chart_facts.values(versions[0]))
