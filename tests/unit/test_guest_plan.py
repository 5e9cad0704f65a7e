# SPDX-License-Identifier: Apache-2.0
"""`harness run --env existing`: which cluster is meant, which cells are left, what is refused, and what is not touched.

The API server is a fake that keeps what it is given, so that it can be seen that it was given nothing.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_api_server import api_server
from fake_kube import FakeKube, fake_kube
from site_samples import deployment, helm_secret

from harness import cli
from harness.errors import ClusterError, ToolError, UsageError
from harness.matrix.select import Selection, unavailable_reason
from harness.options import RunOptions
from harness.run import guest_plan, guests, run_host, setup

NODE = {
    "metadata": {"name": "n1"},
    "spec": {"providerID": "kind://docker/x/n1"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HARNESS_REPORTS", str(tmp_path / "reports"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


@pytest.fixture
def kube(folders: Path) -> Iterator[FakeKube]:
    with fake_kube() as made:
        made.stored["paths"] |= {"/version": {"gitVersion": "v1.34.4+kind"}, "/apis": {"groups": []}}
        made.put("nodes", NODE)
        made.put("namespaces", {"metadata": {"name": "default"}})
        yield made


def options(kube: FakeKube, folder: Path, **more: Any) -> RunOptions:
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(kube.kubeconfig("prod")))
    selection = Selection(environments=("existing",), paths=("install-2.5.2",), scenarios=("spark-pi",))
    return RunOptions(**{"selection": selection, "kubeconfig": str(file), **more})


def agree(kube: FakeKube, folder: Path, **more: Any) -> list[str]:
    said: list[str] = []
    guest_plan.agree(setup.request(options(kube, folder, yes=True, **more)), "upstream", said.append)
    return said


def held(kube: FakeKube) -> dict[str, Any]:
    """All that it has been given."""
    return {plural: copy.deepcopy(items) for plural, items in kube.stored.items() if items}


def test_the_cluster_becomes_the_environment(kube: FakeKube, folders: Path) -> None:
    asked = setup.request(options(kube, folders))
    (cell,) = asked.cells
    assert cell.id == "existing/install-2.5.2/spark-pi"
    assert (cell.environment.kubernetes, cell.environment.distribution) == ("1.34.4", "kind")
    assert asked.existing is not None
    assert (asked.existing.access.context, asked.existing.nodes) == ("prod", ("n1",))
    assert asked.settings.jobs == 1


def test_what_a_guest_cannot_run_is_left_out_of_globs_and_refused_by_name(kube: FakeKube, folders: Path) -> None:
    globs = Selection(environments=("existing",), paths=("install-2.5.2",), scenarios=("*",))
    names = {it.scenario.name for it in setup.request(options(kube, folders, selection=globs)).cells}
    assert {"spark-pi", "ttl", "namespaces"} <= names
    assert not [it for it in names if it.startswith("registry-")]
    named = Selection(cells=("existing/install-2.5.2/registry-auth",))
    with pytest.raises(UsageError):
        setup.request(options(kube, folders, selection=named))
    hook = Selection(cells=("existing/upgrade-2.4.0-2.5.2+crds=hook/running-apps",))
    with pytest.raises(UsageError, match="do not say whose they are"):
        setup.request(options(kube, folders, selection=hook))


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"keep": True}, "--keep"),
        ({"before": Path("b")}, "--before"),
        ({"jobs": 2}, "--jobs"),
        ({"selection": Selection(environments=("existing", "kind-1.34"))}, "cannot be combined with"),
    ],
)
def test_what_does_not_go_with_it_is_said(kube: FakeKube, folders: Path, given: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        setup.request(options(kube, folders, **given))


def test_options_of_an_existing_cluster_need_its_environment() -> None:
    with pytest.raises(UsageError, match="--context needs --env existing"):
        setup.request(RunOptions(context="prod"))


def test_a_line_that_runs_a_cell_again_finds_the_cluster_and_may_do_there_what_the_run_might(
    kube: FakeKube, folders: Path
) -> None:
    asked = options(kube, folders, allow_upgrade=True, beside=True, yes=True)
    flags = ("--allow-upgrade", "--beside")
    assert guests.again(asked, "prod") == ("--kubeconfig", str(asked.kubeconfig), "--context", "prod", *flags)
    assert guests.again(RunOptions(), "prod") == ("--context", "prod")


def test_the_cluster_can_be_in_the_settings(kube: FakeKube, folders: Path) -> None:
    known = options(kube, folders)
    config = folders / "harness.toml"
    config.write_text(f'[cluster]\nkubeconfig = {json.dumps(known.kubeconfig)}\ncontext = "prod"\n')
    asked = setup.request(RunOptions(selection=known.selection, config=config))
    assert asked.existing is not None
    assert asked.existing.access.context == "prod"


def test_a_run_that_may_begins_and_has_changed_nothing_yet(kube: FakeKube, folders: Path) -> None:
    before = held(kube)
    said = "\n".join(agree(kube, folders))
    assert "1 cell in an existing cluster" in said
    assert f"prod ({kube.address}), Kubernetes 1.34.4 (kind)" in said
    assert held(kube) == before


@pytest.mark.parametrize(
    ("spark", "from_values", "watches_all"),
    [
        ("{jobNamespaces: [etl, spark-pi]}", ("etl",), False),
        ('{jobNamespaces: ["", etl]}', ("etl",), True),
        ("{jobNamespaces: [etl], jobNamespaceSelector: spark=enabled}", ("etl",), True),
        ("{jobNamespaces: []}", (), False),
    ],
)
def test_what_values_have_the_operator_watch_is_known(
    kube: FakeKube, folders: Path, spark: str, from_values: tuple[str, ...], watches_all: bool
) -> None:
    (folders / "prod.yaml").write_text(f"spark: {spark}\n")
    asked = setup.request(options(kube, folders, values=(folders / "prod.yaml",)))
    meant = guest_plan.intent(asked, "upstream")
    assert (meant.from_values, meant.watches_all) == (from_values, watches_all)
    assert set(from_values) < set(meant.job_namespaces)


def test_an_operator_is_refused_and_nothing_is_changed(kube: FakeKube, folders: Path) -> None:
    kube.put("deployments", deployment("controller"))
    kube.put("secrets", helm_secret())
    before = held(kube)
    with pytest.raises(ClusterError, match=r"namespace spark, .* Helm release my-op .*, installed by helm"):
        agree(kube, folders)
    assert held(kube) == before


def test_beside_it_the_run_has_names_of_its_own(kube: FakeKube, folders: Path) -> None:
    kube.put("deployments", deployment("controller"))
    kube.put("secrets", helm_secret())
    said = "\n".join(agree(kube, folders, beside=True))
    assert "Helm release harness-spark-operator in harness-spark-operator" in said
    assert "stays untouched: the operator in namespace spark" in said


@pytest.mark.parametrize("source", ["upstream", "mirror", "foundry"])
def test_no_source_lacks_its_nodes(kube: FakeKube, folders: Path, source: str) -> None:
    asked = setup.request(options(kube, folders))
    assert unavailable_reason(asked.catalogue, asked.cells[0], source) == ""


def test_programs_that_are_missing_are_named_with_the_commands_that_build_them(
    kube: FakeKube, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folders))
    with pytest.raises(ToolError, match="helm is not on PATH") as caught:
        run_host.host(setup.request(options(kube, folders, source="upstream")))
    assert "harness tool helm" in caught.value.next_step


def test_a_hook_that_would_change_crds_is_refused(kube: FakeKube, folders: Path) -> None:
    values = folders / "values.yaml"
    values.write_text("hook: {upgradeCrd: true}\n")
    with pytest.raises(UsageError, match=r"hook\.upgradeCrd"):
        agree(kube, folders, values=(values,))


def test_rights_are_asked_before_anything_else(kube: FakeKube, folders: Path) -> None:
    kube.forbid("* create namespaces")
    kube.put("deployments", deployment("controller"))
    with pytest.raises(ClusterError, match="lacks 1 right: create namespaces"):
        agree(kube, folders)


def command(folder: Path, kubeconfig: str, *words: str) -> int:
    return cli.main(["run", "--env", "existing", "--scenario", "spark-pi", "--kubeconfig", kubeconfig, *words])


def said_once(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed: one error with one next step."""
    said = capsys.readouterr().err
    assert said.count("Error: ") == 1
    assert said.count("next: ") == 1
    return said


