# SPDX-License-Identifier: Apache-2.0
"""Upgrades and rollbacks as rows: the real file, names of paths, and what is said about a wrong row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import CatalogueError
from harness.matrix import catalogue, edges, expand, model, path_names
from harness.matrix.edges import Upgrades
from harness.matrix.known_rows import KnownRow, matches
from harness.matrix.model import Move
from harness.matrix.path_names import name_of, parse
from harness.matrix.versions import numbers
from harness.toml_source import TomlSource

REAL = catalogue.load()
BUILT = [release.version for release in REAL.releases if "foundry" in release.sources]

EDGE = """\
[[edge]]
from = ["2.2.1", "2.4.0"]
to = ["2.4.0", "2.5.2"]
crds = ["none", "apply"]
outage_limit = 1000
"""
KNOWN = """\
[[known]]
from = ["<2.3.0"]
to = [">=2.3.0"]
crds = ["none"]
scenario = "operator-health"
check = "no-restarts"
says = "restarted"
why = "a CRD is missing"
link = "https://example.com/1"
way_out = "apply it"
basis = "code"
"""


def read(text: str) -> Upgrades:
    return edges.read(TomlSource(file=Path("upgrades.toml"), text=text), REAL.release)


def test_every_pair_of_the_releases_that_are_built_here_has_a_row_in_every_mode_of_helm() -> None:
    pairs = [(old, new) for old in BUILT for new in BUILT if numbers(old) < numbers(new)]
    assert len(BUILT) == 6
    for old, new in pairs:
        for crds in ("none", "apply", "hook"):
            assert f"upgrade-{old}-{new}+crds={crds}" in REAL.upgrades.paths


@pytest.mark.parametrize("origin", ["2.2.1", "2.2.1@docker.io", "2.4.0"])
def test_an_edge_on_which_crds_change_and_one_on_which_they_stay_have_a_row_in_every_mode(origin: str) -> None:
    for crds in path_names.CRD_MODES:
        assert f"upgrade-{origin}-2.5.2+crds={crds}" in REAL.upgrades.paths


def test_forced_conflicts_have_another_name() -> None:
    assert parse("upgrade-2.4.0-2.5.2+crds=ssa-force") == parse("upgrade-2.4.0-2.5.2+crds=apply")
    named = expand.find_path(REAL, "upgrade-2.4.0-2.5.2+crds=ssa-force+values=reuse")
    assert named.name == "upgrade-2.4.0-2.5.2+crds=apply+values=reuse"


@pytest.mark.parametrize(
    ("path", "breaks"),
    [
        ("upgrade-2.4.0-2.5.2+crds=client-apply", True),
        ("upgrade-2.4.0-2.5.2+crds=ssa", False),
        ("upgrade-2.2.1-2.5.2+crds=ssa", True),
        ("upgrade-2.2.1-2.3.0+crds=ssa", False),
        ("upgrade-2.2.1-2.5.2+crds=replace", False),
        ("upgrade-2.2.1-2.5.2+crds=apply", False),
    ],
)
def test_what_is_known_to_break_for_good_depends_on_the_crd_mode(path: str, *, breaks: bool) -> None:
    known = expand.find_path(REAL, path).known
    assert any(it.check == "move-completed" and it.strikes == "always" for it in known) == breaks


@pytest.mark.parametrize(
    ("crds", "manager"), [("apply", "kubectl"), ("hook", "kubectl"), ("replace", "kubectl-replace")]
)
def test_helm_4_installs_nothing_over_crds_that_kubectl_has_changed(crds: str, manager: str) -> None:
    known = expand.find_path(REAL, f"rollback-2.5.2-2.2.1~helm4+crds={crds}").known
    (row,) = (it for it in known if it.check == "reinstalled")
    assert re.search(row.says, f'Apply failed with 1 conflict: conflict with "{manager}" using apiextensions.k8s.io/v1')


def test_the_rows_cover_both_registries_relocation_rollback_and_a_chain() -> None:
    names = list(REAL.upgrades.paths)
    for wanted in (
        "upgrade-2.1.1-2.5.2+crds=apply",
        "upgrade-2.2.1@docker.io-2.5.2+crds=hook",
        "upgrade-2.2.1@docker.io-2.2.1+crds=none",
        "upgrade-2.4.0@docker.io-2.5.2+crds=apply+values=pinned-registry",
        "upgrade-2.2.1-2.5.2+crds=apply+values=reuse",
        "rollback-2.5.2-2.2.1@docker.io+crds=apply",
        "upgrade-2.2.1-2.3.0-2.4.0-2.5.2+crds=apply",
    ):
        assert wanted in names


def test_a_row_multiplies_and_leaves_out_what_does_not_lead_upwards() -> None:
    found = read(EDGE).paths
    assert list(found) == [
        f"upgrade-{pair}+crds={crds}"
        for pair in ("2.2.1-2.4.0", "2.2.1-2.5.2", "2.4.0-2.5.2")
        for crds in ("none", "apply")
    ]
    path = found["upgrade-2.2.1-2.5.2+crds=apply"]
    assert (path.releases, path.crds, path.values, path.outage_limit) == (("2.2.1", "2.5.2"), "apply", "default", 1000)
    assert path.delay_limit == edges.LimitDefaults().delay_limit


def test_a_rollback_installs_the_older_release_first() -> None:
    (path,) = read('[[rollback]]\nfrom = ["2.5.2"]\nto = ["2.4.0"]\ncrds = ["apply"]\n').paths.values()
    assert path.name == "rollback-2.5.2-2.4.0+crds=apply"
    assert [str(move) for move in path.moves] == ["2.4.0 → 2.5.2", "2.5.2 ⤺ 2.4.0"]


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("upgrade-2.4.0-2.5.2+crds=client-apply", "apply"),
        ("upgrade-2.2.1-2.5.2+crds=none", "apply"),
        ("upgrade-2.2.1-2.4.0+crds=hook", "apply"),
        ("upgrade-2.4.0-2.5.2+crds=none", None),
        ("upgrade-2.2.1-2.5.2+crds=none+values=reuse", None),
        ("upgrade-2.2.1-2.4.0-2.5.2+crds=none", None),
        ("rollback-2.5.2-2.2.1+crds=none", None),
    ],
)
def test_a_path_has_a_way_out_where_it_leads_out_of_all_that_breaks(path: str, out: str | None) -> None:
    assert expand.find_path(REAL, path).out == out


def test_known_breaks_belong_to_the_moves_that_they_are_about() -> None:
    found = read(KNOWN)
    broken = found.path("upgrade", ("2.2.1@docker.io", "2.5.2"), "none", "default")
    assert [(known.check, known.move) for known in broken.known] == [("no-restarts", "")]
    assert not found.path("upgrade", ("2.2.1", "2.5.2"), "apply", "default").known
    assert not found.path("upgrade", ("2.3.0", "2.5.2"), "none", "default").known
    chain = found.path("upgrade", ("2.2.1", "2.3.0", "2.5.2"), "none", "default")
    assert [known.move for known in chain.known] == ["2.2.1 → 2.3.0"]
    back = found.path("rollback", ("2.2.1", "2.5.2"), "none", "default")
    assert [known.move for known in back.known] == ["2.2.1 → 2.5.2"]


def test_what_keeps_the_first_install_from_its_end_is_known_of_every_path_that_begins_with_it() -> None:
    row = KNOWN.replace('crds = ["none"]', 'kinds = ["install"]').replace(">=2.3.0", "<2.3.0")
    found = read(row.replace("no-restarts", "release-installed") + row)
    for path in (
        found.path("upgrade", ("2.2.1", "2.5.2"), "apply", "default"),
        found.path("rollback", ("2.2.1", "2.5.2"), "none", "default"),
    ):
        assert [(known.check, known.release, known.move) for known in path.known] == [
            ("release-installed", "2.2.1", "")
        ]
    assert not found.path("upgrade", ("2.3.0", "2.5.2"), "apply", "default").known


def test_a_path_without_a_row_gets_the_defaults_and_what_is_known() -> None:
    path = REAL.upgrades.path("upgrade", ("2.2.1@docker.io", "2.5.1"), "none", "reset-then-reuse")
    assert path.name == "upgrade-2.2.1@docker.io-2.5.1+crds=none+values=reset-then-reuse"
    assert path.name not in REAL.upgrades.paths
    assert path.outage_limit == REAL.upgrades.defaults.outage_limit
    assert path.helm == "3.14.0"
    assert any("SparkConnect" in known.why for known in path.known)


def test_where_the_new_image_is_not_found_no_crash_of_what_it_holds_is_predicted() -> None:
    """Seen along that path: the old pods go on, without a restart, and the CRD is missing all the same."""
    path = REAL.upgrades.path("upgrade", ("2.2.1@docker.io", "2.5.2"), "none", "pinned-registry")
    found = [known for known in path.known if known.scenario == "operator-health"]
    assert "no-restarts" not in {known.check for known in found}
    missing = "missing: sparkconnects.sparkoperator.k8s.io"
    assert any(known.check == "crds-established" and re.search(known.says, missing) for known in found)


@pytest.mark.parametrize(
    ("pattern", "release", "expected"),
    [
        ("2.2.1", "2.2.1", True),
        ("2.2.1", "2.2.1@docker.io", True),
        ("2.2.1@docker.io", "2.2.1", False),
        ("*@docker.io", "2.4.0@docker.io", True),
        ("*@*", "2.4.0", False),
        ("2.5.*", "2.5.1", True),
        ("<2.3.0", "2.2.1@docker.io", True),
        (">=2.10.0", "2.9.0", False),
        (">=2.3.0,<2.5.0", "2.4.0", True),
        (">=2.3.0,<2.5.0", "2.5.0", False),
    ],
)
def test_a_release_matches_comparisons_and_globs(pattern: str, release: str, expected: bool) -> None:
    assert matches([pattern], release) is expected


@pytest.mark.parametrize(
    ("name", "kind", "releases", "crds", "values"),
    [
        ("install-2.5.2", "install", ("2.5.2",), "", ""),
        ("upgrade-2.2.1@docker.io-2.5.2+crds=apply", "upgrade", ("2.2.1@docker.io", "2.5.2"), "apply", ""),
        (
            "upgrade-2.2.1@my-registry.example:5000-2.5.2",
            "upgrade",
            ("2.2.1@my-registry.example:5000", "2.5.2"),
            "",
            "",
        ),
        ("upgrade-2.2.1-2.3.0-2.4.0@docker.io", "upgrade", ("2.2.1", "2.3.0", "2.4.0@docker.io"), "", ""),
        ("rollback-2.5.2-2.2.1+values=reuse", "rollback", ("2.2.1", "2.5.2"), "", "reuse"),
    ],
)
def test_names_are_taken_apart(name: str, kind: str, releases: tuple[str, ...], crds: str, values: str) -> None:
    parsed = parse(name)
    assert parsed == path_names.Parsed(kind=kind, releases=releases, crds=crds, values=values)  # type: ignore[arg-type]


def test_names_that_are_no_paths() -> None:
    assert [parse(name) for name in ("upgrade", "upgrade-2.5", "downgrade-2.5.2-2.4.0", "install-2.5.2+")] == [None] * 4


@pytest.mark.parametrize("path", REAL.upgrades.paths.values(), ids=lambda path: path.name)
def test_every_name_leads_back_to_its_path(path: model.Path) -> None:
    parsed = parse(path.name)
    assert parsed is not None
    assert (parsed.kind, parsed.releases) == (path.kind, path.releases)
    assert name_of(parsed.kind, parsed.releases, path.crds, path.values, path.ways) == path.name


@pytest.mark.parametrize(
    ("text", "line", "key", "why"),
    [
        ('[[edge]]\nfrom = ["2.5.2"]\nto = ["2.5.2"]\n', 2, "from", "an edge from 2.5.2 to itself"),
        ('[[edge]]\nfrom = ["2.5.2"]\nto = ["2.4.0"]\n', 2, "from", "an upgrade goes to a newer release.*rollback"),
        (
            '[[edge]]\nfrom = ["2.2.1", "2.5.2"]\nto = ["2.4.0"]\n',
            2,
            "from",
            "and this row has none for 2.5.2",
        ),
        ('[[rollback]]\nfrom = ["2.4.0"]\nto = ["2.5.2"]\n', 2, "from", "a rollback goes to an older release"),
        ('[[edge]]\nfrom = ["2.2.1"]\nto = ["2.9.9"]\n', 3, "to", "no release named '2.9.9'; did you mean"),
        ('[[edge]]\nfrom = ["2.2.1@nowhere"]\nto = ["2.5.2"]\n', 2, "from", "has no relocation to nowhere"),
        ('[[edge]]\nfrom = ["2.1.1"]\nto = ["2.2.1"]\ncrds = ["hook"]\n', 4, "crds", "2.2.1 has no CRD hook"),
        (
            '[[edge]]\nfrom = ["2.2.1"]\nto = ["2.5.2"]\ncrds = ["aply"]\n',
            4,
            "crds",
            "'none', 'apply', 'hook', 'replace', 'create', 'ssa' or 'client-apply'",
        ),
        ('[[edge]]\nfrom = ["2.2.1"]\nto = ["2.5.2"]\nlimit = 3\n', 4, "limit", "no such key"),
        (EDGE + EDGE, 6, r"\[edge\]", "a row above already has upgrade-2.2.1-2.4.0"),
        ('[[chain]]\nreleases = ["2.2.1", "2.5.2", "2.4.0"]\n', 2, "releases", "2.4.0 is older than 2.5.2"),
        ('[[chain]]\nreleases = ["2.2.1", "2.5.2"]\n', 2, "releases", "at least 3"),
        (KNOWN.replace('"<2.3.0"', '"<2.3"'), 2, "from", "'<2.3' is not a comparison"),
        (KNOWN.replace('"<2.3.0"', '"2.2.9"'), 2, "from", "no release named '2.2.9'"),
        (KNOWN.replace("restarted", "("), 7, "says", "not a valid regular expression"),
        (KNOWN.replace("https", "http"), 9, "link", "should match pattern"),
        (KNOWN.replace('"code"', '"rumour"'), 11, "basis", "'run', 'upstream-issue' or 'code'"),
        ("[[edges]]\n", 1, "edges", r"only \[defaults\]"),
        ("[defaults]\nhelm = 3\n", 2, r"defaults\.helm", "valid string, not 3"),
    ],
)
def test_a_wrong_row_is_named_by_file_line_and_key(text: str, line: int, key: str, why: str) -> None:
    with pytest.raises(CatalogueError, match=rf"upgrades\.toml, line {line}: key {key}: .*{why}") as caught:
        read(text)
    assert caught.value.next_step


@pytest.mark.parametrize("row", REAL.upgrades.known, ids=lambda row: row.why[:40])
def test_every_known_break_is_about_a_path_that_there_is(row: KnownRow) -> None:
    about = [
        path.name
        for path in REAL.upgrades.paths.values()
        if any(row.about(move, path.crds, path.values) for move in path.moves)
    ]
    assert about or any(row.about_install(release.name, *row.ways[:1]) for release in REAL.releases)
    assert re.compile(row.says)


def test_a_known_break_says_what_follows_from_it_without_demanding_it() -> None:
    (row,) = read(KNOWN + '[[known.also]]\ncheck = "logs-clean"\nsays = "."\n').known
    assert row.about(Move(kind="upgrade", origin="2.2.1", target="2.5.2"), "none", "default")
    assert [(it.check, it.strikes) for it in row.expectations("2.5.2")] == [
        ("no-restarts", "always"),
        ("logs-clean", "follows"),
    ]


def test_notes_reach_back_before_the_releases_that_have_rows() -> None:
    told = [note.link for note in REAL.upgrades.notes if note.about("1.2.15", "2.1.0")]
    assert any(link.endswith("/2482") for link in told)
    assert not any(
        link.endswith("/2482") for note in REAL.upgrades.notes if note.about("2.2.1", "2.5.2") for link in [note.link]
    )
