# SPDX-License-Identifier: Apache-2.0
"""Tiers and exclusions: those of the real files, and what is said about wrong ones, with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness import stories
from harness.errors import CatalogueError
from harness.matrix import catalogue
from harness.matrix.model import Cell, Scenario
from harness.matrix.select import Selection, check, choose, unavailable_reason
from harness.settings import PROJECT_ROOT

SCENARIOS = stories.scenarios()
REAL = catalogue.load()
BUILT = [row.name for row in REAL.environments if row.foundry and not (row.containerd or row.addons)]


def tier(name: str) -> list[Cell]:
    return list(choose(REAL, Selection(tags=(name,)), SCENARIOS).cells)


def test_smoke_is_spark_pi_on_everything_that_the_foundry_builds() -> None:
    assert [cell.id for cell in tier("smoke")] == [f"{name}/install-2.5.2/spark-pi" for name in BUILT]


def test_full_is_every_scenario_but_failures_and_those_that_need_registries_of_their_own() -> None:
    assert [cell.id for cell in tier("full")] == [
        f"{name}/install-2.5.2/{scenario.name}"
        for name in BUILT
        for scenario in SCENARIOS.values()
        if "install" in scenario.needs.paths
        and not scenario.needs.addons
        and not scenario.name.startswith(("fault-", "registry-"))
    ]


def test_other_lines_of_containerd_are_tried_at_night() -> None:
    lines = [f"kind-1.34-{row.name}" for row in REAL.properties.rows if row.containerd]
    nightly = {it.id for it in tier("nightly")}
    assert lines
    assert [name for name in lines if f"{name}/install-2.5.2/registry-fault-404" not in nightly] == []
    assert not [cell.id for cell in (*tier("smoke"), *tier("full")) if cell.environment.containerd]


def test_nightly_is_full_and_every_other_environment_and_release() -> None:
    nightly = tier("nightly")
    assert {cell.id for cell in tier("full")} < {cell.id for cell in nightly}
    assert {cell.environment.name for cell in nightly if not cell.environment.properties} == {
        row.name for row in REAL.environments if row.foundry or row.kubernetes < "1.34"
    }
    assert {cell.path.releases for cell in nightly if cell.path.kind == "install"} == {
        (row.version,) for row in REAL.releases
    }


def test_every_property_that_can_be_had_is_tried_at_night() -> None:
    tried = {it for cell in tier("nightly") for it in cell.environment.properties}
    assert tried == {row.name for row in REAL.properties.rows if not row.impossible}
    assert not any(cell.environment.properties for cell in tier("full"))


def test_the_usual_upgrades_are_three_paths_and_part_of_what_runs_at_night() -> None:
    usual = tier("upgrade-default")
    judged: dict[str, set[str]] = {}
    for cell in usual:
        judged.setdefault(cell.group, set()).add(cell.scenario.name)
    brief = {"operator-health", "admission"}
    move = "kind-1.34/upgrade-2.2.1@docker.io-2.5.2+crds="
    assert judged == {
        f"{move}none": brief,
        f"{move}apply": brief | {"running-apps", "schedules", "submissions"},
        f"{move}hook": brief,
    }
    nightly = {cell.id for cell in tier("nightly")}
    assert {f"{group}/{name}" for group in judged for name in judged[f"{move}apply"]} <= nightly
    assert {cell.id for cell in usual} < {cell.id for cell in tier("upgrades")}


def test_the_tier_of_all_upgrades_needs_no_release_that_the_foundry_cannot_build() -> None:
    cells = tier("upgrades")
    assert not [cell.id for cell in cells if unavailable_reason(REAL, cell, "foundry")]
    assert {cell.environment.provider for cell in cells} == {"kind", "k3d"}


def test_every_exclusion_takes_cells_away() -> None:
    # Paths with a profile have no row, and no glob stands for them.
    paths = ("*", "upgrade-2.4.0-2.5.2+crds=apply+profile=no-webhook")
    everything = choose(REAL, Selection(environments=("kind-1.34",), paths=paths, spark=("*",)), SCENARIOS)
    assert {out.reason for out in everything.left_out} >= {row.reason for row in REAL.rules.exclusions}
    without = [out.cell for out in everything.left_out if out.cell.scenario.base == "spark-connect"]
    assert {it.scenario.spark for it in without if it.path.name == "install-2.5.2"} == {"3.5.5", "3.5.9"}
    before = {it.path.name for it in without if it.scenario.name == "spark-connect"}
    assert before == {f"install-{row.version}" for row in REAL.releases if row.version < "2.3.0"}


TIER = """\
[[tier]]
name = "smoke"
environments = ["kind-1.34"]
paths = ["install-2.5.2"]
scenarios = ["spark-pi"]
"""
EXCLUDE = """
[[exclude]]
paths = ["install-2.0.2"]
scenarios = ["ttl"]
reason = "it never ends"
link = "https://example.com/1"
"""
GOOD = TIER + EXCLUDE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The catalogues of the project, to be spoilt."""
    shutil.copytree(
        PROJECT_ROOT / "clusters", tmp_path / "clusters", ignore=shutil.ignore_patterns("go.sum", "rootfs", "*.go")
    )
    (tmp_path / "charts").mkdir()
    for name in ("behaviour.toml", "releases.toml", "upgrades.toml"):
        shutil.copy(PROJECT_ROOT / "charts" / name, tmp_path / "charts")
    return tmp_path