def nothing_written(folder: Path) -> bool:
    return not (folder / "reports").exists() and not list((folder / "cache").glob("ledger/*"))


def test_a_context_that_is_in_none_of_several_files(
    kube: FakeKube, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (folders / name).write_text(yaml.safe_dump(kube.kubeconfig(name)))
    assert command(folders, f"{folders}/a:{folders}/b:{folders}/missing", "--context", "c") == 2
    assert "are: a, b" in said_once(capsys)
    assert nothing_written(folders)


def test_a_context_in_the_second_of_several_files_is_taken(kube: FakeKube, folders: Path) -> None:
    for name in ("a", "b"):
        (folders / name).write_text(yaml.safe_dump(kube.kubeconfig(name)))
    asked = setup.request(options(kube, folders, kubeconfig=f"{folders}/a:{folders}/b", context="b"))
    assert asked.existing is not None
    whole = asked.existing.access.kubeconfig
    assert (whole["current-context"], [it["name"] for it in whole["contexts"]]) == ("b", ["b"])


def test_an_expired_login(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with api_server(folders, {}, {"apis": (401, "{}")}) as cluster:
        assert command(folders, str(cluster.kubeconfig)) == 3
    assert "log in again as you do for kubectl" in said_once(capsys)
    assert nothing_written(folders)


def test_a_login_plugin_that_is_missing(kube: FakeKube, folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = kube.kubeconfig("prod")
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "installHint": "get it"}
    whole["users"][0]["user"] = {"exec": plugin}
    (folders / "kubeconfig").write_text(yaml.safe_dump(whole))
    assert command(folders, str(folders / "kubeconfig")) == 2
    said = said_once(capsys)
    assert "no-such-plugin of context prod is not installed" in said
    assert "next: get it" in said
    assert nothing_written(folders)


def test_a_plugin_named_by_a_path_is_looked_for_from_its_kubeconfig(kube: FakeKube, folders: Path) -> None:
    whole = kube.kubeconfig("prod")
    whole["users"][0]["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login"}}
    login = folders / "login"
    status = {"token": "t"}
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    login.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    login.chmod(0o755)
    (folders / "kubeconfig").write_text(yaml.safe_dump(whole))
    known = options(kube, folders)
    (folders / "kubeconfig").write_text(yaml.safe_dump(whole))
    asked = setup.request(known)
    assert asked.existing is not None
    assert asked.existing.access.kubeconfig["users"][0]["user"]["exec"]["command"] == str(login)


def test_a_server_that_does_not_answer(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with api_server(folders, {}) as cluster:
        kubeconfig = str(cluster.kubeconfig)
    assert command(folders, kubeconfig) == 3
    assert "does not answer" in said_once(capsys)
    assert nothing_written(folders)


def test_a_server_that_goes_away_after_the_first_request(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with api_server(folders, {}, {"nodes": (200, "{", 5)}) as cluster:
        assert command(folders, str(cluster.kubeconfig)) == 3
    said = said_once(capsys)
    assert "could not be read to the end" in said
    assert "nothing was changed" in said
    assert nothing_written(folders)
