# SPDX-License-Identifier: Apache-2.0
"""The real charts: what charts/values.toml and charts/crds.toml say of them, and steps, run by Helm."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import libyaml
from harness.advice import ends, steps
from harness.advice.plan import Deployment, Plan
from harness.foundry import operator
from harness.foundry.store import Store
from harness.matrix import behaviour, catalogue, chart_facts
from harness.releases.charts import from_path
from harness.releases.crds import chart_crds
from harness.releases.values import load_values
from harness.toml_source import TomlSource

CATALOGUE = catalogue.load()
NEWEST = "2.5.2"
VERSIONS = [
    pytest.param(
        row.version,
        marks=[] if row.version in ("2.2.1", NEWEST) else [pytest.mark.nightly],
    )
    for row in operator.catalogue().operator
]
VALUES = "certManager: {enable: true}\nprometheus: {podMonitor: {create: true}}\nspark: {jobNamespaces: [etl]}\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_shipped_of_a_chart_is_what_is_in_it(store: Store, version: str) -> None:
    chart = from_path(operator.chart(store, version))
    assert chart_facts.values(version) == ends.chart_values(chart)
    shipped = chart_facts.schemas(version) or {}
    real = {spec["names"]["kind"]: ends.spec_schema(spec) for spec in chart_crds(chart).values()}
    assert set(shipped) == set(real)
    for kind, schema in real.items():
        assert list(_differences(schema, shipped[kind], "spec")) == [], kind


def _differences(real: Mapping[str, Any], shipped: Mapping[str, Any], path: str) -> Iterator[str]:
    """Where a schema and what is shipped of it differ; what is shipped ends where the Pod API begins."""
    if shipped.get("x-kubernetes-preserve-unknown-fields"):
        return
    for key in ("type", "enum", "minimum", "x-kubernetes-int-or-string"):
        if real.get(key) != shipped.get(key):
            yield f"{path} {key}"
    if sorted(real.get("required") or ()) != sorted(shipped.get("required") or ()):
        yield f"{path} required"
    ours, theirs = real.get("properties") or {}, shipped.get("properties") or {}
    yield from (f"{path}.{name}" for name in set(ours) ^ set(theirs))
    for name in set(ours) & set(theirs):
        yield from _differences(ours[name], theirs[name], f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(real.get(key), Mapping):
            yield from _differences(real[key], shipped.get(key) or {}, f"{path}[]")


def _commands(store: Store, tool: Any, values: Path) -> list[str]:
    chart = str(operator.chart(store, NEWEST))
    apis = steps.apis_of(("certManager.enable", "prometheus.podMonitor.create"))
    deployment = Deployment(tool=tool, name="my-op", home="ops", values=(str(values),), apis=apis)
    plan = Plan(
        deployment=deployment,
        target=CATALOGUE.release(NEWEST),
        crds="apply",
        chart=chart,
    )
    return [it.text for it in steps.steps(plan)]


def test_helm_renders_what_the_steps_of_kubectl_apply(store: Store, helm_binary: Path, tmp_path: Path) -> None:
    values = tmp_path / "my values.yaml"
    values.write_text(VALUES)
    (render,) = [it for it in _commands(store, "kubectl", values) if it.startswith("helm template ")]
    _shell(render, helm_binary, tmp_path)
    made = [it for it in yaml.load_all((tmp_path / "spark-operator.yaml").read_text(), Loader=libyaml.Loader) if it]
    assert {"Deployment", "Certificate", "PodMonitor"} <= {it["kind"] for it in made}
    assert "etl" in {it["metadata"].get("namespace") for it in made}


@pytest.mark.parametrize("version", VERSIONS)
def test_charts_grant_the_rights_up_to_the_release_that_takes_them(
    store: Store, helm_binary: Path, version: str
) -> None:
    rendered = _rendered(helm_binary, operator.chart(store, version))
    for row in behaviour.read(TomlSource.read(behaviour.FILE)).granted:
        roles = [it for it in rendered if it["kind"] == "Role" and it["metadata"]["namespace"] == "etl"]
        mine = [it for it in roles if it["metadata"]["labels"].get("app.kubernetes.io/component") == row.component]
        there = {
            (f"{resource}.{group}".rstrip("."), verb)
            for rule in mine[0]["rules"]
            for resource in rule["resources"]
            for group in rule["apiGroups"]
            for verb in rule["verbs"]
        }
        about = {(resource, verb) for resource, verbs in row.rights.items() for verb in verbs}
        assert (about & there) == (about if row.holds(version) else set()), row.component


def _rendered(helm: Path, chart: Path) -> list[dict[str, Any]]:
    argv = [str(helm), "template", "so", str(chart), "--set", "spark.jobNamespaces={etl}"]
    text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return [it for it in yaml.load_all(text, Loader=libyaml.Loader) if it]


def test_helm_reads_the_first_document_and_the_last_of_two_keys(
    store: Store, helm_binary: Path, tmp_path: Path
) -> None:
    file = tmp_path / "v.yaml"
    file.write_text("controller: {workers: 3}\ncontroller: {workers: 5}\n---\n")
    chart = operator.chart(store, NEWEST)
    argv = [str(helm_binary), "template", "so", str(chart), "--values", str(file)]
    made = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "--controller-threads=5" in made
    assert load_values(file) == {"controller": {"workers": 5}}


def test_helm_shows_the_crds_that_the_steps_apply_first(store: Store, helm_binary: Path, tmp_path: Path) -> None:
    (step,) = [it for it in _commands(store, "helm", tmp_path / "v.yaml") if it.startswith("helm show crds ")]
    show, _, apply = step.partition(" | ")
    assert apply == "kubectl apply --server-side --force-conflicts -f -"
    shown = [it for it in yaml.load_all(_shell(show, helm_binary, tmp_path), Loader=libyaml.Loader) if it]
    assert {it["metadata"]["name"] for it in shown} == set(CATALOGUE.release(NEWEST).crds)


def test_helm_takes_the_options_of_the_upgrade(store: Store, helm_binary: Path, tmp_path: Path) -> None:
    values = tmp_path / "v.yaml"
    values.write_text("controller: {replicas: 2}\n")
    (upgrade,) = [it for it in _commands(store, "helm", values) if it.startswith("helm upgrade ")]
    # Without a cluster Helm comes as far as looking for one: it has understood the command by then.
    done = _run(f"KUBECONFIG={shlex.quote(str(tmp_path / 'none'))} {upgrade}", helm_binary, tmp_path)
    assert "cluster unreachable" in done.stderr


def _shell(command: str, helm: Path, folder: Path) -> str:
    """What a command prints that somebody types."""
    done = _run(command, helm, folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(command: str, helm: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell, with our Helm under its name."""
    script = f'helm() {{ {shlex.quote(str(helm))} "$@"; }}\n{command}\n'
    return subprocess.run(
        ["sh", "-e", "-c", script], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