def load(root: Path) -> None:
    check(catalogue.load(root), SCENARIOS)


@pytest.mark.parametrize(
    ("text", "line", "key", "why"),
    [
        (GOOD.replace("scenarios", "scenario", 1), 5, "scenario", "no such key"),
        (GOOD.replace('paths = ["install-2.5.2"]\n', ""), 1, r"\[tier\]", "needs environments, paths and scenarios"),
        (GOOD.replace("kind-1.34", "kind-1.43"), 3, "environments", "no environment named 'kind-1.43'"),
        (GOOD.replace("kind-1.34", "kinder-*"), 3, "environments", r"no environment matches 'kinder-\*'"),
        (GOOD.replace("install-2.5.2", "install-3.*"), 4, "paths", "no path matches"),
        (GOOD.replace("spark-pi", "spark-pie"), 5, "scenarios", "no scenario named 'spark-pie'; did you mean spark-pi"),
        (GOOD + "foundry = true\n", 12, "foundry", "no such key"),
        (TIER.replace("kind-1.34", "kind-1.2*") + "foundry = true\n", 6, "foundry", "builds no node"),
        (TIER + '[[tier]]\nname = "b"\nincludes = ["c"]\n', 8, "includes", "no row above this one is a tier 'c'"),
        (TIER.replace("smoke", "Smoke!"), 2, "name", "should match pattern"),
        (GOOD.replace("2.5.2", "2.0.2").replace("spark-pi", "ttl"), 1, r"\[tier\]", "excluded: it never ends"),
        (GOOD.replace("ttl", "tttl"), 9, "scenarios", "did you mean ttl"),
        (GOOD.replace("install-2.0.2", "upgrade-9*"), 8, "paths", "no path matches"),
        (TIER.replace("install-2.5.2", "upgrade-*"), 5, "scenarios", "none of these runs on"),
        (GOOD.replace('reason = "it never ends"\n', ""), 7, "reason", "is missing"),
        (GOOD.replace("https://", "http://"), 11, "link", "should match pattern"),
        (GOOD + "[more]\n", 12, "more", r"only \[\[tier\]\] and \[\[exclude\]\] rows"),
    ],
)
def test_a_wrong_row_is_named_by_file_line_and_key(root: Path, text: str, line: int, key: str, why: str) -> None:
    (root / "clusters" / "matrix.toml").write_text(text)
    with pytest.raises(CatalogueError, match=rf"matrix\.toml, line {line}: key {key}: .*{why}") as caught:
        load(root)
    assert caught.value.next_step


def test_good_rows_are_good(root: Path) -> None:
    (root / "clusters" / "matrix.toml").write_text(GOOD)
    load(root)


@pytest.mark.parametrize(
    ("old", "new", "where", "key", "why"),
    [
        ('environments = ["kind-1.34"]', 'environments = ["kind-9.9"]', "environments = ", "environments",
         "no environment named"),
        ('paths = ["install-2.5.2"]', 'paths = ["install-9*"]', "paths = ", "paths", "no path matches"),
        ('paths = ["install-2.5.2"]\nscenarios = ["*", "!fault-*", "!registry-*"]',
         'paths = ["install-2.1.1"]\nscenarios = ["suspend-resume"]', "[[default]]",
         r"\[default\]", "excluded: releases before 2.4.0"),
    ],
)  # fmt: skip
def test_a_wrong_default_is_named_by_file_and_line(
    root: Path, old: str, new: str, where: str, key: str, why: str
) -> None:
    file = root / "clusters" / "default.toml"
    text = file.read_text()
    assert old in text
    line = next(number for number, each in enumerate(text.splitlines(), 1) if each.startswith(where))
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(CatalogueError, match=rf"default\.toml, line {line}: key {key}: .*{why}"):
        load(root)


def test_a_foundry_environment_without_its_row_is_impossible(root: Path) -> None:
    rows = root / "clusters" / "nodes" / "kubernetes.toml"
    rows.write_text(rows.read_text().replace('"1.36.3"', '"1.36.9"'))
    with pytest.raises(
        CatalogueError, match=r"environments\.toml, line \d+: key foundry: .*no row for Kubernetes 1\.36"
    ):
        load(root)


def test_a_foundry_release_without_its_module_is_impossible(root: Path) -> None:
    shutil.rmtree(root / "clusters" / "nodes" / "modules" / "spark-operator-2.5.2")
    with pytest.raises(CatalogueError, match=r"releases\.toml, line \d+: key sources: there is no Go tool module"):
        load(root)


def test_a_tag_that_is_called_like_a_tier_is_refused() -> None:
    spoilt = {**SCENARIOS, "more": Scenario(name="more", summary="", tags=("smoke",))}
    with pytest.raises(CatalogueError, match="scenario more has the tag smoke, which is the name of a tier"):
        check(REAL, spoilt)
